// L-BFGS: steps along an approximation of the inverse Hessian that is kept as a few pairs of vectors. One step calls the closure
// several times and decides by the values, so it runs eagerly. Source: torch.optim.LBFGS; Nocedal and Wright, chapter 7.
import { enableGrad, noGrad } from '../autograd/modes.js';
import { cat, zerosLike } from '../../generated/ts/functions.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { strongWolfe, type Point } from './line_search.js';
import {
  checkOption,
  Optimizer,
  withLr,
  type LoadableStateDict,
  type OptimizerStateDict,
  type ParamGroup,
  type Params,
} from './optimizer.js';

export interface LBFGSOptions {
  lr?: number;
  /** Iterations of one step. */
  maxIter?: number;
  /** Evaluations of the closure in one step; null: maxIter * 5 / 4. */
  maxEval?: number | null;
  /** Stop when no component of the gradient is larger. */
  toleranceGrad?: number;
  /** Stop when neither value nor parameters change more. */
  toleranceChange?: number;
  /** Pairs of vectors that are kept. */
  historySize?: number;
  lineSearchFn?: 'strong_wolfe' | null;
}
type Full = Required<LBFGSOptions>;

/** What is kept between steps, under PyTorch's names. */
interface Memory {
  func_evals: number;
  n_iter: number;
  d: Tensor | null;
  t: number;
  old_dirs: Tensor[];
  old_stps: Tensor[];
  ro: number[];
  H_diag: number;
  prev_flat_grad: Tensor | null;
  prev_loss: number | null;
}
const fresh = (): Memory => ({
  func_evals: 0,
  n_iter: 0,
  d: null,
  t: 1,
  old_dirs: [],
  old_stps: [],
  ro: [],
  H_diag: 1,
  prev_flat_grad: null,
  prev_loss: null,
});

const dot = (a: Tensor, b: Tensor): number => Number(a.mul(b).sum().item());
const largest = (t: Tensor): number => Number(t.abs().max().item());

/** Quasi-Newton steps for full batches: `step(closure)` needs a closure that clears gradients, calls backward and returns the loss. */
export class LBFGS extends Optimizer<Full> {
  #memory = fresh();

  constructor(params: Params<Full>, options: LBFGSOptions | number = {}) {
    const { lr = 1, maxIter = 20, maxEval = null, toleranceGrad = 1e-7, toleranceChange = 1e-9 } = withLr(options);
    const { historySize = 100, lineSearchFn = null } = withLr(options);
    checkOption('learning rate', lr);
    if (lineSearchFn !== null && lineSearchFn !== 'strong_wolfe')
      throw new ValueError("only 'strong_wolfe' is supported");
    const evaluations = maxEval ?? Math.floor((maxIter * 5) / 4);
    super(params, { lr, maxIter, maxEval: evaluations, toleranceGrad, toleranceChange, historySize, lineSearchFn });
    if (this.paramGroups.length !== 1)
      throw new ValueError("LBFGS doesn't support per-parameter options (parameter groups)");
  }

  protected override run<T>(closure: (() => T) | undefined): T {
    if (closure === undefined) throw new ValueError('LBFGS: step() needs a closure that evaluates the loss');
    const evaluate = (): { loss: T; f: number } => {
      const loss = enableGrad(closure);
      return { loss, f: Number(isTensor(loss) ? loss.item() : loss) };
    };
    return noGrad(() => this.#minimise(evaluate));
  }
  protected override update(): void {
    // `run` does everything
  }

  #minimise<T>(evaluate: () => { loss: T; f: number }): T {
    const group = this.paramGroups[0]!;
    const memory = this.#memory;
    const first = evaluate();
    memory.func_evals++;
    let evaluations = 1;
    let f = first.f;
    let grad = this.#gradient(group);
    let done = largest(grad) <= group.toleranceGrad;
    for (let n = 1; !done; n++) {
      memory.n_iter++;
      const d = this.#direction(grad, group.historySize);
      const previous = f;
      memory.prev_flat_grad = grad.clone();
      memory.prev_loss = f;
      memory.d = d;
      memory.t = memory.n_iter === 1 ? Math.min(1, 1 / Number(grad.abs().sum().item())) * group.lr : group.lr;
      const slope = dot(grad, d);
      if (slope > -group.toleranceChange) break;
      let used = 0;
      if (group.lineSearchFn !== null) {
        const start = group.params.map((p) => p.clone());
        const at = (t: number): Point => {
          this.#move(group, t, d);
          const value = evaluate().f;
          const g = this.#gradient(group);
          group.params.forEach((p, i) => p.copy_(start[i]!));
          return { t, f: value, g, slope: dot(g, d) };
        };
        const from: Point = { t: 0, f, g: grad, slope };
        const found = strongWolfe(at, from, memory.t, largest(d), 1e-9);
        ({ f, g: grad, t: memory.t } = found.point);
        used = found.evaluations;
        this.#move(group, memory.t, d);
        done = largest(grad) <= group.toleranceGrad;
      } else {
        this.#move(group, memory.t, d);
        if (n !== group.maxIter) {
          f = evaluate().f;
          grad = this.#gradient(group);
          done = largest(grad) <= group.toleranceGrad;
          used = 1;
        }
      }
      evaluations += used;
      memory.func_evals += used;
      if (n === group.maxIter || evaluations >= group.maxEval!) break;
      if (largest(d) * Math.abs(memory.t) <= group.toleranceChange) break;
      if (Math.abs(f - previous) < group.toleranceChange) break;
    }
    return first.loss;
  }

