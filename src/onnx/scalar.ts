// Any pointwise op as ONNX nodes, from the scalar expression of its declaration. This is the way for ops without an ONNX
// operator of their own; so no pointwise op needs a mapping written by hand.
import { sameShape } from '../ir/dim.js';
import { isFloatType, resultType } from '../ir/dtype.js';
import type { Dim, DType, Input, TensorType } from '../ir/graph.js';
import type { PointwiseInfo } from '../ir/opinfo.js';
import { parseExpr, type BinaryOp, type Expr, type UnaryOp } from '../ir/scalar.js';
import type { OnnxBuilder, Ref } from './builder.js';
import type { Arg, Call } from './call.js';
import type { Shapes } from './shapes.js';

/** A part of the expression: a number still to be folded, or a value. */
type Part = { readonly number: number | boolean } | { readonly ref: Ref };

const DIRECT: Partial<Record<UnaryOp, string>> = {
  neg: 'Neg',
  abs: 'Abs',
  sign: 'Sign',
  floor: 'Floor',
  ceil: 'Ceil',
  round: 'Round',
  sqrt: 'Sqrt',
  exp: 'Exp',
  log: 'Log',
  sin: 'Sin',
  cos: 'Cos',
  tan: 'Tan',
  asin: 'Asin',
  acos: 'Acos',
  atan: 'Atan',
  sinh: 'Sinh',
  cosh: 'Cosh',
  tanh: 'Tanh',
  asinh: 'Asinh',
  acosh: 'Acosh',
  atanh: 'Atanh',
  erf: 'Erf',
};
const ARITHMETIC: Partial<Record<BinaryOp, string>> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  pow: 'Pow',
  max: 'Max',
  min: 'Min',
};
const COMPARE: Partial<Record<BinaryOp, string>> = {
  lt: 'Less',
  le: 'LessOrEqual',
  gt: 'Greater',
  ge: 'GreaterOrEqual',
  eq: 'Equal',
  and: 'And',
  or: 'Or',
  xor: 'Xor',
};
const FOLD: Partial<Record<BinaryOp, (a: number, b: number) => number | boolean>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
};

/** The dtype that the operands of a pointwise call are computed in. */
export function computeType(call: Call, info: PointwiseInfo): DType {
  if (info.rule !== 'bool') return call.type().dtype;
  const operands = [...call.args].filter(([name]) => !info.conditions.includes(name));
  return resultType(operands.map(([, arg]) => inputOf(arg)));
}

function inputOf(arg: Arg): Input {
  if (arg.kind === 'tensor') return { kind: 'value', value: { id: -1, type: arg.ref.type } };
  return arg.kind === 'number' ? { kind: 'const', value: arg.value, float: arg.float } : { kind: 'none' };
}

/** Lowers a pointwise call through its scalar expressions. */
export function lowerPointwise(b: OnnxBuilder, call: Call, info: PointwiseInfo, shapes: Shapes): Ref[] {
  const compute = computeType(call, info);
  return info.forward.map((text, i) => {
    const part = new ScalarLowering(b, call, info, compute).lower(parseExpr(text));
    const type = call.type(i);
    const ref = 'ref' in part ? part.ref : b.scalar(part.number, type.dtype);
    // An expression that is a constant, or one operand alone, still has the op's broadcast shape.
    const cast = b.cast(ref, type.dtype);
    return sameShape(cast.type.shape, type.shape) ? cast : b.op('Expand', [cast, shapes.vector(type.shape)], type);
  });
}

class ScalarLowering {
  constructor(
    private readonly b: OnnxBuilder,
    private readonly call: Call,
    private readonly info: PointwiseInfo,
    private readonly compute: DType,
  ) {}

  lower(e: Expr): Part {
    switch (e.kind) {
      case 'const':
        return { number: e.value };
      case 'arg':
        return this.argument(e.name);
      case 'unary':
        return this.unary(e.op, this.lower(e.a));
      case 'binary':
        return this.binary(e.op, this.lower(e.a), this.lower(e.b));
      case 'select': {
        const cond = this.lower(e.cond);
        if ('number' in cond) return this.lower(cond.number ? e.a : e.b);
        const [x, y] = [this.lower(e.a), this.lower(e.b)];
        return this.node('Where', [this.asBool(cond), this.ref(x), this.ref(y)], this.compute);
      }
    }
  }

