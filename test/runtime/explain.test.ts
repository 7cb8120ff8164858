// What f.explain() tells: passes, programs with their kernels, guards, the reason of each recompile, and costs beside the machine's limits.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { observeCompile, type Explained } from '../../src/runtime/observe.js';
import { machineLimits } from '../../src/runtime/machine_limits.js';
import { costOf } from '../../src/runtime/explain.js';

afterEach(() => observeCompile(undefined));

/** Calls until the program serves. */
async function warm<A extends readonly unknown[]>(f: fb.CompiledFunction<A, unknown>, ...args: A): Promise<void> {
  for (let i = 0; i < 6; i++) {
    f(...args);
    if (await f.ready()) break;
  }
  f(...args);
}

test('passes: what was recorded, and what each one took away and put in its place', async () => {
  const f = fb.compile((x: Tensor) => fb.noGrad(() => x.exp().add(x.exp()).view([-1]).view([6]).mul(1)));
  await warm(f, fb.ones(2, 3));
  const [g] = f.explain().graphs;
  expect(g!.recorded).toMatch(/^graph\(.*exp\(/s);
  expect(g!.recorded).toContain('explain.test.ts:');
  expect(g!.passes.map((p) => `${p.pass} ${p.opsBefore} ${p.opsAfter}`)).toEqual([
    'canonicalViews 5 5',
    'simplify 5 5',
    'commonSubexpressions 5 5',
    'deadCode 5 3',
  ]);
  const [, , same, dead] = g!.passes;
  expect(same!.removed).toEqual([expect.stringMatching(/add\(%1, %2\)/)]);
  expect(same!.added).toEqual([expect.stringMatching(/add\(%1, %1\)/)]);
  expect(dead!.removed).toEqual([expect.stringMatching(/^%2: .* exp\(/), expect.stringMatching(/mul\(/)]);
  expect(dead!.opsAfter).toBe(g!.ops);
  for (const p of g!.passes) for (const l of p.added) expect(p.graph).toContain(l);
});

test('forward and backward are two programs, each with its graph, kernels, sources and reasons', async () => {
  const net = new nn.Sequential(new nn.Linear(30, 40), new nn.Tanh());
  const f = fb.compile((x: Tensor) => net(x).softmax(-1).sum(0));
  const x = fb.randn(64, 30);
  for (let i = 0; i < 5; i++) {
    f(x).sum().backward();
    await f.ready();
  }
  const e = f.explain();
  const g = e.graphs.find((r) => r.state === 'compiled')!;
  expect(g.programs.map((p) => p.name)).toEqual(['forward', 'backward']);
  for (const p of g.programs) {
    expect(p.parts.length).toBeGreaterThan(0);
    for (const part of p.parts) {
      for (const n of part.nodes) expect(p.graph.nodes[n]).toBeDefined();
      if (part.kind === 'kernel') expect(p.source).toContain(part.source);
    }
    expect(p.apart.every((a) => !a.reason.includes('no reason'))).toBe(true);
  }
  expect(g.kernels + g.libraryCalls).toBe(g.programs.reduce((n, p) => n + p.parts.length, 0));
  expect(g.guards.join('\n')).toContain('0.weight float32[40, 30]');
  expect(Object.keys(g.milliseconds)).toEqual(expect.arrayContaining(['record', 'graph', 'passes', 'emit', 'build', 'load'])); // prettier-ignore
  const text = String(e);
  expect(text).toMatch(/^ {4}backward:$/m);
  expect(text).toMatch(/reads [\d.]+ \w+, writes [\d.]+ \w+, [\d.]+ [kMG]?flop/);
  expect(text).toMatch(/not fused: sum \(kernel\d\) into \w+ \(kernel\d\): it reduces over other dimensions/);
});

test('every recompile has its reason', () => {
  const f = fb.compile((x: Tensor, k: number) => x.mul(k));
  const x = fb.ones(4, 6);
  f(x, 2);
  f(x, 3);
  f(x.to('float64'), 3);
  f(fb.ones(6, 4).t(), 3);
  f(fb.ones(6, 4).t().narrow(0, 0, 2), 3);
  fb.noGrad(() => f(fb.ones(6, 4).t().narrow(0, 0, 2), 3));
  expect(f.explain().recompiles).toEqual([
    'new signature float32[4, 6]: the arguments besides tensors are (T,n3) instead of (T,n2), T being a tensor',
    'new signature float64[4, 6]: tensor 0 is float64[4, 6] instead of float32[4, 6]',
    'new signature float32[4, 6]: tensor 0 is float32[4, 6] instead of float64[4, 6]',
    'new signature float32[2, 6]: tensor 0 is float32[2, 6] instead of float32[4, 6]',
    'new signature float32[2, 6]: gradients are disabled',
  ]);
  const g = fb.compile((a: Tensor) => a.add(1));
  g(fb.ones(5, 3));
  g(fb.ones(3, 5).t());
  expect(g.explain().recompiles).toEqual([
    'new signature float32[5, 3]: tensor 0 has strides [1, 5] instead of [3, 1]',
  ]);
});

test('an observer sees what is compiled, and how long each kernel takes', async () => {
  const seen: Explained[] = [];
  observeCompile({ compiled: (f) => void seen.push(f) });
  const f = fb.compile((x: Tensor) => fb.noGrad(() => x.matmul(x).exp().sum(0)));
  await warm(f, fb.ones(100, 100));
  for (let i = 0; i < 5; i++) f(fb.ones(100, 100));
  observeCompile(undefined);
  const later = fb.compile((x: Tensor) => fb.noGrad(() => x.matmul(x).exp().sum(0)));
  await warm(later, fb.ones(100, 100));
  expect(seen.length).toBe(1);
  const [p] = seen[0]!.explain().graphs[0]!.programs;
  expect(p!.kernelTimes!.length).toBe(p!.parts.length);
  for (const us of p!.kernelTimes!) expect(us).toBeGreaterThan(0);
  expect(later.explain().graphs[0]!.programs[0]!.kernelTimes).toBeNull();
});

test('costs stand beside what the machine reaches, which is measured once and kept', async () => {
  const before = process.env['FLAMBEAU_CACHE_DIR'];
  const dir = mkdtempSync(join(tmpdir(), 'fb-explain-'));
  process.env['FLAMBEAU_CACHE_DIR'] = dir;
  try {
    const f = fb.compile((x: Tensor) => fb.noGrad(() => x.exp()));
    expect(f.explain().limits).toBeNull();
    const { limits } = f.explain({ limits: true });
    expect(limits!.bytesPerSecond).toBeGreaterThan(1e8);
    expect(limits!.flopsPerSecond).toBeGreaterThan(1e8);
    expect(limits!.threads).toBe(fb.getNumThreads());
    expect(machineLimits()).toBe(limits);
    expect(readdirSync(dir).length).toBe(2); // tmp and the limits
    const part = { bytesRead: 4e6, bytesWritten: 4e6, flops: 1e6 } as Parameters<typeof costOf>[0];
    const fixed = { bytesPerSecond: 8e9, flopsPerSecond: 1e11, threads: 1 };
    expect(costOf(part, 1500, fixed)).toEqual({ microseconds: 1500, leastMicroseconds: 1000, bound: 'memory' });
    const busy = costOf({ ...part, flops: 1e9 }, null, fixed);
    expect(busy).toEqual({ microseconds: null, leastMicroseconds: 10_000, bound: 'arithmetic' });
  } finally {
    if (before === undefined) delete process.env['FLAMBEAU_CACHE_DIR'];
    else process.env['FLAMBEAU_CACHE_DIR'] = before;
    rmSync(dir, { recursive: true, force: true });
  }
});

test('traced modules explain themselves in the same way, one graph for each set of shapes', async () => {
  const seen: Explained[] = [];
  observeCompile({ compiled: (f) => void seen.push(f) });
  const traced = fb.jit.trace(new nn.Sequential(new nn.Linear(6, 5), new nn.ReLU()), [fb.ones(4, 6)]);
  expect(seen).toEqual([traced]);
  expect(await traced.ready()).toBe(true);
  traced(fb.ones(4, 6));
  traced(fb.ones(3, 6));
  await traced.ready();
  traced(fb.ones(3, 6));
  const e = traced.explain();
  expect(e.calls.compiled).toBeGreaterThan(1);
  expect(e.graphs.map((g) => g.signature)).toEqual(['float32[4, 6]', 'float32[3, 6]']);
  expect(e.graphs.map((g) => g.state)).toEqual(['compiled', 'compiled']);
  expect(e.recompiles).toEqual(['other shapes: float32[3, 6]']);
  for (const g of e.graphs) {
    expect(g.programs[0]!.parts.length).toBeGreaterThan(0);
    expect(g.programs[0]!.kernelTimes!.length).toBe(g.programs[0]!.parts.length);
    expect(g.recorded).toContain('linear(');
    expect(g.memory!.compiled).toBeGreaterThan(0);
  }
});

test('as JSON it holds everything as plain data', async () => {
  const f = fb.compile((x: Tensor) => fb.noGrad(() => x.exp().sum(1)));
  await warm(f, fb.ones(20, 30));
  const json = JSON.parse(JSON.stringify(f.explain({ limits: true }))) as ReturnType<typeof f.explain>;
  const [g] = json.graphs;
  expect(json.calls.compiled).toBe(1);
  expect(g!.programs[0]).toMatchObject({
    graph: expect.stringMatching(/^graph\(/),
    parts: [{ name: 'kernel0', kind: 'kernel', nodes: [0, 1], bound: expect.stringMatching(/memory|arithmetic/) }],
    apart: [],
  });
  expect(g!.recorded).toMatch(/^graph\(/);
  expect(json.limits!.threads).toBeGreaterThan(0);
});
