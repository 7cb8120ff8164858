// LeNet, AlexNet, VGG, SqueezeNet. Sources: torchvision's alexnet.py, vgg.py, squeezenet.py, 0.14 (keys, initial values, outputs).
import type { Tensor } from '../../tensor/handle.js';
import { cat } from '../../../generated/ts/functions.js';
import * as nn from '../../nn/index.js';
import { constant_, kaimingNormal_, kaimingUniform_, normal_, ones_, zeros_ } from '../../nn/init.js';
import { register, type ModelOptions } from './registry.js';

/** The network of LeCun et al. (1998) as introductions to PyTorch write it: one channel of 32 x 32 (or 28 x 28 with padding 2). */
export class LeNet extends nn.Module {
  conv1: nn.Conv2d;
  conv2: nn.Conv2d;
  fc1: nn.Linear;
  fc2: nn.Linear;
  fc3: nn.Linear;
  constructor(options: { numClasses?: number; padding?: number } = {}) {
    super();
    this.conv1 = new nn.Conv2d(1, 6, 5, { padding: options.padding ?? 0 });
    this.conv2 = new nn.Conv2d(6, 16, 5);
    this.fc1 = new nn.Linear(16 * 5 * 5, 120);
    this.fc2 = new nn.Linear(120, 84);
    this.fc3 = new nn.Linear(84, options.numClasses ?? 10);
  }
  override forward(x: Tensor): Tensor {
    const F = nn.functional;
    let y = F.maxPool2d(F.relu(this.conv1(x)), 2);
    y = F.maxPool2d(F.relu(this.conv2(y)), 2).flatten(1);
    return this.fc3(F.relu(this.fc2(F.relu(this.fc1(y)))));
  }
}
export const lenet = register<LeNet, ModelOptions & { padding?: number }>('lenet', (o) => new LeNet(o));

