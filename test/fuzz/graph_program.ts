// One program of the graph fuzzer: arguments of odd layouts that may share memory, state from outside, steps (graph_ops.ts), and calls whose
// arguments change in between. It runs twice, compiled and eager; results, arguments, state and gradients must agree in every call.
import fc from 'fast-check';
import * as fb from '../../src/index.js';
import { type DType, type Tensor } from '../../src/index.js';
import { OPS, Pool, isFloat, separate, type Numbers, type PoolOptions } from './graph_ops.js';

export interface ArgumentSpec {
  readonly shape: number;
  readonly dtype: number;
  readonly layout: number;
  readonly offset: number;
}
export interface Program {
  readonly args: readonly ArgumentSpec[];
  readonly state: readonly ArgumentSpec[];
  readonly steps: readonly (readonly [op: number, ...Numbers])[];
  readonly results: readonly number[];
  readonly seed: number;
  readonly special: boolean;
  readonly grad: boolean;
}

const SHAPES: readonly (readonly number[])[] = [
  [17, 33], [33, 5], [5, 17, 1], [33], [1, 33], [3, 8, 9], [130, 2], [], [7], [2, 3, 4, 5], [1], [64, 64], [0, 5], [3, 1, 33],
]; // prettier-ignore
const DTYPES: readonly DType[] = ['float32', 'float32', 'float32', 'float64', 'int64', 'int32', 'uint8', 'bool', 'int8', 'float16', 'bfloat16', 'int16']; // prettier-ignore

const spec: fc.Arbitrary<ArgumentSpec> = fc.record({
  shape: fc.nat(SHAPES.length - 1),
  dtype: fc.nat(DTYPES.length - 1),
  layout: fc.nat(9),
  offset: fc.nat(6),
});
const n = fc.nat(23);
export const programs: fc.Arbitrary<Program> = fc.record({
  args: fc.array(spec, { minLength: 1, maxLength: 4 }),
  state: fc.array(spec, { maxLength: 2 }),
  steps: fc.array(fc.tuple(fc.nat(OPS.length - 1), n, n, n, n), { minLength: 1, maxLength: 14 }),
  results: fc.array(n, { maxLength: 2 }),
  seed: fc.nat(1e6),
  special: fc.nat(5).map((k) => k === 0),
  grad: fc.nat(4).map((k) => k === 0),
});

const rowMajor = (shape: readonly number[], dtype: DType, special: boolean): Tensor => {
  if (dtype === 'bool') return fb.randint(0, 2, shape).to('bool');
  if (!dtype.includes('float')) return fb.randint(dtype === 'uint8' ? 0 : -9, 10, shape).to(dtype);
  // Quarters: sums and comparisons of them are exact.
  const t = fb.randint(-8, 9, shape).to('float32').div(4);
  if (special && t.numel() > 3) {
    const flat = t.view([-1]);
    [NaN, Infinity, -Infinity, -0].forEach((v, k) => void flat.narrow(0, (k * 5) % t.numel(), 1).fill_(v));
  }
  return t.to(dtype);
};

/** A tensor of the layout that its spec asks for; it may be a view of an earlier one. */
function build(s: ArgumentSpec, earlier: readonly Tensor[], p: Program): Tensor {
  const shape = SHAPES[s.shape]!;
  const dtype = p.grad ? 'float64' : DTYPES[s.dtype]!;
  const make = (of: readonly number[]): Tensor => rowMajor(of, dtype, p.special && s.offset % 2 === 0);
  const last = shape.length - 1;
  const with_ = (d: number, size: number): number[] => shape.map((x, k) => (k === d ? size : x));
  switch (s.layout) {
    case 1:
      return last < 1 ? make(shape) : make([...shape].reverse()).permute(shape.map((_, d) => last - d));
    case 2:
      return last < 0 ? make(shape) : make(with_(last, shape[last]! + s.offset)).narrow(last, s.offset >> 1, shape[last]!); // prettier-ignore
    case 3:
      return last < 0 ? make(shape) : make(with_(0, shape[0]! * 2 + 1)).index(fb.slice(1, null, 2));
    case 4:
      return last < 0 ? make(shape) : make(with_(0, 1)).expand([...shape]);
    case 5:
    case 6: {
      // All or a part of an earlier argument's memory.
      const base = earlier[s.offset % Math.max(1, earlier.length)];
      if (base === undefined || p.grad) return make(shape);
      if (s.layout === 5 || base.ndim === 0 || base.shape[0]! < 2)
        return s.offset % 2 ? base : base.view([...base.shape]);
      return base.narrow(0, s.offset % 2, base.shape[0]! - 1);
    }
    default:
      return make(shape);
  }
}

