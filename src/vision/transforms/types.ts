// Types of the functional transforms that the classes' options are made of.
export type { InterpolationMode } from '../functional/common.js';
export type { Padding, PaddingMode, PadOptions } from '../functional/geometry.js';
export type { ResizeOptions, Size } from '../functional/resize.js';
export type { Fill, Point } from '../functional/warp.js';
