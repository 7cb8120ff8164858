// The namespace `nn.utils`.
export * from './clip.js';
export * as rnn from './rnn.js';
