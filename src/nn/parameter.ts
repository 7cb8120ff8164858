// Tensors that modules register: parameters (which optimizers update), buffers, and parameters whose size is not known yet.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { empty } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { DTypeError, ValueError } from '../tensor/errors.js';
import { isTensor } from '../tensor/handle.js';
import { Tensor } from '../tensor/tensor.js';

/** A tensor that is a module parameter when it is a field of a module. Shares memory with `data`. */
export class Parameter extends Tensor {
  constructor(data: Tensor = empty([0]), requiresGrad: boolean | { requiresGrad?: boolean } = true) {
    if (!isTensor(data)) throw new DTypeError(`Parameter(): data must be a Tensor, got ${typeof data}`);
    super(native.ops.detach(data._h));
    const wanted = typeof requiresGrad === 'boolean' ? requiresGrad : (requiresGrad.requiresGrad ?? true);
    if (wanted) native.setRequiresGrad(this._h, true);
  }
  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
  override [inspect.custom](): string {
    return native.isDisposed(this._h) ? 'Parameter(<disposed>)' : this.toString();
  }
}

/** State that is not learned, as a plain field: `mean = new nn.Buffer(fb.zeros(3))`. Same as registerBuffer. */
export class Buffer extends Tensor {
  /** Whether the buffer is part of the state dict. */
  readonly persistent: boolean;
  constructor(data: Tensor = empty([0]), persistent: boolean | { persistent?: boolean } = true) {
    if (!isTensor(data)) throw new DTypeError(`Buffer(): data must be a Tensor, got ${typeof data}`);
    super(native.ops.detach(data._h));
    this.persistent = typeof persistent === 'boolean' ? persistent : (persistent.persistent ?? true);
  }
}

const noShape = (what: string): never => {
  throw new ValueError(
    `Can't access the shape of an uninitialized ${what}. ` +
      'This error usually happens in `loadStateDict` when trying to load an uninitialized tensor into an initialized module. ' +
      'Call `forward` to initialize the parameters before accessing their attributes.',
  );
};

/** A parameter of a lazy module before the first call: it has a dtype but no shape. `materialize` makes it a Parameter. */
export class UninitializedParameter extends Parameter {
  constructor(options: { requiresGrad?: boolean; dtype?: DType | null } = {}) {
    super(empty([0], { dtype: options.dtype ?? null }), options.requiresGrad ?? true);
  }
  override get shape(): readonly number[] {
    return noShape('parameter');
  }
  /** Gives it memory of this shape (values undefined) and turns the object into a Parameter. */
  materialize(shape: readonly number[], dtype: DType | null = null): void {
    const data = empty(shape, { dtype: dtype ?? this.dtype });
    Object.setPrototypeOf(this, Parameter.prototype as object);
    this.data = data;
  }
  override toString(): string {
    return '<UninitializedParameter>';
  }
}

/** A buffer of a lazy module before the first call. `materialize` makes it a plain tensor. */
export class UninitializedBuffer extends Tensor {
  constructor(options: { dtype?: DType | null } = {}) {
    super(empty([0], { dtype: options.dtype ?? null })._h);
  }
  override get shape(): readonly number[] {
    return noShape('buffer');
  }
  materialize(shape: readonly number[], dtype: DType | null = null): void {
    const data = empty(shape, { dtype: dtype ?? this.dtype });
    Object.setPrototypeOf(this, Tensor.prototype as object);
    this.data = data;
  }
  override toString(): string {
    return '<UninitializedBuffer>';
  }
}

export const isUninitialized = (x: unknown): x is UninitializedParameter | UninitializedBuffer =>
  x instanceof UninitializedParameter || x instanceof UninitializedBuffer;
