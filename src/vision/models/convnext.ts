// ConvNeXt. Source: torchvision's convnext.py, 0.14.
import { full } from '../../tensor/create.js';
import type { Tensor } from '../../tensor/handle.js';
import * as nn from '../../nn/index.js';
import { truncNormal_, zeros_ } from '../../nn/init.js';
import { Conv2dNormActivation, Permute, StochasticDepth, type Layer } from '../ops/layers.js';
import { register, type ModelOptions } from './registry.js';

/** Layer normalisation over the channels of [N, C, H, W]. */
export class LayerNorm2d extends nn.LayerNorm {
  override forward(x: Tensor): Tensor {
    return super.forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
  }
}
const norm: Layer = (n) => new LayerNorm2d(n!, { eps: 1e-6 });

export interface ConvNeXtOptions extends ModelOptions {
  stochasticDepthProb?: number;
  /** First value of the factor of each block. */
  layerScale?: number;
}
class CNBlock extends nn.Module {
  layer_scale: nn.Parameter;
  block: nn.Sequential;
  stochastic_depth: StochasticDepth;
  constructor(dim: number, layerScale: number, sd: number) {
    super();
    this.block = new nn.Sequential(
      new nn.Conv2d(dim, dim, 7, { padding: 3, groups: dim }),
      new Permute([0, 2, 3, 1]),
      new nn.LayerNorm(dim, { eps: 1e-6 }),
      new nn.Linear(dim, 4 * dim),
      new nn.GELU(),
      new nn.Linear(4 * dim, dim),
      new Permute([0, 3, 1, 2]),
    );
    this.layer_scale = new nn.Parameter(full([dim, 1, 1], layerScale, { dtype: 'float32' }));
    this.stochastic_depth = new StochasticDepth(sd, 'row');
  }
  override forward(x: Tensor): Tensor {
    return this.stochastic_depth(this.layer_scale.mul(this.block(x))).add(x);
  }
}
export class ConvNeXt extends nn.Module {
  features: nn.Sequential;
  avgpool = new nn.AdaptiveAvgPool2d(1);
  classifier: nn.Sequential;
  constructor(widths: readonly number[], depths: readonly number[], options: ConvNeXtOptions = {}) {
    super();
    const { numClasses = 1000, layerScale = 1e-6, stochasticDepthProb = 0 } = options;
    const layers: nn.Module[] = [
      new Conv2dNormActivation(3, widths[0]!, {
        kernelSize: 4,
        stride: 4,
        padding: 0,
        normLayer: norm,
        activationLayer: null,
        bias: true,
      }),
    ];
    const total = depths.reduce((a, b) => a + b, 0);
    let at = 0;
    for (const [i, depth] of depths.entries()) {
      const width = widths[i]!;
      const blocks = Array.from(
        { length: depth },
        () => new CNBlock(width, layerScale, (stochasticDepthProb * at++) / (total - 1)),
      );
      layers.push(new nn.Sequential(...blocks));
      const next = widths[i + 1];
      if (next !== undefined) layers.push(new nn.Sequential(norm(width), new nn.Conv2d(width, next, 2, { stride: 2 })));
    }
    this.features = new nn.Sequential(...layers);
    const last = widths.at(-1)!;
    this.classifier = new nn.Sequential(norm(last), new nn.Flatten(1), new nn.Linear(last, numClasses));
    for (const m of this.modules()) {
      if (!(m instanceof nn.Conv2d || m instanceof nn.Linear)) continue;
      truncNormal_(m.weight, 0, 0.02);
      if (m.bias !== null) zeros_(m.bias);
    }
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)));
  }
}
const make = (size: string, widths: readonly number[], depths: readonly number[], stochasticDepthProb: number) =>
  register<ConvNeXt, ConvNeXtOptions>(
    `convnext_${size}`,
    (o) => new ConvNeXt(widths, depths, { stochasticDepthProb, ...o }),
  );
export const convnextTiny = make('tiny', [96, 192, 384, 768], [3, 3, 9, 3], 0.1);
export const convnextSmall = make('small', [96, 192, 384, 768], [3, 3, 27, 3], 0.4);
export const convnextBase = make('base', [128, 256, 512, 1024], [3, 3, 27, 3], 0.5);
export const convnextLarge = make('large', [192, 384, 768, 1536], [3, 3, 27, 3], 0.5);
