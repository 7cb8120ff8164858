// linalg: linear algebra. Source: https://pytorch.org/docs/stable/linalg.html
// The generated functions, and here those whose arguments have several types: the order of a norm is a number or a name, a
// tolerance a number or a tensor.
import type { NumberArg } from '../generated/ts/native-ops.js';
import { native } from './native.js';
import { handleOf, intsOf, optDtypeCode, optIntsOf, optionsAmong } from './tensor/args.js';
import type { DType } from './tensor/dtype.js';
import { ShapeError, ValueError } from './tensor/errors.js';
import { TensorBase, wrap, type Handle, type Tensor } from './tensor/handle.js';

export * from '../generated/ts/linalg.js';
export { LinAlgError } from './tensor/errors.js';

/** Order of a norm: a number (Infinity, -Infinity too), 'fro' or 'nuc'. */
export type NormOrder = NumberArg | 'fro' | 'nuc';
export interface NormOptions {
  dim?: number | readonly number[] | null;
  keepdim?: boolean;
  dtype?: DType | null;
}

const numberOf = (x: NumberArg): number => Number(typeof x === 'object' ? x.value : x);

/** Arguments that may be positional or in one options object at the end. */
function merged<T extends object>(names: readonly (keyof T & string)[], args: readonly unknown[]): Partial<T> {
  const options = optionsAmong(...args.filter((a) => !(typeof a === 'object' && a !== null && 'value' in a)));
  const out: Record<string, unknown> = { ...(options as object | undefined) };
  args.forEach((a, i) => {
    if (a !== undefined && a !== options) out[names[i]!] = a;
  });
  return out as Partial<T>;
}

function matrixNormOf(
  A: TensorBase,
  ord: NormOrder,
  dim: readonly number[],
  keepdim: boolean,
  dtype: DType | null,
): Tensor {
  const code = optDtypeCode(dtype);
  return typeof ord === 'string'
    ? wrap(native.ops.linalgMatrixNormNamed(handleOf(A), ord, dim, keepdim, code))
    : wrap(native.ops.linalgMatrixNorm(handleOf(A), numberOf(ord), dim, keepdim, code));
}

type MatrixNormArgs = NormOptions & { ord?: NormOrder };
/**
 * Norm of matrices: 'fro' (default), 'nuc', 1, -1, Infinity, -Infinity, 2, -2, over two dimensions (the last two).
 * Source: https://pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html
 */
export function matrixNorm(
  A: TensorBase,
  ord?: NormOrder | MatrixNormArgs,
  dim?: readonly number[] | NormOptions,
  keepdim?: boolean | NormOptions,
  options?: NormOptions,
): Tensor {
  const o = merged<MatrixNormArgs>(['ord', 'dim', 'keepdim', 'dtype'], [ord, dim, keepdim, options]);
  return matrixNormOf(A, o.ord ?? 'fro', intsOf(o.dim ?? [-2, -1]), o.keepdim ?? false, o.dtype ?? null);
}

type NormArgs = NormOptions & { ord?: NormOrder | null };
/**
 * Vector or matrix norm. Without `ord` the 2-norm of all elements or over `dim`; with it a vector norm of 1-d inputs or over
 * one dimension, a matrix norm of 2-d inputs or over two.
 * Source: https://pytorch.org/docs/stable/generated/torch.linalg.norm.html
 */
export function norm(
  A: TensorBase,
  ord?: NormOrder | null | NormArgs,
  dim?: number | readonly number[] | null | NormOptions,
  keepdim?: boolean | NormOptions,
  options?: NormOptions,
): Tensor {
  const o = merged<NormArgs>(['ord', 'dim', 'keepdim', 'dtype'], [ord, dim, keepdim, options]);
  const over = optIntsOf(o.dim ?? null);
  const keep = o.keepdim ?? false;
  const dtype = o.dtype ?? null;
  const order = o.ord ?? null;
  const vector = (p: number): Tensor =>
    wrap(native.ops.linalgVectorNorm(handleOf(A), p, over, keep, optDtypeCode(dtype)));
  if (order === null) return vector(2);
  if (over !== null && over.length !== 1 && over.length !== 2)
    throw new ValueError(`linalg.norm: If dim is specified, it must be of length 1 or 2. Got [${over.join(', ')}]`);
  const rank = native.shape(handleOf(A)).length;
  if (over === null && rank !== 1 && rank !== 2)
    throw new ShapeError(`linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ${rank}D.`);
  if (over === null ? rank === 2 : over.length === 2) return matrixNormOf(A, order, over ?? [0, 1], keep, dtype);
  if (typeof order === 'string')
    throw new ValueError(`linalg.norm: Order '${order}' is for matrices only; the input or dim is one-dimensional`);
  return vector(numberOf(order));
}

/**
 * Condition number in the norm `p`: null and 2 take singular values, also -2, 1, -1, Infinity, -Infinity, 'fro', 'nuc'.
 * Source: https://pytorch.org/docs/stable/generated/torch.linalg.cond.html
 */
export function cond(A: TensorBase, p?: NormOrder | null | { p?: NormOrder | null }): Tensor {
  const order = merged<{ p: NormOrder | null }>(['p'], [p]).p ?? null;
  return typeof order === 'string'
    ? wrap(native.ops.linalgCondNamed(handleOf(A), order))
    : wrap(native.ops.linalgCond(handleOf(A), order === null ? null : numberOf(order)));
}

/** What counts as zero: singular values up to max(atol, rtol * the largest one). A tensor gives one number a matrix. */
export interface RankOptions {
  atol?: TensorBase | NumberArg | null;
  rtol?: TensorBase | NumberArg | null;
  hermitian?: boolean;
}
const FLOAT64 = optDtypeCode('float64');
const tolerance = (x: TensorBase | NumberArg | null | undefined): Handle | null =>
  x === null || x === undefined ? null : x instanceof TensorBase ? x._h : native.ops.full([], numberOf(x), FLOAT64);

/**
 * Pseudo-inverse. `hermitian`: A is symmetric, which is faster.
 * Source: https://pytorch.org/docs/stable/generated/torch.linalg.pinv.html
 */
export function pinv(A: TensorBase, options: RankOptions = {}): Tensor {
  const { atol, rtol, hermitian = false } = options;
  return wrap(native.ops.linalgPinv(handleOf(A), tolerance(atol), tolerance(rtol), hermitian));
}

/**
 * Rank of matrices, int64.
 * Source: https://pytorch.org/docs/stable/generated/torch.linalg.matrix_rank.html
 */
export function matrixRank(A: TensorBase, options: RankOptions = {}): Tensor {
  const { atol, rtol, hermitian = false } = options;
  return wrap(native.ops.linalgMatrixRank(handleOf(A), tolerance(atol), tolerance(rtol), hermitian));
}
