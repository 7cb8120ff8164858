// Rows of a table by index, alone and summed in bags.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Embedding',
  intro: `Rows of a table by index. Gradients are dense; indices that are out of range throw.`,
  example: `const table = fb.tensor([[1, 2], [3, 4]]);
F.embedding(fb.LongTensor([1, 0]), table); // => tensor([[3., 4.],
//            [1., 2.]])
F.oneHot(fb.LongTensor([1, 0])); // => tensor([[0, 1],
//            [1, 0]])`,
};

export const embedding = extern({
  doc: 'Rows of weight [n, d] by int indices of any shape; paddingIdx gets no gradient (-1: none); scaleGradByFreq divides the gradient of a row by how often it is used.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html',
  schema: 'embedding(weight: Tensor, indices: Tensor, paddingIdx: int = -1, scaleGradByFreq: bool = false): Tensor',
  backward: {
    weight: (grad: A, weight: A, indices: A, paddingIdx: A, scaleGradByFreq: A) =>
      t.embeddingBackward(
        scaleGradByFreq ? h.dividedByFrequency(grad, indices, weight.shape[0]) : grad,
        indices,
        weight.shape[0],
        paddingIdx,
      ),
  },
  method: false,
  onnx: { symbolic: 'embedding' },
});
export const embeddingBackward = extern({
  doc: 'Gradient of `embedding`: rows summed by index.',
  schema: 'embeddingBackward(gradOutput: Tensor, indices: Tensor, numWeights: int, paddingIdx: int): Tensor',
  backward: {
    gradOutput: (grad: A, indices: A, paddingIdx: A) => h.embeddingWithout(grad, indices, paddingIdx),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const embeddingRenorm = composite({
  doc: 'Scales those rows of weight [n, d] that indices name and whose normType-norm exceeds maxNorm down to it, in place and outside autograd; returns weight.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html',
  schema: 'embeddingRenorm(weight: Tensor, indices: Tensor, maxNorm: float, normType: float): Tensor',
  body: (weight: A, indices: A, maxNorm: A, normType: A) => h.renormRows(weight, indices, maxNorm, normType),
  method: false,
  function: true,
  onnx: { none: 'changes its input' },
});
export const segmentMax = extern({
  doc: 'Per segment of rows of self [n, d] (segments: int64 [n], the number of the segment a row belongs to, -1 for none) the largest element of each column, and the row it came from; 0 and -1 where a segment is empty.',
  schema: 'segmentMax(self: Tensor, segments: Tensor, count: int): (out: Tensor, indices: Tensor)',
  backward: { self: (grad: A, self: A, indices: A) => h.segmentMaxBackward(grad, indices, self.shape) },
  method: false,
  function: false,
  onnx: { none: 'ONNX has no segments' },
});
export const embeddingBag = composite({
  doc: "Rows of weight [n, d] by indices, joined per bag by mode 'sum', 'mean' or 'max'. indices [b, l]: one bag per row; or [l] with offsets [b], where each bag begins (includeLastOffset: the last offset is the end). Rows at paddingIdx do not count (-1: none); perSampleWeights, like indices, scales rows (mode 'sum').\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding_bag.html",
  schema:
    "embeddingBag(weight: Tensor, indices: Tensor, offsets: Tensor? = null, mode: string = 'mean', perSampleWeights: Tensor? = null, includeLastOffset: bool = false, paddingIdx: int = -1, scaleGradByFreq: bool = false): Tensor",
  body: (
    weight: A,
    indices: A,
    offsets: A,
    mode: A,
    perSampleWeights: A,
    includeLastOffset: A,
    paddingIdx: A,
    scaleGradByFreq: A,
  ) => h.embeddingBag(weight, indices, offsets, mode, perSampleWeights, includeLastOffset, paddingIdx, scaleGradByFreq),
  method: false,
  onnx: { symbolic: 'region' },
});
export const oneHot = composite({
  doc: '0/1 vectors of length numClasses for int64 class numbers of any shape, int64.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html',
  schema: 'oneHot(self: Tensor, numClasses: int): Tensor',
  body: (self: A, numClasses: A) => h.oneHot(self, numClasses),
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
