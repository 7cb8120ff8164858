// Linear algebra under the names it has on the root and as methods, written over the functions of linalg.
import { composite, type Page } from '../model.js';
import { h, ShapeError, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Linear algebra on the root',
  intro: `The names that PyTorch keeps outside \`linalg\`, as functions and methods; each says which function of \`linalg\` it is.`,
  example: `const A = fb.tensor([[2, 0], [0, 4]]);
A.inverse(); // => tensor([[0.5000, 0.0000],
//            [0.0000, 0.2500]])
A.det().item(); // => 8
fb.cholesky(A.neg()); // => throws linalg.cholesky: The factorization could not be completed because the input is not positive-definite (the leading minor of order 1 is not positive-definite).`,
};

const none = { none: 'ONNX has no factorisations' } as const;

export const det = composite({
  doc: 'Determinants of square matrices; see linalg.det.',
  schema: 'det(self: Tensor): Tensor',
  body: (self: A) => t.linalgDet(self),
  onnx: { symbolic: 'region' },
});
export const slogdet = composite({
  doc: 'Sign and logarithm of the absolute value of determinants; see linalg.slogdet.',
  schema: 'slogdet(self: Tensor): (sign: Tensor, logabsdet: Tensor)',
  body: (self: A) => t.linalgSlogdet(self),
  onnx: none,
});
export const logdet = composite({
  doc: 'Logarithm of determinants: -inf where they are 0, NaN where they are negative.',
  schema: 'logdet(self: Tensor): Tensor',
  body: (self: A) => {
    const [sign, logabsdet] = t.linalgSlogdet(self);
    return t.where(t.eq(sign, -1), h.notANumberValue(), logabsdet);
  },
  onnx: none,
});
export const inverse = composite({
  doc: 'Inverses of square matrices; see linalg.inv.',
  schema: 'inverse(self: Tensor): Tensor',
  body: (self: A) => t.linalgInv(self),
  onnx: none,
});
export const pinverse = composite({
  doc: 'Pseudo-inverse with singular values up to rcond times the largest as zero; see linalg.pinv.',
  schema: 'pinverse(self: Tensor, rcond: float = 1e-15): Tensor',
  body: (self: A, rcond: A) => t.linalgPinv(self, { rtol: h.doubleTensor(rcond) }),
  onnx: none,
});
export const cholesky = composite({
  doc: 'Cholesky factor of symmetric positive-definite matrices; see linalg.cholesky.',
  schema: 'cholesky(self: Tensor, upper: bool = false): Tensor',
  body: (self: A, upper: A) => {
    // The triangle that is asked for is the one that is read.
    const [L, _info] = t.linalgCholeskyEx(self, { upper, checkErrors: true });
    return L;
  },
  onnx: none,
});
export const choleskySolve = composite({
  doc: 'Solution of A X = self from the Cholesky factor input2 of A.',
  schema: 'choleskySolve(self: Tensor, input2: Tensor, upper: bool = false): Tensor',
  body: (self: A, input2: A, upper: A) => {
    if (self.ndim < 2)
      throw new ShapeError(`b should have at least 2 dimensions, but has ${self.ndim} dimensions instead`);
    if (input2.ndim < 2)
      throw new ShapeError(`u should have at least 2 dimensions, but has ${input2.ndim} dimensions instead`);
    const turned = h.mT(input2);
    const first = t.linalgSolveTriangular(upper ? turned : input2, self, { upper: false });
    return t.linalgSolveTriangular(upper ? input2 : turned, first, { upper: true });
  },
  onnx: none,
});
export const choleskyInverse = composite({
  doc: 'Inverse of A from its Cholesky factor.',
  schema: 'choleskyInverse(self: Tensor, upper: bool = false): Tensor',
  body: (self: A, upper: A) => {
    h.checkedSquare(self, 'cholesky_inverse');
    return t.choleskySolve(h.identityLike(self, self.shape[-1]), self, upper);
  },
  onnx: none,
});
export const triangularSolve = composite({
  doc: 'Solution of A X = self for triangular A (its transpose with transpose), and a copy of A; see linalg.solveTriangular.',
  schema:
    'triangularSolve(self: Tensor, A: Tensor, upper: bool = true, transpose: bool = false, unitriangular: bool = false): (solution: Tensor, clonedCoefficient: Tensor)',
  body: (self: A, A: A, upper: A, transpose: A, unitriangular: A) => {
    const both = h.systemList(A, self, true, 'triangular_solve');
    const X = transpose
      ? t.solveTriangular(h.mT(both[0]), both[1], !upper, true, unitriangular)
      : t.solveTriangular(both[0], both[1], upper, true, unitriangular);
    return [X, t.clone(both[0])];
  },
  onnx: none,
});
export const luSolve = composite({
  doc: 'Solution of A X = self from the LU factors of A; see linalg.luSolve.',
  schema: 'luSolve(self: Tensor, LUData: Tensor, LUPivots: Tensor): Tensor',
  body: (self: A, LUData: A, LUPivots: A) => t.linalgLuSolve(LUData, LUPivots, self),
  onnx: none,
});
export const qr = composite({
  doc: 'A = Q R, reduced with some; see linalg.qr.',
  schema: 'qr(self: Tensor, some: bool = true): (Q: Tensor, R: Tensor)',
  body: (self: A, some: A) => (some ? t.linalgQr(self, 'reduced') : t.linalgQr(self, 'complete')),
  onnx: none,
});
export const svd = composite({
  doc: 'A = U diag(S) V^T, reduced with some; V is not transposed, unlike in linalg.svd. Without computeUv U and V are zeros.',
  schema: 'svd(self: Tensor, some: bool = true, computeUv: bool = true): (U: Tensor, S: Tensor, V: Tensor)',
  body: (self: A, some: A, computeUv: A) => {
    if (self.ndim < 2) throw new ShapeError('linalg.svd: The input tensor A must have at least 2 dimensions.');
    if (!computeUv) {
      const S = t.linalgSvdvals(self);
      return [
        h.zeroMatrix(self, self.shape[-2], self.shape[-2]),
        S,
        h.zeroMatrix(self, self.shape[-1], self.shape[-1]),
      ];
    }
    const [U, S, Vh] = t.linalgSvd(self, !some);
    return [U, S, h.mT(Vh)];
  },
  onnx: none,
});
export const symeig = composite({
  doc: 'Eigenvalues of symmetric matrices and, with eigenvectors, eigenvectors (else empty); see linalg.eigh.',
  schema:
    'symeig(self: Tensor, eigenvectors: bool = false, upper: bool = true): (eigenvalues: Tensor, eigenvectors: Tensor)',
  body: (self: A, eigenvectors: A, upper: A) => {
    if (eigenvectors) return upper ? t.linalgEigh(self, 'U') : t.linalgEigh(self, 'L');
    return [upper ? t.linalgEigvalsh(self, 'U') : t.linalgEigvalsh(self, 'L'), t.empty([0], { dtype: self.dtype })];
  },
  onnx: none,
});
export const orgqr = composite({
  doc: 'First columns of the product of reflectors; see linalg.householderProduct.',
  schema: 'orgqr(self: Tensor, input2: Tensor): Tensor',
  body: (self: A, input2: A) => t.linalgHouseholderProduct(self, input2),
  onnx: none,
});
