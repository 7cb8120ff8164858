// Vision transformer. Source: torchvision's vision_transformer.py, 0.14.
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { empty, zeros } from '../../tensor/create.js';
import type { Tensor } from '../../tensor/handle.js';
import { cat } from '../../../generated/ts/functions.js';
import * as nn from '../../nn/index.js';
import { normal_, truncNormal_, xavierUniform_, zeros_ } from '../../nn/init.js';
import { MLP, type Layer } from '../ops/layers.js';
import { register, type ModelOptions } from './registry.js';

const preciseNorm: Layer = (n) => new nn.LayerNorm(n!, { eps: 1e-6 });

class MLPBlock extends MLP {
  constructor(inputs: number, hidden: number, dropout: number) {
    super(inputs, [hidden, inputs], { activationLayer: () => new nn.GELU(), dropout });
    for (const m of this.modules()) {
      if (!(m instanceof nn.Linear)) continue;
      xavierUniform_(m.weight);
      normal_(m.bias!, 0, 1e-6);
    }
  }
}
class EncoderBlock extends nn.Module {
  ln_1: nn.Module;
  self_attention: nn.MultiheadAttention;
  dropout: nn.Dropout;
  ln_2: nn.Module;
  mlp: MLPBlock;
  constructor(heads: number, hidden: number, mlp: number, dropout: number, attentionDropout: number, norm: Layer) {
    super();
    this.ln_1 = norm(hidden);
    this.self_attention = new nn.MultiheadAttention(hidden, heads, { dropout: attentionDropout, batchFirst: true });
    this.dropout = new nn.Dropout(dropout);
    this.ln_2 = norm(hidden);
    this.mlp = new MLPBlock(hidden, mlp, dropout);
  }
  override forward(input: Tensor): Tensor {
    if (input.ndim !== 3)
      throw new ShapeError(`Expected (batch_size, seq_length, hidden_dim) got [${input.shape.join(', ')}]`);
    const x = (this.ln_1 as nn.LayerNorm)(input);
    const [attended] = this.self_attention(x, x, x, { needWeights: false }) as unknown as [Tensor];
    const y = this.dropout(attended).add(input);
    return y.add(this.mlp((this.ln_2 as nn.LayerNorm)(y)));
  }
}
class Encoder extends nn.Module {
  pos_embedding: nn.Parameter;
  dropout: nn.Dropout;
  layers: nn.Sequential;
  ln: nn.Module;
  constructor(length: number, layers: number, dropout: number, hidden: number, make: () => EncoderBlock, norm: Layer) {
    super();
    this.pos_embedding = new nn.Parameter(empty([1, length, hidden]).normal_(0, 0.02));
    this.dropout = new nn.Dropout(dropout);
    this.layers = new nn.Sequential(
      Object.fromEntries(Array.from({ length: layers }, (_, i) => [`encoder_layer_${i}`, make()])),
    );
    this.ln = norm(hidden);
  }
  override forward(input: Tensor): Tensor {
    return (this.ln as nn.LayerNorm)(this.layers(this.dropout(input.add(this.pos_embedding))));
  }
}

export interface ViTOptions extends ModelOptions {
  dropout?: number;
  attentionDropout?: number;
  /** Width of a layer before the head, as in pretraining; null: none. */
  representationSize?: number | null;
  imageSize?: number;
  normLayer?: Layer;
}
/** Patches as words of a transformer's encoder; the class is read from an extra first word. */
export class VisionTransformer extends nn.Module {
  readonly imageSize: number;
  readonly patchSize: number;
  class_token: nn.Parameter;
  conv_proj: nn.Conv2d;
  encoder: Encoder;
  heads: nn.Sequential;

  constructor(
    imageSize: number,
    patchSize: number,
    numLayers: number,
    numHeads: number,
    hiddenDim: number,
    mlpDim: number,
    options: ViTOptions = {},
  ) {
    super();
    if (imageSize % patchSize !== 0) throw new ValueError('Input shape indivisible by patch size!');
    const { dropout = 0, attentionDropout = 0, numClasses = 1000, representationSize = null } = options;
    const norm = options.normLayer ?? preciseNorm;
    this.imageSize = imageSize;
    this.patchSize = patchSize;
    this.conv_proj = new nn.Conv2d(3, hiddenDim, patchSize, { stride: patchSize });
    this.class_token = new nn.Parameter(zeros([1, 1, hiddenDim]));
    const length = (imageSize / patchSize) ** 2 + 1;
    const block = (): EncoderBlock => new EncoderBlock(numHeads, hiddenDim, mlpDim, dropout, attentionDropout, norm);
    this.encoder = new Encoder(length, numLayers, dropout, hiddenDim, block, norm);
    const head: Record<string, nn.Module> = {};
    if (representationSize !== null) {
      head['pre_logits'] = new nn.Linear(hiddenDim, representationSize);
      head['act'] = new nn.Tanh();
    }
    head['head'] = new nn.Linear(representationSize ?? hiddenDim, numClasses);
    this.heads = new nn.Sequential(head);

    truncNormal_(this.conv_proj.weight, 0, Math.sqrt(1 / (3 * patchSize * patchSize)));
    zeros_(this.conv_proj.bias!);
    const before = head['pre_logits'];
    if (before instanceof nn.Linear) {
      truncNormal_(before.weight, 0, Math.sqrt(1 / before.inFeatures));
      zeros_(before.bias!);
    }
    const last = head['head'] as nn.Linear;
    zeros_(last.weight);
    zeros_(last.bias!);
  }
  override forward(x: Tensor): Tensor {
    const [n, , h, w] = x.shape as [number, number, number, number];
    if (h !== this.imageSize) throw new ShapeError(`Wrong image height! Expected ${this.imageSize} but got ${h}!`);
    if (w !== this.imageSize) throw new ShapeError(`Wrong image width! Expected ${this.imageSize} but got ${w}!`);
    const patches = this.conv_proj(x).flatten(2).permute(0, 2, 1);
    const words = cat([this.class_token.expand([n, -1, -1]), patches], 1);
    return this.heads(this.encoder(words).select(1, 0));
  }
}
/** Old files have `mlp.linear_1` and `mlp.linear_2`. */
const renamed = (state: Record<string, Tensor>): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(state).map(([k, t]) => [
      k.replace(/\bmlp\.linear_([12])\./, (_, i) => `mlp.${i === '1' ? 0 : 3}.`),
      t,
    ]),
  );
const make = (size: string, patch: number, layers: number, heads: number, hidden: number, mlp: number) =>
  register<VisionTransformer, ViTOptions>(
    `vit_${size}_${patch}`,
    (o) => new VisionTransformer(o.imageSize ?? 224, patch, layers, heads, hidden, mlp, o),
    renamed,
  );
export const vitB16 = make('b', 16, 12, 12, 768, 3072);
export const vitB32 = make('b', 32, 12, 12, 768, 3072);
export const vitL16 = make('l', 16, 24, 16, 1024, 4096);
export const vitL32 = make('l', 32, 24, 16, 1024, 4096);
export const vitH14 = make('h', 14, 32, 16, 1280, 5120);
