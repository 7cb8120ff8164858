// Factorisations: what they multiply to, first and second derivatives against difference quotients, and the errors.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const { linalg } = fb;
const f64 = { dtype: 'float64' } as const;
const matrix = (...shape: number[]): Tensor => fb.randn(shape, f64);
const close = (a: Tensor, b: Tensor, atol = 1e-9): void => {
  expect(a.shape).toEqual(b.shape);
  expect(a.sub(b).abs().amax().item()).toBeLessThan(atol);
};
/** Symmetric with eigenvalues well apart and positive. */
const positive = (...shape: number[]): Tensor => {
  const a = matrix(...shape);
  const n = shape.at(-1)!;
  return a
    .matmul(a.mT)
    .mul(0.1)
    .add(fb.arange(1, n + 1, f64).mul(fb.eye(n, f64)));
};

describe('factors multiply to the matrix, batches and empty ones included', () => {
  fb.manualSeed(1);
  const shapes = [
    [4, 4],
    [5, 3],
    [3, 5],
    [2, 3, 4, 2],
    [0, 3, 2],
    [0, 0],
    [3, 0],
  ];
  test.each(shapes.map((s) => [s]))('%j', (shape) => {
    const A = matrix(...shape);
    const [P, L, U] = linalg.lu(A);
    if (A.numel() > 0) close(P.matmul(L).matmul(U), A);
    const [Q, R] = linalg.qr(A);
    const [u, s, vh] = linalg.svd(A, false);
    expect(u.shape.at(-1)).toBe(Math.min(shape.at(-1)!, shape.at(-2)!));
    if (A.numel() === 0) return;
    close(Q.matmul(R), A);
    close(u.mul(s.unsqueeze(-2)).matmul(vh), A);
    const [full, , fullVh] = linalg.svd(A);
    close(full.mT.matmul(full), fb.eye(full.shape.at(-1)!, f64).expand(full.shape));
    close(fullVh.matmul(fullVh.mT), fb.eye(fullVh.shape.at(-1)!, f64).expand(fullVh.shape));
  });
  test('symmetric matrices', () => {
    const A = positive(3, 4, 4);
    const [L, V] = linalg.eigh(A);
    close(V.mul(L.unsqueeze(-2)).matmul(V.mT), A);
    close(linalg.eigvalsh(A, { UPLO: 'U' }), L);
    const lower = linalg.cholesky(A);
    close(lower.matmul(lower.mT), A);
    close(linalg.cholesky(A, { upper: true }), lower.mT);
    const [LD, pivots] = linalg.ldlFactor(A);
    close(linalg.ldlSolve(LD, pivots, A), fb.eye(4, f64).expand([3, 4, 4]));
  });
});

describe('first and second derivatives agree with difference quotients', () => {
  fb.manualSeed(2);
  const square = positive(3, 3);
  const tall = matrix(4, 3);
  const wide = matrix(2, 4);
  const cases: [string, (...x: Tensor[]) => Tensor | Tensor[], Tensor[]][] = [
    ['inv', (a) => linalg.inv(a!), [square]],
    ['solve', (a, b) => linalg.solve(a!, b!), [square, matrix(2, 3, 2)]],
    ['solve from the right', (a, b) => linalg.solve(a!, b!, { left: false }), [square, matrix(2, 3)]],
    ['solveTriangular', (a, b) => linalg.solveTriangular(a!, b!, true), [square, matrix(3, 2)]],
    ['det', (a) => linalg.det(a!), [matrix(2, 3, 3)]],
    ['slogdet', (a) => linalg.slogdet(a!)[1], [square]],
    ['cholesky', (a) => linalg.cholesky(a!.add(a!.mT)), [square]],
    ['lu, square', (a) => [...linalg.lu(a!)].slice(1), [square]],
    ['lu, tall', (a) => [...linalg.lu(a!)].slice(1), [tall]],
    ['lu, wide', (a) => [...linalg.lu(a!)].slice(1), [wide]],
    ['luSolve', (a, b) => fb.luSolve(b!, linalg.luFactor(a!).LU, linalg.luFactor(a!).pivots), [square, matrix(3, 1)]],
    ['qr, tall', (a) => [...linalg.qr(a!)], [tall]],
    ['qr, wide', (a) => [...linalg.qr(a!)], [wide]],
    [
      'svd, tall',
      (a) => {
        const [u, s, v] = linalg.svd(a!, false);
        return [u.abs(), s, v.abs()];
      },
      [tall],
    ],
    [
      'svd, wide',
      (a) => {
        const [u, s, v] = linalg.svd(a!, false);
        return [u.abs(), s, v.abs()];
      },
      [wide],
    ],
    ['svdvals', (a) => linalg.svdvals(a!), [tall]],
    [
      'eigh',
      (a) => {
        const [l, v] = linalg.eigh(a!.add(a!.mT));
        return [l, v.abs()];
      },
      [square],
    ],
    ['pinv', (a) => linalg.pinv(a!), [tall]],
    ['lstsq', (a, b) => linalg.lstsq(a!, b!)[0], [tall, matrix(4, 2)]],
    ['matrixExp', (a) => linalg.matrixExp(a!), [matrix(2, 2)]],
    ['matrixPower', (a) => linalg.matrixPower(a!, -3), [square]],
    ['householderProduct', (a, tau) => linalg.householderProduct(a!, tau!), [tall, matrix(3)]],
    ['norm of order 3', (a) => linalg.vectorNorm(a!, 3), [tall]],
    ['nuclear norm', (a) => linalg.matrixNorm(a!, 'nuc'), [wide]],
    ['cond', (a) => linalg.cond(a!), [square]],
  ];
  test.each(cases)('%s', (_, f, inputs) => {
    const leaves = inputs.map((t) => t.clone().requiresGrad_());
    expect(fb.autograd.gradcheck(f as never, leaves, { atol: 1e-4, rtol: 1e-3 })).toBe(true);
    expect(fb.autograd.gradgradcheck(f as never, leaves, null as never, { atol: 1e-3, rtol: 1e-2 } as never)).toBe(
      true,
    );
  });
});

