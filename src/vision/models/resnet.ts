// ResNet, ResNeXt, wide ResNet. Source: torchvision's resnet.py, 0.14.
import type { Tensor } from '../../tensor/handle.js';
import * as nn from '../../nn/index.js';
import { kaimingNormal_, ones_, zeros_ } from '../../nn/init.js';
import { batchNorm, call, type Layer } from '../ops/layers.js';
import { register, type ModelOptions } from './registry.js';

export interface ResNetOptions extends ModelOptions {
  zeroInitResidual?: boolean;
  groups?: number;
  widthPerGroup?: number;
  /** For each of the last three stages: dilation in place of stride. */
  replaceStrideWithDilation?: readonly [boolean, boolean, boolean];
  normLayer?: Layer;
}
interface BlockSettings {
  readonly stride: number;
  readonly downsample: nn.Module | null;
  readonly groups: number;
  readonly baseWidth: number;
  readonly dilation: number;
  readonly norm: Layer;
}
const conv3x3 = (inputs: number, outputs: number, stride = 1, groups = 1, dilation = 1): nn.Conv2d =>
  new nn.Conv2d(inputs, outputs, 3, { stride, padding: dilation, groups, dilation, bias: false });
const conv1x1 = (inputs: number, outputs: number, stride = 1): nn.Conv2d =>
  new nn.Conv2d(inputs, outputs, 1, { stride, bias: false });

export class BasicBlock extends nn.Module {
  static readonly expansion = 1;
  conv1: nn.Conv2d;
  bn1: nn.Module;
  relu = new nn.ReLU(true);
  conv2: nn.Conv2d;
  bn2: nn.Module;
  downsample: nn.Module | null;
  constructor(inputs: number, planes: number, o: BlockSettings) {
    super();
    this.conv1 = conv3x3(inputs, planes, o.stride);
    this.bn1 = o.norm(planes);
    this.conv2 = conv3x3(planes, planes);
    this.bn2 = o.norm(planes);
    this.downsample = o.downsample;
  }
  override forward(x: Tensor): Tensor {
    const out = call(this.bn2, this.conv2(this.relu(call(this.bn1, this.conv1(x)))));
    return this.relu(out.add(this.downsample === null ? x : call(this.downsample, x)));
  }
}
export class Bottleneck extends nn.Module {
  static readonly expansion = 4;
  conv1: nn.Conv2d;
  bn1: nn.Module;
  conv2: nn.Conv2d;
  bn2: nn.Module;
  conv3: nn.Conv2d;
  bn3: nn.Module;
  relu = new nn.ReLU(true);
  downsample: nn.Module | null;
  constructor(inputs: number, planes: number, o: BlockSettings) {
    super();
    const width = Math.trunc(planes * (o.baseWidth / 64)) * o.groups;
    this.conv1 = conv1x1(inputs, width);
    this.bn1 = o.norm(width);
    // The stride is at the 3x3 convolution ("ResNet V1.5").
    this.conv2 = conv3x3(width, width, o.stride, o.groups, o.dilation);
    this.bn2 = o.norm(width);
    this.conv3 = conv1x1(width, planes * 4);
    this.bn3 = o.norm(planes * 4);
    this.downsample = o.downsample;
  }
  override forward(x: Tensor): Tensor {
    let out = this.relu(call(this.bn1, this.conv1(x)));
    out = this.relu(call(this.bn2, this.conv2(out)));
    out = call(this.bn3, this.conv3(out));
    return this.relu(out.add(this.downsample === null ? x : call(this.downsample, x)));
  }
}

export class ResNet extends nn.Module {
  conv1 = new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  bn1: nn.Module;
  relu = new nn.ReLU(true);
  maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  layer1: nn.Sequential;
  layer2: nn.Sequential;
  layer3: nn.Sequential;
  layer4: nn.Sequential;
  avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc: nn.Linear;

