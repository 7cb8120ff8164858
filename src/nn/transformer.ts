// Transformer: encoder and decoder layers, their stacks, and both together. Source: https://arxiv.org/abs/1706.03762
import { full } from '../tensor/create.js';
import { type DType, isFloatingDtype } from '../tensor/dtype.js';
import { DTypeError, ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { settings, type Rest } from './args.js';
import { MultiheadAttention } from './attention.js';
import { ModuleList } from './container.js';
import { Dropout } from './dropout.js';
import * as F from './functional.js';
import { xavierUniform_ } from './init.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { LayerNorm } from './normalization.js';

type Activation = 'relu' | 'gelu' | ((x: Tensor) => Tensor);
export interface TransformerLayerOptions {
  /** Width of the two-layer network. */
  dimFeedforward?: number;
  dropout?: number;
  /** Between its two layers. */
  activation?: Activation;
  layerNormEps?: number;
  /** [B, T, E] instead of [T, B, E]. */
  batchFirst?: boolean;
  /** Normalise before each block instead of after the sum. */
  normFirst?: boolean;
  /** Biases in linear layers and normalisations. */
  bias?: boolean;
  dtype?: DType | null;
}
const LAYER: Required<TransformerLayerOptions> = {
  dimFeedforward: 2048,
  dropout: 0.1,
  activation: 'relu',
  layerNormEps: 1e-5,
  batchFirst: false,
  normFirst: false,
  bias: true,
  dtype: null,
};
type LayerRest = Rest<
  [
    dimFeedforward: number,
    dropout: number,
    activation: Activation,
    layerNormEps: number,
    batchFirst: boolean,
    normFirst: boolean,
    bias: boolean,
  ],
  TransformerLayerOptions
>;

function activationOf(a: Activation): (x: Tensor) => Tensor {
  if (typeof a === 'function') return a;
  if (a === 'relu') return F.relu;
  if (a === 'gelu') return (x) => F.gelu(x);
  throw new ValueError(`activation should be relu/gelu, not ${String(a)}`);
}

function checkMask(mask: Tensor | null, name: string): void {
  if (mask !== null && mask.dtype !== 'bool' && mask.dtype !== 'uint8' && !isFloatingDtype(mask.dtype))
    throw new DTypeError(`only bool and floating types of ${name} are supported`);
}

/** What the layers share: an attention, the two-layer network, normalisations before or after. */
abstract class TransformerLayer extends Module {
  declare self_attn: MultiheadAttention;
  declare multihead_attn: MultiheadAttention;
  declare linear1: Linear;
  declare dropout: Dropout;
  declare linear2: Linear;
  declare norm1: LayerNorm;
  declare norm2: LayerNorm;
  declare norm3: LayerNorm;
  declare dropout1: Dropout;
  declare dropout2: Dropout;
  declare dropout3: Dropout;
  declare readonly normFirst: boolean;
  /** A module is a child, as in PyTorch. */
  declare activation: (x: Tensor) => Tensor;

  protected constructor(what: string, blocks: 2 | 3, dModel: number, nhead: number, rest: readonly unknown[]) {
    super();
    const o = settings<TransformerLayerOptions>(what, rest, LAYER);
    const factory = { bias: o.bias, dtype: o.dtype };
    const attention = (): MultiheadAttention =>
      new MultiheadAttention(dModel, nhead, { dropout: o.dropout, batchFirst: o.batchFirst, ...factory });
    const norm = (): LayerNorm => new LayerNorm(dModel, { eps: o.layerNormEps, ...factory });
    this.self_attn = attention();
    if (blocks === 3) this.multihead_attn = attention();
    this.linear1 = new Linear(dModel, o.dimFeedforward, factory);
    this.dropout = new Dropout(o.dropout);
    this.linear2 = new Linear(o.dimFeedforward, dModel, factory);
    this.normFirst = o.normFirst;
    this.norm1 = norm();
    this.norm2 = norm();
    if (blocks === 3) this.norm3 = norm();
    this.dropout1 = new Dropout(o.dropout);
    this.dropout2 = new Dropout(o.dropout);
    if (blocks === 3) this.dropout3 = new Dropout(o.dropout);
    this.activation = activationOf(o.activation);
  }
  protected feedForward(x: Tensor): Tensor {
    return this.linear2(this.dropout(this.activation(this.linear1(x))));
  }
  /** x with a block's result added: norm(x + f(x)), or x + f(norm(x)). */
  protected add(x: Tensor, norm: LayerNorm, block: (x: Tensor) => Tensor): Tensor {
    return this.normFirst ? x.add(block(norm(x))) : norm(x.add(block(x)));
  }
}

export interface EncoderLayerCall {
  srcMask?: Tensor | null;
  srcKeyPaddingMask?: Tensor | null;
  isCausal?: boolean;
}
/** Self-attention and a two-layer network: [T, B, E] to the same. Masks as in MultiheadAttention. */
export class TransformerEncoderLayer extends TransformerLayer {
  constructor(dModel: number, nhead: number, ...rest: LayerRest) {
    super('TransformerEncoderLayer', 2, dModel, nhead, rest);
  }
  override forward(
    src: Tensor,
    ...rest: Rest<[srcMask: Tensor | null, srcKeyPaddingMask: Tensor | null, isCausal: boolean], EncoderLayerCall>
  ): Tensor {
    const o = settings<EncoderLayerCall>('TransformerEncoderLayer.forward', rest, {
      srcMask: null,
      srcKeyPaddingMask: null,
      isCausal: false,
    });
    checkMask(o.srcKeyPaddingMask, 'src_key_padding_mask');
    const attend = (x: Tensor): Tensor =>
      this.dropout1(
        this.self_attn(x, x, x, {
          attnMask: o.srcMask,
          keyPaddingMask: o.srcKeyPaddingMask,
          needWeights: false,
          isCausal: o.isCausal,
        })[0],
      );
    const x = this.add(src, this.norm1, attend);
    return this.add(x, this.norm2, (y) => this.dropout2(this.feedForward(y)));
  }
}

export interface DecoderLayerCall {
  tgtMask?: Tensor | null;
  memoryMask?: Tensor | null;
  tgtKeyPaddingMask?: Tensor | null;
  memoryKeyPaddingMask?: Tensor | null;
  tgtIsCausal?: boolean;
  memoryIsCausal?: boolean;
}
const DECODER_CALL: Required<DecoderLayerCall> = {
  tgtMask: null,
  memoryMask: null,
  tgtKeyPaddingMask: null,
  memoryKeyPaddingMask: null,
  tgtIsCausal: false,
  memoryIsCausal: false,
};
type DecoderRest = Rest<
  [
    tgtMask: Tensor | null,
    memoryMask: Tensor | null,
    tgtKeyPaddingMask: Tensor | null,
    memoryKeyPaddingMask: Tensor | null,
    tgtIsCausal: boolean,
    memoryIsCausal: boolean,
  ],
  DecoderLayerCall
>;
/** Self-attention, attention over `memory` (the encoder's output), and a two-layer network. */
export class TransformerDecoderLayer extends TransformerLayer {
  constructor(dModel: number, nhead: number, ...rest: LayerRest) {
    super('TransformerDecoderLayer', 3, dModel, nhead, rest);
  }
  override forward(tgt: Tensor, memory: Tensor, ...rest: DecoderRest): Tensor {
    const o = settings<DecoderLayerCall>('TransformerDecoderLayer.forward', rest, DECODER_CALL);
    const attend = (x: Tensor): Tensor =>
      this.dropout1(
        this.self_attn(x, x, x, {
          attnMask: o.tgtMask,
          keyPaddingMask: o.tgtKeyPaddingMask,
          isCausal: o.tgtIsCausal,
          needWeights: false,
        })[0],
      );
    const attendMemory = (x: Tensor): Tensor =>
      this.dropout2(
        this.multihead_attn(x, memory, memory, {
          attnMask: o.memoryMask,
          keyPaddingMask: o.memoryKeyPaddingMask,
          isCausal: o.memoryIsCausal,
          needWeights: false,
        })[0],
      );
    let x = this.add(tgt, this.norm1, attend);
    x = this.add(x, this.norm2, attendMemory);
    return this.add(x, this.norm3, (y) => this.dropout3(this.feedForward(y)));
  }
}

/** `n` copies of a layer with the same initial values, as PyTorch makes them. */
const copies = <M extends Module>(layer: M, n: number): ModuleList<M> =>
  new ModuleList(Array.from({ length: n }, () => layer.clone()));
type Norm = Module & ((x: Tensor) => Tensor);

export interface EncoderCall {
  mask?: Tensor | null;
  srcKeyPaddingMask?: Tensor | null;
  isCausal?: boolean;
}
/** `numLayers` copies of an encoder layer, and a normalisation at the end. */
export class TransformerEncoder extends Module {
  readonly layers: ModuleList<TransformerEncoderLayer>;
  readonly numLayers: number;
  readonly norm: Norm | null;
  constructor(
    encoderLayer: TransformerEncoderLayer,
    numLayers: number,
    ...rest: Rest<[norm: Module | null], { norm?: Module | null; enableNestedTensor?: boolean; maskCheck?: boolean }>
  ) {
    super();
    this.layers = copies(encoderLayer, numLayers);
    this.numLayers = numLayers;
    // The other two options choose a faster path in PyTorch; the results are the same.
    const o = settings<{ norm?: Module | null; enableNestedTensor?: boolean; maskCheck?: boolean }>(
      'TransformerEncoder',
      rest,
      { norm: null, enableNestedTensor: true, maskCheck: true },
    );
    this.norm = o.norm as Norm | null;
  }
  override forward(
    src: Tensor,
    ...rest: Rest<[mask: Tensor | null, srcKeyPaddingMask: Tensor | null, isCausal: boolean], EncoderCall>
  ): Tensor {
    const o = settings<EncoderCall>('TransformerEncoder.forward', rest, {
      mask: null,
      srcKeyPaddingMask: null,
      isCausal: false,
    });
    checkMask(o.srcKeyPaddingMask, 'src_key_padding_mask');
    let x = src;
    for (const layer of this.layers)
      x = layer(x, { srcMask: o.mask, srcKeyPaddingMask: o.srcKeyPaddingMask, isCausal: o.isCausal });
    return this.norm === null ? x : this.norm(x);
  }
}

/** `numLayers` copies of a decoder layer, and a normalisation at the end. */
export class TransformerDecoder extends Module {
  readonly layers: ModuleList<TransformerDecoderLayer>;
  readonly numLayers: number;
  readonly norm: Norm | null;
  constructor(
    decoderLayer: TransformerDecoderLayer,
    numLayers: number,
    ...rest: Rest<[norm: Module | null], { norm?: Module | null }>
  ) {
    super();
    this.layers = copies(decoderLayer, numLayers);
    this.numLayers = numLayers;
    this.norm = settings<{ norm?: Module | null }>('TransformerDecoder', rest, { norm: null }).norm as Norm | null;
  }
  override forward(tgt: Tensor, memory: Tensor, ...rest: DecoderRest): Tensor {
    const o = settings<DecoderLayerCall>('TransformerDecoder.forward', rest, DECODER_CALL);
    let x = tgt;
    for (const layer of this.layers) x = layer(x, memory, o);
    return this.norm === null ? x : this.norm(x);
  }
}

export interface TransformerOptions extends TransformerLayerOptions {
  dModel?: number;
  nhead?: number;
  numEncoderLayers?: number;
  numDecoderLayers?: number;
  customEncoder?: Module | null;
  customDecoder?: Module | null;
}
export interface TransformerCall extends DecoderLayerCall {
  srcMask?: Tensor | null;
  srcKeyPaddingMask?: Tensor | null;
  srcIsCausal?: boolean;
}
type EncoderLike = Module & ((src: Tensor, options: EncoderCall) => Tensor);
type DecoderLike = Module & ((tgt: Tensor, memory: Tensor, options: DecoderLayerCall) => Tensor);

/** Encoder and decoder: source [S, B, E] and target [T, B, E] to [T, B, E]. */
export class Transformer extends Module {
  readonly dModel: number;
  readonly nhead: number;
  readonly batchFirst: boolean;
  readonly encoder: EncoderLike;
  readonly decoder: DecoderLike;
  constructor(
    ...rest: Rest<
      [
        dModel: number,
        nhead: number,
        numEncoderLayers: number,
        numDecoderLayers: number,
        dimFeedforward: number,
        dropout: number,
        activation: Activation,
        customEncoder: Module | null,
        customDecoder: Module | null,
        layerNormEps: number,
        batchFirst: boolean,
        normFirst: boolean,
        bias: boolean,
      ],
      TransformerOptions
    >
  ) {
    super();
    const { dimFeedforward, dropout, activation, ...later } = LAYER;
    const o = settings<TransformerOptions>('Transformer', rest, {
      dModel: 512,
      nhead: 8,
      numEncoderLayers: 6,
      numDecoderLayers: 6,
      dimFeedforward,
      dropout,
      activation,
      customEncoder: null,
      customDecoder: null,
      ...later,
    });
    const layer: TransformerLayerOptions = Object.fromEntries(
      Object.keys(LAYER).map((name) => [name, o[name as keyof TransformerLayerOptions]]),
    );
    const norm = (): LayerNorm => new LayerNorm(o.dModel, { eps: o.layerNormEps, bias: o.bias, dtype: o.dtype });
    this.encoder = (o.customEncoder ??
      new TransformerEncoder(
        new TransformerEncoderLayer(o.dModel, o.nhead, layer),
        o.numEncoderLayers,
        norm(),
      )) as EncoderLike;
    this.decoder = (o.customDecoder ??
      new TransformerDecoder(
        new TransformerDecoderLayer(o.dModel, o.nhead, layer),
        o.numDecoderLayers,
        norm(),
      )) as DecoderLike;
    this.dModel = o.dModel;
    this.nhead = o.nhead;
    this.batchFirst = o.batchFirst;
    this.resetParameters();
  }
  resetParameters(): void {
    for (const p of this.parameters()) if (p.ndim > 1) xavierUniform_(p);
  }
  override forward(
    src: Tensor,
    tgt: Tensor,
    ...rest: Rest<
      [
        srcMask: Tensor | null,
        tgtMask: Tensor | null,
        memoryMask: Tensor | null,
        srcKeyPaddingMask: Tensor | null,
        tgtKeyPaddingMask: Tensor | null,
        memoryKeyPaddingMask: Tensor | null,
      ],
      TransformerCall
    >
  ): Tensor {
    const o = settings<TransformerCall>('Transformer.forward', rest, {
      srcMask: null,
      tgtMask: null,
      memoryMask: null,
      srcKeyPaddingMask: null,
      tgtKeyPaddingMask: null,
      memoryKeyPaddingMask: null,
      srcIsCausal: false,
      tgtIsCausal: false,
      memoryIsCausal: false,
    });
    const batch = this.batchFirst ? 0 : 1;
    if (src.ndim === 3 && src.shape[batch] !== tgt.shape[batch])
      throw new ShapeError('the batch number of src and tgt must be equal');
    if (src.shape.at(-1) !== this.dModel || tgt.shape.at(-1) !== this.dModel)
      throw new ShapeError('the feature number of src and tgt must be equal to d_model');
    const { srcMask, srcKeyPaddingMask, srcIsCausal, ...decoding } = o;
    const memory = this.encoder(src, { mask: srcMask, srcKeyPaddingMask, isCausal: srcIsCausal });
    return this.decoder(tgt, memory, decoding);
  }
  /** The mask that lets position i see positions up to i: 0 there, -Infinity elsewhere. */
  static generateSquareSubsequentMask(size: number, options: { dtype?: DType } = {}): Tensor {
    return full([size, size], -Infinity, options).triu(1);
  }
}
