// The namespace `nn`.
export * from './activation.js';
export * from './container.js';
export * from './conv.js';
export * from './linear.js';
export * from './loss.js';
export { Module, type StateDict } from './module.js';
export * from './norm.js';
export { Buffer, Parameter, UninitializedBuffer, UninitializedParameter } from './parameter.js';
export {
  registerModuleForwardHook,
  registerModuleForwardPreHook,
  registerModuleFullBackwardHook,
  registerModuleFullBackwardPreHook,
  type HookOptions,
} from './hooks.js';
export * as functional from './functional.js';
export * as init from './init.js';
export * as utils from './utils.js';
