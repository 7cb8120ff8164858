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
  test('a learning rate that a scheduler changes', async () => {
    await check({
      make: (m) => new optim.AdamW(m.parameters(), { lr: 0.02 }),
      extra: (_, opt) => {
        const s = new optim.lrScheduler.CosineAnnealingLR(opt, 9);
        return { after: () => s.step() };
      },
    });
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
