// special: special functions. Source: https://pytorch.org/docs/stable/special.html
export * from '../generated/ts/special.js';
