// Adam and AdamW. Source: torch.optim.Adam, torch.optim.AdamW.
import { native } from '../native.js';
import { live } from '../runtime/live.js';
import { ValueError } from '../tensor/errors.js';
import { wrap } from '../tensor/handle.js';
import { checkOption, liveOptions, Optimizer, type Active, type ParamGroup, type Params } from './optimizer.js';

export interface AdamOptions {
  lr?: number;
  /** Decay of the running means of gradients and of their squares. */
  betas?: readonly [number, number];
  eps?: number;
  weightDecay?: number;
  /** Divide by the largest running mean of squares seen so far. */
  amsgrad?: boolean;
  maximize?: boolean;
}
type Full = Required<AdamOptions>;

class AdamBase extends Optimizer<Full> {
  readonly #decoupled: boolean;
  constructor(params: Params<Full>, options: AdamOptions, weightDecayDefault: number, decoupled: boolean) {
    const {
      lr = 1e-3,
      betas = [0.9, 0.999],
      eps = 1e-8,
      weightDecay = weightDecayDefault,
      amsgrad = false,
      maximize = false,
    } = options;
    checkOption('learning rate', lr);
    checkOption('epsilon value', eps);
    if (betas.length !== 2) throw new ValueError(`betas must be two numbers, got [${String(betas)}]`);
    checkOption('beta parameter at index 0', betas[0], 0, 1);
    checkOption('beta parameter at index 1', betas[1], 0, 1);
    checkOption('weight_decay value', weightDecay);
    super(params, { lr, betas, eps, weightDecay, amsgrad, maximize });
    this.#decoupled = decoupled;
  }
  protected override update(group: ParamGroup<Full>, active: Active): void {
    const { tensors } = active;
    const steps = this.stepCounts(group, tensors);
    const expAvg = this.slots(tensors, 'exp_avg');
    const expAvgSq = this.slots(tensors, 'exp_avg_sq');
    const o = liveOptions(group, ['lr', 'eps', 'weightDecay']);
    const beta1 = live(() => group.betas[0]);
    const beta2 = live(() => group.betas[1]);
    if (!group.amsgrad) {
      native.ops.adamStep_(
        active.params,
        active.grads,
        expAvg,
        expAvgSq,
        steps,
        o.lr,
        beta1,
        beta2,
        o.eps,
        o.weightDecay,
        this.#decoupled,
        group.maximize,
      );
      return;
    }
    // amsgrad: from plain ops, one parameter at a time.
    const maxima = this.slots(tensors, 'max_exp_avg_sq');
    for (const s of new Set(tensors.map((p) => this.state.get(p)!['step']!))) s.add_(1);
    const [b1, b2] = group.betas;
    tensors.forEach((p, i) => {
      const step = wrap(steps[i]!);
      let g = wrap(active.grads[i]!);
      if (group.maximize) g = g.neg();
      if (group.weightDecay !== 0) {
        if (this.#decoupled) p.mul_(1 - group.lr * group.weightDecay);
        else g = g.add(p, { alpha: group.weightDecay });
      }
      const [m, v, largest] = [wrap(expAvg[i]!), wrap(expAvgSq[i]!), wrap(maxima[i]!)];
      m.mul_(b1).add_(g, { alpha: 1 - b1 });
      v.mul_(b2).addcmul_(g, g, { value: 1 - b2 });
      largest.copy_(largest.maximum(v));
      const correction1 = step.mul(Math.log(b1)).expm1().neg().to(p.dtype);
      const correction2 = step.mul(Math.log(b2)).expm1().neg().sqrt().to(p.dtype);
      const denominator = largest.sqrt().div(correction2).add(group.eps);
      p.sub_(m.div(denominator).div(correction1).mul(group.lr));
    });
  }
}

/** p -= lr * m / (sqrt(v) + eps) with bias-corrected running means m of the gradient and v of its square. */
export class Adam extends AdamBase {
  constructor(params: Params<Full>, options: AdamOptions = {}) {
    super(params, options, 0, false);
  }
}
/** Adam with the weight decay applied to the parameters instead of the gradients. */
export class AdamW extends AdamBase {
  constructor(params: Params<Full>, options: AdamOptions = {}) {
    super(params, options, 1e-2, true);
  }
}
