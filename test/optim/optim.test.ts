// Optimizers against the update rules written out in float64, groups, state dicts, schedules.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';

type Rule = (p: number, g: number, s: Record<string, number>, t: number) => number;

/** Runs an optimizer and a rule side by side on f(w) = sum(w^4 / 4 - w): its gradient is w^3 - 1. */
function follow(make: (p: Tensor[]) => optim.Optimizer, rule: Rule, steps = 12): void {
  const w = [0.5, -1.25, 2];
  const p = fb.tensor(w, { dtype: 'float64', requiresGrad: true });
  const opt = make([p]);
  const states = w.map((): Record<string, number> => ({}));
  for (let t = 1; t <= steps; t++) {
    opt.zeroGrad();
    p.pow(4).div(4).sub(p).sum().backward();
    opt.step();
    w.forEach((v, i) => (w[i] = rule(v, v ** 3 - 1, states[i]!, t)));
    (p.tolist() as number[]).forEach((v, i) =>
      expect(Math.abs(v - w[i]!), `step ${t}`).toBeLessThan(1e-10 * Math.max(1, Math.abs(w[i]!))),
    );
  }
}

describe('update rules', () => {
  test('SGD', () => {
    follow(
      (p) => new optim.SGD(p, { lr: 0.05 }),
      (p, g) => p - 0.05 * g,
    );
    follow(
      (p) => new optim.SGD(p, { lr: 0.05, weightDecay: 0.1, maximize: false }),
      (p, g) => p - 0.05 * (g + 0.1 * p),
    );
  });
  test('SGD with momentum', () => {
    follow(
      (p) => new optim.SGD(p, { lr: 0.02, momentum: 0.9 }),
      (p, g, s) => p - 0.02 * (s.b = 0.9 * (s.b ?? 0) + g),
    );
    follow(
      (p) => new optim.SGD(p, { lr: 0.02, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
      (p, g, s) => {
        const d = g + 0.01 * p;
        s.b = 0.9 * (s.b ?? 0) + d;
        return p - 0.02 * (d + 0.9 * s.b);
      },
    );
    follow(
      (p) => new optim.SGD(p, { lr: 0.02, momentum: 0.9, dampening: 0.3 }),
      (p, g, s) => {
        s.b = s.b === undefined ? g : 0.9 * s.b + 0.7 * g;
        return p - 0.02 * s.b;
      },
    );
  });
  const adam =
    (lr: number, wd: number, decoupled: boolean, amsgrad = false): Rule =>
    (p0, g0, s, t) => {
      const p = decoupled ? p0 * (1 - lr * wd) : p0;
      const g = decoupled ? g0 : g0 + wd * p0;
      s.m = 0.9 * (s.m ?? 0) + 0.1 * g;
      s.v = 0.99 * (s.v ?? 0) + 0.01 * g * g;
      s.x = Math.max(s.x ?? 0, s.v);
      return p - (lr * (s.m / (1 - 0.9 ** t))) / (Math.sqrt((amsgrad ? s.x : s.v) / (1 - 0.99 ** t)) + 1e-8);
    };
  const betas = [0.9, 0.99] as const;
  test('Adam and AdamW', () => {
    // Step counts are float32, so the bias corrections have its accuracy.
    const loose = (make: (p: Tensor[]) => optim.Optimizer, rule: Rule): void => {
      const p = fb.tensor([0.5, -1.25], { requiresGrad: true });
      const opt = make([p]);
      const w = [0.5, -1.25];
      const states = w.map((): Record<string, number> => ({}));
      for (let t = 1; t <= 20; t++) {
        opt.zeroGrad();
        p.pow(4).div(4).sub(p).sum().backward();
        opt.step();
        w.forEach((v, i) => (w[i] = rule(v, v ** 3 - 1, states[i]!, t)));
        (p.tolist() as number[]).forEach((v, i) => expect(Math.abs(v - w[i]!), `step ${t}`).toBeLessThan(2e-5));
      }
    };
    loose((p) => new optim.Adam(p, { lr: 0.05, betas }), adam(0.05, 0, false));
    loose((p) => new optim.Adam(p, { lr: 0.05, betas, weightDecay: 0.1 }), adam(0.05, 0.1, false));
    loose((p) => new optim.AdamW(p, { lr: 0.05, betas, weightDecay: 0.1 }), adam(0.05, 0.1, true));
    loose((p) => new optim.Adam(p, { lr: 0.05, betas, amsgrad: true }), adam(0.05, 0, false, true));
  });
  test('RMSprop, with momentum and centered', () => {
    follow(
      (p) => new optim.RMSprop(p, { lr: 0.01, alpha: 0.9 }),
      (p, g, s) => {
        s.v = 0.9 * (s.v ?? 0) + 0.1 * g * g;
        return p - (0.01 * g) / (Math.sqrt(s.v) + 1e-8);
      },
    );
    follow(
      (p) => new optim.RMSprop(p, { lr: 0.01, alpha: 0.9, momentum: 0.5, centered: true }),
      (p, g, s) => {
        s.v = 0.9 * (s.v ?? 0) + 0.1 * g * g;
        s.m = 0.9 * (s.m ?? 0) + 0.1 * g;
        s.b = 0.5 * (s.b ?? 0) + g / (Math.sqrt(s.v - s.m ** 2) + 1e-8);
        return p - 0.01 * s.b;
      },
    );
  });
});

describe('the optimizer', () => {
  test('groups have their own options', () => {
    const [a, b] = [fb.ones(1, { requiresGrad: true }), fb.ones(1, { requiresGrad: true })];
    const opt = new optim.SGD([{ params: [a] }, { params: b, lr: 1 }], { lr: 0.1 });
    a.grad = fb.ones(1);
    b.grad = fb.ones(1);
    opt.step();
    expect(a.item()).toBeCloseTo(0.9, 6);
    expect(b.item()).toBe(0);
    opt.paramGroups[0]!.lr = 0;
    opt.step();
    expect(a.item()).toBeCloseTo(0.9, 6);
  });
  test('parameters without gradients are left alone, and count their own steps', () => {
    const [a, b] = [fb.ones(1, { requiresGrad: true }), fb.ones(1, { requiresGrad: true })];
    const opt = new optim.Adam([a, b], { lr: 0.1 });
    a.grad = fb.ones(1);
    opt.step();
    expect(b.item()).toBe(1);
    b.grad = fb.ones(1);
    opt.step();
    a.grad = null;
    opt.step();
    expect([opt.state.get(a)!['step']!.item(), opt.state.get(b)!['step']!.item()]).toEqual([2, 2]);
  });
  test('closures are called with gradients on and their result is returned', () => {
    const w = fb.tensor([2], { requiresGrad: true });
    const opt = new optim.SGD([w], { lr: 0.25 });
    const loss = opt.step(() => {
      opt.zeroGrad();
      const l = w.square().sum();
      l.backward();
      return l.item();
    });
    expect([loss, w.item()]).toEqual([4, 1]);
  });
  test('zeroGrad drops or clears gradients', () => {
    const w = fb.ones(2, { requiresGrad: true });
    const opt = new optim.SGD([w], { lr: 1 });
    w.grad = fb.ones(2);
    opt.zeroGrad(false);
    expect(w.grad!.tolist()).toEqual([0, 0]);
    opt.zeroGrad();
    expect(w.grad).toBe(null);
  });
  test('state dicts carry a run on exactly', () => {
    const run = (
      steps: number,
      from?: { w: Tensor; state: optim.OptimizerStateDict },
    ): { w: Tensor; state: optim.OptimizerStateDict } => {
      const w = (from?.w ?? fb.tensor([1, -2])).clone().requiresGrad_();
      const opt = new optim.Adam([w], { lr: 0.1 });
      if (from !== undefined) opt.loadStateDict(from.state);
      for (let i = 0; i < steps; i++) {
        opt.zeroGrad();
        w.pow(2).sum().backward();
        opt.step();
      }
      return { w: w.detach(), state: opt.stateDict() };
    };
    const whole = run(6);
    const parts = run(3, run(3));
    expect(parts.w.equal(whole.w)).toBe(true);
    expect(Object.keys(whole.state.state[0]!).sort()).toEqual(['exp_avg', 'exp_avg_sq', 'step']);
    expect(whole.state.param_groups[0]).toMatchObject({ lr: 0.1, weight_decay: 0, params: [0] });
  });
  test("a checkpoint has PyTorch's layout: numbered parameters, one step count each", () => {
    const params = [fb.ones(2, { requiresGrad: true }), fb.ones(3, { requiresGrad: true })];
    const opt = new optim.Adam(params, { lr: 0.1 });
    for (const p of params) p.grad = fb.ones(p.shape);
    opt.step();
    const bytes = fb.serialization.serialize(opt.stateDict(), { format: 'pytorch' });
    const back = fb.load<optim.LoadableStateDict>(bytes);
    const state = back.state as Map<number, Record<string, Tensor>>;
    expect([...state.keys()]).toEqual([0, 1]);
    state.get(0)!['step']!.add_(1);
    expect([...state.values()].map((s) => s['step']!.item())).toEqual([2, 1]);
    const other = new optim.Adam(params, { lr: 0.5 });
    other.loadStateDict(fb.load<optim.LoadableStateDict>(bytes));
    expect(other.paramGroups[0]!.lr).toBe(0.1);
    expect(other.state.get(params[1]!)!['exp_avg']!.equal(opt.state.get(params[1]!)!['exp_avg']!)).toBe(true);
  });
  test('hooks run around a step, until they are removed', () => {
    const w = fb.ones(1, { requiresGrad: true });
    const opt = new optim.SGD([w], 0.1);
    const calls: string[] = [];
    const before = opt.registerStepPreHook(() => void calls.push(`before ${String(w.item() === 1)}`));
    opt.registerStepPostHook(() => void calls.push(`after ${String(w.item() === 1)}`));
    w.grad = fb.ones(1);
    opt.step();
    before.remove();
    opt.step();
    expect(calls).toEqual(['before true', 'after false', 'after false']);
  });
  test('LBFGS goes on exactly from a checkpoint', () => {
    const steps = (n: number, w: Tensor, opt: optim.LBFGS): void => {
      for (let i = 0; i < n; i++) {
        opt.step(() => {
          opt.zeroGrad();
          const l = w.pow(4).sum().add(w.sum());
          l.backward();
          return l;
        });
      }
    };
    const make = (w: Tensor): optim.LBFGS => new optim.LBFGS([w], { lr: 0.3, maxIter: 2 });
    const start = fb.tensor([1, -2], { dtype: 'float64' });
    const [a, b] = [start.clone().requiresGrad_(), start.clone().requiresGrad_()];
    steps(6, a, make(a));
    const first = make(b);
    steps(3, b, first);
    const second = make(b);
    const bytes = fb.serialization.serialize(first.stateDict(), { format: 'pytorch' });
    second.loadStateDict(fb.load<optim.LoadableStateDict>(bytes));
    steps(3, b, second);
    expect(b.equal(a)).toBe(true);
  });
  test('the average of a model follows it', () => {
    const net = new nn.Linear(2, 1);
    const average = new optim.swaUtils.AveragedModel(net);
    for (const value of [1, 2, 6]) {
      fb.noGrad(() => void net.weight.fill_(value));
      average.updateParameters(net);
    }
    expect((average.module as nn.Linear).weight.tolist()).toEqual([[3, 3]]);
    expect(Object.keys(average.stateDict())).toContain('module.weight');
  });
  test('errors', () => {
    const w = fb.ones(1, { requiresGrad: true });
    expect(() => new optim.SGD([], { lr: 1 })).toThrow('optimizer got an empty parameter list');
    expect(() => new optim.SGD([w], { lr: -1 })).toThrow('Invalid learning rate: -1');
    expect(() => new optim.SGD([w], {} as never)).toThrow(
      /didn't specify a value of required optimization parameter lr/,
    );
    expect(() => new optim.SGD([w.mul(2)], { lr: 1 })).toThrow("can't optimize a non-leaf Tensor");
    expect(() => new optim.SGD(w as never, { lr: 1 })).toThrow(/but got a Tensor/);
    expect(() => new optim.SGD([w, w], { lr: 1 })).toThrow(/appear more than once/);
    expect(() => new optim.Adam([w], { betas: [0.9, 1] })).toThrow('Invalid beta parameter at index 1: 1');
    expect(() => new optim.SGD([w], { lr: 1, nesterov: true })).toThrow(/Nesterov momentum requires/);
    expect(() => new optim.SGD([w], { lr: 1 }).loadStateDict({ state: {}, param_groups: [] })).toThrow(
      /different number of parameter groups/,
    );
  });
});

describe('schedules', () => {
  const rates = (make: (o: optim.Optimizer) => optim.lrScheduler.LRScheduler, n: number): number[] => {
    const opt = new optim.SGD([fb.ones(1, { requiresGrad: true })], { lr: 1 });
    const s = make(opt);
    return Array.from({ length: n }, () => {
      const lr = opt.paramGroups[0]!.lr;
      s.step();
      return Math.round(lr * 1e9) / 1e9;
    });
  };
  test('follow their formulas', () => {
    expect(rates((o) => new optim.lrScheduler.StepLR(o, { stepSize: 2, gamma: 0.5 }), 5)).toEqual([
      1, 1, 0.5, 0.5, 0.25,
    ]);
    expect(rates((o) => new optim.lrScheduler.MultiStepLR(o, { milestones: [1, 3], gamma: 0.1 }), 4)).toEqual([
      1, 0.1, 0.1, 0.01,
    ]);
    expect(rates((o) => new optim.lrScheduler.ExponentialLR(o, { gamma: 0.5 }), 3)).toEqual([1, 0.5, 0.25]);
    expect(rates((o) => new optim.lrScheduler.LambdaLR(o, (e) => 1 / (e + 1)), 3)).toEqual([1, 0.5, 0.333333333]);
    const cosine = [0, 1, 2, 3, 4].map((t) => Math.round(((1 + Math.cos((Math.PI * t) / 4)) / 2) * 1e9) / 1e9);
    expect(rates((o) => new optim.lrScheduler.CosineAnnealingLR(o, 4), 5)).toEqual(cosine);
    const sequence = (o: optim.Optimizer): optim.lrScheduler.LRScheduler =>
      new optim.lrScheduler.SequentialLR(
        o,
        [new optim.lrScheduler.ConstantLR(o, 0.1, 2), new optim.lrScheduler.ExponentialLR(o, 0.9)],
        [2],
      );
    expect(rates(sequence, 5)).toEqual([0.1, 0.1, 1, 0.9, 0.81]);
    const chain = (o: optim.Optimizer): optim.lrScheduler.LRScheduler =>
      new optim.lrScheduler.ChainedScheduler([
        new optim.lrScheduler.ConstantLR(o, 0.1, 2),
        new optim.lrScheduler.ExponentialLR(o, 0.9),
      ]);
    expect(rates(chain, 5)).toEqual([0.1, 0.09, 0.81, 0.729, 0.6561]);
  });
  test("state dicts have PyTorch's names and carry a schedule on", () => {
    const opt = new optim.SGD([fb.ones(1, { requiresGrad: true })], { lr: 1 });
    const s = new optim.lrScheduler.MultiStepLR(opt, [2, 5, 5], 0.1);
    s.step();
    const state = s.stateDict();
    expect(state).toMatchObject({ gamma: 0.1, base_lrs: [1], last_epoch: 1, _step_count: 2, _last_lr: [1] });
    expect(state['milestones']).toEqual(
      new Map([
        [2, 1],
        [5, 2],
      ]),
    );
    const other = new optim.lrScheduler.MultiStepLR(opt, [100], 0.5);
    other.loadStateDict(state);
    other.step();
    expect(opt.paramGroups[0]!.lr).toBeCloseTo(0.1, 12);
  });
});

test('a small network learns', () => {
  fb.manualSeed(0);
  const net = new nn.Sequential(new nn.Linear(2, 16), new nn.Tanh(), new nn.Linear(16, 1));
  const x = fb.tensor([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]);
  const y = fb.tensor([[0], [1], [1], [0]]);
  const opt = new optim.Adam(net.parameters(), { lr: 0.05 });
  let loss = NaN;
  for (let i = 0; i < 200; i++) {
    const l = nn.functional.mseLoss(net(x), y);
    opt.zeroGrad();
    l.backward();
    opt.step();
    loss = l.item();
  }
  expect(loss).toBeLessThan(0.01);
});
