// The layer-by-layer API of Lua Torch: forward, backward and updateParameters by hand.   npx tsx examples/legacy.ts
import * as fb from 'flambeau';
import { legacy, type Tensor } from 'flambeau';
const L = legacy.nn;

fb.manualSeed(0);
const net = new L.Sequential(new L.Linear(2, 8), new L.Tanh(), new L.Linear(8, 1), new L.Sigmoid());
const criterion = new L.BCECriterion();
const x = fb.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]); // prettier-ignore
const y = fb.tensor([[0], [1], [1], [0]]);
for (let step = 0; step <= 500; step++) {
  const out = net.forward(x) as Tensor;
  const loss = criterion.forward(out, y);
  net.zeroGradParameters();
  net.backward(x, criterion.backward(out, y));
  net.updateParameters(2);
  if (step % 100 === 0) console.log(`step ${step}: loss ${loss.toFixed(4)}`);
}
console.log(
  'xor:',
  ((net.forward(x) as Tensor).flatten().tolist() as number[]).map((p) => Math.round(p)),
);

// All parameters as one vector, for legacy.optim.
const [w, dw] = net.flattenParameters();
const [, [loss]] = legacy.optim.lbfgs(
  (v) => {
    if (v !== w) w.copy_(v);
    const out = net.forward(x) as Tensor;
    const f = criterion.forward(out, y);
    net.zeroGradParameters();
    net.backward(x, criterion.backward(out, y));
    return [f, dw];
  },
  w,
  { maxIter: 5, lineSearch: true },
);
console.log('before L-BFGS:', loss! < 0.1);
