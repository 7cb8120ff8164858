// Graphs with branches and loops on the CUDA backend: every stretch is a program of its own, the plan over them runs on the host.
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { startBuild } from '../../src/build/build.js';
import { registerBackend } from '../../src/runtime/backend.js';
import { toolchainBackend } from '../../src/runtime/cpp_backend.js';
import { emitHosted } from '../../src/runtime/cuda_backend.js';
import { compileForDevice, haveNvcc } from './nvcc.js';
import { emitted, SIMT_FLAGS } from './simt.js';

const shim = ['simt.h', 'host_runtime.h']
  .map((f) => readFileSync(new URL(`./simt/${f}`, import.meta.url), 'utf8').replace('#pragma once', ''))
  .join('\n');
const sources: string[] = [];
emitted.listener = (source) => void sources.push(source);
afterAll(() => void (emitted.listener = null));
registerBackend(
  toolchainBackend('hosted-flow', {
    emit: emitHosted,
    build: (source) => startBuild(`${shim}\n${source}`, { flags: SIMT_FLAGS }),
  }),
);

fb.manualSeed(3);
class Policy extends nn.Module {
  fc = new nn.Linear(4, 4);
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) {
      if (h.abs().max().item() > 2) h = h.mul(0.5);
      else h = fb.tanh(this.fc(h)).add(h);
      if (h.sum().item() < -6) break;
    }
    return h.softmax(-1);
  }
}
const policy = new Policy().eval();
const scripted = fb.jit.script(policy);
const outer = (x: Tensor): Tensor => scripted(x.add(1), 5).mul(3);
const want = (x: Tensor): Tensor =>
  fb.noGrad(() => (Policy.prototype.forward.call(policy, x.add(1), 5) as Tensor).mul(3));

// 'simt': the kernels alone; 'hosted-flow': with the copies to and from the device.
test.each(['simt', 'hosted-flow'])(
  'branches and loops, backend %s',
  async (backend) => {
    const f = fb.compile(outer, { backend });
    for (let tries = 0; tries < 5; tries++) {
      fb.noGrad(() => void f(fb.randn(3, 4)));
      if (await f.ready()) break;
    }
    expect(f.explain().reasons).toEqual([]);
    const before = f.explain().calls.compiled;
    const inputs = [fb.randn(3, 4), fb.randn(3, 4).mul(20), fb.randn(3, 4).sub(4), fb.zeros(3, 4)];
    for (const x of inputs) expect(fb.noGrad(() => f(x)).allclose(want(x), { atol: 1e-5 })).toBe(true);
    const e = f.explain();
    expect(e.calls.compiled).toBe(before + inputs.length);
    const places = e.graphs[0]!.programs;
    expect(places.map((p) => p.name)).toEqual(expect.arrayContaining(['loop 1', 'loop 1, if 1 then', 'loop 1, if 1 else'])); // prettier-ignore
    for (const p of places) expect(p.source, p.name).toContain('__global__');
  },
  120_000,
);

test.skipIf(!haveNvcc)(
  'nvcc compiles the programs of all bodies (skipped without it)',
  async () => {
    expect(sources.length).toBeGreaterThan(4);
    await Promise.all([sources[0]!, sources.at(-1)!].map(compileForDevice));
  },
  120_000,
);
