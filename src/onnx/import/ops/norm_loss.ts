// Normalisations, dropout, losses.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import type { DType } from '../../../tensor/dtype.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, type NodeContext, type OperatorTable } from '../node.js';
import { elementType } from '../tensors.js';

const channelwise = (v: Tensor, rank: number): Tensor =>
  v.reshape([-1, ...Array<number>(Math.max(0, rank - 2)).fill(1)]);

function batchNorm(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const [scale, bias, mean, variance] = [n.tensor(1), n.tensor(2), n.tensor(3), n.tensor(4)];
  const eps = n.float('epsilon', 1e-5);
  const momentum = n.float('momentum', 0.9);
  const training = n.opset >= 14 ? n.flag('training_mode') : n.opset < 7 ? !n.flag('is_test') : false;
  if (x.dim() < 2 && scale.numel() !== 1) n.fail(`an input of shape [${x.shape}] for ${scale.numel()} channels`);
  const others = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  if (!training) {
    const same = [scale, bias, mean, variance].every((v) => v.dtype === x.dtype && v.dim() === 1);
    if (same && n.attributeInt('spatial', 1) === 1 && x.dim() >= 2)
      return [F.batchNorm(x, mean, variance, { weight: scale, bias, training: false, eps })];
    const per = (v: Tensor): Tensor => (n.attributeInt('spatial', 1) === 1 ? channelwise(v, x.dim()) : v);
    return [x.sub(per(mean)).div(per(variance).add(eps).sqrt()).mul(per(scale)).add(per(bias)).to(x.dtype)];
  }
  const m = x.mean(others);
  const v = x.var(others, { correction: 0 });
  const y = x
    .sub(channelwise(m, x.dim()))
    .div(channelwise(v, x.dim()).add(eps).sqrt())
    .mul(channelwise(scale, x.dim()))
    .add(channelwise(bias, x.dim()))
    .to(x.dtype);
  const next = (old: Tensor, now: Tensor): Tensor =>
    old
      .mul(momentum)
      .add(now.mul(1 - momentum))
      .to(old.dtype);
  return [y, next(mean, m), next(variance, v), m, v];
}

function layerNorm(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', -1), x.dim());
  const eps = n.float('epsilon', 1e-5);
  const shape = x.shape.slice(axis);
  const [weight, bias] = [n.tensor(1), n.optional(2) ?? null];
  const whole = weight.shape.join() === shape.join() && (!bias || bias.shape.join() === shape.join());
  if (whole && n.node.outputs.length === 1 && n.attributeInt('stash_type', 1) === 1)
    return [t.layerNorm(x, shape, { weight, bias, eps })];
  const dims = shape.map((_, i) => axis + i);
  const stash: DType = n.attributeInt('stash_type', 1) === 1 && x.dtype !== 'float64' ? 'float32' : x.dtype;
  const s = x.to(stash);
  const mean = s.mean(dims, true);
  const d = s.sub(mean);
  const inv = d.square().mean(dims, true).add(eps).rsqrt();
  const y = d.mul(inv).to(x.dtype).mul(weight);
  return [bias ? y.add(bias) : y, mean, inv];
}

function rmsNorm(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', -1), x.dim());
  const eps = n.float('epsilon', 1e-5);
  const dims = x.shape.slice(axis).map((_, i) => axis + i);
  const s = x.dtype === 'float64' ? x : x.float();
  const y = s.mul(s.square().mean(dims, true).add(eps).rsqrt()).to(x.dtype);
  return y.mul(n.tensor(1)).to(n.tensor(1).dtype);
}

function groupNorm(n: NodeContext): Tensor {
  const [x, scale, bias] = [n.tensor(0), n.tensor(1), n.tensor(2)];
  const groups = n.attributeInt('num_groups');
  const eps = n.float('epsilon', 1e-5);
  if (n.opset >= 21) return t.groupNorm(x, groups, { weight: scale, bias, eps });
  // Scale and bias are one a group.
  const y = t.groupNorm(x, groups, { eps });
  const per = (v: Tensor): Tensor => channelwise(v.repeatInterleave(x.shape[1]! / groups), x.dim());
  return y.mul(per(scale)).add(per(bias));
}

function lrn(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const size = n.attributeInt('size');
  const [alpha, beta, k] = [n.float('alpha', 0.0001), n.float('beta', 0.75), n.float('bias', 1)];
  const C = x.shape[1]!;
  const squares = x.square();
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const pads = [...Array<number>(2 * (x.dim() - 2)).fill(0), before, after];
  const wide = F.pad(squares, pads, 'constant', 0);
  let sum = wide.narrow(1, 0, C);
  for (let i = 1; i < size; i++) sum = sum.add(wide.narrow(1, i, C));
  return x.div(
    sum
      .mul(alpha / size)
      .add(k)
      .pow(beta),
  );
}

function lpNorm(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', -1), x.dim());
  const norm = n.attributeInt('p', 2) === 1 ? x.abs().sum(axis, true) : x.square().sum(axis, true).sqrt();
  return t.where(norm.eq(0), 0, x.div(norm)).to(x.dtype);
}

