// fb.kernel: a scalar function of the user's becomes an op. Its source is lowered to scalar IR, that to the declared pointwise ops,
// so it broadcasts, promotes, differentiates, records and exports as they do; the compiler makes one kernel of it.
import * as ops from '../generated/ts/functions.js';
import { Function as AutogradFunction, type FunctionCtx } from './autograd/function.js';
import { lowerScalarFunction, type HelperSource } from './frontend/script/scalar.js';
import { derive, simplify } from './ir/derive.js';
import { arg, binary, printExpr, type BinaryOp, type Expr, type ScalarFn, type UnaryOp } from './ir/scalar.js';
import { native } from './native.js';
import { compile, type CompiledFunction } from './runtime/compile.js';
import { firstOperandOf } from './tensor/args.js';
import { scalarTensor } from './tensor/create.js';
import { DTypeError, ValueError } from './tensor/errors.js';
import { isTensor, wrap, type Tensor } from './tensor/handle.js';

/** One element inside a kernel: a number, or a boolean where it is compared. */
export type Scalar = number;
type ScalarResult = number | boolean;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- users' functions have parameters of their own
type AnyScalarFunction = (...args: any[]) => ScalarResult | readonly ScalarResult[];
type KernelArgs<P extends readonly unknown[]> = { [K in keyof P]: Tensor | number };

export interface KernelOptions {
  /** In messages and in `explain()`. Default: the function's name. */
  readonly name?: string;
  /** Functions that the body calls by name; they are inlined. */
  readonly helpers?: Readonly<Record<string, AnyScalarFunction>>;
  /**
   * Derivatives by parameter: scalar functions of the gradient of the result, the kernel's parameters and the result, in that
   * order. Left out: derived. Only for kernels of one result.
   */
  readonly backward?: Readonly<Record<string, AnyScalarFunction>>;
}
export interface Kernel<P extends readonly unknown[], R> {
  (...args: KernelArgs<P>): R extends readonly unknown[] ? Tensor[] : Tensor;
  /** Resolves to true when the generated kernel serves the latest arguments; false when a call is needed first. */
  ready(): Promise<boolean>;
  explain(): ReturnType<CompiledFunction<unknown[], unknown>['explain']>;
}

