// Attention that a function spells out becomes one op inside compile, forward and backward; what only looks like it stays as it is.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';
import { emitProgram } from '../../src/emit/program.js';
import { GraphBuilder } from '../../src/ir/build.js';
import { interpretNative } from '../../src/runtime/execute.js';
import { expandAttention } from '../../src/schedule/attention.js';
import { wrap } from '../../src/tensor/handle.js';

const F = nn.functional;
type Fn = (q: Tensor, k: Tensor, v: Tensor) => Tensor;
const SHAPE = [2, 3, 33, 16];
const later = (n: number): Tensor => fb.ones([n, n], { dtype: 'bool' }).triu(1);
const seen = fb.rand(33, 33).gt(0.3);
seen.narrow(1, 0, 1).fill_(true);
const added = fb.randn(3, 33, 33);

function close(a: Tensor, b: Tensor, tolerance = 2e-5): void {
  expect(a.shape).toEqual(b.shape);
  expect(a.sub(b).abs().max().item() / (b.abs().max().item() + 1e-6)).toBeLessThan(tolerance);
}

/** Ops of the optimised graphs of a function that has been called until it is compiled. */
async function compiled<A extends Tensor[]>(
  f: (...args: A) => unknown,
  args: A,
): Promise<{ f: typeof f; ops: string[]; text: string }> {
  const c = fb.compile(f);
  c(...args);
  for (let i = 0; !(await c.ready()) && i < 6; i++) c(...args);
  c(...args);
  const e = c.explain();
  expect(e.calls.compiled, String(e)).toBeGreaterThan(0);
  return {
    f: c,
    ops: e.graphs.flatMap((g) => g.programs.flatMap((p) => p.graph.nodes.map((n) => n.op))),
    text: String(e),
  };
}

const SPELLED: Readonly<Record<string, Fn>> = {
  plain: (q, k, v) => q.matmul(k.transpose(-2, -1)).softmax(-1).matmul(v),
  scaled: (q, k, v) => q.matmul(k.transpose(-2, -1)).mul(0.25).softmax(-1).matmul(v),
  divided: (q, k, v) => q.matmul(k.transpose(-2, -1)).div(4).softmax(3).matmul(v),
  'key turned by permute': (q, k, v) => F.softmax(q.matmul(k.permute(0, 1, 3, 2)).mul(0.25), -1).matmul(v),
  causal: (q, k, v) => q.matmul(k.transpose(-2, -1)).mul(0.25).maskedFill(later(33), -Infinity).softmax(-1).matmul(v),
  'causal by a triangle of ones': (q, k, v) =>
    q.matmul(k.transpose(-2, -1)).mul(0.25).maskedFill(fb.ones(33, 33).tril().eq(0), -Infinity).softmax(-1).matmul(v),
  masked: (q, k, v) =>
    fb
      .where(seen, q.matmul(k.transpose(-2, -1)).mul(0.25), -Infinity)
      .softmax(-1)
      .matmul(v),
  'hidden by a mask': (q, k, v) =>
    q.matmul(k.transpose(-2, -1)).div(4).maskedFill(seen.logicalNot(), -Infinity).softmax(-1).matmul(v),
  'numbers added': (q, k, v) => q.matmul(k.transpose(-2, -1)).mul(0.25).add(added).softmax(-1).matmul(v),
  'numbers added from the left': (q, k, v) =>
    added
      .add(q.matmul(k.transpose(-2, -1)).mul(0.25))
      .softmax(-1)
      .matmul(v),
  'without dropout': (q, k, v) => F.dropout(q.matmul(k.transpose(-2, -1)).softmax(-1), 0, true).matmul(v),
  'three dimensions': (q, k, v) =>
    q.flatten(0, 1).bmm(k.flatten(0, 1).transpose(1, 2)).softmax(-1).bmm(v.flatten(0, 1)).view(SHAPE),
  'the op itself': (q, k, v) => F.scaledDotProductAttention(q, k, v, { isCausal: true }),
};
const CAUSAL = new Set(['causal', 'causal by a triangle of ones', 'the op itself']);

