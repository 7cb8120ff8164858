// Small networks: MobileNetV2 and V3, ShuffleNetV2, MNASNet. Sources: torchvision's files of these names, 0.14.
import type { Tensor } from '../../tensor/handle.js';
import { cat } from '../../../generated/ts/functions.js';
import * as nn from '../../nn/index.js';
import { kaimingNormal_, kaimingUniform_, normal_, ones_, zeros_ } from '../../nn/init.js';
import {
  Conv2dNormActivation,
  hardswish,
  makeDivisible,
  relu,
  relu6,
  SqueezeExcitation,
  type Layer,
} from '../ops/layers.js';
import { register, type ModelOptions } from './registry.js';
import type { DropoutModelOptions } from './classic.js';

/** Initial values that the mobile networks share. */
function initialize(model: nn.Module): void {
  for (const m of model.modules()) {
    if (m instanceof nn.Conv2d) {
      kaimingNormal_(m.weight, { mode: 'fan_out' });
      if (m.bias !== null) zeros_(m.bias);
    } else if (m instanceof nn.BatchNorm2d) {
      ones_(m.weight!);
      zeros_(m.bias!);
    } else if (m instanceof nn.Linear) {
      normal_(m.weight, 0, 0.01);
      zeros_(m.bias!);
    }
  }
}

// ---- MobileNetV2 ----

class InvertedResidual extends nn.Module {
  conv: nn.Sequential;
  readonly residual: boolean;
  constructor(inputs: number, outputs: number, stride: number, expand: number) {
    super();
    const hidden = Math.round(inputs * expand);
    const layers: nn.Module[] = [];
    if (expand !== 1) layers.push(new Conv2dNormActivation(inputs, hidden, { kernelSize: 1, activationLayer: relu6 }));
    layers.push(
      new Conv2dNormActivation(hidden, hidden, { stride, groups: hidden, activationLayer: relu6 }),
      new nn.Conv2d(hidden, outputs, 1, { bias: false }),
      new nn.BatchNorm2d(outputs),
    );
    this.conv = new nn.Sequential(...layers);
    this.residual = stride === 1 && inputs === outputs;
  }
  override forward(x: Tensor): Tensor {
    const out = this.conv(x);
    return this.residual ? x.add(out) : out;
  }
}
export interface MobileNetV2Options extends DropoutModelOptions {
  widthMult?: number;
}
export class MobileNetV2 extends nn.Module {
  features: nn.Sequential;
  classifier: nn.Sequential;
  constructor(options: MobileNetV2Options = {}) {
    super();
    const { numClasses = 1000, widthMult = 1, dropout = 0.2 } = options;
    let channels = makeDivisible(32 * widthMult);
    const last = makeDivisible(1280 * Math.max(1, widthMult));
    const layers: nn.Module[] = [new Conv2dNormActivation(3, channels, { stride: 2, activationLayer: relu6 })];
    // [expansion, channels, blocks, stride]
    const stages = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]] as const; // prettier-ignore
    for (const [t, c, n, s] of stages) {
      const outputs = makeDivisible(c * widthMult);
      for (let i = 0; i < n; i++) {
        layers.push(new InvertedResidual(channels, outputs, i === 0 ? s : 1, t));
        channels = outputs;
      }
    }
    layers.push(new Conv2dNormActivation(channels, last, { kernelSize: 1, activationLayer: relu6 }));
    this.features = new nn.Sequential(...layers);
    this.classifier = new nn.Sequential(new nn.Dropout(dropout), new nn.Linear(last, numClasses));
    initialize(this);
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(nn.functional.adaptiveAvgPool2d(this.features(x), [1, 1]).flatten(1));
  }
}
export const mobilenetV2 = register<MobileNetV2, MobileNetV2Options>('mobilenet_v2', (o) => new MobileNetV2(o));

// ---- MobileNetV3 ----

