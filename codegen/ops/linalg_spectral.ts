// Singular values and eigenvalues, and what is made of them: pseudo-inverse, rank, condition number.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Singular values and eigenvalues',
  intro: `Vectors are unique up to sign only; the gradient of a function that depends on more than that, or at equal singular values or eigenvalues, is not defined.`,
  example: `const A = fb.tensor([[3, 0], [0, 4]]);
fb.linalg.svdvals(A); // => tensor([4., 3.])
fb.linalg.eigh(A).eigenvalues; // => tensor([3., 4.])
fb.linalg.matrixRank(fb.ones(3, 3)).item(); // => 1`,
};

const none = { none: 'ONNX has no factorisations' } as const;
const source = (name: string): string =>
  `\nSource: https://pytorch.org/docs/stable/generated/torch.linalg.${name}.html`;

export const linalgSvd = extern({
  doc: `A = U diag(S) Vh with S in descending order; U and Vh are square with fullMatrices.${source('svd')}`,
  schema:
    'linalgSvd(A: Tensor, fullMatrices: bool = true, *, driver: string? = null): (U: Tensor, S: Tensor, Vh: Tensor)',
  backward: {
    A: (gradU: A, gradS: A, gradVh: A, U: A, S: A, Vh: A) => {
      const k = S.shape[-1];
      return t.svdBackward(
        gradU === null ? null : t.narrow(gradU, -1, 0, k),
        gradS,
        gradVh === null ? null : t.narrow(gradVh, -2, 0, k),
        t.narrow(U, -1, 0, k),
        S,
        t.narrow(Vh, -2, 0, k),
      );
    },
  },
  method: false,
  exports: ['linalg.svd'],
  onnx: none,
});
export const svdBackward = composite({
  doc: 'Gradient of the reduced A = U diag(S) Vh from those of U, S and Vh; null stands for zero.',
  schema: 'svdBackward(gradU: Tensor?, gradS: Tensor?, gradVh: Tensor?, U: Tensor, S: Tensor, Vh: Tensor): Tensor',
  body: (gradU: A, gradS: A, gradVh: A, U: A, S: A, Vh: A) => {
    if (gradU === null && gradVh === null) {
      if (gradS === null) return t.zerosLike(t.matmul(U, Vh));
      return t.matmul(t.mul(U, t.unsqueeze(gradS, -2)), Vh);
    }
    const k = S.shape[-1];
    const row = t.unsqueeze(S, -2);
    const column = t.unsqueeze(S, -1);
    // Squares of the singular values differ by this; equal ones leave the vectors undefined and the gradient with them.
    const gap = t.add(t.mul(t.sub(row, column), t.add(row, column)), h.identityLike(S, k));
    let inner = gradS === null ? t.zerosLike(gap) : h.diagMatrix(gradS);
    if (gradU !== null) {
      const turn = t.matmul(h.mT(U), gradU);
      inner = t.add(inner, t.mul(t.div(t.sub(turn, h.mT(turn)), gap), row));
    }
    if (gradVh !== null) {
      const turn = t.matmul(Vh, h.mT(gradVh));
      inner = t.add(inner, t.mul(t.div(t.sub(turn, h.mT(turn)), gap), column));
    }
    let left = t.matmul(U, inner);
    if (gradU !== null && U.shape[-2] > k)
      left = t.add(left, t.div(t.sub(gradU, t.matmul(U, t.matmul(h.mT(U), gradU))), row));
    let out = t.matmul(left, Vh);
    if (gradVh !== null && Vh.shape[-1] > k) {
      const rest = t.sub(gradVh, t.matmul(t.matmul(gradVh, h.mT(Vh)), Vh));
      out = t.add(out, t.matmul(U, t.div(rest, column)));
    }
    return out;
  },
  method: false,
  function: false,
  onnx: { none: 'derivative' },
});
export const linalgSvdvals = extern({
  doc: `Singular values in descending order.${source('svdvals')}`,
  schema: 'linalgSvdvals(A: Tensor, *, driver: string? = null): Tensor',
  backward: {
    A: (grad: A, A: A) => {
      const [U, _S, Vh] = t.linalgSvd(A, false);
      return t.matmul(t.mul(U, t.unsqueeze(grad, -2)), Vh);
    },
  },
  method: false,
  exports: ['linalg.svdvals'],
  onnx: none,
});
export const linalgEigh = extern({
  doc: `Eigenvalues (ascending) and orthonormal eigenvectors (columns) of symmetric matrices, of which one triangle is read.${source('eigh')}`,
  schema: "linalgEigh(self: Tensor, UPLO: string = 'L'): (eigenvalues: Tensor, eigenvectors: Tensor)",
  backward: {
    self: (gradEigenvalues: A, gradEigenvectors: A, eigenvalues: A, eigenvectors: A) => {
      const V = eigenvectors;
      if (gradEigenvectors === null) return t.matmul(t.mul(V, t.unsqueeze(gradEigenvalues, -2)), h.mT(V));
      const one = h.identityLike(V, V.shape[-1]);
      const gap = t.add(t.sub(t.unsqueeze(eigenvalues, -2), t.unsqueeze(eigenvalues, -1)), one);
      const turn = t.div(t.matmul(h.mT(V), gradEigenvectors), gap);
      const diagonal = gradEigenvalues === null ? t.zerosLike(turn) : h.diagMatrix(gradEigenvalues);
      const inner = t.add(t.where(t.eq(one, 1), 0, turn), diagonal);
      return t.matmul(t.matmul(V, inner), h.mT(V));
    },
  },
  method: false,
  exports: ['linalg.eigh'],
  onnx: none,
});
export const linalgEigvalsh = extern({
  doc: `Eigenvalues (ascending) of symmetric matrices, of which one triangle is read.${source('eigvalsh')}`,
  schema: "linalgEigvalsh(self: Tensor, UPLO: string = 'L'): Tensor",
  backward: {
    self: (grad: A, self: A, UPLO: A) => {
      const [_L, V] = t.linalgEigh(self, UPLO);
      return t.matmul(t.mul(V, t.unsqueeze(grad, -2)), h.mT(V));
    },
  },
  method: false,
  exports: ['linalg.eigvalsh'],
  onnx: none,
});
export const linalgPinv = composite({
  doc: `Pseudo-inverse; singular values up to max(atol, rtol * largest) count as zero. JavaScript: linalg.pinv takes numbers too.${source('pinv')}`,
  schema: 'linalgPinv(A: Tensor, *, atol: Tensor? = null, rtol: Tensor? = null, hermitian: bool = false): Tensor',
  body: (A: A, atol: A, rtol: A, hermitian: A) => {
    if (hermitian) {
      const [L, V] = t.linalgEigh(A);
      const size = t.abs(L);
      const inverted = t.where(t.gt(size, h.rankTolerance(size, A, atol, rtol)), t.reciprocal(L), 0);
      return t.matmul(t.mul(V, t.unsqueeze(inverted, -2)), h.mT(V));
    }
    const [U, S, Vh] = t.linalgSvd(A, false);
    const inverted = t.where(t.gt(S, h.rankTolerance(S, A, atol, rtol)), t.reciprocal(S), 0);
    return t.matmul(t.mul(h.mT(Vh), t.unsqueeze(inverted, -2)), h.mT(U));
  },
  backward: { A: (grad: A, A: A, out: A) => t.pinvBackward(grad, out, A) },
  method: false,
  function: false,
  onnx: none,
});
export const pinvBackward = composite({
  doc: 'Gradient of A from that of its pseudo-inverse P, where the rank stays.',
  schema: 'pinvBackward(grad: Tensor, P: Tensor, A: Tensor): Tensor',
  body: (grad: A, P: A, A: A) => {
    const g = h.mT(grad);
    const PT = h.mT(P);
    const inside = h.mT(t.matmul(t.matmul(P, g), P));
    const columns = t.matmul(t.matmul(t.sub(g, t.matmul(A, t.matmul(P, g))), P), PT);
    const rows = t.matmul(PT, t.matmul(P, t.sub(g, t.matmul(t.matmul(g, P), A))));
    return t.add(t.sub(columns, inside), rows);
  },
  method: false,
  function: false,
  onnx: { none: 'derivative' },
});
export const linalgMatrixRank = composite({
  doc: `Number of singular values above max(atol, rtol * largest), int64. JavaScript: linalg.matrixRank takes numbers too.${source('matrix_rank')}`,
  schema: 'linalgMatrixRank(A: Tensor, *, atol: Tensor? = null, rtol: Tensor? = null, hermitian: bool = false): Tensor',
  body: (A: A, atol: A, rtol: A, hermitian: A) => {
    const S = hermitian ? t.abs(t.linalgEigvalsh(A)) : t.linalgSvdvals(A);
    return t.sum(t.gt(S, h.rankTolerance(S, A, atol, rtol)), [-1]);
  },
  method: false,
  function: false,
  onnx: none,
});
export const linalgCond = composite({
  doc: `Condition number in the norm p (2 when null: the largest over the smallest singular value); infinite for singular matrices. JavaScript: linalg.cond also takes 'fro' and 'nuc'.${source('cond')}`,
  schema: 'linalgCond(self: Tensor, p: float? = null): Tensor',
  body: (self: A, p: A) => {
    if (p === null || p === 2 || p === -2) {
      const S = t.linalgSvdvals(self);
      const largest = t.select(S, -1, 0);
      const smallest = t.select(S, -1, -1);
      return p === null || p === 2 ? t.div(largest, smallest) : t.div(smallest, largest);
    }
    return t.mul(t.linalgMatrixNorm(self, p), t.linalgMatrixNorm(h.inverseOrInfinity(self), p));
  },
  method: false,
  function: false,
  onnx: none,
});
export const linalgCondNamed = composite({
  doc: "Condition number in the Frobenius ('fro') or nuclear ('nuc') norm.",
  schema: 'linalgCondNamed(self: Tensor, p: string): Tensor',
  body: (self: A, p: A) =>
    t.mul(t.linalgMatrixNormNamed(self, p), t.linalgMatrixNormNamed(h.inverseOrInfinity(self), p)),
  method: false,
  function: false,
  onnx: none,
});
