// Losses. reduction: 'none', 'mean' or 'sum'.
import { composite, extern, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;
const source = (name: string): string =>
  `\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.${name}.html`;

export const page: Page = {
  title: 'Losses',
  intro: `\`reduction\`: 'mean' (default), 'sum' or 'none'. Inputs and targets broadcast where PyTorch broadcasts them; a warning says so when their sizes differ.`,
  example: `const input = fb.tensor([[2, 0.5], [0.2, 1.5]]);
F.mseLoss(fb.tensor([1, 2]), fb.tensor([1, 4])).item(); // => 2
F.l1Loss(fb.tensor([1, 2]), fb.tensor([1, 4]), { reduction: 'none' }); // => tensor([0., 2.])
F.crossEntropy(input, fb.tensor([0, 1], { dtype: 'int64' })); // => tensor(0.2212)`,
};
export const mseLoss = composite({
  doc: `(input - target)^2, reduced.${source('mse_loss')}`,
  schema: "mseLoss(input: Tensor, target: Tensor, *, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, reduction: A) => {
    const d = t.sub(input, target);
    return h.reduceLoss(t.mul(d, d), reduction);
  },
  method: false,
  onnx: { symbolic: 'region' },
});
export const l1Loss = composite({
  doc: `|input - target|, reduced.${source('l1_loss')}`,
  schema: "l1Loss(input: Tensor, target: Tensor, *, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, reduction: A) => h.reduceLoss(t.abs(t.sub(input, target)), reduction),
  method: false,
  onnx: { symbolic: 'region' },
});
export const smoothL1Values = pointwise({
  doc: 'Squared below beta, absolute above. See `smoothL1Loss`.',
  schema: 'smoothL1Values(input: Tensor, target: Tensor, beta: float = 1): Tensor',
  dtype: 'float-only',
  forward: (input, target, beta) => {
    const z = s.abs(input - target);
    return z < beta ? (0.5 * z * z) / beta : z - 0.5 * beta;
  },
  backward: {
    input: (grad: number, input: number, target: number, beta: number) => {
      const d = input - target;
      return grad * (d <= -beta ? -1 : d >= beta ? 1 : d / beta);
    },
    target: (grad: number, input: number, target: number, beta: number) => {
      const d = input - target;
      return grad * (d <= -beta ? 1 : d >= beta ? -1 : -d / beta);
    },
  },
  node: 'SmoothL1LossBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const smoothL1Loss = composite({
  doc: `Squared below beta, absolute above.${source('smooth_l1_loss')}`,
  schema: "smoothL1Loss(input: Tensor, target: Tensor, *, reduction: string = 'mean', beta: float = 1): Tensor",
  body: (input: A, target: A, reduction: A, beta: A) => {
    if (beta === 0) return h.reduceLoss(t.abs(t.sub(input, target)), reduction);
    return h.reduceLoss(t.smoothL1Values(input, target, beta), reduction);
  },
  method: false,
  onnx: { symbolic: 'region' },
});
export const binaryCrossEntropy = composite({
  doc: `-(target log input + (1 - target) log(1 - input)), logarithms limited to -100, reduced.${source('binary_cross_entropy')}`,
  schema:
    "binaryCrossEntropy(input: Tensor, target: Tensor, weight: Tensor? = null, *, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, weight: A, reduction: A) => {
    const a = t.mul(target, t.clampMin(t.log(input), -100));
    const b = t.mul(t.rsub(target, 1), t.clampMin(t.log1p(t.neg(input)), -100));
    return h.reduceLoss(h.weighted(t.neg(t.add(a, b)), weight), reduction);
  },
  // Finite where the input is exactly 0 or 1, as a rounded sigmoid is; the terms' own derivatives are not.
  backward: {
    input: (grad: A, input: A, target: A, weight: A, reduction: A) => {
      const each = reduction === 'mean' ? t.trueDivide(grad, input.numel) : grad;
      const g = h.weighted(each, weight);
      const slope = t.clampMin(t.mul(t.rsub(input, 1), input), 1e-12);
      return t.mul(g, t.trueDivide(t.sub(input, target), slope));
    },
    target: (grad: A, input: A, weight: A, reduction: A) => {
      const each = reduction === 'mean' ? t.trueDivide(grad, input.numel) : grad;
      const g = h.weighted(each, weight);
      return t.mul(g, t.sub(t.log1p(t.neg(input)), t.log(input)));
    },
    weight: (grad: A, input: A, target: A, reduction: A) => {
      const a = t.mul(target, t.clampMin(t.log(input), -100));
      const b = t.mul(t.rsub(target, 1), t.clampMin(t.log1p(t.neg(input)), -100));
      const each = reduction === 'mean' ? t.trueDivide(grad, input.numel) : grad;
      return t.mul(each, t.neg(t.add(a, b)));
    },
  },
  node: 'BinaryCrossEntropyBackward0',
  method: false,
  onnx: { symbolic: 'region' },
});
export const binaryCrossEntropyWithLogits = composite({
  doc: `binaryCrossEntropy of sigmoid(input), without overflow.${source('binary_cross_entropy_with_logits')}`,
  schema:
    "binaryCrossEntropyWithLogits(input: Tensor, target: Tensor, weight: Tensor? = null, *, reduction: string = 'mean', posWeight: Tensor? = null): Tensor",
  body: (input: A, target: A, weight: A, reduction: A, posWeight: A) => {
    // One op: a sum of terms with kinks at zero would have a wrong derivative there, and logits start at zero.
    const soft = t.neg(t.logsigmoid(input));
    const scaled = posWeight === null ? soft : t.mul(soft, t.add(t.mul(t.sub(posWeight, 1), target), 1));
    return h.reduceLoss(h.weighted(t.add(t.mul(t.rsub(target, 1), input), scaled), weight), reduction);
  },
  method: false,
  onnx: { symbolic: 'region' },
});
export const nllLoss = composite({
  doc: `-input[target], weighted by class, without elements whose target is ignoreIndex. input [n, c, ...] log-probabilities, target [n, ...] int64.${source('nll_loss')}`,
  schema:
    "nllLoss(input: Tensor, target: Tensor, weight: Tensor? = null, *, ignoreIndex: int = -100, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, weight: A, ignoreIndex: A, reduction: A) =>
    h.nll(input, target, weight, ignoreIndex, reduction),
  method: false,
  onnx: { symbolic: 'region' },
});
export const crossEntropy = composite({
  doc: `nllLoss of logSoftmax(input) over dimension 1; target: class indices (int64) or probabilities of input's shape.${source('cross_entropy')}`,
  schema:
    "crossEntropy(input: Tensor, target: Tensor, weight: Tensor? = null, *, ignoreIndex: int = -100, reduction: string = 'mean', labelSmoothing: float = 0): Tensor",
  body: (input: A, target: A, weight: A, ignoreIndex: A, reduction: A, labelSmoothing: A) =>
    h.crossEntropy(input, target, weight, ignoreIndex, reduction, labelSmoothing),
  method: false,
  onnx: { symbolic: 'region' },
});