  constructor(block: typeof BasicBlock | typeof Bottleneck, layers: readonly number[], options: ResNetOptions = {}) {
    super();
    const { numClasses = 1000, groups = 1, widthPerGroup = 64, normLayer: norm = batchNorm } = options;
    const dilate = options.replaceStrideWithDilation ?? [false, false, false];
    this.bn1 = norm(64);
    let inputs = 64;
    let dilation = 1;
    const stage = (planes: number, blocks: number, stride: number, dilated: boolean): nn.Sequential => {
      const before = dilation;
      let step = stride;
      if (dilated) {
        dilation *= stride;
        step = 1;
      }
      const outputs = planes * block.expansion;
      const downsample =
        step !== 1 || inputs !== outputs ? new nn.Sequential(conv1x1(inputs, outputs, step), norm(outputs)) : null;
      const shared = { groups, baseWidth: widthPerGroup, norm };
      const list: nn.Module[] = [new block(inputs, planes, { ...shared, stride: step, downsample, dilation: before })];
      inputs = outputs;
      for (let i = 1; i < blocks; i++)
        list.push(new block(inputs, planes, { ...shared, stride: 1, downsample: null, dilation }));
      return new nn.Sequential(...list);
    };
    this.layer1 = stage(64, layers[0]!, 1, false);
    this.layer2 = stage(128, layers[1]!, 2, dilate[0]);
    this.layer3 = stage(256, layers[2]!, 2, dilate[1]);
    this.layer4 = stage(512, layers[3]!, 2, dilate[2]);
    this.fc = new nn.Linear(512 * block.expansion, numClasses);
    for (const m of this.modules()) {
      if (m instanceof nn.Conv2d) kaimingNormal_(m.weight, { mode: 'fan_out', nonlinearity: 'relu' });
      else if (m instanceof nn.BatchNorm2d) {
        ones_(m.weight!);
        zeros_(m.bias!);
      }
    }
    if (options.zeroInitResidual === true) {
      for (const m of this.modules()) {
        const last = m instanceof Bottleneck ? m.bn3 : m instanceof BasicBlock ? m.bn2 : null;
        if (last instanceof nn.BatchNorm2d) zeros_(last.weight!);
      }
    }
  }
  override forward(x: Tensor): Tensor {
    let y = this.maxpool(this.relu(call(this.bn1, this.conv1(x))));
    y = this.layer4(this.layer3(this.layer2(this.layer1(y))));
    return this.fc(this.avgpool(y).flatten(1));
  }
}

const make = (
  name: string,
  block: typeof BasicBlock | typeof Bottleneck,
  layers: readonly number[],
  fixed: ResNetOptions = {},
) => register<ResNet, ResNetOptions>(name, (o) => new ResNet(block, layers, { ...fixed, ...o }));
export const resnet18 = make('resnet18', BasicBlock, [2, 2, 2, 2]);
export const resnet34 = make('resnet34', BasicBlock, [3, 4, 6, 3]);
export const resnet50 = make('resnet50', Bottleneck, [3, 4, 6, 3]);
export const resnet101 = make('resnet101', Bottleneck, [3, 4, 23, 3]);
export const resnet152 = make('resnet152', Bottleneck, [3, 8, 36, 3]);
export const resnext50_32x4d = make('resnext50_32x4d', Bottleneck, [3, 4, 6, 3], { groups: 32, widthPerGroup: 4 });
export const resnext101_32x8d = make('resnext101_32x8d', Bottleneck, [3, 4, 23, 3], { groups: 32, widthPerGroup: 8 });
export const resnext101_64x4d = make('resnext101_64x4d', Bottleneck, [3, 4, 23, 3], { groups: 64, widthPerGroup: 4 });
export const wideResnet50_2 = make('wide_resnet50_2', Bottleneck, [3, 4, 6, 3], { widthPerGroup: 128 });
export const wideResnet101_2 = make('wide_resnet101_2', Bottleneck, [3, 4, 23, 3], { widthPerGroup: 128 });
