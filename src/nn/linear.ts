// Linear, Identity, Flatten, Embedding.
import { empty } from '../tensor/create.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { flatten } from '../../generated/ts/functions.js';
import { merge, py, type Rest } from './args.js';
import * as F from './functional.js';
import { calculateFanInAndFanOut, kaimingUniform_, normal_, uniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import type { DType } from '../tensor/dtype.js';

export interface LinearOptions {
  bias?: boolean;
  dtype?: DType | null;
}
/** y = x W^T + b over the last dimension: [..., in] to [..., out]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, ...rest: Rest<[bias: boolean], LinearOptions>) {
    super();
    const o = merge<LinearOptions>('Linear', rest, ['bias'], { bias: true, dtype: null });
    for (const [what, n] of [
      ['inFeatures', inFeatures],
      ['outFeatures', outFeatures],
    ] as const) {
      if (!Number.isInteger(n) || n < 0)
        throw new ValueError(`Linear(): ${what} must be an integer >= 0, got ${String(n)}`);
    }
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(empty([outFeatures, inFeatures], { dtype: o.dtype }));
    this.bias = o.bias ? new Parameter(empty([outFeatures], { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    // U(-1/sqrt(in), 1/sqrt(in)) for both, drawn as PyTorch draws them.
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) {
      const [fanIn] = calculateFanInAndFanOut(this.weight);
      const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
      uniform_(this.bias, -bound, bound);
    }
  }
  override forward(input: Tensor): Tensor {
    return F.linear(input, this.weight, this.bias);
  }
  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${py(this.bias !== null)}`;
  }
}

/** Returns its input. */
export class Identity extends Module {
  constructor(..._ignored: unknown[]) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return input;
  }
}

/** Joins the dimensions startDim ... endDim (1 and -1: all but the batch). */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;
  constructor(...rest: Rest<[startDim: number, endDim: number], { startDim?: number; endDim?: number }>) {
    super();
    const o = merge<{ startDim?: number; endDim?: number }>('Flatten', rest, ['startDim', 'endDim'], {
      startDim: 1,
      endDim: -1,
    });
    this.startDim = o.startDim;
    this.endDim = o.endDim;
  }
  override forward(input: Tensor): Tensor {
    return flatten(input, this.startDim, this.endDim);
  }
  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

export interface EmbeddingOptions {
  /** Row that stays zero and gets no gradient. */
  paddingIdx?: number | null;
  dtype?: DType | null;
}
/** A table of `numEmbeddings` vectors looked up by integer index. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  weight: Parameter;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    ...rest: Rest<[paddingIdx: number | null], EmbeddingOptions>
  ) {
    super();
    const o = merge<EmbeddingOptions>('Embedding', rest, ['paddingIdx'], { paddingIdx: null, dtype: null });
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    if (o.paddingIdx !== null && (o.paddingIdx < -numEmbeddings || o.paddingIdx >= numEmbeddings)) {
      throw new ValueError('Padding_idx must be within num_embeddings');
    }
    this.paddingIdx = o.paddingIdx !== null && o.paddingIdx < 0 ? o.paddingIdx + numEmbeddings : o.paddingIdx;
    this.weight = new Parameter(empty([numEmbeddings, embeddingDim], { dtype: o.dtype }));
    this.resetParameters();
  }
  /** An embedding over given vectors [num, dim]; frozen unless `freeze` is false. */
  static fromPretrained(vectors: Tensor, options: { freeze?: boolean; paddingIdx?: number | null } = {}): Embedding {
    if (vectors.ndim !== 2) throw new ValueError('Embeddings parameter is expected to be 2-dimensional');
    const e = new Embedding(vectors.shape[0]!, vectors.shape[1]!, {
      paddingIdx: options.paddingIdx ?? null,
      dtype: vectors.dtype,
    });
    e.weight = new Parameter(vectors, !(options.freeze ?? true));
    return e;
  }
  resetParameters(): void {
    normal_(this.weight);
    if (this.paddingIdx !== null) this.weight.detach().select(0, this.paddingIdx).fill_(0);
  }
  override forward(input: Tensor): Tensor {
    return F.embedding(input, this.weight, { paddingIdx: this.paddingIdx });
  }
  override extraRepr(): string {
    return `${this.numEmbeddings}, ${this.embeddingDim}${this.paddingIdx === null ? '' : `, padding_idx=${this.paddingIdx}`}`;
  }
}
