// Orthogonal matrices as a parametrization.
import { cat, geqrf, zerosLike } from '../../../generated/ts/functions.js';
import * as linalg from '../../../generated/ts/linalg.js';
import { eye, randn } from '../../tensor/create.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { settings, type Rest } from '../args.js';
import { Module } from '../module.js';
import { weightOf } from './parametrizations.js';
import { NotInvertible, registerParametrization } from './parametrize.js';

type OrthogonalMap = 'matrix_exp' | 'matrixExp' | 'cayley' | 'householder';

class _Orthogonal extends Module {
  declare base: Tensor | null;
  constructor(
    private readonly map: OrthogonalMap,
    private readonly trivialize: boolean,
  ) {
    super();
    if (trivialize) this.registerBuffer('base', null);
  }
  override forward(x: Tensor): Tensor {
    const wide = x.shape.at(-2)! < x.shape.at(-1)!;
    const tall = wide ? x.mT : x;
    const [n, k] = tall.shape.slice(-2) as [number, number];
    let q: Tensor;
    if (this.map === 'householder') {
      const a = tall.tril(-1);
      const tau = a.square().sum(-2).add(1).reciprocal().mul(2);
      q = linalg.householderProduct(a, tau).mul(tall.diagonal(0, -2, -1).trunc().unsqueeze(-2));
    } else {
      let lower = tall.tril();
      if (n !== k) lower = cat([lower, lower.newZeros([...lower.shape.slice(0, -1), n - k])], -1);
      const a = lower.sub(lower.mT);
      if (this.map === 'cayley') {
        const id = eye(n, { dtype: x.dtype });
        q = linalg.solve(id.sub(a.mul(0.5)), id.add(a.mul(0.5)));
      } else q = linalg.matrixExp(a);
      if (n !== k) q = q.narrow(-1, 0, k);
    }
    if (this.trivialize && this.base !== null) q = this.base.matmul(q);
    return wide ? q.mT : q;
  }
  rightInverse(value: Tensor): Tensor {
    const wide = value.shape.at(-2)! < value.shape.at(-1)!;
    let q = wide ? value.mT : value;
    const [n, k] = q.shape.slice(-2) as [number, number];
    if (!this.trivialize) {
      if (this.map !== 'householder') {
        throw new NotInvertible(
          'It is not possible to assign to the matrix exponential or the Cayley parametrizations when use_trivialization is false.',
        );
      }
      const [a, tau] = geqrf(q);
      const diagonal = a.diagonal(0, -2, -1);
      diagonal.copy_(diagonal.sign().mul(tau.eq(0).to(a.dtype).mul(-2).add(1)));
      return wide ? a.mT : a;
    }
    if (n !== k) {
      const more = randn([...q.shape.slice(0, -1), n - k], { dtype: q.dtype });
      q = makeOrthogonal(cat([q, more], -1));
    } else q = isOrthogonal(q) ? q.clone() : makeOrthogonal(q);
    this.base = q;
    const start = zerosLike(value);
    start.diagonal(0, -2, -1).fill_(-1);
    return start;
  }
}
/** The nearest choice of a basis: Q of a QR decomposition whose R has a positive diagonal. */
function makeOrthogonal(a: Tensor): Tensor {
  const [q, r] = linalg.qr(a);
  return q.mul(r.diagonal(0, -2, -1).sign().unsqueeze(-2));
}
function isOrthogonal(q: Tensor): boolean {
  const id = eye(q.shape.at(-1)!, { dtype: q.dtype });
  const eps = 10 * q.shape.at(-2)! * (q.dtype === 'float64' ? 2 ** -52 : 2 ** -23);
  return q.mT.matmul(q).allclose(id.expand(q.shape), { atol: eps });
}

/** Keeps a matrix orthogonal (its columns, or rows where there are more columns). */
export function orthogonal<M extends Module>(
  module: M,
  ...rest: Rest<
    [name: string, orthogonalMap: OrthogonalMap | null],
    { name?: string; orthogonalMap?: OrthogonalMap | null; useTrivialization?: boolean }
  >
): M {
  const o = settings<{ name?: string; orthogonalMap?: OrthogonalMap | null; useTrivialization?: boolean }>(
    'orthogonal',
    rest,
    { name: 'weight', orthogonalMap: null, useTrivialization: true },
  );
  const weight = weightOf(module, o.name);
  if (weight.ndim < 2)
    throw new ShapeError(`Expected a matrix or batch of matrices. Got a tensor of ${weight.ndim} dimensions.`);
  const map = o.orthogonalMap ?? (weight.shape.at(-2) === weight.shape.at(-1) ? 'matrix_exp' : 'householder');
  if (!['matrix_exp', 'matrixExp', 'cayley', 'householder'].includes(map))
    throw new ValueError(`orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: ${map}`);
  return registerParametrization(module, o.name, new _Orthogonal(map, o.useTrivialization), { unsafe: true });
}
