// Scalar IR over tensors: a scalar function's expressions as the declared pointwise ops, so that they broadcast, promote, differentiate,
// record and export as those do.
import * as ops from '../../generated/ts/functions.js';
import { printExpr, type BinaryOp, type Expr, type ScalarFn, type UnaryOp } from '../ir/scalar.js';
import { firstOperandOf } from '../tensor/args.js';
import { scalarTensor } from '../tensor/create.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../tensor/handle.js';

export type Value = Tensor | number | boolean;
type TensorOp = (a: Tensor, b: Tensor) => Tensor;

/** IR names whose tensor op is called otherwise. */
const UNARY: Readonly<Partial<Record<UnaryOp, keyof typeof ops>>> = { not: 'logicalNot', bitnot: 'bitwiseNot' };
const BINARY: Readonly<Partial<Record<BinaryOp, keyof typeof ops>>> = {
  div: 'trueDivide',
  mod: 'remainder',
  max: 'maximum',
  min: 'minimum',
  and: 'logicalAnd',
  or: 'logicalOr',
  xor: 'logicalXor',
  bitand: 'bitwiseAnd',
  bitor: 'bitwiseOr',
  bitxor: 'bitwiseXor',
  shl: 'bitwiseLeftShift',
  shr: 'bitwiseRightShift',
};
/** Ops that take a number as their second operand: the number then has no dtype that could win. */
const NUMBER_SECOND = new Set(
  'add sub mul div fmod mod pow lt le gt ge eq ne bitand bitor bitxor shl shr copysign'.split(' '),
);
/** Numbers alone are computed in JavaScript. */
const NUMBERS: Readonly<Partial<Record<BinaryOp, (a: number, b: number) => number | boolean>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  fmod: (a, b) => a % b,
  pow: (a, b) => a ** b,
  max: Math.max,
  min: Math.min,
  atan2: Math.atan2,
  hypot: Math.hypot,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  and: (a, b) => Boolean(a) && Boolean(b),
  or: (a, b) => Boolean(a) || Boolean(b),
};
const MATH = new Set(
  'abs sign floor ceil trunc sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh'.split(
    ' ',
  ),
);

function tensorOp(name: keyof typeof ops | undefined, ir: string, kernel: string): TensorOp {
  const fn = (ops as Readonly<Record<string, unknown>>)[name ?? ir];
  if (typeof fn !== 'function') throw new ValueError(`${kernel}: '${ir}' has no counterpart among the tensor ops`);
  return fn as TensorOp;
}

/** Evaluates a scalar function over tensors and numbers; equal parts once. */
export class Evaluation {
  private readonly done = new Map<string, Value>();
  constructor(
    private readonly kernel: string,
    private readonly env: ReadonlyMap<string, Value>,
  ) {}

  value(e: Expr): Value {
    if (e.kind === 'const') return e.value;
    if (e.kind === 'arg') return this.env.get(e.name)!;
    const key = printExpr(e);
    let v = this.done.get(key);
    if (v === undefined) {
      v = this.compute(e);
      this.done.set(key, v);
    }
    return v;
  }

  private compute(e: Exclude<Expr, { kind: 'const' | 'arg' }>): Value {
    switch (e.kind) {
      case 'unary':
        return this.unary(e.op, this.value(e.a));
      case 'binary':
        return this.binary(e.op, this.value(e.a), this.value(e.b));
      case 'select': {
        const [c, a, b] = [this.value(e.cond), this.value(e.a), this.value(e.b)];
        if (!isTensor(c)) return c ? a : b;
        const cond = (c as Tensor).dtype === 'bool' ? (c as Tensor) : (c as Tensor).ne(0);
        // Two numbers have no tensor to take a dtype from but the kernel's arguments.
        const first = isTensor(a) || isTensor(b) ? a : wrap(firstOperandOf(this.kernel, a as number, this.leading()));
        return ops.where(cond, first as Tensor, b as Tensor);
      }
    }
  }

  private leading(): Tensor {
    const tensors = [...this.env.values()].filter(isTensor) as Tensor[];
    return tensors.find((t) => /float/.test(t.dtype)) ?? tensors[0]!;
  }

  private unary(op: UnaryOp, a: Value): Value {
    if (!isTensor(a)) {
      if (op === 'neg') return -Number(a);
      if (op === 'not') return !a;
      if (MATH.has(op)) return (Math[op as keyof Math] as (x: number) => number)(Number(a));
      a = scalarTensor(Number(a), { dtype: 'float64' });
    }
    return (tensorOp(UNARY[op], op, this.kernel) as unknown as (x: Tensor) => Tensor)(a as Tensor);
  }

  private binary(op: BinaryOp, a: Value, b: Value): Value {
    if (!isTensor(a) && !isTensor(b)) {
      const fold = NUMBERS[op];
      if (fold) return fold(Number(a), Number(b));
      return this.binary(op, scalarTensor(Number(a), { dtype: 'float64' }), b);
    }
    if (op === 'polygamma') return ops.polygamma(Number(a), b as Tensor);
    const first = isTensor(a) ? (a as Tensor) : wrap(firstOperandOf(this.kernel, a as number, b as Tensor));
    const second = isTensor(b) || NUMBER_SECOND.has(op) ? b : wrap(firstOperandOf(this.kernel, b as number, first));
    if (op === 'idiv') return ops.div(first, second as Tensor, { roundingMode: 'trunc' });
    return tensorOp(BINARY[op], op, this.kernel)(first, second as Tensor);
  }
}

/** Results as tensors of the shape that all arguments broadcast to. */
export function evaluate(name: string, fn: ScalarFn, args: readonly (Tensor | number)[]): Tensor[] {
  const env = new Map<string, Value>(fn.params.map((p, i) => [p, args[i]!]));
  const run = new Evaluation(name, env);
  const tensors = args.filter(isTensor) as Tensor[];
  const whole = ops.broadcastTensors(tensors)[0]!;
  return fn.results.map((e) => {
    const v = run.value(e);
    const t = isTensor(v) ? (v as Tensor) : wrap(firstOperandOf(name, v as number, tensors[0]!));
    return t.shape.join() === whole.shape.join() ? t : t.expand(whole.shape).clone();
  });
}