export interface DropoutModelOptions extends ModelOptions {
  dropout?: number;
}
export class AlexNet extends nn.Module {
  features = new nn.Sequential(
    new nn.Conv2d(3, 64, 11, { stride: 4, padding: 2 }),
    new nn.ReLU(true),
    new nn.MaxPool2d(3, 2),
    new nn.Conv2d(64, 192, 5, { padding: 2 }),
    new nn.ReLU(true),
    new nn.MaxPool2d(3, 2),
    new nn.Conv2d(192, 384, 3, { padding: 1 }),
    new nn.ReLU(true),
    new nn.Conv2d(384, 256, 3, { padding: 1 }),
    new nn.ReLU(true),
    new nn.Conv2d(256, 256, 3, { padding: 1 }),
    new nn.ReLU(true),
    new nn.MaxPool2d(3, 2),
  );
  avgpool = new nn.AdaptiveAvgPool2d([6, 6]);
  classifier: nn.Sequential;
  constructor(options: DropoutModelOptions = {}) {
    super();
    const { numClasses = 1000, dropout = 0.5 } = options;
    this.classifier = new nn.Sequential(
      new nn.Dropout(dropout),
      new nn.Linear(256 * 6 * 6, 4096),
      new nn.ReLU(true),
      new nn.Dropout(dropout),
      new nn.Linear(4096, 4096),
      new nn.ReLU(true),
      new nn.Linear(4096, numClasses),
    );
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}
export const alexnet = register<AlexNet, DropoutModelOptions>('alexnet', (o) => new AlexNet(o));

// ---- VGG ----

const M = 'M';
const VGG_CONFIGS = {
  11: [64, M, 128, M, 256, 256, M, 512, 512, M, 512, 512, M],
  13: [64, 64, M, 128, 128, M, 256, 256, M, 512, 512, M, 512, 512, M],
  16: [64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M],
  19: [64, 64, M, 128, 128, M, 256, 256, 256, 256, M, 512, 512, 512, 512, M, 512, 512, 512, 512, M],
} as const;
export interface VGGOptions extends DropoutModelOptions {
  /** Draw the weights as the paper has them (default), or leave those of the layers. */
  initWeights?: boolean;
}
export class VGG extends nn.Module {
  features: nn.Sequential;
  avgpool = new nn.AdaptiveAvgPool2d([7, 7]);
  classifier: nn.Sequential;
  constructor(features: nn.Sequential, options: VGGOptions = {}) {
    super();
    const { numClasses = 1000, dropout = 0.5 } = options;
    this.features = features;
    this.classifier = new nn.Sequential(
      new nn.Linear(512 * 7 * 7, 4096),
      new nn.ReLU(true),
      new nn.Dropout(dropout),
      new nn.Linear(4096, 4096),
      new nn.ReLU(true),
      new nn.Dropout(dropout),
      new nn.Linear(4096, numClasses),
    );
    if (options.initWeights ?? options.weights == null) {
      for (const m of this.modules()) {
        if (m instanceof nn.Conv2d) {
          kaimingNormal_(m.weight, { mode: 'fan_out', nonlinearity: 'relu' });
          if (m.bias !== null) zeros_(m.bias);
        } else if (m instanceof nn.BatchNorm2d) {
          ones_(m.weight!);
          zeros_(m.bias!);
        } else if (m instanceof nn.Linear) {
          normal_(m.weight, 0, 0.01);
          constant_(m.bias!, 0);
        }
      }
    }
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}
function vggFeatures(depth: keyof typeof VGG_CONFIGS, norm: boolean): nn.Sequential {
  const layers: nn.Module[] = [];
  let channels = 3;
  for (const v of VGG_CONFIGS[depth]) {
    if (v === M) layers.push(new nn.MaxPool2d(2, 2));
    else {
      layers.push(new nn.Conv2d(channels, v, 3, { padding: 1 }));
      if (norm) layers.push(new nn.BatchNorm2d(v));
      layers.push(new nn.ReLU(true));
      channels = v;
    }
  }
  return new nn.Sequential(...layers);
}
const vgg = (depth: keyof typeof VGG_CONFIGS, norm: boolean) =>
  register<VGG, VGGOptions>(`vgg${depth}${norm ? '_bn' : ''}`, (o) => new VGG(vggFeatures(depth, norm), o));
export const vgg11 = vgg(11, false);
export const vgg13 = vgg(13, false);
export const vgg16 = vgg(16, false);
export const vgg19 = vgg(19, false);
export const vgg11Bn = vgg(11, true);
export const vgg13Bn = vgg(13, true);
export const vgg16Bn = vgg(16, true);
export const vgg19Bn = vgg(19, true);

// ---- SqueezeNet ----

class Fire extends nn.Module {
  squeeze: nn.Conv2d;
  squeeze_activation = new nn.ReLU(true);
  expand1x1: nn.Conv2d;
  expand1x1_activation = new nn.ReLU(true);
  expand3x3: nn.Conv2d;
  expand3x3_activation = new nn.ReLU(true);
  constructor(inputs: number, squeeze: number, one: number, three: number) {
    super();
    this.squeeze = new nn.Conv2d(inputs, squeeze, 1);
    this.expand1x1 = new nn.Conv2d(squeeze, one, 1);
    this.expand3x3 = new nn.Conv2d(squeeze, three, 3, { padding: 1 });
  }
  override forward(x: Tensor): Tensor {
    const s = this.squeeze_activation(this.squeeze(x));
    return cat([this.expand1x1_activation(this.expand1x1(s)), this.expand3x3_activation(this.expand3x3(s))], 1);
  }
}
const pool = (): nn.MaxPool2d => new nn.MaxPool2d(3, { stride: 2, ceilMode: true });
const fire = (inputs: number, squeeze: number): Fire => new Fire(inputs, squeeze, 4 * squeeze, 4 * squeeze);
const SQUEEZENET = {
  '1_0': (): nn.Module[] => [
    new nn.Conv2d(3, 96, 7, { stride: 2 }),
    new nn.ReLU(true),
    pool(),
    fire(96, 16),
    fire(128, 16),
    fire(128, 32),
    pool(),
    fire(256, 32),
    fire(256, 48),
    fire(384, 48),
    fire(384, 64),
    pool(),
    fire(512, 64),
  ],
  '1_1': (): nn.Module[] => [
    new nn.Conv2d(3, 64, 3, { stride: 2 }),
    new nn.ReLU(true),
    pool(),
    fire(64, 16),
    fire(128, 16),
    pool(),
    fire(128, 32),
    fire(256, 32),
    pool(),
    fire(256, 48),
    fire(384, 48),
    fire(384, 64),
    fire(512, 64),
  ],
} as const;
export class SqueezeNet extends nn.Module {
  features: nn.Sequential;
  classifier: nn.Sequential;
  constructor(version: keyof typeof SQUEEZENET = '1_0', options: DropoutModelOptions = {}) {
    super();
    this.features = new nn.Sequential(...SQUEEZENET[version]());
    const last = new nn.Conv2d(512, options.numClasses ?? 1000, 1);
    this.classifier = new nn.Sequential(
      new nn.Dropout(options.dropout ?? 0.5),
      last,
      new nn.ReLU(true),
      new nn.AdaptiveAvgPool2d([1, 1]),
    );
    for (const m of this.modules()) {
      if (!(m instanceof nn.Conv2d)) continue;
      if (m === last) normal_(m.weight, 0, 0.01);
      else kaimingUniform_(m.weight);
      zeros_(m.bias!);
    }
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.features(x)).flatten(1);
  }
}
const squeezenet = (version: keyof typeof SQUEEZENET) =>
  register<SqueezeNet, DropoutModelOptions>(`squeezenet${version}`, (o) => new SqueezeNet(version, o));
export const squeezenet1_0 = squeezenet('1_0');
export const squeezenet1_1 = squeezenet('1_1');
