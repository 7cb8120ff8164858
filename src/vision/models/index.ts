// The namespace `vision.models`: torchvision's networks with its keys, initial values and outputs.
export * from './classic.js';
export * from './resnet.js';
export * from './densenet.js';
export * from './mobile.js';
export * from './efficientnet.js';
export * from './vit.js';
export * from './convnext.js';
export * from './inception.js';
export {
  getModel,
  getModelBuilder,
  getModelWeights,
  getWeight,
  listModels,
  type Builder,
  type ModelOptions,
  type Weights,
} from './registry.js';
export * as featureExtraction from './feature_extraction.js';
export * as segmentation from './segmentation.js';
