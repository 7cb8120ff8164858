// Leading singular values of matrices too large to factor whole: a random projection finds the subspace that matters (Halko,
// Martinsson and Tropp, "Finding structure with randomness", algorithms 4.4 and 5.1), and only the small rest is factored.
import { native } from '../native.js';
import { handleOf, namedResults, optionsAmong } from './args.js';
import { randn } from './create.js';
import { dtypeName } from './dtype.js';
import { ValueError } from './errors.js';
import { wrap, type Tensor, type TensorBase } from './handle.js';

export type LowRank = [Tensor, Tensor, Tensor] & { readonly U: Tensor; readonly S: Tensor; readonly V: Tensor };
export interface LowRankOptions {
  /** Columns of the random projection: a little more than the rank that is wanted. */
  q?: number | null;
  /** Passes that sharpen the subspace. Default 2. */
  niter?: number;
}

const orthonormal = (t: Tensor): Tensor => wrap(native.ops.linalgQr(t._h, 'reduced')[0]!);

/** Orthonormal columns that span most of what A [m, n] maps to. */
function rangeOf(A: Tensor, q: number, niter: number): Tensor {
  const At = A.transpose(-2, -1);
  let Q = orthonormal(A.matmul(randn([A.shape.at(-1)!, q], { dtype: A.dtype })));
  // Every other product is with the transpose: both are made orthonormal, or the small values drown.
  for (let i = 0; i < niter; i++) Q = orthonormal(A.matmul(orthonormal(At.matmul(Q))));
  return Q;
}

function lowRank(A: Tensor, q: number, niter: number): LowRank {
  const [m, n] = [A.shape.at(-2)!, A.shape.at(-1)!];
  if (q < 0 || q > Math.min(m, n))
    throw new ValueError(`q(=${q}) must be non-negative integer and not greater than min(m, n)=${Math.min(m, n)}`);
  if (niter < 0) throw new ValueError(`niter(=${niter}) must be non-negative integer`);
  if (m < n) {
    const [U, S, V] = lowRank(A.transpose(-2, -1), q, niter);
    return namedResults(['U', 'S', 'V'], [V._h, S._h, U._h]) as unknown as LowRank;
  }
  const Q = rangeOf(A, q, niter);
  const [U, S, Vh] = native.ops.linalgSvd(Q.transpose(-2, -1).matmul(A)._h, false, null).map(wrap) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  return namedResults(['U', 'S', 'V'], [Q.matmul(U)._h, S._h, Vh.transpose(-2, -1)._h]) as unknown as LowRank;
}

function matrixOf(A: TensorBase, op: string): Tensor {
  const t = wrap(handleOf(A));
  if (t.ndim < 2)
    throw new ValueError(`${op}: the input needs at least 2 dimensions, got shape [${t.shape.join(', ')}]`);
  if (!dtypeName(native.dtype(t._h)).includes('float'))
    throw new ValueError(`${op}: the input must be floating, got ${t.dtype}`);
  return t;
}

/** Arguments by position, in the order of `names`, and the options object after them. */
function named<O extends object>(names: readonly (keyof O)[], args: readonly unknown[]): Partial<O> {
  const options = optionsAmong(...args) as Partial<O> | undefined;
  const out: Partial<O> = { ...options };
  args.forEach((a, i) => {
    if (a !== undefined && a !== options) out[names[i]!] = a as O[keyof O];
  });
  return out;
}

export interface SvdLowrankOptions extends LowRankOptions {
  /** Taken from A first. */
  M?: TensorBase | null;
}
export interface PcaLowrankOptions extends LowRankOptions {
  /** Take the column means away first. Default true. */
  center?: boolean;
}

/**
 * About A = U diag(S) V^T with q columns (6), of A - M when M is given. Random: seed with manualSeed.
 * Source: https://pytorch.org/docs/stable/generated/torch.svd_lowrank.html
 */
export function svdLowrank(
  A: TensorBase,
  q?: number | null | SvdLowrankOptions,
  niter?: number | SvdLowrankOptions,
  M?: TensorBase | null | SvdLowrankOptions,
): LowRank {
  const o = named<SvdLowrankOptions>(['q', 'niter', 'M'], [q, niter, M]);
  const t = matrixOf(A, 'svd_lowrank');
  return lowRank(o.M ? t.sub(o.M) : t, o.q ?? 6, o.niter ?? 2);
}

/**
 * Principal components of the rows of A: svdLowrank of A with its column means taken away (unless `center` is false).
 * Source: https://pytorch.org/docs/stable/generated/torch.pca_lowrank.html
 */
export function pcaLowrank(
  A: TensorBase,
  q?: number | null | PcaLowrankOptions,
  center?: boolean | PcaLowrankOptions,
  niter?: number | PcaLowrankOptions,
): LowRank {
  const o = named<PcaLowrankOptions>(['q', 'center', 'niter'], [q, center, niter]);
  const t = matrixOf(A, 'pca_lowrank');
  const rank = o.q ?? Math.min(6, t.shape.at(-2)!, t.shape.at(-1)!);
  return lowRank((o.center ?? true) ? t.sub(t.mean([-2], true)) : t, rank, o.niter ?? 2);
}
