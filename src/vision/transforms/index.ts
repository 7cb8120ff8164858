// The namespace `vision.transforms`: from images to normalised tensors. Source: torchvision.transforms.
export { Transform, type ImageTransform } from './base.js';
export * from './basic.js';
export * from './geometry.js';
export * from './color.js';
export * from './augment.js';
export { InterpolationMode } from '../functional/common.js';
export { Image, type ImageData8, type ImageMode, type Picture } from '../image.js';
export type { ImageLike } from '../functional/convert.js';
export * as functional from '../functional/index.js';
