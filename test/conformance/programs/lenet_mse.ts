// lenet_mse.json: the introduction's LeNet on one random image, MSE against arange(10), 20 SGD steps.
import { nn, optim, type Tensor } from '../../../src/index.js';
import { expectClose, expectTensor, fb, LeNet, values, type Check, type Recorded } from './common.js';

interface File {
  readonly seed: number;
  readonly inputSum: number;
  readonly first: {
    readonly output: Recorded;
    readonly gradSums: Readonly<Record<string, number>>;
    readonly gradNorms: Readonly<Record<string, number>>;
    readonly 'conv1.bias.grad': Recorded;
    readonly 'fc3.bias.grad': Recorded;
  };
  readonly losses: readonly number[];
}
const total = (t: Tensor): number => values(t).reduce((a, b) => a + b, 0);
const norm = (t: Tensor): number => Math.sqrt(values(t).reduce((a, b) => a + b * b, 0));

export function lenetMse(file: File, check: Check): void {
  fb.manualSeed(file.seed);
  const net = new LeNet();
  const input = fb.randn(1, 1, 32, 32);
  check('input', () => expectClose([total(input)], [file.inputSum], 1e-5));
  const labels = fb.arange(10).view(1, 10).float();
  const criterion = new nn.MSELoss();
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 });
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    const out = net(input);
    const loss = criterion(out, labels);
    optimizer.zeroGrad();
    loss.backward();
    if (step === 0) first(net, out, file.first, check);
    optimizer.step();
    losses.push(loss.item());
  }
  check('losses', () => expectClose(losses, file.losses, 1e-4));
}

function first(net: LeNet, out: Tensor, want: File['first'], check: Check): void {
  const grads = Object.fromEntries([...net.namedParameters()].map(([name, p]) => [name, p.grad!]));
  check('first output', () => expectTensor(out, want.output, 1e-4, 1e-6));
  check('sums of the first gradients', () => {
    // A sum cancels: its error is relative to the norm of what is summed.
    for (const [name, sum] of Object.entries(want.gradSums))
      expectClose([total(grads[name]!)], [sum], 1e-4, 1e-4 * want.gradNorms[name]!);
  });
  check('norms of the first gradients', () => {
    for (const [name, n] of Object.entries(want.gradNorms)) expectClose([norm(grads[name]!)], [n], 1e-4);
  });
  check('conv1.bias.grad', () => expectTensor(grads['conv1.bias']!, want['conv1.bias.grad'], 1e-4, 1e-6));
  check('fc3.bias.grad', () => expectTensor(grads['fc3.bias']!, want['fc3.bias.grad'], 1e-4, 1e-6));
}