/** [kernel, expanded, outputs, squeeze-excitation, hardswish, stride, dilation]; inputs are the outputs before. */
type V3Block = readonly [number, number, number, boolean, boolean, number, number];
export interface MobileNetV3Options extends DropoutModelOptions {
  /** Half the channels at the end. */
  reducedTail?: boolean;
  /** Dilation in place of the last stride (for segmentation). */
  dilated?: boolean;
}
class V3Residual extends nn.Module {
  block: nn.Sequential;
  readonly residual: boolean;
  readonly isStrided: boolean;
  constructor(inputs: number, [kernelSize, expanded, outputs, se, hs, stride, dilation]: V3Block, normLayer: Layer) {
    super();
    const activationLayer = hs ? hardswish : relu;
    const layers: nn.Module[] = [];
    if (expanded !== inputs)
      layers.push(new Conv2dNormActivation(inputs, expanded, { kernelSize: 1, normLayer, activationLayer }));
    layers.push(
      new Conv2dNormActivation(expanded, expanded, {
        kernelSize,
        stride: dilation > 1 ? 1 : stride,
        dilation,
        groups: expanded,
        normLayer,
        activationLayer,
      }),
    );
    if (se) {
      layers.push(
        new SqueezeExcitation(expanded, makeDivisible(Math.floor(expanded / 4)), undefined, () => new nn.Hardsigmoid()),
      );
    }
    layers.push(new Conv2dNormActivation(expanded, outputs, { kernelSize: 1, normLayer, activationLayer: null }));
    this.block = new nn.Sequential(...layers);
    this.residual = stride === 1 && inputs === outputs;
    this.isStrided = stride > 1;
  }
  override forward(x: Tensor): Tensor {
    const out = this.block(x);
    return this.residual ? out.add(x) : out;
  }
}
export class MobileNetV3 extends nn.Module {
  features: nn.Sequential;
  avgpool = new nn.AdaptiveAvgPool2d(1);
  classifier: nn.Sequential;
  constructor(blocks: readonly V3Block[], lastChannel: number, options: MobileNetV3Options = {}) {
    super();
    const { numClasses = 1000, dropout = 0.2 } = options;
    const normLayer: Layer = (n) => new nn.BatchNorm2d(n!, { eps: 0.001, momentum: 0.01 });
    const layers: nn.Module[] = [new Conv2dNormActivation(3, 16, { stride: 2, normLayer, activationLayer: hardswish })];
    let channels = 16;
    for (const b of blocks) {
      layers.push(new V3Residual(channels, b, normLayer));
      channels = b[2];
    }
    layers.push(
      new Conv2dNormActivation(channels, 6 * channels, { kernelSize: 1, normLayer, activationLayer: hardswish }),
    );
    this.features = new nn.Sequential(...layers);
    this.classifier = new nn.Sequential(
      new nn.Linear(6 * channels, lastChannel),
      new nn.Hardswish(true),
      new nn.Dropout(dropout),
      new nn.Linear(lastChannel, numClasses),
    );
    initialize(this);
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.avgpool(this.features(x)).flatten(1));
  }
}
const [T, N] = [true, false];
function largeBlocks(o: MobileNetV3Options): V3Block[] {
  const r = o.reducedTail === true ? 2 : 1;
  const d = o.dilated === true ? 2 : 1;
  return [[3, 16, 16, N, N, 1, 1], [3, 64, 24, N, N, 2, 1], [3, 72, 24, N, N, 1, 1], [5, 72, 40, T, N, 2, 1],
    [5, 120, 40, T, N, 1, 1], [5, 120, 40, T, N, 1, 1], [3, 240, 80, N, T, 2, 1], [3, 200, 80, N, T, 1, 1],
    [3, 184, 80, N, T, 1, 1], [3, 184, 80, N, T, 1, 1], [3, 480, 112, T, T, 1, 1], [3, 672, 112, T, T, 1, 1],
    [5, 672, 160 / r, T, T, 2, d], [5, 960 / r, 160 / r, T, T, 1, d], [5, 960 / r, 160 / r, T, T, 1, d]]; // prettier-ignore
}
function smallBlocks(o: MobileNetV3Options): V3Block[] {
  const r = o.reducedTail === true ? 2 : 1;
  const d = o.dilated === true ? 2 : 1;
  return [[3, 16, 16, T, N, 2, 1], [3, 72, 24, N, N, 2, 1], [3, 88, 24, N, N, 1, 1], [5, 96, 40, T, T, 2, 1],
    [5, 240, 40, T, T, 1, 1], [5, 240, 40, T, T, 1, 1], [5, 120, 48, T, T, 1, 1], [5, 144, 48, T, T, 1, 1],
    [5, 288, 96 / r, T, T, 2, d], [5, 576 / r, 96 / r, T, T, 1, d], [5, 576 / r, 96 / r, T, T, 1, d]]; // prettier-ignore
}
export const mobilenetV3Large = register<MobileNetV3, MobileNetV3Options>(
  'mobilenet_v3_large',
  (o) => new MobileNetV3(largeBlocks(o), o.reducedTail === true ? 640 : 1280, o),
);
export const mobilenetV3Small = register<MobileNetV3, MobileNetV3Options>(
  'mobilenet_v3_small',
  (o) => new MobileNetV3(smallBlocks(o), o.reducedTail === true ? 512 : 1024, o),
);

