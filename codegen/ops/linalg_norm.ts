// Norms of vectors and matrices. linalg.norm and linalg.matrixNorm, which take names and numbers, are in src/linalg.ts.
import { composite, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Norms',
  intro: `Floating dtypes; float16 and bfloat16 are computed in float32. \`linalg.norm\` and \`linalg.matrixNorm\` take the order as a number or as 'fro' or 'nuc'.`,
  example: `fb.linalg.vectorNorm(fb.tensor([3, 4]), 2).item(); // => 5
fb.linalg.matrixNorm(fb.eye(2), 'nuc').item(); // => 2
fb.linalg.vander(fb.tensor([2, 3])); // => tensor([[1., 2.],
//            [1., 3.]])`,
};

const source = (name: string): string =>
  `\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.${name}.html`;

export const linalgVectorNorm = composite({
  doc: `(sum of |x|^ord)^(1/ord) over dim (all when null); the largest for Infinity, the smallest for -Infinity, the number of non-zeros for 0. The gradient at zero is zero.${source('vector_norm')}`,
  schema:
    'linalgVectorNorm(x: Tensor, ord: float = 2, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  body: 'linalg::vectorNorm',
  backward: {
    x: (grad: A, x: A, ord: A, dim: A, keepdim: A, out: A) => h.vectorNormBackward(grad, x, ord, dim, keepdim, out),
  },
  method: false,
  exports: ['linalg.vectorNorm'],
  onnx: { symbolic: 'region' },
});
export const linalgMatrixNorm = composite({
  doc: 'Matrix norm of order 1, -1 (columns), Infinity, -Infinity (rows), 2 or -2 (singular values). JavaScript: linalg.matrixNorm.',
  schema:
    'linalgMatrixNorm(A: Tensor, ord: float, dim: int[] = [-2, -1], keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  body: 'linalg::matrixNorm',
  method: false,
  function: false,
  onnx: { none: 'ONNX has no singular values' },
});
export const linalgMatrixNormNamed = composite({
  doc: "Frobenius ('fro') or nuclear ('nuc') norm of matrices. JavaScript: linalg.matrixNorm.",
  schema:
    "linalgMatrixNormNamed(A: Tensor, ord: string = 'fro', dim: int[] = [-2, -1], keepdim: bool = false, *, dtype: dtype? = null): Tensor",
  body: 'linalg::matrixNormNamed',
  method: false,
  function: false,
  onnx: { none: 'ONNX has no singular values' },
});
export const linalgVander = composite({
  doc: `Powers 0 to N - 1 of every element along a new last dimension (N: the size of the last one when null).${source('vander')}`,
  schema: 'linalgVander(x: Tensor, *, N: int? = null): Tensor',
  body: 'linalg::vander',
  method: false,
  exports: ['linalg.vander'],
  onnx: { symbolic: 'region' },
});
export const linalgDiagonal = composite({
  doc: `Diagonals of the last two dimensions by default; a view.${source('diagonal')}`,
  schema: 'linalgDiagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1): Tensor',
  body: (A: A, offset: A, dim1: A, dim2: A) => t.diagonal(A, offset, dim1, dim2),
  method: false,
  exports: ['linalg.diagonal'],
  onnx: { symbolic: 'region' },
});
