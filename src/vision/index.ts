// The namespace `vision`.
export { Image } from './image.js';
export * as datasets from './datasets/index.js';
export * as transforms from './transforms/index.js';
export * as models from './models/index.js';
export * as ops from './ops/index.js';
export * as io from './io.js';
export * as utils from './utils.js';
