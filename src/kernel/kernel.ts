// fb.kernel: a scalar function of the user's becomes an op. Its source is lowered to scalar IR, that to the declared pointwise ops,
// so it broadcasts, promotes, differentiates, records and exports as they do; the compiler makes one kernel of it.
import { Function as AutogradFunction, type FunctionCtx } from '../autograd/function.js';
import { lowerScalarFunction, type HelperSource } from '../frontend/script/scalar.js';
import { derive, simplify } from '../ir/derive.js';
import { arg, binary, type ScalarFn } from '../ir/scalar.js';
import { native } from '../native.js';
import { compile, type CompiledFunction } from '../runtime/compile.js';
import { DTypeError, ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { evaluate } from './evaluate.js';
import { helperSource, type Functions, type ScalarResult } from './source.js';

export type { Scalar } from './source.js';

type KernelArgs<P extends readonly unknown[]> = { [K in keyof P]: Tensor | number };

export interface KernelOptions {
  /** In messages and in `explain()`. Default: the function's name. */
  readonly name?: string;
  /** Functions that the body calls by name; they are inlined. */
  readonly helpers?: Functions;
  /**
   * Derivatives by parameter: scalar functions of the gradient of the result, the kernel's parameters and the result, in that
   * order; of several results as `([g, h], x, [y, z]) => ...`. Left out: derived.
   */
  readonly backward?: Functions;
}
export interface Kernel<P extends readonly unknown[], R> {
  (...args: KernelArgs<P>): R extends readonly unknown[] ? Tensor[] : Tensor;
  /** Resolves to true when the generated kernel serves the latest arguments; false when a call is needed first. */
  ready(): Promise<boolean>;
  explain(): ReturnType<CompiledFunction<unknown[], unknown>['explain']>;
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
  const helpers = helperSource(options.helpers);
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
  for (const p of Object.keys(given))
    if (!fn.params.includes(p))
      throw new ValueError(`${name}: backward names '${p}', which is no parameter (${fn.params.join(', ')})`);
  return fn.params.map((p) => {
    if (!Object.hasOwn(given, p)) return null;
    const formula = lowerScalarFunction(String(given[p]), helpers);
    if (formula.params.length !== params.length || formula.results.length !== 1)
      throw new ValueError(
        `${name}: the derivative towards '${p}' takes (${fn.results.length > 1 ? '[gradients]' : 'grad'}, ${fn.params.join(', ')}, ${fn.results.length > 1 ? '[results]' : 'out'}) and gives one number; got (${formula.params.join(', ')})`,
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
