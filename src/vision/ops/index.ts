// The namespace `vision.ops`.
export {
  batchedNms,
  boxArea,
  boxConvert,
  boxIou,
  clipBoxesToImage,
  generalizedBoxIou,
  masksToBoxes,
  nms,
  removeSmallBoxes,
  type BoxFormat,
} from './boxes.js';
export {
  Conv2dNormActivation,
  ConvNormActivation,
  FrozenBatchNorm2d,
  MLP,
  Permute,
  SqueezeExcitation,
  StochasticDepth,
  stochasticDepth,
} from './layers.js';
export { DropBlock2d, dropBlock2d, FeaturePyramidNetwork, LastLevelMaxPool, sigmoidFocalLoss } from './misc.js';
export { RoIAlign, roiAlign, RoIPool, roiPool, type Rois } from './roi.js';
