// Ops of the graph fuzzer (graphs.ts). Each takes operands from a pool by number and says how large its result and its rounding error may be:
// compiled code may round otherwise than eager code (fused ops keep more bits, sums have another order), but only so much. Nothing here looks
// at values, so that a program is the same for all arguments; ops that jump (comparisons, floor, argmax) take exact operands only.
import * as fb from '../../src/index.js';
import { native } from '../../src/native.js';
import { nn, type DType, type Tensor } from '../../src/index.js';

const F = nn.functional;

export interface Entry {
  readonly t: Tensor;
  /** No element of compiled and eager code differs by more; 0: equal. */
  err: number;
  /** No element is larger. */
  mag: number;
  /** Entries of one memory have one number: a write through one of them changes all. */
  readonly memory: number;
}

const EPS: Partial<Record<DType, number>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};
const LARGEST: Partial<Record<DType, number>> = {
  int8: 128,
  uint8: 255,
  int16: 32768,
  int32: 2 ** 31,
  int64: 2 ** 53,
  bool: 1,
};
/** Larger values are left alone: a relative error would say nothing of them. */
const LIMIT = 1e4;
const MAX_NUMEL = 20_000;

export const isFloat = (t: Tensor): boolean => EPS[t.dtype] !== undefined;
const isInt = (t: Tensor): boolean => !isFloat(t) && t.dtype !== 'bool';

/** The numbers of one step: operand choices and parameters. */
export type Numbers = readonly [number, number, number, number];
export type Op = (p: Pool, n: Numbers) => void | null;

const call = (t: Tensor, name: string, ...args: unknown[]): Tensor =>
  (t as unknown as Record<string, (...a: unknown[]) => Tensor>)[name]!(...args);

export interface PoolOptions {
  /** Arguments require grad: nothing of theirs is written, and all arithmetic is in float64. */
  readonly grad: boolean;
  /** Some elements are NaN or infinite: what they are as integers is undefined. */
  readonly special: boolean;
}

/** The values of one run, in order. */
export class Pool {
  readonly entries: Entry[] = [];
  private memories = 0;
  /** What was done, for people. */
  readonly text: string[] = [];

  constructor(
    args: readonly Tensor[],
    readonly options: PoolOptions,
  ) {
    const ids = new Map<number, number>();
    for (const t of args) {
      const id = native.storageId(t._h);
      if (!ids.has(id)) ids.set(id, this.memories++);
      this.entries.push({ t, err: 0, mag: t.dtype === 'bool' ? 1 : 9, memory: ids.get(id)! });
    }
    this.outside = ids.size;
  }
  /** Memories up to here are those of arguments and state. */
  readonly outside: number;

  at(i: number): Entry {
    return this.entries[i % this.entries.length]!;
  }
  /** A new tensor of its own. */
  make(t: Tensor, err: number, mag: number, text: string): void {
    // Below nought is far above it.
    this.put(t, err, t.dtype === 'uint8' ? 255 : mag, this.memories++, text);
  }
  /** A view of an entry's memory. */
  view(of: Entry, t: Tensor, text: string): void {
    this.put(t, of.err, of.mag, of.memory, text);
  }
  private put(t: Tensor, err: number, mag: number, memory: number, text: string): void {
    if (t.numel() > MAX_NUMEL || (isFloat(t) && !(mag <= LIMIT))) return;
    const eps = EPS[t.dtype];
    this.text.push(`${this.entries.length} = ${text}`);
    this.entries.push({
      t,
      err: eps === undefined ? 0 : err,
      mag: Math.min(mag, LARGEST[t.dtype] ?? Infinity),
      memory,
    });
  }
  /** The result of rounding arithmetic: every op adds a few units in the last place of its largest value. */
  rounded(t: Tensor, err: number, mag: number, text: string, units = 2): void {
    this.make(t, err + (EPS[t.dtype] ?? 0) * mag * units, mag, text);
  }
  /** Notes a write through an entry. */
  written(e: Entry, err: number, mag: number, text: string): void {
    this.text.push(text);
    const eps = EPS[e.t.dtype];
    for (const x of this.entries) {
      if (x.memory !== e.memory) continue;
      x.err = eps === undefined ? 0 : Math.max(x.err, err + eps * mag * 2);
      x.mag = Math.min(Math.max(x.mag, e.t.dtype === 'uint8' ? 255 : mag), LARGEST[e.t.dtype] ?? Infinity);
    }
  }
}

