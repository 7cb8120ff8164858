// Global settings of the library under PyTorch's names, and facts about what it was built with.
import { native } from './native.js';
import { packageVersion } from './package_root.js';
import { checkDevice, getDefaultDtype, setDefaultDtype, type Device, type DType } from './tensor/dtype.js';
import { getNumThreads } from './tensor/backend.js';
import { ValueError } from './tensor/errors.js';
import type { Tensor } from './tensor/handle.js';

/** The version of the package. */
export const version: string = packageVersion();

let deterministic = false;
/**
 * Results that do not differ from run to run: they never do here, every kernel adds in a fixed order. Kept so that programs can
 * ask.
 */
export function useDeterministicAlgorithms(mode: boolean, _options: { warnOnly?: boolean } = {}): void {
  deterministic = mode;
}
export const areDeterministicAlgorithmsEnabled = (): boolean => deterministic;

/** The device of new tensors: 'cpu' is the one there is. Throws DeviceError for others. */
export function setDefaultDevice(device: Device): void {
  checkDevice(device);
}
export const getDefaultDevice = (): Device => 'cpu';
/** The device of a tensor: 'cpu'. */
export const getDevice = (t: Tensor): Device => t.device;

export { getFloat32MatmulPrecision, setFloat32MatmulPrecision, type MatmulPrecision } from './tensor/precision.js';

let interop = 1;
/** Threads between operations: operations run one after another here, so the number is only kept. */
export function setNumInteropThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1) throw new ValueError('set_num_interop_threads expects a positive integer');
  interop = n;
}
export const getNumInteropThreads = (): number => interop;

/** Whether numbers too small for normal floats may be taken as 0: not possible here, so false. */
export const setFlushDenormal = (_mode: boolean): boolean => false;

let always = false;
/** Give warnings each time, not once. */
export function setWarnAlways(on: boolean): void {
  always = on;
}
export const isWarnAlwaysEnabled = (): boolean => always;

const TENSOR_TYPES: Readonly<Record<string, DType>> = {
  FloatTensor: 'float32',
  DoubleTensor: 'float64',
  HalfTensor: 'float16',
  BFloat16Tensor: 'bfloat16',
};
/** The older spelling of `setDefaultDtype`: 'FloatTensor', 'torch.DoubleTensor', or a dtype. */
export function setDefaultTensorType(t: string): void {
  const name = t.replace(/^torch\./, '');
  setDefaultDtype(Object.hasOwn(TENSOR_TYPES, name) ? TENSOR_TYPES[name]! : (name as DType));
}

/** Accelerators: none in this build. */
export const accelerator = {
  isAvailable: (): boolean => false,
  currentAccelerator: (): Device | null => null,
  /** Waits for the accelerator: there is nothing to wait for. */
  synchronize: (): void => undefined,
} as const;

/** Libraries that kernels may come from. */
export const backends = {
  /** oneDNN, which PyTorch calls MKL-DNN. */
  mkldnn: { isAvailable: (): boolean => native.info().oneDNN !== null },
  /** Threads are a pool of the library's own. */
  openmp: { isAvailable: (): boolean => false },
} as const;

/** What the library was built with, as text. */
export const config = {
  show: (): string => {
    const { isa, oneDNN } = native.info();
    return [
      `flambeau ${version}`,
      `  instruction set: ${isa}`,
      `  oneDNN: ${oneDNN ?? 'none (generated kernels)'}`,
      `  threads: ${getNumThreads()}`,
      `  default dtype: ${getDefaultDtype()}`,
      `  node: ${process.version}`,
    ].join('\n');
  },
} as const;
