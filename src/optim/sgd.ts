// Stochastic gradient descent, with momentum. Source: torch.optim.SGD.
import { native } from '../native.js';
import { ValueError } from '../tensor/errors.js';
import { wrap, type Tensor } from '../tensor/handle.js';
import {
  checkOption,
  implementation,
  liveOptions,
  Optimizer,
  withLr,
  type Active,
  type ImplementationOptions,
  type ParamGroup,
  type Params,
} from './optimizer.js';

export interface SGDOptions extends ImplementationOptions {
  /** Learning rate: required, here or in every group. */
  lr?: number;
  momentum?: number;
  dampening?: number;
  weightDecay?: number;
  nesterov?: boolean;
  /** Climb instead of descend. */
  maximize?: boolean;
}
type Full = Required<SGDOptions>;

/** p -= lr * b with b = momentum * b + (1 - dampening) * (grad + weightDecay * p). */
export class SGD extends Optimizer<Full> {
  constructor(params: Params<Full>, options: SGDOptions | number = {}) {
    const given = withLr(options);
    const { lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false, maximize = false } = given;
    if (lr !== undefined) checkOption('learning rate', lr);
    checkOption('momentum value', momentum);
    checkOption('weight_decay value', weightDecay);
    if (nesterov && (momentum <= 0 || dampening !== 0))
      throw new ValueError('Nesterov momentum requires a momentum and zero dampening');
    // A group without a rate is refused when it is added.
    super(params, { lr: lr!, momentum, dampening, weightDecay, nesterov, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Full>, active: Active): void {
    const o = liveOptions(group, ['lr', 'momentum', 'dampening', 'weightDecay']);
    if (group.momentum === 0) {
      native.ops.sgdStep_(active.params, active.grads, [], o.lr, 0, 0, o.weightDecay, false, group.maximize);
      return;
    }
    let { params, grads, tensors } = active;
    if (group.dampening !== 0) {
      // The first buffer is the gradient itself, undamped: not what zeros would lead to.
      const first = tensors.filter((p) => this.stateOf(p)['momentum_buffer'] === undefined);
      for (const p of first) this.#firstDampened(group, p, wrap(grads[tensors.indexOf(p)]!));
      const rest = tensors.map((p, i) => [p, i] as const).filter(([p]) => !first.includes(p));
      if (rest.length === 0) return;
      params = rest.map(([, i]) => params[i]!);
      grads = rest.map(([, i]) => grads[i]!);
      tensors = rest.map(([p]) => p);
    }
    native.ops.sgdStep_(
      params,
      grads,
      this.slots(tensors, 'momentum_buffer'),
      o.lr,
      o.momentum,
      o.dampening,
      o.weightDecay,
      group.nesterov,
      group.maximize,
    );
  }
  #firstDampened(group: ParamGroup<Full>, p: Tensor, grad: Tensor): void {
    let g = group.maximize ? grad.neg() : grad;
    if (group.weightDecay !== 0) g = g.add(p, { alpha: group.weightDecay });
    this.stateOf(p)['momentum_buffer'] = g.clone();
    p.sub_(g, { alpha: group.lr });
  }
}