const broadcasts = (a: Tensor, b: Tensor): boolean => {
  for (let k = 1; k <= Math.max(a.ndim, b.ndim); k++) {
    const [x, y] = [a.shape[a.ndim - k] ?? 1, b.shape[b.ndim - k] ?? 1];
    if (x !== y && x !== 1 && y !== 1) return false;
  }
  return true;
};
/** An entry with a dimension to work along. */
const along = (p: Pool, i: number, d: number, f: (e: Entry, dim: number, size: number) => void | null): void | null => {
  const e = p.at(i);
  if (e.t.ndim === 0) return null;
  const dim = d % e.t.ndim;
  return f(e, dim, e.t.shape[dim]!);
};

// ---- element by element ----

/** Name, steepest slope, largest result for operands up to m. */
const UNARY: readonly (readonly [string, number, (m: number) => number])[] = [
  ['tanh', 1, () => 1],
  ['sigmoid', 1, () => 1],
  ['sin', 1, () => 1],
  ['erf', 1.2, () => 1],
  ['silu', 1.2, (m) => m],
  ['atan', 1, () => 1.6],
  ['relu', 1, (m) => m],
  ['abs', 1, (m) => m],
  ['neg', 1, (m) => m],
  ['clone', 1, (m) => m],
];
const EXACT = new Set(['relu', 'abs', 'neg', 'clone']);
const unary: Op = (p, [i, k]) => {
  const { t, err, mag } = p.at(i);
  const [name, slope, largest] = UNARY[k % UNARY.length]!;
  if (t.dtype === 'bool' || (isInt(t) && (name === 'silu' || (t.dtype === 'uint8' && name === 'neg')))) return null;
  const out = call(t, name);
  if (EXACT.has(name)) p.make(out, err, largest(mag), `${name}(${i})`);
  else p.rounded(out, err * slope, largest(mag), `${name}(${i})`, 4);
};
/** Functions with steep slopes, of operands that are kept tame. */
const tame: Op = (p, [i, k]) => {
  const { t, err } = p.at(i);
  if (!isFloat(t)) return null;
  const x = t.tanh();
  const e = err + EPS[x.dtype]! * 4;
  const done = (out: Tensor, slope: number, mag: number, name: string): void =>
    p.rounded(out, e * slope, mag, `${name} of tanh(${p.entries.indexOf(p.at(i))})`, 6);
  switch (k % 6) {
    case 0:
      return done(x.exp(), 3, 3, 'exp');
    case 1:
      return done(x.abs().add(0.5).log(), 3, 1, 'log');
    case 2:
      return done(x.square().add(0.25).sqrt(), 2, 2, 'sqrt');
    case 3:
      return done(x.square().add(0.5).rsqrt(), 3, 2, 'rsqrt');
    case 4:
      return done(x.abs().add(0.5).pow(1.5), 3, 2, 'pow');
    default:
      return done(F.gelu(x), 2, 1, 'gelu');
  }
};
const binary: Op = (p, [i, j, k]) => {
  const [a, b] = [p.at(i), p.at(j)];
  const name = ['add', 'sub', 'mul', 'maximum', 'minimum'][k % 5]!;
  if (!broadcasts(a.t, b.t) || (name === 'sub' && (a.t.dtype === 'bool' || b.t.dtype === 'bool'))) return null;
  const out = call(a.t, name, b.t);
  const text = `${name}(${i}, ${j})`;
  if (name === 'mul') p.rounded(out, a.err * b.mag + b.err * a.mag, a.mag * b.mag, text);
  else if (name === 'add' || name === 'sub') p.rounded(out, a.err + b.err, a.mag + b.mag, text);
  // Operands are converted to the common dtype first.
  else p.rounded(out, Math.max(a.err, b.err), Math.max(a.mag, b.mag), text, 1);
};
const SCALARS = [0, 1, -1, 2, 0.5, 3, -0.25];
const scalar: Op = (p, [i, j, k]) => {
  const { t, err, mag } = p.at(i);
  const c = SCALARS[j % SCALARS.length]!;
  const name = ['add', 'mul', 'rsub', 'maximum'][k % 4]!;
  if (t.dtype === 'bool' && name !== 'mul' && name !== 'add') return null;
  if (name === 'maximum') {
    p.make(t.clamp(c), err, Math.max(mag, Math.abs(c)), `clamp(${i}, ${c})`);
    return;
  }
  const out = name === 'rsub' ? t.neg().add(c) : call(t, name, c);
  const size = Math.abs(c);
  p.rounded(out, name === 'mul' ? err * size : err, name === 'mul' ? mag * size : mag + size, `${name}(${i}, ${c})`);
};
const quotient: Op = (p, [i, j, k]) => {
  const [a, b] = [p.at(i), p.at(j)];
  if (!broadcasts(a.t, b.t) || b.t.dtype === 'bool') return null;
  const below = b.t.abs().add(1);
  if (isFloat(a.t) || isFloat(b.t) || k % 3 === 0) {
    if (isInt(b.t) && b.mag > 100) return null; // abs() + 1 may wrap to nought
    p.rounded(a.t.div(below), a.err + b.err * a.mag, a.mag, `div(${i}, abs(${j}) + 1)`, 4);
  } else {
    if (a.t.dtype === 'bool' || b.mag > 100) return null;
    const name = k % 3 === 1 ? 'floorDivide' : 'remainder';
    p.make(call(a.t, name, below), 0, Math.max(a.mag, b.mag + 1), `${name}(${i}, abs(${j}) + 1)`);
  }
};
const compare: Op = (p, [i, j, k]) => {
  const [a, b] = [p.at(i), p.at(j)];
  const name = ['lt', 'ge', 'eq', 'ne', 'gt'][k % 5]!;
  if (!broadcasts(a.t, b.t) || a.err > 0 || b.err > 0) return null;
  p.make(call(a.t, name, b.t), 0, 1, `${name}(${i}, ${j})`);
};
const where: Op = (p, [i, j, k, l]) => {
  const [a, b] = [p.at(i), p.at(j)];
  const bools = p.entries.filter((e) => e.t.dtype === 'bool');
  if (bools.length === 0) return null;
  const c = bools[k % bools.length]!;
  if (!broadcasts(a.t, b.t) || !broadcasts(c.t, a.t) || !broadcasts(c.t, b.t)) return null;
  const at = `#${p.entries.indexOf(c)}`;
  if (l % 3 === 0) p.make(a.t.maskedFill(c.t, 2), a.err, Math.max(a.mag, 2), `maskedFill(${i}, ${at}, 2)`);
  else p.rounded(fb.where(c.t, a.t, b.t), Math.max(a.err, b.err), Math.max(a.mag, b.mag), `where(${at}, ${i}, ${j})`, 1); // prettier-ignore
};
const jump: Op = (p, [i, k]) => {
  const { t, err, mag } = p.at(i);
  if (err > 0 || !isFloat(t)) return null;
  const name = ['floor', 'ceil', 'trunc', 'round', 'sign'][k % 5]!;
  p.make(call(t, name), 0, mag + 1, `${name}(${i})`);
};
const DTYPES: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'int8', 'uint8', 'bool', 'float16', 'bfloat16', 'int16']; // prettier-ignore
const convert: Op = (p, [i, k]) => {
  const { t, err, mag } = p.at(i);
  const to = DTYPES[k % DTYPES.length]!;
  // Conversions of what does not fit are undefined, as in C.
  if (isFloat(t) && EPS[to] === undefined && (err > 0 || mag > 100 || to === 'uint8' || p.options.special)) return null; // prettier-ignore
  if (p.options.grad && EPS[to] !== undefined && to !== 'float64') return null;
  if (EPS[to] !== undefined) p.rounded(t.to(to), err, mag, `to(${i}, ${to})`, 1);
  else p.make(t.to(to), 0, mag, `to(${i}, ${to})`);
};

