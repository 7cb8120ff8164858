// histogramdd: one list of edges per dimension comes back beside the counts, so it is written over two declared ops.
import { native } from '../native.js';
import { checkTensor, handleOf, optHandleOf } from './args.js';
import { ValueError } from './errors.js';
import { TensorBase, wrap, type Tensor } from './handle.js';

export interface HistogramddOptions {
  /** [min, max] of each dimension, one after the other; default: the data's. */
  range?: readonly number[] | null;
  weight?: Tensor | null;
  density?: boolean;
}
/** The counts and the edges of each dimension, by position or name. */
export type HistogramddResult = [Tensor, Tensor[]] & { readonly hist: Tensor; readonly binEdges: Tensor[] };

/**
 * Counts of points (the rows of the last dimension) in the boxes of a grid. bins: how many per dimension, one number for all,
 * or the edges of each. Source: https://pytorch.org/docs/stable/generated/torch.histogramdd.html
 */
export function histogramdd(
  self: Tensor,
  bins: number | readonly number[] | readonly Tensor[],
  options: HistogramddOptions = {},
): HistogramddResult {
  checkTensor('histogramdd', self);
  const { range = null, weight = null, density = false } = options;
  const d = self.shape.at(-1);
  if (self.ndim < 2 || d === undefined)
    throw new ValueError('torch.histogramdd(): input tensor should have at least 2 dimensions');
  const rows = self.reshape(self.numel() / Math.max(d, 1), d);
  const list = typeof bins === 'number' ? new Array<number>(d).fill(bins) : bins;
  if (list.length !== d)
    throw new ValueError(
      `torch.histogramdd(): expected ${d} bins or sequences of bin edges for a ${d}-dimensional histogram but got ${list.length}`,
    );
  if (range !== null && range.length !== 2 * d)
    throw new ValueError(`torch.histogramdd(): for a ${d}-dimensional histogram range should have ${2 * d} elements`);
  const edges = list.map((b, i) => {
    if (b instanceof TensorBase) return b as Tensor;
    const column = rows.select(1, i);
    return wrap(native.ops.equalEdges(handleOf(column), b as number, range?.slice(2 * i, 2 * i + 2) ?? []));
  });
  const hist = wrap(native.ops.histogramCounts(handleOf(rows), edges.map(handleOf), optHandleOf(weight), density));
  const out: [Tensor, Tensor[]] = [hist, edges];
  Object.defineProperty(out, 'hist', { value: hist, enumerable: false });
  Object.defineProperty(out, 'binEdges', { value: edges, enumerable: false });
  return out as HistogramddResult;
}
