// What explain() tells of graphs with branches and loops: each body's kernels, with sources and times, and what the passes made of it.
import { afterEach, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { observeCompile, type Explained } from '../../src/runtime/observe.js';
import type { Explanation } from '../../src/runtime/explain.js';

afterEach(() => observeCompile(undefined));
fb.manualSeed(2);

class Policy extends nn.Module {
  fc = new nn.Linear(64, 64);
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) {
      if (h.abs().max().item() > 2) h = h.mul(0.5).add(h.mul(0.5)).exp().neg();
      else h = fb.tanh(this.fc(h)).add(h);
    }
    return h.softmax(-1);
  }
}
const placesOf = (e: Explanation): string[] => e.graphs[0]!.programs.map((p) => p.name);

function check(e: Explanation): void {
  expect(placesOf(e)).toEqual(expect.arrayContaining(['main', 'loop 1', 'loop 1, if 1 then', 'loop 1, if 1 else']));
  const [g] = e.graphs;
  for (const p of g!.programs) {
    expect(p.parts.length, p.name).toBeGreaterThan(0);
    for (const part of p.parts) {
      for (const n of part.nodes) expect(p.graph.nodes[n]).toBeDefined();
      if (part.kind === 'kernel') expect(p.source).toContain(part.source);
    }
  }
  const program = (place: string): string => g!.programs.find((p) => p.name === place)!.parts.map((p) => `${p.kind} ${p.title}`).join(); // prettier-ignore
  expect(program('loop 1, if 1 else')).toMatch(/library linear.*kernel tanh/);
  expect(program('loop 1, if 1 then')).toMatch(/kernel .*neg/);
  expect(g!.kernels).toBe(g!.programs.flatMap((p) => p.parts).filter((p) => p.kind === 'kernel').length);
  // The same multiplication is done once: a pass on the body found it.
  const same = g!.passes.find((p) => p.pass === 'commonSubexpressions' && p.place === 'loop 1, if 1 then')!;
  expect(same.removed.join()).toMatch(/add\(/);
  expect(same.graph).toMatch(/^graph\(/);
  expect(g!.passes.map((p) => p.pass)).not.toContain('bodies');
  const text = String(e);
  expect(text).toMatch(/passes \(ops\) in loop 1, if 1 then: .*commonSubexpressions \d+ → \d+/);
  expect(text).toMatch(/ {4}loop 1, if 1 else:\n {4}step 0: linear/);
  expect(() => JSON.stringify(e)).not.toThrow();
}

test('a scripted module, seen by an observer, with the times of the kernels in its bodies', async () => {
  const seen: Explained[] = [];
  observeCompile({ compiled: (f) => void seen.push(f) });
  const f = fb.jit.script(new Policy());
  const x = fb.randn(16, 64);
  fb.noGrad(() => void f(x, 3));
  expect(f.explain().graphs[0]!.runs).toBe(0);
  expect(await f.ready()).toBe(true);
  for (let i = 0; i < 5; i++) fb.noGrad(() => [f(x, 3), f(x.mul(9), 4)]);
  expect(seen).toHaveLength(1);
  const e = seen[0]!.explain();
  check(e);
  expect([e.name, e.calls, e.compiled]).toEqual(['Policy', { compiled: 10, eager: 1 }, true]);
  expect(e.graphs[0]!.signature).toBe('float32[16,64],int');
  for (const p of e.graphs[0]!.programs) expect(p.kernelTimes, p.name).toHaveLength(p.parts.length);
  expect(e.graphs[0]!.milliseconds['build']).toBeGreaterThan(0);
});

test('a traced module and a compiled function around it', async () => {
  const policy = fb.jit.script(new Policy().eval());
  const outer = (x: Tensor): Tensor => policy(x, 4).mul(2);
  const x = fb.randn(16, 64);
  const traced = fb.jit.trace(outer, [x]);
  expect(await traced.ready()).toBe(true);
  traced(x);
  check(traced.explain());
  const f = fb.compile(outer);
  for (let i = 0; i < 4; i++) {
    fb.noGrad(() => void f(x));
    await f.ready();
  }
  check(f.explain());
});

test('why arguments have no graph', () => {
  const f = fb.jit.script((x: Tensor) => {
    let y = x;
    if (x.sum().item() > 0) y = x.sum(0);
    return y;
  });
  f(fb.ones(2, 3));
  const e = f.explain();
  expect([e.calls, e.graphs, e.compiled]).toEqual([{ compiled: 0, eager: 1 }, [], false]);
  expect(String(e)).toMatch(/eager: float32\[2,3\]: .*is a tensor float32\[3\] on one way/s);
});