  private argument(name: string): Part {
    const arg = this.call.args.get(name);
    if (!arg) return this.attribute(name);
    if (arg.kind === 'number') return { number: arg.value };
    if (arg.kind !== 'tensor') return this.call.fail(`operand '${name}' is absent`);
    const condition = this.info.conditions.includes(name);
    return { ref: this.b.cast(arg.ref, condition ? 'bool' : this.compute) };
  }

  private attribute(name: string): Part {
    const value = this.call.attr(name);
    return typeof value === 'boolean' ? { number: value } : { number: this.call.number(name) };
  }

  private unary(op: UnaryOp, part: Part): Part {
    const b = this.b;
    if ('number' in part && op === 'neg') return { number: -Number(part.number) };
    if ('number' in part && op === 'not') return { number: !part.number };
    const c = this.compute;
    const direct = DIRECT[op];
    if (op === 'not') return this.node('Not', [this.asBool(part)], 'bool');
    // Integers are whole and finite.
    if (!isFloatType(c)) {
      if (op === 'floor' || op === 'ceil' || op === 'round' || op === 'trunc') return part;
      if (op === 'isnan') return { number: false };
      if (op === 'isfinite') return { number: true };
    }
    const x = this.ref(part);
    if (direct) return this.node(direct, [x], c);
    const constant = (v: number): Ref => b.scalar(v, c);
    const node = (type: string, ...inputs: Ref[]): Ref => this.node(type, inputs, c).ref;
    switch (op) {
      case 'rsqrt':
        return this.node('Reciprocal', [node('Sqrt', x)], c);
      case 'trunc':
        return this.node(
          'Where',
          [this.node('Less', [x, constant(0)], 'bool').ref, node('Ceil', x), node('Floor', x)],
          c,
        );
      case 'exp2':
        return this.node('Pow', [constant(2), x], c);
      case 'expm1':
        return this.node('Sub', [node('Exp', x), constant(1)], c);
      case 'log1p':
        return this.node('Log', [node('Add', x, constant(1))], c);
      case 'log2':
        return this.node('Div', [node('Log', x), constant(Math.LN2)], c);
      case 'log10':
        return this.node('Div', [node('Log', x), constant(Math.LN10)], c);
      case 'erfc':
        return this.node('Sub', [constant(1), node('Erf', x)], c);
      case 'bitnot':
        if (c === 'bool') return this.node('Not', [x], 'bool');
        // In two's complement; of unsigned bytes the distance to 255.
        return this.node('Sub', [constant(c === 'uint8' ? 255 : -1), x], c);
      case 'isnan':
        return this.node('IsNaN', [x], 'bool');
      case 'isfinite': {
        const bad = this.node('Or', [this.node('IsNaN', [x], 'bool').ref, this.node('IsInf', [x], 'bool').ref], 'bool');
        return this.node('Not', [bad.ref], 'bool');
      }
      default:
        return this.call.fail(`the function '${op}' has no ONNX operator at opset ${b.opset}`);
    }
  }