describe.each(Object.entries(SPELLED))('%s', (name, f) => {
  test('forward', async () => {
    const args = [fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(SHAPE)] as [Tensor, Tensor, Tensor];
    const c = await compiled(f, args);
    expect(c.ops.filter((op) => op === 'attentionForward')).toHaveLength(1);
    expect(c.ops).not.toContain('exp');
    expect(c.text).toContain(`attention in tiles${CAUSAL.has(name) ? ', causal' : ''}; the scores, float32[`);
    close(c.f(...args) as Tensor, f(...args));
  });
  test('forward and backward in one graph', async () => {
    const make = (): [Tensor, Tensor, Tensor] => {
      fb.manualSeed(5);
      return [fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(SHAPE)].map((t) => t.requiresGrad_(true)) as [Tensor, Tensor, Tensor]; // prettier-ignore
    };
    const weight = fb.randn(SHAPE);
    const step = (leaves: readonly Tensor[]) => (x: Tensor) => {
      for (const t of leaves) t.grad = null;
      const loss = f(leaves[0]!, leaves[1]!, leaves[2]!).mul(x).sum();
      loss.backward();
      return loss.detach();
    };
    const [own, twin] = [make(), make()];
    const c = await compiled(step(own), [weight]);
    expect(c.ops.filter((op) => op.startsWith('attention')).sort()).toEqual(['attentionBackward', 'attentionForward']);
    expect(c.ops).not.toContain('exp');
    c.f(weight);
    step(twin)(weight);
    own.forEach((t, i) => close(t.grad!, twin[i]!.grad!));
  });
});

test('a function whose results are differentiated outside keeps result and logsumexp for its backward program', async () => {
  const leaves = [fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(SHAPE)].map((t) => t.requiresGrad_(true)) as [Tensor, Tensor, Tensor]; // prettier-ignore
  const c = await compiled(SPELLED['scaled']!, leaves);
  expect(c.ops.filter((op) => op.startsWith('attention')).sort()).toEqual(['attentionBackward', 'attentionForward']);
  const grads = (y: unknown): readonly Tensor[] => fb.autograd.grad([(y as Tensor).square().sum()], leaves) as Tensor[];
  const want = grads(SPELLED['scaled']!(...leaves));
  grads(c.f(...leaves)).forEach((g, i) => close(g, want[i]!));
});

test('rows that see nothing are NaN, as of softmax; the op gives zeros', async () => {
  const args = [fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(SHAPE)] as [Tensor, Tensor, Tensor];
  const none = seen.clone();
  none.narrow(0, 2, 1).fill_(false);
  const rows = (y: unknown): Tensor => (y as Tensor).narrow(2, 2, 1);
  const a = await compiled((q: Tensor, k: Tensor, v: Tensor) => fb.where(none, q.matmul(k.transpose(-2, -1)), -Infinity).softmax(-1).matmul(v), args); // prettier-ignore
  expect(a.ops).toContain('attentionForward');
  expect(
    rows(a.f(...args))
      .isnan()
      .all()
      .item(),
  ).toBe(true);
  const b = await compiled((q: Tensor, k: Tensor, v: Tensor) => F.scaledDotProductAttention(q, k, v, { attnMask: none }), args); // prettier-ignore
  expect(
    rows(b.f(...args))
      .abs()
      .max()
      .item(),
  ).toBe(0);
});

describe('stays spelled out', () => {
  const cases: Readonly<Record<string, (q: Tensor, k: Tensor, v: Tensor) => Tensor | Tensor[]>> = {
    'the weights are a result, too': (q, k, v) => {
      const w = q.matmul(k.transpose(-2, -1)).softmax(-1);
      return [w.matmul(v), w];
    },
    'the scores are read elsewhere': (q, k, v) => {
      const s = q.matmul(k.transpose(-2, -1));
      return [s.softmax(-1).matmul(v), s.amax([-1])];
    },
    'a softmax over queries': (q, k, v) => q.matmul(k.transpose(-2, -1)).softmax(-2).matmul(v),
    'a function of the scores': (q, k, v) => q.matmul(k.transpose(-2, -1)).tanh().softmax(-1).matmul(v),
    'a mask of other numbers': (q, k, v) =>
      q.matmul(k.transpose(-2, -1)).maskedFill(later(33), -5).softmax(-1).matmul(v),
    'an added mask that is scaled': (q, k, v) =>
      q.matmul(k.transpose(-2, -1)).add(added).mul(0.25).softmax(-1).matmul(v),
    'dropout of the weights': (q, k, v) =>
      F.dropout(q.matmul(k.transpose(-2, -1)).softmax(-1), 0.5, true)
        .matmul(v)
        .mul(0),
  };
  test.each(Object.entries(cases))('%s', async (_, f) => {
    const args = [fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(SHAPE)] as [Tensor, Tensor, Tensor];
    const c = await compiled(f, args);
    expect(c.ops.some((op) => op.startsWith('attention'))).toBe(false);
    const [got, want] = [c.f(...args), f(...args)].map((y) => (Array.isArray(y) ? (y as Tensor[]) : [y as Tensor]));
    got!.forEach((t, i) => close(t, want![i]!));
  });
  test('a mask that is trained: its gradient is that of the scores', async () => {
    const make = (): Tensor[] => {
      fb.manualSeed(7);
      return [fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(SHAPE), fb.randn(33, 33)].map((t) => t.requiresGrad_(true));
    };
    const step =
      ([q, k, v, m]: Tensor[]) =>
      (x: Tensor) => {
        for (const t of [q, k, v, m]) t!.grad = null;
        const loss = q!.matmul(k!.transpose(-2, -1)).add(m!).softmax(-1).matmul(v!).mul(x).sum();
        loss.backward();
        return loss.detach();
      };
    const [own, twin] = [make(), make()];
    const weight = fb.randn(SHAPE);
    const c = await compiled(step(own), [weight]);
    expect(c.ops.some((op) => op.startsWith('attention'))).toBe(false);
    c.f(weight);
    step(twin)(weight);
    own.forEach((t, i) => close(t.grad!, twin[i]!.grad!));
  });
  test('few numbers', async () => {
    const args = [0, 1, 2].map(() => fb.randn(1, 2, 8, 4)) as [Tensor, Tensor, Tensor];
    const c = await compiled(SPELLED['scaled']!, args);
    expect(c.ops).not.toContain('attentionForward');
  });
});

