// Compares a loaded value with the `content` of a manifest (checkpoints/README.md, "Values").
import { createHash } from 'node:crypto';
import * as fb from '../../../src/index.js';
import { native } from '../../../src/native.js';
import { tensorToBytes } from '../../../src/serialization/tensors.js';
import type { TensorBytes } from '../../../src/serialization/safetensors.js';

type Json = { readonly [key: string]: unknown };
const isRecord = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x);

/** Compares one file's values; tensors that name one storage must share it. */
export class Comparison {
  private readonly storages = new Map<string, fb.Tensor>();
  constructor(private readonly expected: ReadonlyMap<string, TensorBytes>) {}

  /** Throws an Error that says where the two differ. */
  check(want: unknown, got: unknown, at = 'value'): void {
    const differ = (what: string): never => {
      throw new Error(`${at}: ${what}`);
    };
    if (!isRecord(want)) {
      if (!Object.is(want, got) && !(want === 0 && got === 0)) differ(`expected ${String(want)}, got ${show(got)}`);
      return;
    }
    if ('tensor' in want || 'sha256' in want || 'numpyDtype' in want) return this.tensor(want, got, at);
    if ('unsupported' in want) return differ(`a tensor of ${String(want.unsupported)} was loaded as ${show(got)}`);
    if ('dict' in want) {
      if (!isRecord(got) || got instanceof Map) return differ(`expected a plain object, got ${show(got)}`);
      return this.entries(Object.entries(want.dict as Json), Object.entries(got), at);
    }
    if ('map' in want) {
      if (!(got instanceof Map)) return differ(`expected a Map, got ${show(got)}`);
      return this.map(want.map as [unknown, unknown][], got, at);
    }
    if ('list' in want || 'tuple' in want) {
      const items = (want.list ?? want.tuple) as unknown[];
      if (!Array.isArray(got) || got.length !== items.length)
        return differ(`expected ${items.length} items, got ${show(got)}`);
      return items.forEach((item, i) => this.check(item, (got as unknown[])[i], `${at}[${i}]`));
    }
    if ('set' in want) {
      const items = want.set as unknown[];
      if (!(got instanceof Set) || got.size !== items.length || !items.every((i) => got.has(i)))
        differ(`expected a set of ${JSON.stringify(items)}, got ${show(got)}`);
      return;
    }
    if ('bytes' in want) {
      if (!(got instanceof Uint8Array) || Buffer.from(got).toString('base64') !== want.bytes)
        differ(`expected bytes ${String(want.bytes)}, got ${show(got)}`);
      return;
    }
    const plain = plainValue(want);
    if (plain === undefined) return differ(`the runner does not know the value ${JSON.stringify(want)}`);
    if (!Object.is(plain, got)) differ(`expected ${String(plain)}, got ${show(got)}`);
  }

  private entries(want: [string, unknown][], got: [string, unknown][], at: string): void {
    const keys = want.map(([k]) => k);
    if (JSON.stringify(keys) !== JSON.stringify(got.map(([k]) => k)))
      throw new Error(`${at}: expected the keys ${JSON.stringify(keys)}, got ${JSON.stringify(got.map(([k]) => k))}`);
    want.forEach(([k, v], i) => this.check(v, got[i]![1], `${at}[${JSON.stringify(k)}]`));
  }
  private map(want: [unknown, unknown][], got: ReadonlyMap<unknown, unknown>, at: string): void {
    if (got.size !== want.length) throw new Error(`${at}: expected ${want.length} entries, got ${got.size}`);
    const list = [...got];
    want.forEach(([k, v], i) => {
      this.check(k, list[i]![0], `${at} key ${i}`);
      this.check(v, list[i]![1], `${at}[${String(list[i]![0])}]`);
    });
  }

  private tensor(want: Json, got: unknown, at: string): void {
    const differ = (what: string): never => {
      throw new Error(`${at}: ${what}`);
    };
    if (!(got instanceof fb.Tensor)) return differ(`expected a tensor, got ${show(got)}`);
    const shape = want.shape as number[];
    if (String(got.shape) !== String(shape)) differ(`expected shape [${shape.join()}], got [${got.shape.join()}]`);
    if ('list' in want) {
      const numbers = (want.list as { int: string }[]).map((n) => n.int);
      const values = [...(got.toTypedArray() as BigInt64Array)].map(String);
      if (String(values) !== String(numbers)) differ(`expected ${String(numbers)}, got ${String(values)}`);
      return;
    }
    if (got.dtype !== want.dtype) differ(`expected dtype ${String(want.dtype)}, got ${got.dtype}`);
    if (got.requiresGrad !== (want.requiresGrad ?? false)) differ(`requiresGrad is ${String(got.requiresGrad)}`);
    const strides = want.strides as number[] | undefined;
    if (strides && String(got.stride()) !== String(strides))
      differ(`expected strides [${strides.join()}], got [${got.stride().join()}]`);
    const { data } = tensorToBytes(got);
    if ('sha256' in want) {
      const hash = createHash('sha256').update(data).digest('hex');
      if (hash !== want.sha256) differ(`the SHA-256 of its elements is ${hash}, expected ${String(want.sha256)}`);
    } else {
      const bytes = this.expected.get(want.tensor as string);
      if (!bytes) differ(`the data have no tensor '${String(want.tensor)}'`);
      const at = bytes!.data.findIndex((b, i) => b !== data[i]);
      if (bytes!.data.length !== data.length || at >= 0) differ(`its bytes differ, first at ${at}`);
    }
    this.storage(want, got, at);
  }

  private storage(want: Json, got: fb.Tensor, at: string): void {
    if (!('storage' in want)) return;
    if (native.offset(got._h) !== want.offset)
      throw new Error(`${at}: expected offset ${String(want.offset)}, got ${native.offset(got._h)}`);
    const key = want.storage as string;
    const first = this.storages.get(key);
    if (first === undefined) this.storages.set(key, got);
    else if (!native.sharesStorage(first._h, got._h)) throw new Error(`${at}: it does not share its memory any more`);
  }
}

/** Values that are spelled out: numbers that JSON lacks, and names. */
function plainValue(v: Json): unknown {
  if ('float' in v) return v.float;
  if ('number' in v) return { nan: NaN, inf: Infinity, '-inf': -Infinity, '-0': -0 }[v.number as string];
  if ('int' in v) {
    const n = BigInt(v.int as string);
    return Number.isSafeInteger(Number(n)) ? Number(n) : n;
  }
  if ('str' in v) return v.str;
  if ('dtype' in v) return (v.dtype as string).replace('torch.', '');
  if ('device' in v) return v.device;
  return undefined;
}

function show(x: unknown): string {
  if (x instanceof fb.Tensor) return `a tensor of shape [${x.shape.join()}]`;
  if (typeof x === 'bigint') return `${x}n`;
  if (typeof x === 'object' && x !== null) return `a ${x.constructor?.name ?? 'object'}`;
  return typeof x === 'string' ? JSON.stringify(x.slice(0, 60)) : String(x);
}