type Value = Tensor | number | boolean;
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
class Evaluation {
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
function evaluate(name: string, fn: ScalarFn, args: readonly (Tensor | number)[]): Tensor[] {
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

/**
 * An op from a scalar function: parameters and results are single elements. Arguments are tensors and numbers (one tensor at least),
 * which broadcast and are promoted as in arithmetic; `Math.*`, comparisons, conditions, locals and helpers may be used. The op is
 * differentiable to any order, by the symbolic derivative or by the formulas of `backward`. Eager calls run the ops one by one until
 * the generated kernels, forward and derivative, are built; inside `compile` and `jit.trace` they fuse with their neighbours.
 *
 * ```ts
 * const swish = fb.kernel((x: fb.Scalar, beta: fb.Scalar) => x / (1 + Math.exp(-beta * x)));
 * swish(t, 1.5);
 * ```
 * @throws ScalarSyntaxError (ERR_FLAMBEAU_SCRIPT) for code that is not scalar, with the code
 */
export function kernel<P extends readonly unknown[], R extends ScalarResult | readonly ScalarResult[]>(
  fn: (...args: P) => R,
  options: KernelOptions = {},
): Kernel<P, R> {
  if (typeof fn !== 'function') throw new DTypeError(`kernel(): expected a function, got ${typeof fn}`);
  const name = options.name ?? (fn.name || 'kernel');
  const helpers: HelperSource = (helper) =>
    options.helpers !== undefined && Object.hasOwn(options.helpers, helper)
      ? String(options.helpers[helper])
      : undefined;
  const lowered = lowerScalarFunction(String(fn), helpers);
  const several = lowered.results.length > 1;
  const forward = compiledFunction(name, lowered);
  const differentiable = withGradient(name, lowered, forward, derivativesOf(name, lowered, options.backward, helpers));
  const call = (...args: (Tensor | number)[]): Tensor | Tensor[] => {
    check(name, lowered, args);
    const grad = native.gradEnabled() && args.some((a) => isTensor(a) && (a as Tensor).requiresGrad);
    const given = options.backward !== undefined;
    // Recorded, it is its ops: what is around it fuses with them.
    const results = grad && (given || !native.traceActive()) ? differentiable(args) : forward(...args);
    return several ? results : results[0]!;
  };
  return Object.assign(call, {
    ready: () => forward.ready(),
    explain: () => forward.explain(),
  }) as unknown as Kernel<P, R>;
}

function check(name: string, fn: ScalarFn, args: readonly unknown[]): void {
  const list = fn.params.join(', ');
  if (args.length !== fn.params.length)
    throw new ValueError(`${name}(): takes ${fn.params.length} arguments (${list}), got ${args.length}`);
  for (const [i, a] of args.entries())
    if (!isTensor(a) && typeof a !== 'number')
      throw new DTypeError(
        `${name}(): argument ${fn.params[i]} must be a Tensor or a number, got ${a === null ? 'null' : typeof a}`,
      );
  if (!args.some(isTensor)) throw new DTypeError(`${name}(): at least one argument must be a Tensor`);
}

type Compiled = CompiledFunction<(Tensor | number)[], Tensor[]>;
const compiledFunction = (name: string, fn: ScalarFn): Compiled =>
  compile(Object.defineProperty((...args: (Tensor | number)[]) => evaluate(name, fn, args), 'name', { value: name }));

/** Per parameter its gradient from (the gradients of the results, the parameters, the results), or null. */
function derivativesOf(
  name: string,
  fn: ScalarFn,
  given: KernelOptions['backward'],
  helpers: HelperSource,
): readonly (ScalarFn | null)[] {
  const grads = fn.results.map((_, k) => `grad of result ${k}`);
  const outs = fn.results.map((_, k) => `result ${k}`);
  const params = [...grads, ...fn.params, ...outs];
  if (given === undefined)
    return fn.params.map((p) => {
      const terms = fn.results.map((r, k) => binary('mul', arg(grads[k]!), derive(r, p)));
      return { params, results: [simplify(terms.reduce((a, b) => binary('add', a, b)))] };
    });
  if (fn.results.length !== 1) throw new ValueError(`${name}: backward is for kernels of one result`);
  for (const p of Object.keys(given))
    if (!fn.params.includes(p))
      throw new ValueError(`${name}: backward names '${p}', which is no parameter (${fn.params.join(', ')})`);
  return fn.params.map((p) => {
    if (!Object.hasOwn(given, p)) return null;
    const formula = lowerScalarFunction(String(given[p]), helpers);
    if (formula.params.length !== params.length || formula.results.length !== 1)
      throw new ValueError(
        `${name}: the derivative towards '${p}' takes (grad, ${fn.params.join(', ')}, out) and gives one number`,
      );
    return formula;
  });
}

/** The kernel as a node of the autograd graph. Differentiated again, its backward runs as ops that have derivatives themselves. */
function withGradient(
  name: string,
  fn: ScalarFn,
  forward: Compiled,
  derivatives: readonly (ScalarFn | null)[],
): (args: readonly (Tensor | number)[]) => Tensor[] {
  const compiled = derivatives.map((d, i) => (d ? compiledFunction(`${name} towards ${fn.params[i]}`, d) : null));
  class KernelFunction extends AutogradFunction {
    static override forward(ctx: FunctionCtx, ...args: (Tensor | number)[]): Tensor | Tensor[] {
      const outs = forward(...args);
      ctx.numbers = args.map((a) => (isTensor(a) ? null : a));
      ctx.saveForBackward(...outs, ...(args.filter(isTensor) as Tensor[]));
      return outs.length === 1 ? outs[0]! : outs;
    }
    static override backward(ctx: FunctionCtx, ...grads: Tensor[]): (Tensor | null)[] {
      const saved = ctx.savedTensors as Tensor[];
      const outs = saved.slice(0, fn.results.length);
      let at = fn.results.length;
      const args = (ctx.numbers as (number | null)[]).map((v) => v ?? saved[at++]!);
      const again = native.gradEnabled();
      return derivatives.map((d, i) => {
        const a = args[i]!;
        if (!d || !isTensor(a) || !ctx.needsInputGrad[i]) return null;
        const given = [...grads, ...args, ...outs];
        const whole = again ? evaluate(name, d, given) : compiled[i]!(...given);
        const { shape, dtype } = a as Tensor;
        return whole[0]!.sumToSize(shape).to(dtype);
      });
    }
  }
  return (args) => {
    const result = KernelFunction.apply(...args) as unknown as Tensor | Tensor[];
    return Array.isArray(result) ? result : [result];
  };
}
