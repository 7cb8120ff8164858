// The namespace `nn`.
export * from './activation.js';
export * from './adaptive_softmax.js';
export * from './attention.js';
export * from './batch_norm.js';
export * from './container.js';
export * from './conv.js';
export * from './data_parallel.js';
export * from './distance.js';
export * from './dropout.js';
export * from './embedding.js';
export * from './linear.js';
export * from './loss.js';
export * from './loss_classes.js';
export { Module, type StateDict } from './module.js';
export * from './normalization.js';
export * from './padding_layers.js';
export { Buffer, Parameter, UninitializedBuffer, UninitializedParameter } from './parameter.js';
export {
  registerModuleForwardHook,
  registerModuleForwardPreHook,
  registerModuleFullBackwardHook,
  registerModuleFullBackwardPreHook,
  type HookOptions,
} from './hooks.js';
export * from './pooling.js';
export * from './recurrent.js';
export { GRUCell, LSTMCell, RNNCell, RNNCellBase, type RNNCellOptions } from './recurrent_cell.js';
export * from './shape.js';
export * from './softmax.js';
export * from './transformer.js';
export * as attention from './flex_attention.js';
export * as functional from './functional.js';
export * as init from './init.js';
export * as utils from './utils/index.js';