// ---- along dimensions ----

const dimsOf = (t: Tensor, bits: number): number[] => {
  const dims = t.shape.flatMap((_, d) => ((bits >> d) & 1 ? [d] : []));
  return dims.length > 0 ? dims : [t.ndim - 1];
};
const reduce: Op = (p, [i, bits, k, l]) => {
  const e = p.at(i);
  const { t, err, mag } = e;
  if (t.ndim === 0) return null;
  const dim = dimsOf(t, bits);
  const n = dim.reduce((s, d) => s * t.shape[d]!, 1);
  const keepdim = l % 2 === 1;
  const name = ['sum', 'mean', 'amax', 'amin', 'var', 'logsumexp', 'sum', 'any'][k % 8]!;
  const text = `${name}(${i}, [${dim.join()}], ${keepdim})`;
  if (name === 'any') {
    if (t.dtype !== 'bool' || n === 0) return null;
    p.make(t.any(dim[0]!, keepdim), 0, 1, `any(${i}, ${dim[0]!}, ${keepdim})`);
  } else if (name === 'sum') {
    p.rounded(t.sum(dim, { keepdim }), err * n, mag * n, text, 2 + Math.sqrt(n));
  } else if (name === 'amax' || name === 'amin') {
    if (n === 0 || t.dtype === 'bool') return null;
    p.make(call(t, name, dim, { keepdim }), err, mag, text);
  } else {
    if (!isFloat(t) || n < 2) return null;
    if (name === 'mean') p.rounded(t.mean(dim, { keepdim }), err, mag, text, 2 + Math.sqrt(n));
    else if (name === 'var') p.rounded(t.var(dim, { keepdim }), err * mag * 8, mag * mag * 4, text, 4 + Math.sqrt(n));
    else p.rounded(t.logsumexp(dim, keepdim), err, mag + Math.log(n), text, 4);
  }
};
const rowwise: Op = (p, [i, d, k]) =>
  along(p, i, d, (e, dim, n) => {
    const { t, err, mag } = e;
    const name = ['softmax', 'logSoftmax', 'cumsum', 'layerNorm', 'rms', 'normalize', 'argmax', 'sort'][k % 8]!;
    const text = `${name}(${i}, ${dim})`;
    if (n === 0) return null;
    if (name === 'cumsum') {
      if (t.dtype === 'bool') return null;
      p.rounded(t.cumsum(dim), err * n, mag * n, text, 2 + Math.sqrt(n));
    } else if (name === 'argmax' || name === 'sort') {
      if (err > 0 || t.dtype === 'bool') return null;
      if (name === 'argmax') p.make(t.argmax(dim), 0, n, text);
      else p.make(t.sort(dim).values, 0, mag, text);
    } else if (!isFloat(t)) return null;
    else if (name === 'softmax') p.rounded(t.softmax(dim), err * 2, 1, text, 8);
    else if (name === 'logSoftmax') p.rounded(t.logSoftmax(dim), err * 2, 2 * mag + Math.log(n), text, 8);
    else if (name === 'layerNorm') {
      const last = t.shape.at(-1)!;
      if (last > 0) p.rounded(F.layerNorm(t, [last], { eps: 0.1 }), err * 8 * (1 + Math.sqrt(last)), Math.sqrt(last) + 1, text, 16 * (1 + mag)); // prettier-ignore
    } else if (name === 'rms') {
      const scale = fb.rsqrt(t.square().mean(dim, { keepdim: true }).add(0.1));
      p.rounded(t.mul(scale), err * 8 * (1 + Math.sqrt(n)), Math.sqrt(n) + 1, text, 16 * (1 + mag));
    } else p.rounded(F.normalize(t.square().add(0.1), { dim }), err * 8 * (1 + mag) * 10, 1, text, 16 * (1 + mag));
  });
