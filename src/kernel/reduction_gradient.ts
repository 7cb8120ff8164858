// Gradients of users' reductions: by formulas that the user gives, by symbolic derivatives where every state is a sum or an extremum,
// else by differentiating the joins of a tree, or the single steps.
import * as ops from '../../generated/ts/functions.js';
import { grad } from '../autograd/grad.js';
import { enableGrad } from '../autograd/modes.js';
import { accumulation, inputName, otherName, stateName, type Accumulation, type FoldBody } from '../ir/fold.js';
import { derive, simplify } from '../ir/derive.js';
import { arg, binary, constant, freeArgs, substitute, type Expr, type ScalarFn } from '../ir/scalar.js';
import { native } from '../native.js';
import { compile } from '../runtime/compile.js';
import { firstOperandOf } from '../tensor/args.js';
import { arange } from '../tensor/create.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../tensor/handle.js';
import { Evaluation, type Value } from './evaluate.js';

export interface GradientCall {
  /** Per result; null where nothing depends on it. */
  readonly grads: readonly (Tensor | null)[];
  readonly inputs: readonly Tensor[];
  readonly outs: readonly Tensor[];
  /** The final states, where the forward call kept them. */
  readonly states: readonly Tensor[];
  readonly dim: readonly number[] | null;
  readonly keepdim: boolean;
  readonly needed: readonly boolean[];
}
/** Per operand its gradient, or null. */
export type Gradients = (c: GradientCall) => (Tensor | null)[];
export type Reduce = (inputs: readonly Tensor[], dim: readonly number[] | null, keepdim: boolean) => Tensor[];

/** Single steps of an ordered reduction that may be differentiated one by one. */
const MOST_STEPS = 4096;

/** The operands in one shape, and what is reduced of it. */
class Space {
  readonly elements: readonly Tensor[];
  readonly shape: readonly number[];
  readonly reduced: readonly number[];
  readonly kept: readonly number[];
  readonly n: number;

  constructor(inputs: readonly Tensor[], dim: readonly number[] | null) {
    // Kernels fold 16-bit floats in float32; so do derivatives.
    const wide = inputs.map((t) => (/^b?float16$/.test(t.dtype) ? t.to('float32') : t));
    this.elements = wide.length === 1 ? wide : ops.broadcastTensors(wide);
    this.shape = this.elements[0]!.shape;
    this.reduced = dim ?? this.shape.map((_, d) => d);
    this.kept = this.shape.map((e, d) => (this.reduced.includes(d) ? 1 : e));
    this.n = this.reduced.reduce((p, d) => p * this.shape[d]!, 1);
  }
  /** A result or its gradient, with the reduced dimensions as 1. */
  keep(t: Tensor): Tensor {
    return t.reshape(this.kept);
  }
  /** Positions along the reduced dimensions. */
  index(): Tensor {
    return arange(this.n).reshape(this.shape.map((e, d) => (this.reduced.includes(d) ? e : 1)));
  }
  environment(exprs: readonly Expr[]): Map<string, Value> {
    const env = new Map<string, Value>(this.elements.map((t, k) => [inputName(k), t]));
    env.set('n', this.n);
    if (exprs.some((e) => freeArgs(e).has('index'))) env.set('index', this.index());
    return env;
  }
  /** The gradient of an operand from its value at every element. */
  collect(v: Value, like: Tensor): Tensor {
    const t = isTensor(v) ? (v as Tensor) : wrap(firstOperandOf('gradient', Number(v), this.elements[0]!));
    return t.expand(this.shape).sumToSize(like.shape).to(like.dtype);
  }
}

const gradName = (k: number): string => `g${k}`;
const sum = (terms: readonly Expr[]): Expr => simplify(terms.reduce((a, b) => binary('add', a, b), constant(0)));
const isZero = (e: Expr): boolean => e.kind === 'const' && e.value === 0;

