// Embedding tables.
import { empty } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { py, pyFloat, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { normal_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

/** padding_idx counted from the front. Throws ValueError when the table has no such row. */
function paddingRow(index: number | null, rows: number, name: string): number | null {
  if (index === null) return null;
  if (index < -rows || index >= rows) throw new ValueError(`${name} must be within num_embeddings`);
  return index < 0 ? index + rows : index;
}
function checkTable(weight: Tensor): [number, number] {
  if (weight.ndim !== 2) throw new ShapeError('Embeddings parameter is expected to be 2-dimensional');
  return weight.shape as [number, number];
}
function tableOf(given: Tensor | null, rows: number, dim: number, dtype: DType | null): Parameter {
  if (given === null) return new Parameter(empty([rows, dim], { dtype }));
  if (given.shape[0] !== rows || given.shape[1] !== dim)
    throw new ShapeError('Shape of weight does not match num_embeddings and embedding_dim');
  return given instanceof Parameter ? given : new Parameter(given);
}

export interface EmbeddingOptions {
  /** Row that stays zero and gets no gradient. */
  paddingIdx?: number | null;
  /** Rows with a larger norm are scaled down to it when they are looked up: the table changes in place. */
  maxNorm?: number | null;
  normType?: number;
  /** Divide a row's gradient by how often it was looked up. */
  scaleGradByFreq?: boolean;
  /** Gradients are dense here, whatever this says. */
  sparse?: boolean;
  /** The table to use, instead of normal numbers. */
  _weight?: Tensor | null;
  dtype?: DType | null;
}
/** A table of `numEmbeddings` vectors looked up by integer index. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  weight: Parameter;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    ...rest: Rest<
      [
        paddingIdx: number | null,
        maxNorm: number | null,
        normType: number,
        scaleGradByFreq: boolean,
        sparse: boolean,
        _weight: Tensor | null,
      ],
      EmbeddingOptions
    >
  ) {
    super();
    const o = settings<EmbeddingOptions>('Embedding', rest, {
      paddingIdx: null,
      maxNorm: null,
      normType: 2,
      scaleGradByFreq: false,
      sparse: false,
      _weight: null,
      dtype: null,
    });
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingRow(o.paddingIdx, numEmbeddings, 'Padding_idx');
    this.maxNorm = o.maxNorm;
    this.normType = o.normType;
    this.scaleGradByFreq = o.scaleGradByFreq;
    this.weight = tableOf(o._weight, numEmbeddings, embeddingDim, o.dtype);
    if (o._weight === null) this.resetParameters();
  }
  /** An embedding over given vectors [num, dim]; frozen unless `freeze` is false. */
  static fromPretrained(
    embeddings: Tensor,
    ...rest: Rest<
      [freeze: boolean, paddingIdx: number | null, maxNorm: number | null, normType: number, scaleGradByFreq: boolean],
      { freeze?: boolean } & Omit<EmbeddingOptions, '_weight' | 'dtype'>
    >
  ): Embedding {
    const { freeze, ...o } = settings<{ freeze?: boolean } & Omit<EmbeddingOptions, '_weight' | 'dtype'>>(
      'Embedding.fromPretrained',
      rest,
      { freeze: true, paddingIdx: null, maxNorm: null, normType: 2, scaleGradByFreq: false, sparse: false },
    );
    const [rows, dim] = checkTable(embeddings);
    const e = new Embedding(rows, dim, { ...o, _weight: embeddings });
    e.weight.requiresGrad_(!freeze);
    return e;
  }
  resetParameters(): void {
    normal_(this.weight);
    if (this.paddingIdx !== null) this.weight.detach().select(0, this.paddingIdx).fill_(0);
  }
  override forward(input: Tensor): Tensor {
    return F.embedding(input, this.weight, {
      paddingIdx: this.paddingIdx,
      maxNorm: this.maxNorm,
      normType: this.normType,
      scaleGradByFreq: this.scaleGradByFreq,
    });
  }
  override extraRepr(): string {
    const parts = [`${this.numEmbeddings}, ${this.embeddingDim}`];
    if (this.paddingIdx !== null) parts.push(`padding_idx=${this.paddingIdx}`);
    if (this.maxNorm !== null) parts.push(`max_norm=${pyFloat(this.maxNorm)}`);
    if (this.normType !== 2) parts.push(`norm_type=${pyFloat(this.normType)}`);
    if (this.scaleGradByFreq) parts.push(`scale_grad_by_freq=${py(this.scaleGradByFreq)}`);
    return parts.join(', ');
  }
}

export interface EmbeddingBagOptions {
  maxNorm?: number | null;
  normType?: number;
  scaleGradByFreq?: boolean;
  /** What becomes of the vectors of a bag. */
  mode?: 'sum' | 'mean' | 'max';
  sparse?: boolean;
  _weight?: Tensor | null;
  /** The last offset is the number of indices. */
  includeLastOffset?: boolean;
  /** Entries with this index are no part of their bag. */
  paddingIdx?: number | null;
  dtype?: DType | null;
}
const BAG: Required<EmbeddingBagOptions> = {
  maxNorm: null,
  normType: 2,
  scaleGradByFreq: false,
  mode: 'mean',
  sparse: false,
  _weight: null,
  includeLastOffset: false,
  paddingIdx: null,
  dtype: null,
};
/** Sums, means or maxima of bags of vectors: indices [B, n], or indices [N] with the `offsets` where the bags begin. */
export class EmbeddingBag extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly mode: 'sum' | 'mean' | 'max';
  readonly includeLastOffset: boolean;
  readonly paddingIdx: number | null;
  weight: Parameter;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    ...rest: Rest<
      [
        maxNorm: number | null,
        normType: number,
        scaleGradByFreq: boolean,
        mode: 'sum' | 'mean' | 'max',
        sparse: boolean,
        _weight: Tensor | null,
        includeLastOffset: boolean,
        paddingIdx: number | null,
      ],
      EmbeddingBagOptions
    >
  ) {
    super();
    const o = settings<EmbeddingBagOptions>('EmbeddingBag', rest, BAG);
    if (!['sum', 'mean', 'max'].includes(o.mode))
      throw new ValueError(`mode has to be one of sum, mean, max, got ${String(o.mode)}`);
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.maxNorm = o.maxNorm;
    this.normType = o.normType;
    this.scaleGradByFreq = o.scaleGradByFreq;
    this.mode = o.mode;
    this.includeLastOffset = o.includeLastOffset;
    this.paddingIdx = paddingRow(o.paddingIdx, numEmbeddings, 'padding_idx');
    this.weight = tableOf(o._weight, numEmbeddings, embeddingDim, o.dtype);
    if (o._weight === null) this.resetParameters();
  }
  /** Bags over given vectors [num, dim]; frozen unless `freeze` is false. */
  static fromPretrained(
    embeddings: Tensor,
    options: { freeze?: boolean } & Omit<EmbeddingBagOptions, '_weight' | 'dtype'> = {},
  ): EmbeddingBag {
    const { freeze = true, ...o } = options;
    const [rows, dim] = checkTable(embeddings);
    const e = new EmbeddingBag(rows, dim, { ...o, _weight: embeddings });
    e.weight.requiresGrad_(!freeze);
    return e;
  }
  resetParameters(): void {
    normal_(this.weight);
    if (this.paddingIdx !== null) this.weight.detach().select(0, this.paddingIdx).fill_(0);
  }
  override forward(
    input: Tensor,
    ...rest: Rest<
      [offsets: Tensor | null, perSampleWeights: Tensor | null],
      { offsets?: Tensor | null; perSampleWeights?: Tensor | null }
    >
  ): Tensor {
    const o = settings<{ offsets?: Tensor | null; perSampleWeights?: Tensor | null }>('EmbeddingBag.forward', rest, {
      offsets: null,
      perSampleWeights: null,
    });
    return F.embeddingBag(input, this.weight, {
      ...o,
      maxNorm: this.maxNorm,
      normType: this.normType,
      scaleGradByFreq: this.scaleGradByFreq,
      mode: this.mode,
      includeLastOffset: this.includeLastOffset,
      paddingIdx: this.paddingIdx,
    });
  }
  override extraRepr(): string {
    const parts = [`${this.numEmbeddings}, ${this.embeddingDim}`];
    if (this.maxNorm !== null) parts.push(`max_norm=${pyFloat(this.maxNorm)}`);
    if (this.normType !== 2) parts.push(`norm_type=${pyFloat(this.normType)}`);
    if (this.scaleGradByFreq) parts.push(`scale_grad_by_freq=${py(this.scaleGradByFreq)}`);
    parts.push(`mode=${this.mode}`);
    if (this.paddingIdx !== null) parts.push(`padding_idx=${this.paddingIdx}`);
    return parts.join(', ');
  }
}
