// Random programs over tensors: compiled, interpreted and optimised-then-interpreted give what eager gives, and gradients too.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { verify } from '../../src/ir/verify.js';
import { parseGraph } from '../../src/ir/parse.js';
import { printGraph } from '../../src/ir/print.js';
import { fromTrace } from '../../src/frontend/trace/from_trace.js';
import { noGrad } from '../../src/autograd/modes.js';
import { standardPasses, runPass } from '../../src/passes/manager.js';
import { manualSeed } from '../../src/random.js';
import { compile } from '../../src/runtime/compile.js';
import { evaluateNative, interpretNative } from '../../src/runtime/execute.js';
import { record } from '../../src/runtime/recorder.js';
import { cat } from '../../generated/ts/functions.js';
import { randn } from '../../src/tensor/create.js';
import { wrap } from '../../src/tensor/handle.js';
import type { Tensor } from '../../src/tensor/tensor.js';

type Step = (pool: Tensor[]) => Tensor | null;
interface Op {
  readonly text: string;
  readonly run: Step;
}

const at = (pool: Tensor[], i: number): Tensor => pool[i % pool.length]!;
/** Only where shapes broadcast. */
function both(pool: Tensor[], i: number, j: number): [Tensor, Tensor] | null {
  const [a, b] = [at(pool, i), at(pool, j)];
  const rank = Math.max(a.ndim, b.ndim);
  for (let k = 1; k <= rank; k++) {
    const [x, y] = [a.shape[a.ndim - k] ?? 1, b.shape[b.ndim - k] ?? 1];
    if (x !== y && x !== 1 && y !== 1) return null;
  }
  return [a, b];
}
const index = fc.nat(20);
const op: fc.Arbitrary<Op> = fc.oneof(
  fc
    .tuple(fc.constantFrom('relu', 'tanh', 'sigmoid', 'neg', 'abs', 'square', 'exp', 'silu', 'clone', 'detach'), index)
    .map(([name, i]): Op => ({
      text: `${name}(${i})`,
      run: (p) =>
        name === 'exp' ? at(p, i).tanh().exp() : (at(p, i) as unknown as Record<string, () => Tensor>)[name]!(),
    })),
  fc.tuple(fc.constantFrom('add', 'sub', 'mul', 'maximum', 'minimum'), index, index).map(([name, i, j]): Op => ({
    text: `${name}(${i}, ${j})`,
    run: (p) => {
      const ab = both(p, i, j);
      return ab && (ab[0] as unknown as Record<string, (o: Tensor) => Tensor>)[name]!(ab[1]);
    },
  })),
  fc.tuple(fc.constantFrom('add', 'mul', 'sub'), index, fc.constantFrom(0, 1, -1, 0.5, 2)).map(([name, i, c]): Op => ({
    text: `${name}(${i}, ${c})`,
    run: (p) => (at(p, i) as unknown as Record<string, (o: number) => Tensor>)[name]!(c),
  })),
  fc
    .tuple(fc.constantFrom('sum', 'mean', 'amax', 'amin', 'var'), index, index, fc.boolean())
    .map(([name, i, d, keepdim]): Op => ({
      text: `${name}(${i}, ${d}, ${keepdim})`,
      run: (p) => {
        const x = at(p, i);
        if (x.ndim === 0 || (name === 'var' && x.shape[d % x.ndim]! < 2)) return null;
        return (x as unknown as Record<string, (dim: number[], o: object) => Tensor>)[name]!([d % x.ndim], { keepdim });
      },
    })),
  fc.tuple(fc.constantFrom('softmax', 'logSoftmax', 'cumsum'), index, index).map(([name, i, d]): Op => ({
    text: `${name}(${i}, ${d})`,
    run: (p) =>
      at(p, i).ndim === 0
        ? null
        : (at(p, i) as unknown as Record<string, (dim: number) => Tensor>)[name]!(d % at(p, i).ndim),
  })),
  fc.tuple(index, index, index).map(([i, d0, d1]): Op => ({
    text: `transpose(${i}, ${d0}, ${d1})`,
    run: (p) => (at(p, i).ndim < 2 ? null : at(p, i).transpose(d0 % at(p, i).ndim, d1 % at(p, i).ndim)),
  })),
  fc.tuple(index, index).map(([i, d]): Op => ({
    text: `unsqueeze(${i}, ${d})`,
    run: (p) => (at(p, i).ndim > 3 ? null : at(p, i).unsqueeze(d % (at(p, i).ndim + 1))),
  })),
  index.map((i): Op => ({ text: `flatten(${i})`, run: (p) => at(p, i).reshape([-1]) })),
  fc.tuple(index, index, index, index).map(([i, d, a, b]): Op => ({
    text: `slice(${i}, ${d}, ${a}, ${b})`,
    run: (p) => {
      const x = at(p, i);
      if (x.ndim === 0) return null;
      const dim = d % x.ndim;
      const n = x.shape[dim]!;
      const start = a % n;
      return x.narrow(dim, start, 1 + (b % (n - start)));
    },
  })),
  fc.tuple(index, index).map(([i, d]): Op => ({
    text: `cat(${i}, ${d})`,
    run: (p) =>
      at(p, i).ndim === 0 || at(p, i).numel() > 200 ? null : cat([at(p, i), at(p, i).neg()], d % at(p, i).ndim),
  })),
  fc.tuple(index, index).map(([i, j]): Op => ({
    text: `matmul(${i}, ${j})`,
    run: (p) => {
      const [a, b] = [at(p, i), at(p, j)];
      return a.ndim === 2 && b.ndim === 2 && a.shape[1] === b.shape[0] ? a.matmul(b) : null;
    },
  })),
  // In place: on a copy, on part of it, and on a view of it.
  fc.tuple(index, fc.constantFrom('mul_', 'add_'), fc.constantFrom(0.5, -1)).map(([i, name, c]): Op => ({
    text: `${name}(${i}, ${c})`,
    run: (p) => {
      const x = at(p, i).clone();
      (x as unknown as Record<string, (v: number) => unknown>)[name]!(c);
      return x;
    },
  })),
  fc.tuple(index, index).map(([i, k]): Op => ({
    text: `part_(${i}, ${k})`,
    run: (p) => {
      if (at(p, i).ndim === 0) return null;
      const x = at(p, i).clone();
      const row = x.select(0, k % x.shape[0]!);
      row.mul_(2);
      x.reshape([-1]).narrow(0, 0, 1).add_(1);
      return x.mul(1.5).add(row.sum());
    },
  })),
);

