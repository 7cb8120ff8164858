// The TypeScript side of training.cc.
import * as fb from '../../../src/index.js';
import { data, nn, optim, type Tensor } from '../../../src/index.js';
import type { Cases, Results } from './evaluate.js';

const { randn } = fb;
const F = nn.functional;
const S = optim.lrScheduler;
type Groups = { params: Tensor[]; lr?: number }[];

/** A network after some steps; its weight and bias are groups of their own, the bias at half the rate. */
function trained(lr: number, make: (groups: Groups) => { step(): void; zeroGrad(): void }): Results {
  const net = new nn.Linear(4, 3);
  const [x, y] = [randn(5, 4), randn(5, 3)];
  const optimizer = make([{ params: [net.weight] }, { params: [net.bias!], lr: lr / 2 }]);
  for (let i = 0; i < 6; i++) {
    optimizer.zeroGrad();
    F.mseLoss(net(x), y).backward();
    optimizer.step();
  }
  return { weight: net.weight.detach(), bias: net.bias!.detach() };
}
type Constructor<O> = new (params: Groups, options: O) => { step(): void; zeroGrad(): void };
const by =
  <O extends { lr: number }>(Class: Constructor<O>, options: O) =>
  (): Results =>
    trained(options.lr, (groups) => new Class(groups, options));

/** The rates of two groups over some epochs, and the momentum of the first. */
function rates(make: (o: optim.SGD) => { step(): void }): () => Results {
  return () => {
    const [a, b] = [fb.zeros(1).requiresGrad_(true), fb.zeros(1).requiresGrad_(true)];
    const optimizer = new optim.SGD([{ params: [a] }, { params: [b], lr: 0.05 }], { lr: 0.5, momentum: 0.9 });
    const scheduler = make(optimizer);
    const values: number[] = [];
    for (let i = 0; i < 12; i++) {
      values.push(...optimizer.paramGroups.map((g) => g.lr), optimizer.paramGroups[0]!.momentum);
      optimizer.step();
      scheduler.step();
    }
    return { rates: fb.tensor(values, { dtype: 'float64' }) };
  };
}

function lbfgs(lineSearchFn: 'strong_wolfe' | null): Results {
  const net = new nn.Linear(4, 3);
  const [x, y] = [randn(5, 4), randn(5, 3)];
  const optimizer = new optim.LBFGS(net.parameters(), { lr: 0.5, maxIter: 4, lineSearchFn });
  const out: Results = {};
  for (let i = 0; i < 3; i++) {
    const loss = optimizer.step(() => {
      optimizer.zeroGrad();
      const l = F.mseLoss(net(x), y);
      l.backward();
      return l;
    });
    out[`loss${i}`] = loss.detach();
  }
  out['weight'] = net.weight.detach();
  return out;
}
const inverse = (epoch: number): number => 1 / (1 + epoch);
const indices = (list: Iterable<number>): Tensor => fb.tensor([...list], { dtype: 'int64' });
const sized = (length: number): { length: number } => ({ length });

