// Adagrad, Adadelta, Rprop and ASGD. Source: the classes of these names in torch.optim.
import { native } from '../native.js';
import { live } from '../runtime/live.js';
import { dtypeCode } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import type { Handle } from '../tensor/handle.js';
import {
  advance,
  checkOption,
  constantState,
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

const { ops } = native;
const FLOAT32 = dtypeCode('float32');
const FLOAT64 = dtypeCode('float64');
const sign = (group: { maximize: boolean }): number => (group.maximize ? -1 : 1);

export interface AdagradOptions extends ImplementationOptions {
  lr?: number;
  lrDecay?: number;
  weightDecay?: number;
  /** What the sums of squares start from. */
  initialAccumulatorValue?: number;
  eps?: number;
  maximize?: boolean;
}

/** p -= lr' * grad / (sqrt(sum of grad^2) + eps) with lr' = lr / (1 + (step - 1) * lrDecay). */
export class Adagrad extends Optimizer<Required<AdagradOptions>> {
  constructor(params: Params<Required<AdagradOptions>>, options: AdagradOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-2, lrDecay = 0, weightDecay = 0, initialAccumulatorValue = 0, eps = 1e-10 } = given;
    checkOption('learning rate', lr);
    checkOption('lr_decay value', lrDecay);
    checkOption('weight_decay value', weightDecay);
    checkOption('initial_accumulator_value value', initialAccumulatorValue);
    checkOption('epsilon value', eps);
    const own = { lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize: given.maximize ?? false };
    super(params, { ...own, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<AdagradOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const sums = this.slots(tensors, 'sum', group.initialAccumulatorValue);
    const o = liveOptions(group, ['lr', 'lrDecay', 'weightDecay', 'eps']);
    advance(steps);
    const rates = perStep(steps, (t) => {
      const slower = ops.add(ops.mul(ops.sub(t, 1, 1), o.lrDecay), 1, 1);
      return ops.mul(ops.reciprocal(slower), o.lr);
    });
    params.forEach((p, i) => ops.adagradUpdate(p, grads[i]!, sums[i]!, rates[i]!, o.eps, o.weightDecay, sign(group)));
  }
}

export interface AdadeltaOptions extends ImplementationOptions {
  lr?: number;
  /** Decay of the running means. */
  rho?: number;
  eps?: number;
  weightDecay?: number;
  maximize?: boolean;
}

/** Steps in the units of the parameters: the root mean square of past updates over that of past gradients. */
export class Adadelta extends Optimizer<Required<AdadeltaOptions>> {
  constructor(params: Params<Required<AdadeltaOptions>>, options: AdadeltaOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1, rho = 0.9, eps = 1e-6, weightDecay = 0, maximize = false } = given;
    checkOption('learning rate', lr);
    if (!(rho >= 0 && rho <= 1)) throw new ValueError(`Invalid rho value: ${rho}`);
    checkOption('epsilon value', eps);
    checkOption('weight_decay value', weightDecay);
    super(params, { lr, rho, eps, weightDecay, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<AdadeltaOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const [squareAvg, accDelta] = [this.slots(tensors, 'square_avg'), this.slots(tensors, 'acc_delta')];
    const o = liveOptions(group, ['lr', 'rho', 'eps', 'weightDecay']);
    params.forEach((p, i) =>
      ops.adadeltaUpdate(p, grads[i]!, squareAvg[i]!, accDelta[i]!, o.lr, o.rho, o.eps, o.weightDecay, sign(group)),
    );
    advance(this.stepCounts(group, tensors)); // for checkpoints only
  }
}

export interface RpropOptions extends ImplementationOptions {
  lr?: number;
  /** Factors of the step sizes after a change of sign, and without one. */
  etas?: readonly [number, number];
  /** Smallest and largest step. */
  stepSizes?: readonly [number, number];
  maximize?: boolean;
}

/** Resilient propagation: only the signs of gradients count. For full batches. */
export class Rprop extends Optimizer<Required<RpropOptions>> {
  constructor(params: Params<Required<RpropOptions>>, options: RpropOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-2, etas = [0.5, 1.2], stepSizes = [1e-6, 50], maximize = false } = given;
    checkOption('learning rate', lr);
    if (!(etas[0] > 0 && etas[0] < 1 && etas[1] > 1))
      throw new ValueError(`Invalid eta values: ${etas[0]}, ${etas[1]}`);
    super(params, { lr, etas, stepSizes, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<RpropOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const prev = this.slots(tensors, 'prev');
    const sizes = this.slots(tensors, 'step_size', group.lr);
    const [down, up] = [live(() => group.etas[0]), live(() => group.etas[1])];
    const [least, most] = [live(() => group.stepSizes[0]), live(() => group.stepSizes[1])];
    params.forEach((p, i) => ops.rpropUpdate(p, grads[i]!, prev[i]!, sizes[i]!, down, up, least, most, sign(group)));
    advance(this.stepCounts(group, tensors)); // for checkpoints only
  }
}

export interface ASGDOptions extends ImplementationOptions {
  lr?: number;
  /** Decay of the parameters. */
  lambd?: number;
  /** Power of the decay of the rate. */
  alpha?: number;
  /** Step at which averaging begins. */
  t0?: number;
  weightDecay?: number;
  maximize?: boolean;
}

/** Averaged stochastic gradient descent: `state.get(p).ax` is the average of the parameter. */
export class ASGD extends Optimizer<Required<ASGDOptions>> {
  constructor(params: Params<Required<ASGDOptions>>, options: ASGDOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weightDecay = 0, maximize = false } = given;
    checkOption('learning rate', lr);
    checkOption('weight_decay value', weightDecay);
    super(params, { lr, lambd, alpha, t0, weightDecay, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<ASGDOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const ax = this.slots(tensors, 'ax');
    const o = liveOptions(group, ['lr', 'lambd', 'alpha', 't0', 'weightDecay']);
    advance(steps);
    const next = perStep(steps, (t) => {
      const slower = ops.add(ops.mul(ops.mul(t, o.lambd), o.lr), 1, 1);
      const eta = ops.mul(ops.reciprocal(ops.pow(slower, o.alpha)), o.lr);
      const mu = ops.reciprocal(ops.clampMin(ops.sub(t, o.t0, 1), 1));
      return { eta: ops.toDtype(eta, FLOAT32), mu: ops.toDtype(mu, FLOAT32) };
    });
    params.forEach((p, i) => {
      const s = this.stateOf(tensors[i]!);
      const eta: Handle = (s['eta'] ??= constantState([], FLOAT32, group.lr))._h;
      const mu: Handle = (s['mu'] ??= constantState([], FLOAT32, 1))._h;
      const [now, weight] = [ops.toDtype(eta, FLOAT64), ops.toDtype(mu, FLOAT64)];
      ops.asgdUpdate(p, grads[i]!, ax[i]!, now, weight, o.lambd, o.weightDecay, sign(group));
      // What the next step uses.
      ops.copy_(eta, next[i]!.eta);
      ops.copy_(mu, next[i]!.mu);
    });
  }
}
