// The profiler: what is seen, how it nests, what it sums to, and that nothing of it stays behind.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { native } from '../../src/native.js';
const { profile, recordFunction, schedule } = fb.profiler;

const folder = mkdtempSync(join(tmpdir(), 'flambeau-profiler-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const names = (p: fb.profiler.Profile, category: fb.profiler.Category): string[] =>
  p.eventList.filter((e) => e.category === category).map((e) => e.name);

test('ops, backward and named parts, with shapes and memory', () => {
  const x = fb.randn(8, 4, { requiresGrad: true });
  const p = profile({ recordShapes: true, profileMemory: true }, () =>
    recordFunction('step', () => {
      const y = x.mul(2).sum();
      y.backward();
    }),
  );
  expect(names(p, 'op')).toEqual(expect.arrayContaining(['mul', 'sum']));
  expect(names(p, 'backward')).toEqual(['SumBackward0', 'MulBackward0', 'AccumulateGrad']);
  const step = p.eventList.find((e) => e.name === 'step')!;
  for (const e of p.eventList) {
    expect(e.end).toBeGreaterThanOrEqual(e.start);
    expect(e.start).toBeGreaterThanOrEqual(step.start);
    expect(e.end).toBeLessThanOrEqual(step.end);
  }
  const mul = p.eventList.find((e) => e.name === 'mul')!;
  expect(mul.inputShapes).toEqual([[8, 4]]);
  expect(mul.memory).toBeGreaterThanOrEqual(128);
});

test('averages: self times add up to the outermost, the table has PyTorch’s columns', () => {
  const p = profile({}, () =>
    recordFunction('outer', () => {
      for (let i = 0; i < 5; i++) fb.ones(3).add(1);
    }),
  );
  const rows = p.keyAverages();
  const outer = rows.find((r) => r.key === 'outer')!;
  expect(rows.find((r) => r.key === 'add')!.count).toBe(5);
  expect(Math.abs(rows.selfCpuTimeTotal - outer.cpuTimeTotal)).toBeLessThan(1e-6 * outer.cpuTimeTotal + 1e-3);
  const text = rows.table({ sortBy: 'count', rowLimit: 2 });
  for (const title of ['Name', 'Self CPU %', 'CPU total', 'CPU time avg', '# of Calls', 'Self CPU time total:'])
    expect(text).toContain(title);
  expect(text.split('\n').filter((l) => /add|ones|full|outer/.test(l)).length).toBe(2);
});

test('compiled programs show their kernels and library steps', async () => {
  const net = new nn.Sequential(new nn.Linear(64, 64), new nn.GELU(), new nn.Linear(64, 64));
  const f = fb.compile(function forward(x: Tensor) {
    return net(x).softmax(-1);
  });
  const x = fb.randn(256, 64);
  fb.noGrad(() => f(x));
  for (let calls = 0; !(await f.ready()) && calls < 5; calls++) fb.noGrad(() => f(x));
  const p = profile({}, () => fb.noGrad(() => f(x)));
  const [program] = p.eventList.filter((e) => e.category === 'program');
  expect(program!.name).toBe('forward');
  expect(names(p, 'library')).toEqual(['linear', 'linear']);
  expect(names(p, 'kernel').length).toBeGreaterThanOrEqual(2);
  expect(names(p, 'kernel')[0]).toMatch(/^kernel\d+: /);
  for (const e of p.eventList.filter((k) => k.category === 'kernel' || k.category === 'library')) {
    expect(e.start).toBeGreaterThanOrEqual(program!.start);
    expect(e.end).toBeLessThanOrEqual(program!.end);
  }
});

test('a schedule records its active steps and hands each trace over', () => {
  const traces: string[][] = [];
  const p = profile({
    schedule: schedule({ skipFirst: 1, wait: 1, warmup: 1, active: 2, repeat: 2 }),
    onTraceReady: (q) => traces.push(names(q, 'user')),
  });
  for (let i = 0; i < 12; i++) {
    recordFunction(`step ${i}`, () => fb.ones(2));
    p.step();
  }
  p.stop();
  expect(traces).toEqual([
    ['step 3', 'step 4'],
    ['step 7', 'step 8'],
  ]);
  expect(() => schedule({ wait: 0, warmup: 0, active: 0 })).toThrow(/Invalid profiler schedule/);
});

test('Chrome’s trace', () => {
  const p = profile({ profileMemory: true, withStack: true }, () => fb.ones(100).exp());
  const file = join(folder, 'trace.json');
  p.exportChromeTrace(file);
  const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as {
    traceEvents: { ph: string; name: string; ts?: number; dur?: number; args: Record<string, unknown> }[];
  };
  const exp = traceEvents.find((e) => e.ph === 'X' && e.name === 'exp')!;
  expect(exp.dur).toBeGreaterThanOrEqual(0);
  expect(exp.args['Call stack']).toContain('profiler.test');
  expect(traceEvents.some((e) => e.ph === 'C' && e.name === 'memory')).toBe(true);
  expect(traceEvents.filter((e) => e.ph === 'M').map((e) => e.name)).toEqual(
    expect.arrayContaining(['process_name', 'thread_name']),
  );
  expect(() => p.exportChromeTrace(join(folder, 'no', 'such', 'folder.json'))).toThrow(/cannot write the trace/);
});

test('asynchronous functions, errors, and what stays behind', async () => {
  const original = native.ops.add;
  const p = await profile({}, async () => {
    await recordFunction('wait', () => new Promise((r) => setTimeout(r, 5)));
    fb.ones(1).add(1);
  });
  expect(names(p, 'op')).toContain('add');
  expect(p.eventList.find((e) => e.name === 'wait')!.end).toBeGreaterThan(
    p.eventList.find((e) => e.name === 'wait')!.start + 3000,
  );
  expect(() => profile({}, () => fb.ones(2).view(3))).toThrow(/invalid for input of size/);
  expect(native.ops.add).toBe(original);
  const running = profile();
  expect(() => profile()).toThrow(/another profile is running/);
  running.stop();
  expect(recordFunction('nothing', () => 7)).toBe(7);
  expect(names(running, 'user')).toEqual([]);
});
