// Pointwise ops whose ONNX operator is not a plain one-to-one node. All others come from the op table or, where ONNX has no
// operator, from the scalar expression of the declaration (../scalar.ts).
import { isFloatType } from '../../ir/dtype.js';
import type { DType } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import type { Arg, Call, Symbolic } from '../call.js';

/** An operand as a tensor of `dtype`. */
export function operand(b: OnnxBuilder, call: Call, name: string, dtype: DType): Ref {
  const arg: Arg = call.arg(name);
  if (arg.kind === 'number') return b.scalar(arg.value, dtype);
  return b.cast(call.tensor(name), dtype);
}

const scaled =
  (type: 'Add' | 'Sub'): Symbolic =>
  (b, call) => {
    const out = call.type();
    if (out.dtype === 'bool') return null;
    const alpha = call.number('alpha');
    let other = operand(b, call, 'other', out.dtype);
    if (alpha !== 1) other = b.op('Mul', [other, b.scalar(alpha, out.dtype)], other.type);
    return [b.op(type, [operand(b, call, 'self', out.dtype), other], out)];
  };

/** `min` and `max` (null: open) as Clip. */
function clip(b: OnnxBuilder, call: Call, min: number | null, max: number | null): readonly Ref[] {
  const out = call.type();
  const bound = (v: number | null): Ref | null => (v === null ? null : b.scalar(v, out.dtype));
  return [b.op('Clip', [operand(b, call, 'self', out.dtype), bound(min), bound(max)], out)];
}
const bound = (arg: Arg): number | null => (arg.kind === 'number' ? Number(arg.value) : null);

/** Element-wise maximum or minimum with a number or a tensor. */
const limit =
  (type: 'Max' | 'Min', name: string): Symbolic =>
  (b, call) => {
    const out = call.type();
    return [b.op(type, [operand(b, call, 'self', out.dtype), operand(b, call, name, out.dtype)], out)];
  };

const floatUnary =
  (type: string, attrs: (call: Call) => Record<string, number> = () => ({})): Symbolic =>
  (b, call) => {
    const out = call.type();
    if (!isFloatType(out.dtype) || !b.has(type)) return null;
    const list = Object.entries(attrs(call)).map(([k, v]) => [k, { float: v }] as const);
    return [b.op(type, [operand(b, call, 'self', out.dtype)], out, Object.fromEntries(list))];
  };

/** Integers are whole already. */
const rounding: Symbolic = (_, call) => (isFloatType(call.type().dtype) ? null : [call.tensor('self')]);

export const pointwise: Readonly<Record<string, Symbolic>> = {
  ceil: rounding,
  floor: rounding,
  roundWhole: rounding,
  add: scaled('Add'),
  sub: scaled('Sub'),
  // A bound that is a tensor: by the parts.
  clamp: (b, call) => {
    const [min, max] = [call.arg('min'), call.arg('max')];
    if (min.kind === 'tensor' || max.kind === 'tensor') return null;
    return clip(b, call, bound(min), bound(max));
  },
  clampMin: limit('Max', 'min'),
  clampMax: limit('Min', 'max'),
  clampBoth: (b, call) => {
    const out = call.type();
    const [self, min, max] = ['self', 'min', 'max'].map((n) => operand(b, call, n, out.dtype)) as [Ref, Ref, Ref];
    if (min.type.shape.length + max.type.shape.length === 0) return [b.op('Clip', [self, min, max], out)];
    return [b.op('Min', [b.op('Max', [self, min], out), max], out)];
  },
  hardtanh: (b, call) => clip(b, call, call.number('minVal'), call.number('maxVal')),
  relu6: (b, call) => clip(b, call, 0, 6),
  leakyRelu: floatUnary('LeakyRelu', (call) => ({ alpha: call.number('negativeSlope') })),
  elu: floatUnary('Elu', (call) => ({ alpha: call.number('alpha') })),
  hardsigmoid: floatUnary('HardSigmoid', () => ({ alpha: 1 / 6, beta: 0.5 })),
  hardswish: floatUnary('HardSwish'),
  // ONNX's Softplus has beta 1 and no threshold; above 20 the two agree to the last bit of float32.
  softplus: (b, call) =>
    call.number('beta') === 1 && call.number('threshold') >= 20 ? floatUnary('Softplus')(b, call) : null,
  gelu: (b, call) => {
    if (!b.has('Gelu')) return null;
    const approximate = call.op === 'gelu' ? call.string('approximate') : call.op === 'geluTanh' ? 'tanh' : 'none';
    return [b.op('Gelu', [call.tensor('self')], call.type(), { approximate })];
  },
  mish: floatUnary('Mish'),
  square: (b, call) => {
    const out = call.type();
    const x = operand(b, call, 'self', out.dtype);
    return out.dtype === 'bool' ? null : [b.op('Mul', [x, x], out)];
  },
  toDtype: (b, call) => [b.cast(call.tensor('self'), call.type().dtype)],
  where: (b, call) => {
    const out = call.type();
    const cond = b.cast(call.tensor('condition'), 'bool');
    return [b.op('Where', [cond, operand(b, call, 'self', out.dtype), operand(b, call, 'other', out.dtype)], out)];
  },
  maskedFill: (b, call) => {
    const out = call.type();
    const mask = b.cast(call.tensor('mask'), 'bool');
    return [b.op('Where', [mask, operand(b, call, 'value', out.dtype), operand(b, call, 'self', out.dtype)], out)];
  },
};
