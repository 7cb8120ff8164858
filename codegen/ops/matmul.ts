// Matrix products: library calls with hand-written kernels per backend.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Matrix products',
  intro: `oneDNN computes float32 products where it is installed, own blocked kernels otherwise. float16 and bfloat16 accumulate in float32. Shapes that do not fit throw with both of them.`,
  example: `const a = fb.tensor([[1, 2], [3, 4]]);
a.matmul(fb.tensor([1, 1])); // => tensor([3., 7.])
a.mm(a); // => tensor([[ 7., 10.],
//            [15., 22.]])
a.mm(fb.ones(3, 2)); // => throws mat1 and mat2 shapes cannot be multiplied (2x2 and 3x2)`,
};
export const matmul = extern({
  doc: 'Matrix product with broadcasting over leading dimensions; 1-d operands are vectors.\nSource: https://pytorch.org/docs/stable/generated/torch.matmul.html',
  schema: 'matmul(self: Tensor, other: Tensor): Tensor',
  backward: {
    self: (grad: A, self: A, other: A) => h.matmulBackwardSelf(grad, self.shape, other),
    other: (grad: A, self: A, other: A) => h.matmulBackwardOther(grad, self, other.shape),
  },
  onnx: { op: 'MatMul', since: 13 },
});
export const mm = extern({
  doc: 'Product of two matrices, [n, k] x [k, m].',
  schema: 'mm(self: Tensor, mat2: Tensor): Tensor',
  backward: { self: (grad: A, mat2: A) => t.mm(grad, t.t(mat2)), mat2: (grad: A, self: A) => t.mm(t.t(self), grad) },
  onnx: { op: 'MatMul', since: 13 },
});
export const bmm = extern({
  doc: 'Products of two batches of matrices, [b, n, k] x [b, k, m].',
  schema: 'bmm(self: Tensor, mat2: Tensor): Tensor',
  backward: {
    self: (grad: A, mat2: A) => t.bmm(grad, t.transpose(mat2, 1, 2)),
    mat2: (grad: A, self: A) => t.bmm(t.transpose(self, 1, 2), grad),
  },
  onnx: { op: 'MatMul', since: 13 },
});
export const addmm = extern({
  doc: 'beta * self + alpha * mat1 @ mat2; self is broadcast.',
  schema: 'addmm(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1): Tensor',
  backward: {
    self: (grad: A, beta: A) => t.mul(grad, beta),
    mat1: (grad: A, mat2: A, alpha: A) => t.mul(t.mm(grad, t.t(mat2)), alpha),
    mat2: (grad: A, mat1: A, alpha: A) => t.mul(t.mm(t.t(mat1), grad), alpha),
  },
  onnx: { symbolic: 'addmm' },
});
export const dot = extern({
  doc: 'Inner product of two vectors.',
  schema: 'dot(self: Tensor, tensor: Tensor): Tensor',
  backward: { self: (grad: A, tensor: A) => t.mul(grad, tensor), tensor: (grad: A, self: A) => t.mul(grad, self) },
  onnx: { op: 'MatMul', since: 13 },
});
export const linear = extern({
  doc: 'input @ weight^T + bias. input [..., in], weight [out, in], bias [out] gives [..., out].\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html',
  schema: 'linear(input: Tensor, weight: Tensor, bias: Tensor? = null): Tensor',
  backward: {
    input: (grad: A, weight: A) => t.matmul(grad, weight),
    weight: (grad: A, input: A) => t.mm(t.t(h.flattenRows(grad)), h.flattenRows(input)),
    bias: (grad: A) => t.sum(h.flattenRows(grad), [0]),
  },
  method: false,
  onnx: { symbolic: 'linear' },
});
export const mv = composite({
  doc: 'Product of a matrix and a vector.',
  schema: 'mv(self: Tensor, vec: Tensor): Tensor',
  body: (self: A, vec: A) => t.matmul(self, vec),
  onnx: { op: 'MatMul', since: 13 },
});
export const outer = composite({
  doc: 'Outer product of two vectors.',
  schema: 'outer(self: Tensor, vec2: Tensor): Tensor',
  body: (self: A, vec2: A) => t.mul(t.unsqueeze(self, 1), t.unsqueeze(vec2, 0)),
  aliases: ['ger'],
  onnx: { symbolic: 'region' },
});
