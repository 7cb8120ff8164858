// linalg: linear algebra. Source: https://pytorch.org/docs/stable/linalg.html
export * from '../generated/ts/linalg.js';
