// A fused kernel of one's own, written as a scalar TypeScript function.
import * as fb from 'flambeau';

const swish = fb.kernel((x: fb.Scalar, beta: fb.Scalar) => x / (1 + Math.exp(-beta * x)));

const t = fb.tensor([-1, 0, 1, 2], { requiresGrad: true });
console.log(String(swish(t, 1.5)));
swish(t, 1.5).sum().backward();
console.log(String(t.grad));
while (!(await swish.ready())) swish(t, 1.5);
console.log('one kernel:', swish.explain().compiled);
