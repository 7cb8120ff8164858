// masked: reductions over the elements that a mask selects. Source: https://pytorch.org/docs/stable/masked.html
export * from '../generated/ts/masked.js';
