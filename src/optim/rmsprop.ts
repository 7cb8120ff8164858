// RMSprop. Source: torch.optim.RMSprop.
import { native } from '../native.js';
import { live } from '../runtime/live.js';
import { wrap } from '../tensor/handle.js';
import { checkOption, liveOptions, Optimizer, type Active, type ParamGroup, type Params } from './optimizer.js';

export interface RMSpropOptions {
  lr?: number;
  /** Decay of the running mean of squared gradients. */
  alpha?: number;
  eps?: number;
  weightDecay?: number;
  momentum?: number;
  /** Subtract the squared running mean of the gradients. */
  centered?: boolean;
  maximize?: boolean;
}
type Full = Required<RMSpropOptions>;

/** p -= lr * grad / (sqrt(v) + eps) with v = alpha * v + (1 - alpha) * grad^2. */
export class RMSprop extends Optimizer<Full> {
  constructor(params: Params<Full>, options: RMSpropOptions = {}) {
    const {
      lr = 1e-2,
      alpha = 0.99,
      eps = 1e-8,
      weightDecay = 0,
      momentum = 0,
      centered = false,
      maximize = false,
    } = options;
    checkOption('learning rate', lr);
    checkOption('epsilon value', eps);
    checkOption('momentum value', momentum);
    checkOption('weight_decay value', weightDecay);
    checkOption('alpha value', alpha);
    super(params, { lr, alpha, eps, weightDecay, momentum, centered, maximize });
  }
  protected override update(group: ParamGroup<Full>, active: Active): void {
    const { tensors } = active;
    const squareAvg = this.slots(tensors, 'square_avg');
    if (group.momentum === 0 && !group.centered) {
      const o = liveOptions(group, ['lr', 'alpha', 'eps', 'weightDecay']);
      native.ops.rmspropStep_(
        active.params,
        active.grads,
        squareAvg,
        o.lr,
        o.alpha,
        o.eps,
        o.weightDecay,
        group.maximize,
      );
    } else {
      this.#plain(group, active, squareAvg);
    }
    // PyTorch counts steps for checkpoints only.
    for (const s of new Set(this.stepCounts(group, tensors))) native.ops.add_(s, 1, 1);
  }
  /** With momentum or centering: from plain ops, one parameter at a time. */
  #plain(group: ParamGroup<Full>, active: Active, squareAvg: object[]): void {
    const gradAvg = group.centered ? this.slots(active.tensors, 'grad_avg') : null;
    const buffers = group.momentum > 0 ? this.slots(active.tensors, 'momentum_buffer') : null;
    const lr = live(() => -group.lr);
    active.tensors.forEach((p, i) => {
      let g = wrap(active.grads[i]!);
      if (group.maximize) g = g.neg();
      if (group.weightDecay !== 0) g = g.add(p, { alpha: group.weightDecay });
      const v = wrap(squareAvg[i]!)
        .mul_(group.alpha)
        .addcmul_(g, g, { value: 1 - group.alpha });
      let avg = v.sqrt();
      if (gradAvg !== null) {
        const m = wrap(gradAvg[i]!)
          .mul_(group.alpha)
          .add_(g, { alpha: 1 - group.alpha });
        avg = v.sub(m.mul(m)).sqrt();
      }
      let direction = g.div(avg.add(group.eps));
      if (buffers !== null) direction = wrap(buffers[i]!).mul_(group.momentum).add_(direction);
      native.ops.add_(p._h, native.ops.mul(direction._h, lr), 1);
    });
  }
}
