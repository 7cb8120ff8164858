// Similarity and distance of vectors.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Similarity and distance',
  intro: `Of vectors along a dimension, or of all pairs of rows. Distances that are 0 have the gradient 0.`,
  example: `const a = fb.tensor([[0, 0], [3, 4]]);
fb.cdist(a, a); // => tensor([[0., 5.],
//            [5., 0.]])
fb.pdist(a); // => tensor([5.])
fb.nn.functional.cosineSimilarity(fb.tensor([[1, 0]]), fb.tensor([[1, 1]])); // => tensor([0.7071])`,
};
export const cosineSimilarity = composite({
  doc: 'Cosine of the angle between x1 and x2 along dim, broadcast; norms are at least eps.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html',
  schema: 'cosineSimilarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8): Tensor',
  body: (x1: A, x2: A, dim: A, eps: A) => h.cosineSimilarity(x1, x2, dim, eps),
  method: false,
  exports: ['cosineSimilarity', 'nn.functional.cosineSimilarity'],
  onnx: { symbolic: 'region' },
});
export const pairwiseDistance = composite({
  doc: 'p-norm of x1 - x2 + eps along the last dimension, broadcast.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html',
  schema:
    'pairwiseDistance(x1: Tensor, x2: Tensor, p: float = 2, eps: float = 0.000001, keepdim: bool = false): Tensor',
  body: (x1: A, x2: A, p: A, eps: A, keepdim: A) => t.norm(t.add(t.sub(x1, x2), eps), p, [-1], keepdim),
  method: false,
  exports: ['pairwiseDistance', 'nn.functional.pairwiseDistance'],
  onnx: { symbolic: 'region' },
});
export const cdistForward = extern({
  doc: 'The distances of `cdist` for operands of one dtype and batch shape.',
  schema: 'cdistForward(x1: Tensor, x2: Tensor, p: float): Tensor',
  backward: {
    x1: (grad: A, x1: A, x2: A, p: A, out: A) => h.cdistGradient(grad, x1, x2, p, out),
    x2: (grad: A, x1: A, x2: A, p: A, out: A) =>
      h.cdistGradient(t.transpose(grad, -2, -1), x2, x1, p, t.transpose(out, -2, -1)),
  },
  node: 'CdistBackward0',
  method: false,
  function: false,
  onnx: { symbolic: 'cdistForward' },
});
export const cdistBackward = extern({
  doc: 'Gradient of `cdistForward` with respect to its first operand; 0 where two vectors are equal.',
  schema: 'cdistBackward(grad: Tensor, x1: Tensor, x2: Tensor, p: float, distances: Tensor): Tensor',
  nondifferentiable: 'differentiated again, the formulas over all differences serve (native/nn/distances.cc)',
  method: false,
  function: false,
  onnx: { none: 'no operator' },
});
export const cdist = composite({
  doc: "p-norm distance of each row of x1 [..., P, M] to each row of x2 [..., R, M]: [..., P, R]. computeMode is taken for PyTorch's sake: distances are never computed by a matrix product, which loses digits.\nSource: https://pytorch.org/docs/stable/generated/torch.cdist.html",
  schema: 'cdist(x1: Tensor, x2: Tensor, p: float = 2, computeMode: string? = null): Tensor',
  body: (x1: A, x2: A, p: A, computeMode: A) => h.cdist(x1, x2, p, computeMode),
  method: false,
  onnx: { symbolic: 'region' },
});
export const pdist = composite({
  doc: 'p-norm distances of all pairs of rows i < j of a matrix [N, M]: [N (N - 1) / 2].\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.pdist.html',
  schema: 'pdist(self: Tensor, p: float = 2): Tensor',
  body: (self: A, p: A) => h.pdist(self, p),
  method: false,
  exports: ['pdist', 'nn.functional.pdist'],
  onnx: { symbolic: 'region' },
});
