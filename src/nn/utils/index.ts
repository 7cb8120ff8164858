// The namespace `nn.utils`.
import { withoutInit } from '../init.js';
import type { Module } from '../module.js';

export * from './clip.js';
export * from './fusion.js';
export { removeSpectralNorm, removeWeightNorm, spectralNorm, weightNorm } from './weight_hooks.js';
export * as parametrizations from './parametrizations_index.js';
export * as parametrize from './parametrize.js';
export * as prune from './prune.js';
export * as rnn from './rnn.js';
export * as stateless from './stateless.js';

/** A module whose parameters are not initialised: no random numbers are drawn. */
export const skipInit = <A extends unknown[], M extends Module>(moduleClass: new (...args: A) => M, ...args: A): M =>
  withoutInit(() => new moduleClass(...args));
