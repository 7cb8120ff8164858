// Matrix products: library calls with hand-written kernels per backend.
import { composite, extern, type Page } from '../model.js';
import { h, ShapeError, t } from '../tensor_lib.js';

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
  inplace: true,
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
  doc: 'Product of a matrix [n, k] and a vector [k].',
  schema: 'mv(self: Tensor, vec: Tensor): Tensor',
  body: (self: A, vec: A) => {
    if (self.ndim !== 2 || vec.ndim !== 1)
      throw new ShapeError(`vector + matrix @ vector expected, got 1, ${self.ndim}, ${vec.ndim}`);
    return t.matmul(self, vec);
  },
  onnx: { op: 'MatMul', since: 13 },
});
export const outer = composite({
  doc: 'Outer product of two vectors, [n] and [m]: [n, m]. Dtypes are promoted.',
  schema: 'outer(self: Tensor, vec2: Tensor): Tensor',
  body: (self: A, vec2: A) => {
    if (self.ndim !== 1) throw new ShapeError(`outer: Expected 1-D argument self, but got ${self.ndim}-D`);
    if (vec2.ndim !== 1) throw new ShapeError(`outer: Expected 1-D argument vec2, but got ${vec2.ndim}-D`);
    return t.mul(t.unsqueeze(self, 1), t.unsqueeze(vec2, 0));
  },
  aliases: ['ger'],
  onnx: { symbolic: 'region' },
});
export const vdot = composite({
  doc: 'Inner product of two vectors; the same as `dot` for real numbers.',
  schema: 'vdot(self: Tensor, other: Tensor): Tensor',
  body: (self: A, other: A) => t.dot(self, other),
  onnx: { symbolic: 'region' },
});
export const addmv = composite({
  doc: 'beta * self + alpha * mat @ vec; self is broadcast to [n]. With beta = 0 self is not read.',
  schema: 'addmv(self: Tensor, mat: Tensor, vec: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1): Tensor',
  body: (self: A, mat: A, vec: A, beta: A, alpha: A) => h.blend(self, beta, t.mv(mat, vec), alpha),
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const addr = composite({
  doc: 'beta * self + alpha * outer(vec1, vec2); self is broadcast to [n, m]. With beta = 0 self is not read.',
  schema: 'addr(self: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1): Tensor',
  body: (self: A, vec1: A, vec2: A, beta: A, alpha: A) => h.blend(self, beta, t.outer(vec1, vec2), alpha),
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const baddbmm = composite({
  doc: 'beta * self + alpha * bmm(batch1, batch2); self is broadcast to [b, n, m]. With beta = 0 self is not read.',
  schema: 'baddbmm(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1): Tensor',
  body: (self: A, batch1: A, batch2: A, beta: A, alpha: A) => h.blend(self, beta, t.bmm(batch1, batch2), alpha),
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const addbmm = composite({
  doc: 'beta * self + alpha * the sum over the batch of bmm(batch1, batch2); self is broadcast to [n, m].',
  schema: 'addbmm(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1): Tensor',
  body: (self: A, batch1: A, batch2: A, beta: A, alpha: A) => {
    if (batch1.ndim !== 3) throw new ShapeError('batch1 must be a 3D tensor');
    if (batch2.ndim !== 3) throw new ShapeError('batch2 must be a 3D tensor');
    if (batch2.shape[0] !== batch1.shape[0] || batch2.shape[1] !== batch1.shape[2])
      throw new ShapeError(
        `Expected size for first two dimensions of batch2 tensor to be: [${batch1.shape[0]}, ${batch1.shape[2]}] but got: [${batch2.shape[0]}, ${batch2.shape[1]}].`,
      );
    // The sum over the batch is one more contracted dimension of a single product.
    const left = t.reshape(t.permute(batch1, [1, 0, 2]), [batch1.shape[1], batch1.shape[0] * batch1.shape[2]]);
    const right = t.reshape(batch2, [batch2.shape[0] * batch2.shape[1], batch2.shape[2]]);
    return h.blend(self, beta, t.mm(left, right), alpha);
  },
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const inner = composite({
  doc: 'Sums of products over the last dimension of both, [..., k] and [---, k]: [..., ---]; a number scales.',
  schema: 'inner(self: Tensor, other: Tensor): Tensor',
  out: true,
  body: (self: A, other: A) => {
    if (self.ndim === 0 || other.ndim === 0) return t.mul(self, other);
    if (self.shape[-1] !== other.shape[-1])
      throw new ShapeError(
        `inner() the last dimension must match on both input tensors but got shapes ${self.shape} and ${other.shape}`,
      );
    return t.tensordotDims(self, other, [-1], [-1]);
  },
  onnx: { symbolic: 'region' },
});
export const tensordotDims = composite({
  doc: 'Contraction of selfDims of self with otherDims of other; the rest of both follow each other. JavaScript: tensordot.',
  schema: 'tensordotDims(self: Tensor, other: Tensor, selfDims: int[], otherDims: int[]): Tensor',
  body: 'linalg::tensordot',
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
export const kron = composite({
  doc: 'Kronecker product: every element of self times the whole of other. Sizes multiply; missing leading dimensions are 1.',
  schema: 'kron(self: Tensor, other: Tensor): Tensor',
  out: true,
  body: 'linalg::kron',
  onnx: { symbolic: 'region' },
});
export const einsumList = composite({
  doc: 'Sum of products by an equation of index letters, "ij,jk->ik". JavaScript: einsum(equation, ...operands).',
  schema: 'einsumList(equation: string, operands: Tensor[]): Tensor',
  body: 'linalg::einsum',
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
export const linalgMultiDot = composite({
  doc: 'Product of two or more matrices in the order that needs the fewest multiplications; the ends may be vectors.\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.multi_dot.html',
  schema: 'linalgMultiDot(tensors: Tensor[]): Tensor',
  body: 'linalg::multiDot',
  exports: ['linalg.multiDot'],
  onnx: { symbolic: 'region' },
});
export const linalgMatrixPower = composite({
  doc: 'n-th power of square matrices by repeated squaring; a negative n inverts first.\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.matrix_power.html',
  schema: 'linalgMatrixPower(A: Tensor, n: int): Tensor',
  body: 'linalg::matrixPower',
  method: false,
  exports: ['linalg.matrixPower'],
  onnx: { symbolic: 'region' },
});
export const matrixPower = composite({
  doc: 'n-th power of square matrices; see linalg.matrixPower.',
  schema: 'matrixPower(self: Tensor, n: int): Tensor',
  body: 'linalg::matrixPower',
  onnx: { symbolic: 'region' },
});
export const linalgMatmul = composite({
  doc: 'Matrix product with broadcasting; see matmul.',
  schema: 'linalgMatmul(input: Tensor, other: Tensor): Tensor',
  body: (input: A, other: A) => t.matmul(input, other),
  method: false,
  exports: ['linalg.matmul'],
  onnx: { op: 'MatMul', since: 13 },
});
export const linalgCross = composite({
  doc: 'Cross product along a dimension of size 3; the other dimensions are broadcast.\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.cross.html',
  schema: 'linalgCross(self: Tensor, other: Tensor, *, dim: int = -1): Tensor',
  body: 'linalg::cross',
  method: false,
  exports: ['linalg.cross'],
  onnx: { symbolic: 'region' },
});
export const cross = composite({
  doc: 'Cross product along `dim`, or the first dimension of size 3 when null.',
  schema: 'cross(self: Tensor, other: Tensor, dim: int? = null): Tensor',
  body: (self: A, other: A, dim: A) => t.linalgCross(self, other, { dim: h.crossDimIndex(self, other, dim) }),
  onnx: { symbolic: 'region' },
});
export const linalgVecdot = composite({
  doc: 'Inner products along a dimension, the others broadcast.\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.vecdot.html',
  schema: 'linalgVecdot(x: Tensor, y: Tensor, *, dim: int = -1): Tensor',
  body: (x: A, y: A, dim: A) => {
    if (!h.isFloating(x))
      throw new TypeError(`linalg.vecdot: Expected a floating point or complex tensor as input. Got ${x.dtype}`);
    return t.sum(t.mul(x, y), [dim]);
  },
  method: false,
  exports: ['linalg.vecdot'],
  onnx: { symbolic: 'region' },
});
export const bilinear = composite({
  doc: 'out[..., o] = input1[..., i] weight[o, i, j] input2[..., j] + bias[o].\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html',
  schema: 'bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor? = null): Tensor',
  body: 'linalg::bilinear',
  method: false,
  exports: ['nn.functional.bilinear'],
  onnx: { symbolic: 'region' },
});
