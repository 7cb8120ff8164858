// Gradients through scripted functions are those of the function.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

fb.manualSeed(4);
const input = (): Tensor => fb.randn(3, { dtype: 'float64', requiresGrad: true });

test('gradcheck through while loops and early returns', () => {
  const loop = fb.jit.script((x: Tensor) => {
    while (x.abs().max().item() > 0.1) x = x.mul(0.5).sin();
    return x;
  });
  const early = fb.jit.script((x: Tensor) => {
    if (x.sum().item() > 0) return x.exp();
    return x.mul(x);
  });
  const x = input();
  fb.noGrad(() => void [loop(x), early(x), early(x.neg())]);
  for (const f of [loop, early]) {
    expect(fb.autograd.gradcheck(f, [x])).toBe(true);
    expect(fb.autograd.gradcheck((t: Tensor) => f(t.neg()), [x])).toBe(true);
  }
});

test('parameters of submodules, and tensors from globals, get theirs after calls without gradients', async () => {
  class Net extends nn.Module {
    fc = new nn.Linear(3, 3);
    forward(x: Tensor): Tensor {
      let h = this.fc(x);
      if (h.sum().item() > 0) h = h.mul(2);
      return h;
    }
  }
  const net = fb.jit.script(new Net());
  const x = fb.randn(2, 3);
  const w = fb.ones(3, { requiresGrad: true });
  const scale = fb.jit.script((t: Tensor) => (t.sum().item() > 0 ? t.mul(w) : t.mul(w).neg()), { globals: { w } });
  fb.noGrad(() => void [net(x), scale(x)]);
  await Promise.all([net.ready(), scale.ready()]);
  net(x).sum().backward();
  const factor = fb.noGrad(() => net.fc(x).sum().item()) > 0 ? 2 : 1;
  expect(net.fc.weight.grad!.allclose(x.sum(0).mul(factor).expand(3, 3))).toBe(true);
  scale(x).sum().backward();
  const sign = x.sum().item() > 0 ? 1 : -1;
  expect(w.grad!.allclose(x.sum(0).mul(sign))).toBe(true);
});
