// legacy.optim: functions that take one step. `opfunc(x)` gives [f, df/dx]; x changes in place; `state` keeps what the next step
// needs. Each returns [x, values of f]. Defaults are those of Lua Torch's optim package.
import { noGrad } from '../autograd/modes.js';
import type { Tensor } from '../tensor/handle.js';
import { zerosLike } from '../../generated/ts/functions.js';

export type OpFunc = (x: Tensor) => readonly [number | Tensor, Tensor];
/** Settings and memory; both may be one record. */
export type OptimState = Record<string, unknown>;
type Step = [x: Tensor, values: number[]];

const value = (f: number | Tensor): number => (typeof f === 'number' ? f : f.item());
const setting = (config: OptimState, name: string, otherwise: number): number => {
  const v = config[name];
  return typeof v === 'number' ? v : otherwise;
};
/** A tensor that the state keeps; made on the first step. */
function kept(state: OptimState, name: string, make: () => Tensor): Tensor {
  return (state[name] ??= make()) as Tensor;
}
const count = (state: OptimState, name: string): number => {
  const n = setting(state, name, 0);
  state[name] = n + 1;
  return n;
};
/** The value, and the gradient with weight decay. */
function evaluate(opfunc: OpFunc, x: Tensor, config: OptimState): { fx: number; g: Tensor } {
  const [f, df] = opfunc(x);
  const decay = setting(config, 'weightDecay', 0);
  return { fx: value(f), g: decay === 0 ? df : df.add(x, { alpha: decay }) };
}
/** Frames a step: no graph is recorded, settings and memory default to one record. */
function step(body: (opfunc: OpFunc, x: Tensor, config: OptimState, state: OptimState) => number[]) {
  return (opfunc: OpFunc, x: Tensor, config: OptimState = {}, state: OptimState = config): Step => [
    x,
    noGrad(() => body(opfunc, x, config, state)),
  ];
}
const learningRate = (config: OptimState, otherwise: number, n: number): number =>
  setting(config, 'learningRate', otherwise) / (1 + n * setting(config, 'learningRateDecay', 0));