// ---- ShuffleNetV2 ----

/** Takes channels of all groups in turns. */
function shuffleChannels(x: Tensor, groups: number): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  return x
    .view([n, groups, c / groups, h, w])
    .transpose(1, 2)
    .contiguous()
    .view([n, c, h, w]);
}
const plainConv = (inputs: number, outputs: number): nn.Conv2d => new nn.Conv2d(inputs, outputs, 1, { bias: false });
const depthwise = (channels: number, stride: number): nn.Conv2d =>
  new nn.Conv2d(channels, channels, 3, { stride, padding: 1, bias: false, groups: channels });
class ShuffleUnit extends nn.Module {
  readonly stride: number;
  branch1: nn.Sequential;
  branch2: nn.Sequential;
  constructor(inputs: number, outputs: number, stride: number) {
    super();
    this.stride = stride;
    const half = outputs / 2;
    this.branch1 =
      stride > 1
        ? new nn.Sequential(
            depthwise(inputs, stride),
            new nn.BatchNorm2d(inputs),
            plainConv(inputs, half),
            new nn.BatchNorm2d(half),
            new nn.ReLU(true),
          )
        : new nn.Sequential();
    this.branch2 = new nn.Sequential(
      plainConv(stride > 1 ? inputs : half, half),
      new nn.BatchNorm2d(half),
      new nn.ReLU(true),
      depthwise(half, stride),
      new nn.BatchNorm2d(half),
      plainConv(half, half),
      new nn.BatchNorm2d(half),
      new nn.ReLU(true),
    );
  }
  override forward(x: Tensor): Tensor {
    if (this.stride > 1) return shuffleChannels(cat([this.branch1(x), this.branch2(x)], 1), 2);
    const half = x.shape[1]! / 2;
    return shuffleChannels(cat([x.narrow(1, 0, half), this.branch2(x.narrow(1, half, half))], 1), 2);
  }
}
export class ShuffleNetV2 extends nn.Module {
  conv1: nn.Sequential;
  maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  stage2: nn.Sequential;
  stage3: nn.Sequential;
  stage4: nn.Sequential;
  conv5: nn.Sequential;
  fc: nn.Linear;
  constructor(repeats: readonly number[], channels: readonly number[], options: ModelOptions = {}) {
    super();
    const [c1, c2, c3, c4, c5] = channels as [number, number, number, number, number];
    const entry = new nn.Conv2d(3, c1, 3, { stride: 2, padding: 1, bias: false });
    this.conv1 = new nn.Sequential(entry, new nn.BatchNorm2d(c1), new nn.ReLU(true));
    const stage = (inputs: number, outputs: number, n: number): nn.Sequential =>
      new nn.Sequential(
        ...Array.from({ length: n }, (_, i) => new ShuffleUnit(i === 0 ? inputs : outputs, outputs, i === 0 ? 2 : 1)),
      );
    this.stage2 = stage(c1, c2, repeats[0]!);
    this.stage3 = stage(c2, c3, repeats[1]!);
    this.stage4 = stage(c3, c4, repeats[2]!);
    this.conv5 = new nn.Sequential(plainConv(c4, c5), new nn.BatchNorm2d(c5), new nn.ReLU(true));
    this.fc = new nn.Linear(c5, options.numClasses ?? 1000);
  }
  override forward(x: Tensor): Tensor {
    const y = this.stage4(this.stage3(this.stage2(this.maxpool(this.conv1(x)))));
    return this.fc(this.conv5(y).mean([2, 3]));
  }
}
const shufflenet = (width: string, channels: readonly number[]) =>
  register(`shufflenet_v2_x${width}`, (o) => new ShuffleNetV2([4, 8, 4], channels, o));
