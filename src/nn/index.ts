// The namespace `nn`.
export * from './activation.js';
export * from './container.js';
export * from './conv.js';
export * from './linear.js';
export * from './loss.js';
export { Module, type StateDict } from './module.js';
export * from './norm.js';
export { Parameter } from './parameter.js';
export * as functional from './functional.js';
export * as init from './init.js';
export * as utils from './utils.js';
