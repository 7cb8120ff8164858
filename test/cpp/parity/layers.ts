// The TypeScript side of layers.cc.
import * as fb from '../../../src/index.js';
import { nn, type Tensor } from '../../../src/index.js';
import { evaluate, run, type Cases } from './evaluate.js';

const { randn } = fb;
const image = (): Tensor => randn(2, 4, 6, 6);
const integers = (high: number, size: number[]): Tensor => fb.randint(0, high, size);
const signs = (): Tensor => fb.randint(0, 2, [5]).float().mul(2).sub(1);
const withIndices = (x: unknown): [Tensor, Tensor] => x as [Tensor, Tensor];

export const layers: Cases = {
  Linear: () => run(new nn.Linear(4, 3), randn(5, 4)),
  Bilinear: () => run(new nn.Bilinear(4, 3, 2), randn(5, 4), randn(5, 3)),
  Identity: () => run(new nn.Identity(), randn(3)),
  Conv1d: () => run(new nn.Conv1d(4, 6, 3), randn(2, 4, 9)),
  Conv2d: () => run(new nn.Conv2d(4, 6, [3, 2], { stride: 2, padding: [1, 0], groups: 2 }), image()),
  'Conv2d same': () => run(new nn.Conv2d(4, 2, 4, { padding: 'same', dilation: 2, bias: false }), image()),
  'Conv2d reflect': () => run(new nn.Conv2d(4, 2, 3, { padding: 1, paddingMode: 'reflect' }), image()),
  Conv3d: () => run(new nn.Conv3d(2, 3, 2), randn(1, 2, 4, 4, 4)),
  ConvTranspose1d: () => run(new nn.ConvTranspose1d(4, 3, 2), randn(2, 4, 5)),
  ConvTranspose2d: () => {
    const m = new nn.ConvTranspose2d(4, 3, 3, { stride: 2, padding: 1 });
    return evaluate(m, [image()], (x) => m(x!, [12, 12]));
  },
  ConvTranspose3d: () => run(new nn.ConvTranspose3d(2, 3, 2), randn(1, 2, 3, 3, 3)),
  BatchNorm1d: () => run(new nn.BatchNorm1d(4), randn(5, 4)),
  BatchNorm2d: () => run(new nn.BatchNorm2d(4, { momentum: null, affine: false }), image()),
  BatchNorm3d: () => run(new nn.BatchNorm3d(2), randn(2, 2, 3, 3, 3)),
  InstanceNorm1d: () => run(new nn.InstanceNorm1d(4), randn(2, 4, 5)),
  InstanceNorm2d: () => run(new nn.InstanceNorm2d(4, { affine: true, trackRunningStats: true }), image()),
  InstanceNorm3d: () => run(new nn.InstanceNorm3d(2), randn(2, 3, 3, 3)),
  LayerNorm: () => run(new nn.LayerNorm([6, 6], { bias: false }), image()),
  RMSNorm: () => run(new nn.RMSNorm(6), image()),
  GroupNorm: () => run(new nn.GroupNorm(2, 4), image()),
  LocalResponseNorm: () => run(new nn.LocalResponseNorm(3), image()),
  CrossMapLRN2d: () => run(new nn.CrossMapLRN2d(3, { alpha: 0.1 }), image()),

  ReLU: () => run(new nn.ReLU(), image()),
  ReLU6: () => run(new nn.ReLU6(), image()),
  SiLU: () => run(new nn.SiLU(), image()),
  Mish: () => run(new nn.Mish(), image()),
  SELU: () => run(new nn.SELU(), image()),
  Hardswish: () => run(new nn.Hardswish(), image()),
  Hardsigmoid: () => run(new nn.Hardsigmoid(), image()),
  Sigmoid: () => run(new nn.Sigmoid(), image()),
  Tanh: () => run(new nn.Tanh(), image()),
  LogSigmoid: () => run(new nn.LogSigmoid(), image()),
  Softsign: () => run(new nn.Softsign(), image()),
  Tanhshrink: () => run(new nn.Tanhshrink(), image()),
  GELU: () => run(new nn.GELU({ approximate: 'tanh' }), image()),
  ELU: () => run(new nn.ELU(0.7), image()),
  CELU: () => run(new nn.CELU(0.7), image()),
  LeakyReLU: () => run(new nn.LeakyReLU(0.2), image()),
  RReLU: () => run(new nn.RReLU(), image()),
  Hardtanh: () => run(new nn.Hardtanh(-0.5, 2), image()),
  Softplus: () => run(new nn.Softplus({ beta: 2 }), image()),
  Hardshrink: () => run(new nn.Hardshrink(), image()),
  Softshrink: () => run(new nn.Softshrink(0.3), image()),
  Threshold: () => run(new nn.Threshold(0.1, 20), image()),
  GLU: () => run(new nn.GLU(1), image()),
  PReLU: () => run(new nn.PReLU(4), image()),
  Softmax: () => run(new nn.Softmax(1), image()),
  LogSoftmax: () => run(new nn.LogSoftmax(1), image()),
  Softmin: () => run(new nn.Softmin(1), image()),
  Softmax2d: () => run(new nn.Softmax2d(), image()),
  Dropout: () => run(new nn.Dropout(0.3), image()),
  Dropout1d: () => run(new nn.Dropout1d(), randn(2, 4, 5)),
  Dropout2d: () => run(new nn.Dropout2d(), image()),
  Dropout3d: () => run(new nn.Dropout3d(), randn(2, 3, 2, 2, 2)),
  AlphaDropout: () => run(new nn.AlphaDropout(0.2), image()),
  FeatureAlphaDropout: () => run(new nn.FeatureAlphaDropout(0.2), image()),

  MaxPool1d: () => run(new nn.MaxPool1d(2), randn(2, 4, 7)),
  MaxPool2d: () => run(new nn.MaxPool2d(3, { stride: 2, padding: 1, ceilMode: true }), image()),
  MaxPool3d: () => run(new nn.MaxPool3d(2), randn(1, 2, 4, 4, 4)),
  MaxUnpool1d: () => {
    const [y, at] = withIndices(new nn.MaxPool1d(2, { returnIndices: true })(randn(2, 3, 6)));
    return run(new nn.MaxUnpool1d(2), y, at);
  },
  MaxUnpool2d: () => {
    const [y, at] = withIndices(new nn.MaxPool2d(2, { returnIndices: true })(image()));
    const m = new nn.MaxUnpool2d(2);
    return evaluate(m, [y.detach(), at], (a, b) => m(a!, b!, [7, 7]));
  },
  MaxUnpool3d: () => {
    const [y, at] = withIndices(new nn.MaxPool3d(2, { returnIndices: true })(randn(1, 2, 4, 4, 4)));
    return run(new nn.MaxUnpool3d(2), y, at);
  },
  AvgPool1d: () => run(new nn.AvgPool1d(3), randn(2, 4, 7)),
  AvgPool2d: () => run(new nn.AvgPool2d([2, 3], { padding: 1, countIncludePad: false }), image()),
  AvgPool3d: () => run(new nn.AvgPool3d(2), randn(1, 2, 4, 4, 4)),
  AdaptiveAvgPool1d: () => run(new nn.AdaptiveAvgPool1d(3), randn(2, 4, 7)),
  AdaptiveAvgPool2d: () => run(new nn.AdaptiveAvgPool2d([null, 4]), image()),
  AdaptiveAvgPool3d: () => run(new nn.AdaptiveAvgPool3d(2), randn(1, 2, 3, 4, 5)),
  AdaptiveMaxPool1d: () => run(new nn.AdaptiveMaxPool1d(3), randn(2, 4, 7)),
  AdaptiveMaxPool2d: () => run(new nn.AdaptiveMaxPool2d(3), image()),
  AdaptiveMaxPool3d: () => run(new nn.AdaptiveMaxPool3d(2), randn(1, 2, 3, 4, 5)),
  LPPool1d: () => run(new nn.LPPool1d(2, 3), randn(2, 4, 7).abs()),
  LPPool2d: () => run(new nn.LPPool2d(3, 2, { stride: 1 }), image().abs()),
  FractionalMaxPool2d: () => run(new nn.FractionalMaxPool2d(2, { outputSize: [3, 4] }), image()),
  FractionalMaxPool3d: () => run(new nn.FractionalMaxPool3d(2, { outputRatio: 0.5 }), randn(1, 2, 6, 6, 6)),
  ConstantPad1d: () => run(new nn.ConstantPad1d([1, 2], 3.5), randn(2, 3)),
  ConstantPad2d: () => run(new nn.ConstantPad2d(1, 0.5), image()),
  ConstantPad3d: () => run(new nn.ConstantPad3d(1, 0.5), image()),
  ZeroPad1d: () => run(new nn.ZeroPad1d([0, 2]), image()),
  ZeroPad2d: () => run(new nn.ZeroPad2d([-1, 2, 1, 0]), image()),
  ZeroPad3d: () => run(new nn.ZeroPad3d(1), image()),
  ReflectionPad1d: () => run(new nn.ReflectionPad1d(2), randn(2, 3, 6)),
  ReflectionPad2d: () => run(new nn.ReflectionPad2d([1, 2, 0, 3]), image()),
  ReflectionPad3d: () => run(new nn.ReflectionPad3d(1), randn(1, 2, 3, 3, 3)),
  ReplicationPad1d: () => run(new nn.ReplicationPad1d(2), randn(2, 3, 6)),
  ReplicationPad2d: () => run(new nn.ReplicationPad2d(2), image()),
  ReplicationPad3d: () => run(new nn.ReplicationPad3d(1), randn(1, 2, 3, 3, 3)),
  CircularPad1d: () => run(new nn.CircularPad1d(2), randn(2, 3, 6)),
  CircularPad2d: () => run(new nn.CircularPad2d([1, 2, 0, 3]), image()),
  CircularPad3d: () => run(new nn.CircularPad3d(1), randn(1, 2, 3, 3, 3)),
  Flatten: () => run(new nn.Flatten(2), image()),
  Unflatten: () => run(new nn.Unflatten(1, [2, -1]), image()),
  Unfold: () => run(new nn.Unfold([2, 3], { padding: 1, stride: 2 }), image()),
  Fold: () => run(new nn.Fold([4, 5], 2), randn(1, 8, 12)),
  PixelShuffle: () => run(new nn.PixelShuffle(2), image()),
  PixelUnshuffle: () => run(new nn.PixelUnshuffle(2), image()),
  ChannelShuffle: () => run(new nn.ChannelShuffle(2), image()),
  Upsample: () => run(new nn.Upsample({ scaleFactor: 1.7, mode: 'bicubic', alignCorners: false }), image()),
  UpsamplingNearest2d: () => run(new nn.UpsamplingNearest2d({ size: 9 }), image()),
  UpsamplingBilinear2d: () => run(new nn.UpsamplingBilinear2d({ scaleFactor: 2 }), image()),
  Embedding: () =>
    run(new nn.Embedding(7, 3, { paddingIdx: -1, maxNorm: 1, scaleGradByFreq: true }), integers(7, [4, 2])),
  EmbeddingBag: () => {
    const m = new nn.EmbeddingBag(7, 3, { mode: 'sum' });
    const [at, factors] = [fb.tensor([0, 2, 5], { dtype: 'int64' }), randn(8)];
    return evaluate(m, [integers(7, [8]), at, factors], (x, offsets, w) => m(x!, offsets!, w!));
  },

  MSELoss: () => run(new nn.MSELoss(), randn(5, 3), randn(5, 3)),
  L1Loss: () => run(new nn.L1Loss({ reduction: 'sum' }), randn(5, 3), randn(5, 3)),
  SmoothL1Loss: () => run(new nn.SmoothL1Loss({ beta: 0.5 }), randn(5, 3), randn(5, 3)),
  HuberLoss: () => run(new nn.HuberLoss({ delta: 0.5 }), randn(5, 3), randn(5, 3)),
  SoftMarginLoss: () => run(new nn.SoftMarginLoss({ reduction: 'none' }), randn(5), signs()),
  MultiLabelMarginLoss: () =>
    run(new nn.MultiLabelMarginLoss(), randn(1, 4), fb.tensor([[3, 0, -1, 1]], { dtype: 'int64' })),
  HingeEmbeddingLoss: () => run(new nn.HingeEmbeddingLoss(), randn(5), signs()),
  PoissonNLLLoss: () => run(new nn.PoissonNLLLoss({ full: true }), randn(5), fb.randint(0, 5, [5]).float()),
  KLDivLoss: () => run(new nn.KLDivLoss({ reduction: 'batchmean' }), randn(5, 3).logSoftmax(1), randn(5, 3).softmax(1)),
  CrossEntropyLoss: () => {
    const weight = fb.rand(4);
    return run(new nn.CrossEntropyLoss({ weight, labelSmoothing: 0.1 }), randn(5, 4), integers(4, [5]));
  },
  NLLLoss: () => run(new nn.NLLLoss({ ignoreIndex: 1 }), randn(5, 4).logSoftmax(1), integers(4, [5])),
  BCELoss: () => run(new nn.BCELoss(), fb.rand(5), fb.rand(5)),
  BCEWithLogitsLoss: () => {
    const posWeight = fb.rand(3);
    return run(new nn.BCEWithLogitsLoss({ posWeight }), randn(5, 3), fb.rand(5, 3));
  },
  MultiLabelSoftMarginLoss: () => run(new nn.MultiLabelSoftMarginLoss(), randn(5, 3), fb.randint(0, 2, [5, 3]).float()),
  MultiMarginLoss: () => run(new nn.MultiMarginLoss({ p: 2 }), randn(5, 3), integers(3, [5])),
  GaussianNLLLoss: () => run(new nn.GaussianNLLLoss(), randn(5), randn(5), fb.rand(5)),
  CosineEmbeddingLoss: () => run(new nn.CosineEmbeddingLoss({ margin: 0.1 }), randn(5, 3), randn(5, 3), signs()),
  MarginRankingLoss: () => run(new nn.MarginRankingLoss(), randn(5), randn(5), signs()),
  TripletMarginLoss: () => run(new nn.TripletMarginLoss({ swap: true }), randn(5, 3), randn(5, 3), randn(5, 3)),
  TripletMarginWithDistanceLoss: () => {
    const distanceFunction = (a: Tensor, b: Tensor): Tensor => a.sub(b).abs().sum(1);
    return run(new nn.TripletMarginWithDistanceLoss({ distanceFunction }), randn(5, 3), randn(5, 3), randn(5, 3));
  },
  CTCLoss: () => {
    const m = new nn.CTCLoss();
    return evaluate(m, [randn(6, 2, 4).logSoftmax(2), fb.randint(1, 4, [2, 3])], (x, t) => m(x!, t!, [6, 5], [3, 2]));
  },
  CosineSimilarity: () => run(new nn.CosineSimilarity(), randn(5, 3), randn(5, 3)),
  PairwiseDistance: () => run(new nn.PairwiseDistance(), randn(5, 3), randn(5, 3)),
  AdaptiveLogSoftmaxWithLoss: () => {
    const m = new nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7]);
    return evaluate(m, [randn(6, 8), integers(12, [6])], (x, t) => {
      const { output, loss } = m(x!, t!);
      return [output, loss, m.logProb(x!)];
    });
  },

  Sequential: () =>
    run(new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Dropout(0.2), new nn.Linear(8, 2)), randn(3, 4)),
  ModuleList: () => {
    const m = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4)]);
    return evaluate(m, [randn(3, 4)], (x) => m.at(1)(m.at(0)(x!)));
  },
  ModuleDict: () => {
    const m = new nn.ModuleDict({ up: new nn.Linear(3, 4), down: new nn.Linear(4, 2) });
    return evaluate(m, [randn(3, 3)], (x) => m.get('down')(m.get('up')(x!)));
  },
  ParameterList: () => {
    const m = new nn.ParameterList([new nn.Parameter(randn(3)), new nn.Parameter(randn(2))]);
    return evaluate(m, [randn(3)], (x) => m.at(0).mul(x!).add(m.at(1).sum()));
  },
  ParameterDict: () => {
    const m = new nn.ParameterDict({ scale: new nn.Parameter(randn(3)) });
    return evaluate(m, [randn(3)], (x) => (m.get('scale') as Tensor).mul(x!));
  },
};
