// Derivatives as functions of functions: grad, vjp, jvp, jacrev, jacfwd, hessian, linearize. A function here takes tensors (and
// other values, which are passed on) and returns a tensor; with `hasAux` a pair [tensor, anything].
import { grad as gradients } from '../autograd/grad.js';
import { enableGrad } from '../autograd/modes.js';
import { AutogradError, ShapeError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { zeros, zerosLike } from '../tensor/create.js';
import { stack } from '../../generated/ts/functions.js';

/** Which arguments to differentiate: one (the result is a tensor), or several (an array). */
export type ArgNums = number | readonly number[];
interface TransformOptions {
  argnums?: ArgNums;
  /** The function returns [value, aux]; aux is passed on undifferentiated. */
  hasAux?: boolean;
}
type Fn = (...args: never[]) => unknown;
type Call = (...args: unknown[]) => unknown;
type ByArgs<N> = N extends readonly number[] ? Tensor[] : Tensor;

/**
 * The arguments with those to differentiate as fresh graph inputs. An argument that already belongs to a graph stays linked to it, so
 * that transforms nest.
 */
function lift(
  args: readonly unknown[],
  argnums: ArgNums,
  name: string,
): { args: unknown[]; xs: Tensor[]; nested: boolean } {
  const wanted = (typeof argnums === 'number' ? [argnums] : argnums).map((n) => (n < 0 ? n + args.length : n));
  const xs = new Map<number, Tensor>();
  let nested = false;
  for (const n of wanted) {
    const t = args[n];
    if (!isTensor(t) || !t.isFloatingPoint())
      throw new AutogradError(`${name}: argument ${n} must be a Tensor of a floating dtype to be differentiated`);
    nested ||= t.requiresGrad;
    xs.set(n, t.requiresGrad ? t.viewAs(t) : t.detach().requiresGrad_());
  }
  return { args: args.map((a, i) => xs.get(i) ?? a), xs: wanted.map((n) => xs.get(n)!), nested };
}
function split(result: unknown, hasAux: boolean, name: string): { value: Tensor; aux: unknown } {
  const [value, aux] = hasAux && Array.isArray(result) ? (result as [unknown, unknown]) : [result, undefined];
  if (!isTensor(value))
    throw new AutogradError(`${name}: the function must return a Tensor${hasAux ? ' and aux' : ''}`);
  return { value, aux };
}
/** Gradients with zeros where nothing flows; part of the graph only when something outside may differentiate them again. */
function pull(value: Tensor, xs: readonly Tensor[], v: Tensor | null, keep: boolean): Tensor[] {
  if (!value.requiresGrad) return xs.map((x) => zerosLike(x));
  const found = gradients(value, xs, { gradOutputs: v, retainGraph: true, createGraph: keep, allowUnused: true });
  return found.map((g, i) => g ?? zerosLike(xs[i]!));
}
const shaped = <N>(gs: Tensor[], argnums: ArgNums): ByArgs<N> =>
  (typeof argnums === 'number' ? gs[0]! : gs) as ByArgs<N>;
const leave = (t: Tensor, keep: boolean): Tensor => (keep ? t : t.detach());

function gradValue(fn: Fn, o: TransformOptions): Call {
  return (...given) =>
    enableGrad(() => {
      const { args, xs } = lift(given, o.argnums ?? 0, 'grad');
      const { value, aux } = split((fn as unknown as Call)(...args), o.hasAux ?? false, 'grad');
      if (value.numel() !== 1 || value.ndim !== 0)
        throw new ShapeError(
          `Expected f(*args) to return a scalar tensor, got tensor with ${value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?`,
        );
      return { gs: pull(value, xs, null, true), value, aux };
    });
}
interface Found {
  gs: Tensor[];
  value: Tensor;
  aux: unknown;
}

/** A function that returns the gradient of the scalar function `fn` (with `hasAux`: [gradient, aux]). Nests. */
export function grad<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  options: TransformOptions & { argnums: readonly number[] },
): (...args: A) => Tensor[];
export function grad<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  options?: TransformOptions & { argnums?: number },
): (...args: A) => Tensor;
export function grad(fn: Fn, options: TransformOptions = {}): Call {
  const run = gradValue(fn, options);
  return (...args) => {
    const { gs, aux } = run(...args) as Found;
    const g = shaped(gs, options.argnums ?? 0);
    return options.hasAux ? [g, aux] : g;
  };
}

/** Like grad, returning [gradient, value] (with `hasAux`: [gradient, [value, aux]]). */
export function gradAndValue<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  options: TransformOptions = {},
): (...args: A) => [Tensor | Tensor[], Tensor | [Tensor, unknown]] {
  const run = gradValue(fn as Fn, options);
  return (...args) => {
    const { gs, value, aux } = run(...args) as Found;
    return [shaped(gs, options.argnums ?? 0), options.hasAux ? [value, aux] : value];
  };
}

/** [fn(...primals), v => gradients of the primals for the output gradient v]. One primal: the gradient itself, else an array. */
export function vjp<A extends readonly Tensor[]>(
  fn: (...primals: A) => Tensor,
  ...primals: A
): [Tensor, (v?: Tensor) => Tensor | Tensor[]] {
  return enableGrad(() => {
    const all = primals.map((_, i) => i);
    const { args, xs } = lift(primals, all, 'vjp');
    const { value } = split((fn as unknown as Call)(...args), false, 'vjp');
    const back = (v?: Tensor): Tensor | Tensor[] => {
      if (v === undefined && value.numel() !== 1)
        throw new AutogradError('vjp: a vector is needed unless the function returns a single element');
      const gs = enableGrad(() => pull(value, xs, v ?? null, true));
      return gs.length === 1 ? gs[0]! : gs;
    };
    return [value, back];
  });
}

