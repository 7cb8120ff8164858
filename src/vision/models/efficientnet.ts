// EfficientNet and EfficientNetV2. Source: torchvision's efficientnet.py, 0.14.
import type { Tensor } from '../../tensor/handle.js';
import * as nn from '../../nn/index.js';
import { kaimingNormal_, ones_, uniform_, zeros_ } from '../../nn/init.js';
import {
  batchNorm,
  Conv2dNormActivation,
  makeDivisible,
  silu,
  SqueezeExcitation,
  StochasticDepth,
  type Layer,
} from '../ops/layers.js';
import { register } from './registry.js';
import type { DropoutModelOptions } from './classic.js';

export interface EfficientNetOptions extends DropoutModelOptions {
  stochasticDepthProb?: number;
}
/** [kind, expansion, kernel, stride, inputs, outputs, blocks] of a stage. */
type Stage = readonly ['MB' | 'Fused', number, number, number, number, number, number];

class MBConv extends nn.Module {
  block: nn.Sequential;
  stochastic_depth: StochasticDepth;
  readonly residual: boolean;
  constructor([kind, expand, kernelSize, stride, inputs, outputs]: Stage, sd: number, normLayer: Layer) {
    super();
    const expanded = makeDivisible(inputs * expand);
    const layers: nn.Module[] = [];
    const shared = { normLayer, activationLayer: silu };
    const project = { kernelSize: 1, normLayer, activationLayer: null };
    if (kind === 'Fused') {
      // One full convolution in place of expansion and depthwise convolution.
      const wide = expanded !== inputs;
      layers.push(new Conv2dNormActivation(inputs, wide ? expanded : outputs, { kernelSize, stride, ...shared }));
      if (wide) layers.push(new Conv2dNormActivation(expanded, outputs, project));
    } else {
      if (expanded !== inputs) layers.push(new Conv2dNormActivation(inputs, expanded, { kernelSize: 1, ...shared }));
      layers.push(
        new Conv2dNormActivation(expanded, expanded, { kernelSize, stride, groups: expanded, ...shared }),
        new SqueezeExcitation(expanded, Math.max(1, Math.floor(inputs / 4)), () => new nn.SiLU(true)),
        new Conv2dNormActivation(expanded, outputs, project),
      );
    }
    this.block = new nn.Sequential(...layers);
    this.stochastic_depth = new StochasticDepth(sd, 'row');
    this.residual = stride === 1 && inputs === outputs;
  }
  override forward(x: Tensor): Tensor {
    const out = this.block(x);
    return this.residual ? this.stochastic_depth(out).add(x) : out;
  }
}

export class EfficientNet extends nn.Module {
  features: nn.Sequential;
  avgpool = new nn.AdaptiveAvgPool2d(1);
  classifier: nn.Sequential;
  constructor(
    stages: readonly Stage[],
    lastChannel: number | null,
    normLayer: Layer,
    options: EfficientNetOptions = {},
  ) {
    super();
    const { numClasses = 1000, dropout = 0.2, stochasticDepthProb = 0.2 } = options;
    const layers: nn.Module[] = [
      new Conv2dNormActivation(3, stages[0]![4], { stride: 2, normLayer, activationLayer: silu }),
    ];
    const total = stages.reduce((n, s) => n + s[6], 0);
    let at = 0;
    for (const [kind, expand, kernel, stride, inputs, outputs, blocks] of stages) {
      const stage: nn.Module[] = [];
      for (let i = 0; i < blocks; i++, at++) {
        const first = i === 0;
        const block: Stage = [kind, expand, kernel, first ? stride : 1, first ? inputs : outputs, outputs, 1];
        stage.push(new MBConv(block, (stochasticDepthProb * at) / total, normLayer));
      }
      layers.push(new nn.Sequential(...stage));
    }
    const inner = stages.at(-1)![5];
    const last = lastChannel ?? 4 * inner;
    layers.push(new Conv2dNormActivation(inner, last, { kernelSize: 1, normLayer, activationLayer: silu }));
    this.features = new nn.Sequential(...layers);
    this.classifier = new nn.Sequential(new nn.Dropout(dropout, true), new nn.Linear(last, numClasses));
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) {
        kaimingNormal_(m.weight, { mode: 'fan_out' });
        if (m.bias !== null) zeros_(m.bias);
      } else if (m instanceof nn.BatchNorm2d) {
        ones_(m.weight!);
        zeros_(m.bias!);
      } else if (m instanceof nn.Linear) {
        const range = 1 / Math.sqrt(m.outFeatures);
        uniform_(m.weight, -range, range);
        zeros_(m.bias!);
      }
    }
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}

