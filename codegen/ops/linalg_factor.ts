// Factorisations: Cholesky, LU, LDL, QR. Kernels call LAPACK (native/linalg); the derivatives are formulas over other ops.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Factorisations',
  intro: `LAPACK works on float32 and float64 matrices in the last two dimensions; the dimensions before them are a batch, spread over the threads. Results are named. A \`…Ex\` form does not throw: its \`info\` is 0, or says where LAPACK stopped.`,
  example: `const A = fb.tensor([[4, 2], [2, 5]]);
fb.linalg.cholesky(A); // => tensor([[2., 0.],
//            [1., 2.]])
const { P, L, U } = fb.linalg.lu(A);
P.matmul(L).matmul(U).allclose(A); // => true
fb.linalg.cholesky(A.neg()); // => throws linalg.cholesky: The factorization could not be completed because the input is not positive-definite (the leading minor of order 1 is not positive-definite).`,
};

const none = { none: 'ONNX has no factorisations' } as const;
const source = (name: string): string =>
  `\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.${name}.html`;

export const linalgCholeskyEx = extern({
  doc: `Cholesky factor L of symmetric positive-definite matrices, A = L L^T (U with upper), and where LAPACK stopped (0: nowhere). Reads one triangle.${source('cholesky_ex')}`,
  schema:
    'linalgCholeskyEx(self: Tensor, *, upper: bool = false, checkErrors: bool = false): (L: Tensor, info: Tensor)',
  backward: {
    self: (grad: A, L: A, upper: A) => {
      const lower = upper ? h.mT(L) : L;
      const inner = t.tril(t.matmul(h.mT(lower), upper ? h.mT(grad) : grad));
      // Symmetric: the strict lower triangle goes above the diagonal as well.
      const phi = t.add(inner, h.mT(t.tril(inner, -1)));
      const left = t.linalgSolveTriangular(h.mT(lower), phi, { upper: true });
      return t.mul(t.linalgSolveTriangular(lower, left, { upper: false, left: false }), 0.5);
    },
  },
  method: false,
  exports: ['linalg.choleskyEx'],
  onnx: none,
});
export const linalgCholesky = composite({
  doc: `Cholesky factor of symmetric positive-definite matrices; LinAlgError when one is not.${source('cholesky')}`,
  schema: 'linalgCholesky(self: Tensor, *, upper: bool = false): Tensor',
  body: (self: A, upper: A) => {
    const [L, _info] = t.linalgCholeskyEx(self, { upper, checkErrors: true });
    return L;
  },
  method: false,
  exports: ['linalg.cholesky'],
  onnx: none,
});
export const linalgLuFactorEx = extern({
  doc: `LU factors in one matrix (unit L below the diagonal), row exchanges counted from 1 (int32), and the first zero pivot (0: none).${source('lu_factor_ex')}`,
  schema:
    'linalgLuFactorEx(A: Tensor, *, pivot: bool = true, checkErrors: bool = false): (LU: Tensor, pivots: Tensor, info: Tensor)',
  backward: {
    A: (grad: A, LU: A, pivots: A) => {
      const [P, L, U] = t.luUnpack(LU, pivots);
      const k = L.shape[-1];
      const gradL = t.tril(t.narrow(grad, -1, 0, k), -1);
      const gradU = t.triu(t.narrow(grad, -2, 0, k));
      return t.luBackward(gradL, gradU, P, L, U);
    },
  },
  method: false,
  exports: ['linalg.luFactorEx'],
  onnx: none,
});
export const linalgLuFactor = composite({
  doc: `LU factors in one matrix and the row exchanges; LinAlgError when a pivot is zero.${source('lu_factor')}`,
  schema: 'linalgLuFactor(A: Tensor, *, pivot: bool = true): (LU: Tensor, pivots: Tensor)',
  body: (A: A, pivot: A) => {
    const [LU, pivots, _info] = t.linalgLuFactorEx(A, { pivot, checkErrors: true });
    return [LU, pivots];
  },
  method: false,
  exports: ['linalg.luFactor'],
  onnx: none,
});
export const linalgLu = composite({
  doc: `A = P L U with P a permutation, L unit lower and U upper triangular.${source('lu')}`,
  schema: 'linalgLu(A: Tensor, *, pivot: bool = true): (P: Tensor, L: Tensor, U: Tensor)',
  body: (A: A, pivot: A) => {
    const [LU, pivots, _info] = t.linalgLuFactorEx(A, { pivot });
    return t.luUnpack(LU, pivots);
  },
  method: false,
  exports: ['linalg.lu'],
  onnx: none,
});
export const luPermutation = extern({
  doc: 'The permutation matrix P [..., rows, rows] of row exchanges counted from 1.',
  schema: 'luPermutation(pivots: Tensor, rows: int, dtype: dtype): Tensor',
  nondifferentiable: 'made of integers',
  method: false,
  function: false,
  onnx: none,
});
export const luUnpack = composite({
  doc: 'P, L and U of what linalg.luFactor returns; parts that are not asked for are empty.',
  schema:
    'luUnpack(LUData: Tensor, LUPivots: Tensor, unpackData: bool = true, unpackPivots: bool = true): (P: Tensor, L: Tensor, U: Tensor)',
  body: 'linalg::luUnpack',
  method: false,
  onnx: none,
});
export const luBackward = composite({
  doc: 'Gradient of A = P L U from those of L (strict lower triangle) and U (upper triangle).',
  schema: 'luBackward(gradL: Tensor, gradU: Tensor, P: Tensor, L: Tensor, U: Tensor): Tensor',
  body: (gradL: A, gradU: A, P: A, L: A, U: A) => {
    const k = L.shape[-1];
    const m = L.shape[-2];
    const n = U.shape[-1];
    const L1 = t.narrow(L, -2, 0, k);
    const U1 = t.narrow(U, -1, 0, k);
    let lower = t.matmul(h.mT(L1), t.narrow(gradL, -2, 0, k));
    let upper = t.matmul(t.narrow(gradU, -1, 0, k), h.mT(U1));
    if (n > k) lower = t.sub(lower, t.matmul(t.narrow(gradU, -1, k, n - k), h.mT(t.narrow(U, -1, k, n - k))));
    if (m > k) upper = t.sub(upper, t.matmul(h.mT(t.narrow(L, -2, k, m - k)), t.narrow(gradL, -2, k, m - k)));
    const inner = t.add(t.tril(lower, -1), t.triu(upper));
    const right = t.linalgSolveTriangular(h.mT(U1), inner, { upper: false, left: false });
    const core = t.linalgSolveTriangular(h.mT(L1), right, { upper: true, unitriangular: true });
    if (n > k) {
      const rest = t.linalgSolveTriangular(h.mT(L1), t.narrow(gradU, -1, k, n - k), {
        upper: true,
        unitriangular: true,
      });
      return t.matmul(P, t.cat([core, rest], -1));
    }
    if (m > k) {
      const rest = t.linalgSolveTriangular(h.mT(U1), t.narrow(gradL, -2, k, m - k), { upper: false, left: false });
      return t.matmul(P, t.cat([core, rest], -2));
    }
    return t.matmul(P, core);
  },
  method: false,
  function: false,
  onnx: { none: 'derivative' },
});
export const linalgLdlFactorEx = extern({
  doc: `LDL factors of symmetric matrices, packed as LAPACK's sytrf leaves them (lower triangle), exchanges (int32), and the first zero pivot.${source('ldl_factor_ex')}`,
  schema:
    'linalgLdlFactorEx(self: Tensor, *, hermitian: bool = false, checkErrors: bool = false): (LD: Tensor, pivots: Tensor, info: Tensor)',
  nondifferentiable: 'PyTorch has no derivative of it',
  method: false,
  exports: ['linalg.ldlFactorEx'],
  onnx: none,
});
export const linalgLdlFactor = composite({
  doc: `LDL factors of symmetric matrices, packed, and exchanges; LinAlgError when a pivot is zero.${source('ldl_factor')}`,
  schema: 'linalgLdlFactor(self: Tensor, *, hermitian: bool = false): (LD: Tensor, pivots: Tensor)',
  body: (self: A, hermitian: A) => {
    const [LD, pivots, _info] = t.linalgLdlFactorEx(self, { hermitian, checkErrors: true });
    return [LD, pivots];
  },
  method: false,
  exports: ['linalg.ldlFactor'],
  onnx: none,
});
export const ldlSolveSystems = extern({
  doc: 'Solutions of systems from packed LDL factors; the same batch everywhere.',
  schema: 'ldlSolveSystems(LD: Tensor, pivots: Tensor, B: Tensor): Tensor',
  nondifferentiable: 'PyTorch has no derivative of it',
  method: false,
  function: false,
  onnx: none,
});
export const linalgLdlSolve = composite({
  doc: `Solution of A X = B from what linalg.ldlFactor returns.${source('ldl_solve')}`,
  schema: 'linalgLdlSolve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = false): Tensor',
  body: (LD: A, pivots: A, B: A) => {
    const both = h.systemList(LD, B, true, 'torch.linalg.ldl_solve');
    return t.ldlSolveSystems(both[0], h.expandedLike(pivots, both[0]), both[1]);
  },
  method: false,
  exports: ['linalg.ldlSolve'],
  onnx: none,
});
export const linalgQr = extern({
  doc: `A = Q R with orthonormal columns in Q and R upper triangular. mode: 'reduced', 'complete', or 'r' (Q stays empty).${source('qr')}`,
  schema: "linalgQr(A: Tensor, mode: string = 'reduced'): (Q: Tensor, R: Tensor)",
  backward: {
    A: (gradQ: A, gradR: A, Q: A, R: A, A: A, mode: A) => {
      h.checkQrDerivative(A.shape, mode);
      return t.qrBackward(gradQ, gradR, Q, R);
    },
  },
  method: false,
  exports: ['linalg.qr'],
  onnx: none,
});
export const qrBackward = composite({
  doc: 'Gradient of A = Q R from those of Q and R; null stands for zero.',
  schema: 'qrBackward(gradQ: Tensor?, gradR: Tensor?, Q: Tensor, R: Tensor): Tensor',
  body: (gradQ: A, gradR: A, Q: A, R: A) => {
    const k = Q.shape[-1];
    const n = R.shape[-1];
    const gR = gradR === null ? t.zerosLike(R) : gradR;
    let gQ = gradQ === null ? t.zerosLike(Q) : gradQ;
    const R1 = t.narrow(R, -1, 0, k);
    // The columns beyond the square part are R2 = Q^T A2: they add to the gradient of Q.
    if (n > k) gQ = t.add(gQ, t.matmul(Q, t.matmul(t.narrow(R, -1, k, n - k), h.mT(t.narrow(gR, -1, k, n - k)))));
    const inner = t.triu(t.sub(t.matmul(t.narrow(gR, -1, 0, k), h.mT(R1)), t.matmul(h.mT(Q), gQ)));
    const symmetric = t.add(inner, h.mT(t.triu(inner, 1)));
    const core = t.linalgSolveTriangular(h.mT(R1), t.add(gQ, t.matmul(Q, symmetric)), { upper: false, left: false });
    return n > k ? t.cat([core, t.matmul(Q, t.narrow(gR, -1, k, n - k))], -1) : core;
  },
  method: false,
  function: false,
  onnx: { none: 'derivative' },
});
export const geqrf = extern({
  doc: 'QR factors as LAPACK packs them: R in the upper triangle, reflectors below, and their scales tau.',
  schema: 'geqrf(self: Tensor): (a: Tensor, tau: Tensor)',
  nondifferentiable: 'PyTorch has no derivative of it; linalg.qr has one',
  onnx: none,
});
export const reflectorProduct = extern({
  doc: 'First columns of the product of reflectors that geqrf packs.',
  schema: 'reflectorProduct(A: Tensor, tau: Tensor): Tensor',
  nondifferentiable: 'linalg.householderProduct multiplies reflector by reflector when a gradient is wanted',
  method: false,
  function: false,
  onnx: none,
});
export const linalgHouseholderProduct = composite({
  doc: `First n columns of H_1 H_2 ... H_k with H_i = I - tau_i v_i v_i^T, v_i packed below the diagonal of A [..., m, n].${source('householder_product')}`,
  schema: 'linalgHouseholderProduct(A: Tensor, tau: Tensor): Tensor',
  body: 'linalg::householderProduct',
  method: false,
  exports: ['linalg.householderProduct'],
  onnx: none,
});
export const ormqr = extern({
  doc: 'Product of a matrix with the Q that geqrf packs (its transpose with transpose), from the left or the right.',
  schema: 'ormqr(self: Tensor, tau: Tensor, other: Tensor, left: bool = true, transpose: bool = false): Tensor',
  nondifferentiable: 'PyTorch has no derivative of it',
  onnx: none,
});
