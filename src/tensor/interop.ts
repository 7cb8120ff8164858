// Tensors and n-d arrays of the npm package `ndarray` share memory both ways.
import { createRequire } from 'node:module';
import { native } from '../native.js';
import { dtypeCode, itemSize, TYPED_ARRAYS } from './dtype.js';
import { AutogradError, DTypeError, ValueError } from './errors.js';
import { typedArrayDtype, type TypedArray } from './create.js';
import { wrap, type Tensor } from './handle.js';

/** What this package uses of an `ndarray`. Element (i, j) is data[offset + i * stride[0] + j * stride[1]]. */
export interface NdArray {
  readonly data: TypedArray;
  readonly shape: number[];
  readonly stride: number[];
  readonly offset: number;
  readonly size: number;
  readonly dimension: number;
  readonly dtype: string;
  get(...index: number[]): number;
  set(...indexAndValue: number[]): number;
  pick(...index: (number | null)[]): NdArray;
  transpose(...axes: number[]): NdArray;
  lo(...index: number[]): NdArray;
  hi(...index: number[]): NdArray;
  step(...step: number[]): NdArray;
}
type MakeNdArray = (data: TypedArray, shape: number[], stride: number[], offset: number) => NdArray;
let make: MakeNdArray | undefined;

/** The typed array over the whole storage of a tensor (not only over its own elements). */
export function storageArray(t: Tensor): TypedArray {
  const array = TYPED_ARRAYS[t.dtype];
  if (array === null) throw new DTypeError(`numpy(): no typed array holds ${t.dtype}; use .float().numpy()`);
  if (t.numel() === 0) return new array(0);
  const buffer = native.buffer(t._h);
  return new array(buffer, 0, Math.floor(buffer.byteLength / itemSize(t.dtype)));
}

/** An ndarray over the tensor's memory. Throws AutogradError for tensors that require grad. */
export function toNumpy(t: Tensor): NdArray {
  if (t.requiresGrad) {
    throw new AutogradError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  }
  make ??= createRequire(import.meta.url)('ndarray') as MakeNdArray;
  return make(storageArray(t), [...t.shape], [...t.stride()], native.offset(t._h));
}

/** A tensor over the memory of an ndarray or a typed array. Throws ValueError for negative strides. */
export function fromNumpy(a: NdArray | TypedArray): Tensor {
  if (ArrayBuffer.isView(a)) {
    return wrap(native.fromTypedArray(a, [a.length], dtypeCode(typedArrayDtype(a as ArrayBufferView)), true));
  }
  if (typeof a !== 'object' || a === null || !ArrayBuffer.isView(a.data)) {
    throw new DTypeError('fromNumpy(): expected an ndarray over a typed array, or a typed array');
  }
  if (a.stride.some((s) => s < 0)) {
    throw new ValueError(
      'At least one stride in the given array is negative, and tensors with negative strides are not supported.',
    );
  }
  const flat = native.fromTypedArray(
    a.data,
    [a.data.length],
    dtypeCode(typedArrayDtype(a.data as ArrayBufferView)),
    true,
  );
  return wrap(native.ops.asStrided(flat, [...a.shape], [...a.stride], a.offset));
}