function scaled(width: number, depth: number): Stage[] {
  const base: Stage[] = [
    ['MB', 1, 3, 1, 32, 16, 1],
    ['MB', 6, 3, 2, 16, 24, 2],
    ['MB', 6, 5, 2, 24, 40, 2],
    ['MB', 6, 3, 2, 40, 80, 3],
    ['MB', 6, 5, 1, 80, 112, 3],
    ['MB', 6, 5, 2, 112, 192, 4],
    ['MB', 6, 3, 1, 192, 320, 1],
  ];
  return base.map(([k, e, kernel, s, i, o, n]) => [k, e, kernel, s, makeDivisible(i * width), makeDivisible(o * width), Math.ceil(n * depth)]); // prettier-ignore
}
const slowNorm: Layer = (n) => new nn.BatchNorm2d(n!, { eps: 0.001, momentum: 0.01 });
const preciseNorm: Layer = (n) => new nn.BatchNorm2d(n!, { eps: 1e-3 });
const b = (k: number, width: number, depth: number, dropout: number, norm: Layer = batchNorm) =>
  register<EfficientNet, EfficientNetOptions>(
    `efficientnet_b${k}`,
    (o) => new EfficientNet(scaled(width, depth), null, norm, { dropout, ...o }),
  );
export const efficientnetB0 = b(0, 1.0, 1.0, 0.2);
export const efficientnetB1 = b(1, 1.0, 1.1, 0.2);
export const efficientnetB2 = b(2, 1.1, 1.2, 0.3);
export const efficientnetB3 = b(3, 1.2, 1.4, 0.3);
export const efficientnetB4 = b(4, 1.4, 1.8, 0.4);
export const efficientnetB5 = b(5, 1.6, 2.2, 0.4, slowNorm);
export const efficientnetB6 = b(6, 1.8, 2.6, 0.5, slowNorm);
export const efficientnetB7 = b(7, 2.0, 3.1, 0.5, slowNorm);

const v2 = (size: string, dropout: number, stages: readonly Stage[]) =>
  register<EfficientNet, EfficientNetOptions>(
    `efficientnet_v2_${size}`,
    (o) => new EfficientNet(stages, 1280, preciseNorm, { dropout, ...o }),
  );
export const efficientnetV2S = v2('s', 0.2, [
  ['Fused', 1, 3, 1, 24, 24, 2],
  ['Fused', 4, 3, 2, 24, 48, 4],
  ['Fused', 4, 3, 2, 48, 64, 4],
  ['MB', 4, 3, 2, 64, 128, 6],
  ['MB', 6, 3, 1, 128, 160, 9],
  ['MB', 6, 3, 2, 160, 256, 15],
]);
export const efficientnetV2M = v2('m', 0.3, [
  ['Fused', 1, 3, 1, 24, 24, 3],
  ['Fused', 4, 3, 2, 24, 48, 5],
  ['Fused', 4, 3, 2, 48, 80, 5],
  ['MB', 4, 3, 2, 80, 160, 7],
  ['MB', 6, 3, 1, 160, 176, 14],
  ['MB', 6, 3, 2, 176, 304, 18],
  ['MB', 6, 3, 1, 304, 512, 5],
]);
export const efficientnetV2L = v2('l', 0.4, [
  ['Fused', 1, 3, 1, 32, 32, 4],
  ['Fused', 4, 3, 2, 32, 64, 7],
  ['Fused', 4, 3, 2, 64, 96, 7],
  ['MB', 4, 3, 2, 96, 192, 10],
  ['MB', 6, 3, 1, 192, 224, 19],
  ['MB', 6, 3, 2, 224, 384, 25],
  ['MB', 6, 3, 1, 384, 640, 7],
]);
