// Optimizers inside fb.compile: state and learning rates reach the graph, results equal those of eager steps.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';
const F = nn.functional;

class Net extends nn.Module {
  // Without bias: batch norm cancels it, its gradient is rounding noise, and Adam makes steps out of that.
  fc1 = new nn.Linear(6, 16, { bias: false });
  bn = new nn.BatchNorm1d(16);
  fc2 = new nn.Linear(16, 3);
  override forward(x: Tensor): Tensor {
    return this.fc2(F.relu(this.bn(this.fc1(x))));
  }
}
const optimizers: Record<string, (p: Tensor[]) => optim.Optimizer> = {
  SGD: (p) => new optim.SGD(p, { lr: 0.05, weightDecay: 1e-3 }),
  momentum: (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.9, nesterov: true }),
  Adam: (p) => new optim.Adam(p, { lr: 0.01 }),
  AdamW: (p) => new optim.AdamW(p, { lr: 0.01 }),
  RMSprop: (p) => new optim.RMSprop(p, { lr: 0.01 }),
  'RMSprop with momentum': (p) => new optim.RMSprop(p, { lr: 0.01, momentum: 0.5, centered: true }),
};

/** Losses of 12 steps on fixed data; the learning rate is halved after the sixth. */
async function losses(
  make: (p: Tensor[]) => optim.Optimizer,
  compiled: boolean,
): Promise<{ values: number[]; net: Net; served: number }> {
  fb.manualSeed(0);
  const net = new Net();
  const opt = make(net.parameters());
  const x = fb.randn(8, 6);
  const t = fb.randint(0, 3, [8]);
  const eager = (a: Tensor, b: Tensor): Tensor => {
    const loss = F.crossEntropy(net(a), b);
    opt.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm_(net.parameters(), 1);
    opt.step();
    return loss;
  };
  const step = compiled ? fb.compile(eager) : null;
  const values: number[] = [];
  let served = 0;
  for (let i = 0; i < 12; i++) {
    if (i === 6) for (const g of opt.paramGroups) g.lr /= 2;
    values.push((step ?? eager)(x, t).item());
    if (step !== null && (await step.ready())) served++;
  }
  return { values, net, served };
}

describe.each(Object.entries(optimizers))('%s', (_name, make) => {
  test('compiled steps equal eager ones, a changed learning rate included', async () => {
    const [a, b] = [await losses(make, false), await losses(make, true)];
    expect(b.served).toBeGreaterThan(6);
    a.values.forEach((v, i) => expect(Math.abs(b.values[i]! - v), `step ${i}`).toBeLessThan(1e-4 * Math.abs(v)));
    expect(b.net.bn.numBatchesTracked!.item()).toBe(12);
    expect(b.net.bn.runningMean!.allclose(a.net.bn.runningMean!, { rtol: 1e-4, atol: 1e-5 })).toBe(true);
  });
});

/** Every optimizer on two small parameters; the rate of a compiled step follows a schedule. */
const all: Record<string, (p: Tensor[]) => optim.Optimizer> = {
  'SGD, dampened': (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.9, dampening: 0.1 }),
  'Adam, amsgrad': (p) => new optim.Adam(p, { lr: 0.05, amsgrad: true, weightDecay: 0.01 }),
  Adamax: (p) => new optim.Adamax(p, { lr: 0.05 }),
  NAdam: (p) => new optim.NAdam(p, { lr: 0.05 }),
  RAdam: (p) => new optim.RAdam(p, { lr: 0.05 }),
  SparseAdam: (p) => new optim.SparseAdam(p, { lr: 0.05 }),
  Adagrad: (p) => new optim.Adagrad(p, { lr: 0.1, lrDecay: 0.01 }),
  Adadelta: (p) => new optim.Adadelta(p, { lr: 1 }),
  'RMSprop, momentum': (p) => new optim.RMSprop(p, { lr: 0.02, momentum: 0.5 }),
  'RMSprop, centered': (p) => new optim.RMSprop(p, { lr: 0.02, centered: true }),
  Rprop: (p) => new optim.Rprop(p, { lr: 0.02 }),
  ASGD: (p) => new optim.ASGD(p, { lr: 0.05, t0: 5 }),
  Adafactor: (p) => new optim.Adafactor(p, { lr: 0.05 }),
};

async function curve(make: (p: Tensor[]) => optim.Optimizer, compiled: boolean): Promise<[number[], number]> {
  fb.manualSeed(3);
  const [A, b] = [fb.randn(9, 4), fb.randn(9, 3)];
  const [w, c] = [fb.randn(4, 3).requiresGrad_(), fb.zeros(3, { requiresGrad: true })];
  const opt = make([w, c]);
  const schedule = new optim.lrScheduler.ExponentialLR(opt, 0.9);
  const eager = (): Tensor => {
    const loss = A.matmul(w).add(c).sub(b).square().mean();
    opt.zeroGrad();
    loss.backward();
    opt.step();
    return loss;
  };
  const step = compiled ? fb.compile(eager) : null;
  const values: number[] = [];
  let served = 0;
  for (let i = 0; i < 20; i++) {
    values.push((step ?? eager)().item() as number);
    schedule.step();
    if (step !== null && (await step.ready())) served++;
  }
  return [values, served];
}

describe('every optimizer', () => {
  test.each(Object.entries(all))('%s: 20 compiled steps with a schedule equal eager ones', async (_name, make) => {
    const [[want], [got, served]] = [await curve(make, false), await curve(make, true)];
    expect(served).toBeGreaterThan(10);
    expect(want.at(-1)).not.toBe(want[0]);
    want.forEach((v, i) => expect(Math.abs(got[i]! - v), `step ${i}`).toBeLessThan(1e-4 * Math.abs(v)));
  });
});