const product: Op = (p, [i, j, k]) => {
  const [a, b] = [p.at(i), p.at(j)];
  if (!isFloat(a.t) || a.t.dtype !== b.t.dtype || a.t.ndim < 2 || b.t.ndim !== 2) return null;
  const right = k % 2 === 0 ? b.t : b.t.t();
  const n = a.t.shape.at(-1)!;
  if (right.shape[0] !== n || n === 0) return null;
  const err = n * (a.err * b.mag + b.err * a.mag);
  p.rounded(a.t.matmul(right), err, n * a.mag * b.mag, `matmul(${i}, ${j}${k % 2 === 0 ? '' : '.t()'})`, 2 + Math.sqrt(n)); // prettier-ignore
};
const convolve: Op = (p, [i, k]) => {
  const { t, err, mag } = p.at(i);
  if (t.ndim !== 3 || (t.dtype !== 'float32' && t.dtype !== 'float64') || t.shape.some((n) => n < 3)) return null;
  const c = t.shape[0]!;
  // Kernels up to 3: larger ones than 4 are another's.
  if (k % 3 === 0) p.make(F.maxPool2d(t, 3, { stride: 2, padding: 1 }), err, mag, `maxPool2d(${i})`);
  else if (k % 3 === 1) p.rounded(F.avgPool2d(t, 2), err, mag, `avgPool2d(${i})`, 4);
  else {
    const w = fb.ones([5, c, 3, 3], { dtype: t.dtype }).mul(0.125);
    const n = c * 9;
    p.rounded(F.conv2d(t.unsqueeze(0), w, null, { padding: 1 }).squeeze(0), err * n, mag * n, `conv2d(${i})`, 2 + Math.sqrt(n)); // prettier-ignore
  }
};