/** Runs the steps that fit; results: the last few values, and a scalar of all of them. */
function interpretSteps(ops: readonly Op[], inputs: readonly Tensor[]): Tensor[] {
  const pool = [...inputs];
  for (const o of ops) {
    const t = o.run(pool);
    if (t !== null && t.numel() < 4000) pool.push(t);
  }
  const made = pool
    .slice(inputs.length)
    .slice(-3)
    .map((t) => t.mul(1.25));
  const total = pool.map((t) => t.tanh().sum()).reduce((a, b) => a.add(b));
  return [...made, total];
}

const shape = fc.constantFrom([2, 3], [3, 2], [3], [1, 3], [4, 1, 3], [], [2, 3, 4], [3, 3]);
const program = fc.record({
  shapes: fc.array(shape, { minLength: 1, maxLength: 3 }),
  ops: fc.array(op, { minLength: 1, maxLength: 12 }),
  seed: fc.nat(1000),
});
type Program = typeof program extends fc.Arbitrary<infer T> ? T : never;

const values = (t: Tensor): number[] => Array.from(t.detach().reshape([-1]).double().toArray() as ArrayLike<number>);
function same(got: readonly Tensor[], want: readonly Tensor[], tolerance: number): void {
  expect(got.length).toBe(want.length);
  got.forEach((g, k) => {
    expect(g.shape).toEqual(want[k]!.shape);
    expect(g.dtype).toBe(want[k]!.dtype);
    const [a, b] = [values(g), values(want[k]!)];
    a.forEach((v, i) => {
      if (!(Object.is(v, b[i]) || Math.abs(v - b[i]!) <= tolerance * (1 + Math.abs(b[i]!))))
        throw new Error(`result ${k}, element ${i}: ${v}, eager gives ${b[i]}`);
    });
  });
}
const examples = (p: Program): Tensor[] => (manualSeed(p.seed), p.shapes.map((s) => randn(s)));
const RUNS = Number(process.env['FLAMBEAU_FUZZ'] ?? 60);
const show = (p: Program): string =>
  `${JSON.stringify(p.shapes)} seed ${p.seed}: ${p.ops.map((o) => o.text).join('; ')}`;
