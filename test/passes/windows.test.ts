// Gradients of slices and of the parts of a tensor: joined instead of added, with the same values as eager code.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { type Tensor } from '../../src/index.js';
const F = fb.nn.functional;

/** The gradient of `loss` and the ops of its compiled graph. */
async function gradient(
  x: Tensor,
  loss: (x: Tensor) => Tensor,
): Promise<{ readonly compiled: Tensor; readonly report: string }> {
  const step = fb.compile((t: Tensor) => fb.autograd.grad(loss(t), t)[0]!);
  for (let i = 0; i < 4; i++) {
    step(x);
    if (await step.ready()) break;
  }
  const compiled = step(x);
  expect(step.explain().reasons).toEqual([]);
  return { compiled, report: step.explain().toString() };
}

const CASES: readonly [string, (x: Tensor) => Tensor, boolean][] = [
  ['chunk', (x) => fb.chunk(x, 3, -1).reduce((s, p, i) => s.add(p.mul(p).mul(i + 1).sum()), fb.zeros([])), true], // prettier-ignore
  ['unbind', (x) => fb.unbind(x, 0).reduce((s, p, i) => s.add(p.sin().mul(i + 2).sum()), fb.zeros([])), true], // prettier-ignore
  ['split of unequal parts', (x) => { const [a, b] = fb.split(x, [4, 2], 2) as [Tensor, Tensor]; return a.exp().sum().add(b.mul(3).pow(2).sum()); }, true], // prettier-ignore
  [
    'parts with gaps',
    (x) =>
      x
        .narrow(1, 1, 1)
        .pow(2)
        .sum()
        .add(x.narrow(1, 3, 2).exp().sum()),
    true,
  ],
  ['one slice', (x) => x.narrow(2, 1, 3).pow(3).sum(), true],
  [
    'parts that meet',
    (x) =>
      x
        .narrow(1, 0, 3)
        .exp()
        .sum()
        .add(x.narrow(1, 2, 3).pow(2).sum()),
    true,
  ],
  [
    'parts of two dimensions',
    (x) =>
      x
        .narrow(0, 0, 2)
        .exp()
        .sum()
        .add(x.narrow(1, 2, 3).pow(2).sum()),
    true,
  ],
  [
    'every second',
    (x) => {
      const every = (first: number): Tensor => x.index(fb.slice(), fb.slice(first, null, 2));
      return every(0).exp().sum().add(every(1).pow(2).sum());
    },
    false,
  ],
  ['a part of a part', (x) => { const [a, b] = fb.chunk(x, 2, 2) as [Tensor, Tensor]; return a.narrow(1, 0, 2).exp().sum().add(b.pow(2).sum()); }, true], // prettier-ignore
];

describe('gradients of parts', () => {
  test.each(CASES)('%s', async (_name, loss, windows) => {
    fb.manualSeed(4);
    const x = fb.randn([3, 5, 6], { requiresGrad: true });
    const { compiled, report } = await gradient(x, loss);
    const [eager] = fb.autograd.grad(loss(x), x);
    expect(compiled.sub(eager!).abs().max().item()).toBeLessThan(1e-6 * (eager!.abs().max().item() as number));
    // Windows are joined or padded; what is none is written over zeros.
    expect(/scatter/i.test(report), report).toBe(!windows);
  });

  test('of queries, keys and values: copied once for both products that read them', async () => {
    fb.manualSeed(5);
    const [b, t, d, heads] = [2, 16, 64, 4];
    const x = fb.randn([b, t, d], { requiresGrad: true });
    const w = fb.randn([3 * d, d], { requiresGrad: true });
    const loss = (): Tensor => {
      const parts = F.linear(x, w).view(b, t, 3, heads, d / heads).permute(2, 0, 3, 1, 4).unbind(0) as Tensor[]; // prettier-ignore
      const [q, k, v] = parts as [Tensor, Tensor, Tensor];
      return F.scaledDotProductAttention(q, k, v, { isCausal: true }).pow(2).mean();
    };
    const step = fb.compile(() => fb.autograd.grad(loss(), [x, w]) as Tensor[]);
    for (let i = 0; i < 4; i++) {
      step();
      if (await step.ready()) break;
    }
    const eager = fb.autograd.grad(loss(), [x, w]);
    step().forEach((g, i) =>
      expect(g.sub(eager[i]!).abs().max().item()).toBeLessThan(1e-5 * (eager[i]!.abs().max().item() as number)),
    );
    const report = step.explain().toString();
    expect(report).not.toContain('scatter');
    // The values of attention beside the products, and the gradients of the three parts: one copy each.
    expect(report.match(/kernel\d+: copy/g)?.length ?? 0).toBeLessThanOrEqual(2);
  });
});
