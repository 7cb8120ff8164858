// What belongs to a training loop, inside compile: every optimizer, schedulers, clipping, accumulation over micro-batches, dropout, the
// statistics of batch norm. Compiled steps follow eager ones.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';

const F = nn.functional;

const net = (): nn.Sequential =>
  new nn.Sequential(new nn.Linear(6, 12, { bias: false }), new nn.BatchNorm1d(12), new nn.Tanh(), new nn.Linear(12, 3));

type Extra = (m: nn.Sequential, opt: optim.Optimizer) => { before?: () => void; after?: () => void };
interface Case {
  readonly make: (m: nn.Sequential) => optim.Optimizer;
  readonly extra?: Extra;
  /** Micro-batches per step. */
  readonly parts?: number;
}

/** Largest relative difference of losses and of states over steps that eager and compiled code take side by side. */
async function follow(c: Case, steps = 9): Promise<{ loss: number; state: number; compiled: number; report: string }> {
  fb.manualSeed(11);
  const [a, b] = [net(), net()];
  b.loadStateDict(a.stateDict());
  const step = (m: nn.Sequential): ((x: Tensor, t: Tensor) => Tensor) => {
    const opt = c.make(m);
    const extra = c.extra?.(m, opt);
    const parts = c.parts ?? 1;
    const inner = (x: Tensor, t: Tensor): Tensor => {
      opt.zeroGrad();
      let total: Tensor | null = null;
      for (let k = 0; k < parts; k++) {
        const n = x.shape[0]! / parts;
        const loss = F.crossEntropy(m(x.narrow(0, k * n, n)), t.narrow(0, k * n, n)).div(parts);
        loss.backward();
        total = total === null ? loss.detach() : total.add(loss.detach());
      }
      extra?.before?.();
      opt.step();
      return total!;
    };
    const run = m === b ? fb.compile(inner) : inner;
    if (m === b) compiled = run as typeof compiled;
    return (x, t) => {
      const l = run(x, t);
      extra?.after?.();
      return l;
    };
  };
  let compiled: ReturnType<typeof fb.compile> | undefined;
  const [eager, fast] = [step(a), step(b)];
  let loss = 0;
  for (let i = 0; i < steps; i++) {
    const batch = [fb.randn([8, 6]), fb.randint(0, 3, [8])] as const;
    const [x, y] = [eager(...batch).item(), fast(...batch).item()];
    loss = Math.max(loss, Math.abs(x - y) / (Math.abs(x) + 1e-3));
    await compiled!.ready();
  }
  const [sa, sb] = [a.stateDict(), b.stateDict()];
  const state = Math.max(
    ...Object.keys(sa).map((k) => {
      const want = sa[k]!.to('float64');
      return sb[k]!.to('float64').sub(want).abs().max().item() / (want.abs().max().item() + 1e-3);
    }),
  );
  return { loss, state, compiled: compiled!.explain().calls.compiled, report: String(compiled!.explain()) };
}

async function check(c: Case, atLeast = 4): Promise<void> {
  const r = await follow(c);
  expect(r.compiled, r.report).toBeGreaterThanOrEqual(atLeast);
  expect(r.loss).toBeLessThan(1e-3);
  expect(r.state).toBeLessThan(2e-3);
}