/** Formulas of the user's. */
export function givenGradients(
  name: string,
  inputs: readonly string[],
  results: number,
  formulas: readonly (ScalarFn | null)[],
): Gradients {
  const names = [
    ...Array.from({ length: results }, (_, k) => gradName(k)),
    ...inputs.map((_, k) => inputName(k)),
    ...Array.from({ length: results }, (_, k) => `out${k}`),
  ];
  const exprs = formulas.map((f, i): Expr | null => {
    if (f === null) return null;
    const extra = f.params.slice(names.length);
    const fits = f.params.length >= names.length && extra.every((p) => p === 'n' || p === 'index');
    if (!fits || f.results.length !== 1)
      throw new ValueError(
        `${name}: the derivative towards '${inputs[i]!}' takes (${results > 1 ? '[gradients]' : 'grad'}, ${inputs.join(', ')}, ${results > 1 ? '[results]' : 'out'}) and perhaps n and index, and gives one number; got (${f.params.join(', ')})`,
      );
    const by = new Map(f.params.map((p, k) => [p, arg(names[k] ?? p)]));
    return substitute(f.results[0]!, by);
  });
  return compiledGradients(name, (c) => {
    const space = new Space(c.inputs, c.dim);
    const env = space.environment(exprs.filter((e) => e !== null));
    c.grads.forEach((g, k) => env.set(gradName(k), g === null ? 0 : space.keep(g)));
    c.outs.forEach((o, k) => env.set(`out${k}`, space.keep(o)));
    const run = new Evaluation(name, env);
    return exprs.map((e, i) => (e === null || !c.needed[i] ? null : space.collect(run.value(e), c.inputs[i]!)));
  });
}

export interface Derived {
  /** The forward call must keep its final states. */
  readonly needsStates: boolean;
  readonly gradients: Gradients;
}

/** Derivatives of the reduction's own expressions. `states` gives the final states, differentiably. */
export function derivedGradients(name: string, body: FoldBody, states: () => Reduce): Derived {
  const found = body.combine.map((_, k) => accumulation(body.combine, k));
  if (!found.every(isClosed)) return { needsStates: false, gradients: steps(name, body) };
  const exprs = symbolic(name, body, found);
  const reads = [...exprs.ofState.flat(), ...exprs.ofInput.flat()];
  const needsStates =
    found.some((a) => isExtremum(a)) || reads.some((e) => body.init.some((_, k) => freeArgs(e).has(stateName(k))));
  const compute = (c: GradientCall): (Tensor | null)[] => {
    const space = new Space(c.inputs, c.dim);
    const env = space.environment([...reads, ...found.map((a) => a.value)]);
    c.states.forEach((s, k) => env.set(stateName(k), space.keep(s)));
    c.grads.forEach((g, k) => env.set(gradName(k), g === null ? 0 : space.keep(g)));
    const run = new Evaluation(name, env);
    found.forEach((a, k) => {
      env.set(`gs${k}`, run.value(exprs.ofState[k]!));
      if (!isExtremum(a)) return;
      const value = run.value(a.value);
      if (!isTensor(value)) return;
      // Elements that are the extremum share its gradient.
      const hit = (value as Tensor).expand(space.shape).eq(env.get(stateName(k)) as Tensor);
      env.set(`w${k}`, hit.div(hit.sum([...space.reduced], true)));
    });
    return exprs.ofInput.map((e, i) =>
      !c.needed[i] ? null : isZero(e) ? null : space.collect(run.value(e), c.inputs[i]!),
    );
  };
  const compiled = compiledGradients(name, compute);
  const gradients: Gradients = (c) =>
    native.gradEnabled() && needsStates ? compute({ ...c, states: states()(c.inputs, c.dim, c.keepdim) }) : compiled(c);
  return { needsStates, gradients };
}

const EXACT: ReadonlySet<string> = new Set([
  'neg',
  'abs',
  'max',
  'min',
  'lt',
  'le',
  'gt',
  'ge',
  'eq',
  'ne',
  'and',
  'or',
  'not',
]);
const isExtremum = (a: Accumulation): boolean => a.op === 'max' || a.op === 'min';
/** A state whose derivative has a closed form: sums; extrema of values that come out the same when they are computed again. */
function isClosed(a: Accumulation | null): a is Accumulation {
  if (a === null || a.op === 'mul') return false;
  if (!isExtremum(a)) return true;
  const exact = (e: Expr): boolean =>
    e.kind === 'arg' ||
    e.kind === 'const' ||
    (e.kind === 'select'
      ? exact(e.cond) && exact(e.a) && exact(e.b)
      : EXACT.has(e.op) && exact(e.a) && (e.kind === 'unary' || exact(e.b)));
  return exact(a.value);
}

/** Gradients of the states, and of the operands from those. */
function symbolic(
  name: string,
  body: FoldBody,
  found: readonly Accumulation[],
): { readonly ofState: readonly Expr[]; readonly ofInput: readonly Expr[] } {
  const derivative = (e: Expr, by: string): Expr => {
    try {
      return derive(e, by);
    } catch (error) {
      throw new ValueError(`${name}: ${(error as Error).message}: give the derivative as backward`);
    }
  };
  const ofState = body.combine.map((_, k) =>
    sum(body.finish.map((e, j) => binary('mul', arg(gradName(j)), derivative(e, stateName(k))))),
  );
  const ofInput = Array.from({ length: body.inputs }, (_, i) =>
    sum(
      found.map((a, k) => {
        const d = isZero(ofState[k]!) || isDiscrete(a) ? constant(0) : derivative(a.value, inputName(i));
        const of = isExtremum(a) ? binary('mul', arg(`gs${k}`), arg(`w${k}`)) : arg(`gs${k}`);
        return isZero(d) ? d : binary('mul', of, d);
      }),
    ),
  );
  return { ofState, ofInput };
}
const isDiscrete = (a: Accumulation): boolean => a.op !== 'add' && !isExtremum(a);

