// GoogLeNet and Inception v3. Sources: torchvision's googlenet.py and inception.py, 0.14.
import type { Tensor } from '../../tensor/handle.js';
import { cat, stack } from '../../../generated/ts/functions.js';
import * as nn from '../../nn/index.js';
import { ones_, truncNormal_, zeros_ } from '../../nn/init.js';
import { register } from './registry.js';
import type { DropoutModelOptions } from './classic.js';
const F = nn.functional;

export interface InceptionOptions extends DropoutModelOptions {
  /** Classifiers in the middle, for training: in training mode the outputs come as a tuple. */
  auxLogits?: boolean;
  /** The normalisation that the published weights were trained with, applied to ImageNet's usual one. */
  transformInput?: boolean;
  initWeights?: boolean;
}
type ConvOptions = {
  kernelSize: number | readonly [number, number];
  stride?: number;
  padding?: number | readonly [number, number];
};
class BasicConv2d extends nn.Module {
  conv: nn.Conv2d;
  bn: nn.BatchNorm2d;
  constructor(inputs: number, outputs: number, { kernelSize, stride = 1, padding = 0 }: ConvOptions) {
    super();
    this.conv = new nn.Conv2d(inputs, outputs, kernelSize, { stride, padding, bias: false });
    this.bn = new nn.BatchNorm2d(outputs, { eps: 0.001 });
  }
  override forward(x: Tensor): Tensor {
    return F.relu(this.bn(this.conv(x)));
  }
}
const conv = (
  inputs: number,
  outputs: number,
  kernelSize: number | readonly [number, number],
  padding: number | readonly [number, number] = 0,
  stride = 1,
): BasicConv2d => new BasicConv2d(inputs, outputs, { kernelSize, stride, padding });

/** Draws the initial weights; `std` may differ for single layers. */
function initialize(model: nn.Module, std: (m: nn.Module) => number): void {
  for (const m of model.modules()) {
    if (m instanceof nn.Conv2d || m instanceof nn.Linear) truncNormal_(m.weight, 0, std(m), -2, 2);
    else if (m instanceof nn.BatchNorm2d) {
      ones_(m.weight!);
      zeros_(m.bias!);
    }
  }
}
function transformed(x: Tensor): Tensor {
  const channel = (c: number, std: number, mean: number): Tensor =>
    x
      .select(1, c)
      .mul(std / 0.5)
      .add((mean - 0.5) / 0.5);
  return stack([channel(0, 0.229, 0.485), channel(1, 0.224, 0.456), channel(2, 0.225, 0.406)], 1);
}

// ---- GoogLeNet ----