const annotated = <T>(p: Program, f: () => T): T => {
  try {
    return f();
  } catch (e) {
    throw new Error(`${show(p)}\n${(e as Error).stack}`);
  }
};

test('every pass keeps the results, and every graph prints and parses', () => {
  fc.assert(
    fc.property(program, (p) =>
      annotated(p, () => {
        const inputs = examples(p);
        const { value, recording } = noGrad(() =>
          record(() => interpretSteps(p.ops, inputs), inputs, { tolerant: false }),
        );
        if ('interrupted' in recording) throw new Error(recording.interrupted);
        let g = verify(fromTrace(recording.trace));
        const handles = inputs.map((t) => t._h);
        const run = (): Tensor[] => interpretNative(g, handles, recording.captures).outputs.map(wrap);
        same(run(), value as Tensor[], 1e-6);
        for (const pass of standardPasses({ evaluate: evaluateNative })) {
          g = runPass(pass, g, true);
          expect(parseGraph(printGraph(g))).toEqual(g);
          annotated(p, () => {
            try {
              same(run(), value as Tensor[], 1e-6);
            } catch (e) {
              throw new Error(`after ${pass.name}: ${(e as Error).message}\n${printGraph(g)}`);
            }
          });
        }
      }),
    ),
    { numRuns: RUNS * 2 },
  );
});

test.each(['interpret', 'cpp'])(
  'compiled (%s) equals eager',
  async (backend) => {
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    await fc.assert(
      fc.asyncProperty(program, async (p) => {
        const inputs = examples(p);
        const fn = (...xs: Tensor[]): Tensor[] => noGrad(() => interpretSteps(p.ops, xs));
        const f = compile(fn, { backend });
        for (let i = 0; i < 3; i++) {
          f(...inputs);
          await f.ready();
        }
        annotated(p, () => {
          manualSeed(p.seed + 1);
          const other = p.shapes.map((s) => randn(s));
          const want = fn(...other);
          const got = f(...other);
          const e = f.explain();
          if (e.reasons.length > 0) throw new Error(String(e));
          expect(e.calls.compiled, String(e)).toBeGreaterThan(0);
          try {
            same(got, want, 2e-5);
          } catch (error) {
            throw new Error(`${(error as Error).message}\n${String(e)}`);
          }
        });
      }),
      { numRuns: backend === 'cpp' ? Math.ceil(RUNS / 2) : RUNS },
    );
  },
  300_000,
);

test.each(['interpret', 'cpp'])(
  'gradients through the compiled backward (%s) equal eager ones',
  async (backend) => {
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    await fc.assert(
      fc.asyncProperty(program, async (p) => {
        const leaves = examples(p).map((t) => t.requiresGrad_());
        const fn = (...xs: Tensor[]): Tensor => interpretSteps(p.ops, xs).at(-1)!;
        const f = compile(fn, { backend });
        const grads = (g: (...xs: Tensor[]) => Tensor): Tensor[] => {
          leaves.forEach((l) => (l.grad = null));
          const y = g(...leaves);
          y.mul(3).backward();
          return [y, ...leaves.map((l) => l.grad!.clone())];
        };
        for (let i = 0; i < 4; i++) {
          grads(f);
          await f.ready();
        }
        annotated(p, () => {
          const want = grads(fn);
          const got = grads(f);
          const e = f.explain();
          if (e.reasons.length > 0) throw new Error(String(e));
          same(got, want, backend === 'cpp' ? 5e-5 : 1e-5);
        });
      }),
      { numRuns: backend === 'cpp' ? Math.ceil(RUNS / 4) : RUNS },
    );
  },
  300_000,
);
