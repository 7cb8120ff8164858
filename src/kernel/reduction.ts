// fb.reduction: scalar functions that fold elements into a state become a reducing op. One node 'fold' in recordings, a generated kernel
// where there is a compiler, a JavaScript loop where there is none.
import * as ops from '../../generated/ts/functions.js';
import { Function as AutogradFunction, type FunctionCtx } from '../autograd/function.js';
import { lowerReduction } from '../frontend/script/reduction.js';
import { lowerScalarFunction } from '../frontend/script/scalar.js';
import { inputName, otherName, printFold, stateName, type Fold, type FoldBody } from '../ir/fold.js';
import { arg, type ScalarFn } from '../ir/scalar.js';
import { native } from '../native.js';
import { compile, type CompiledFunction } from '../runtime/compile.js';
import { evaluateExprs, foldNative } from '../runtime/fold.js';
import { typeFold } from '../schedule/fold_types.js';
import { STORAGE } from '../schedule/parts.js';
import { dtypeName } from '../tensor/dtype.js';
import { DTypeError, IndexError, ValueError } from '../tensor/errors.js';
import { isTensor, unwrap, wrap, type Tensor } from '../tensor/handle.js';
import { helperSource, type Functions, type ScalarResult } from './source.js';
import {
  derivedGradients,
  givenGradients,
  type GradientCall,
  type Gradients,
  type Reduce,
} from './reduction_gradient.js';

type State = ScalarResult | readonly ScalarResult[];
type Wide<T> = T extends boolean ? boolean : number;
/** The type of a start value without its value: of 0 number, of [0, false] a pair of a number and a boolean. */
type Widened<S> = S extends readonly unknown[] ? { readonly [K in keyof S]: Wide<S[K]> } : Wide<S>;

export interface ReductionOptions<S extends State, R extends State> {
  /** The state before the first element: a number or boolean, or several. */
  readonly init: S;
  /**
   * The state after one more element: `(state, x) => state`, several as `([a, b], x) => [a, b]`. One parameter for each tensor; a
   * last one called `index` is the position of the element along the reduced dimensions.
   */
  readonly combine: (state: Widened<S>, ...elements: number[]) => State;
  /**
   * The state of two stretches of elements: `(a, b) => state`; `init` must be its neutral element. Left out: derived where each state
   * takes elements by +, *, Math.max, Math.min, && or || alone; otherwise the elements of a row are combined one after the other.
   */
  readonly join?: (a: Widened<S>, b: Widened<S>) => State;
  /** The result (or several) from the state and the number of elements. Left out: the state. */
  readonly finish?: (state: Widened<S>, n: number) => R;
  /**
   * Derivatives by parameter of `combine`: scalar functions of the gradient of the result, the elements and the result, in that order
   * (several results: several gradients first, several results last). Last ones called `n` and `index` may follow. Left out: derived.
   */
  readonly backward?: Functions;
  /** In messages and in `explain()`. */
  readonly name?: string;
  /** Functions that the bodies call by name; they are inlined. */
  readonly helpers?: Functions;
}

export interface ReduceOptions {
  /** Dimensions to reduce; null (default) or none: all. */
  readonly dim?: number | readonly number[] | null;
  /** Keep them with extent 1. */
  readonly keepdim?: boolean;
}
type Result<R> = R extends readonly unknown[] ? Tensor[] : Tensor;
export interface Reduction<R> {
  (x: Tensor, dim?: number | readonly number[] | null, keepdim?: boolean): Result<R>;
  (x: Tensor, options: ReduceOptions): Result<R>;
  /** Several tensors, then `dim` and `keepdim` or options. */
  (x: Tensor, y: Tensor, ...rest: (Tensor | number | readonly number[] | null | boolean | ReduceOptions)[]): Result<R>;
  /** Resolves to true when the generated kernel serves the latest arguments; false when a call is needed first. */
  ready(): Promise<boolean>;
  explain(): ReturnType<CompiledFunction<unknown[], unknown>['explain']>;
}

/** Which dimensions, counted from the front; null: all. */
interface Where {
  readonly dim: readonly number[] | null;
  readonly keepdim: boolean;
}
/** The reduction with its final states as further results. */
const withStates = (f: Fold): Fold => ({
  ...f,
  finish: [...f.finish, ...f.init.map((_, k) => arg(stateName(k)))],
  results: [...f.results, ...f.types.map((t) => STORAGE[t])],
});

