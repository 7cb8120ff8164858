// The namespace `utils`: PyTorch's torch.utils, as far as it exists here.
export * as data from './data/index.js';
export * as tensorboard from './tensorboard/index.js';
export * as checkpoint from './autograd/checkpoint.js';