export const training: Cases = {
  SGD: by(optim.SGD, { lr: 0.1 }),
  'SGD momentum': by(optim.SGD, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1 }),
  'SGD dampening': by(optim.SGD, { lr: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.1, maximize: true }),
  Adam: by(optim.Adam, { lr: 0.1, weightDecay: 0.1 }),
  'Adam amsgrad': by(optim.Adam, { lr: 0.1, amsgrad: true, betas: [0.8, 0.9] as [number, number] }),
  AdamW: by(optim.AdamW, { lr: 0.1 }),
  'AdamW amsgrad': by(optim.AdamW, { lr: 0.1, amsgrad: true, maximize: true }),
  Adamax: by(optim.Adamax, { lr: 0.1 }),
  NAdam: by(optim.NAdam, { lr: 0.1, weightDecay: 0.1 }),
  RAdam: by(optim.RAdam, { lr: 0.1, decoupledWeightDecay: true, weightDecay: 0.1 }),
  SparseAdam: by(optim.SparseAdam, { lr: 0.1 }),
  Adagrad: by(optim.Adagrad, { lr: 0.1, lrDecay: 0.1, initialAccumulatorValue: 0.2 }),
  Adadelta: by(optim.Adadelta, { lr: 0.5 }),
  Rprop: by(optim.Rprop, { lr: 0.1 }),
  ASGD: by(optim.ASGD, { lr: 0.1, t0: 2, lambd: 0.01 }),
  RMSprop: by(optim.RMSprop, { lr: 0.1, weightDecay: 0.1 }),
  'RMSprop momentum': by(optim.RMSprop, { lr: 0.1, momentum: 0.5 }),
  'RMSprop centered': by(optim.RMSprop, { lr: 0.1, centered: true }),
  'RMSprop both': by(optim.RMSprop, { lr: 0.1, centered: true, momentum: 0.5 }),
  Adafactor: by(optim.Adafactor, { lr: 0.1, weightDecay: 0.1 }),
  LBFGS: () => lbfgs(null),
  'LBFGS strong_wolfe': () => lbfgs('strong_wolfe'),

  StepLR: rates((o) => new S.StepLR(o, 3, 0.5)),
  MultiStepLR: rates((o) => new S.MultiStepLR(o, [2, 5, 5], 0.5)),
  ConstantLR: rates((o) => new S.ConstantLR(o, 0.5, 4)),
  LinearLR: rates((o) => new S.LinearLR(o, 0.25, 1, 5)),
  ExponentialLR: rates((o) => new S.ExponentialLR(o, 0.9)),
  PolynomialLR: rates((o) => new S.PolynomialLR(o, 8, 2)),
  CosineAnnealingLR: rates((o) => new S.CosineAnnealingLR(o, 5, 0.01)),
  CosineAnnealingWarmRestarts: rates((o) => new S.CosineAnnealingWarmRestarts(o, 3, 2, 0.01)),
  LambdaLR: rates((o) => new S.LambdaLR(o, inverse)),
  MultiplicativeLR: rates((o) => new S.MultiplicativeLR(o, inverse)),
  OneCycleLR: rates((o) => new S.OneCycleLR(o, 1, 12)),
  'OneCycleLR three phases': rates(
    (o) => new S.OneCycleLR(o, { maxLr: 1, totalSteps: 12, threePhase: true, annealStrategy: 'linear' }),
  ),
  CyclicLR: rates(
    (o) => new S.CyclicLR(o, { baseLr: 0.1, maxLr: 1, stepSizeUp: 3, stepSizeDown: 2, mode: 'triangular2' }),
  ),
  'CyclicLR exp_range': rates(
    (o) => new S.CyclicLR(o, { baseLr: 0.1, maxLr: 1, stepSizeUp: 3, mode: 'exp_range', gamma: 0.9 }),
  ),
  SequentialLR: rates((o) => new S.SequentialLR(o, [new S.ConstantLR(o, 0.1, 4), new S.ExponentialLR(o, 0.9)], [4])),
  ChainedScheduler: rates((o) => new S.ChainedScheduler([new S.ConstantLR(o, 0.1, 4), new S.ExponentialLR(o, 0.9)])),
  ReduceLROnPlateau: rates((o) => {
    const plateau = new S.ReduceLROnPlateau(o, { patience: 1, cooldown: 1, factor: 0.5 });
    let at = 0;
    return { step: () => plateau.step(at++ < 3 ? 10 - at : 7) };
  }),

  samplers: () => {
    const part = new data.DistributedSampler(sized(10), { numReplicas: 3, rank: 1, seed: 5 });
    part.setEpoch(2);
    const out: Results = {
      random: indices(new data.RandomSampler(sized(10))),
      replaced: indices(new data.RandomSampler(sized(10), { replacement: true, numSamples: 40 })),
      more: indices(new data.RandomSampler(sized(4), { numSamples: 10 })),
      subset: indices(new data.SubsetRandomSampler([3, 5, 8, 9])),
      weighted: indices(new data.WeightedRandomSampler([0.1, 0.6, 0.3, 1], 12)),
      distributed: indices(part),
    };
    for (const b of new data.BatchSampler(new data.RandomSampler(sized(10)), 4, true))
      out[`batch${Object.keys(out).length}`] = indices(b);
    return out;
  },
  clip: () => {
    const net = new nn.Linear(4, 3);
    net(randn(5, 4)).square().sum().backward();
    const { utils } = nn;
    const norm = utils.clipGradNorm_(net.parameters(), 0.5);
    const out: Results = { norm: norm.reshape(1), clipped: net.weight.grad!.clone() };
    utils.clipGradValue_(net.parameters(), 0.05);
    out['cut'] = net.weight.grad!;
    const flat = utils.parametersToVector(net.parameters()).detach();
    utils.vectorToParameters(flat.mul(2), net.parameters());
    out['doubled'] = net.weight.detach();
    return out;
  },
  init: () => {
    const { init } = nn;
    const made = (f: (t: Tensor) => unknown, ...size: number[]): Tensor => {
      const t = fb.zeros(size.length > 0 ? size : [4, 6]);
      f(t);
      return t;
    };
    return {
      uniform: made((t) => init.uniform_(t, -1, 2)),
      normal: made((t) => init.normal_(t, 1, 2)),
      eye: made((t) => init.eye_(t)),
      dirac: made((t) => init.dirac_(t, 2), 4, 2, 3, 3),
      kaimingUniform: made((t) => init.kaimingUniform_(t, { mode: 'fanOut', nonlinearity: 'relu' })),
      kaimingNormal: made((t) => init.kaimingNormal_(t, { a: 0.1 })),
      xavierUniform: made((t) => init.xavierUniform_(t, 2)),
      xavierNormal: made((t) => init.xavierNormal_(t)),
      truncNormal: made((t) => init.truncNormal_(t, 0.5, 2)),
      orthogonal: made((t) => init.orthogonal_(t, 2)),
      sparse: made((t) => init.sparse_(t, 0.3)),
    };
  },
};
