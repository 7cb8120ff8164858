// Element by element: arithmetic, comparisons, logic, activations, conversions of dtype.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import { isFloatingDtype, itemSize, type DType } from '../../../tensor/dtype.js';
import { tensorFromBytes, tensorToBytes } from '../../../serialization/tensors.js';
import type { Tensor } from '../../../tensor/handle.js';
import { MANY, op, type Entry, type NodeContext, type OperatorTable, type Value } from '../node.js';
import { elementType } from '../tensors.js';

const isFloat = (x: Tensor): boolean => isFloatingDtype(x.dtype);
const unary = (fn: (x: Tensor) => Tensor, options: Parameters<typeof op>[2] = {}): Entry =>
  op((n) => fn(n.tensor(0)), 1, options);

/** Both operands, of one dtype. Before opset 7 the second is laid along dimensions of the first by `axis`. */
export function operands(n: NodeContext): [Tensor, Tensor] {
  const a = n.tensor(0);
  let b = n.tensor(1);
  if (a.dtype !== b.dtype) n.fail(`operands of ${a.dtype} and ${b.dtype}; both must have one type`);
  if (n.opset < 7) {
    if (!n.flag('broadcast')) {
      if (a.shape.join() !== b.shape.join())
        n.fail(`operands of shapes [${a.shape}] and [${b.shape}] without broadcast`);
    } else if (n.hasAttribute('axis')) {
      const axis = n.axis(n.attributeInt('axis'), a.dim());
      const after = a.dim() - axis - b.dim();
      if (after < 0) n.fail(`shape [${b.shape}] does not fit [${a.shape}] from axis ${axis}`);
      b = b.reshape([...b.shape, ...Array<number>(after).fill(1)]);
    }
  }
  return [a, b];
}
const binary = (fn: (a: Tensor, b: Tensor, n: NodeContext) => Tensor, options: Parameters<typeof op>[2] = {}): Entry =>
  op((n) => fn(...operands(n), n), 2, options);
/** Comparisons and logic give bool, whatever wide type goes in. */
const predicate = (fn: (a: Tensor, b: Tensor) => Tensor, since = 1): Entry => binary(fn, { wideAs: null, since });
const variadic = (fn: (list: Tensor[]) => Tensor): Entry =>
  op(
    (n) => {
      const list = n.all();
      for (const x of list) if (x.dtype !== list[0]!.dtype) n.fail(`operands of ${list[0]!.dtype} and ${x.dtype}`);
      return fn(list);
    },
    [1, MANY],
  );
const sum = (list: readonly Tensor[]): Tensor => list.reduce((a, b) => a.add(b));

function div(a: Tensor, b: Tensor): Tensor {
  return isFloat(a) ? a.div(b) : a.div(b, { roundingMode: 'trunc' });
}

/** The result has the base's type, whatever the exponent's. */
function pow(n: NodeContext): Tensor {
  const [a, b] = n.opset < 7 ? operands(n) : [n.tensor(0), n.tensor(1)];
  if (a.dtype === b.dtype) return a.pow(b);
  if (isFloat(a)) return a.pow(b.to(a.dtype));
  return isFloat(b) ? a.double().pow(b.double()).to(a.dtype) : a.pow(b.to(a.dtype));
}

function mod(n: NodeContext): Tensor {
  const [a, b] = operands(n);
  if (n.flag('fmod')) return a.fmod(b);
  if (isFloat(a)) n.fail(`fmod must be 1 for ${a.dtype}`);
  return a.remainder(b);
}

function bitShift(n: NodeContext): Tensor {
  const [a, b] = operands(n);
  const wide = n.value(0).wide;
  const bits = wide ? Number(wide.slice(4)) : itemSize(a.dtype) * 8;
  const left = n.oneOf('direction', ['LEFT', 'RIGHT', ''], '');
  if (left === '') n.fail('attribute direction is missing');
  const shifted = left === 'LEFT' ? a.bitwiseLeftShift(b) : a.bitwiseRightShift(b);
  return t.where(b.lt(bits), shifted, 0).to(a.dtype);
}

