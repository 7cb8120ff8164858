// Look-ups by index: embedding, bags of them, one-hot vectors.
import type { Tensor } from '../../tensor/tensor.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import { wrap } from '../../tensor/handle.js';
import { native } from '../../native.js';
import * as ops from '../../../generated/ts/functions.js';
import { merge, type Rest } from '../args.js';

export interface EmbeddingOptions {
  /** This row gets no gradient. */
  paddingIdx?: number | null;
  /** Rows that are looked up are scaled down to this norm first, in place. */
  maxNorm?: number | null;
  normType?: number;
  /** Divide the gradient of a row by how often it is looked up. */
  scaleGradByFreq?: boolean;
  /** Gradients are dense here; accepted for programs written for PyTorch. */
  sparse?: boolean;
}
/** A row number, negative ones from the end; -1: none. */
function paddingRow(weight: Tensor, paddingIdx: number | null): number {
  if (paddingIdx === null) return -1;
  const n = weight.shape[0]!;
  if (paddingIdx < -n || paddingIdx >= n) throw new ValueError('Padding_idx must be within num_embeddings');
  return paddingIdx < 0 ? paddingIdx + n : paddingIdx;
}
function checkTable(name: string, weight: Tensor): void {
  checkTensor(name, weight);
  if (weight.ndim !== 2) throw new ShapeError(`'weight' must be 2-D, got [${weight.shape.join(', ')}]`);
}

/** Rows of `weight` [num, dim] chosen by integer `input`: shape [...input.shape, dim]. */
export function embedding(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [paddingIdx: number | null, maxNorm: number | null, normType: number, scaleGradByFreq: boolean, sparse: boolean],
    EmbeddingOptions
  >
): Tensor {
  checkTensor('embedding', input);
  checkTable('embedding', weight);
  const o = merge<EmbeddingOptions>(
    'embedding',
    rest,
    ['paddingIdx', 'maxNorm', 'normType', 'scaleGradByFreq', 'sparse'],
    { paddingIdx: null, maxNorm: null, normType: 2, scaleGradByFreq: false, sparse: false },
  );
  const padding = paddingRow(weight, o.paddingIdx);
  if (o.maxNorm !== null) ops.embeddingRenorm(weight.detach(), input, o.maxNorm, o.normType);
  return ops.embedding(weight, input, padding, o.scaleGradByFreq);
}

export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** Where each bag begins in a 1-d input. */
  offsets?: Tensor | null;
  mode?: 'sum' | 'mean' | 'max';
  /** A factor per index (mode 'sum'). */
  perSampleWeights?: Tensor | null;
  /** The last offset is the end of the last bag. */
  includeLastOffset?: boolean;
}
const EMBEDDING_BAG = [
  'offsets',
  'maxNorm',
  'normType',
  'scaleGradByFreq',
  'mode',
  'sparse',
  'perSampleWeights',
  'includeLastOffset',
  'paddingIdx',
] as const satisfies readonly (keyof EmbeddingBagOptions)[];
/** Rows of `weight` by index, joined per bag: rows of a 2-d input, or stretches of a 1-d one that begin at `offsets`. */
export function embeddingBag(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [
      offsets: Tensor | null,
      maxNorm: number | null,
      normType: number,
      scaleGradByFreq: boolean,
      mode: 'sum' | 'mean' | 'max',
      sparse: boolean,
      perSampleWeights: Tensor | null,
      includeLastOffset: boolean,
      paddingIdx: number | null,
    ],
    EmbeddingBagOptions
  >
): Tensor {
  checkTensor('embeddingBag', input);
  checkTable('embeddingBag', weight);
  const o = merge<EmbeddingBagOptions>('embeddingBag', rest, EMBEDDING_BAG, {
    offsets: null,
    maxNorm: null,
    normType: 2,
    scaleGradByFreq: false,
    mode: 'mean',
    sparse: false,
    perSampleWeights: null,
    includeLastOffset: false,
    paddingIdx: null,
  });
  const padding = paddingRow(weight, o.paddingIdx);
  if (o.maxNorm !== null) ops.embeddingRenorm(weight.detach(), input, o.maxNorm, o.normType);
  return ops.embeddingBag(
    weight,
    input,
    o.offsets,
    o.mode,
    o.perSampleWeights,
    o.includeLastOffset,
    padding,
    o.scaleGradByFreq,
  );
}

/** 0/1 vectors of length `numClasses` (-1: the largest index + 1), int64. */
export function oneHot(t: Tensor, numClasses: number | { numClasses?: number } = -1): Tensor {
  checkTensor('oneHot', t);
  const wanted = typeof numClasses === 'number' ? numClasses : (numClasses.numClasses ?? -1);
  // Only without a number of classes are the values themselves needed.
  if (wanted !== -1 || t.dtype !== 'int64' || t.numel() === 0) return wrap(native.ops.oneHot(t._h, wanted));
  return wrap(native.ops.oneHot(t._h, Math.max(t.max().item() + 1, 1)));
}
