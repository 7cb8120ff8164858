// nn.functional: the stateless layers and losses, by topic in functional/. Most are the generated functions; written by hand are
// those whose arguments PyTorch users spell in more than one way or that are put together from several ops.
// Ops that declare `exports: ['nn.functional.NAME']`: never a name that a file of functional/ exports too.
export * from '../../generated/ts/nn_functional.js';
export { linear, softmax, logSoftmax } from '../../generated/ts/functions.js';

export * from './functional/conv.js';
export * from './functional/pool.js';
export * from './functional/norm.js';
export * from './functional/dropout.js';
export * from './functional/embedding.js';
export * from './functional/resample.js';
export * from './functional/loss.js';
export * from './functional/multi_head_attention.js';
