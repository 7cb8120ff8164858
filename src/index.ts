// The package: re-exports only. Heavy parts (ONNX, script, plots' and progress' libraries) load when first used.
export { Tensor, type BackwardOptions, type RemovableHandle, type ToOptions } from './tensor/tensor.js';
export * from '../generated/ts/functions.js';
export * from './tensor/create.js';
export { emptyLike, fullLike, onesLike, randLike, randnLike, zerosLike } from './tensor/create.js';
export { slice, Slice, type IndexItem } from './tensor/indexing.js';
export { fromNumpy, type NdArray } from './tensor/interop.js';
export { asTensor as asarray } from './tensor/create.js';
export { isTensor } from './tensor/handle.js';
export { tidy, keep } from './tensor/tidy.js';
export { DTYPES, finfo, iinfo, getDefaultDtype, setDefaultDtype, type Device, type DType } from './tensor/dtype.js';
export * from './tensor/constants.js';
export * from './tensor/type_info.js';
export * from './tensor/methods_as_functions.js';
export * from './tensor/inplace_functions.js';
export { unique, uniqueConsecutive, type UniqueOptions } from './tensor/unique.js';
export { histogramdd, type HistogramddOptions } from './tensor/histogram.js';
export * from './tensor/products.js';
export * from './tensor/low_rank.js';
export {
  setPrintOptions,
  setPrintOptions as setPrintoptions,
  getPrintOptions,
  type PrintOptions,
} from './tensor/print.js';
export * from './tensor/errors.js';
export { GradFn } from './tensor/grad_fn.js';
export { Generator, defaultGenerator, getRngState, initialSeed, manualSeed, seed, setRngState } from './random.js';
export * as random from './random.js';
export {
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
  type ModeGuard,
} from './autograd/modes.js';
export * as autograd from './autograd/index.js';
export * as fft from './fft.js';
export * as linalg from './linalg.js';
export * as masked from './masked.js';
export * as special from './special.js';
export * as func from './func/index.js';
export * as nn from './nn/index.js';
export * as optim from './optim/index.js';
export * as data from './data/index.js';
export * as utils from './utils.js';
export * as vision from './vision/index.js';
export * as viz from './viz/index.js';
export { summary, type ModelSummary, type SummaryOptions } from './viz/summary.js';
export * as legacy from './legacy/index.js';
export { load, save } from './serialization/save.js';
export * as serialization from './serialization/index.js';
export * as hub from './hub.js';
export * as amp from './amp.js';
export * as profiler from './profiler/index.js';
export * as testing from './testing.js';
export * from './settings.js';
export { compile, type CompiledFunction, type CompileOptions } from './runtime/compile.js';
export type { Explanation } from './runtime/explain.js';
export { kernel, type Kernel, type KernelOptions, type Scalar } from './kernel/kernel.js';
export { reduction, type Reduction, type ReductionOptions } from './kernel/reduction.js';
export * as jit from './jit.js';
export { live } from './runtime/live.js';
export * as onnx from './onnx/index.js';
export { progress, type ProgressOptions } from './progress.js';
export { getNumThreads, setNumThreads, memoryStats, emptyCache } from './tensor/backend.js';
