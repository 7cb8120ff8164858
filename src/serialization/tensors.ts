// Tensors as bytes and back: what every file format of ours needs.
import { native } from '../native.js';
import { dtypeCode, itemSize } from '../tensor/dtype.js';
import { unwrap, wrap, type Tensor } from '../tensor/handle.js';
import type { TensorBytes } from './safetensors.js';

/** The elements in row-major order, little-endian: a copy. */
export function tensorToBytes(tensor: Tensor): TensorBytes {
  const t = tensor.detach().contiguous();
  const size = itemSize(t.dtype);
  const data = new Uint8Array(native.buffer(unwrap(t)), native.offset(unwrap(t)) * size, t.numel() * size).slice();
  return { dtype: t.dtype, shape: t.shape, data };
}

/** A new tensor with memory of its own. */
export function tensorFromBytes({ dtype, shape, data }: TensorBytes): Tensor {
  return wrap(native.fromTypedArray(data.slice().buffer, shape, dtypeCode(dtype), false));
}