// ---- regression and likelihoods ----

export const huberValues = pointwise({
  doc: 'Squared below delta, linear above. See `huberLoss`.',
  schema: 'huberValues(input: Tensor, target: Tensor, delta: float = 1): Tensor',
  dtype: 'float-only',
  forward: (input, target, delta) => {
    const z = s.abs(input - target);
    return z < delta ? 0.5 * z * z : delta * (z - 0.5 * delta);
  },
  backward: {
    input: (grad: number, input: number, target: number, delta: number) => {
      const d = input - target;
      return grad * (d < -delta ? -delta : d > delta ? delta : d);
    },
    target: (grad: number, input: number, target: number, delta: number) => {
      const d = input - target;
      return grad * (d < -delta ? delta : d > delta ? -delta : -d);
    },
  },
  node: 'HuberLossBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const huberLoss = composite({
  doc: `Squared below delta, linear above, reduced.${source('huber_loss')}`,
  schema: "huberLoss(input: Tensor, target: Tensor, *, reduction: string = 'mean', delta: float = 1): Tensor",
  body: (input: A, target: A, reduction: A, delta: A) => {
    if (delta <= 0) throw new Error('huber_loss does not support non-positive values for delta.');
    return h.reduceLoss(t.huberValues(input, target, delta), reduction);
  },
  method: false,
  exports: ['nn.functional.huberLoss'],
  onnx: { symbolic: 'region' },
});
export const klDiv = composite({
  doc: `Kullback-Leibler divergence, target (log target - input); input holds log-probabilities, target too with logTarget. reduction 'batchmean' is the sum over the size of dimension 0.${source('kl_div')}`,
  schema: "klDiv(input: Tensor, target: Tensor, *, reduction: string = 'mean', logTarget: bool = false): Tensor",
  body: (input: A, target: A, reduction: A, logTarget: A) => {
    if (logTarget) return h.reduceBatch(t.mul(t.exp(target), t.sub(target, input)), reduction);
    return h.reduceBatch(t.sub(t.xlogy(target, target), t.mul(target, input)), reduction);
  },
  method: false,
  exports: ['nn.functional.klDiv'],
  onnx: { symbolic: 'region' },
});
export const limitedBelow = pointwise({
  doc: 'max(self, least), with a gradient as if there were no limit: what PyTorch does to variances and norms.',
  schema: 'limitedBelow(self: Tensor, least: float = 0): Tensor',
  dtype: 'float-only',
  forward: (self, least) => s.max(self, least),
  backward: { self: (grad: number) => grad },
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(1, 3),
});
export const gaussianNllLoss = composite({
  doc: `Negative log likelihood of target under normal distributions of mean input and variance (at least eps), without the constant unless full. variance: of input's shape, or without its last dimension, or with a last dimension of 1.${source('gaussian_nll_loss')}`,
  schema:
    "gaussianNllLoss(input: Tensor, target: Tensor, variance: Tensor, *, full: bool = false, eps: float = 0.000001, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, variance: A, full: A, eps: A, reduction: A) =>
    h.gaussianNll(input, target, variance, full, eps, reduction),
  method: false,
  exports: ['nn.functional.gaussianNllLoss'],
  onnx: { symbolic: 'region' },
});
export const poissonNllLoss = composite({
  doc: `Negative log likelihood of target under Poisson distributions of rate input (e^input with logInput); full adds Stirling's term.${source('poisson_nll_loss')}`,
  schema:
    "poissonNllLoss(input: Tensor, target: Tensor, *, logInput: bool = true, full: bool = false, eps: float = 1e-8, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, logInput: A, full: A, eps: A, reduction: A) => {
    let loss = logInput
      ? t.sub(t.exp(input), t.mul(target, input))
      : t.sub(input, t.mul(target, t.log(t.add(input, eps))));
    if (full) {
      const stirling = t.add(
        t.sub(t.mul(target, t.log(target)), target),
        t.mul(t.log(t.mul(target, 6.283185307179586)), 0.5),
      );
      loss = t.add(loss, t.maskedFill(stirling, t.le(target, 1), 0));
    }
    return h.reducePlain(loss, reduction);
  },
  method: false,
  exports: ['nn.functional.poissonNllLoss'],
  onnx: { symbolic: 'region' },
});

