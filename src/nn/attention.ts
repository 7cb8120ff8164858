// MultiheadAttention as a module.
import { empty } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { settings, type Rest } from './args.js';
import * as F from './functional.js';
import { constant_, xavierNormal_, xavierUniform_ } from './init.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface MultiheadAttentionOptions {
  /** Dropout on the weights, while training. */
  dropout?: number;
  bias?: boolean;
  /** One more learned key and value that every query sees. */
  addBiasKv?: boolean;
  /** One more key and value of zeros. */
  addZeroAttn?: boolean;
  /** Sizes of keys and values where they differ from embedDim. */
  kdim?: number | null;
  vdim?: number | null;
  batchFirst?: boolean;
  dtype?: DType | null;
}
const DEFAULTS: Required<MultiheadAttentionOptions> = {
  dropout: 0,
  bias: true,
  addBiasKv: false,
  addZeroAttn: false,
  kdim: null,
  vdim: null,
  batchFirst: false,
  dtype: null,
};
export interface AttentionCallOptions {
  /** [B, S] (or [S]): bool, true where a key is masked out; floating: added to the scores. */
  keyPaddingMask?: Tensor | null;
  /** (default) Also return the weights. */
  needWeights?: boolean;
  /** [L, S] or [B * heads, L, S]: bool, true where a pair is masked out; floating: added to the scores. */
  attnMask?: Tensor | null;
  /** (default) The mean of the weights over the heads instead of those of each head. */
  averageAttnWeights?: boolean;
  isCausal?: boolean;
}

/** The output projection; of a class of its own because PyTorch prints it so. */
class NonDynamicallyQuantizableLinear extends Linear {}

/**
 * Attention with `numHeads` heads: query [L, B, E] (batchFirst: [B, L, E]; [L, E] without a batch), key and value [S, B, ...] give
 * [output like query, weights [B, L, S] or null].
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly dropout: number;
  readonly batchFirst: boolean;
  readonly headDim: number;
  readonly addZeroAttn: boolean;
  declare in_proj_weight: Parameter | null;
  declare q_proj_weight: Parameter | null;
  declare k_proj_weight: Parameter | null;
  declare v_proj_weight: Parameter | null;
  declare in_proj_bias: Parameter | null;
  declare bias_k: Parameter | null;
  declare bias_v: Parameter | null;
  declare out_proj: Linear;

  constructor(
    embedDim: number,
    numHeads: number,
    ...rest: Rest<
      [
        dropout: number,
        bias: boolean,
        addBiasKv: boolean,
        addZeroAttn: boolean,
        kdim: number | null,
        vdim: number | null,
        batchFirst: boolean,
      ],
      MultiheadAttentionOptions
    >
  ) {
    super();
    const o = settings<MultiheadAttentionOptions>('MultiheadAttention', rest, DEFAULTS);
    if (!(embedDim > 0) || !(numHeads > 0)) {
      throw new ValueError(
        `embed_dim and num_heads must be greater than 0, got embed_dim=${embedDim} and num_heads=${numHeads} instead`,
      );
    }
    if (embedDim % numHeads !== 0) throw new ValueError('embed_dim must be divisible by num_heads');
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.kdim = o.kdim ?? embedDim;
    this.vdim = o.vdim ?? embedDim;
    this.dropout = o.dropout;
    this.batchFirst = o.batchFirst;
    this.headDim = embedDim / numHeads;
    this.addZeroAttn = o.addZeroAttn;
    const make = (...shape: number[]): Parameter => new Parameter(empty(shape, { dtype: o.dtype }));
    const same = this.kdim === embedDim && this.vdim === embedDim;
    this.in_proj_weight = same ? make(3 * embedDim, embedDim) : null;
    this.q_proj_weight = same ? null : make(embedDim, embedDim);
    this.k_proj_weight = same ? null : make(embedDim, this.kdim);
    this.v_proj_weight = same ? null : make(embedDim, this.vdim);
    this.in_proj_bias = o.bias ? make(3 * embedDim) : null;
    this.out_proj = new NonDynamicallyQuantizableLinear(embedDim, embedDim, { bias: o.bias, dtype: o.dtype });
    this.bias_k = o.addBiasKv ? make(1, 1, embedDim) : null;
    this.bias_v = o.addBiasKv ? make(1, 1, embedDim) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    for (const w of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight])
      if (w !== null) xavierUniform_(w);
    if (this.in_proj_bias !== null) {
      constant_(this.in_proj_bias, 0);
      constant_(this.out_proj.bias!, 0);
    }
    for (const b of [this.bias_k, this.bias_v]) if (b !== null) xavierNormal_(b);
  }
  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ...rest: Rest<
      [
        keyPaddingMask: Tensor | null,
        needWeights: boolean,
        attnMask: Tensor | null,
        averageAttnWeights: boolean,
        isCausal: boolean,
      ],
      AttentionCallOptions
    >
  ): [output: Tensor, weights: Tensor | null] {
    const o = settings<AttentionCallOptions>('MultiheadAttention.forward', rest, {
      keyPaddingMask: null,
      needWeights: true,
      attnMask: null,
      averageAttnWeights: true,
      isCausal: false,
    });
    const swap = this.batchFirst && query.ndim === 3;
    // Equal objects stay equal, so that the three projections can be one product.
    const swapped = new Map<Tensor, Tensor>();
    const turn = (t: Tensor): Tensor => {
      if (!swap || t.ndim !== 3) return t;
      if (!swapped.has(t)) swapped.set(t, t.transpose(0, 1));
      return swapped.get(t)!;
    };
    const [output, weights] = F.multiHeadAttentionForward(
      turn(query),
      turn(key),
      turn(value),
      this.embedDim,
      this.numHeads,
      this.in_proj_weight,
      this.in_proj_bias,
      this.bias_k,
      this.bias_v,
      this.addZeroAttn,
      this.dropout,
      this.out_proj.weight,
      this.out_proj.bias,
      {
        training: this.training,
        keyPaddingMask: o.keyPaddingMask,
        needWeights: o.needWeights,
        attnMask: o.attnMask,
        useSeparateProjWeight: this.in_proj_weight === null,
        qProjWeight: this.q_proj_weight,
        kProjWeight: this.k_proj_weight,
        vProjWeight: this.v_proj_weight,
        averageAttnWeights: o.averageAttnWeights,
        isCausal: o.isCausal,
      },
    );
    return [swap ? output.transpose(0, 1) : output, weights];
  }
}