class Inception extends nn.Module {
  branch1: BasicConv2d;
  branch2: nn.Sequential;
  branch3: nn.Sequential;
  branch4: nn.Sequential;
  constructor(inputs: number, c1: number, red3: number, c3: number, red5: number, c5: number, pool: number) {
    super();
    this.branch1 = conv(inputs, c1, 1);
    this.branch2 = new nn.Sequential(conv(inputs, red3, 1), conv(red3, c3, 3, 1));
    // 3 where the paper has 5: the published weights are like this.
    this.branch3 = new nn.Sequential(conv(inputs, red5, 1), conv(red5, c5, 3, 1));
    this.branch4 = new nn.Sequential(
      new nn.MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }),
      conv(inputs, pool, 1),
    );
  }
  override forward(x: Tensor): Tensor {
    return cat([this.branch1(x), this.branch2(x), this.branch3(x), this.branch4(x)], 1);
  }
}
class GoogLeNetAux extends nn.Module {
  conv: BasicConv2d;
  fc1: nn.Linear;
  fc2: nn.Linear;
  dropout: nn.Dropout;
  constructor(inputs: number, numClasses: number, dropout: number) {
    super();
    this.conv = conv(inputs, 128, 1);
    this.fc1 = new nn.Linear(2048, 1024);
    this.fc2 = new nn.Linear(1024, numClasses);
    this.dropout = new nn.Dropout(dropout);
  }
  override forward(x: Tensor): Tensor {
    const y = this.conv(F.adaptiveAvgPool2d(x, [4, 4])).flatten(1);
    return this.fc2(this.dropout(F.relu(this.fc1(y))));
  }
}
export interface GoogLeNetOptions extends InceptionOptions {
  dropoutAux?: number;
}
/** What training gives: three logits. */
export interface GoogLeNetOutputs {
  readonly logits: Tensor;
  readonly auxLogits2: Tensor;
  readonly auxLogits1: Tensor;
}
export class GoogLeNet extends nn.Module {
  conv1 = conv(3, 64, 7, 3, 2);
  maxpool1 = new nn.MaxPool2d(3, { stride: 2, ceilMode: true });
  conv2 = conv(64, 64, 1);
  conv3 = conv(64, 192, 3, 1);
  maxpool2 = new nn.MaxPool2d(3, { stride: 2, ceilMode: true });
  inception3a = new Inception(192, 64, 96, 128, 16, 32, 32);
  inception3b = new Inception(256, 128, 128, 192, 32, 96, 64);
  maxpool3 = new nn.MaxPool2d(3, { stride: 2, ceilMode: true });
  inception4a = new Inception(480, 192, 96, 208, 16, 48, 64);
  inception4b = new Inception(512, 160, 112, 224, 24, 64, 64);
  inception4c = new Inception(512, 128, 128, 256, 24, 64, 64);
  inception4d = new Inception(512, 112, 144, 288, 32, 64, 64);
  inception4e = new Inception(528, 256, 160, 320, 32, 128, 128);
  maxpool4 = new nn.MaxPool2d(2, { stride: 2, ceilMode: true });
  inception5a = new Inception(832, 256, 160, 320, 32, 128, 128);
  inception5b = new Inception(832, 384, 192, 384, 48, 128, 128);
  aux1: GoogLeNetAux | null;
  aux2: GoogLeNetAux | null;
  avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
  dropout: nn.Dropout;
  fc: nn.Linear;
  readonly transformInput: boolean;
  constructor(options: GoogLeNetOptions = {}) {
    super();
    const { numClasses = 1000, auxLogits = true, dropout = 0.2, dropoutAux = 0.7 } = options;
    this.transformInput = options.transformInput ?? false;
    this.aux1 = auxLogits ? new GoogLeNetAux(512, numClasses, dropoutAux) : null;
    this.aux2 = auxLogits ? new GoogLeNetAux(528, numClasses, dropoutAux) : null;
    this.dropout = new nn.Dropout(dropout);
    this.fc = new nn.Linear(1024, numClasses);
    if (options.initWeights ?? options.weights == null) initialize(this, () => 0.01);
  }
  override forward(x: Tensor): Tensor | GoogLeNetOutputs {
    const training = this.training && this.aux1 !== null;
    let y = this.maxpool1(this.conv1(this.transformInput ? transformed(x) : x));
    y = this.maxpool2(this.conv3(this.conv2(y)));
    y = this.inception4a(this.maxpool3(this.inception3b(this.inception3a(y))));
    const auxLogits1 = training ? this.aux1!(y) : null;
    y = this.inception4d(this.inception4c(this.inception4b(y)));
    const auxLogits2 = training ? this.aux2!(y) : null;
    y = this.inception5b(this.inception5a(this.maxpool4(this.inception4e(y))));
    const logits = this.fc(this.dropout(this.avgpool(y).flatten(1)));
    return training ? { logits, auxLogits2: auxLogits2!, auxLogits1: auxLogits1! } : logits;
  }
}
export const googlenet = register<GoogLeNet, GoogLeNetOptions>(
  'googlenet',
  (o) => new GoogLeNet(o.weights == null ? o : { transformInput: true, ...o }),
);

// ---- Inception v3 ----

