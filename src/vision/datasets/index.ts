// The namespace `vision.datasets`.
export { VisionDataset, type VisionOptions } from './base.js';
export { EMNIST, FashionMNIST, KMNIST, MNIST, readIdx, type EMNISTOptions, type MNISTOptions } from './mnist.js';
export {
  DatasetFolder,
  defaultLoader,
  IMG_EXTENSIONS,
  ImageFolder,
  ImageNet,
  type FolderOptions,
  type ImageFolderOptions,
  type Loader,
} from './folder.js';
export { FakeData, type FakeDataOptions } from './fake.js';
export { CocoCaptions, CocoDetection, VOCDetection, VOCSegmentation, type CocoAnnotation } from './annotations.js';
