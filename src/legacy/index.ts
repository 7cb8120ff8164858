// The namespace `legacy`: the layer-by-layer API that PyTorch carried from Lua Torch until 0.4.
export * as nn from './nn.js';
export * as optim from './optim.js';