// ---- connectionist temporal classification ----

export const ctcLossForward = extern({
  doc: 'Per sequence: -log of the probability of its targets, and the forward variables. See `ctcLoss`.',
  schema:
    'ctcLossForward(logProbs: Tensor, targets: Tensor, inputLengths: int[], targetLengths: int[], blank: int): (loss: Tensor, alpha: Tensor)',
  backward: {
    logProbs: (grad: A, logProbs: A, targets: A, inputLengths: A, targetLengths: A, blank: A, loss: A, alpha: A) =>
      t.ctcLossBackward(grad, logProbs, targets, inputLengths, targetLengths, loss, alpha, blank),
  },
  node: 'CtcLossBackward0',
  method: false,
  function: false,
  onnx: { none: 'no operator' },
});
export const ctcLossBackward = extern({
  doc: 'Gradient of `ctcLossForward`.',
  schema:
    'ctcLossBackward(grad: Tensor, logProbs: Tensor, targets: Tensor, inputLengths: int[], targetLengths: int[], loss: Tensor, alpha: Tensor, blank: int): Tensor',
  nondifferentiable: 'PyTorch defines none',
  method: false,
  function: false,
  onnx: { none: 'no operator' },
});
export const ctcLoss = composite({
  doc: `Connectionist temporal classification. logProbs [T, N, C] or [T, C]; targets [N, S] padded, or all one after another; lengths per sequence. zeroInfinity: infinite losses (targets that do not fit) and their gradients become 0.${source('ctc_loss')}`,
  schema:
    "ctcLoss(logProbs: Tensor, targets: Tensor, inputLengths: int[], targetLengths: int[], *, blank: int = 0, reduction: string = 'mean', zeroInfinity: bool = false): Tensor",
  body: (logProbs: A, targets: A, inputLengths: A, targetLengths: A, blank: A, reduction: A, zeroInfinity: A) =>
    h.ctcLoss(logProbs, targets, inputLengths, targetLengths, blank, reduction, zeroInfinity),
  method: false,
  exports: ['ctcLoss'],
  onnx: { none: 'no operator' },
});
