// DenseNet. Source: torchvision's densenet.py, 0.14.
import type { Tensor } from '../../tensor/handle.js';
import { cat } from '../../../generated/ts/functions.js';
import * as nn from '../../nn/index.js';
import { kaimingNormal_, ones_, zeros_ } from '../../nn/init.js';
import { register, type ModelOptions } from './registry.js';

export interface DenseNetOptions extends ModelOptions {
  /** Factor of the bottleneck's width. */
  bnSize?: number;
  dropRate?: number;
}
class DenseLayer extends nn.Module {
  norm1: nn.BatchNorm2d;
  relu1 = new nn.ReLU(true);
  conv1: nn.Conv2d;
  norm2: nn.BatchNorm2d;
  relu2 = new nn.ReLU(true);
  conv2: nn.Conv2d;
  readonly dropRate: number;
  constructor(inputs: number, growth: number, bnSize: number, dropRate: number) {
    super();
    this.norm1 = new nn.BatchNorm2d(inputs);
    this.conv1 = new nn.Conv2d(inputs, bnSize * growth, 1, { bias: false });
    this.norm2 = new nn.BatchNorm2d(bnSize * growth);
    this.conv2 = new nn.Conv2d(bnSize * growth, growth, 3, { padding: 1, bias: false });
    this.dropRate = dropRate;
  }
  override forward(before: readonly Tensor[]): Tensor {
    const squeezed = this.conv1(this.relu1(this.norm1(cat(before, 1))));
    const out = this.conv2(this.relu2(this.norm2(squeezed)));
    return this.dropRate > 0 ? nn.functional.dropout(out, this.dropRate, this.training) : out;
  }
}
/** Each layer sees the outputs of all layers before it. */
class DenseBlock extends nn.Module {
  constructor(layers: number, inputs: number, growth: number, bnSize: number, dropRate: number) {
    super();
    for (let i = 0; i < layers; i++)
      this.addModule(`denselayer${i + 1}`, new DenseLayer(inputs + i * growth, growth, bnSize, dropRate));
  }
  override forward(x: Tensor): Tensor {
    const features = [x];
    for (const layer of this.children()) features.push((layer as DenseLayer)(features));
    return cat(features, 1);
  }
}
const transition = (inputs: number, outputs: number): nn.Sequential =>
  new nn.Sequential({
    norm: new nn.BatchNorm2d(inputs),
    relu: new nn.ReLU(true),
    conv: new nn.Conv2d(inputs, outputs, 1, { bias: false }),
    pool: new nn.AvgPool2d(2, 2),
  });

export class DenseNet extends nn.Module {
  features: nn.Sequential;
  classifier: nn.Linear;
  constructor(growthRate = 32, blocks: readonly number[] = [6, 12, 24, 16], first = 64, options: DenseNetOptions = {}) {
    super();
    const { bnSize = 4, dropRate = 0, numClasses = 1000 } = options;
    this.features = new nn.Sequential({
      conv0: new nn.Conv2d(3, first, 7, { stride: 2, padding: 3, bias: false }),
      norm0: new nn.BatchNorm2d(first),
      relu0: new nn.ReLU(true),
      pool0: new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
    });
    let channels = first;
    for (const [i, layers] of blocks.entries()) {
      this.features.addModule(`denseblock${i + 1}`, new DenseBlock(layers, channels, growthRate, bnSize, dropRate));
      channels += layers * growthRate;
      if (i === blocks.length - 1) continue;
      this.features.addModule(`transition${i + 1}`, transition(channels, Math.floor(channels / 2)));
      channels = Math.floor(channels / 2);
    }
    this.features.addModule('norm5', new nn.BatchNorm2d(channels));
    this.classifier = new nn.Linear(channels, numClasses);
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) kaimingNormal_(m.weight);
      else if (m instanceof nn.BatchNorm2d) {
        ones_(m.weight!);
        zeros_(m.bias!);
      } else if (m instanceof nn.Linear) zeros_(m.bias!);
    }
  }
  override forward(x: Tensor): Tensor {
    const features = nn.functional.relu(this.features(x));
    return this.classifier(nn.functional.adaptiveAvgPool2d(features, [1, 1]).flatten(1));
  }
}
/** Old files have `norm.1` where `norm1` is meant: dots were allowed in names then. */
const withoutDots = (state: Record<string, Tensor>): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(state).map(([k, t]) => [k.replace(/^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.)/, '$1$2'), t]),
  );
const make = (depth: number, growth: number, blocks: readonly number[], first: number) =>
  register<DenseNet, DenseNetOptions>(`densenet${depth}`, (o) => new DenseNet(growth, blocks, first, o), withoutDots);
export const densenet121 = make(121, 32, [6, 12, 24, 16], 64);
export const densenet161 = make(161, 48, [6, 12, 36, 24], 96);
export const densenet169 = make(169, 32, [6, 12, 32, 32], 64);
export const densenet201 = make(201, 32, [6, 12, 48, 32], 64);
