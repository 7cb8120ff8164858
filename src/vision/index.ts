// The namespace `vision`.
export * as datasets from './datasets.js';
export * as transforms from './transforms.js';
