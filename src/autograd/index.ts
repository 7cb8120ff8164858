// The namespace `autograd`.
export * from './modes.js';
export * from './grad.js';
export { gradcheck, type GradcheckOptions } from './gradcheck.js';
export { Function, FunctionCtx } from './function.js';
export * as functional from './functional.js';
