// The host side of the CUDA backend (native/cuda/host.cuh): copies to and from device memory, written tensors, random state, sizes that
// vary, errors. CUDA's runtime is replaced by plain memory, kernels run through the SIMT shim.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';
import { startBuild } from '../../src/build/build.js';
import type { Graph } from '../../src/ir/graph.js';
import { registerBackend } from '../../src/runtime/backend.js';
import { toolchainBackend } from '../../src/runtime/cpp_backend.js';
import { emitHosted } from '../../src/runtime/cuda_backend.js';
import { checked, checkedBackend } from './checked.js';
import { compileForDevice, haveNvcc } from './nvcc.js';
import { SIMT_FLAGS } from './simt.js';

const shim = ['simt.h', 'host_runtime.h']
  .map((f) => readFileSync(new URL(`./simt/${f}`, import.meta.url), 'utf8').replace('#pragma once', ''))
  .join('\n');
const sources: string[] = [];
const hosted = toolchainBackend('hosted', {
  emit: (graph: Graph) => {
    const program = emitHosted(graph);
    sources.push(program.source);
    return program;
  },
  build: (source) => startBuild(`${shim}\n${source}`, { flags: SIMT_FLAGS }),
});
registerBackend(hosted);
registerBackend(checkedBackend('hosted-checked', hosted));

async function ready<A extends Tensor[], R>(
  f: (...xs: A) => R,
  args: A,
  backend = 'hosted-checked',
): Promise<(...xs: A) => R> {
  const call = fb.compile(f, { backend });
  call(...args);
  for (let tries = 0; tries < 5 && !(await call.ready()); tries++) call(...args);
  expect(call.explain().reasons).toEqual([]);
  return call;
}

describe('a hosted CUDA program', () => {
  test('copies inputs and results, in every run', async () => {
    const call = await ready((x: Tensor, y: Tensor) => x.mul(y).softmax(-1).add(x), [fb.randn(5, 33), fb.randn(5, 33)]);
    const before = checked.runs;
    for (let k = 0; k < 3; k++) {
      const [x, y] = [fb.randn(5, 33), fb.randn(5, 33)];
      const got = call(x, y);
      expect(got.allclose(x.mul(y).softmax(-1).add(x), { atol: 1e-5 })).toBe(true);
    }
    expect(checked.runs - before).toBe(3);
  });
  test('one tensor as two arguments', async () => {
    const call = await ready((x: Tensor, y: Tensor) => [x.add(y), x.sub(y)], [fb.ones(7), fb.ones(7)]);
    const x = fb.randn(7);
    const [sum, difference] = call(x, x) as [Tensor, Tensor];
    expect(sum.allclose(x.mul(2))).toBe(true);
    expect(difference.abs().sum().item()).toBe(0);
  });
  test('a training step writes parameters and optimizer state', async () => {
    fb.manualSeed(1);
    const net = new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Linear(8, 1));
    const opt = new optim.Adam(net.parameters(), { lr: 0.05 });
    const [x, y] = [fb.randn(16, 4), fb.randn(16, 1)];
    const step = await ready(
      (a: Tensor, b: Tensor) => {
        opt.zeroGrad();
        const loss = nn.functional.mseLoss(net.forward(a) as Tensor, b);
        loss.backward();
        opt.step();
        return loss;
      },
      [x, y],
    );
    const first = step(x, y).item() as number;
    let last = first;
    for (let k = 0; k < 20; k++) last = step(x, y).item() as number;
    expect(last).toBeLessThan(first * 0.9);
  });
  test('random numbers differ from run to run', async () => {
    const call = await ready((x: Tensor) => nn.functional.dropout(x, 0.5, true), [fb.ones(400)], 'hosted');
    const [a, b] = [call(fb.ones(400)), call(fb.ones(400))];
    expect(a.eq(b).all().item()).toBe(false);
    expect(Math.abs((a.mean().item() as number) - 1)).toBeLessThan(0.3);
  });
  test('sizes that vary', async () => {
    const f = (x: Tensor): Tensor => x.mul(2).sum(-1);
    const call = fb.compile(f, { backend: 'hosted-checked' });
    const before = checked.runs;
    for (const n of [5, 5, 6, 6, 7, 7, 8, 8, 300, 11]) {
      fb.noGrad(() => call(fb.randn(n, 9)));
      await call.ready();
    }
    expect(sources.some((s) => s.includes('dims[0]'))).toBe(true);
    for (const n of [2, 700, 3]) {
      const x = fb.randn(n, 9);
      expect(fb.noGrad(() => call(x)).allclose(f(x), { atol: 1e-5 })).toBe(true);
    }
    expect(checked.runs).toBeGreaterThan(before + 2);
  });
  test('a position out of bounds is the error of the op', async () => {
    const call = await ready(
      (x: Tensor, i: Tensor) => x.mul(2).gather(0, i),
      [fb.ones(4), fb.tensor([0, 3], { dtype: 'int64' })],
      'hosted',
    );
    expect(() => call(fb.ones(4), fb.tensor([0, 4], { dtype: 'int64' }))).toThrow(/index|bounds|range/);
    expect(call(fb.ones(4), fb.tensor([1, 2], { dtype: 'int64' })).tolist()).toEqual([2, 2]);
  });
  test('a step without a GPU kernel is named', async () => {
    const call = fb.compile((x: Tensor) => fb.sort(x.mul(2))[0]!, { backend: 'hosted' });
    for (let k = 0; k < 3; k++) call(fb.randn(6));
    await call.ready();
    expect(call.explain().reasons.join()).toMatch(/'sort' has no GPU kernel/);
    expect(call(fb.tensor([3, 1, 2])).tolist()).toEqual([2, 4, 6]);
  });
  test.skipIf(!haveNvcc)('compiles with nvcc (skipped without it)', () => compileForDevice(sources[0]!), 60_000);
});

test("backend 'cuda' without a GPU says what is missing", async () => {
  const call = fb.compile((x: Tensor) => x.mul(2).add(1), { backend: 'cuda' });
  for (let k = 0; k < 3; k++) expect(call(fb.ones(2)).tolist()).toEqual([3, 3]);
  await call.ready();
  expect(call.explain().reasons.join()).toMatch(/needs an NVIDIA GPU|no CUDA compiler/);
});
