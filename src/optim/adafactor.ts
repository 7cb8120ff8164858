// Adafactor: second moments of matrices as one row and one column. Source: torch.optim.Adafactor, https://arxiv.org/abs/1804.04235
import { native } from '../native.js';
import { live } from '../runtime/live.js';
import { finfo } from '../tensor/dtype.js';
import { wrap, type Handle, type Tensor } from '../tensor/handle.js';
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

export interface AdafactorOptions extends ImplementationOptions {
  lr?: number;
  /** Power of the step count in the decay of the second moments. */
  beta2Decay?: number;
  /** Least square of gradients (null: that of the dtype's eps), least scale of parameters. */
  eps?: readonly [number | null, number];
  /** Bound of an update's root mean square. */
  d?: number;
  weightDecay?: number;
  maximize?: boolean;
}

/** Adam's adaptive rates for little memory: relative step sizes, factored second moments. */
export class Adafactor extends Optimizer<Required<AdafactorOptions>> {
  constructor(params: Params<Required<AdafactorOptions>>, options: AdafactorOptions | number = {}) {
    const given = withLr(options);
    const { lr = 1e-2, beta2Decay = -0.8, eps = [null, 1e-3], d = 1, weightDecay = 0, maximize = false } = given;
    checkOption('learning rate', lr);
    if (!(beta2Decay <= 0)) checkOption('beta2_decay value', NaN);
    if (eps[0] !== null) checkOption('epsilon1 value', eps[0]);
    checkOption('epsilon2 value', eps[1]);
    checkOption('clipping threshold d value', d, 1);
    checkOption('weight_decay value', weightDecay);
    super(params, { lr, beta2Decay, eps, d, weightDecay, maximize, ...implementation(given) });
  }

  protected override update(group: ParamGroup<Required<AdafactorOptions>>, active: Active): void {
    const { tensors, grads } = active;
    const steps = this.stepCounts(group, tensors);
    const o = liveOptions(group, ['lr', 'beta2Decay', 'd', 'weightDecay']);
    advance(steps);
    const known = perStep(steps, (t) => ({
      weight: ops.pow(t, o.beta2Decay),
      rate: ops.clamp(ops.reciprocal(ops.sqrt(t)), null, o.lr),
    }));
    tensors.forEach((p, i) => {
      const { weight, rate } = known[i]!;
      const grad = group.maximize ? wrap(grads[i]!).neg() : wrap(grads[i]!);
      const least = live(() => (group.eps[0] ?? finfo(p.dtype).eps) ** 2);
      const scale = ops.clampMin(
        rootMeanSquare(p),
        live(() => group.eps[1]),
      );
      const keep = live(() => 1 - group.lr * group.weightDecay);
      if (group.weightDecay !== 0) ops.mul_(p._h, keep);
      const estimate = wrap(this.#variance(p, grad, cast(weight, p), least));
      const direction = wrap(ops.mul(ops.reciprocal(ops.sqrt(ops.clampMin(estimate._h, least))), grad._h));
      const clipped = ops.clampMin(ops.div(rootMeanSquare(direction), o.d), 1);
      const factor = ops.div(ops.mul(scale, cast(rate, p)), clipped);
      ops.sub_(p._h, ops.mul(direction._h, factor), 1);
    });
  }

  /** The running mean of squared gradients, from rows and columns for matrices. */
  #variance(p: Tensor, grad: Tensor, weight: Handle, least: ReturnType<typeof live>): Handle {
    const state = this.stateOf(p);
    const slot = (name: string, shape: readonly number[]): Tensor =>
      (state[name] ??= constantState(shape, native.dtype(p._h)));
    const follow = (mean: Tensor, now: Tensor): Tensor => {
      ops.copy_(mean._h, ops.lerp(mean._h, now._h, weight));
      return mean;
    };
    if (grad.ndim < 2) return follow(slot('variance', p.shape), grad.square())._h;
    const square = grad.square();
    const [rows, columns] = [[...p.shape], [...p.shape]];
    rows[rows.length - 1] = 1;
    columns[columns.length - 2] = 1;
    const row = follow(slot('row_var', rows), square.mean(-1, true));
    const column = follow(slot('col_var', columns), square.mean(-2, true));
    return ops.div(ops.mul(row._h, column._h), ops.clampMin(row.mean(-2, true)._h, least));
  }
}

const cast = (x: Handle, p: Tensor): Handle => ops.toDtype(x, native.dtype(p._h));
const rootMeanSquare = (t: Tensor): Handle => t.square().mean().sqrt()._h;
