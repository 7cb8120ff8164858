// Products of the root namespace whose arguments have several forms.
import { native } from '../native.js';
import { handleOf, handlesOf, namedResults } from './args.js';
import { ValueError } from './errors.js';
import { wrap, type Tensor, type TensorBase } from './handle.js';

/**
 * Sum of products by an equation of index letters: `einsum('bij,bjk->bik', x, y)`. Letters that the result lacks are summed,
 * '...' stands for any dimensions, a letter twice in one operand is its diagonal. The operands may be one list.
 * Source: https://pytorch.org/docs/stable/generated/torch.einsum.html
 */
export function einsum(equation: string, ...operands: readonly TensorBase[] | [readonly TensorBase[]]): Tensor {
  if (typeof equation !== 'string') throw new ValueError('einsum(): the first argument is the equation, a string');
  const list = operands.length === 1 && Array.isArray(operands[0]) ? operands[0] : operands;
  return wrap(native.ops.einsumList(equation, handlesOf(list as readonly TensorBase[])));
}

type Contraction = number | readonly [readonly number[], readonly number[]] | readonly number[];
/**
 * Contraction of two tensors. `dims`: how many of the last dimensions of a and the first of b (default 2), or the two lists
 * of dimensions. Source: https://pytorch.org/docs/stable/generated/torch.tensordot.html
 */
export function tensordot(a: TensorBase, b: TensorBase, dims: Contraction | { dims?: Contraction } = 2): Tensor {
  const given = typeof dims === 'object' && 'dims' in dims ? (dims.dims ?? 2) : (dims as Contraction);
  const count = typeof given === 'number' ? given : null;
  if (count !== null && count < 0) throw new ValueError(`tensordot expects dims >= 0, but got dims=${count}`);
  const both =
    count !== null
      ? [Array.from({ length: count }, (_, i) => i - count), Array.from({ length: count }, (_, i) => i)]
      : (given as readonly (number | readonly number[])[]);
  const [left, right] = both.map((d) => (typeof d === 'number' ? [d] : d));
  if (both.length !== 2 || !left || !right) throw new ValueError('tensordot expects two lists of dims, one a tensor');
  return wrap(native.ops.tensordotDims(handleOf(a), handleOf(b), left, right));
}

/** Product of matrices in the order that needs the fewest multiplications; one matrix is returned as it is. */
export function chainMatmul(...matrices: readonly TensorBase[]): Tensor {
  const list = handlesOf(matrices);
  if (list.length === 0) throw new ValueError('chain_matmul(): Expected one or more matrices');
  return list.length === 1 ? wrap(list[0]!) : wrap(native.ops.linalgMultiDot(list));
}

/** LU factors and pivots of matrices and, with getInfos, the first zero pivot of each; see linalg.luFactor. */
export function lu(
  A: TensorBase,
  pivot: boolean | { pivot?: boolean; getInfos?: boolean } = true,
  getInfos = false,
): Tensor[] {
  const o = typeof pivot === 'object' ? { pivot: true, getInfos: false, ...pivot } : { pivot, getInfos };
  const results = native.ops.linalgLuFactorEx(handleOf(A), o.pivot, !o.getInfos);
  return o.getInfos
    ? namedResults(['LU', 'pivots', 'info'], results)
    : namedResults(['LU', 'pivots'], results.slice(0, 2));
}
