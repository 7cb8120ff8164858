// The namespace `nn.utils.parametrizations`.
export { orthogonal } from './orthogonal.js';
export { spectralNorm, weightNorm, type SpectralNormOptions } from './parametrizations.js';
