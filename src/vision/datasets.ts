// The namespace `vision.datasets`.
export { FashionMNIST, MNIST, readIdx, type MNISTOptions } from './mnist.js';