/** The gradients as one generated kernel; as single ops where they are to be differentiated again. */
function compiledGradients(name: string, compute: Gradients): Gradients {
  const compiled = compile(
    Object.defineProperty((c: GradientCall) => compute(c), 'name', { value: `${name} backward` }),
  );
  return (c) => (native.gradEnabled() ? compute(c) : compiled(c));
}

/** Through the joins of a tree, or the single steps where there are none. */
function steps(name: string, body: FoldBody): Gradients {
  return (c) => {
    const again = native.gradEnabled();
    return enableGrad(() => {
      const leaves = again ? c.inputs : c.inputs.map((t) => t.detach().requiresGrad_(true));
      const outs = unrolled(name, body, new Space(leaves, c.dim));
      const used = outs.flatMap((t, k) => {
        const g = c.grads[k];
        return g != null && isTensor(t) && t.requiresGrad ? [[t, g.reshape(t.shape).to(t.dtype)] as const] : [];
      });
      const wanted = leaves.filter((_, i) => c.needed[i]);
      const found =
        used.length === 0
          ? wanted.map(() => null)
          : grad(
              used.map(([t]) => t),
              wanted,
              { gradOutputs: used.map(([, g]) => g), createGraph: again, allowUnused: true },
            );
      let at = 0;
      return c.needed.map((needed) => (needed ? found[at++]! : null));
    });
  };
}

/** The results, one for each row of kept elements, of differentiable ops alone. */
function unrolled(name: string, body: FoldBody, space: Space): Tensor[] {
  const kept = space.shape.flatMap((_, d) => (space.reduced.includes(d) ? [] : [d]));
  // Rows of the elements that are folded.
  const rows = space.elements.map((t) => t.permute([...kept, ...space.reduced]).reshape([-1, space.n]));
  const count = rows[0]!.shape[0]!;
  const tensorOf = (v: Value, width: number[]): Tensor =>
    (isTensor(v) ? (v as Tensor) : wrap(firstOperandOf(name, Number(v), rows[0]!))).expand([count, ...width]);
  const evaluate = (exprs: readonly Expr[], env: ReadonlyMap<string, Value>, width: number[]): Tensor[] => {
    const run = new Evaluation(name, env);
    return exprs.map((e) => tensorOf(run.value(e), width));
  };
  const named = (states: readonly Value[], of: (k: number) => string): [string, Value][] =>
    states.map((s, k) => [of(k), s]);
  const joins = body.join.every((e) => e !== null) ? body.join : null;
  let states: readonly Value[] = body.init;
  if (space.n === 0) states = body.init;
  else if (joins === null) {
    if (space.n > MOST_STEPS)
      throw new ValueError(
        `${name}: its derivative goes through every one of the ${space.n} elements (at most ${MOST_STEPS}): give join, or backward`,
      );
    for (let index = 0; index < space.n; index++) {
      const elements = rows.map((t, k): [string, Value] => [inputName(k), t.select(1, index)]);
      states = evaluate(body.combine, new Map([...named(states, stateName), ...elements, ['index', index]]), []);
    }
  } else {
    const env = new Map<string, Value>([
      ...named(states, stateName),
      ...rows.map((t, k): [string, Value] => [inputName(k), t]),
      ['index', arange(space.n)],
    ]);
    let list = evaluate(body.combine, env, [space.n]);
    for (let width = space.n; width > 1; width = (width + 1) >> 1) {
      const half = width >> 1;
      const part = (first: number, length: number): Tensor[] => list.map((t) => t.narrow(1, first, length));
      const pairs = new Map([...named(part(0, half), stateName), ...named(part(half, half), otherName)]);
      const joined = evaluate(joins, pairs, [half]);
      const left = part(2 * half, width - 2 * half);
      list = width % 2 === 0 ? joined : joined.map((t, k) => ops.cat([t, left[k]!.to(t.dtype)], 1));
    }
    states = list.map((t) => t.select(1, 0));
  }
  return evaluate(body.finish, new Map([...named(states, stateName), ['n', space.n]]), []);
}