  private binary(op: BinaryOp, x: Part, y: Part): Part {
    if ('number' in x && 'number' in y) {
      const fold = FOLD[op];
      if (fold) return { number: fold(Number(x.number), Number(y.number)) };
    }
    const c = this.compute;
    // alpha = 1 and weightDecay = 0 leave the expression as if they were not there; x * 0 and x + 0 are kept (NaN, -0).
    if (op === 'mul' && 'number' in x && x.number === 1) return y;
    if ((op === 'mul' || op === 'div' || op === 'pow') && 'number' in y && y.number === 1) return x;
    if (op === 'and' || op === 'or' || op === 'xor')
      return this.node(COMPARE[op]!, [this.asBool(x), this.asBool(y)], 'bool');
    const bools = [x, y].some((p) => 'ref' in p && p.ref.type.dtype === 'bool');
    if (op === 'eq' || op === 'ne') {
      // No truth value is 2 or infinite.
      const other = [x, y].find(
        (p) => 'number' in p && p.number !== 0 && p.number !== 1 && typeof p.number !== 'boolean',
      );
      if (bools && other) return { number: op === 'ne' };
      const eq = this.node('Equal', bools ? [this.asBool(x), this.asBool(y)] : [this.ref(x), this.ref(y)], 'bool');
      return op === 'eq' ? eq : this.node('Not', [eq.ref], 'bool');
    }
    const b_ = this.b;
    const [a, b] = [this.ref(x), this.ref(y)];
    const compare = COMPARE[op];
    if (compare) return this.node(compare, [a, b], 'bool');
    const arithmetic = ARITHMETIC[op];
    if (arithmetic) return this.node(arithmetic, [a, b], c);
    switch (op) {
      case 'idiv':
        return this.node('Div', [a, b], c);
      case 'fmod':
        return this.node('Mod', [a, b], c, { fmod: 1 });
      case 'mod': {
        if (!isFloatType(c)) return this.node('Mod', [a, b], c);
        const floor = this.node('Floor', [this.node('Div', [a, b], c).ref], c).ref;
        return this.node('Sub', [a, this.node('Mul', [b, floor], c).ref], c);
      }
      case 'shl':
        return this.node('Mul', [a, this.node('Pow', [b_.scalar(2, c), b], c).ref], c);
      case 'shr': {
        // Towards minus infinity, as the shift of a signed number goes.
        const power = this.node('Pow', [b_.scalar(2, c), b], c).ref;
        const whole = this.node('Sub', [a, this.node('Mod', [a, power], c).ref], c).ref;
        return this.node('Div', [whole, power], c);
      }
      case 'copysign': {
        // Also of -0, whose reciprocal is -inf.
        const zero = b_.scalar(0, c);
        const one = b_.scalar(1, c);
        const below = this.node('Less', [b, zero], 'bool').ref;
        const abs = this.node('Abs', [a], c).ref;
        if (!isFloatType(c)) return this.node('Where', [below, this.node('Neg', [abs], c).ref, abs], c);
        const minusZero = this.node(
          'And',
          [
            this.node('Equal', [b, zero], 'bool').ref,
            this.node('Less', [this.node('Div', [one, b], c).ref, zero], 'bool').ref,
          ],
          'bool',
        ).ref;
        const negative = this.node('Or', [below, minusZero], 'bool').ref;
        return this.node('Where', [negative, this.node('Neg', [abs], c).ref, abs], c);
      }
      case 'atan2': {
        const [zero, pi] = [b_.scalar(0, c), b_.scalar(Math.PI, c)];
        return this.atan2(a, b, zero, pi);
      }
      case 'bitand':
      case 'bitor':
      case 'bitxor': {
        if (c === 'bool') return this.node({ bitand: 'And', bitor: 'Or', bitxor: 'Xor' }[op], [a, b], 'bool');
        return this.node({ bitand: 'BitwiseAnd', bitor: 'BitwiseOr', bitxor: 'BitwiseXor' }[op], [a, b], c);
      }
      case 'hypot': {
        const sum = this.node('Add', [this.node('Mul', [a, a], c).ref, this.node('Mul', [b, b], c).ref], c);
        return this.node('Sqrt', [sum.ref], c);
      }
      default:
        return this.call.fail(`the function '${op}' has no ONNX operator at opset ${this.b.opset}`);
    }
  }

  /** The angle of (b, a), every quadrant and the axes; zero and infinite together are not told apart. */
  private atan2(y: Ref, x: Ref, zero: Ref, pi: Ref): { readonly ref: Ref } {
    const c = this.compute;
    const node = (type: string, inputs: Ref[], dtype: DType = c): Ref => this.node(type, inputs, dtype).ref;
    const angle = node('Atan', [node('Div', [y, x])]);
    const up = node('GreaterOrEqual', [y, zero], 'bool');
    const turned = node('Where', [up, node('Add', [angle, pi]), node('Sub', [angle, pi])]);
    const left = node('Less', [x, zero], 'bool');
    const both = node('And', [node('Equal', [x, zero], 'bool'), node('Equal', [y, zero], 'bool')], 'bool');
    return this.node('Where', [both, zero, node('Where', [left, turned, angle])], c);
  }

  private node(type: string, inputs: Ref[], dtype: DType, attrs: Record<string, number> = {}): { readonly ref: Ref } {
    const tensor: TensorType = { dtype, shape: broadcastShape(inputs.map((i) => i.type.shape)) };
    return { ref: this.b.op(type, inputs, tensor, attrs) };
  }

  /** The part as a tensor of the compute dtype. */
  private ref(part: Part): Ref {
    return 'number' in part ? this.b.scalar(part.number, this.compute) : this.b.cast(part.ref, this.compute);
  }

  private asBool(part: Part): Ref {
    return 'number' in part ? this.b.scalar(part.number, 'bool') : this.b.cast(part.ref, 'bool');
  }
}

/** The broadcast of shapes that are known to fit. */
function broadcastShape(list: readonly (readonly Dim[])[]): Dim[] {
  const rank = Math.max(0, ...list.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const dims = list.flatMap((s) => (i - rank + s.length >= 0 ? [s[i - rank + s.length]!] : []));
    return dims.find((d) => d !== 1) ?? 1;
  });
}