/** Gradient descent: learningRate 1e-3, learningRateDecay, weightDecay, momentum, dampening (default: momentum), nesterov. */
export const sgd = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const momentum = setting(config, 'momentum', 0);
  const dampening = setting(config, 'dampening', momentum);
  const lr = learningRate(config, 1e-3, count(state, 'evalCounter'));
  let direction = g;
  if (momentum !== 0) {
    const first = state['dfdx'] === undefined;
    const buffer = kept(state, 'dfdx', () => g.clone());
    if (!first) buffer.mul_(momentum).add_(g, { alpha: 1 - dampening });
    direction = config['nesterov'] === true ? g.add(buffer, { alpha: momentum }) : buffer;
  }
  x.add_(direction, { alpha: -lr });
  return [fx];
});
/** Nesterov's accelerated gradient: learningRate 1e-3, momentum 0.9; the gradient is taken where momentum leads. */
export const nag = step((opfunc, x, config, state) => {
  const momentum = setting(config, 'momentum', 0.9);
  const lr = learningRate(config, 1e-3, count(state, 'evalCounter'));
  const buffer = kept(state, 'dfdx', () => zerosLike(x));
  x.add_(buffer, { alpha: momentum });
  const { fx, g } = evaluate(opfunc, x, config);
  // Back, then the whole step.
  x.sub_(buffer, { alpha: momentum });
  buffer.mul_(momentum).sub_(g, { alpha: lr });
  x.add_(buffer);
  return [fx];
});
/** Adam: learningRate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8. */
export const adam = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const [b1, b2] = [setting(config, 'beta1', 0.9), setting(config, 'beta2', 0.999)];
  const n = count(state, 't') + 1;
  const lr = learningRate(config, 1e-3, n - 1);
  const m = kept(state, 'm', () => zerosLike(g));
  const v = kept(state, 'v', () => zerosLike(g));
  m.mul_(b1).add_(g, { alpha: 1 - b1 });
  v.mul_(b2).add_(g.mul(g), { alpha: 1 - b2 });
  const size = (lr * Math.sqrt(1 - b2 ** n)) / (1 - b1 ** n);
  x.sub_(m.div(v.sqrt().add(setting(config, 'epsilon', 1e-8))), { alpha: size });
  return [fx];
});
/** AdaMax: learningRate 2e-3, beta1 0.9, beta2 0.999, epsilon 1e-38. */
export const adamax = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const [b1, b2] = [setting(config, 'beta1', 0.9), setting(config, 'beta2', 0.999)];
  const n = count(state, 't') + 1;
  const m = kept(state, 'm', () => zerosLike(g));
  const u = kept(state, 'u', () => zerosLike(g));
  m.mul_(b1).add_(g, { alpha: 1 - b1 });
  u.copy_(u.mul(b2).maximum(g.abs().add(setting(config, 'epsilon', 1e-38))));
  x.sub_(m.div(u), { alpha: setting(config, 'learningRate', 2e-3) / (1 - b1 ** n) });
  return [fx];
});
/** Adagrad: learningRate 1e-3, learningRateDecay. */
export const adagrad = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const lr = learningRate(config, 1e-3, count(state, 'evalCounter'));
  const sum = kept(state, 'paramVariance', () => zerosLike(g));
  sum.add_(g.mul(g));
  x.sub_(g.div(sum.sqrt().add(1e-10)), { alpha: lr });
  return [fx];
});
/** Adadelta: rho 0.9, eps 1e-6. */
export const adadelta = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const [rho, eps] = [setting(config, 'rho', 0.9), setting(config, 'eps', 1e-6)];
  const squares = kept(state, 'paramVariance', () => zerosLike(g));
  const steps = kept(state, 'accDelta', () => zerosLike(g));
  squares.mul_(rho).add_(g.mul(g), { alpha: 1 - rho });
  const delta = steps.add(eps).sqrt().div(squares.add(eps).sqrt()).mul(g);
  x.sub_(delta);
  steps.mul_(rho).add_(delta.mul(delta), { alpha: 1 - rho });
  return [fx];
});
/** RMSprop: learningRate 1e-2, alpha 0.99, epsilon 1e-8. */
export const rmsprop = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const alpha = setting(config, 'alpha', 0.99);
  const m = kept(state, 'm', () => zerosLike(g));
  m.mul_(alpha).add_(g.mul(g), { alpha: 1 - alpha });
  x.sub_(g.div(m.sqrt().add(setting(config, 'epsilon', 1e-8))), { alpha: setting(config, 'learningRate', 1e-2) });
  return [fx];
});
/** Rprop: stepsize 0.1, etaplus 1.2, etaminus 0.5, stepsizemax 50, stepsizemin 1e-6. */
export const rprop = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const before = kept(state, 'delta', () => zerosLike(g));
  const size = kept(state, 'stepsize_', () => zerosLike(g).fill_(setting(config, 'stepsize', 0.1)));
  const sign = g.mul(before).sign();
  const [up, down] = [setting(config, 'etaplus', 1.2), setting(config, 'etaminus', 0.5)];
  // 1 where the sign stayed zero, `up` where it stayed, `down` where it turned.
  const factor = sign.gt(0).to(g.dtype).mul(up - 1).add(sign.lt(0).to(g.dtype).mul(down - 1)).add(1); // prettier-ignore
  size.mul_(factor).clamp_(setting(config, 'stepsizemin', 1e-6), setting(config, 'stepsizemax', 50));
  const used = g.mul(sign.ge(0).to(g.dtype));
  x.sub_(used.sign().mul(size));
  before.copy_(used);
  return [fx];
});
/** Averaged gradient descent: eta0 1e-4, lambda 1e-4, alpha 0.75, t0 1e6; the average is state.ax. */
export const asgd = step((opfunc, x, config, state) => {
  const { fx, g } = evaluate(opfunc, x, config);
  const [eta0, lambda] = [setting(config, 'eta0', 1e-4), setting(config, 'lambda', 1e-4)];
  const t = count(state, 't');
  const eta = setting(state, 'eta_t', eta0);
  const mu = setting(state, 'mu_t', 1);
  x.mul_(1 - lambda * eta).sub_(g, { alpha: eta });
  const average = kept(state, 'ax', () => zerosLike(x));
  if (mu === 1) average.copy_(x);
  else average.add_(x.sub(average), { alpha: mu });
  state['eta_t'] = eta0 / (1 + lambda * eta0 * (t + 1)) ** setting(config, 'alpha', 0.75);
  state['mu_t'] = 1 / Math.max(1, t + 1 - setting(config, 't0', 1e6));
  return [fx];
});

