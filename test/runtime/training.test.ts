// Whole training steps, compiled, follow the eager ones: losses step by step, and every parameter and buffer at the end.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';

const F = nn.functional;

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(256, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  override forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = F.relu(this.fc1(x.flatten(1)));
    return this.fc3(F.relu(this.fc2(x)));
  }
}
class ResidualBlock extends nn.Module {
  c1 = new nn.Conv2d(8, 8, 3, { padding: 1, bias: false });
  b1 = new nn.BatchNorm2d(8);
  c2 = new nn.Conv2d(8, 8, 3, { padding: 1, bias: false });
  b2 = new nn.BatchNorm2d(8);
  override forward(x: Tensor): Tensor {
    return F.relu(this.b2(this.c2(F.relu(this.b1(this.c1(x))))).add(x));
  }
}

/** Trains two equal nets, one compiled; gives the largest relative difference of the losses and of the state. */
async function compare<M extends LeNet | ResidualBlock>(
  make: () => M,
  optimizer: (net: M) => optim.Optimizer,
  next: () => Tensor[],
  objective: (net: M, ...batch: Tensor[]) => Tensor,
  steps: number,
): Promise<{ losses: number; state: number; compiled: number }> {
  fb.manualSeed(3);
  const [a, b] = [make(), make()];
  b.loadStateDict(a.stateDict());
  const step =
    (net: M, opt: optim.Optimizer) =>
    (...batch: Tensor[]) => {
      opt.zeroGrad();
      const l = objective(net, ...batch);
      l.backward();
      opt.step();
      return l;
    };
  const [eager, compiled] = [step(a, optimizer(a)), fb.compile(step(b, optimizer(b)))];
  let losses = 0;
  for (let i = 0; i < steps; i++) {
    const batch = next();
    const [x, y] = [eager(...batch).item(), compiled(...batch).item()];
    losses = Math.max(losses, Math.abs(x - y) / Math.abs(x));
    if (i < 4) await compiled.ready();
  }
  const [sa, sb] = [[...a.parameters()], [...b.parameters()]];
  const state = Math.max(...sa.map((p, i) => p.sub(sb[i]!).abs().max().item()));
  return { losses, state, compiled: compiled.explain().calls.compiled };
}

test('LeNet with Adam: 100 losses within 1e-4', async () => {
  const r = await compare(
    () => new LeNet(),
    (net) => new optim.Adam(net.parameters(), { lr: 1e-3 }),
    () => [fb.randn(16, 1, 28, 28), fb.randint(0, 10, [16])],
    (net, x, t) => F.crossEntropy(net.forward(x!), t!),
    100,
  );
  expect(r.compiled).toBeGreaterThan(90);
  expect(r.losses).toBeLessThan(1e-4);
});

test('a residual block with batch norm and momentum', async () => {
  const x = fb.randn(4, 8, 14, 14);
  const r = await compare(
    () => new ResidualBlock(),
    (net) => new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 }),
    () => [x],
    (net, x) => net.forward(x!).pow(2).mean(),
    30,
  );
  expect(r.compiled).toBeGreaterThan(20);
  expect(r.losses).toBeLessThan(1e-5);
  expect(r.state).toBeLessThan(1e-5);
});
