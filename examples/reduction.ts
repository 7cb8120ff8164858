// Reductions of one's own: what is folded is a scalar TypeScript function.
import * as fb from 'flambeau';

// One state, several tensors: the state after one more element, and the result.
const rms = fb.reduction({
  init: 0,
  combine: (acc, x) => acc + x * x,
  finish: (acc, n) => Math.sqrt(acc / n),
});
const t = fb.tensor(
  [
    [3, 4, 0],
    [1, 2, 2],
  ],
  { requiresGrad: true },
);
console.log('rms:', String(rms(t, 1)));
rms(t, 1).sum().backward();
console.log('gradient:', String(t.grad));

// States that depend on each other: `join` says what two stretches of elements give, so that lanes and threads share the work.
const logSumExp = fb.reduction({
  init: [-1e38, 0],
  combine: ([m, s], x) => {
    const top = Math.max(m, x);
    return [top, s * Math.exp(m - top) + Math.exp(x - top)];
  },
  join: ([m, s], [m2, s2]) => {
    const top = Math.max(m, m2);
    return [top, s * Math.exp(m - top) + s2 * Math.exp(m2 - top)];
  },
  finish: ([m, s]) => m + Math.log(s),
});
console.log('log-sum-exp:', String(logSumExp(t.detach(), { dim: 1, keepdim: true })));

// Inside compile it fuses with what is around it: one kernel.
const normalize = fb.compile((x: fb.Tensor) => x.div(rms(x, 1, true)).mul(2));
const x = fb.rand(8, 100);
while (!(await normalize.ready())) normalize(x);
console.log('kernels:', normalize.explain().graphs.at(-1)!.kernels);
