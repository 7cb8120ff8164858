// The namespace `vision.transforms.functional`.
export { getDimensions, getImageNumChannels, getImageSize, InterpolationMode } from './common.js';
export {
  adjustBrightness,
  adjustContrast,
  adjustGamma,
  adjustHue,
  adjustSaturation,
  adjustSharpness,
  autocontrast,
  equalize,
  invert,
  posterize,
  rgbToGrayscale,
  solarize,
  toGrayscale,
} from './color.js';
export {
  convertImageDtype,
  erase,
  imageToTensor,
  normalize,
  pilToTensor,
  toImage,
  toPILImage,
  toTensor,
  type ImageLike,
} from './convert.js';
export {
  centerCrop,
  crop,
  fiveCrop,
  hflip,
  pad,
  resizedCrop,
  tenCrop,
  vflip,
  type Padding,
  type PaddingMode,
  type PadOptions,
} from './geometry.js';
export { resize, type ResizeOptions, type Size } from './resize.js';
export { gaussianBlur } from './blur.js';
export {
  affine,
  elasticTransform,
  perspective,
  rotate,
  type AffineOptions,
  type Fill,
  type PerspectiveOptions,
  type Point,
  type RotateOptions,
} from './warp.js';