describe('the gradient of a determinant is that of its cofactors', () => {
  test('also where the matrix is singular', () => {
    const a = fb.tensor(
      [
        [1, 2],
        [2, 4],
      ],
      { ...f64, requiresGrad: true },
    );
    linalg.det(a).backward();
    close(
      a.grad!,
      fb.tensor(
        [
          [4, -2],
          [-2, 1],
        ],
        f64,
      ),
    );
  });
});

describe('errors', () => {
  const singular = fb.tensor(
    [
      [1, 2],
      [2, 4],
    ],
    f64,
  );
  test('a singular matrix is a LinAlgError that says which and why', () => {
    for (const f of [() => linalg.inv(singular), () => linalg.solve(singular, singular)]) {
      expect(f).toThrow(/singular/);
      expect(f).toThrow(linalg.LinAlgError);
    }
    expect(() => linalg.inv(fb.stack([fb.eye(2, f64), singular]))).toThrow(
      /\(Batch element 1\).*diagonal element 2 is zero/,
    );
    expect(linalg.invEx(singular).info.item()).toBe(2);
    expect(() => linalg.cholesky(singular.neg())).toThrow(/leading minor of order 1 is not positive-definite/);
  });
  test('wrong shapes and dtypes', () => {
    expect(() => linalg.inv(matrix(2, 3))).toThrow(/must be batches of square matrices, but they are 2 by 3 matrices/);
    expect(() => linalg.det(fb.ones(3))).toThrow(/must have at least 2 dimensions/);
    expect(() => linalg.svd(fb.ones(2, 2).half())).toThrow(/Low precision dtypes not supported. Got Half/);
    expect(() => linalg.qr(fb.ones([2, 2], { dtype: 'int64' }))).toThrow(/Expected a floating point.*Got Long/);
    expect(() => linalg.solve(matrix(2, 2), matrix(3, 1))).toThrow(/Incompatible shapes/);
    expect(() => linalg.matrixNorm(matrix(2, 2), 3)).toThrow(/Order 3 not supported/);
    expect(() => linalg.svd(fb.full([2, 2], NaN, f64))).toThrow(/non-finite/);
    expect(linalg.LinAlgError.prototype instanceof Error && !(new Error('x') instanceof linalg.LinAlgError)).toBe(true);
  });
});

test('a batch gives the same as its matrices one by one', () => {
  fb.manualSeed(3);
  const A = fb.randn([40, 12, 12]);
  const inverse = linalg.inv(A);
  const S = linalg.svdvals(A);
  for (const i of [0, 17, 39]) {
    expect(inverse.select(0, i).equal(linalg.inv(A.select(0, i)))).toBe(true);
    expect(S.select(0, i).equal(linalg.svdvals(A.select(0, i)))).toBe(true);
  }
});

test('what LAPACK itself rejects is an error too, not the end of the process', () => {
  const endless = fb.full([3, 3], Infinity);
  expect(() => linalg.lstsq(endless, fb.ones(3, 2), { driver: 'gelsd' })).toThrow(/linalg\.lstsq.*non-finite/);
  expect(() => linalg.lstsq(endless, fb.ones(3, 2), { driver: 'gelss' })).toThrow(/linalg\.lstsq/);
  const { LD } = linalg.ldlFactor(positive(3, 3));
  for (const pivots of [
    [1, 2, 9],
    [0, 1, 2],
    [1, 2, -3],
  ])
    expect(() => linalg.ldlSolve(LD, fb.tensor(pivots, { dtype: 'int32' }), matrix(3, 1))).toThrow(/pivots/);
});
