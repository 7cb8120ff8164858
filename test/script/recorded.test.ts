// Scripted functions inside recordings: their branches and loops are part of the outer graph.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as ort from 'onnxruntime-node';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { allNodes } from '../../src/ir/control.js';
import { verify } from '../../src/ir/verify.js';

const folder = mkdtempSync(join(tmpdir(), 'flambeau-recorded-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
fb.manualSeed(5);

/** Halves until it is small; small ones change their sign or not. */
const settle = (x: Tensor, n: number): Tensor => {
  for (let i = 0; i < n; i++) {
    x = x.mul(0.5);
    if (x.abs().max().item() < 0.3) break;
  }
  return x.sum().item() > 0 ? x : x.neg();
};
class Settle extends nn.Module {
  fc = new nn.Linear(4, 4);
  forward(x: Tensor): Tensor {
    let h = this.fc(x);
    while (h.abs().max().item() > 0.2) h = h.mul(0.7);
    return h;
  }
}
class Net extends nn.Module {
  first = new nn.Linear(4, 4);
  settle = fb.jit.script(new Settle());
  last = new nn.Linear(4, 2);
  forward(x: Tensor): Tensor {
    return this.last(this.settle(fb.relu(this.first(x))));
  }
}
const ops = (g: fb.jit.GraphView): string[] => [...allNodes(g.ir)].map((n) => n.op);
const inputs = (): Tensor[] => [fb.randn(3, 4), fb.randn(3, 4).mul(20), fb.zeros(3, 4)];

test('jit.trace keeps the control flow of a scripted function', async () => {
  const scripted = fb.jit.script(settle);
  const outer = (x: Tensor): Tensor => scripted(x.add(1), 6).mul(3);
  const traced = fb.jit.trace(outer, [fb.randn(3, 4)]);
  expect(ops(traced.graph)).toEqual(expect.arrayContaining(['loop', 'if', 'add', 'mul']));
  verify(traced.graph.ir);
  const check = (): void => {
    for (const x of [...inputs(), fb.randn(3, 4).sub(9)])
      expect(traced(x).allclose(settle(x.add(1), 6).mul(3), { atol: 1e-6 })).toBe(true);
  };
  check();
  expect(await traced.ready()).toBe(true);
  check();
  expect(traced.explain().calls.compiled).toBeGreaterThan(0);
  traced.save(join(folder, 'outer.fbg'));
  const loaded = fb.jit.load(join(folder, 'outer.fbg'));
  expect(await loaded.ready()).toBe(true);
  const x = fb.randn(3, 4).mul(5);
  expect(loaded(x).allclose(outer(x), { atol: 1e-6 })).toBe(true);
}, 60_000);

test('a module with a scripted submodule: traced, exported, its weights named', async () => {
  const net = new Net();
  const plain = (x: Tensor): Tensor =>
    fb.noGrad(() => {
      let h = net.settle.fc(fb.relu(net.first(x)));
      while (h.abs().max().item() > 0.2) h = h.mul(0.7);
      return net.last(h);
    });
  const traced = fb.jit.trace(net, [fb.randn(3, 4)]);
  expect(ops(traced.graph)).toContain('loop');
  expect(Object.keys(traced.stateDict()).sort()).toEqual(
    ['first.bias', 'first.weight', 'last.bias', 'last.weight', 'settle.fc.bias', 'settle.fc.weight'].sort(),
  );
  for (const x of inputs()) expect(traced(x).allclose(plain(x), { atol: 1e-6 })).toBe(true);
  // Another size of the first axis is recorded again.
  const five = fb.randn(5, 4).mul(9);
  expect(traced(five).allclose(plain(five), { atol: 1e-6 })).toBe(true);
  const path = join(folder, 'net.onnx');
  fb.onnx.export(net, [fb.randn(3, 4)], path, { inputNames: ['x'], outputNames: ['y'], verify: true });
  const session = await ort.InferenceSession.create(path);
  for (const x of inputs()) {
    const { y } = await session.run({ x: new ort.Tensor('float32', x.toTypedArray() as Float32Array, [3, 4]) });
    expect(fb.fromTypedArray(y!.data as Float32Array, [3, 2]).allclose(plain(x), { atol: 1e-5 })).toBe(true);
  }
}, 60_000);

test('fb.compile: one program with the branches in it, guarded by what the script read', async () => {
  const net = new Net();
  const scripted = fb.jit.script(settle);
  const f = fb.compile((x: Tensor) => scripted(net(x), 3).add(1));
  const want = (x: Tensor): Tensor => settle(net.last(net.settle(fb.relu(net.first(x)))), 3).add(1);
  fb.noGrad(() => void [f(inputs()[0]!), f(inputs()[1]!)]);
  expect(await f.ready()).toBe(true);
  fb.noGrad(() => {
    const before = f.explain().calls.compiled;
    for (const x of inputs()) expect(f(x).allclose(want(x), { atol: 1e-5 })).toBe(true);
    expect(f.explain().calls.compiled).toBe(before + 3);
    const strided = fb.randn(4, 3).t();
    expect(f(strided).allclose(want(strided), { atol: 1e-5 })).toBe(true);
    net.settle.fc.weight.mul_(3);
    for (const x of inputs()) expect(f(x).allclose(want(x), { atol: 1e-5 })).toBe(true);
  });
}, 60_000);

test('what a step writes beside the branches is written', async () => {
  const scripted = fb.jit.script(settle);
  const total = fb.zeros(3, 4);
  const step = fb.compile((x: Tensor) => {
    const y = scripted(x, 4);
    total.add_(y);
    return y;
  });
  const sum = fb.zeros(3, 4);
  for (let i = 0; i < 6; i++) {
    if (i === 3) expect(await step.ready()).toBe(true);
    const x = fb.randn(3, 4).mul(i);
    step(x);
    sum.add_(settle(x, 4));
    expect(total.allclose(sum, { atol: 1e-5 })).toBe(true);
  }
  expect(step.explain().calls.compiled).toBeGreaterThan(0);
}, 60_000);

test('gradients: the call is recorded op by op, or runs eagerly and says why', async () => {
  const counted = fb.jit.script((x: Tensor, n: number) => {
    for (let i = 0; i < n; i++) x = x.tanh();
    return x;
  });
  const w = fb.randn(3, { requiresGrad: true });
  const f = fb.compile((x: Tensor) => {
    w.grad = null;
    const loss = counted(x.mul(w), 3).sum();
    loss.backward();
    return loss;
  });
  const x = fb.randn(3);
  const want = fb.autograd.grad([x.mul(w).tanh().tanh().tanh().sum()], [w])[0]!;
  for (let i = 0; i < 4; i++) {
    f(x);
    expect(w.grad!.allclose(want!, { atol: 1e-6 })).toBe(true);
    await f.ready();
  }
  expect(f.explain().calls.compiled).toBeGreaterThan(0);
  const depends = fb.jit.script(settle);
  const g = fb.compile((v: Tensor) => depends(v.mul(w), 3).sum());
  g(x).backward();
  g(x);
  expect(g.explain().reasons.join()).toMatch(/item\(\).*'settle' is recorded op by op: gradients go through it/);
}, 60_000);

test('a number as a result, a condition on another graph, a traced module inside', () => {
  const count = fb.jit.script((x: Tensor) => {
    let n = 0;
    while (x.sum().item() > 1) {
      x = x.mul(0.5);
      n++;
    }
    return { x, n };
  });
  expect(() => fb.jit.trace((x: Tensor) => count(x).x, [fb.ones(3)])).toThrow(
    /is recorded op by op: its result holds numbers/,
  );
  const inner = fb.jit.trace((x: Tensor) => x.exp().add(1), [fb.rand(3)]);
  const outer = fb.jit.trace((x: Tensor) => inner(x.mul(2)).sum(0), [fb.rand(3)]);
  expect(ops(outer.graph)).toEqual(['mul', 'exp', 'add', 'sum']);
  const x = fb.rand(3);
  expect(outer(x).allclose(x.mul(2).exp().add(1).sum(0))).toBe(true);
});
