// Jacobians, Hessians and products with them, by repeated gradients. Source: torch.autograd.functional.
import { AutogradError, ShapeError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { ones, zeros, zerosLike } from '../tensor/create.js';
import { stack } from '../../generated/ts/functions.js';
import { grad } from './grad.js';
import { enableGrad } from './modes.js';

export interface FunctionalOptions {
  /** Make the result differentiable. */
  createGraph?: boolean;
  /** Throw where an output does not depend on an input, instead of zeros. */
  strict?: boolean;
}
type Fn<I> = I extends readonly Tensor[] ? (...inputs: Tensor[]) => Tensor : (input: Tensor) => Tensor;
type Inputs = Tensor | readonly Tensor[];

/** Leaves (or graph tensors under createGraph) that stand for the inputs. */
function prepare(inputs: Inputs, createGraph: boolean): Tensor[] {
  return (isTensor(inputs) ? [inputs] : inputs).map((t) =>
    createGraph && t.requiresGrad ? t.viewAs(t) : t.detach().requiresGrad_(),
  );
}
const call = (fn: (...xs: Tensor[]) => Tensor, xs: Tensor[]): Tensor => {
  const out = fn(...xs);
  if (!isTensor(out)) throw new AutogradError('the function must return one tensor');
  return out;
};
function gradients(
  out: Tensor,
  xs: Tensor[],
  v: Tensor | null,
  retainGraph: boolean,
  createGraph: boolean,
  strict: boolean,
): Tensor[] {
  if (!out.requiresGrad) {
    if (strict)
      throw new AutogradError(
        'The output of the function is independent of the inputs. This is not allowed in strict mode.',
      );
    return xs.map((x) => zerosLike(x));
  }
  return grad(out, xs, { gradOutputs: v, retainGraph, createGraph, allowUnused: true }).map((g, i) => {
    if (g === null && strict)
      throw new AutogradError(
        `The output of the function is independent of input ${i}. This is not allowed in strict mode.`,
      );
    return g ?? zerosLike(xs[i]!);
  });
}
const finish = (ts: Tensor[], createGraph: boolean): Tensor[] => (createGraph ? ts : ts.map((t) => t.detach()));

function jacobianRows(
  fn: (...xs: Tensor[]) => Tensor,
  inputs: Inputs,
  o: FunctionalOptions,
): { xs: Tensor[]; parts: Tensor[] } {
  const { createGraph = false, strict = false } = o;
  return enableGrad(() => {
    const xs = prepare(inputs, createGraph);
    const out = call(fn, xs);
    const flat = out.reshape([-1]);
    const n = flat.numel();
    const rows: Tensor[][] = xs.map(() => []);
    for (let j = 0; j < n; j++) {
      gradients(flat.select(0, j), xs, null, true, createGraph, strict).forEach((g, i) => rows[i]!.push(g));
    }
    const parts = rows.map((r, i) => {
      const shape = [...out.shape, ...xs[i]!.shape];
      return n === 0 ? zeros(shape, { dtype: out.dtype }) : stack(r, 0).reshape(shape);
    });
    return { xs, parts: finish(parts, createGraph) };
  });
}

/** d out / d input: shape [...out.shape, ...input.shape]; an array of them for an array of inputs. */
export function jacobian<I extends Inputs>(
  fn: Fn<I>,
  inputs: I,
  o: FunctionalOptions = {},
): I extends Tensor ? Tensor : Tensor[] {
  const { parts } = jacobianRows(fn as (...xs: Tensor[]) => Tensor, inputs, o);
  return (isTensor(inputs) ? parts[0]! : parts) as I extends Tensor ? Tensor : Tensor[];
}

/** Second derivatives of a scalar function: shape [...input.shape, ...input.shape], or a matrix of them for several inputs. */
export function hessian<I extends Inputs>(
  fn: Fn<I>,
  inputs: I,
  o: FunctionalOptions = {},
): I extends Tensor ? Tensor : Tensor[][] {
  const f = fn as (...xs: Tensor[]) => Tensor;
  const list: readonly Tensor[] = isTensor(inputs) ? [inputs] : (inputs as readonly Tensor[]);
  const rows = list.map((_, i) => {
    const gradient = (...xs: Tensor[]): Tensor => {
      const out = call(f, xs);
      if (out.numel() !== 1)
        throw new ShapeError('The Tensor returned by the function given to hessian should contain a single element');
      const [g] = out.requiresGrad ? grad(out.reshape([]), [xs[i]!], { createGraph: true, allowUnused: true }) : [null];
      return g ?? zerosLike(xs[i]!);
    };
    return jacobianRows(gradient, list, o).parts;
  });
  return (isTensor(inputs) ? rows[0]![0]! : rows) as I extends Tensor ? Tensor : Tensor[][];
}

/** [fn(inputs), v^T J]. `v` has the shape of the output; it may be left out for a single element. */
export function vjp<I extends Inputs>(
  fn: Fn<I>,
  inputs: I,
  v: Tensor | null = null,
  o: FunctionalOptions = {},
): [Tensor, I extends Tensor ? Tensor : Tensor[]] {
  const { createGraph = false, strict = false } = o;
  return enableGrad(() => {
    const xs = prepare(inputs, createGraph);
    const out = call(fn as (...ts: Tensor[]) => Tensor, xs);
    if (v === null && out.numel() !== 1)
      throw new AutogradError(
        'The vector v can only be None if the user-provided function returns a single Tensor with a single element.',
      );
    const gs = finish(gradients(out, xs, v, createGraph, createGraph, strict), createGraph);
    return [createGraph ? out : out.detach(), (isTensor(inputs) ? gs[0]! : gs) as I extends Tensor ? Tensor : Tensor[]];
  });
}

/** [fn(inputs), J v], by the double-backward trick. `v` has the shapes of the inputs. */
export function jvp<I extends Inputs>(fn: Fn<I>, inputs: I, v?: I, o: FunctionalOptions = {}): [Tensor, Tensor] {
  const { createGraph = false, strict = false } = o;
  return enableGrad(() => {
    const xs = prepare(inputs, createGraph);
    const vs =
      v === undefined
        ? xs.map((x) => ones(x.shape, { dtype: x.dtype }))
        : isTensor(v)
          ? [v as Tensor]
          : [...(v as readonly Tensor[])];
    const out = call(fn as (...ts: Tensor[]) => Tensor, xs);
    const dummy = zeros(out.shape, { dtype: out.dtype, requiresGrad: true });
    const gs = gradients(out, xs, dummy, true, true, strict);
    const differentiable = gs.map((g, i) => [g, vs[i]!] as const).filter(([g]) => g.requiresGrad);
    const product =
      differentiable.length === 0
        ? zerosLike(out)
        : grad(
            differentiable.map(([g]) => g),
            dummy,
            { gradOutputs: differentiable.map(([, w]) => w), createGraph, retainGraph: createGraph },
          )[0]!;
    return [createGraph ? out : out.detach(), createGraph ? product : product.detach()];
  });
}

/** [fn(inputs), v^T H] for a scalar function. */
export function vhp<I extends Inputs>(
  fn: Fn<I>,
  inputs: I,
  v: I,
  o: FunctionalOptions = {},
): [Tensor, I extends Tensor ? Tensor : Tensor[]] {
  const { createGraph = false, strict = false } = o;
  return enableGrad(() => {
    const xs = prepare(inputs, createGraph);
    const vs = isTensor(v) ? [v as Tensor] : [...(v as readonly Tensor[])];
    const out = call(fn as (...ts: Tensor[]) => Tensor, xs);
    const first = gradients(out, xs, null, true, true, strict);
    const linked = first.map((g, i) => [g, vs[i]!] as const).filter(([g]) => g.requiresGrad);
    const found =
      linked.length === 0
        ? xs.map(() => null)
        : grad(
            linked.map(([g]) => g),
            xs,
            { gradOutputs: linked.map(([, w]) => w), createGraph, retainGraph: createGraph, allowUnused: true },
          );
    const parts = finish(
      found.map((g, i) => g ?? zerosLike(xs[i]!)),
      createGraph,
    );
    return [
      createGraph ? out : out.detach(),
      (isTensor(inputs) ? parts[0]! : parts) as I extends Tensor ? Tensor : Tensor[],
    ];
  });
}

/** [fn(inputs), H v] for a scalar function; the Hessian is symmetric, so this is vhp. */
export const hvp: typeof vhp = vhp;
