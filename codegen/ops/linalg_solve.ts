// Linear systems, inverses, determinants, least squares, the matrix exponential.
import { composite, extern, type Page } from '../model.js';
import { h, ShapeError, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Linear systems',
  intro: `Batches of A and B are broadcast against each other. A singular matrix is a \`linalg.LinAlgError\` that names the matrix of the batch.`,
  example: `const A = fb.tensor([[2, 0], [0, 4]]);
fb.linalg.solve(A, fb.tensor([2, 8])); // => tensor([1., 2.])
fb.linalg.det(A).item(); // => 8
fb.linalg.inv(fb.ones(2, 2)); // => throws linalg.inv: The diagonal element 2 is zero, the inversion could not be completed because the input matrix is singular.`,
};

const none = { none: 'ONNX solves no systems' } as const;
const source = (name: string): string =>
  `\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.${name}.html`;

export const solveSystems = extern({
  doc: 'Solutions of A X = B for batches of one shape, and the first zero pivot of each A (0: none).',
  schema: 'solveSystems(A: Tensor, B: Tensor, checkErrors: bool): (X: Tensor, info: Tensor)',
  backward: {
    A: (grad: A, A: A, X: A) => t.neg(t.matmul(t.linalgSolve(h.mT(A), grad), h.mT(X))),
    B: (grad: A, A: A) => t.linalgSolve(h.mT(A), grad),
  },
  method: false,
  function: false,
  onnx: none,
});
export const linalgSolveEx = composite({
  doc: `Solution of A X = B (X A = B with left: false) without an error for singular matrices, and the first zero pivot of each.${source('solve_ex')}`,
  schema:
    'linalgSolveEx(A: Tensor, B: Tensor, *, left: bool = true, checkErrors: bool = false): (result: Tensor, info: Tensor)',
  body: (A: A, B: A, left: A, checkErrors: A) => {
    const vector = h.isVectorSide(A, B);
    if (vector && !left)
      throw new ShapeError(
        'linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)',
      );
    const both = h.systemList(A, vector ? t.unsqueeze(B, -1) : B, left, 'linalg.solve');
    const [X, info] = t.solveSystems(left ? both[0] : h.mT(both[0]), left ? both[1] : h.mT(both[1]), checkErrors);
    if (vector) return [t.squeeze(X, [-1]), info];
    return [left ? X : h.mT(X), info];
  },
  method: false,
  exports: ['linalg.solveEx'],
  onnx: none,
});
export const linalgSolve = composite({
  doc: `Solution of A X = B, or X A = B with left: false; B may be a vector. LinAlgError when A is singular.${source('solve')}`,
  schema: 'linalgSolve(A: Tensor, B: Tensor, *, left: bool = true): Tensor',
  body: (A: A, B: A, left: A) => {
    const [X, _info] = t.linalgSolveEx(A, B, { left, checkErrors: true });
    return X;
  },
  method: false,
  exports: ['linalg.solve'],
  onnx: none,
});
export const solveTriangular = extern({
  doc: 'Solutions of triangular systems for batches of one shape.',
  schema: 'solveTriangular(A: Tensor, B: Tensor, upper: bool, left: bool, unitriangular: bool): Tensor',
  backward: {
    A: (grad: A, A: A, out: A, upper: A, left: A, unitriangular: A) => {
      const g = t.solveTriangular(h.mT(A), grad, !upper, left, unitriangular);
      const gA = t.neg(left ? t.matmul(g, h.mT(out)) : t.matmul(h.mT(out), g));
      return upper ? t.triu(gA, unitriangular ? 1 : 0) : t.tril(gA, unitriangular ? -1 : 0);
    },
    B: (grad: A, A: A, upper: A, left: A, unitriangular: A) =>
      t.solveTriangular(h.mT(A), grad, !upper, left, unitriangular),
  },
  method: false,
  function: false,
  onnx: none,
});
export const linalgSolveTriangular = composite({
  doc: `Solution of A X = B (X A = B with left: false) for triangular A; with unitriangular its diagonal counts as ones.${source('solve_triangular')}`,
  schema:
    'linalgSolveTriangular(self: Tensor, B: Tensor, upper: bool, *, left: bool = true, unitriangular: bool = false): Tensor',
  body: (self: A, B: A, upper: A, left: A, unitriangular: A) => {
    const both = h.systemList(self, B, left, 'linalg.solve_triangular');
    return t.solveTriangular(both[0], both[1], upper, left, unitriangular);
  },
  method: false,
  exports: ['linalg.solveTriangular'],
  onnx: none,
});
export const linalgLuSolve = composite({
  doc: `Solution of A X = B, X A = B (left: false) or with A^T (adjoint) from what linalg.luFactor returns.${source('lu_solve')}`,
  schema: 'linalgLuSolve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = true, adjoint: bool = false): Tensor',
  body: (LU: A, pivots: A, B: A, left: A, adjoint: A) => {
    const both = h.systemList(LU, B, left, 'linalg.lu_solve');
    const P = h.expandedLike2(t.luPermutation(pivots, LU.shape[-1], LU.dtype), both[0]);
    // X A = B is A^T X^T = B^T.
    const rhs = left ? both[1] : h.mT(both[1]);
    let X = rhs;
    if (adjoint === left) {
      X = t.solveTriangular(h.mT(both[0]), X, false, true, false);
      X = t.solveTriangular(h.mT(both[0]), X, true, true, true);
      X = t.matmul(P, X);
    } else {
      X = t.matmul(h.mT(P), X);
      X = t.solveTriangular(both[0], X, false, true, true);
      X = t.solveTriangular(both[0], X, true, true, false);
    }
    return left ? X : h.mT(X);
  },
  method: false,
  exports: ['linalg.luSolve'],
  onnx: none,
});
export const linalgInvEx = extern({
  doc: `Inverses of square matrices without an error for singular ones, and the first zero pivot of each (0: none).${source('inv_ex')}`,
  schema: 'linalgInvEx(A: Tensor, *, checkErrors: bool = false): (inverse: Tensor, info: Tensor)',
  backward: {
    A: (grad: A, inverse: A) => t.neg(t.matmul(t.matmul(h.mT(inverse), grad), h.mT(inverse))),
  },
  method: false,
  exports: ['linalg.invEx'],
  onnx: none,
});
export const linalgInv = composite({
  doc: `Inverses of square matrices; LinAlgError when one is singular.${source('inv')}`,
  schema: 'linalgInv(A: Tensor): Tensor',
  body: (A: A) => {
    const [inverse, _info] = t.linalgInvEx(A, { checkErrors: true });
    return inverse;
  },
  method: false,
  exports: ['linalg.inv'],
  onnx: none,
});
export const linalgDet = extern({
  doc: `Determinants of square matrices.${source('det')}`,
  schema: 'linalgDet(A: Tensor): Tensor',
  backward: { A: (grad: A, A: A) => t.mul(h.perMatrix(grad), t.detCofactors(A)) },
  method: false,
  exports: ['linalg.det'],
  onnx: { op: 'Det', since: 11 },
});
export const detCofactors = extern({
  doc: 'Cofactors of square matrices, the gradient of their determinant: det(A) A^-T, and its limit where A is singular.',
  schema: 'detCofactors(A: Tensor): Tensor',
  backward: { A: (grad: A, A: A) => t.detCofactorsAlong(grad, A) },
  method: false,
  function: false,
  onnx: { none: 'derivative' },
});
export const detCofactorsAlong = extern({
  doc: 'How the cofactors of square matrices change along a direction: the second derivative of the determinant, for singular matrices too.',
  schema: 'detCofactorsAlong(direction: Tensor, A: Tensor): Tensor',
  backward: {
    direction: (grad: A, A: A) => t.detCofactorsAlong(grad, A),
    // det(A) (tr(P D) tr(P G) - tr(P D P G)) with P = A^-1: of matrices that have one.
    A: (grad: A, direction: A, A: A) => {
      const [P, _info] = t.linalgInvEx(A);
      const PD = t.matmul(P, direction);
      const PG = t.matmul(P, grad);
      const DG = t.matmul(PD, PG);
      const GD = t.matmul(PG, PD);
      const d = h.perMatrix(t.sum(t.diagonal(PD, 0, -2, -1), [-1]));
      const g = h.perMatrix(t.sum(t.diagonal(PG, 0, -2, -1), [-1]));
      const dg = h.perMatrix(t.sum(t.diagonal(DG, 0, -2, -1), [-1]));
      const changes = t.sub(t.add(DG, GD), t.add(t.mul(PD, g), t.mul(PG, d)));
      const inner = t.add(t.matmul(changes, P), t.mul(P, t.sub(t.mul(d, g), dg)));
      return t.mul(h.perMatrix(t.linalgDet(A)), h.mT(inner));
    },
  },
  method: false,
  function: false,
  onnx: { none: 'derivative' },
});
export const linalgSlogdet = extern({
  doc: `Sign of the determinant and logarithm of its absolute value (0 and -inf for singular matrices).${source('slogdet')}`,
  schema: 'linalgSlogdet(A: Tensor): (sign: Tensor, logabsdet: Tensor)',
  backward: {
    A: (gradLogabsdet: A, A: A) => {
      if (gradLogabsdet === null) return null;
      const [inverse, _info] = t.linalgInvEx(A);
      return t.mul(h.perMatrix(gradLogabsdet), h.mT(inverse));
    },
  },
  method: false,
  exports: ['linalg.slogdet'],
  onnx: none,
});
export const lstsqSystems = extern({
  doc: 'Least-squares solutions for batches of one shape: solution, residuals, rank, singular values (each empty where the driver has none).',
  schema:
    'lstsqSystems(A: Tensor, B: Tensor, rcond: float?, driver: string): (solution: Tensor, residuals: Tensor, rank: Tensor, singularValues: Tensor)',
  backward: {
    A: (gradSolution: A, A: A, B: A) =>
      gradSolution === null ? null : t.pinvBackward(t.matmul(gradSolution, h.mT(B)), t.linalgPinv(A), A),
    B: (gradSolution: A, A: A) => (gradSolution === null ? null : t.matmul(h.mT(t.linalgPinv(A)), gradSolution)),
  },
  method: false,
  function: false,
  onnx: none,
});
export const linalgLstsq = composite({
  doc: `X that makes the Frobenius norm of A X - B smallest. driver: 'gels' (A has full rank), 'gelsy' (the default), 'gelsd', 'gelss'.${source('lstsq')}`,
  schema:
    'linalgLstsq(self: Tensor, B: Tensor, rcond: float? = null, *, driver: string? = null): (solution: Tensor, residuals: Tensor, rank: Tensor, singularValues: Tensor)',
  body: 'linalg::lstsq',
  method: false,
  exports: ['linalg.lstsq'],
  onnx: none,
});
export const matrixExp = extern({
  doc: 'Exponential of square matrices, the sum of A^k / k!.',
  schema: 'matrixExp(self: Tensor): Tensor',
  backward: {
    // exp of [[A^T, G], [0, A^T]] holds the derivative of exp at A^T in the direction G in its upper right block.
    self: (grad: A, self: A) => {
      const n = self.shape[-1];
      const turned = h.mT(self);
      const top = t.cat([turned, grad], -1);
      const bottom = t.cat([t.zerosLike(turned), turned], -1);
      return h.block(t.matrixExp(t.cat([top, bottom], -2)), 0, n, n, n);
    },
  },
  exports: ['matrixExp', 'linalg.matrixExp'],
  onnx: { none: 'ONNX has no matrix exponential' },
});
export const linalgTensorinv = composite({
  doc: `Inverse for tensordot: sizes before ind multiply to those after it.${source('tensorinv')}`,
  schema: 'linalgTensorinv(self: Tensor, ind: int = 2): Tensor',
  body: 'linalg::tensorinv',
  method: false,
  exports: ['linalg.tensorinv'],
  onnx: none,
});
export const linalgTensorsolve = composite({
  doc: `Solution X of tensordot(A, X) = B; dims of A are moved to its end first.${source('tensorsolve')}`,
  schema: 'linalgTensorsolve(self: Tensor, B: Tensor, dims: int[]? = null): Tensor',
  body: 'linalg::tensorsolve',
  method: false,
  exports: ['linalg.tensorsolve'],
  onnx: none,
});