export const shufflenetV2X0_5 = shufflenet('0_5', [24, 48, 96, 192, 1024]);
export const shufflenetV2X1_0 = shufflenet('1_0', [24, 116, 232, 464, 1024]);
export const shufflenetV2X1_5 = shufflenet('1_5', [24, 176, 352, 704, 1024]);
export const shufflenetV2X2_0 = shufflenet('2_0', [24, 244, 488, 976, 2048]);

// ---- MNASNet ----

const mnasNorm = (n: number): nn.BatchNorm2d => new nn.BatchNorm2d(n, { momentum: 1 - 0.9997 });
class MnasUnit extends nn.Module {
  layers: nn.Sequential;
  readonly residual: boolean;
  constructor(inputs: number, outputs: number, kernel: number, stride: number, expand: number) {
    super();
    const mid = inputs * expand;
    const options = { padding: Math.floor(kernel / 2), stride, groups: mid, bias: false };
    this.layers = new nn.Sequential(
      plainConv(inputs, mid),
      mnasNorm(mid),
      new nn.ReLU(true),
      new nn.Conv2d(mid, mid, kernel, options),
      mnasNorm(mid),
      new nn.ReLU(true),
      plainConv(mid, outputs),
      mnasNorm(outputs),
    );
    this.residual = inputs === outputs && stride === 1;
  }
  override forward(x: Tensor): Tensor {
    const out = this.layers(x);
    return this.residual ? out.add(x) : out;
  }
}
export class MNASNet extends nn.Module {
  layers: nn.Sequential;
  classifier: nn.Sequential;
  constructor(alpha: number, options: DropoutModelOptions = {}) {
    super();
    const { numClasses = 1000, dropout = 0.2 } = options;
    const d = [32, 16, 24, 40, 80, 96, 192, 320].map((c) => makeDivisible(c * alpha)) as [
      number, number, number, number, number, number, number, number,
    ]; // prettier-ignore
    const stack = (
      from: number,
      to: number,
      kernel: number,
      stride: number,
      expand: number,
      n: number,
    ): nn.Sequential =>
      new nn.Sequential(
        ...Array.from(
          { length: n },
          (_, i) => new MnasUnit(i === 0 ? from : to, to, kernel, i === 0 ? stride : 1, expand),
        ),
      );
    this.layers = new nn.Sequential(
      new nn.Conv2d(3, d[0], 3, { padding: 1, stride: 2, bias: false }),
      mnasNorm(d[0]),
      new nn.ReLU(true),
      depthwise(d[0], 1),
      mnasNorm(d[0]),
      new nn.ReLU(true),
      plainConv(d[0], d[1]),
      mnasNorm(d[1]),
      stack(d[1], d[2], 3, 2, 3, 3),
      stack(d[2], d[3], 5, 2, 3, 3),
      stack(d[3], d[4], 5, 2, 6, 3),
      stack(d[4], d[5], 3, 1, 6, 2),
      stack(d[5], d[6], 5, 2, 6, 4),
      stack(d[6], d[7], 3, 1, 6, 1),
      plainConv(d[7], 1280),
      mnasNorm(1280),
      new nn.ReLU(true),
    );
    this.classifier = new nn.Sequential(new nn.Dropout(dropout), new nn.Linear(1280, numClasses));
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) kaimingNormal_(m.weight, { mode: 'fan_out', nonlinearity: 'relu' });
      else if (m instanceof nn.BatchNorm2d) {
        ones_(m.weight!);
        zeros_(m.bias!);
      } else if (m instanceof nn.Linear) {
        kaimingUniform_(m.weight, { mode: 'fan_out', nonlinearity: 'sigmoid' });
        zeros_(m.bias!);
      }
    }
  }
  override forward(x: Tensor): Tensor {
    return this.classifier(this.layers(x).mean([2, 3]));
  }
}
const mnasnet = (width: string, alpha: number) =>
  register<MNASNet, DropoutModelOptions>(`mnasnet${width}`, (o) => new MNASNet(alpha, o));
export const mnasnet0_5 = mnasnet('0_5', 0.5);
export const mnasnet0_75 = mnasnet('0_75', 0.75);
export const mnasnet1_0 = mnasnet('1_0', 1);
export const mnasnet1_3 = mnasnet('1_3', 1.3);
