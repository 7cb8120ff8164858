// scaledDotProductAttention: in tiles against the same in float64 over the matrix of weights; masks, odd sizes, shared heads, rows that see
// nothing, second derivatives.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type DType, type Tensor } from '../../src/index.js';

const F = nn.functional;
interface Options {
  attnMask?: Tensor;
  isCausal?: boolean;
  scale?: number;
}

/** softmax(q k^T scale + mask) v, as the formula says it. */
function spelled(q: Tensor, k: Tensor, v: Tensor, o: Options = {}): Tensor {
  let s = q.matmul(k.transpose(-2, -1)).mul(o.scale ?? 1 / Math.sqrt(q.shape.at(-1)!));
  if (o.isCausal === true)
    s = s.maskedFill(
      fb
        .ones([q.shape.at(-2)!, k.shape.at(-2)!], { dtype: 'bool' })
        .tril()
        .logicalNot(),
      -Infinity,
    );
  if (o.attnMask !== undefined)
    s = o.attnMask.dtype === 'bool' ? s.maskedFill(o.attnMask.logicalNot(), -Infinity) : s.add(o.attnMask);
  return s.softmax(-1).matmul(v);
}

/** Largest difference, beside the largest value. */
function distance(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  if (a.numel() === 0) return 0;
  return a.double().sub(b.double()).abs().max().item() / (b.double().abs().max().item() + 1e-30);
}

function compare(q: Tensor, k: Tensor, v: Tensor, o: Options, tolerance: number): void {
  const leaves = [q, k, v].map((t) => t.detach().requiresGrad_(true));
  const wide = [q, k, v].map((t) => t.detach().double().requiresGrad_(true));
  const got = F.scaledDotProductAttention(leaves[0]!, leaves[1]!, leaves[2]!, o);
  expect(got.gradFn?.name).toContain('ScaledDotProductFlashAttention');
  const mask = o.attnMask?.dtype === 'bool' ? o.attnMask : o.attnMask?.double();
  const want = spelled(wide[0]!, wide[1]!, wide[2]!, { ...o, ...(mask === undefined ? {} : { attnMask: mask }) });
  expect(distance(got, want)).toBeLessThan(tolerance);
  const grad = fb.randn(got.shape, { dtype: got.dtype });
  got.backward(grad);
  want.backward(grad.double());
  leaves.forEach((t, i) => expect(distance(t.grad!, wide[i]!.grad!)).toBeLessThan(tolerance));
}

const SIZES: readonly (readonly [batch: readonly number[], l: number, s: number, e: number, v: number])[] = [
  [[2, 3], 5, 7, 4, 6],
  [[], 3, 3, 2, 2],
  [[1], 1, 1, 1, 1],
  [[2], 97, 130, 20, 33],
  [[1, 1], 100, 513, 8, 8],
  [[2, 1, 3], 17, 64, 16, 16],
  [[1, 2], 200, 40, 5, 70],
];
describe.each(['float32', 'float64'] as const)('%s', (dtype: DType) => {
  const tolerance = dtype === 'float32' ? 5e-6 : 1e-13;
  const make = (batch: readonly number[], ...last: number[]): Tensor => fb.randn([...batch, ...last], { dtype });

  test.each(SIZES)('batch %j, %i queries, %i keys of %i, values of %i', (batch, l, s, e, v) => {
    fb.manualSeed(l + s);
    const [q, k, w] = [make(batch, l, e), make(batch, s, e), make(batch, s, v)];
    const some = fb.rand(l, s).gt(0.4);
    some.narrow(1, 0, 1).fill_(true);
    compare(q, k, w, {}, tolerance);
    compare(q, k, w, { isCausal: true }, tolerance);
    compare(q, k, w, { scale: -0.3 }, tolerance);
    compare(q, k, w, { attnMask: some }, tolerance);
    compare(q, k, w, { attnMask: make(batch, l, s) }, tolerance);
    compare(q, k, w, { attnMask: make([], 1, s) }, tolerance);
    compare(q, k, w, { attnMask: fb.where(some, 0, -Infinity).to(dtype) }, tolerance);
  });

  test('operands lie as they like: transposed heads, shared keys, every second column', () => {
    const heads = make([2, 9], 3, 8).transpose(1, 2);
    compare(heads, heads, heads, {}, tolerance);
    const one = make([2, 1], 9, 8);
    const many = make([2, 3], 9, 8);
    compare(many, one.expand([2, 3, 9, 8]), many, { isCausal: true }, tolerance);
    const wide = make([2, 3], 9, 16).index(fb.slice(null), fb.slice(null), fb.slice(null), fb.slice(null, null, 2));
    compare(wide, many, many.transpose(-2, -1).contiguous().transpose(-2, -1), {}, tolerance);
  });
});

