// Reader of the JSON header of a safetensors file. JSON.parse would not do: it keeps the last of two equal keys, rounds
// integers beyond 2^53 and makes `__proto__` a special case. This one accepts just the grammar that the format has, never
// recurses deeper than that grammar, and puts names into a Map.

import { quote } from './errors.js';

export interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: Map<string, HeaderEntry>;
  readonly metadata: Map<string, string>;
}

/** Parses the header text; `fail` must throw. Values are checked for type and range here, not against the file's size. */
export function parseHeader(text: string, fail: (reason: string) => never): Header {
  return new HeaderReader(text, fail).read();
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const INTEGER = /-?(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
const NUMBER = /-?[0-9][0-9.eE+-]*/y;
const SPACE = /[ \t\r\n]*/y;

class HeaderReader {
  private at = 0;
  constructor(
    private readonly text: string,
    private readonly fail: (reason: string) => never,
  ) {}

  read(): Header {
    const entries = new Map<string, HeaderEntry>();
    let metadata: Map<string, string> | undefined;
    this.object('the header', (name) => {
      if (name === '__metadata__') {
        if (metadata) this.error(`the key "__metadata__" occurs twice`);
        metadata = this.metadata();
        return;
      }
      if (entries.has(name)) this.error(`the tensor ${quote(name)} occurs twice`);
      entries.set(name, this.entry(name));
    });
    this.space();
    if (this.at !== this.text.length) this.error('something follows the JSON object');
    return { entries, metadata: metadata ?? new Map<string, string>() };
  }

  private entry(name: string): HeaderEntry {
    const what = `the entry of tensor ${quote(name)}`;
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.object(what, (field) => {
      if (field === 'dtype' && dtype === undefined) dtype = this.string(`the dtype in ${what}`);
      else if (field === 'shape' && shape === undefined) shape = this.integers(`the shape in ${what}`);
      else if (field === 'data_offsets' && offsets === undefined) offsets = this.integers(`data_offsets in ${what}`);
      else if (field === 'dtype' || field === 'shape' || field === 'data_offsets')
        this.error(`the field "${field}" occurs twice in ${what}`);
      else this.error(`unknown field ${quote(field)} in ${what}`);
    });
    if (dtype === undefined) this.error(`no dtype in ${what}`);
    if (shape === undefined) this.error(`no shape in ${what}`);
    if (offsets === undefined) this.error(`no data_offsets in ${what}`);
    if (offsets.length !== 2) this.error(`data_offsets in ${what} must be two integers, got ${offsets.length}`);
    return { dtype, shape, begin: offsets[0]!, end: offsets[1]! };
  }

  private metadata(): Map<string, string> {
    const map = new Map<string, string>();
    this.object('__metadata__', (key) => {
      if (map.has(key)) this.error(`the metadata key ${quote(key)} occurs twice`);
      map.set(key, this.string(`the metadata value of ${quote(key)}`));
    });
    return map;
  }

  private object(what: string, member: (key: string) => void): void {
    this.expect('{', what, 'an object');
    this.space();
    if (this.take('}')) return;
    for (;;) {
      const key = this.string(`a key in ${what}`);
      this.expect(':', what, "':'");
      member(key);
      this.space();
      if (this.take('}')) return;
      this.expect(',', what, "',' or '}'");
    }
  }

  private integers(what: string): number[] {
    const list: number[] = [];
    this.expect('[', what, 'an array of integers');
    this.space();
    if (this.take(']')) return list;
    for (;;) {
      list.push(this.integer(what));
      this.space();
      if (this.take(']')) return list;
      this.expect(',', what, "',' or ']'");
    }
  }

  private integer(what: string): number {
    this.space();
    const token = this.match(INTEGER);
    if (token === null) {
      const other = this.match(NUMBER);
      return this.error(`${what} must hold integers, got ${other ?? this.here()}`);
    }
    const value = Number(token);
    if (value < 0 || Object.is(value, -0)) this.error(`${what} must not hold negative numbers, got ${token}`);
    if (!Number.isSafeInteger(value)) this.error(`${what} holds ${token}, which is beyond 2^53`);
    return value;
  }

  private string(what: string): string {
    this.space();
    const token = this.match(STRING);
    if (token === null) return this.error(`${what} must be a string, got ${this.here()}`);
    const value = JSON.parse(token) as string;
    if (/\p{Surrogate}/u.test(value)) this.error(`${what} holds half a surrogate pair`);
    return value;
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return null;
    this.at += found[0].length;
    return found[0];
  }

  private take(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  private expect(char: string, what: string, wanted: string): void {
    this.space();
    if (!this.take(char)) this.error(`${what}: expected ${wanted}, got ${this.here()}`);
  }

  private space(): void {
    SPACE.lastIndex = this.at;
    this.at += SPACE.exec(this.text)![0].length;
  }

  private here(): string {
    return this.at < this.text.length ? quote(this.text.slice(this.at, this.at + 12)) : 'the end of the header';
  }

  private error(reason: string): never {
    return this.fail(`${reason} (header position ${this.at})`);
  }
}
