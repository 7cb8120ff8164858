// optimizers_schedulers.json: 30 steps of each optimizer on one small problem, and the learning rates of each schedule.
import { optim, type Tensor } from '../../../src/index.js';
import { camel } from '../calls.js';
import { expectClose, fb, values, type Check, type Recorded } from './common.js';

interface File {
  readonly optimizers: Readonly<
    Record<string, { class: string; options: Record<string, unknown>; losses: number[]; w: number[] }>
  >;
  readonly schedulers: Readonly<
    Record<string, { options: Record<string, unknown>; metrics?: number[]; lrs: number[] }>
  >;
  readonly A: Recorded;
  readonly b: Recorded;
  readonly w0: Recorded;
}
type Options = Record<string, unknown>;

const tensorOf = (r: Recorded): Tensor => fb.tensor(r.data, { dtype: 'float32' }).reshape([...r.shape]);
const optionsOf = (o: Options): Options =>
  Object.fromEntries(Object.entries(o).map(([k, v]) => [k === 'T_0' ? k : camel(k), v]));

export function optimizersSchedulers(file: File, check: Check): void {
  const [A, b] = [tensorOf(file.A), tensorOf(file.b)];
  for (const [name, want] of Object.entries(file.optimizers)) {
    check(name, () => {
      const w = tensorOf(file.w0).requiresGrad_();
      const Class = (optim as unknown as Record<string, new (p: Tensor[], o: Options) => optim.Optimizer>)[want.class];
      if (Class === undefined) throw new Error(`there is no optimizer ${want.class}`);
      const opt = new Class([w], optionsOf(want.options));
      const losses = want.losses.map(() => {
        const loss = opt.step(() => {
          opt.zeroGrad();
          const l = A.matmul(w).sub(b).square().mean().add(w.sin().sum().mul(0.1));
          l.backward();
          return l;
        });
        return Number(loss.item());
      });
      expectClose(losses, want.losses, 1e-4);
      expectClose(values(w), want.w, 1e-4, 1e-6);
    });
  }
  for (const [name, want] of Object.entries(file.schedulers)) {
    check(name, () => {
      const p = fb.zeros(1, { requiresGrad: true });
      const opt = new optim.SGD([p], { lr: 0.1, momentum: want.metrics === undefined ? 0.9 : 0 });
      type Schedule = new (o: optim.Optimizer, options: Options) => optim.lrScheduler.LRScheduler;
      const Class = (optim.lrScheduler as unknown as Record<string, Schedule>)[name];
      if (Class === undefined) throw new Error(`there is no schedule ${name}`);
      const schedule = new Class(opt, optionsOf(want.options));
      const lr = (): number => opt.paramGroups[0]!.lr;
      const steps = (want.metrics ?? want.lrs.slice(1)).map((metric) => {
        schedule.step(want.metrics === undefined ? undefined : metric);
        return lr();
      });
      expectClose(want.metrics === undefined ? [want.lrs[0]!, ...steps] : steps, want.lrs, 1e-7, 1e-12);
    });
  }
}