describe('optimizers', () => {
  test.each([
    ['SGD', (p) => new optim.SGD(p, { lr: 0.1 })],
    [
      'SGD with Nesterov momentum',
      (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
    ],
    ['Adam', (p) => new optim.Adam(p, { lr: 0.01 })],
    ['Adam, amsgrad', (p) => new optim.Adam(p, { lr: 0.01, amsgrad: true, weightDecay: 0.01 })],
    ['AdamW', (p) => new optim.AdamW(p, { lr: 0.01 })],
    ['NAdam', (p) => new optim.NAdam(p, { lr: 0.01 })],
    ['RAdam', (p) => new optim.RAdam(p, { lr: 0.01 })],
    ['Adamax', (p) => new optim.Adamax(p, { lr: 0.01 })],
    ['Adagrad', (p) => new optim.Adagrad(p, { lr: 0.05 })],
    ['Adadelta', (p) => new optim.Adadelta(p, { lr: 1 })],
    ['RMSprop', (p) => new optim.RMSprop(p, { lr: 0.01, momentum: 0.5, centered: true })],
    ['ASGD', (p) => new optim.ASGD(p, { lr: 0.05 })],
    ['Rprop', (p) => new optim.Rprop(p, { lr: 0.01 })],
    ['Adafactor', (p) => new optim.Adafactor(p, { lr: 0.01 })],
  ] as [string, (p: Iterable<nn.Parameter>) => optim.Optimizer][])('%s', async (_, make) => {
    await check({ make: (m) => make([...m.parameters()]) });
  });
});

describe('around the step', () => {
  const { lrScheduler: lr } = optim;
  test.each([
    ['StepLR', (o) => new lr.StepLR(o, { stepSize: 2, gamma: 0.5 })],
    ['MultiStepLR', (o) => new lr.MultiStepLR(o, { milestones: [2, 5], gamma: 0.3 })],
    ['ConstantLR', (o) => new lr.ConstantLR(o, { factor: 0.5, totalIters: 4 })],
    ['LinearLR', (o) => new lr.LinearLR(o, { startFactor: 0.2, totalIters: 5 })],
    ['ExponentialLR', (o) => new lr.ExponentialLR(o, { gamma: 0.8 })],
    ['PolynomialLR', (o) => new lr.PolynomialLR(o, { totalIters: 8, power: 2 })],
    ['CosineAnnealingLR', (o) => new lr.CosineAnnealingLR(o, 9)],
    ['CosineAnnealingWarmRestarts', (o) => new lr.CosineAnnealingWarmRestarts(o, { T_0: 4 })],
    ['LambdaLR', (o) => new lr.LambdaLR(o, (n: number) => 1 / (1 + n))],
    ['MultiplicativeLR', (o) => new lr.MultiplicativeLR(o, () => 0.9)],
    ['CyclicLR', (o) => new lr.CyclicLR(o, { baseLr: 0.01, maxLr: 0.1, stepSizeUp: 3 })],
    ['OneCycleLR', (o) => new lr.OneCycleLR(o, { maxLr: 0.1, totalSteps: 12 })],
    [
      'SequentialLR',
      (o) =>
        new lr.SequentialLR(
          o,
          [new lr.ConstantLR(o, { factor: 0.1, totalIters: 2 }), new lr.ExponentialLR(o, { gamma: 0.9 })],
          [3],
        ),
    ],
    [
      'ChainedScheduler',
      (o) => new lr.ChainedScheduler([new lr.ConstantLR(o, { factor: 0.5 }), new lr.ExponentialLR(o, { gamma: 0.9 })]),
    ],
    ['ReduceLROnPlateau', (o) => new lr.ReduceLROnPlateau(o, { patience: 1 })],
  ] as [string, (o: optim.Optimizer) => { step: (metric?: number) => void }][])(
    'a learning rate that changes: %s',
    async (name, make) => {
      // The cyclic ones move momentum as well.
      await check({
        make: (m) => new optim.SGD(m.parameters(), { lr: 0.05, momentum: 0.9 }),
        extra: (_, opt) => {
          const s = make(opt);
          return { after: () => (name === 'ReduceLROnPlateau' ? s.step(1) : s.step()) };
        },
      });
    },
  );
  test('betas that a scheduler changes', async () => {
    await check({
      make: (m) => new optim.AdamW(m.parameters(), { lr: 0.02 }),
      extra: (_, opt) => {
        const s = new lr.OneCycleLR(opt, { maxLr: 0.05, totalSteps: 12 });
        return { after: () => s.step() };
      },
    });
  });
  test('gradients accumulated over calls, the step in a function of its own', async () => {
    fb.manualSeed(12);
    const [a, b] = [net(), net()];
    b.loadStateDict(a.stateDict());
    const make = (
      m: nn.Sequential,
    ): { backward: (x: Tensor, t: Tensor) => Tensor; step: (dummy: Tensor) => Tensor } => {
      const opt = new optim.SGD(m.parameters(), { lr: 0.1, momentum: 0.9 });
      return {
        backward: (x, t) => {
          const loss = F.crossEntropy(m(x), t).div(3);
          loss.backward();
          return loss.detach();
        },
        step: (dummy) => {
          nn.utils.clipGradNorm_(m.parameters(), 0.5);
          opt.step();
          opt.zeroGrad();
          return dummy.add(1);
        },
      };
    };
    const eager = make(a);
    const other = make(b);
    const [backward, step] = [fb.compile(other.backward), fb.compile(other.step)];
    for (let i = 0; i < 18; i++) {
      const [x, t] = [fb.randn([8, 6]), fb.randint(0, 3, [8])];
      const [want, got] = [eager.backward(x, t).item(), backward(x, t).item()];
      expect(Math.abs(want - got)).toBeLessThan(1e-4);
      if (i % 3 === 2) {
        eager.step(x);
        step(x);
        await step.ready();
      }
      await backward.ready();
    }
    // The first call of a cycle finds no gradients, the others do: two programs, confirmed by two recordings each.
    expect(backward.explain().calls.compiled, String(backward.explain())).toBeGreaterThanOrEqual(12);
    expect(step.explain().calls.compiled, String(step.explain())).toBeGreaterThan(1);
    const [sa, sb] = [a.stateDict(), b.stateDict()];
    for (const k of Object.keys(sa)) expect(sb[k]!.allclose(sa[k]!, { atol: 1e-4 }), k).toBe(true);
  });
  test('LBFGS needs losses on the host: it stays eager, with the same numbers', () => {
    fb.manualSeed(13);
    const [a, b] = [net(), net()];
    b.loadStateDict(a.stateDict());
    const [x, t] = [fb.randn([8, 6]), fb.randint(0, 3, [8])];
    const make = (m: nn.Sequential): (() => number) => {
      const opt = new optim.LBFGS(m.parameters(), { lr: 0.5, maxIter: 4 });
      const loss = (y: Tensor): Tensor => F.crossEntropy(m(y), t);
      const run = m === b ? fb.compile(loss) : loss;
      return () =>
        opt
          .step(() => {
            opt.zeroGrad();
            const l = run(x);
            l.backward();
            return l;
          })
          .item();
    };
    const [eager, other] = [make(a), make(b)];
    for (let i = 0; i < 4; i++) expect(Math.abs(eager() - other())).toBeLessThan(1e-3);
  });
  test('gradients clipped by norm, and by value', async () => {
    for (const before of [
      (m: nn.Sequential) => () => void nn.utils.clipGradNorm_(m.parameters(), 0.1),
      (m: nn.Sequential) => () => void nn.utils.clipGradValue_(m.parameters(), 0.01),
    ])
      await check({ make: (m) => new optim.SGD(m.parameters(), { lr: 0.5 }), extra: (m) => ({ before: before(m) }) });
  });
  test('gradients accumulated over micro-batches', async () => {
    await check({ make: (m) => new optim.Adam(m.parameters(), { lr: 0.01 }), parts: 2 });
  });
});

test('dropout draws new numbers in every call, keeps the mean, and gradients pass where values did', async () => {
  const x = fb.ones([200, 100], { requiresGrad: true });
  const f = fb.compile((t: Tensor) => {
    const y = F.dropout(t, 0.25, true);
    x.grad = null;
    y.sum().backward();
    return y.detach();
  });
  for (let i = 0; i < 4; i++) {
    f(x);
    await f.ready();
  }
  const [a, ga] = [f(x), x.grad!.clone()];
  const b = f(x);
  expect(f.explain().calls.compiled, String(f.explain())).toBeGreaterThan(1);
  expect(a.equal(b)).toBe(false);
  expect(ga.equal(a)).toBe(true);
  expect(Math.abs(a.mean().item() - 1)).toBeLessThan(0.02);
  expect(a.eq(0).to('float32').mean().item()).toBeCloseTo(0.25, 1);
});