  /** The two-loop recursion; takes the newest pair of vectors in first. */
  #direction(grad: Tensor, historySize: number): Tensor {
    const m = this.#memory;
    if (m.n_iter === 1) {
      Object.assign(m, { old_dirs: [], old_stps: [], ro: [], H_diag: 1 });
      return grad.neg();
    }
    const y = grad.sub(m.prev_flat_grad!);
    const s = m.d!.mul(m.t);
    const ys = dot(y, s);
    if (ys > 1e-10) {
      if (m.old_dirs.length === historySize) for (const list of [m.old_dirs, m.old_stps, m.ro]) list.shift();
      m.old_dirs.push(y);
      m.old_stps.push(s);
      m.ro.push(1 / ys);
      m.H_diag = ys / dot(y, y);
    }
    const weights: number[] = [];
    const q = grad.neg();
    for (let i = m.old_dirs.length - 1; i >= 0; i--) {
      weights[i] = dot(m.old_stps[i]!, q) * m.ro[i]!;
      q.sub_(m.old_dirs[i]!, { alpha: weights[i]! });
    }
    const r = q.mul(m.H_diag);
    m.old_dirs.forEach((dir, i) => {
      const back = dot(dir, r) * m.ro[i]!;
      r.add_(m.old_stps[i]!, { alpha: weights[i]! - back });
    });
    return r;
  }

  #gradient(group: ParamGroup<Full>): Tensor {
    return cat(
      group.params.map((p) => (p.grad ?? zerosLike(p)).reshape(-1)),
      0,
    );
  }
  #move(group: ParamGroup<Full>, t: number, d: Tensor): void {
    let at = 0;
    for (const p of group.params) {
      const n = p.numel();
      p.add_(d.narrow(0, at, n).reshape(p.shape), { alpha: t });
      at += n;
    }
  }

  // PyTorch keeps the memory as the state of the first parameter.
  override stateDict(): OptimizerStateDict {
    const dict = super.stateDict();
    const { n_iter } = this.#memory;
    const memory: Record<string, unknown> = n_iter === 0 ? {} : { ...this.#memory };
    if (n_iter > 0) (dict.state as Record<number, unknown>)[0] = memory;
    return dict;
  }
  override loadStateDict(dict: LoadableStateDict): void {
    super.loadStateDict({ state: {}, param_groups: dict.param_groups });
    const state: unknown = dict.state instanceof Map ? dict.state.get(0) : (dict.state as Record<number, unknown>)[0];
    const given = (state ?? {}) as Partial<Record<keyof Memory, unknown>>;
    const number = (x: unknown): unknown => (isTensor(x) ? Number(x.item()) : x);
    const own = (x: unknown): unknown => (isTensor(x) ? x.detach().clone() : x);
    const list = (x: unknown, each: (v: unknown) => unknown): unknown[] => (Array.isArray(x) ? x.map(each) : []);
    this.#memory = {
      ...fresh(),
      ...(Object.fromEntries(
        (['func_evals', 'n_iter', 't', 'H_diag', 'prev_loss'] as const)
          .filter((k) => given[k] !== undefined)
          .map((k) => [k, number(given[k])]),
      ) as Partial<Memory>),
      d: (own(given.d) ?? null) as Tensor | null,
      prev_flat_grad: (own(given.prev_flat_grad) ?? null) as Tensor | null,
      old_dirs: list(given.old_dirs, own) as Tensor[],
      old_stps: list(given.old_stps, own) as Tensor[],
      ro: list(given.ro, number) as number[],
    };
  }
}
