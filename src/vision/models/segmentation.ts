// Classes of pixels: FCN, DeepLabV3, LR-ASPP. Source: torchvision's models/segmentation, 0.14.
import type { Tensor } from '../../tensor/handle.js';
import { cat } from '../../../generated/ts/functions.js';
import * as nn from '../../nn/index.js';
import { resize } from '../functional/resize.js';
import { IntermediateLayerGetter } from './feature_extraction.js';
import { mobilenetV3Large } from './mobile.js';
import { register, type ModelOptions } from './registry.js';
import { resnet101, resnet50 } from './resnet.js';

export interface SegmentationOptions extends ModelOptions {
  /** A second classifier on an earlier stage, for training. */
  auxLoss?: boolean;
  /** Weights of the backbone, as for its builder. */
  weightsBackbone?: ModelOptions['weights'];
}
/** `out`: [N, classes, H, W]; `aux` only with the second classifier. */
export interface SegmentationOutput {
  readonly out: Tensor;
  readonly aux?: Tensor;
}
class SegmentationModel extends nn.Module {
  backbone: IntermediateLayerGetter;
  classifier: nn.Module;
  aux_classifier: nn.Module | null;
  constructor(backbone: IntermediateLayerGetter, classifier: nn.Module, aux: nn.Module | null) {
    super();
    this.backbone = backbone;
    this.classifier = classifier;
    this.aux_classifier = aux;
  }
  override forward(x: Tensor): SegmentationOutput {
    const size = x.shape.slice(-2) as [number, number];
    const features = this.backbone(x);
    const head = (m: nn.Module, t: Tensor): Tensor => resize((m as nn.Sequential)(t), size);
    const out = head(this.classifier, features['out']!);
    return this.aux_classifier === null ? { out } : { out, aux: head(this.aux_classifier, features['aux']!) };
  }
}
export class FCN extends SegmentationModel {}
export class DeepLabV3 extends SegmentationModel {}

const convNormRelu = (inputs: number, outputs: number, kernel: number, dilation = 1): nn.Module[] => [
  new nn.Conv2d(inputs, outputs, kernel, { padding: kernel === 1 ? 0 : dilation, dilation, bias: false }),
  new nn.BatchNorm2d(outputs),
  new nn.ReLU(),
];
export class FCNHead extends nn.Sequential {
  constructor(inputs: number, outputs: number) {
    const inner = Math.floor(inputs / 4);
    super(...convNormRelu(inputs, inner, 3), new nn.Dropout(0.1), new nn.Conv2d(inner, outputs, 1));
  }
}
class ASPPPooling extends nn.Sequential {
  constructor(inputs: number, outputs: number) {
    super(new nn.AdaptiveAvgPool2d(1), ...convNormRelu(inputs, outputs, 1));
  }
  override forward(x: Tensor): Tensor {
    return resize(super.forward(x), x.shape.slice(-2) as [number, number]);
  }
}
class ASPP extends nn.Module {
  convs: nn.ModuleList;
  project: nn.Sequential;
  constructor(inputs: number, rates: readonly number[]) {
    super();
    this.convs = new nn.ModuleList([
      new nn.Sequential(...convNormRelu(inputs, 256, 1)),
      ...rates.map((r) => new nn.Sequential(...convNormRelu(inputs, 256, 3, r))),
      new ASPPPooling(inputs, 256),
    ]);
    this.project = new nn.Sequential(...convNormRelu((rates.length + 2) * 256, 256, 1), new nn.Dropout(0.5));
  }
  override forward(x: Tensor): Tensor {
    return this.project(
      cat(
        [...this.convs].map((c) => (c as unknown as (t: Tensor) => Tensor)(x)),
        1,
      ),
    );
  }
}
export class DeepLabHead extends nn.Sequential {
  constructor(inputs: number, outputs: number) {
    super(new ASPP(inputs, [12, 24, 36]), ...convNormRelu(256, 256, 3), new nn.Conv2d(256, outputs, 1));
  }
}

