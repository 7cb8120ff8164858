// What a scripted graph took for granted of the objects around it may change: the next call sees it.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

fb.manualSeed(3);
const x = fb.ones(1, 2);

class Net extends nn.Module {
  scale = 2;
  taps = [1, 2];
  drop = new nn.Dropout(0.5);
  fc = new nn.Linear(2, 2);
  forward(t: Tensor): Tensor {
    if (t.sum().item() > 0) t = this.drop(this.fc(t)).mul(this.scale);
    return t.add(this.taps[1]!);
  }
}

test.each<[string, (net: Net) => void]>([
  ['a field', (net) => (net.scale = 5)],
  ['an element of an array', (net) => (net.taps[1] = 7)],
  ['a layer', (net) => (net.fc = new nn.Linear(2, 2))],
  ['a parameter of a layer', (net) => (net.fc.bias = new nn.Parameter(fb.tensor([10, 20])))],
  ['a setting of a layer', (net) => net.drop.train()],
  ['the data of a parameter', (net) => (net.fc.weight.data = fb.ones(2, 2))],
  ['contents of a parameter', (net) => fb.noGrad(() => net.fc.weight.zero_())],
  ['the dtype', (net) => net.double().float()],
])('%s', async (_, change) => {
  const plain = new Net().eval();
  const net = new Net().eval();
  net.loadStateDict(plain.stateDict());
  const scripted = fb.jit.script(net);
  fb.noGrad(() => scripted(x));
  expect(await scripted.ready()).toBe(true);
  expect(fb.noGrad(() => scripted(x)).allclose(fb.noGrad(() => plain(x)))).toBe(true);
  change(net);
  if (net.fc !== plain.fc) plain.loadStateDict(net.stateDict());
  Object.assign(plain, { scale: net.scale, taps: net.taps });
  plain.drop.train(net.drop.training);
  const [got, want] = [scripted, plain].map((m) => {
    fb.manualSeed(1);
    return fb.noGrad(() => m(x));
  });
  expect(got!.allclose(want!)).toBe(true);
  if (net.drop.training) return;
  expect(await scripted.ready()).toBe(true);
  expect(fb.noGrad(() => scripted(x)).allclose(want!)).toBe(true);
});

test('a scripted function keeps its own globals where another calls it', async () => {
  const times = (k: number): ((t: Tensor) => Tensor) => fb.jit.script((t: Tensor) => t.mul(k), { globals: { k } });
  const above = (k: number, inner: (t: Tensor) => Tensor): fb.jit.ScriptFunction<(t: Tensor) => Tensor> =>
    fb.jit.script((t: Tensor) => (t.sum().item() > k ? inner(t) : t), { globals: { k, inner } });
  const outer = above(1, times(3));
  fb.noGrad(() => outer(x));
  expect(await outer.ready()).toBe(true);
  expect(fb.noGrad(() => outer(x)).tolist()).toEqual([[3, 3]]);
  expect(fb.noGrad(() => outer(x.mul(0.1))).tolist()).toEqual(x.mul(0.1).tolist());
});
