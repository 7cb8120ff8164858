// The vocabulary of element types and devices as users spell it, and its native codes.
import { native } from '../native.js';
import { DeviceError, DTypeError } from './errors.js';

/** In the order of the native enumeration (native/include/flambeau/dtype.h). */
export const DTYPES = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'bool',
] as const;
export type DType = (typeof DTYPES)[number];
/** JavaScript's array of a dtype's elements; null where Node 20 has none. */
export const TYPED_ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  float16: null,
  bfloat16: null,
} as const satisfies Record<DType, unknown>;
/** A device name: 'cpu', 'cuda', 'cuda:1'. */
export type Device = string;

const CODES: ReadonlyMap<string, number> = new Map([
  ...DTYPES.map((name, code): [string, number] => [name, code]),
  // Names that PyTorch users also write.
  ['float', 0],
  ['double', 1],
  ['half', 2],
  ['short', 5],
  ['int', 6],
  ['long', 7],
]);

/** The native code of a dtype name. Throws DTypeError for an unknown one. */
export function dtypeCode(name: string): number {
  const code = CODES.get(name);
  if (code === undefined) {
    throw new DTypeError(`unknown dtype '${String(name)}' (expected one of ${DTYPES.join(', ')})`);
  }
  return code;
}

/** The code of an optional dtype: null when absent. */
export function optionalDtypeCode(name: DType | null | undefined): number | null {
  return name === null || name === undefined ? null : dtypeCode(name);
}

/** The dtype of a native code. */
export const dtypeName = (code: number): DType => DTYPES[code]!;

/** True for float16, bfloat16, float32 and float64. */
export const isFloatingDtype = (t: DType): boolean => CODES.get(t)! <= 3;

/** Bytes of one element. */
export const itemSize = (t: DType): number => [4, 8, 2, 2, 1, 2, 4, 8, 1, 1][dtypeCode(t)]!;

/** The dtype that `tensor`, `zeros`, `rand`, ... use when none is given. */
export const getDefaultDtype = (): DType => dtypeName(native.defaultDtype());

/** Changes the default dtype. Throws unless it is a floating one. */
export function setDefaultDtype(dtype: DType): void {
  if (!isFloatingDtype(dtype)) {
    throw new DTypeError(`only floating-point types are supported as the default type, got '${dtype}'`);
  }
  native.setDefaultDtype(dtypeCode(dtype));
}

/** Checks a device option: this build has the CPU only. */
export function checkDevice(device: Device | undefined): void {
  if (device === undefined || device === 'cpu') return;
  if (/^cuda(:\d+)?$/.test(device))
    throw new DeviceError(`device '${device}' is not available in this build (only 'cpu' is)`);
  throw new DeviceError(`unknown device '${String(device)}' (expected 'cpu', 'cuda' or 'cuda:0')`);
}

/** Numeric limits of a floating dtype, as torch.finfo gives them. */
export function finfo(dtype: DType = getDefaultDtype()): {
  bits: number;
  eps: number;
  max: number;
  min: number;
  tiny: number;
} {
  const table: Partial<Record<DType, readonly [number, number, number, number]>> = {
    float32: [32, 2 ** -23, (2 - 2 ** -23) * 2 ** 127, 2 ** -126],
    float64: [64, Number.EPSILON, Number.MAX_VALUE, 2 ** -1022],
    float16: [16, 2 ** -10, 65504, 2 ** -14],
    bfloat16: [16, 2 ** -7, (2 - 2 ** -7) * 2 ** 127, 2 ** -126],
  };
  const row = table[dtype];
  if (row === undefined)
    throw new DTypeError(
      `finfo() requires a floating point input type, got '${dtype}'. Use iinfo to handle '${dtype}'`,
    );
  const [bits, eps, max, tiny] = row;
  return { bits, eps, max, min: -max, tiny };
}

/** Numeric limits of an integer dtype (int64's as bigint, the others as numbers). */
export function iinfo(dtype: DType): { bits: number; max: number | bigint; min: number | bigint } {
  if (dtype === 'int64') return { bits: 64, max: 2n ** 63n - 1n, min: -(2n ** 63n) };
  if (dtype === 'uint8') return { bits: 8, max: 255, min: 0 };
  if (isFloatingDtype(dtype) || dtype === 'bool')
    throw new DTypeError(`iinfo() requires an integer input type, got '${dtype}'`);
  const bits = itemSize(dtype) * 8;
  return { bits, max: 2 ** (bits - 1) - 1, min: -(2 ** (bits - 1)) };
}
