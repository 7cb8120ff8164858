// RMSprop. Source: torch.optim.RMSprop.
import { native } from '../native.js';
import {
  advance,
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

const { ops } = native;

export interface RMSpropOptions extends ImplementationOptions {
  lr?: number;
  /** Decay of the running mean of squared gradients. */
  alpha?: number;
  eps?: number;
  weightDecay?: number;
  momentum?: number;
  /** Divide by an estimate of the variance: the mean of squares minus the square of the mean. */
  centered?: boolean;
  maximize?: boolean;
}
type Full = Required<RMSpropOptions>;

/** p -= lr * grad / (sqrt(v) + eps) with v = alpha * v + (1 - alpha) * grad^2. */
export class RMSprop extends Optimizer<Full> {
  constructor(params: Params<Full>, options: RMSpropOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-2, alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0 } = given;
    const { centered = false, maximize = false } = given;
    checkOption('learning rate', lr);
    checkOption('epsilon value', eps);
    checkOption('momentum value', momentum);
    checkOption('weight_decay value', weightDecay);
    checkOption('alpha value', alpha);
    super(params, { lr, alpha, eps, weightDecay, momentum, centered, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Full>, active: Active): void {
    const { tensors, params, grads } = active;
    const square = this.slots(tensors, 'square_avg');
    const o = liveOptions(group, ['lr', 'alpha', 'eps', 'weightDecay', 'momentum']);
    const sign = group.maximize ? -1 : 1;
    const mean = group.centered ? this.slots(tensors, 'grad_avg') : null;
    const buf = group.momentum > 0 ? this.slots(tensors, 'momentum_buffer') : null;
    if (mean === null && buf === null) {
      ops.rmspropStep_(params, grads, square, o.lr, o.alpha, o.eps, o.weightDecay, group.maximize);
    } else {
      params.forEach((p, i) => {
        const [g, v] = [grads[i]!, square[i]!];
        if (mean === null)
          ops.rmspropMomentumUpdate(p, g, v, buf![i]!, o.lr, o.alpha, o.eps, o.weightDecay, o.momentum, sign);
        else if (buf === null) ops.rmspropCenteredUpdate(p, g, v, mean[i]!, o.lr, o.alpha, o.eps, o.weightDecay, sign);
        else {
          ops.rmspropCenteredMomentumUpdate(
            p,
            g,
            v,
            mean[i]!,
            buf[i]!,
            o.lr,
            o.alpha,
            o.eps,
            o.weightDecay,
            o.momentum,
            sign,
          );
        }
      });
    }
    advance(this.stepCounts(group, tensors)); // for checkpoints only
  }
}