function clip(n: NodeContext): Tensor {
  const x = n.tensor(0);
  if (n.opset < 11) {
    const [low, high] = [n.float('min', -Infinity), n.float('max', Infinity)];
    if (low === -Infinity && high === Infinity) return x;
    return x.clamp(low === -Infinity ? null : low, high === Infinity ? null : high);
  }
  let y = x;
  for (const [i, fn] of [
    [1, t.maximum],
    [2, t.minimum],
  ] as const) {
    const limit = n.optional(i);
    if (!limit) continue;
    if (limit.dtype !== x.dtype) n.fail(`a bound of ${limit.dtype} for ${x.dtype}`);
    if (limit.numel() !== 1) n.fail(`a bound must be a scalar, got shape [${limit.shape}]`);
    if (isFloat(x) && n.value(i).known) y = i === 1 ? y.clampMin(n.number(i)) : y.clampMax(n.number(i));
    else y = fn(y, limit.reshape([]));
  }
  return y;
}

function prelu(n: NodeContext): Tensor {
  const x = n.tensor(0);
  let slope = n.tensor(1);
  if (n.opset < 7 && slope.numel() > 1) slope = slope.reshape([-1, ...Array<number>(x.dim() - 2).fill(1)]);
  return t.where(x.lt(0), x.mul(slope), x);
}

function isInf(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const [negative, positive] = [n.flag('detect_negative', true), n.flag('detect_positive', true)];
  const none = t.zerosLike(x, { dtype: 'bool' });
  const up = positive ? x.eq(Infinity) : none;
  return negative ? up.logicalOr(x.eq(-Infinity)) : up;
}

function shrink(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const [lambd, bias] = [n.float('lambd', 0.5), n.float('bias', 0)];
  return t.where(x.lt(-lambd), x.add(bias), t.where(x.gt(lambd), x.sub(bias), 0)).to(x.dtype);
}

/** `x` in the element type of a number of TensorProto.DataType. */
export function converted(n: NodeContext, x: Tensor, code: number): Value | Tensor {
  const { dtype, wide } = elementType(code, n.fail);
  if (!wide) return x.to(dtype);
  const y = x.to(dtype);
  const known = n.inputs.every((v) => v === undefined || v.known);
  return { tensor: wide === 'uint64' ? y : y.bitwiseAnd(wide === 'uint16' ? 0xffff : 0xffffffff), known, wide };
}
function castLike(n: NodeContext): Value | Tensor {
  const like = n.value(1);
  if (!like.wide) return n.tensor(0).to(like.tensor.dtype);
  return converted(n, n.tensor(0), { uint16: 4, uint32: 12, uint64: 13 }[like.wide]);
}
function bitCast(n: NodeContext): Value | Tensor {
  const x = n.value(0);
  const { dtype, wide } = elementType(n.attributeInt('to'), n.fail);
  const bits = (d: DType, w: typeof wide): number => (w ? Number(w.slice(4)) : itemSize(d) * 8);
  if (bits(x.tensor.dtype, x.wide) !== bits(dtype, wide))
    n.fail(`${x.wide ?? x.tensor.dtype} and ${wide ?? dtype} differ in size`);
  const widen = (y: Tensor): Tensor =>
    wide === 'uint16' ? y.to('int32').bitwiseAnd(0xffff) : wide === 'uint32' ? y.to('int64').bitwiseAnd(0xffffffff) : y;
  // Of one size in memory: the bits of wide types are those of the signed type of their own width.
  const narrow: DType | null = x.wide === 'uint16' ? 'int16' : x.wide === 'uint32' ? 'int32' : null;
  const source = narrow ? x.tensor.to(narrow) : x.tensor;
  const stored: DType = wide === 'uint16' ? 'int16' : wide === 'uint32' ? 'int32' : dtype;
  const y = widen(tensorFromBytes({ ...tensorToBytes(source), dtype: stored }));
  return wide ? { tensor: y, known: x.known, wide } : y;
}

const elu = (n: NodeContext): Tensor => F.elu(n.tensor(0), n.float('alpha', 1));
function selu(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const [alpha, gamma] = [n.float('alpha', 1.6732632423543772), n.float('gamma', 1.0507009873554805)];
  return F.elu(x, alpha).mul(gamma);
}

