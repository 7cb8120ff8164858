// What each operator set has: file format versions, operators that came late, element types that operators take.
import type { DType } from '../ir/graph.js';

type DTypeSet = readonly DType[];
const FLOATS: DTypeSet = ['float16', 'bfloat16', 'float32', 'float64'];
const INTEGERS: DTypeSet = ['int8', 'int16', 'int32', 'int64', 'uint8'];

/** Operator set → version of the file format it came with. */
export const IR_VERSION: Readonly<Record<number, number>> = {
  13: 7,
  14: 7,
  15: 8,
  16: 8,
  17: 8,
  18: 8,
  19: 9,
  20: 9,
  21: 10,
  22: 10,
  23: 11,
};
export const OPSETS = Object.keys(IR_VERSION).map(Number);

/** Nodes have metadata_props since this version of the file format. */
export const NODE_METADATA_IR = 10;

/** Operators that opset 13 lacks, with the first opset that has them in the form that we write. */
const SINCE: Readonly<Record<string, number>> = {
  AffineGrid: 20,
  Attention: 23,
  BitwiseAnd: 18,
  BitwiseNot: 18,
  BitwiseOr: 18,
  BitwiseXor: 18,
  BlackmanWindow: 17,
  CenterCropPad: 18,
  Col2Im: 18,
  DFT: 17,
  Gelu: 20,
  GridSample: 16,
  // Opset 18 has one scale per group, not per channel.
  GroupNormalization: 21,
  HammingWindow: 17,
  HannWindow: 17,
  HardSwish: 14,
  LayerNormalization: 17,
  Mish: 18,
  RMSNormalization: 23,
  Trilu: 14,
};

/** Operators that give bool whatever they take. */
export const COMPARES: ReadonlySet<string> = new Set([
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'IsInf',
  'IsNaN',
  'Less',
  'LessOrEqual',
]);

/** The first opset with an operator, 13 or later. */
export const firstOpset = (operator: string): number => SINCE[operator] ?? 13;

/** Element types of an operator's main operand, where it does not take all numbers. `from`: further ones since an opset. */
interface Types {
  readonly types: DTypeSet;
  readonly from?: readonly { readonly opset: number; readonly types: DTypeSet }[];
}

const WIDE_INTS: DTypeSet = ['int32', 'int64'];
const SMALL_INTS: DTypeSet = ['int8', 'int16', 'uint8'];
const HALF_UP: DTypeSet = ['float16', 'float32', 'float64'];
const SINGLE: DTypeSet = ['float32', 'float64'];
const floatsSince = (opset: number): Types => ({ types: HALF_UP, from: [{ opset, types: ['bfloat16'] }] });
const arithmetic: Types = { types: [...FLOATS, ...WIDE_INTS], from: [{ opset: 14, types: SMALL_INTS }] };
const wide: Types = { types: [...FLOATS, ...WIDE_INTS] };
const extremes: Types = {
  types: [...FLOATS, ...WIDE_INTS, 'int8', 'uint8'],
  from: [{ opset: 20, types: ['bool'] }],
};
const numbers: Types = { types: [...FLOATS, ...INTEGERS] };
const floats: Types = { types: FLOATS };