const average = (x: Tensor): Tensor => F.avgPool2d(x, 3, { stride: 1, padding: 1 });
class InceptionA extends nn.Module {
  branch1x1: BasicConv2d;
  branch5x5_1: BasicConv2d;
  branch5x5_2 = conv(48, 64, 5, 2);
  branch3x3dbl_1: BasicConv2d;
  branch3x3dbl_2: BasicConv2d;
  branch3x3dbl_3: BasicConv2d;
  branch_pool: BasicConv2d;
  constructor(inputs: number, pool: number) {
    super();
    this.branch1x1 = conv(inputs, 64, 1);
    this.branch5x5_1 = conv(inputs, 48, 1);
    this.branch3x3dbl_1 = conv(inputs, 64, 1);
    this.branch3x3dbl_2 = conv(64, 96, 3, 1);
    this.branch3x3dbl_3 = conv(96, 96, 3, 1);
    this.branch_pool = conv(inputs, pool, 1);
  }
  override forward(x: Tensor): Tensor {
    const five = this.branch5x5_2(this.branch5x5_1(x));
    const three = this.branch3x3dbl_3(this.branch3x3dbl_2(this.branch3x3dbl_1(x)));
    return cat([this.branch1x1(x), five, three, this.branch_pool(average(x))], 1);
  }
}
class InceptionB extends nn.Module {
  branch3x3: BasicConv2d;
  branch3x3dbl_1: BasicConv2d;
  branch3x3dbl_2: BasicConv2d;
  branch3x3dbl_3: BasicConv2d;
  constructor(inputs: number) {
    super();
    this.branch3x3 = conv(inputs, 384, 3, 0, 2);
    this.branch3x3dbl_1 = conv(inputs, 64, 1);
    this.branch3x3dbl_2 = conv(64, 96, 3, 1);
    this.branch3x3dbl_3 = conv(96, 96, 3, 0, 2);
  }
  override forward(x: Tensor): Tensor {
    const three = this.branch3x3dbl_3(this.branch3x3dbl_2(this.branch3x3dbl_1(x)));
    return cat([this.branch3x3(x), three, F.maxPool2d(x, 3, { stride: 2 })], 1);
  }
}
/** Convolutions of 1 x 7 and 7 x 1. */
const wide = (inputs: number, outputs: number): BasicConv2d => conv(inputs, outputs, [1, 7], [0, 3]);
const high = (inputs: number, outputs: number): BasicConv2d => conv(inputs, outputs, [7, 1], [3, 0]);
class InceptionC extends nn.Module {
  branch1x1: BasicConv2d;
  branch7x7_1: BasicConv2d;
  branch7x7_2: BasicConv2d;
  branch7x7_3: BasicConv2d;
  branch7x7dbl_1: BasicConv2d;
  branch7x7dbl_2: BasicConv2d;
  branch7x7dbl_3: BasicConv2d;
  branch7x7dbl_4: BasicConv2d;
  branch7x7dbl_5: BasicConv2d;
  branch_pool: BasicConv2d;
  constructor(inputs: number, c7: number) {
    super();
    this.branch1x1 = conv(inputs, 192, 1);
    this.branch7x7_1 = conv(inputs, c7, 1);
    this.branch7x7_2 = wide(c7, c7);
    this.branch7x7_3 = high(c7, 192);
    this.branch7x7dbl_1 = conv(inputs, c7, 1);
    this.branch7x7dbl_2 = high(c7, c7);
    this.branch7x7dbl_3 = wide(c7, c7);
    this.branch7x7dbl_4 = high(c7, c7);
    this.branch7x7dbl_5 = wide(c7, 192);
    this.branch_pool = conv(inputs, 192, 1);
  }
  override forward(x: Tensor): Tensor {
    const seven = this.branch7x7_3(this.branch7x7_2(this.branch7x7_1(x)));
    let twice = this.branch7x7dbl_3(this.branch7x7dbl_2(this.branch7x7dbl_1(x)));
    twice = this.branch7x7dbl_5(this.branch7x7dbl_4(twice));
    return cat([this.branch1x1(x), seven, twice, this.branch_pool(average(x))], 1);
  }
}
class InceptionD extends nn.Module {
  branch3x3_1: BasicConv2d;
  branch3x3_2 = conv(192, 320, 3, 0, 2);
  branch7x7x3_1: BasicConv2d;
  branch7x7x3_2: BasicConv2d;
  branch7x7x3_3: BasicConv2d;
  branch7x7x3_4: BasicConv2d;
  constructor(inputs: number) {
    super();
    this.branch3x3_1 = conv(inputs, 192, 1);
    this.branch7x7x3_1 = conv(inputs, 192, 1);
    this.branch7x7x3_2 = wide(192, 192);
    this.branch7x7x3_3 = high(192, 192);
    this.branch7x7x3_4 = conv(192, 192, 3, 0, 2);
  }
  override forward(x: Tensor): Tensor {
    const seven = this.branch7x7x3_4(this.branch7x7x3_3(this.branch7x7x3_2(this.branch7x7x3_1(x))));
    return cat([this.branch3x3_2(this.branch3x3_1(x)), seven, F.maxPool2d(x, 3, { stride: 2 })], 1);
  }
}
class InceptionE extends nn.Module {
  branch1x1: BasicConv2d;
  branch3x3_1: BasicConv2d;
  branch3x3_2a: BasicConv2d;
  branch3x3_2b: BasicConv2d;
  branch3x3dbl_1: BasicConv2d;
  branch3x3dbl_2: BasicConv2d;
  branch3x3dbl_3a: BasicConv2d;
  branch3x3dbl_3b: BasicConv2d;
  branch_pool: BasicConv2d;
  constructor(inputs: number) {
    super();
    this.branch1x1 = conv(inputs, 320, 1);
    this.branch3x3_1 = conv(inputs, 384, 1);
    this.branch3x3_2a = conv(384, 384, [1, 3], [0, 1]);
    this.branch3x3_2b = conv(384, 384, [3, 1], [1, 0]);
    this.branch3x3dbl_1 = conv(inputs, 448, 1);
    this.branch3x3dbl_2 = conv(448, 384, 3, 1);
    this.branch3x3dbl_3a = conv(384, 384, [1, 3], [0, 1]);
    this.branch3x3dbl_3b = conv(384, 384, [3, 1], [1, 0]);
    this.branch_pool = conv(inputs, 192, 1);
  }
  override forward(x: Tensor): Tensor {
    const three = this.branch3x3_1(x);
    const twice = this.branch3x3dbl_2(this.branch3x3dbl_1(x));
    return cat(
      [
        this.branch1x1(x),
        this.branch3x3_2a(three),
        this.branch3x3_2b(three),
        this.branch3x3dbl_3a(twice),
        this.branch3x3dbl_3b(twice),
        this.branch_pool(average(x)),
      ],
      1,
    );
  }
}
class InceptionAux extends nn.Module {
  conv0: BasicConv2d;
  conv1 = conv(128, 768, 5);
  fc: nn.Linear;
  constructor(inputs: number, numClasses: number) {
    super();
    this.conv0 = conv(inputs, 128, 1);
    this.fc = new nn.Linear(768, numClasses);
  }
  override forward(x: Tensor): Tensor {
    const y = this.conv1(this.conv0(F.avgPool2d(x, 5, { stride: 3 })));
    return this.fc(F.adaptiveAvgPool2d(y, [1, 1]).flatten(1));
  }
}
/** What training gives: two logits. */
export interface InceptionOutputs {
  readonly logits: Tensor;
  readonly auxLogits: Tensor;
}
/** For pictures of 299 x 299. */
export class Inception3 extends nn.Module {
  Conv2d_1a_3x3 = conv(3, 32, 3, 0, 2);
  Conv2d_2a_3x3 = conv(32, 32, 3);
  Conv2d_2b_3x3 = conv(32, 64, 3, 1);
  maxpool1 = new nn.MaxPool2d(3, 2);
  Conv2d_3b_1x1 = conv(64, 80, 1);
  Conv2d_4a_3x3 = conv(80, 192, 3);
  maxpool2 = new nn.MaxPool2d(3, 2);
  Mixed_5b = new InceptionA(192, 32);
  Mixed_5c = new InceptionA(256, 64);
  Mixed_5d = new InceptionA(288, 64);
  Mixed_6a = new InceptionB(288);
  Mixed_6b = new InceptionC(768, 128);
  Mixed_6c = new InceptionC(768, 160);
  Mixed_6d = new InceptionC(768, 160);
  Mixed_6e = new InceptionC(768, 192);
  AuxLogits: InceptionAux | null;
  Mixed_7a: InceptionD;
  Mixed_7b: InceptionE;
  Mixed_7c: InceptionE;
  avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
  dropout: nn.Dropout;
  fc: nn.Linear;
  readonly transformInput: boolean;
  constructor(options: InceptionOptions = {}) {
    super();
    const { numClasses = 1000, auxLogits = true, dropout = 0.5 } = options;
    this.transformInput = options.transformInput ?? false;
    this.AuxLogits = auxLogits ? new InceptionAux(768, numClasses) : null;
    this.Mixed_7a = new InceptionD(768);
    this.Mixed_7b = new InceptionE(1280);
    this.Mixed_7c = new InceptionE(2048);
    this.dropout = new nn.Dropout(dropout);
    this.fc = new nn.Linear(2048, numClasses);
    const auxiliary = this.AuxLogits?.fc;
    if (options.initWeights ?? options.weights == null) initialize(this, (m) => (m === auxiliary ? 0.001 : 0.1));
  }
  override forward(x: Tensor): Tensor | InceptionOutputs {
    const training = this.training && this.AuxLogits !== null;
    let y = this.Conv2d_1a_3x3(this.transformInput ? transformed(x) : x);
    y = this.maxpool1(this.Conv2d_2b_3x3(this.Conv2d_2a_3x3(y)));
    y = this.maxpool2(this.Conv2d_4a_3x3(this.Conv2d_3b_1x1(y)));
    y = this.Mixed_5d(this.Mixed_5c(this.Mixed_5b(y)));
    y = this.Mixed_6e(this.Mixed_6d(this.Mixed_6c(this.Mixed_6b(this.Mixed_6a(y)))));
    const auxLogits = training ? this.AuxLogits!(y) : null;
    y = this.Mixed_7c(this.Mixed_7b(this.Mixed_7a(y)));
    const logits = this.fc(this.dropout(this.avgpool(y)).flatten(1));
    return training ? { logits, auxLogits: auxLogits! } : logits;
  }
}
export const inceptionV3 = register<Inception3, InceptionOptions>(
  'inception_v3',
  (o) => new Inception3(o.weights == null ? o : { transformInput: true, ...o }),
);
