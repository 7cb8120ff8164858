// A restricted reader of Python's pickle format, protocols 0 to 5. A pickle is a program for a stack machine; this machine
// knows the instructions that build plain values, and calls nothing but the names that `PickleHost` gives out. All lengths are
// compared with the bytes that are there before anything is allocated; nesting costs no stack.
// Source: Lib/pickletools.py of CPython describes every instruction.
import { constants } from 'node:buffer';
import { quote, type Fail } from './errors.js';
import { pyFloat, PyDict, PyGlobal, PySet } from './pickle.js';

export interface PickleHost {
  /** The global `module.name`, or an error. */
  find(module: string, name: string): unknown;
  /** The object of a persistent id. */
  persistent(id: unknown): unknown;
  /**
   * What the bytes of a Python 2 `str` are (default: 'utf-8'). 'latin-1' takes any bytes, one character each: so NumPy reads
   * the elements of arrays that Python 2 wrote.
   */
  readonly python2Strings?: 'utf-8' | 'latin-1';
}

/** Digits of a decimal integer: converting takes time that grows with their square. */
const MAX_DIGITS = 10_000;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads one pickle at `at`; `end` is where the next one may begin. */
export function unpickle(bytes: Uint8Array, at: number, host: PickleHost, fail: Fail): { value: unknown; end: number } {
  const machine = new Machine(bytes, at, host, fail);
  const value = machine.run();
  return { value, end: machine.at };
}

