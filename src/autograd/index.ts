// The namespace `autograd`.
export * from './modes.js';
export * from './grad.js';
export { gradcheck, gradgradcheck, type GradcheckOptions } from './gradcheck.js';
export { Function, FunctionCtx, onceDifferentiable } from './function.js';
export * as graph from './graph.js';
export * as forwardAd from './forward_ad.js';
export * as functional from './functional.js';
