// What random single-operator models are made of.

/** Ints, lists of ints, strings; floats are marked. */
export type Attribute =
  number | readonly number[] | string | { readonly float: number } | { readonly floats: readonly number[] };
export interface Input {
  readonly dtype: 'float32' | 'float64' | 'int32' | 'int64' | 'uint8' | 'bool';
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly constant?: boolean;
}
export interface Case {
  readonly op: string;
  readonly opset: number;
  readonly inputs: readonly (Input | null)[];
  readonly attributes?: Readonly<Record<string, Attribute | undefined>>;
  readonly outputs?: number;
  /** ONNX's number of the outputs' element type; float32 unless given. */
  readonly result?: number;
  readonly tolerance?: number;
}

/** A small generator (mulberry32). */
export class Random {
  constructor(private state: number) {}
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  /** Low to high, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  bool(p = 0.5): boolean {
    return this.next() < p;
  }
  of<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)]!;
  }
  list<T>(n: number, f: (i: number) => T): T[] {
    return Array.from({ length: n }, (_, i) => f(i));
  }
  shape(rank: number, low = 1, high = 5): number[] {
    return this.list(rank, () => this.int(low, high));
  }
  floats(shape: readonly number[], scale = 2): Input {
    return {
      dtype: 'float32',
      shape,
      values: this.list(count(shape), () => Math.fround((this.next() * 2 - 1) * scale)),
    };
  }
  ints(shape: readonly number[], low: number, high: number, dtype: Input['dtype'] = 'int64'): Input {
    return { dtype, shape, values: this.list(count(shape), () => this.int(low, high)) };
  }
  /** Some of the attributes: each is there with probability 0.6. */
  some(attributes: Record<string, Attribute>): Record<string, Attribute> {
    return Object.fromEntries(Object.entries(attributes).filter(() => this.bool(0.6)));
  }
}
export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const constant = (
  values: readonly number[],
  dtype: Input['dtype'] = 'int64',
  shape = [values.length],
): Input => ({
  dtype,
  shape,
  values,
  constant: true,
});

/** Makes one model of an operator. */
export type Maker = (r: Random) => Case;
/** Some axes, counted from either end. */
export const axesOf = (r: Random, rank: number): number[] =>
  r
    .list(rank, (i) => i)
    .filter(() => r.bool())
    .map((a) => (r.bool() ? a : a - rank));