/** A point along a direction that lowers f enough (Armijo), halving the step; the step is 0 when there is none. */
function backtrack(
  opfunc: OpFunc,
  x: Tensor,
  f: number,
  slope: number,
  d: Tensor,
  first: number,
): { t: number; fx: number; g: Tensor | null } {
  const start = x.clone();
  for (let t = first, k = 0; k < 30; k++, t /= 2) {
    x.copy_(start.add(d, { alpha: t }));
    const [fx, g] = opfunc(x);
    if (value(fx) <= f + 1e-4 * t * slope) return { t, fx: value(fx), g: g.clone() };
  }
  x.copy_(start);
  return { t: 0, fx: f, g: null };
}
/** Conjugate gradients (Polak and Ribiere): up to maxIter 20 line searches; gives the value after each. */
export const cg = step((opfunc, x, config) => {
  const [f0, g0] = opfunc(x);
  let [f, g] = [value(f0), g0.clone()];
  const values = [f];
  let d = g.neg();
  let t = 1 / (1 + g.norm().item());
  for (let i = 0; i < setting(config, 'maxIter', 20); i++) {
    let slope = g.mul(d).sum().item();
    if (slope >= 0) {
      d = g.neg(); // no way down: start again with the gradient
      slope = g.mul(d).sum().item();
    }
    if (Math.abs(slope) < 1e-20) break;
    const next = backtrack(opfunc, x, f, slope, d, 2 * t);
    if (next.g === null) break;
    const beta = Math.max(0, next.g.mul(next.g.sub(g)).sum().item() / g.mul(g).sum().item());
    d = next.g.neg().add(d, { alpha: beta });
    [f, g, t] = [next.fx, next.g, next.t];
    values.push(f);
  }
  return values;
});
/** L-BFGS: maxIter 20, nCorrection 100, learningRate 1, tolFun 1e-5, tolX 1e-9; `lineSearch: true` searches each step. */
export const lbfgs = step((opfunc, x, config) => {
  const [f0, g0] = opfunc(x);
  let [f, g] = [value(f0), g0.clone()];
  const values = [f];
  const history: { s: Tensor; y: Tensor; rho: number }[] = [];
  const lr = setting(config, 'learningRate', 1);
  for (let i = 0; i < setting(config, 'maxIter', 20); i++) {
    if (g.abs().sum().item() <= setting(config, 'tolFun', 1e-5)) break;
    // Two loops over the pairs give the direction.
    let q = g.clone();
    const alphas = history.map(() => 0);
    for (let k = history.length - 1; k >= 0; k--) {
      const { s, y, rho } = history[k]!;
      alphas[k] = rho * s.mul(q).sum().item();
      q = q.sub(y, { alpha: alphas[k] });
    }
    const last = history.at(-1);
    if (last !== undefined) q = q.mul(1 / (last.rho * last.y.mul(last.y).sum().item()));
    history.forEach(({ s, y, rho }, k) => {
      q = q.add(s, { alpha: alphas[k]! - rho * y.mul(q).sum().item() });
    });
    const d = q.neg();
    const slope = g.mul(d).sum().item();
    if (slope > -1e-20) break;
    const t = i === 0 ? Math.min(1, 1 / g.abs().sum().item()) * lr : lr;
    const before = x.clone();
    let next: { fx: number; g: Tensor | null };
    if (config['lineSearch'] === true) next = backtrack(opfunc, x, f, slope, d, i === 0 ? t : 1);
    else {
      x.add_(d, { alpha: t });
      const [fx, df] = opfunc(x);
      next = { fx: value(fx), g: df.clone() };
    }
    if (next.g === null) break;
    const s = x.sub(before);
    const y = next.g.sub(g);
    const ys = y.mul(s).sum().item();
    if (ys > 1e-10) {
      history.push({ s, y, rho: 1 / ys });
      if (history.length > setting(config, 'nCorrection', 100)) history.shift();
    }
    const small = s.abs().sum().item() <= setting(config, 'tolX', 1e-9);
    [f, g] = [next.fx, next.g];
    values.push(f);
    if (small) break;
  }
  return values;
});
