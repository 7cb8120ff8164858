// Compiles the LeNet training step once and prints the milliseconds between its first call and the kernels being in use.
import * as fb from '../src/index.js';
import { nn, optim, type Tensor } from '../src/index.js';
import { LeNet } from './models.js';

fb.manualSeed(0);
const net = new LeNet();
const opt = new optim.Adam(net.parameters());
const [x, y] = [fb.randn(64, 1, 28, 28), fb.randint(0, 10, [64])];
const step = fb.compile((a: Tensor, t: Tensor) => {
  opt.zeroGrad();
  const loss = nn.functional.crossEntropy(net(a), t);
  loss.backward();
  opt.step();
  return loss;
});
step(x, y);
const start = process.hrtime.bigint();
while (!(await step.ready())) step(x, y);
step(x, y);
process.stdout.write(`${Number(process.hrtime.bigint() - start) / 1e6}\n`);