function meanVariance(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const axes = n.axes(n.attributeInts('axes') ?? [0, 2, 3], x.dim());
  const d = x.sub(x.mean(axes, true));
  // The mean of squares minus the square of the mean, as the specification has it, would cancel.
  return d.div(d.square().mean(axes, true).sqrt().add(1e-9));
}

function dropout(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const ratio = n.opset < 12 ? n.float('ratio', 0.5) : n.has(1) ? n.number(1) : 0.5;
  const training = n.opset < 7 ? !n.flag('is_test') : n.opset >= 12 && n.has(2) ? n.number(2) !== 0 : false;
  if (!training || ratio === 0) return [x, t.onesLike(x, { dtype: n.opset < 10 ? x.dtype : 'bool' })];
  const mask = t.rand([...x.shape], {}).ge(ratio);
  return [t.where(mask, x.div(1 - ratio), 0).to(x.dtype), mask];
}

type ReductionName = 'none' | 'mean' | 'sum';
function nll(n: NodeContext, logits: Tensor): Tensor {
  const target = n.tensor(1).to('int64');
  const reduction: ReductionName = n.oneOf('reduction', ['none', 'mean', 'sum'], 'mean');
  const ignore = n.hasAttribute('ignore_index') ? n.attributeInt('ignore_index') : null;
  const C = logits.shape[1]!;
  const keep = ignore === null ? null : target.ne(ignore);
  const at = keep ? t.where(keep, target, 0) : target;
  const picked = logits.gather(1, at.unsqueeze(1)).squeeze(1).neg();
  const given = n.optional(2);
  if (given && given.numel() !== C) n.fail(`${given.numel()} weights for ${C} classes`);
  let weights = given ? given.indexSelect(0, at.flatten()).reshape(at.shape) : null;
  if (keep) weights = t.where(keep, weights ?? 1, 0).to(logits.dtype);
  const loss = weights ? picked.mul(weights) : picked;
  if (reduction === 'none') return loss;
  if (reduction === 'sum') return loss.sum();
  return weights ? loss.sum().div(weights.sum()) : loss.mean();
}

function bernoulli(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const dtype = n.hasAttribute('dtype') ? elementType(n.attributeInt('dtype'), n.fail).dtype : x.dtype;
  return t.bernoulli(x).to(dtype);
}
/** Classes drawn by their logits [N, C]: [N, sample_size]. */
function multinomial(n: NodeContext): Tensor {
  const { dtype } = elementType(n.attributeInt('dtype', 6), n.fail);
  if (dtype !== 'int32' && dtype !== 'int64') n.fail(`classes must be int32 or int64, got ${dtype}`);
  return t.multinomial(n.tensor(0).softmax(-1), n.attributeInt('sample_size', 1), true).to(dtype);
}
function random(n: NodeContext, shape: readonly number[], like: DType, normal: boolean): Tensor {
  const dtype = n.hasAttribute('dtype') ? elementType(n.attributeInt('dtype'), n.fail).dtype : like;
  const y = normal
    ? t
        .randn([...shape], {})
        .mul(n.float('scale', 1))
        .add(n.float('mean', 0))
    : t
        .rand([...shape], {})
        .mul(n.float('high', 1) - n.float('low', 0))
        .add(n.float('low', 0));
  return y.to(dtype);
}

export const NORM_LOSS: OperatorTable = {
  BatchNormalization: op(batchNorm, 5, { outputs: [1, 5], settings: [3, 4] }),
  InstanceNormalization: op(
    (n) =>
      F.instanceNorm(n.tensor(0), {
        weight: n.tensor(1),
        bias: n.tensor(2),
        useInputStats: true,
        eps: n.float('epsilon', 1e-5),
      }),
    3,
  ),
  LayerNormalization: op(layerNorm, [2, 3], { outputs: [1, 3], since: 17 }),
  RMSNormalization: op(rmsNorm, 2, { since: 23 }),
  GroupNormalization: op(groupNorm, 3, { since: 18 }),
  LRN: op(lrn),
  LpNormalization: op(lpNorm),
  MeanVarianceNormalization: op(meanVariance),
  Dropout: op(dropout, [1, 3], { outputs: [1, 2], settings: [1], pure: false }),
  NegativeLogLikelihoodLoss: op((n) => nll(n, n.tensor(0)), [2, 3]),
  SoftmaxCrossEntropyLoss: op(
    (n) => {
      const logs = n.tensor(0).logSoftmax(1);
      return [nll(n, logs), logs];
    },
    [2, 3],
    { outputs: [1, 2] },
  ),
  Multinomial: op(multinomial, 1, { pure: false }),
  Bernoulli: op(bernoulli, 1, { pure: false }),
  RandomUniform: op((n) => random(n, n.attributeInts('shape') ?? [], 'float32', false), 0, { pure: false }),
  RandomNormal: op((n) => random(n, n.attributeInts('shape') ?? [], 'float32', true), 0, { pure: false }),
  RandomUniformLike: op((n) => random(n, n.tensor(0).shape, n.tensor(0).dtype, false), 1, { pure: false }),
  RandomNormalLike: op((n) => random(n, n.tensor(0).shape, n.tensor(0).dtype, true), 1, { pure: false }),
};
