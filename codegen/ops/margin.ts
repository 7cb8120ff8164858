// Margin losses: of scores against each other, of pairs and of triplets. reduction: 'none', 'mean' or 'sum'.
import { composite, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;
const source = (name: string): string =>
  `\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.${name}.html`;

export const page: Page = {
  title: 'Margin losses',
  intro: `Losses of scores against each other, of pairs and of triplets. reduction is none, mean or sum; shapes broadcast as in PyTorch.`,
  example: `F.marginRankingLoss(fb.tensor([1, 2]), fb.tensor([2, 1]), fb.tensor([1, 1])); // => tensor(0.5000)
F.multiMarginLoss(fb.tensor([[0, 1, 3]]), fb.tensor([2])); // => throws expected scalar type Long but found Float`,
};
export const softMarginLoss = composite({
  doc: `log(1 + e^(-target input)), target 1 or -1.${source('soft_margin_loss')}`,
  schema: "softMarginLoss(input: Tensor, target: Tensor, *, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, reduction: A) => h.reduceLoss(t.softplus(t.neg(t.mul(target, input))), reduction),
  method: false,
  exports: ['nn.functional.softMarginLoss'],
  onnx: { symbolic: 'region' },
});
export const marginRankingLoss = composite({
  doc: `max(0, margin - target (input1 - input2)), target 1 or -1.${source('margin_ranking_loss')}`,
  schema:
    "marginRankingLoss(input1: Tensor, input2: Tensor, target: Tensor, *, margin: float = 0, reduction: string = 'mean'): Tensor",
  body: (input1: A, input2: A, target: A, margin: A, reduction: A) => {
    if (input1.ndim !== input2.ndim || input1.ndim !== target.ndim)
      throw new Error(
        `margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: torch.Size(${input1.shape}), input2: torch.Size(${input2.shape}), target: torch.Size(${target.shape})`,
      );
    return h.reduceLoss(t.clampMin(t.add(t.mul(t.neg(target), t.sub(input1, input2)), margin), 0), reduction);
  },
  method: false,
  exports: ['nn.functional.marginRankingLoss'],
  onnx: { symbolic: 'region' },
});
export const hingeEmbeddingLoss = composite({
  doc: `input where target is 1, max(0, margin - input) where it is -1.${source('hinge_embedding_loss')}`,
  schema: "hingeEmbeddingLoss(input: Tensor, target: Tensor, *, margin: float = 1, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, margin: A, reduction: A) => {
    const apart = t.where(t.ne(target, 1), t.clampMin(t.rsub(input, margin), 0), 0);
    return h.reduceLoss(t.add(apart, t.where(t.ne(target, -1), input, 0)), reduction);
  },
  method: false,
  exports: ['nn.functional.hingeEmbeddingLoss'],
  onnx: { symbolic: 'region' },
});
export const multiMarginLoss = composite({
  doc: `Mean over the other classes of max(0, margin - input[target] + input[j])^p, weighted by the target's class. input [N, C] or [C], target int64.${source('multi_margin_loss')}`,
  schema:
    "multiMarginLoss(input: Tensor, target: Tensor, *, p: int = 1, margin: float = 1, weight: Tensor? = null, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, p: A, margin: A, weight: A, reduction: A) =>
    h.multiMargin(input, target, p, margin, weight, reduction),
  method: false,
  exports: ['nn.functional.multiMarginLoss'],
  onnx: { symbolic: 'region' },
});
export const multilabelMarginLoss = composite({
  doc: `Sum over target classes y and other classes i of max(0, 1 - (input[y] - input[i])), over the number of classes. target: int64 of input's shape, the classes up to the first negative number.${source('multilabel_margin_loss')}`,
  schema: "multilabelMarginLoss(input: Tensor, target: Tensor, *, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, reduction: A) => h.multilabelMargin(input, target, reduction),
  method: false,
  exports: ['nn.functional.multilabelMarginLoss'],
  onnx: { symbolic: 'region' },
});
export const multilabelSoftMarginLoss = composite({
  doc: `Binary cross-entropy of each class's logit, averaged over the last dimension.${source('multilabel_soft_margin_loss')}`,
  schema:
    "multilabelSoftMarginLoss(input: Tensor, target: Tensor, weight: Tensor? = null, *, reduction: string = 'mean'): Tensor",
  body: (input: A, target: A, weight: A, reduction: A) => {
    const loss = t.neg(t.add(t.mul(target, t.logsigmoid(input)), t.mul(t.rsub(target, 1), t.logsigmoid(t.neg(input)))));
    return h.reduceLoss(t.trueDivide(t.sum(h.weighted(loss, weight), [-1]), input.shape[-1]), reduction);
  },
  method: false,
  exports: ['nn.functional.multilabelSoftMarginLoss'],
  onnx: { symbolic: 'region' },
});
export const tripletMarginLoss = composite({
  doc: `max(0, margin + |anchor - positive| - |anchor - negative|) of p-norms along the last dimension; swap: the negative's distance to the positive, where it is smaller.${source('triplet_margin_loss')}`,
  schema:
    "tripletMarginLoss(anchor: Tensor, positive: Tensor, negative: Tensor, *, margin: float = 1, p: float = 2, eps: float = 0.000001, swap: bool = false, reduction: string = 'mean'): Tensor",
  body: (anchor: A, positive: A, negative: A, margin: A, p: A, eps: A, swap: A, reduction: A) => {
    if (anchor.ndim !== positive.ndim || anchor.ndim !== negative.ndim)
      throw new Error(
        `The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ${anchor.ndim}D, positive ${positive.ndim}D, and negative ${negative.ndim}D inputs`,
      );
    const near = t.pairwiseDistance(anchor, positive, { p, eps });
    let far = t.pairwiseDistance(anchor, negative, { p, eps });
    if (swap) far = t.minimum(far, t.pairwiseDistance(positive, negative, { p, eps }));
    return h.reduceLoss(t.clampMin(t.add(t.sub(near, far), margin), 0), reduction);
  },
  method: false,
  exports: ['nn.functional.tripletMarginLoss'],
  onnx: { symbolic: 'region' },
});
export const cosineEmbeddingLoss = composite({
  doc: `1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1. input [N, D] with target [N], or [D] with a 0-d target.${source('cosine_embedding_loss')}`,
  schema:
    "cosineEmbeddingLoss(input1: Tensor, input2: Tensor, target: Tensor, *, margin: float = 0, reduction: string = 'mean'): Tensor",
  body: (input1: A, input2: A, target: A, margin: A, reduction: A) => {
    if (target.ndim > 1) throw new Error('0D or 1D target tensor expected, multi-target not supported');
    if (input1.ndim !== target.ndim + 1 || input2.ndim !== target.ndim + 1)
      throw new Error(
        `${target.ndim}D target tensor expects ${target.ndim + 1}D input tensors, but found inputs with sizes ${input1.shape} and ${input2.shape}.`,
      );
    const dims = [-1];
    const size1 = t.add(t.sum(t.mul(input1, input1), dims), 1e-12);
    const size2 = t.add(t.sum(t.mul(input2, input2), dims), 1e-12);
    const cos = t.trueDivide(t.sum(t.mul(input1, input2), dims), t.sqrt(t.mul(size1, size2)));
    const like = t.where(t.eq(target, 1), t.rsub(cos, 1), 0);
    const unlike = t.where(t.eq(target, -1), t.clampMin(t.sub(cos, margin), 0), 0);
    return h.reduceLoss(t.add(like, unlike), reduction);
  },
  method: false,
  exports: ['nn.functional.cosineEmbeddingLoss'],
  onnx: { symbolic: 'region' },
});