/** The linear map v → J v of a value already computed, by differentiating its gradient (linear in the vector) once more. */
function pushForward(value: Tensor, xs: readonly Tensor[]): (tangents: readonly Tensor[]) => Tensor {
  const dummy = zeros(value.shape, { dtype: value.dtype, requiresGrad: true });
  const linear = value.requiresGrad ? pull(value, xs, dummy, true) : [];
  return (tangents) => {
    const terms = linear.flatMap((g, i) => (g.requiresGrad ? [[g, tangents[i]!] as const] : []));
    if (terms.length === 0) return zerosLike(value);
    const [product] = gradients(
      terms.map(([g]) => g),
      [dummy],
      { gradOutputs: terms.map(([, t]) => t), retainGraph: true, createGraph: true, allowUnused: true },
    ) as unknown as [Tensor | null];
    return product ?? zerosLike(value);
  };
}
function checkTangents(xs: readonly Tensor[], tangents: readonly Tensor[], name: string): void {
  if (xs.length !== tangents.length)
    throw new ShapeError(`${name}: expected ${xs.length} tangents, one per primal, but got ${tangents.length}`);
  xs.forEach((x, i) => {
    if (!x.isSameSize(tangents[i]!))
      throw new ShapeError(
        `${name}: tangent ${i} has shape [${tangents[i]!.shape.join(', ')}], its primal [${x.shape.join(', ')}]`,
      );
  });
}

/** [fn(...primals), J tangents]. */
export function jvp<A extends readonly Tensor[]>(
  fn: (...primals: A) => Tensor,
  primals: A,
  tangents: readonly Tensor[],
): [Tensor, Tensor] {
  const [value, push] = linearize(fn, ...primals);
  return [value, push(...tangents)];
}

/** [fn(...primals), tangents => J tangents]: the function is run once, the map may be called many times. */
export function linearize<A extends readonly Tensor[]>(
  fn: (...primals: A) => Tensor,
  ...primals: A
): [Tensor, (...tangents: Tensor[]) => Tensor] {
  return enableGrad(() => {
    const { args, xs, nested } = lift(
      primals,
      primals.map((_, i) => i),
      'jvp',
    );
    const { value } = split((fn as unknown as Call)(...args), false, 'jvp');
    const push = pushForward(value, xs);
    return [
      leave(value, nested),
      (...tangents) => {
        checkTangents(xs, tangents, 'jvp');
        return leave(
          enableGrad(() => push(tangents)),
          nested || tangents.some((t) => t.requiresGrad),
        );
      },
    ];
  });
}

const unit = (shape: readonly number[], like: Tensor, at: number): Tensor => {
  const v = zeros([Math.max(like.numel(), 0)], { dtype: like.dtype });
  v.select(0, at).fill_(1);
  return v.reshape([...shape]);
};

/** A function that returns the Jacobian [...out.shape, ...in.shape], row by row with reverse mode. Nests (`jacfwd(jacrev(f))`). */
export function jacrev<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  { argnums = 0 }: { argnums?: ArgNums } = {},
): (...args: A) => Tensor | Tensor[] {
  return (...given) =>
    enableGrad(() => {
      const { args, xs } = lift(given, argnums, 'jacrev');
      const { value } = split((fn as unknown as Call)(...args), false, 'jacrev');
      const flat = value.reshape([-1]);
      const rows = Array.from({ length: flat.numel() }, (_, j) => pull(flat.select(0, j), xs, null, true));
      const parts = xs.map((x, i) =>
        rows.length === 0
          ? zeros([...value.shape, ...x.shape], { dtype: value.dtype })
          : stack(
              rows.map((r) => r[i]!),
              0,
            ).reshape([...value.shape, ...x.shape]),
      );
      return shaped(parts, argnums) as Tensor | Tensor[];
    });
}

/** A function that returns the Jacobian, column by column with forward mode: for fewer inputs than outputs. */
export function jacfwd<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  { argnums = 0 }: { argnums?: ArgNums } = {},
): (...args: A) => Tensor | Tensor[] {
  return (...given) =>
    enableGrad(() => {
      const { args, xs } = lift(given, argnums, 'jacfwd');
      const { value } = split((fn as unknown as Call)(...args), false, 'jacfwd');
      const push = pushForward(value, xs);
      const parts = xs.map((x, i) => {
        const columns = Array.from({ length: x.numel() }, (_, e) =>
          push(xs.map((y, k) => (k === i ? unit(y.shape, y, e) : zerosLike(y)))),
        );
        const shape = [...value.shape, ...x.shape];
        return columns.length === 0 ? zeros(shape, { dtype: value.dtype }) : stack(columns, value.ndim).reshape(shape);
      });
      return shaped(parts, argnums) as Tensor | Tensor[];
    });
}

/** A function that returns the Hessian [...in.shape, ...in.shape] of a scalar function: jacfwd of jacrev. */
export function hessian<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  { argnums = 0 }: { argnums?: number } = {},
): (...args: A) => Tensor {
  return jacfwd(jacrev(fn, { argnums }), { argnums }) as (...args: A) => Tensor;
}