/** Arguments or state, the same for one seed. */
function buildAll(specs: readonly ArgumentSpec[], p: Program, seed: number): Tensor[] {
  fb.manualSeed(seed);
  const out: Tensor[] = [];
  for (const s of specs) out.push(build(s, out, p));
  return p.grad ? out.map((t) => t.detach().clone().requiresGrad_()) : out;
}

/** The program over one state; `pool` is what its latest eager run knew of its values. */
class Twin {
  readonly state: Tensor[];
  pool: Pool | null = null;
  constructor(readonly p: Program) {
    this.state = p.grad ? [] : buildAll(p.state, p, p.seed + 77);
  }
  /** Results: the last four values, and some of any, arguments and state among them. */
  readonly run = (...args: Tensor[]): Tensor[] => {
    const options: PoolOptions = { grad: this.p.grad, special: this.p.special };
    const body = (): Tensor[] => {
      const pool = new Pool([...args, ...this.state], options);
      for (const [op, ...numbers] of this.p.steps) OPS[op]!(pool, numbers);
      this.pool = pool;
      return this.returned(pool).map((k) => pool.entries[k]!.t);
    };
    return this.p.grad ? body() : fb.noGrad(body);
  };
  returned(pool: Pool): number[] {
    const count = pool.entries.length;
    const some = this.p.grad ? [] : this.p.results.map((k) => k % count);
    const first = this.p.args.length + this.state.length;
    const latest = pool.entries.map((_, k) => k).slice(Math.max(first, count - 4));
    return [...new Set([...latest, ...some])];
  }
}

const numbersOf = (t: Tensor): number[] =>
  Array.from(t.detach().reshape([-1]).to('float64').toArray() as ArrayLike<number>);

function same(got: Tensor, want: Tensor, err: number, what: string): void {
  if (got.dtype !== want.dtype || String(got.shape) !== String(want.shape))
    throw new Error(`${what}: ${got.dtype}[${got.shape.join()}], eager gives ${want.dtype}[${want.shape.join()}]`);
  const [a, b] = [numbersOf(got), numbersOf(want)];
  a.forEach((v, i) => {
    // Both zeros are one here; NaN equals NaN.
    if (!Object.is(v + 0, b[i]! + 0) && !(Math.abs(v - b[i]!) <= err * 1.5))
      throw new Error(`${what}, element ${i}: ${v}, eager gives ${b[i]} (allowed difference ${err})`);
  });
}

/** Why calls may stay eager: documented limits. */
const LIMITS = [
  /is not contiguous/,
  /is another one in every call/,
  /a result is a view of an argument or captured tensor/,
  /a result that requires grad is an argument or captured tensor itself/,
  /does not depend on its gradient/,
  // Two tensors from outside of which one is a view of the other, both given back.
  /the result has a value besides tensors that varies/,
  /cannot record this (write|read): (the tensor shares memory with another argument|elements of the tensor from outside)/,
];

export interface Outcome {
  readonly compiled: boolean;
  /** Why it stayed eager. */
  readonly reason: string | null;
}

