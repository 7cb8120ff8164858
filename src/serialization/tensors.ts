// Tensors as bytes and back: what every file format of ours needs.
import { native } from '../native.js';
import { dtypeCode, itemSize, type DType } from '../tensor/dtype.js';
import { unwrap, wrap, type Tensor } from '../tensor/handle.js';
import type { Fail } from './errors.js';
import type { TensorBytes } from './safetensors.js';

/** The elements in row-major order, little-endian: a view of the tensor's memory where it is contiguous. */
export function tensorToBytes(tensor: Tensor): TensorBytes {
  const t = tensor.detach().contiguous();
  const size = itemSize(t.dtype);
  const bytes = t.numel() * size;
  const data =
    bytes === 0 ? new Uint8Array(0) : new Uint8Array(native.buffer(unwrap(t)), native.offset(unwrap(t)) * size, bytes);
  return { dtype: t.dtype, shape: t.shape, data };
}

/** A new tensor with memory of its own. */
export function tensorFromBytes({ dtype, shape, data }: TensorBytes): Tensor {
  // Not data.slice(): that of a Buffer copies nothing.
  return wrap(native.fromTypedArray(new Uint8Array(data).buffer, shape, dtypeCode(dtype), false));
}

/** A new tensor of this shape whose memory `fill` writes. */
export function tensorFilled(dtype: DType, shape: readonly number[], fill: (bytes: Uint8Array) => void): Tensor {
  const h = native.ops.empty(shape, dtypeCode(dtype));
  const bytes = native.numel(h) * itemSize(dtype);
  if (bytes > 0) fill(new Uint8Array(native.buffer(h), 0, bytes));
  return wrap(h);
}

/** Turns each group of `width` bytes around, in place. */
export function swapBytes(bytes: Uint8Array, width: number): void {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) b.swap16();
  else if (width === 4) b.swap32();
  else if (width === 8) b.swap64();
}

/**
 * Little-endian unsigned integers of 2, 4 or 8 bytes as an int64 tensor. Values of 2^63 and more, which int64 lacks, are
 * refused.
 */
export function widenUnsigned(data: Uint8Array, width: number, shape: readonly number[], fail: Fail): Tensor {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const out = new BigInt64Array(data.byteLength / width);
  for (let i = 0; i < out.length; i++) {
    const v =
      width === 8
        ? view.getBigUint64(i * 8, true)
        : BigInt(width === 4 ? view.getUint32(i * 4, true) : view.getUint16(i * 2, true));
    if (v >= 1n << 63n) fail(`it holds ${v} as uint64, which int64 cannot hold; there is no dtype uint64`);
    out[i] = v;
  }
  return wrap(native.fromTypedArray(out, shape, dtypeCode('int64'), false));
}