/**
 * A reduction from scalar functions. Arguments: one tensor for each element parameter of `combine` (they broadcast), then `dim` and
 * `keepdim` as of `sum`. Elements of float16 and bfloat16 are folded in float32, integers in int64. Results have the dtype of the same
 * arithmetic: that of the floating operands, int64 for integers, bool for comparisons. An empty input gives `finish(init, 0)`. The op is
 * differentiable: by the formulas of `backward`, by derivatives of sums and extrema (ties share), otherwise through the joins (or, with
 * neither, through every single step, up to 4096 elements). Inside `compile` and `jit.trace` it fuses with its neighbours.
 *
 * ```ts
 * const rms = fb.reduction({ init: 0, combine: (acc, x) => acc + x * x, finish: (acc, n) => Math.sqrt(acc / n) });
 * rms(t, 1);
 * ```
 * @throws ValueError where the parts do not fit together; ScalarSyntaxError (ERR_FLAMBEAU_SCRIPT) for code that is not scalar
 */
export function reduction<const S extends State, R extends State = S>(options: ReductionOptions<S, R>): Reduction<R> {
  const name = options.name ?? 'reduction';
  for (const part of ['combine', 'join', 'finish'] as const) {
    const f: unknown = options[part];
    if (typeof f !== 'function' && (part === 'combine' || f !== undefined))
      throw new DTypeError(`${name}: ${part} must be a function, got ${f === null ? 'null' : typeof f}`);
  }
  const helpers = helperSource(options.helpers);
  const { body, inputs } = lowerReduction({
    name,
    init: options.init,
    combine: String(options.combine),
    join: options.join && String(options.join),
    finish: options.finish && String(options.finish),
    helpers,
  });
  if (options.join) checkNeutral(name, body);
  const typed = new Map<string, Fold>();
  const foldOf = (list: readonly Tensor[]): Fold => {
    const dtypes = list.map((t) => t.dtype);
    const defaultDtype = dtypeName(native.defaultDtype());
    const key = `${dtypes.join()}|${defaultDtype}`;
    let f = typed.get(key);
    if (f === undefined) typed.set(key, (f = typeFold(body, dtypes, defaultDtype)));
    return f;
  };
  const compiled = (title: string, change: (f: Fold) => Fold): CompiledFunction<Parameters<Reduce>, Tensor[]> =>
    compile(
      Object.defineProperty(
        (list: readonly Tensor[], dim: readonly number[] | null, keepdim: boolean) => {
          const same = list.length === 1 ? list : ops.broadcastTensors(list);
          return foldNative(same.map(unwrap), printFold(change(foldOf(list))), dim, keepdim).map(wrap);
        },
        'name',
        { value: title },
      ),
    );
  const forward = compiled(name, (f) => f);
  const several = body.finish.length > 1;
  /** The final states as results of their own, to be differentiated again. */
  let stateCall: Reduce | undefined;
  const states = (): Reduce =>
    (stateCall ??= differentiable(
      name,
      compiled(`${name} (states)`, (f) => withStates({ ...f, finish: [], results: [] })),
      body.init.length,
      derivedGradients(name, { ...body, finish: body.init.map((_, k) => arg(stateName(k))) }, states).gradients,
    ));
  let gradCall: Reduce | undefined;
  const withGradient = (): Reduce => {
    if (gradCall !== undefined) return gradCall;
    const results = body.finish.length;
    if (given !== null) gradCall = differentiable(name, forward, results, given);
    else {
      const { needsStates, gradients } = derivedGradients(name, body, states);
      const run = needsStates ? compiled(name, withStates) : forward;
      gradCall = differentiable(name, run, results, gradients);
    }
    return gradCall;
  };
  const given =
    options.backward === undefined
      ? null
      : givenGradients(name, inputs, body.finish.length, readDerivatives(name, inputs, options.backward, helpers));
  const call = (...args: unknown[]): Tensor | Tensor[] => {
    const list = operands(name, inputs, args);
    const { dim, keepdim } = where(name, args.slice(inputs.length), rankOf(list));
    const grad = native.gradEnabled() && list.some((t) => t.requiresGrad);
    const results = grad ? withGradient()(list, dim, keepdim) : forward(list, dim, keepdim);
    return several ? results : results[0]!;
  };
  return Object.assign(call, {
    ready: () => forward.ready(),
    explain: () => forward.explain(),
  }) as unknown as Reduction<R>;
}

/** Stretches may be empty: their state, init, must leave other states as they are. */
function checkNeutral(name: string, body: FoldBody): void {
  const named = (list: readonly (number | boolean)[], of: (k: number) => string): [string, number | boolean][] =>
    list.map((v, k) => [of(k), v]);
  const elements = Array.from({ length: body.inputs }, (_, k): [string, number] => [inputName(k), 0.5]);
  const one = evaluateExprs(body.combine, new Map([...named(body.init, stateName), ...elements, ['index', 0]]));
  const joins = body.join.filter((e) => e !== null);
  const same = (a: number | boolean, b: number | boolean): boolean =>
    Object.is(Number(a), Number(b)) || Math.abs(Number(a) - Number(b)) <= 1e-6 * Math.abs(Number(b));
  for (const state of [body.init, one]) {
    for (const [a, b] of [[body.init, state] as const, [state, body.init] as const]) {
      const got = evaluateExprs(joins, new Map([...named(a, stateName), ...named(b, otherName)]));
      if (!got.every((v, k) => same(v, state[k]!)))
        throw new ValueError(
          `${name}: init must be the neutral element of join: join([${a.join(', ')}], [${b.join(', ')}]) gives [${got.join(', ')}], expected [${state.join(', ')}]`,
        );
    }
  }
}

