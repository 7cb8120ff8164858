// The namespace `vision.datasets`.
export { MNIST, readIdx, type MNISTOptions } from './mnist.js';
