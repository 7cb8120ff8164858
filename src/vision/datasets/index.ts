// The namespace `vision.datasets`.
export { VisionDataset, type VisionOptions } from './base.js';
export { EMNIST, FashionMNIST, KMNIST, MNIST, readIdx, type EMNISTOptions, type MNISTOptions } from './mnist.js';
export { CIFAR10, CIFAR100, type CIFAROptions } from './cifar.js';
export { SEMEION, STL10, SVHN, USPS, type STL10Options, type SVHNOptions } from './arrays.js';
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
export {
  Caltech101,
  Caltech256,
  CelebA,
  Country211,
  DTD,
  EuroSAT,
  FGVCAircraft,
  Food101,
  Omniglot,
  OxfordIIITPet,
  RenderedSST2,
} from './collections.js';
export { FakeData, type FakeDataOptions } from './fake.js';
export { CocoCaptions, CocoDetection, VOCDetection, VOCSegmentation, type CocoAnnotation } from './annotations.js';
export * as utils from './download.js';
