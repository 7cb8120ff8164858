// Losses. reduction: 'none', 'mean' or 'sum'.
import { composite, type Page } from '../model.js';
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
export const smoothL1Loss = composite({
  doc: `Squared below beta, absolute above.${source('smooth_l1_loss')}`,
  schema: "smoothL1Loss(input: Tensor, target: Tensor, *, reduction: string = 'mean', beta: float = 1): Tensor",
  body: (input: A, target: A, reduction: A, beta: A) => {
    const d = t.abs(t.sub(input, target));
    if (beta === 0) return h.reduceLoss(d, reduction);
    return h.reduceLoss(t.where(t.lt(d, beta), t.mul(t.mul(d, d), 0.5 / beta), t.sub(d, 0.5 * beta)), reduction);
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
  method: false,
  onnx: { symbolic: 'region' },
});
export const binaryCrossEntropyWithLogits = composite({
  doc: `binaryCrossEntropy of sigmoid(input), without overflow.${source('binary_cross_entropy_with_logits')}`,
  schema:
    "binaryCrossEntropyWithLogits(input: Tensor, target: Tensor, weight: Tensor? = null, *, reduction: string = 'mean', posWeight: Tensor? = null): Tensor",
  body: (input: A, target: A, weight: A, reduction: A, posWeight: A) => {
    const soft = t.add(t.log1p(t.exp(t.neg(t.abs(input)))), t.clampMin(t.neg(input), 0));
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