function readDerivatives(
  name: string,
  inputs: readonly string[],
  given: Functions,
  helpers: ReturnType<typeof helperSource>,
): readonly (ScalarFn | null)[] {
  for (const p of Object.keys(given))
    if (!inputs.includes(p))
      throw new ValueError(`${name}: backward names '${p}', which is no tensor of combine (${inputs.join(', ')})`);
  return inputs.map((p) => (Object.hasOwn(given, p) ? lowerScalarFunction(String(given[p]), helpers) : null));
}

const rankOf = (list: readonly Tensor[]): number => Math.max(...list.map((t) => t.shape.length));
const described = (x: unknown): string => (x === null ? 'null' : Array.isArray(x) ? 'an array' : typeof x);

function operands(name: string, inputs: readonly string[], args: readonly unknown[]): Tensor[] {
  const list = args.slice(0, inputs.length);
  inputs.forEach((p, i) => {
    if (!isTensor(list[i]))
      throw new DTypeError(`${name}(): argument ${p} must be a Tensor, got ${described(list[i])}`);
  });
  return list as Tensor[];
}

/** `dim, keepdim` or an options object. */
function where(name: string, rest: readonly unknown[], rank: number): Where {
  const [first, second, ...more] = rest;
  if (more.length > 0 || isTensor(first))
    throw new ValueError(`${name}(): too many arguments: after the tensors come dim and keepdim`);
  const options =
    typeof first === 'object' && first !== null && !Array.isArray(first) ? (first as ReduceOptions) : undefined;
  const dim: unknown = options ? options.dim : first;
  const keepdim: unknown = (options ? options.keepdim : second) ?? false;
  if (typeof keepdim !== 'boolean')
    throw new DTypeError(`${name}(): keepdim must be a boolean, got ${described(keepdim)}`);
  const list: readonly unknown[] = dim === undefined || dim === null ? [] : Array.isArray(dim) ? dim : [dim];
  const wrapped = list.map((d) => {
    if (typeof d !== 'number' || !Number.isInteger(d))
      throw new DTypeError(`${name}(): dim must be an integer or a list of integers, got ${described(d)}`);
    const n = Math.max(rank, 1);
    if (d < -n || d >= n)
      throw new IndexError(`Dimension out of range (expected to be in range of [${-n}, ${n - 1}], but got ${d})`);
    return d < 0 ? d + n : d;
  });
  const twice = wrapped.find((d, i) => wrapped.indexOf(d) !== i);
  if (twice !== undefined) throw new ValueError(`dim ${twice} appears multiple times in the list of dims`);
  return { dim: rank === 0 || wrapped.length === 0 ? null : wrapped, keepdim };
}

/** The reduction as a node of the autograd graph. Results beyond `visible` are final states that only the derivative reads. */
function differentiable(name: string, forward: Reduce, visible: number, gradients: Gradients): Reduce {
  class ReductionFunction extends AutogradFunction {
    static override forward(
      ctx: FunctionCtx,
      dim: readonly number[] | null,
      keepdim: boolean,
      ...inputs: Tensor[]
    ): Tensor[] {
      const outs = forward(inputs, dim, keepdim);
      ctx['where'] = { dim, keepdim } satisfies Where;
      ctx['count'] = inputs.length;
      ctx.setMaterializeGrads(false);
      ctx.markNonDifferentiable(...outs.slice(visible));
      ctx.saveForBackward(...inputs, ...outs);
      return outs;
    }
    static override backward(ctx: FunctionCtx, ...grads: (Tensor | null)[]): (Tensor | null)[] {
      const saved = ctx.savedTensors as Tensor[];
      const count = ctx['count'] as number;
      const outs = saved.slice(count);
      const call: GradientCall = {
        grads: grads.slice(0, visible),
        inputs: saved.slice(0, count),
        outs: outs.slice(0, visible),
        states: outs.slice(visible),
        ...(ctx['where'] as Where),
        needed: ctx.needsInputGrad.slice(2),
      };
      return [null, null, ...gradients(call)];
    }
  }
  Object.defineProperty(ReductionFunction, 'name', { value: name });
  return (inputs, dim, keepdim) => {
    const results = ReductionFunction.apply(dim, keepdim, ...inputs) as unknown as Tensor[];
    return results.slice(0, visible);
  };
}
