// autograd.Function: operations whose derivative is written in TypeScript. Source: torch.autograd.Function.
import { native } from '../native.js';
import { dtypeCode, isFloatingDtype } from '../tensor/dtype.js';
import { AutogradError } from '../tensor/errors.js';
import { isTensor, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { noGrad } from './modes.js';

/** What forward leaves for backward. Any further fields may be set on it. */
export class FunctionCtx {
  #needed: readonly boolean[] = [];
  #saved: readonly (Tensor | null)[] = [];
  /** Internal: what the forward call marked. */
  readonly _marks = { dirty: new Set<Tensor>(), nonDifferentiable: new Set<Tensor>(), materialize: true };
  [field: string]: unknown;

  /** Per argument of apply: whether its gradient is wanted. */
  get needsInputGrad(): readonly boolean[] {
    return this.#needed;
  }
  /** Internal. */
  _setNeeded(needed: readonly boolean[]): void {
    this.#needed = needed;
  }
  /** Keeps inputs or outputs for backward, guarded against in-place changes. Other values: set them as fields. */
  saveForBackward(...tensors: (Tensor | null)[]): void {
    for (const t of tensors) {
      if (t !== null && !isTensor(t))
        throw new AutogradError(`saveForBackward can only save tensors, but got ${typeof t}`);
    }
    this.#saved = tensors;
  }
  get savedTensors(): readonly (Tensor | null)[] {
    return this.#saved;
  }
  /** Internal: the tensors as backward gets them. */
  _setSaved(tensors: readonly (Tensor | null)[]): void {
    this.#saved = tensors;
  }
  /** Inputs that forward changed in place; they must be among its results. */
  markDirty(...tensors: Tensor[]): void {
    for (const t of tensors) this._marks.dirty.add(t);
  }
  /** Results without a derivative (indices, masks). */
  markNonDifferentiable(...tensors: Tensor[]): void {
    for (const t of tensors) this._marks.nonDifferentiable.add(t);
  }
  /** false: backward gets null instead of zeros for results that nothing used. */
  setMaterializeGrads(value: boolean): void {
    this._marks.materialize = value;
  }
}

interface FunctionClass<A extends readonly unknown[], R> {
  readonly name: string;
  forward(ctx: FunctionCtx, ...args: A): R;
  backward(ctx: FunctionCtx, ...grads: never[]): unknown;
  vjp(ctx: FunctionCtx, ...grads: never[]): unknown;
}

/**
 * Base class of own differentiable functions: define static `forward(ctx, ...args)` and `backward(ctx, ...gradOutputs)`, which
 * returns one gradient (or null) per argument; call `MyFunction.apply(...args)`.
 */
export class Function {
  static forward(_ctx: FunctionCtx, ..._args: never[]): unknown {
    throw new AutogradError('You must implement the forward function for custom autograd.Function.');
  }
  static backward(_ctx: FunctionCtx, ..._gradOutputs: never[]): unknown {
    throw new AutogradError(
      'You must implement the backward function for your custom autograd.Function to use it with backward mode AD.',
    );
  }

  /** Another name of backward, as in PyTorch; a subclass defines either. */
  static vjp(ctx: FunctionCtx, ...gradOutputs: never[]): unknown {
    return this.backward(ctx, ...gradOutputs);
  }
  /** The forward-mode derivative, from the tangents of the arguments. */
  static jvp(_ctx: FunctionCtx, ..._gradInputs: never[]): unknown {
    throw new AutogradError(
      'You must implement the jvp function for custom autograd.Function to use it with forward mode AD.',
    );
  }

  /** Runs forward without recording its operations and makes the results differentiable through backward. */
  static apply<A extends readonly unknown[], R>(this: FunctionClass<A, R>, ...args: A): R {
    const ctx = new FunctionCtx();
    const wanted = args.map((a) => isTensor(a) && a.requiresGrad);
    const record = wanted.includes(true) && native.gradEnabled();
    ctx._setNeeded(wanted.map((w) => w && record));
    const result = noGrad(() => {
      const out = this.forward(ctx, ...args);
      return out;
    });
    if (!record) return result;

    const { dirty, nonDifferentiable, materialize } = ctx._marks;
    const list: unknown[] = Array.isArray(result) ? result : [result];
    // A result that is an argument, unchanged, must not take the argument's place in the graph.
    const outputs = list.map((o) =>
      isTensor(o) && args.includes(o) && !dirty.has(o) ? noGrad(() => wrap(native.ops.alias(o._h))) : o,
    );
    const differentiable = outputs.map((o) =>
      isTensor(o) && isFloatingDtype(o.dtype) && !nonDifferentiable.has(o) ? o : null,
    );
    const metas = differentiable.map((o) => (o === null ? null : { shape: o.shape, dtype: dtypeCode(o.dtype) }));
    const saved = ctx.savedTensors;
    const name = `${this.name}Backward`;
    const run = (grads: readonly (Handle | null)[], unpacked: readonly (Handle | null)[]): (Handle | null)[] => {
      ctx._setSaved(unpacked.map((h) => (h === null ? null : wrap(h))));
      const given = grads.map((g, i) => {
        const meta = metas[i];
        if (g !== null) return wrap(g);
        return meta != null && materialize ? wrap(native.ops.full(meta.shape, 0, meta.dtype)) : null;
      });
      const own = Object.hasOwn(this, 'vjp') && !Object.hasOwn(this, 'backward') ? this.vjp : this.backward;
      const found = (own as (c: FunctionCtx, ...gs: (Tensor | null)[]) => unknown).call(this, ctx, ...given);
      ctx._setSaved([]);
      const gradients = Array.isArray(found) ? (found as unknown[]) : [found];
      // As in PyTorch, trailing nulls beyond the arguments are allowed.
      if (gradients.length < args.length || gradients.slice(args.length).some((g) => g !== null && g !== undefined)) {
        throw new AutogradError(
          `function ${name} returned an incorrect number of gradients (expected ${args.length}, got ${gradients.length})`,
        );
      }
      return args.map((a, i) => {
        const g = gradients[i];
        if (g === null || g === undefined) return null;
        if (!isTensor(g))
          throw new AutogradError(`function ${name} returned ${typeof g} for argument ${i}, expected a Tensor or null`);
        if (!isTensor(a))
          throw new AutogradError(`function ${name} returned a gradient for argument ${i}, which is not a Tensor`);
        return g._h;
      });
    };
    native.customFunction(
      args.map((a) => (isTensor(a) ? a._h : null)),
      differentiable.map((o) => (o === null ? null : o._h)),
      run,
      name,
      saved.map((t) => (t === null ? null : t._h)),
    );
    // The native node keeps the saved tensors from here on (and notices changes); the context would keep the graph alive.
    ctx._setSaved([]);
    return (Array.isArray(result) ? outputs : outputs[0]) as R;
  }
}

/**
 * Wraps a `backward` that cannot be differentiated again: its gradients are constants, and asking for their derivative throws.
 * Source: torch.autograd.function.once_differentiable.
 */
export function onceDifferentiable<A extends readonly unknown[]>(
  backward: (ctx: FunctionCtx, ...gradOutputs: A) => unknown,
): (ctx: FunctionCtx, ...gradOutputs: A) => unknown {
  return (ctx, ...gradOutputs) => {
    const found = noGrad(() => backward(ctx, ...gradOutputs));
    const needed = gradOutputs.some((g) => isTensor(g) && g.requiresGrad) && native.gradEnabled();
    if (!needed) return found;
    const guard = (g: unknown): unknown =>
      isTensor(g) && isFloatingDtype(g.dtype) ? OnceDifferentiable.apply(g.detach().requiresGrad_()) : g;
    return Array.isArray(found) ? found.map(guard) : guard(found);
  };
}
class OnceDifferentiable extends Function {
  static override forward(_ctx: FunctionCtx, g: Tensor): Tensor {
    return g.clone();
  }
  static override backward(): never {
    throw new AutogradError('trying to differentiate twice a function that was marked with @once_differentiable');
  }
}