test('leading dimensions broadcast, those of the mask too', () => {
  const [q, k, v] = [fb.randn(3, 5, 4), fb.randn(2, 1, 6, 4), fb.randn(6, 4)];
  expect(distance(F.scaledDotProductAttention(q, k, v), spelled(q, k, v))).toBeLessThan(1e-6);
  const attnMask = fb.randn(2, 1, 5, 6);
  expect(distance(F.scaledDotProductAttention(q, v, v, { attnMask }), spelled(q, v, v, { attnMask }))).toBeLessThan(1e-6); // prettier-ignore
});

test('enableGqa: several heads of the query share one of key and value', () => {
  const [q, k, v] = [fb.randn(2, 6, 5, 4), fb.randn(2, 3, 7, 4), fb.randn(2, 3, 7, 4)].map((t) => t.requiresGrad_(true)) as [Tensor, Tensor, Tensor]; // prettier-ignore
  const repeated = (t: Tensor): Tensor => t.repeatInterleave(2, 1);
  const attnMask = fb.randn(2, 6, 5, 7);
  const got = F.scaledDotProductAttention(q, k, v, { attnMask, enableGqa: true });
  const want = spelled(q, repeated(k), repeated(v), { attnMask });
  expect(distance(got, want)).toBeLessThan(1e-6);
  const grads = (y: Tensor): readonly Tensor[] => fb.autograd.grad([y.square().sum()], [q, k, v]) as Tensor[];
  const expected = grads(want);
  grads(got).forEach((g, i) => expect(distance(g, expected[i]!)).toBeLessThan(1e-5));
  expect(() => F.scaledDotProductAttention(q, fb.randn(2, 4, 7, 4), fb.randn(2, 4, 7, 4), { enableGqa: true })).toThrow(
    'must divide the number of heads in query',
  );
});

test('rows that see nothing are zeros with gradients of zero; those of _scaledDotProductAttention are NaN', () => {
  const [q, k, v] = [fb.randn(2, 4, 8), fb.randn(2, 5, 8), fb.randn(2, 5, 8)].map((t) => t.requiresGrad_(true)) as [Tensor, Tensor, Tensor]; // prettier-ignore
  const attnMask = fb.ones([4, 5], { dtype: 'bool' });
  attnMask.narrow(0, 1, 1).fill_(false);
  for (const mask of [attnMask, fb.where(attnMask, 0, -Infinity)]) {
    const y = F.scaledDotProductAttention(q, k, v, { attnMask: mask });
    expect(y.narrow(1, 1, 1).abs().max().item()).toBe(0);
    expect(y.isnan().any().item()).toBe(false);
    const [dq, dk, dv] = fb.autograd.grad([y.sum()], [q, k, v]) as [Tensor, Tensor, Tensor];
    expect([dq, dk, dv].some((t) => Boolean(t.isnan().any().item()))).toBe(false);
    expect(dq.narrow(1, 1, 1).abs().max().item()).toBe(0);
  }
  const [old] = F._scaledDotProductAttention(q, k, v, { attnMask });
  expect(old.narrow(1, 1, 1).isnan().all().item()).toBe(true);
});