class Machine {
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  /** Tuples are arrays that may not be changed. */
  private readonly tuples = new WeakSet<object>();
  private readonly builders = new WeakMap<object, PyGlobal>();
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly host: PickleHost,
    private readonly failFile: Fail,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    for (;;) {
      if (this.at >= this.bytes.length) this.fail('it ends without STOP');
      const op = this.bytes[this.at++]!;
      if (op === 0x2e) {
        const value = this.pop();
        if (this.stack.length !== 0 || this.marks.length !== 0) this.fail('STOP with values left on the stack');
        return value;
      }
      this.step(op);
    }
  }

  private step(op: number): void {
    switch (op) {
      // ---- plain values ----
      case 0x4e: // NONE
        return this.push(null);
      case 0x88: // NEWTRUE
        return this.push(true);
      case 0x89: // NEWFALSE
        return this.push(false);
      case 0x4b: // BININT1
        return this.push(this.u8());
      case 0x4d: // BININT2
        return this.push(this.view.getUint16(this.take(2), true));
      case 0x4a: // BININT
        return this.push(this.view.getInt32(this.take(4), true));
      case 0x8a: // LONG1
        return this.push(this.long(this.u8()));
      case 0x8b: // LONG4
        return this.push(this.long(this.view.getInt32(this.take(4), true)));
      case 0x47: // BINFLOAT
        return this.push(pyFloat(this.view.getFloat64(this.take(8), false)));
      case 0x49: // INT
        return this.push(this.integer(this.line()));
      case 0x4c: // LONG
        return this.push(this.integer(this.line().replace(/L$/, '')));
      case 0x46: // FLOAT
        return this.push(pyFloat(this.float(this.line())));
      case 0x8c: // SHORT_BINUNICODE
        return this.push(this.text(this.u8()));
      case 0x58: // BINUNICODE
        return this.push(this.text(this.u32()));
      case 0x54: // BINSTRING
        return this.push(this.python2(this.u32()));
      case 0x8d: // BINUNICODE8
        return this.push(this.text(this.u64()));
      case 0x55: // SHORT_BINSTRING
        return this.push(this.python2(this.u8()));
      case 0x56: // UNICODE
        return this.push(this.unescape(this.line(), false));
      case 0x53: // STRING
        return this.push(this.unescape(this.unquote(this.line()), true));
      case 0x43: // SHORT_BINBYTES
        return this.push(this.raw(this.u8()));
      case 0x42: // BINBYTES
        return this.push(this.raw(this.u32()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.push(this.raw(this.u64()));
      default:
        return this.container(op);
    }
  }

  private container(op: number): void {
    switch (op) {
      case 0x28: // MARK
        this.marks.push(this.stack.length);
        return;
      case 0x5d: // EMPTY_LIST
        return this.push([]);
      case 0x29: // EMPTY_TUPLE
        return this.push(this.tuple([]));
      case 0x7d: // EMPTY_DICT
        return this.push(new PyDict());
      case 0x8f: // EMPTY_SET
        return this.push(new PySet());
      case 0x6c: // LIST
        return this.push(this.popMark());
      case 0x74: // TUPLE
        return this.push(this.tuple(this.popMark()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.push(this.tuple(this.popMany(op - 0x84)));
      case 0x64: // DICT
        return this.push(this.setItems(new PyDict(), this.popMark()));
      case 0x91: // FROZENSET
        return this.push(this.addItems(new PySet(), this.popMark()));
      case 0x61: // APPEND
        return this.append(this.popMany(1));
      case 0x65: // APPENDS
        return this.append(this.popMark());
      case 0x73: // SETITEM
        return void this.setItems(this.top(PyDict, 'SETITEM', 2), this.popMany(2));
      case 0x75: {
        // SETITEMS
        const items = this.popMark();
        return void this.setItems(this.top(PyDict, 'SETITEMS', 0), items);
      }
      case 0x90: {
        // ADDITEMS
        const items = this.popMark();
        return void this.addItems(this.top(PySet, 'ADDITEMS', 0), items);
      }
      case 0x30: // POP
        if (this.marks.at(-1) === this.stack.length) this.marks.pop();
        else this.pop();
        return;
      case 0x31: // POP_MARK
        this.popMark();
        return;
      case 0x32: {
        // DUP
        const value = this.pop();
        this.push(value);
        return this.push(value);
      }
      default:
        return this.reference(op);
    }
  }

  private reference(op: number): void {
    switch (op) {
      case 0x80: {
        // PROTO
        const version = this.u8();
        if (version > 5) this.fail(`pickle protocol ${version} is unknown`);
        return;
      }
      case 0x95: // FRAME
        if (this.u64() > this.bytes.length - this.at) this.fail('a FRAME is longer than the pickle');
        return;
      case 0x71: // BINPUT
        return this.put(this.u8());
      case 0x72: // LONG_BINPUT
        return this.put(this.u32());
      case 0x94: // MEMOIZE
        return this.put(this.memo.size);
      case 0x70: // PUT
        return this.put(this.memoIndex(this.line()));
      case 0x68: // BINGET
        return this.get(this.u8());
      case 0x6a: // LONG_BINGET
        return this.get(this.u32());
      case 0x67: // GET
        return this.get(this.memoIndex(this.line()));
      case 0x63: // GLOBAL
        return this.push(this.host.find(this.line(), this.line()));
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') return this.fail('STACK_GLOBAL needs two strings');
        return this.push(this.host.find(module, name));
      }
      case 0x51: // BINPERSID
        return this.push(this.host.persistent(this.pop()));
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        return this.reduce(op === 0x52 ? 'REDUCE' : 'NEWOBJ');
      case 0x62: // BUILD
        return this.build();
      default: {
        const refused = REFUSED.get(op);
        const hex = `0x${op.toString(16).padStart(2, '0')}`;
        return this.fail(
          refused === undefined
            ? `there is no pickle instruction ${hex}`
            : `the pickle instruction ${refused} is not allowed: no checkpoint needs it`,
        );
      }
    }
  }

  private reduce(op: string): void {
    const [callee, args] = this.popMany(2);
    if (!(callee instanceof PyGlobal) || callee.call === null)
      return this.fail(`${op} of something that cannot be called`);
    if (!this.isTuple(args)) return this.fail(`${op} needs a tuple of arguments`);
    const value = callee.call(args);
    if (callee.build !== null && typeof value === 'object' && value !== null) this.builders.set(value, callee);
    this.push(value);
  }

  private build(): void {
    const state = this.pop();
    const object = this.peek();
    const builder = typeof object === 'object' && object !== null ? this.builders.get(object) : undefined;
    if (builder === undefined) return this.fail('BUILD of something that takes no state');
    builder.build!(object, state);
  }

  // ---- the stack ----

  private push(value: unknown): void {
    this.stack.push(value);
  }
  private peek(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('an instruction finds the stack empty');
    return this.stack[this.stack.length - 1];
  }
  private pop(): unknown {
    this.peek();
    return this.stack.pop();
  }
  private popMany(n: number): unknown[] {
    if (this.stack.length - n < (this.marks.at(-1) ?? 0)) this.fail('an instruction finds the stack empty');
    return this.stack.splice(this.stack.length - n, n);
  }
  private popMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) return this.fail('an instruction finds no MARK');
    return this.stack.splice(mark);
  }
  /** The container below `above` values. */
  private top<T>(kind: new () => T, op: string, above: number): T {
    const value = this.stack[this.stack.length - 1 - above];
    if (!(value instanceof kind) || this.stack.length - above <= (this.marks.at(-1) ?? 0))
      return this.fail(`${op} needs a ${kind === (PyDict as unknown) ? 'dict' : 'set'}`);
    return value;
  }
  private append(items: unknown[]): void {
    const list = this.peek();
    if (!Array.isArray(list) || this.isTuple(list)) return this.fail('APPEND needs a list');
    for (const item of items) list.push(item);
  }
  private setItems(dict: PyDict, items: unknown[]): PyDict {
    if (items.length % 2 !== 0) this.fail('a dict needs as many values as keys');
    for (let i = 0; i < items.length; i += 2) dict.map.set(items[i], items[i + 1]);
    return dict;
  }
  private addItems(set: PySet, items: unknown[]): PySet {
    for (const item of items) set.items.add(item);
    return set;
  }
  private tuple(items: unknown[]): unknown[] {
    this.tuples.add(items);
    return items;
  }
  private isTuple(x: unknown): x is unknown[] {
    return Array.isArray(x) && this.tuples.has(x);
  }
  private put(index: number): void {
    this.memo.set(index, this.peek());
  }
  private get(index: number): void {
    if (!this.memo.has(index)) this.fail(`memo entry ${index} was never put`);
    this.push(this.memo.get(index));
  }
  private memoIndex(line: string): number {
    if (!/^\d{1,10}$/.test(line)) this.fail(`${quote(line)} is no memo index`);
    return Number(line);
  }

  // ---- arguments in the byte stream ----

  /** Where the next `n` bytes begin. */
  private take(n: number): number {
    const at = this.at;
    if (!(n >= 0 && n <= this.bytes.length - at))
      this.fail(`a value is said to have ${n} bytes, ${this.bytes.length - at} are left`);
    this.at = at + n;
    return at;
  }
  private u8(): number {
    return this.bytes[this.take(1)]!;
  }
  private u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  private u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }
  private raw(n: number): Uint8Array {
    const at = this.take(n);
    return this.bytes.slice(at, at + n);
  }
  private text(n: number): string {
    const at = this.take(n);
    return this.decode(this.bytes.subarray(at, at + n));
  }
  private python2(n: number): string {
    if (this.host.python2Strings !== 'latin-1') return this.text(n);
    const at = this.take(n);
    if (n > constants.MAX_STRING_LENGTH) this.fail(`a string has ${n} bytes`);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, n).toString('latin1');
  }
  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) return this.fail('a line does not end');
    const text = this.decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }
  private decode(bytes: Uint8Array): string {
    try {
      return UTF8.decode(bytes);
    } catch {
      return this.fail('a string is not UTF-8');
    }
  }
  /** Two's complement, little-endian; a bigint where a number would lose digits. */
  private long(n: number): number | bigint {
    const at = this.take(n);
    if (n === 0) return 0;
    const digits = Buffer.from(this.bytes.subarray(at, at + n)).reverse();
    const value = BigInt.asIntN(n * 8, BigInt(`0x${digits.toString('hex')}`));
    return narrow(value);
  }
  private integer(text: string): number | bigint | boolean {
    if (text === '01' || text === '00') return text === '01';
    if (!/^[+-]?\d+$/.test(text) || text.length > MAX_DIGITS) this.fail(`${quote(text)} is no integer`);
    return narrow(BigInt(text.replace(/^\+/, '')));
  }
  private float(text: string): number {
    const special = new Map([
      ['nan', NaN],
      ['inf', Infinity],
      ['-inf', -Infinity],
    ]).get(text);
    if (special !== undefined) return special;
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) this.fail(`${quote(text)} is no number`);
    return Number(text);
  }
  private unquote(text: string): string {
    if (!/^(?:'.*'|".*")$/s.test(text) || text.length < 2) this.fail(`the string ${quote(text)} is not quoted`);
    return text.slice(1, -1);
  }
  /** The escapes of protocol 0: those of raw-unicode-escape, and of Python 2's string literals. */
  private unescape(text: string, literal: boolean): string {
    return text.replace(
      /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(['"\\nrt]))/g,
      (all, u, U, x, c) => {
        if (u !== undefined) return String.fromCharCode(parseInt(u as string, 16));
        if (U !== undefined) {
          const code = parseInt(U as string, 16);
          return code <= 0x10ffff ? String.fromCodePoint(code) : this.fail(`${quote(all as string)} is no character`);
        }
        if (!literal) return all as string;
        if (x !== undefined) return String.fromCharCode(parseInt(x as string, 16));
        return ({ n: '\n', r: '\r', t: '\t' } as Record<string, string>)[c as string] ?? (c as string);
      },
    );
  }

  private fail(reason: string): never {
    return this.failFile(`its pickle cannot be read: ${reason} (position ${this.at})`);
  }
}

/** Instructions that exist and are refused. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [0x69, 'INST'],
  [0x6f, 'OBJ'],
  [0x92, 'NEWOBJ_EX'],
  [0x82, 'EXT1'],
  [0x83, 'EXT2'],
  [0x84, 'EXT4'],
  [0x50, 'PERSID'],
  [0x97, 'NEXT_BUFFER'],
  [0x98, 'READONLY_BUFFER'],
]);

function narrow(value: bigint): number | bigint {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : value;
}