/** Attention of something with itself: spelled out, or the op. */
const attend: Op = (p, [i, k]) => {
  const { t, err } = p.at(i);
  if (!isFloat(t) || t.ndim < 2 || t.shape.includes(0)) return null;
  const x = t.tanh();
  const n = t.shape.at(-1)!;
  const e = err + EPS[x.dtype]! * 4;
  const spelled = (): Tensor => {
    const scores = x.matmul(x.transpose(-2, -1)).mul(0.5);
    const [rows, columns] = scores.shape.slice(-2) as [number, number];
    const hidden = fb.ones([rows, columns], { dtype: 'bool' }).triu(1);
    return (k % 3 === 0 ? scores : scores.maskedFill(hidden, -Infinity)).softmax(-1).matmul(x);
  };
  const out = k % 3 === 2 ? F.scaledDotProductAttention(x, x, x, { scale: 0.5, isCausal: true }) : spelled();
  // A weight is off by twice its score's error, which is that of n products.
  p.rounded(out, 4 * n * e + e, 1, `attention ${k % 3} of tanh(${i})`, 16 + 2 * n);
};

// ---- positions ----

const gather: Op = (p, [i, d, k, l]) =>
  along(p, i, d, (e, dim, n) => {
    const { t, err, mag } = e;
    if (n === 0) return null;
    const positions = fb
      .arange(t.numel())
      .mul(k + 1)
      .remainder(n)
      .reshape(t.shape);
    const some = fb
      .arange(0, n, 1 + (k % 3))
      .add(l)
      .remainder(n);
    switch (l % 5) {
      case 0:
        return p.make(t.gather(dim, positions), err, mag, `gather(${i}, ${dim}, ${k})`);
      case 1:
        return p.make(t.indexSelect(dim, some), err, mag, `indexSelect(${i}, ${dim}, ${k}, ${l})`);
      case 2:
        return p.rounded(t.mul(1).scatterAdd(dim, positions, t.mul(1)), err * (n + 1), mag * (n + 1), `scatterAdd(${i}, ${dim}, ${k})`, 2 + n); // prettier-ignore
      case 3:
        return p.make(t.index(some.remainder(t.shape[0]!)), err, mag, `index(${i}, ${k}, ${l})`);
      default:
        return p.make(t.roll(k, dim), err, mag, `roll(${i}, ${k}, ${dim})`);
    }
  });
const copies: Op = (p, [i, j, k, l]) => {
  const { t, err, mag } = p.at(i);
  if (t.ndim === 0) return null;
  const dim = j % t.ndim;
  switch (k % 6) {
    case 0:
      return p.make(fb.cat([t, t.narrow(dim, 0, t.shape[dim]! >> 1), t], dim), err, mag, `cat(${i}, ${dim})`);
    case 1:
      return p.make(fb.stack([t, t], dim), err, mag, `stack(${i}, ${dim})`);
    case 2:
      return p.make(t.flip([dim]), err, mag, `flip(${i}, ${dim})`);
    case 3:
      return isFloat(t)
        ? p.make(F.pad(t, [l % 3, 1], { value: 0.5 }), err, Math.max(mag, 0.5), `pad(${i}, ${l % 3})`)
        : null;
    case 4:
      return p.make(t.repeat(...t.shape.map((_, d) => (d === dim ? 2 : 1))), err, mag, `repeat(${i}, ${dim})`);
    default:
      return t.ndim < 2 ? null : p.make(l % 2 ? t.tril() : t.triu(1), err, mag, `${l % 2 ? 'tril' : 'triu'}(${i})`);
  }
};

// ---- views ----