test('sizes of nothing', () => {
  const of = (l: number, s: number, e: number, v: number): Tensor => {
    const leaves = [fb.ones([2, l, e]), fb.ones([2, s, e]), fb.ones([2, s, v])].map((t) => t.requiresGrad_(true)) as [Tensor, Tensor, Tensor]; // prettier-ignore
    const y = F.scaledDotProductAttention(...leaves);
    y.sum().backward();
    for (const t of leaves) expect(t.grad!.isnan().any().item()).toBe(false);
    return y.detach();
  };
  expect(of(0, 3, 4, 5).shape).toEqual([2, 0, 5]);
  expect(of(3, 0, 4, 2).tolist()).toEqual(fb.zeros(2, 3, 2).tolist());
  expect(of(3, 4, 0, 2).tolist()).toEqual(fb.ones(2, 3, 2).tolist());
  expect(of(3, 4, 2, 0).shape).toEqual([2, 3, 0]);
  expect(F.scaledDotProductAttention(fb.ones(0, 3, 2), fb.ones(0, 4, 2), fb.ones(0, 4, 2)).shape).toEqual([0, 3, 2]);
});

test('first and second derivatives', () => {
  const make = (...s: number[]): Tensor => fb.randn(s, { dtype: 'float64', requiresGrad: true });
  const inputs = [make(2, 3, 4), make(2, 5, 4), make(2, 5, 2)] as const;
  const seen = fb.rand(3, 5).gt(0.3);
  seen.narrow(1, 0, 1).fill_(true);
  for (const o of [{}, { isCausal: true }, { attnMask: seen }, { attnMask: make(3, 5).detach() }]) {
    const f = (...[q, k, v]: Tensor[]): Tensor => F.scaledDotProductAttention(q!, k!, v!, o);
    expect(fb.autograd.gradcheck(f, inputs)).toBe(true);
    expect(fb.autograd.gradgradcheck(f, inputs)).toBe(true);
  }
});

test('what tiles do not take goes over the weights: 16-bit floats, dropout, a mask that is trained', () => {
  const [q, k, v] = [fb.randn(2, 5, 4), fb.randn(2, 6, 4), fb.randn(2, 6, 4)];
  for (const dtype of ['float16', 'bfloat16'] as const) {
    const y = F.scaledDotProductAttention(q.to(dtype), k.to(dtype), v.to(dtype));
    expect(y.dtype).toBe(dtype);
    expect(distance(y, spelled(q, k, v))).toBeLessThan(dtype === 'float16' ? 2e-3 : 2e-2);
  }
  const attnMask = fb.zeros([5, 6], { requiresGrad: true });
  F.scaledDotProductAttention(q, k, v, { attnMask }).square().sum().backward();
  const twin = fb.zeros([5, 6], { requiresGrad: true });
  spelled(q, k, v, { attnMask: twin }).square().sum().backward();
  expect(distance(attnMask.grad!, twin.grad!)).toBeLessThan(1e-5);
  fb.manualSeed(3);
  const dropped = F.scaledDotProductAttention(q, k, fb.ones(2, 6, 4), null, 0.5);
  expect(dropped.sub(1).abs().max().item()).toBeGreaterThan(0.1);
});

test('wrong operands are named', () => {
  const x = fb.ones(2, 3, 4);
  expect(() => F.scaledDotProductAttention(fb.ones(3), x, x)).toThrow('expected query and key to be at least 2-D');
  expect(() => F.scaledDotProductAttention(x, x.double(), x)).toThrow('to have the same dtype');
  expect(() => F.scaledDotProductAttention(x, x, x, { attnMask: x, isCausal: true })).toThrow(
    'Explicit attn_mask should not be set when is_causal=True',
  );
  expect(() => F.scaledDotProductAttention(x, fb.ones(2, 3, 5), x)).toThrow();
});
