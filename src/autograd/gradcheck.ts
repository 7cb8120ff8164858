// Compares analytical gradients with central differences. Source: torch.autograd.gradcheck.
import { AutogradError, DTypeError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { rand, tensor, zerosLike, type NestedArray } from '../tensor/create.js';
import { Generator } from '../random.js';
import { grad } from './grad.js';
import { enableGrad, noGrad } from './modes.js';

export interface GradcheckOptions {
  /** Step of the differences. Default 1e-6. */
  eps?: number;
  /** Default 1e-5. */
  atol?: number;
  /** Default 1e-3. */
  rtol?: number;
  /** false: return false instead of throwing. */
  raiseException?: boolean;
  /** Compare along random directions instead of every entry of the Jacobian: a few calls however large the tensors are. */
  fastMode?: boolean;
}
type Results = Tensor | readonly (Tensor | null)[];
type Fn = (...inputs: Tensor[]) => Results;

const valuesOf = (t: Tensor): Float64Array =>
  Float64Array.from(t.detach().double().contiguous().toTypedArray() as Float64Array);
const fromValues = (values: Float64Array, like: Tensor): Tensor =>
  tensor([...values] as NestedArray, { dtype: 'float64' }).reshape([...like.shape]);

/** One check: the function at its inputs, and what is compared with what. */
class Check {
  readonly #wanted: number[];

  constructor(
    private readonly fn: Fn,
    private readonly inputs: readonly Tensor[],
    private readonly options: Required<Pick<GradcheckOptions, 'eps' | 'atol' | 'rtol'>>,
  ) {
    this.#wanted = inputs.flatMap((t, i) => (t.requiresGrad ? [i] : []));
    if (this.#wanted.length === 0)
      throw new AutogradError(
        'gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.',
      );
    for (const i of this.#wanted)
      if (inputs[i]!.dtype !== 'float64')
        throw new DTypeError(`gradcheck: inputs that require grad must be float64, got ${inputs[i]!.dtype}`);
  }

  private results(xs: readonly Tensor[]): Tensor[] {
    const out = this.fn(...xs);
    return (isTensor(out) ? [out] : [...out]).filter((o): o is Tensor => o !== null && o.isFloatingPoint());
  }
  /** Output `o` with input `i` moved by `delta`. */
  private moved(o: number, i: number, delta: (value: number, at: number) => number): Float64Array {
    const input = this.inputs[i]!;
    const replaced = fromValues(valuesOf(input).map(delta), input);
    const xs = this.inputs.map((t, k) => (k === i ? replaced : t.detach()));
    // Functions that differentiate inside (gradgradcheck) need leaves and a graph; others do not mind them.
    const leaves = xs.map((t, k) => (this.inputs[k]!.requiresGrad ? t.detach().requiresGrad_() : t));
    return valuesOf(enableGrad(() => this.results(leaves))[o]!);
  }
  private gradient(out: Tensor, weights: Tensor | null, i: number): Float64Array {
    const input = this.inputs[i]!;
    if (!out.requiresGrad) return valuesOf(zerosLike(input));
    const [g] = grad(out, [input], { gradOutputs: weights, retainGraph: true, allowUnused: true });
    return valuesOf(g ?? zerosLike(input));
  }
  private compare(numeric: number, exact: number, where: string): string | null {
    const { atol, rtol } = this.options;
    if (Math.abs(numeric - exact) <= atol + rtol * Math.abs(numeric)) return null;
    return `Jacobian mismatch for ${where} is numerically ${numeric}, analytically ${exact}`;
  }

  /** Every entry of every Jacobian. @returns the first mismatch, or null */
  full(): string | null {
    const { eps } = this.options;
    for (const [o, out] of this.results(this.inputs).entries()) {
      const n = out.numel();
      const flat = out.reshape([-1]);
      for (const i of this.#wanted) {
        const rows = Array.from({ length: n }, (_, j) => this.gradient(flat.select(0, j), null, i));
        for (let e = 0; e < this.inputs[i]!.numel(); e++) {
          const plus = this.moved(o, i, (v, at) => (at === e ? v + eps : v));
          const minus = this.moved(o, i, (v, at) => (at === e ? v - eps : v));
          for (let j = 0; j < n; j++) {
            const where = `output ${o} with respect to input ${i}: element [${j}, ${e}]`;
            const mismatch = this.compare((plus[j]! - minus[j]!) / (2 * eps), rows[j]![e]!, where);
            if (mismatch !== null) return mismatch;
          }
        }
      }
    }
    return null;
  }

  /** Each Jacobian along one random direction of its input, weighted by one of its output. */
  fast(): string | null {
    const { eps } = this.options;
    // Its own generator: checking must not move the program's random numbers.
    const generator = new Generator().manualSeed(2209);
    const random = (like: Tensor): Tensor => rand(like.shape, { dtype: 'float64', generator }).add(0.5);
    for (const [o, out] of this.results(this.inputs).entries()) {
      const weights = random(out);
      const w = valuesOf(weights);
      for (const i of this.#wanted) {
        const u = valuesOf(random(this.inputs[i]!));
        const g = this.gradient(out, weights.to(out.dtype), i);
        const plus = this.moved(o, i, (v, at) => v + eps * u[at]!);
        const minus = this.moved(o, i, (v, at) => v - eps * u[at]!);
        const numeric = w.reduce((sum, x, j) => sum + (x * (plus[j]! - minus[j]!)) / (2 * eps), 0);
        const exact = u.reduce((sum, x, e) => sum + x * g[e]!, 0);
        const mismatch = this.compare(
          numeric,
          exact,
          `output ${o} with respect to input ${i}: the directional derivative`,
        );
        if (mismatch !== null) return mismatch;
      }
    }
    return null;
  }
}

/**
 * True when every input that requires grad has the gradient that central differences give. Inputs must be float64 and the
 * function the same at every call.
 * @throws AutogradError with the first mismatch, unless `raiseException` is false
 */
export function gradcheck(fn: Fn, inputs: Tensor | readonly Tensor[], options: GradcheckOptions = {}): boolean {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, raiseException = true, fastMode = false } = options;
  const check = new Check(fn, isTensor(inputs) ? [inputs] : inputs, { eps, atol, rtol });
  const mismatch = enableGrad(() => (fastMode ? check.fast() : check.full()));
  if (mismatch !== null && raiseException) throw new AutogradError(mismatch);
  return mismatch === null;
}

/**
 * gradcheck of the gradient: second derivatives against differences of first ones. `gradOutputs` default to random numbers.
 * Source: torch.autograd.gradgradcheck.
 */
export function gradgradcheck(
  fn: Fn,
  inputs: Tensor | readonly Tensor[],
  gradOutputs: Tensor | readonly Tensor[] | null = null,
  options: GradcheckOptions = {},
): boolean {
  const list: readonly Tensor[] = isTensor(inputs) ? [inputs] : inputs;
  const differentiable = (xs: readonly Tensor[]): Tensor[] => {
    const out = fn(...xs);
    return (isTensor(out) ? [out] : [...out]).filter((o): o is Tensor => o !== null && o.requiresGrad);
  };
  const generator = new Generator().manualSeed(1709);
  const given: readonly Tensor[] =
    gradOutputs === null
      ? enableGrad(() => differentiable(list)).map((o) =>
          noGrad(() => rand(o.shape, { dtype: o.dtype, generator }).sub(0.5)).requiresGrad_(),
        )
      : isTensor(gradOutputs)
        ? [gradOutputs]
        : gradOutputs;
  const gradient = (...all: Tensor[]): (Tensor | null)[] => {
    const xs = all.slice(0, list.length);
    const outs = differentiable(xs);
    const wanted = xs.filter((x) => x.requiresGrad);
    const found = grad(outs, wanted, {
      gradOutputs: all.slice(list.length),
      createGraph: true,
      retainGraph: true,
      allowUnused: true,
    });
    return found.map((g, i) => g ?? zerosLike(wanted[i]!));
  };
  return gradcheck(gradient, [...list, ...given], options);
}
