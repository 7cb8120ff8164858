// Parameters: tensors that modules register and optimizers update.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { Tensor } from '../tensor/tensor.js';

/** A tensor that is a module parameter when it is a field of a module. Shares memory with `data`. */
export class Parameter extends Tensor {
  constructor(data: Tensor, requiresGrad = true) {
    super(native.ops.detach(data._h));
    if (requiresGrad) native.setRequiresGrad(this._h, true);
  }
  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
  override [inspect.custom](): string {
    return native.isDisposed(this._h) ? 'Parameter(<disposed>)' : this.toString();
  }
}