export const POINTWISE: OperatorTable = {
  Abs: unary((x) => x.abs()),
  Acos: unary((x) => x.acos()),
  Acosh: unary((x) => x.acosh()),
  Asin: unary((x) => x.asin()),
  Asinh: unary((x) => x.asinh()),
  Atan: unary((x) => x.atan()),
  Atanh: unary((x) => x.atanh()),
  Ceil: unary((x) => x.ceil()),
  Cos: unary((x) => x.cos()),
  Cosh: unary((x) => x.cosh()),
  Erf: unary((x) => x.erf()),
  Exp: unary((x) => x.exp()),
  Floor: unary((x) => x.floor()),
  Log: unary((x) => x.log()),
  Neg: unary((x) => x.neg()),
  Reciprocal: unary((x) => x.reciprocal()),
  Round: unary((x) => x.round()),
  Sigmoid: unary((x) => x.sigmoid()),
  Sign: unary((x) => x.sign()),
  Sin: unary((x) => x.sin()),
  Sinh: unary((x) => x.sinh()),
  Sqrt: unary((x) => x.sqrt()),
  Tan: unary((x) => x.tan()),
  Tanh: unary((x) => x.tanh()),
  Relu: unary((x) => x.relu()),
  Identity: op((n) => ({ ...n.value(0) })),
  Not: unary((x) => x.logicalNot()),
  BitwiseNot: unary((x) => x.bitwiseNot()),
  IsNaN: unary((x) => x.isnan(), { wideAs: null }),
  IsInf: op(isInf, 1, { wideAs: null }),
  Softplus: unary((x) => t.log1p(t.exp(x.abs().neg())).add(x.clampMin(0))),
  Softsign: unary((x) => x.div(x.abs().add(1))),
  Mish: unary((x) => F.mish(x)),
  HardSwish: unary((x) => F.hardswish(x)),
  Elu: op(elu),
  Selu: op(selu),
  Celu: op((n) => F.celu(n.tensor(0), n.float('alpha', 1))),
  LeakyRelu: op((n) => F.leakyRelu(n.tensor(0), n.float('alpha', 0.01))),
  ThresholdedRelu: op((n) => t.where(n.tensor(0).gt(n.float('alpha', 1)), n.tensor(0), 0).to(n.tensor(0).dtype)),
  HardSigmoid: op((n) => n.tensor(0).mul(n.float('alpha', 0.2)).add(n.float('beta', 0.5)).clamp(0, 1)),
  Gelu: op((n) => F.gelu(n.tensor(0), { approximate: n.oneOf('approximate', ['none', 'tanh'], 'none') })),
  Swish: op((n) => n.tensor(0).mul(n.tensor(0).mul(n.float('alpha', 1)).sigmoid())),
  Shrink: op(shrink),
  PRelu: op(prelu, 2),
  Clip: op(clip, [1, 3], { settings: [1, 2] }),

  Add: binary((a, b) => a.add(b)),
  Sub: binary((a, b) => a.sub(b)),
  Mul: binary((a, b) => a.mul(b)),
  Div: binary(div),
  Pow: op(pow, 2),
  Mod: op(mod, 2),
  BitShift: op(bitShift, 2),
  BitwiseAnd: binary((a, b) => a.bitwiseAnd(b)),
  BitwiseOr: binary((a, b) => a.bitwiseOr(b)),
  BitwiseXor: binary((a, b) => a.bitwiseXor(b)),
  And: predicate((a, b) => a.logicalAnd(b)),
  Or: predicate((a, b) => a.logicalOr(b)),
  Xor: predicate((a, b) => a.logicalXor(b)),
  Equal: predicate((a, b) => a.eq(b)),
  Greater: predicate((a, b) => a.gt(b)),
  Less: predicate((a, b) => a.lt(b)),
  GreaterOrEqual: predicate((a, b) => a.ge(b), 12),
  LessOrEqual: predicate((a, b) => a.le(b), 12),
  Max: variadic((list) => list.reduce((a, b) => t.maximum(a, b))),
  Min: variadic((list) => list.reduce((a, b) => t.minimum(a, b))),
  Sum: variadic(sum),
  Mean: variadic((list) => sum(list).div(list.length)),
  Where: op(
    (n) => {
      const [c, a, b] = [n.tensor(0), n.tensor(1), n.tensor(2)];
      if (c.dtype !== 'bool' || a.dtype !== b.dtype)
        n.fail(`a bool and two tensors of one type expected, got ${c.dtype}, ${a.dtype}, ${b.dtype}`);
      return t.where(c, a, b);
    },
    3,
    { wideAs: 1 },
  ),
  Cast: op(
    (n) =>
      converted(n, n.tensor(0), n.opset < 6 ? n.fail('Cast to a named type (before opset 6)') : n.attributeInt('to')),
    1,
    {
      wideAs: null,
    },
  ),
  CastLike: op(castLike, 2, { wideAs: null }),
  BitCast: op(bitCast, 1, { wideAs: null, since: 26 }),
};