/** With weights the published files decide: they have the second classifier and 21 classes. */
const aux = (o: SegmentationOptions): boolean => o.auxLoss ?? o.weights != null;
const classes = (o: SegmentationOptions): number => o.numClasses ?? 21;
function onResNet(
  name: string,
  build: typeof resnet50,
  Model: new (b: IntermediateLayerGetter, c: nn.Module, a: nn.Module | null) => SegmentationModel,
  Head: new (inputs: number, outputs: number) => nn.Module,
) {
  return register<SegmentationModel, SegmentationOptions>(name, (o) => {
    const resnet = build({
      weights: o.weightsBackbone ?? null,
      replaceStrideWithDilation: [false, true, true],
    });
    const layers: Record<string, string> = { layer4: 'out', ...(aux(o) ? { layer3: 'aux' } : {}) };
    const second = aux(o) ? new FCNHead(1024, classes(o)) : null;
    return new Model(new IntermediateLayerGetter(resnet, layers), new Head(2048, classes(o)), second);
  });
}
export const fcnResnet50 = onResNet('fcn_resnet50', resnet50, FCN, FCNHead);
export const fcnResnet101 = onResNet('fcn_resnet101', resnet101, FCN, FCNHead);
export const deeplabv3Resnet50 = onResNet('deeplabv3_resnet50', resnet50, DeepLabV3, DeepLabHead);
export const deeplabv3Resnet101 = onResNet('deeplabv3_resnet101', resnet101, DeepLabV3, DeepLabHead);

/** MobileNetV3's features, and where its resolution changes: first, strided blocks, last. */
function mobileFeatures(o: SegmentationOptions): { features: nn.Module; stages: number[]; channels: number[] } {
  const model = mobilenetV3Large({ weights: o.weightsBackbone ?? null, dilated: true });
  const blocks = [...model.features];
  const strided = blocks.flatMap((b, i) => ('isStrided' in b && b.isStrided === true ? [i] : []));
  const stages = [0, ...strided, blocks.length - 1];
  const width = (m: nn.Module): number =>
    m.modules().filter((x): x is nn.Conv2d => x instanceof nn.Conv2d).at(-1)!.outChannels; // prettier-ignore
  return { features: model.features, stages, channels: stages.map((i) => width(blocks[i]!)) };
}
export const deeplabv3MobilenetV3Large = register<SegmentationModel, SegmentationOptions>(
  'deeplabv3_mobilenet_v3_large',
  (o) => {
    const { features, stages, channels } = mobileFeatures(o);
    const [out, early] = [stages.length - 1, stages.length - 4];
    const layers = { [stages[out]!]: 'out', ...(aux(o) ? { [stages[early]!]: 'aux' } : {}) };
    const second = aux(o) ? new FCNHead(channels[early]!, classes(o)) : null;
    const backbone = new IntermediateLayerGetter(features, layers);
    return new DeepLabV3(backbone, new DeepLabHead(channels[out]!, classes(o)), second);
  },
);

class LRASPPHead extends nn.Module {
  cbr: nn.Sequential;
  scale: nn.Sequential;
  low_classifier: nn.Conv2d;
  high_classifier: nn.Conv2d;
  constructor(low: number, high: number, numClasses: number, inner: number) {
    super();
    this.cbr = new nn.Sequential(
      new nn.Conv2d(high, inner, 1, { bias: false }),
      new nn.BatchNorm2d(inner),
      new nn.ReLU(true),
    );
    this.scale = new nn.Sequential(
      new nn.AdaptiveAvgPool2d(1),
      new nn.Conv2d(high, inner, 1, { bias: false }),
      new nn.Sigmoid(),
    );
    this.low_classifier = new nn.Conv2d(low, numClasses, 1);
    this.high_classifier = new nn.Conv2d(inner, numClasses, 1);
  }
  override forward(features: Readonly<Record<string, Tensor>>): Tensor {
    const { low, high } = features as { low: Tensor; high: Tensor };
    const x = this.cbr(high).mul(this.scale(high));
    const wide = resize(x, low.shape.slice(-2) as [number, number]);
    return this.low_classifier(low).add(this.high_classifier(wide));
  }
}
export class LRASPP extends nn.Module {
  backbone: IntermediateLayerGetter;
  classifier: LRASPPHead;
  constructor(backbone: IntermediateLayerGetter, low: number, high: number, numClasses: number, inner = 128) {
    super();
    this.backbone = backbone;
    this.classifier = new LRASPPHead(low, high, numClasses, inner);
  }
  override forward(x: Tensor): SegmentationOutput {
    return { out: resize(this.classifier(this.backbone(x)), x.shape.slice(-2) as [number, number]) };
  }
}
export const lrasppMobilenetV3Large = register<LRASPP, SegmentationOptions>('lraspp_mobilenet_v3_large', (o) => {
  const { features, stages, channels } = mobileFeatures(o);
  const [low, high] = [stages.length - 4, stages.length - 1];
  const layers = { [stages[low]!]: 'low', [stages[high]!]: 'high' };
  return new LRASPP(new IntermediateLayerGetter(features, layers), channels[low]!, channels[high]!, classes(o));
});
