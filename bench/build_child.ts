// Milliseconds from the recording of the LeNet step until its program is loaded; one JSON line. The caller chooses the cache directory.
import * as fb from '../src/index.js';
import { nn, optim, type Tensor } from '../src/index.js';
import { LeNet } from './models.js';

const net = new LeNet();
const opt = new optim.Adam(net.parameters());
const step = fb.compile((x: Tensor, t: Tensor) => {
  opt.zeroGrad();
  const loss = nn.functional.crossEntropy(net(x), t);
  loss.backward();
  opt.step();
  return loss;
});
const batch = [fb.randn(64, 1, 28, 28), fb.randint(0, 10, [64])] as const;
while (!(await step.ready())) step(...batch);
const graph = step.explain().graphs.at(-1)!;
const { record: _record, ...stages } = graph.milliseconds as Record<string, number>;
const ms = Object.values(stages).reduce((sum, v) => sum + v, 0);
process.stdout.write(`${JSON.stringify({ ms, cached: graph.cacheHit, stages })}\n`);
process.exit(0);