const views: Op = (p, [i, j, k, l]) => {
  const e = p.at(i);
  const { t } = e;
  const see = (v: Tensor, text: string): void => p.view(e, v, text);
  if (k % 9 === 0)
    return t.ndim < 4 ? see(t.unsqueeze(j % (t.ndim + 1)), `unsqueeze(${i}, ${j % (t.ndim + 1)})`) : null;
  if (t.ndim === 0) return null;
  const dim = j % t.ndim;
  const n = t.shape[dim]!;
  switch (k % 9) {
    case 1:
      return see(t.transpose(dim, l % t.ndim), `transpose(${i}, ${dim}, ${l % t.ndim})`);
    case 2:
      return n < 2 ? null : see(t.narrow(dim, l % n, 1 + ((l * 7) % (n - (l % n)))), `narrow(${i}, ${dim}, ${l})`);
    case 3:
      return n === 0 ? null : see(t.select(dim, l % n), `select(${i}, ${dim}, ${l % n})`);
    case 4:
      return see(t.squeeze(), `squeeze(${i})`);
    case 5: {
      const every = t.index(...t.shape.map((_, d) => (d === dim ? fb.slice(l % 2, null, 2) : fb.slice(null))));
      return see(every, `every second of ${i} in ${dim} from ${l % 2}`);
    }
    case 6:
      return t.shape.includes(1) && t.numel() < 2000 ? see(t.expand(t.shape.map((s) => (s === 1 ? 3 : s))), `expand(${i})`) : null; // prettier-ignore
    case 7:
      return t.ndim < 2 ? null : see(t.diagonal(l % 2), `diagonal(${i}, ${l % 2})`);
    default:
      return t.isContiguous()
        ? see(t.view(l % 2 || n === 0 ? [-1] : [...t.shape.slice(dim, dim + 1), -1].map((s) => (t.numel() === 0 ? 0 : s))), `view(${i}, ${l % 2})`) // prettier-ignore
        : p.make(t.reshape([-1]), e.err, e.mag, `reshape(${i})`);
  }
};

// ---- writes ----

/** Elements that lie in one place cannot be written one by one. */
export const separate = (t: Tensor): boolean => t.shape.every((n, d) => n < 2 || t.stride(d) !== 0);
const writable = (p: Pool, e: Entry): boolean => (!p.options.grad || e.memory >= p.outside) && separate(e.t);
const write: Op = (p, [i, j, k, l]) => {
  const e = p.at(i);
  const { t, err, mag } = e;
  if (!writable(p, e)) return null;
  const o = p.at(j);
  const fits = o.t.ndim <= t.ndim && broadcasts(t, o.t) && o.t.shape.every((n, d) => n === 1 || n === t.shape[t.ndim - o.t.ndim + d]); // prettier-ignore
  // A write from what overlaps with its target depends on the order of elements.
  const apart = o.memory !== e.memory && fits && (isFloat(t) || !isFloat(o.t)) && (t.dtype !== 'bool' || o.t.dtype === 'bool'); // prettier-ignore
  const c = [2, -1, 0.5, 0][l % 4]!;
  const name = `${['mul_', 'add_', 'copy_', 'fill_', 'zero_', 'relu_', 'clamp_', 'sub_', 'mul_ by'][k % 9]!}(${i}`;
  switch (k % 9) {
    case 0:
      if (t.dtype === 'bool' || (isInt(t) && c === 0.5) || (t.dtype === 'uint8' && c < 0)) return null;
      if (isFloat(t) && mag * Math.abs(c) > LIMIT) return null;
      t.mul_(c);
      return p.written(e, err * Math.abs(c), mag * Math.abs(c), `${name}, ${c})`);
    case 1:
      if (!apart || t.dtype === 'bool' || (isFloat(t) && mag + o.mag > LIMIT)) return null;
      t.add_(o.t);
      return p.written(e, err + o.err, mag + o.mag, `${name}, ${j})`);
    case 2:
      if (!apart) return null;
      t.copy_(o.t);
      return p.written(e, Math.max(err, o.err), Math.max(mag, o.mag), `${name}, ${j})`);
    case 3:
      t.fill_(l % 2);
      return p.written(e, err, Math.max(mag, 1), `${name}, ${l % 2})`);
    case 4:
      t.zero_();
      return p.written(e, err, mag, `${name})`);
    case 5:
      if (t.dtype === 'bool') return null;
      t.relu_();
      return p.written(e, err, mag, `${name})`);
    case 6:
      if (t.dtype === 'bool') return null;
      t.clamp_(0, 3);
      return p.written(e, err, Math.max(mag, 3), `${name}, 0, 3)`);
    case 7:
      if (!apart || t.dtype === 'bool' || o.t.dtype === 'bool' || (isFloat(t) && mag + o.mag > LIMIT)) return null;
      t.sub_(o.t);
      return p.written(e, err + o.err, mag + o.mag, `${name}, ${j})`);
    default:
      if (!apart || t.dtype === 'bool' || (isFloat(t) && mag * o.mag > LIMIT)) return null;
      t.mul_(o.t);
      return p.written(e, err * o.mag + o.err * mag, mag * o.mag, `${name} ${j})`);
  }
};

export const OPS: readonly Op[] = [
  unary, tame, binary, binary, scalar, quotient, compare, where, jump, convert, reduce, reduce, rowwise, product, convolve, attend, gather, copies,
  views, views, views, write, write,
]; // prettier-ignore
