// Sizes that vary: after the second value one program serves them all, and it computes what eager code computes: training steps whose last
// batch is smaller, functions that the caller differentiates, numbers that come from sizes.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';
import { fromTrace } from '../../src/frontend/trace/from_trace.js';
import { Undecided, unify } from '../../src/frontend/trace/unify.js';
import { printGraph } from '../../src/ir/print.js';
import { record } from '../../src/runtime/recorder.js';

const F = nn.functional;

function close(a: Tensor, b: Tensor, tolerance = 1e-5): void {
  expect(a.shape).toEqual(b.shape);
  const scale = b.abs().max().item() + 1e-3;
  expect(a.sub(b).abs().max().item() / scale).toBeLessThan(tolerance);
}

const net = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(2, 4, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(4 * 9, 8),
    new nn.LayerNorm(8),
    new nn.GELU(),
    new nn.Linear(8, 3),
  );

test('a training step with smaller batches is recompiled once, and follows the eager one', async () => {
  fb.manualSeed(1);
  const [a, b] = [net(), net()];
  b.loadStateDict(a.stateDict());
  const step = (m: nn.Sequential): ((x: Tensor, t: Tensor, y: Tensor) => Tensor) => {
    const opt = new optim.AdamW(m.parameters(), { lr: 0.01 });
    return (x, t, y) => {
      opt.zeroGrad();
      const out = m(x);
      const loss = F.crossEntropy(out, t).add(F.mseLoss(out, y)).add(out.var(0).sum().mul(0.1));
      loss.backward();
      nn.utils.clipGradNorm_(m.parameters(), 1);
      opt.step();
      return loss;
    };
  };
  const eager = step(a);
  const compiled = fb.compile(step(b));
  for (const n of [8, 8, 5, 8, 5, 3, 7, 2]) {
    const batch = [fb.randn([n, 2, 6, 6]), fb.randint(0, 3, [n]), fb.randn([n, 3])] as const;
    close(compiled(...batch).detach(), eager(...batch).detach(), 2e-3);
    await compiled.ready();
  }
  const e = compiled.explain();
  expect(e.graphs.filter((g) => g.runs > 0).length, String(e)).toBeLessThanOrEqual(2);
  expect(e.calls.compiled, String(e)).toBe(5);
  expect(e.recompiles).toContain('sizes vary: one program with the symbols s0');
  const [sa, sb] = [a.stateDict(), b.stateDict()];
  for (const k of Object.keys(sa)) if (!k.endsWith('tracked')) close(sb[k]!.detach(), sa[k]!.detach(), 5e-3);
});

test('a function that the caller differentiates: forward and backward for all sizes', async () => {
  const lin = new nn.Linear(4, 3);
  const fn = (x: Tensor): Tensor => lin(x).softmax(-1).mean(0);
  const f = fb.compile(fn);
  for (const n of [6, 6, 4, 9, 2, 3]) {
    const x = fb.randn([n, 4], { requiresGrad: true });
    const y = x.detach().clone();
    y.requiresGrad = true;
    const w = fb.randn([3]);
    f(x).mul(w).sum().backward();
    const got = lin.weight.grad!.clone();
    lin.zeroGrad();
    fn(y).mul(w).sum().backward();
    close(x.grad!, y.grad!);
    close(got, lin.weight.grad!);
    lin.zeroGrad();
    await f.ready();
  }
  expect(f.explain().calls.compiled, String(f.explain())).toBe(3);
});

function traced(fn: (x: Tensor) => Tensor, n: number): ReturnType<typeof fromTrace> {
  const x = fb.zeros([n]);
  const { recording } = record(() => fn(x), [x], { tolerant: false });
  if ('interrupted' in recording) throw new Error(recording.interrupted);
  return fromTrace(recording.trace, { captureNames: [] });
}

test.each([
  ['the count', (n: number) => n * 3],
  ['its inverse', (n: number) => 1 / n],
  ['twice the inverse of one less', (n: number) => 2 / (n - 1)],
  ["Bessel's factor", (n: number) => n / (n - 1)],
] as const)('%s as a number', async (_, of) => {
  const fn = (x: Tensor): Tensor => x.mul(of(x.shape[0]!));
  expect(printGraph(unify([traced(fn, 6), traced(fn, 10)], true))).toContain('fillValue');
  const f = fb.compile(fn);
  for (const n of [6, 10, 7, 31]) {
    const x = fb.randn([n]);
    close(f(x), fn(x), 1e-6);
    await f.ready();
  }
  expect(f.explain().calls.compiled).toBe(2);
});

test('what two recordings leave open waits for a third', () => {
  const half = (x: Tensor): Tensor => x.narrow(0, 0, Math.floor(x.shape[0]! / 2));
  // 1 and 2 of 3 and 4 look like n - 1.
  expect(() => unify([traced(half, 3), traced(half, 4)], true)).toThrow(Undecided);
  expect(() => unify([traced(half, 3), traced(half, 4), traced(half, 5)], true)).toThrow(/no polynomial/);
  const but = (x: Tensor): Tensor => x.narrow(0, 1, x.shape[0]! - 1);
  expect(() => unify([traced(but, 3), traced(but, 5)], true)).toThrow(Undecided);
  expect(printGraph(unify([traced(but, 3), traced(but, 5), traced(but, 9)], true))).toContain('length=s0-1');
});