test('one program for every length', async () => {
  const f = fb.compile(SPELLED['scaled']!);
  for (const n of [20, 21, 40, 64, 65, 130]) {
    const args = [fb.randn(2, 2, n, 16), fb.randn(2, 2, n, 16), fb.randn(2, 2, n, 16)] as [Tensor, Tensor, Tensor];
    close(f(...args), SPELLED['scaled']!(...args));
    await f.ready();
  }
  const e = f.explain();
  expect(e.calls.compiled, String(e)).toBeGreaterThanOrEqual(3);
  expect(String(e)).toContain('attentionForward');
});

test('a transformer block trains as it does eagerly and holds no matrix of scores', async () => {
  class Block extends nn.Module {
    qkv = new nn.Linear(32, 96);
    out = new nn.Linear(32, 32);
    forward(x: Tensor): Tensor {
      const [b, t] = x.shape as [number, number];
      const [q, k, v] = this.qkv(x).view(b, t, 3, 2, 16).permute(2, 0, 3, 1, 4).unbind(0) as [Tensor, Tensor, Tensor];
      const a = q.matmul(k.transpose(-2, -1)).mul(0.25).maskedFill(later(t), -Infinity).softmax(-1).matmul(v);
      return this.out(a.transpose(1, 2).reshape(b, t, 32));
    }
  }
  const [a, b] = [new Block(), new Block()];
  b.loadStateDict(a.stateDict());
  const step = (net: Block): ((x: Tensor) => Tensor) => {
    const opt = new optim.SGD(net.parameters(), { lr: 0.1 });
    return (x) => {
      opt.zeroGrad();
      const loss = net(x).square().mean();
      loss.backward();
      opt.step();
      return loss.detach();
    };
  };
  const [eager, c] = [step(a), fb.compile(step(b))];
  const x = fb.randn(2, 300, 32);
  for (let i = 0; i < 5; i++) {
    close(c(x), eager(x), 1e-4);
    await c.ready();
  }
  const e = c.explain();
  expect(e.calls.compiled, String(e)).toBeGreaterThanOrEqual(2);
  // The scores of eager code: 2 x 2 heads, 300 x 300 floats, several times over.
  const { memory } = e.graphs.at(-1)!;
  expect(memory!.eager).toBeGreaterThan(2 * 4 * 300 * 300 * 4);
  expect(memory!.compiled).toBeLessThan(4 * 300 * 300 * 4);
});

test('for machines without the op it is spelled out again, forward and backward', () => {
  for (const [kind, causal] of [
    ['none', true],
    ['bool', false],
    ['float32', false],
  ] as const) {
    const g = new GraphBuilder();
    const [q, k, v, grad] = [0, 1, 2, 3].map(() => g.input('float32', [2, 5, 4])) as [never, never, never, never];
    const mask = kind === 'none' ? null : g.input(kind, [5, 5]);
    const attrs = { isCausal: causal, scale: 0.5 };
    const [out, lse] = g.nodes('attentionForward', [q, k, v, mask], { ...attrs, zeroUnseen: kind !== 'none' });
    g.output(out!, ...g.nodes('attentionBackward', [grad, q, k, v, mask, out!, lse!], attrs));
    const plain = expandAttention(g.graph);
    expect(plain.nodes.some((n) => n.op.startsWith('attention'))).toBe(false);
    expect(emitProgram(g.graph, { target: 'cuda' }).meta.steps.map((s) => s.op)).not.toContain('attentionForward');
    const args = [0, 1, 2, 3].map(() => fb.randn(2, 5, 4));
    if (kind === 'bool') args.push(fb.rand(5, 5).gt(0.4));
    if (kind === 'float32') args.push(fb.where(fb.rand(5, 5).gt(0.4), fb.randn(5, 5), -Infinity));
    const run = (graph: typeof plain): Tensor[] =>
      interpretNative(
        graph,
        args.map((t) => t._h),
        [],
      ).outputs.map(wrap);
    const want = run(g.graph);
    run(plain).forEach((t, i) => close(t, want[i]!));
  }
});