const TYPES: Readonly<Record<string, Types>> = {
  Abs: numbers,
  Add: arithmetic,
  ArgMax: numbers,
  ArgMin: numbers,
  AveragePool: floatsSince(22),
  BatchNormalization: floatsSince(14),
  Ceil: floats,
  Clip: numbers,
  Conv: floatsSince(22),
  ConvTranspose: floatsSince(22),
  CumSum: { types: [...SINGLE, ...WIDE_INTS], from: [{ opset: 14, types: ['float16', 'bfloat16'] }] },
  Div: arithmetic,
  Elu: floatsSince(22),
  Erf: numbers,
  Exp: floats,
  Floor: floats,
  Gemm: wide,
  GlobalAveragePool: floatsSince(22),
  GlobalMaxPool: floatsSince(22),
  Greater: numbers,
  GreaterOrEqual: { types: [...HALF_UP, ...INTEGERS], from: [{ opset: 16, types: ['bfloat16'] }] },
  HardSigmoid: floatsSince(22),
  HardSwish: floatsSince(22),
  IsNaN: floats,
  IsInf: { types: SINGLE, from: [{ opset: 20, types: ['float16', 'bfloat16'] }] },
  LayerNormalization: floats,
  LeakyRelu: floatsSince(16),
  Less: numbers,
  LessOrEqual: { types: [...HALF_UP, ...INTEGERS], from: [{ opset: 16, types: ['bfloat16'] }] },
  Log: floats,
  MatMul: wide,
  Max: numbers,
  MaxPool: {
    types: [...HALF_UP, 'int8', 'uint8'],
    from: [{ opset: 22, types: ['bfloat16'] }],
  },
  Min: numbers,
  Mish: floatsSince(22),
  Mod: numbers,
  Mul: arithmetic,
  Neg: { types: [...FLOATS, 'int8', 'int16', ...WIDE_INTS] },
  Pow: { types: [...HALF_UP, ...WIDE_INTS], from: [{ opset: 15, types: ['bfloat16'] }] },
  PRelu: { types: [...HALF_UP, ...WIDE_INTS], from: [{ opset: 16, types: ['bfloat16'] }] },
  Range: { types: [...SINGLE, 'int16', ...WIDE_INTS] },
  Reciprocal: floats,
  ReduceL1: wide,
  ReduceL2: wide,
  ReduceLogSumExp: wide,
  ReduceMax: extremes,
  ReduceMean: wide,
  ReduceMin: extremes,
  ReduceProd: wide,
  ReduceSum: wide,
  Relu: { types: FLOATS, from: [{ opset: 14, types: [...WIDE_INTS, 'int8', 'int16'] }] },
  Round: floatsSince(22),
  Selu: floatsSince(22),
  Sigmoid: floats,
  Sign: numbers,
  Softplus: floatsSince(22),
  Softsign: floatsSince(22),
  Sqrt: floats,
  Sub: arithmetic,
  Tanh: floats,
  TopK: numbers,
  ...Object.fromEntries(
    ['Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Celu', 'Cos', 'Cosh', 'Sin', 'Sinh', 'Tan'].map((op) => [
      op,
      op === 'Celu' ? ({ types: ['float32'] } satisfies Types) : floatsSince(22),
    ]),
  ),
};

/** Whether an operator takes a dtype, perhaps in a wider one. */
export function takesType(operator: string, dtype: DType, opset: number): boolean {
  const known = Object.hasOwn(TYPES, operator) ? TYPES[operator]! : null;
  if (known === null || widerType(operator, dtype, opset) !== null) return true;
  return known.types.includes(dtype) || (known.from ?? []).some((f) => f.opset <= opset && f.types.includes(dtype));
}

/**
 * The dtype to compute an operator in where it does not take `dtype`: wider, so that a cast back gives the same result.
 * Null: the operator takes it as it is.
 */
export function widerType(operator: string, dtype: DType, opset: number): DType | null {
  const known = Object.hasOwn(TYPES, operator) ? TYPES[operator]! : null;
  if (known === null) return null;
  const taken = (d: DType): boolean =>
    known.types.includes(d) || (known.from ?? []).some((f) => f.opset <= opset && f.types.includes(d));
  if (taken(dtype)) return null;
  if (dtype === 'float16' || dtype === 'bfloat16') return taken('float32') ? 'float32' : null;
  // Integer images, and functions that are of no use for integers: exact up to 2^53.
  if (!FLOATS.includes(dtype) && !taken('int64') && taken('float64')) return 'float64';
  const integer = (['int32', 'int64'] as const).find(taken);
  if (FLOATS.includes(dtype)) return null;
  return integer ?? null;
}
