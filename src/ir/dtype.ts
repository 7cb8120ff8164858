// PyTorch's type promotion, over the operands of an op. Source: torch.result_type; native/core/promotion.h is its twin.
import type { DType, Input } from './graph.js';

type Category = 0 | 1 | 2; // bool, integral, floating

const BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};
export const itemBytes = (t: DType): number => BYTES[t];
export const isFloatType = (t: DType): boolean =>
  t === 'float32' || t === 'float64' || t === 'float16' || t === 'bfloat16';
export const isIntegralType = (t: DType): boolean => !isFloatType(t) && t !== 'bool';
const category = (t: DType): Category => (isFloatType(t) ? 2 : t === 'bool' ? 0 : 1);

/** The dtype in which two tensors of the same rank class meet. */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  const [ca, cb] = [category(a), category(b)];
  if (ca !== cb) return ca > cb ? a : b;
  if (ca === 2) return BYTES[a] === BYTES[b] ? 'float32' : BYTES[a] > BYTES[b] ? a : b;
  if (a === 'uint8' || b === 'uint8') {
    const other = a === 'uint8' ? b : a;
    return other === 'int8' ? 'int16' : other;
  }
  return BYTES[a] > BYTES[b] ? a : b;
}

/** The dtype of an operand that is a number. */
const numberType = (i: Extract<Input, { kind: 'const' | 'live' }>, defaultDtype: DType): DType =>
  i.kind === 'live' || (typeof i.value === 'number' && i.float)
    ? defaultDtype
    : typeof i.value === 'boolean'
      ? 'bool'
      : 'int64';

/** The result dtype of operands: tensors with dimensions decide, zero-dimensional ones and numbers only by category. */
export function resultType(operands: readonly Input[], defaultDtype: DType = 'float32'): DType {
  const classes: (DType | null)[] = [null, null, null];
  for (const i of operands) {
    if (i.kind === 'none' || i.kind === 'list') continue;
    const at = i.kind !== 'value' ? 2 : i.value.type.shape.length > 0 ? 0 : 1;
    const t = i.kind === 'value' ? i.value.type.dtype : numberType(i, defaultDtype);
    const before = classes[at]!;
    classes[at] = before === null ? t : promoteTypes(before, t);
  }
  const combine = (higher: DType | null, lower: DType | null): DType | null => {
    if (higher === null || lower === null) return higher ?? lower;
    return category(lower) > category(higher) ? promoteTypes(higher, lower) : higher;
  };
  return combine(combine(classes[0]!, classes[1]!), classes[2]!) ?? defaultDtype;
}