/** Runs compiled and eager side by side. @throws Error that tells the program and the first difference */
export async function check(p: Program, backend: string): Promise<Outcome> {
  const [eager, twin] = [new Twin(p), new Twin(p)];
  const f = fb.compile(twin.run, { backend });
  const text = (): string => {
    const shown = p.args.map((_, k) => describe(buildAll(p.args, p, p.seed)[k]!));
    return `arguments ${shown.join('; ')}; state ${eager.state.map(describe).join('; ')}; seed ${p.seed}${p.special ? ', special values' : ''}${p.grad ? ', gradients' : ''}\n${eager.pool?.text.join('\n')}\nresults ${eager.pool ? eager.returned(eager.pool).join() : '?'}`; // prettier-ignore
  };
  const compare = (call: string, mine: Tensor[], theirs: Tensor[]): void => {
    const want = attempt(() => withGradients(p, eager.run, theirs));
    const got = attempt(() => withGradients(p, f, mine));
    if ('error' in want) {
      // What PyTorch forbids (a write to what backward needs) is forbidden in both.
      if ('error' in got) throw new Forbidden(want.error.message);
      throw new Error(`${call}: eager code throws '${want.error.message}', compiled code does not`);
    }
    if ('error' in got) throw got.error;
    const pool = eager.pool!;
    const returned = eager.returned(pool);
    returned.forEach((k, i) =>
      same(got.value[i]!, want.value[i]!, pool.entries[k]!.err, `${call}, result ${i} (value ${k})`),
    );
    const outside = (list: readonly Tensor[], others: readonly Tensor[], from: number, what: string): void =>
      list.forEach((t, k) => same(t, others[k]!, pool.entries[from + k]!.err, `${call}, ${what} ${k}`));
    outside(mine, theirs, 0, 'argument');
    outside(twin.state, eager.state, mine.length, 'state');
    if (p.grad) compareGradients(call, mine, theirs);
    // What rounding has left apart must not add up.
    fb.noGrad(() => {
      twin.state.forEach((t, k) => void (separate(t) && t.copy_(eager.state[k]!)));
    });
  };
  try {
    for (let k = 0; k < 3; k++) {
      compare(`call ${k}`, buildAll(p.args, p, p.seed + k), buildAll(p.args, p, p.seed + k));
      await f.ready();
    }
    const [mine, theirs] = [buildAll(p.args, p, p.seed + 9), buildAll(p.args, p, p.seed + 9)];
    compare('call 3', mine, theirs);
    if (!p.grad) {
      // The same tensors with other contents, as far as they can be written.
      for (const list of [mine, theirs])
        list.forEach((t, k) => void (separate(t) && t.copy_(buildAll(p.args, p, p.seed + 10)[k]!)));
    }
    compare('call 4, arguments written between', mine, theirs);
    const twinsOf = mine.findIndex((t, k) => k > 0 && alike(t, mine[0]!));
    if (twinsOf > 0) {
      for (const list of [mine, theirs]) list[twinsOf] = list[0]!;
      compare(`call 5, argument ${twinsOf} is argument 0`, mine, theirs);
    }
    if (!p.grad) compareMemory(eager, twin, f);
  } catch (e) {
    if (e instanceof Forbidden) return { compiled: false, reason: null };
    throw new Error(`${(e as Error).message}\n${text()}\n${String(f.explain())}\n${(e as Error).stack}`);
  }
  const { reasons, calls } = f.explain();
  const unknown = reasons.find((r) => !LIMITS.some((l) => l.test(r)));
  if (unknown !== undefined) throw new Error(`stays eager: ${unknown}\n${text()}\n${String(f.explain())}`);
  return { compiled: calls.compiled > 0, reason: reasons[0] ?? null };
}

/** What a caller writes into a result shows in arguments and state where it does in eager code, and nowhere else. */
function compareMemory(eager: Twin, twin: Twin, f: (...args: Tensor[]) => Tensor[]): void {
  const { p } = eager;
  const [mine, theirs] = [buildAll(p.args, p, p.seed + 11), buildAll(p.args, p, p.seed + 11)];
  const results = [f(...mine), eager.run(...theirs)];
  const pool = eager.pool!;
  eager.returned(pool).forEach((k, i) => {
    if (!separate(results[1]![i]!)) return;
    for (const list of results) list[i]!.zero_();
    const where = `after a write into result ${i} (value ${k})`;
    mine.forEach((t, j) => same(t, theirs[j]!, pool.entries[j]!.err, `argument ${j} ${where}`));
    twin.state.forEach((t, j) => same(t, eager.state[j]!, pool.entries[mine.length + j]!.err, `state ${j} ${where}`));
  });
}

class Forbidden extends Error {}
const attempt = <R>(run: () => R): { readonly value: R } | { readonly error: Error } => {
  try {
    return { value: run() };
  } catch (e) {
    return { error: e as Error };
  }
};

/** The results; with gradients, their backward has run. */
function withGradients(p: Program, run: (...args: Tensor[]) => Tensor[], args: Tensor[]): Tensor[] {
  const results = run(...args);
  if (!p.grad) return results;
  const parts = results.filter((r) => r.requiresGrad).map((r, k) => r.mul(0.5 + k).sum());
  args.forEach((l) => (l.grad = null));
  if (parts.length > 0) parts.reduce((a, b) => a.add(b)).backward();
  return results;
}
function compareGradients(call: string, mine: Tensor[], theirs: Tensor[]): void {
  mine.forEach((leaf, k) => {
    const [g, w] = [leaf.grad, theirs[k]!.grad];
    if ((g === null) !== (w === null)) throw new Error(`${call}: gradient ${k} is ${g === null ? 'missing' : 'there'}`);
    if (g === null || w === null) return;
    const scale = Math.max(1, ...numbersOf(w).filter(Number.isFinite).map(Math.abs));
    same(g, w, 1e-7 * scale, `${call}, gradient ${k}`);
  });
}

const alike = (a: Tensor, b: Tensor): boolean =>
  a.dtype === b.dtype && String(a.shape) === String(b.shape) && String(a.stride()) === String(b.stride());
const describe = (t: Tensor): string => `${t.dtype}[${t.shape.join(', ')}] strides [${t.stride().join(', ')}]${isFloat(t) ? '' : ' exact'}`; // prettier-ignore
