// dtypes, devices, sizes and layouts as values of their own: what PyTorch has classes and constants for is names and arrays here.
import { native } from '../native.js';
import { checkTensor, operandOf } from './args.js';
import { dtypeCode, dtypeName, isFloatingDtype, itemSize, type Device, type DType } from './dtype.js';
import { DeviceError, ValueError } from './errors.js';
import { isTensor, type TensorBase } from './handle.js';
import type { NumberArg } from '../../generated/ts/native-ops.js';

/** The dtype of a name, PyTorch's other names included: `dtype('double')` is 'float64'. Throws DTypeError for what is none. */
export function dtype(name: string): DType {
  return dtypeName(dtypeCode(name));
}
dtype.isFloatingPoint = (t: DType): boolean => isFloatingDtype(t);
dtype.isComplex = (_: DType): boolean => false;
dtype.itemsize = (t: DType): number => itemSize(t);

/** The name of a device: `device('cuda', 1)` is 'cuda:1'. Throws DeviceError for what is no device. */
export function device(type: string, index?: number): Device {
  const name = index === undefined ? type : `${type}:${index}`;
  if (!/^(cpu|cuda)(:\d+)?$/.test(name))
    throw new DeviceError(`Expected one of cpu, cuda device type at start of device string: ${name}`);
  return name;
}

/** A shape as an array that knows its number of elements: `new Size([2, 3]).numel()` is 6. */
export class Size extends Array<number> {
  constructor(sizes: Iterable<number> | number = []) {
    // Array's own methods make new ones by their length.
    if (typeof sizes === 'number') super(sizes);
    else {
      super();
      for (const s of sizes) this.push(s);
    }
  }
  numel(): number {
    return this.reduce((a, b) => a * b, 1);
  }
}

/** The smallest dtype that both can be converted to without loss of kind: `promoteTypes('int32', 'float16')` is 'float16'. */
export const promoteTypes = (type1: DType, type2: DType): DType =>
  dtypeName(native.promoteTypes(dtypeCode(type1), dtypeCode(type2)));

/** The dtype that arithmetic of two operands gives; numbers and 0-d tensors only count where they are of a higher kind. */
export const resultType = (a: TensorBase | NumberArg, b: TensorBase | NumberArg): DType =>
  dtypeName(native.resultType(operandOf(a), operandOf(b)));

/** Whether a result of dtype `from` may be stored as `to` (in place, out). */
export const canCast = (from: DType, to: DType): boolean => native.canCast(dtypeCode(from), dtypeCode(to));

export const contiguousFormat = 'contiguousFormat' as const;
export const preserveFormat = 'preserveFormat' as const;
export const channelsLast = 'channelsLast' as const;
export const channelsLast3d = 'channelsLast3d' as const;
const FORMATS = [contiguousFormat, preserveFormat, channelsLast, channelsLast3d] as const;
export type MemoryFormat = (typeof FORMATS)[number];
/** The memory format of a name. Throws ValueError for what is none. */
export function memoryFormat(name: string): MemoryFormat {
  const found = FORMATS.find((f) => f === name);
  if (!found) throw new ValueError(`unknown memory format '${name}' (expected one of ${FORMATS.join(', ')})`);
  return found;
}

export const strided = 'strided' as const;
export type Layout = typeof strided;
/** The layout of a name: all tensors are strided. Throws ValueError for any other. */
export function layout(name: string): Layout {
  if (name !== strided) throw new ValueError(`unknown layout '${name}' (tensors are strided here)`);
  return strided;
}

/** Whether the one element of a tensor is not zero. Throws ValueError for any other number of elements. */
export function isNonzero(input: TensorBase): boolean {
  checkTensor('isNonzero', input);
  const n = native.numel(input._h);
  if (n !== 1)
    throw new ValueError(
      n === 0
        ? 'Boolean value of Tensor with no values is ambiguous'
        : 'Boolean value of Tensor with more than one value is ambiguous',
    );
  return Boolean(native.item(input._h));
}

const TYPE_NAMES: Readonly<Record<DType, string>> = {
  float32: 'Float',
  float64: 'Double',
  float16: 'Half',
  bfloat16: 'BFloat16',
  int8: 'Char',
  int16: 'Short',
  int32: 'Int',
  int64: 'Long',
  uint8: 'Byte',
  bool: 'Bool',
};
/** 'fb.FloatTensor' for a tensor, the class of any other object. */
export function typename(o: unknown): string {
  if (isTensor(o)) return `fb.${TYPE_NAMES[dtypeName(native.dtype(o._h))]}Tensor`;
  return o === null ? 'null' : typeof o === 'object' ? (o.constructor?.name ?? 'Object') : typeof o;
}
