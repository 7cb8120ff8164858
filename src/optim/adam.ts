// Adam and AdamW. Source: torch.optim.Adam, torch.optim.AdamW.
import { native } from '../native.js';
import { live } from '../runtime/live.js';
import { ValueError } from '../tensor/errors.js';
import {
  advance,
  checkOption,
  correction,
  implementation,
  liveOptions,
  Optimizer,
  perStep,
  withLr,
  type Active,
  type ImplementationOptions,
  type ParamGroup,
  type Params,
} from './optimizer.js';

export interface AdamOptions extends ImplementationOptions {
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

/** Checks what all of Adam's family share. */
export function checkAdam(o: { lr: number; betas: readonly number[]; eps: number; weightDecay: number }): void {
  checkOption('learning rate', o.lr);
  checkOption('epsilon value', o.eps);
  if (o.betas.length !== 2) throw new ValueError(`betas must be two numbers, got [${String(o.betas)}]`);
  checkOption('beta parameter at index 0', o.betas[0]!, 0, 1);
  checkOption('beta parameter at index 1', o.betas[1]!, 0, 1);
  checkOption('weight_decay value', o.weightDecay);
}

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
    checkAdam({ lr, betas, eps, weightDecay });
    super(params, { lr, betas, eps, weightDecay, amsgrad, maximize, ...implementation(options) });
    this.#decoupled = decoupled;
  }
  protected override update(group: ParamGroup<Full>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const expAvg = this.slots(tensors, 'exp_avg');
    const expAvgSq = this.slots(tensors, 'exp_avg_sq');
    const o = liveOptions(group, ['lr', 'eps', 'weightDecay']);
    const beta1 = live(() => group.betas[0]);
    const beta2 = live(() => group.betas[1]);
    const [decoupled, maximize] = [this.#decoupled, group.maximize];
    if (!group.amsgrad) {
      native.ops.adamStep_(
        params,
        grads,
        expAvg,
        expAvgSq,
        steps,
        o.lr,
        beta1,
        beta2,
        o.eps,
        o.weightDecay,
        decoupled,
        maximize,
      );
      return;
    }
    const largest = this.slots(tensors, 'max_exp_avg_sq');
    advance(steps);
    const corrections = perStep(steps, (t) => [correction(beta1, t), correction(beta2, t)] as const);
    params.forEach((p, i) =>
      native.ops.adamAmsgradUpdate(
        p,
        grads[i]!,
        expAvg[i]!,
        expAvgSq[i]!,
        largest[i]!,
        ...corrections[i]!,
        o.lr,
        beta1,
        beta2,
        o.eps,
        o.weightDecay,
        decoupled ? 1 : 0,
        maximize ? -1 : 1,
      ),
    );
  }
}

/** p -= lr * m / (sqrt(v) + eps) with bias-corrected running means m of the gradient and v of its square. */
export class Adam extends AdamBase {
  constructor(params: Params<Full>, options: AdamOptions | number = {}) {
    super(params, withLr(options), 0, false);
  }
}
/** Adam with the weight decay applied to the parameters instead of the gradients. */
export class AdamW extends AdamBase {
  constructor(params: Params<Full>, options: AdamOptions | number = {}) {
    super(params, withLr(options), 1e-2, true);
  }
}
