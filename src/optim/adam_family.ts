// Adamax, NAdam, RAdam and SparseAdam: variations of Adam. Source: the classes of these names in torch.optim.
import { native } from '../native.js';
import { live } from '../runtime/live.js';
import { dtypeCode } from '../tensor/dtype.js';
import type { Handle } from '../tensor/handle.js';
import { checkAdam } from './adam.js';
import {
  advance,
  checkOption,
  constantState,
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

const { ops } = native;
type Live = ReturnType<typeof live>;

interface Common extends ImplementationOptions {
  lr?: number;
  /** Decay of the running means of gradients and of their squares. */
  betas?: readonly [number, number];
  eps?: number;
  weightDecay?: number;
  maximize?: boolean;
}
interface Betas {
  readonly beta1: Live;
  readonly beta2: Live;
}
const liveBetas = (group: { betas: readonly [number, number] }): Betas => ({
  beta1: live(() => group.betas[0]),
  beta2: live(() => group.betas[1]),
});
const sign = (group: { maximize: boolean }): number => (group.maximize ? -1 : 1);

export type AdamaxOptions = Common;

/** Adam with the infinity norm of past gradients in place of the root of their mean square. */
export class Adamax extends Optimizer<Required<AdamaxOptions>> {
  constructor(params: Params<Required<AdamaxOptions>>, options: AdamaxOptions | number = {}) {
    const given = withLr(options);
    const { lr = 2e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, maximize = false } = given;
    checkAdam({ lr, betas, eps, weightDecay });
    super(params, { lr, betas, eps, weightDecay, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<AdamaxOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const [expAvg, expInf] = [this.slots(tensors, 'exp_avg'), this.slots(tensors, 'exp_inf')];
    const o = liveOptions(group, ['lr', 'eps', 'weightDecay']);
    const { beta1, beta2 } = liveBetas(group);
    advance(steps);
    const corrections = perStep(steps, (t) => correction(beta1, t));
    params.forEach((p, i) =>
      ops.adamaxUpdate(
        p,
        grads[i]!,
        expAvg[i]!,
        expInf[i]!,
        corrections[i]!,
        o.lr,
        beta1,
        beta2,
        o.eps,
        o.weightDecay,
        sign(group),
      ),
    );
  }
}

export interface NAdamOptions extends Common {
  /** How fast the momentum reaches its full value. */
  momentumDecay?: number;
  /** Weight decay on the parameters, as AdamW has it. */
  decoupledWeightDecay?: boolean;
}

/** Adam with Nesterov's look ahead and a momentum that grows. */
export class NAdam extends Optimizer<Required<NAdamOptions>> {
  constructor(params: Params<Required<NAdamOptions>>, options: NAdamOptions | number = {}) {
    const given = withLr(options);
    const { lr = 2e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, momentumDecay = 4e-3 } = given;
    const { maximize = false, decoupledWeightDecay = false } = given;
    checkAdam({ lr, betas, eps, weightDecay });
    checkOption('momentum_decay value', momentumDecay);
    const own = { lr, betas, eps, weightDecay, momentumDecay, decoupledWeightDecay, maximize };
    super(params, { ...own, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<NAdamOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const [expAvg, expAvgSq] = [this.slots(tensors, 'exp_avg'), this.slots(tensors, 'exp_avg_sq')];
    for (const t of tensors) this.stateOf(t)['mu_product'] ??= constantState([], FLOAT32, 1);
    const o = liveOptions(group, ['lr', 'eps', 'weightDecay', 'momentumDecay']);
    const { beta1, beta2 } = liveBetas(group);
    advance(steps);
    /** beta1 * (1 - 0.96^(t * momentumDecay) / 2) */
    const mu = (t: Handle): Handle =>
      ops.mul(ops.rsub(ops.mul(ops.powScalar(0.96, ops.mul(t, o.momentumDecay)), 0.5), 1, 1), beta1);
    const known = perStep(steps, (t) => ({
      mu: mu(t),
      next: mu(ops.add(t, 1, 1)),
      correction2: correction(beta2, t),
    }));
    params.forEach((p, i) => {
      const { mu: now, next, correction2 } = known[i]!;
      const product = this.stateOf(tensors[i]!)['mu_product']!._h;
      ops.mul_(product, ops.toDtype(now, FLOAT32));
      const full = ops.toDtype(product, FLOAT64);
      const gradScale = ops.div(ops.rsub(now, 1, 1), ops.rsub(full, 1, 1));
      // The factor `now`, which the product has already, is PyTorch 1.13's: its curves have it.
      const avgScale = ops.div(next, ops.rsub(ops.mul(ops.mul(full, now), next), 1, 1));
      ops.nadamUpdate(
        p,
        grads[i]!,
        expAvg[i]!,
        expAvgSq[i]!,
        gradScale,
        avgScale,
        correction2,
        o.lr,
        beta1,
        beta2,
        o.eps,
        o.weightDecay,
        group.decoupledWeightDecay ? 1 : 0,
        sign(group),
      );
    });
  }
}
const FLOAT32 = dtypeCode('float32');
const FLOAT64 = dtypeCode('float64');

export interface RAdamOptions extends Common {
  /** Weight decay on the parameters, as AdamW has it. */
  decoupledWeightDecay?: boolean;
}

/** Adam whose adaptive rate is rectified: in the first steps, while its variance is not tractable, plain momentum. */
export class RAdam extends Optimizer<Required<RAdamOptions>> {
  constructor(params: Params<Required<RAdamOptions>>, options: RAdamOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = given;
    const { maximize = false, decoupledWeightDecay = false } = given;
    checkAdam({ lr, betas, eps, weightDecay });
    super(params, { lr, betas, eps, weightDecay, decoupledWeightDecay, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<RAdamOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const [expAvg, expAvgSq] = [this.slots(tensors, 'exp_avg'), this.slots(tensors, 'exp_avg_sq')];
    const o = liveOptions(group, ['lr', 'eps', 'weightDecay']);
    const { beta1, beta2 } = liveBetas(group);
    const longest = (): number => 2 / (1 - group.betas[1]) - 1;
    advance(steps);
    const known = perStep(steps, (t) => {
      const correction2 = correction(beta2, t);
      // rho = longest - 2 t beta2^t / (1 - beta2^t): the length of the approximated moving average.
      const decay = ops.div(ops.mul(ops.mul(t, ops.powScalar(beta2, t)), 2), correction2);
      const rho = ops.rsub(decay, live(longest), 1);
      const top = ops.mul(ops.sub(rho, 4, 1), ops.sub(rho, 2, 1));
      const scale = live(() => longest() / ((longest() - 4) * (longest() - 2)));
      const square = ops.div(ops.mul(top, scale), rho);
      const rect = ops.where(ops.gt(rho, 5), ops.sqrt(square), 0);
      return [correction(beta1, t), correction2, rect] as const;
    });
    params.forEach((p, i) =>
      ops.radamUpdate(
        p,
        grads[i]!,
        expAvg[i]!,
        expAvgSq[i]!,
        ...known[i]!,
        o.lr,
        beta1,
        beta2,
        o.eps,
        o.weightDecay,
        group.decoupledWeightDecay ? 1 : 0,
        sign(group),
      ),
    );
  }
}

export type SparseAdamOptions = Omit<Common, 'weightDecay'>;

/**
 * Adam for gradients that are mostly zeros, such as those of embeddings: where the gradient is 0, parameter and running means
 * stay as they are. Gradients are dense here.
 */
export class SparseAdam extends Optimizer<Required<SparseAdamOptions>> {
  constructor(params: Params<Required<SparseAdamOptions>>, options: SparseAdamOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, maximize = false } = given;
    checkAdam({ lr, betas, eps, weightDecay: 0 });
    super(params, { lr, betas, eps, maximize, ...implementation(given) });
  }
  protected override update(group: ParamGroup<Required<SparseAdamOptions>>, active: Active): void {
    const { tensors, params, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const [expAvg, expAvgSq] = [this.slots(tensors, 'exp_avg'), this.slots(tensors, 'exp_avg_sq')];
    const o = liveOptions(group, ['lr', 'eps']);
    const { beta1, beta2 } = liveBetas(group);
    advance(steps);
    const known = perStep(steps, (t) => [correction(beta1, t), correction(beta2, t)] as const);
    params.forEach((p, i) =>
      ops.sparseAdamUpdate(
        p,
        grads[i]!,
        expAvg[i]!,
        expAvgSq[i]!,
        ...known[i]!,
        o.lr,
        beta1,
        beta2,
        o.eps,
        sign(group),
      ),
    );
  }
}
