// Every module, optimizer, schedule and sampler of the C++ frontend beside its TypeScript counterpart: one seed, the same numbers.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';
import { buildProject, install, root } from './installed.js';
import { layers } from './parity/layers.js';
import { sequences } from './parity/sequences.js';
import { training } from './parity/training.js';

const cases = { ...layers, ...sequences, ...training };
const folder = mkdtempSync(join(tmpdir(), 'flambeau-parity-'));
const results = join(folder, 'results');
let programs = '';

beforeAll(() => {
  install(folder);
  programs = buildProject(folder, join(root, 'test', 'cpp', 'parity'), 'Debug');
  mkdirSync(results);
  execFileSync(join(programs, 'parity'), [results], { stdio: 'pipe' });
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('both sides have the same cases', () => {
  expect(readdirSync(results).sort()).toEqual(
    Object.keys(cases)
      .map((name) => `${name}.safetensors`)
      .sort(),
  );
});

test.each(Object.keys(cases))('%s', (name) => {
  fb.manualSeed(7);
  const want = cases[name]!();
  const got = fb.load(join(results, `${name}.safetensors`)) as Record<string, Tensor>;
  expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort());
  for (const [key, w] of Object.entries(want)) {
    const g = got[key]!;
    expect([g.dtype, g.shape], key).toEqual([w.dtype, w.shape]);
    const close = g.double().allclose(w.double(), { rtol: 2e-5, atol: 2e-6, equalNan: true });
    expect(close, `${key}: C++ ${String(g)}, TypeScript ${String(w)}`).toBe(true);
  }
});

const headers = join(root, 'native', 'include', 'flambeau');
/** Modules that the headers declare: by a macro with the name, or as a class of its own. */
function declared(): Set<string> {
  const files = readdirSync(join(headers, 'nn'), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.h'));
  const text = files.map((f) => readFileSync(join(headers, 'nn', f), 'utf8')).join('\n');
  const names = [...text.matchAll(/^FLAMBEAU_[A-Z_]+\(\s*(\w+)|^class (\w+) : public ModuleHolder/gm)];
  return new Set(names.map((m) => m[1] ?? m[2]!));
}
test('docs/cpp.md names every module without a counterpart, with a reason, and no other', () => {
  const own = declared();
  const isModule = (x: unknown): boolean =>
    typeof x === 'function' && (x === nn.Module || x.prototype instanceof nn.Module);
  const missing = Object.entries(nn as Record<string, unknown>)
    .filter(([name, x]) => isModule(x) && !own.has(name))
    .map(([name]) => name);
  const table = readFileSync(join(root, 'docs', 'cpp.md'), 'utf8').match(
    /## Without a counterpart\n([^]*?)(\n## |$)/,
  )![1]!;
  const named = [...table.matchAll(/^\| (.+?) \| (.{10,}) \|$/gm)].flatMap((m) =>
    [...m[1]!.matchAll(/`(\w+)`/g)].map((n) => n[1]!),
  );
  expect(missing.sort()).toEqual(named.sort());
  // And each module that there is has a case.
  const tested = new Set(Object.keys(cases).map((c) => c.split(' ')[0]!));
  expect([...own].filter((name) => !tested.has(name))).toEqual([]);
});
test('every optimizer and schedule has a counterpart', () => {
  const text = ['optimizers.h', 'schedulers.h'].map((f) => readFileSync(join(headers, 'optim', f), 'utf8')).join('\n');
  const classes = [...Object.keys(optim), ...Object.keys(optim.lrScheduler)].filter((n) => /^[A-Z]/.test(n));
  const own = new Set([...text.matchAll(/(?:FLAMBEAU_OPTIMIZER\(|^class )(\w+)/gm)].map((m) => m[1]!));
  expect(classes.filter((name) => !own.has(name) && name !== 'Optimizer')).toEqual([]);
});

// ---- checkpoints in both directions ----

const OPTIMIZERS = {
  Adam: (net: nn.Module) => new optim.Adam(net.parameters(), { lr: 0.05, amsgrad: true, weightDecay: 0.01 }),
  SGD: (net: nn.Module) => new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9 }),
  LBFGS: (net: nn.Module) => new optim.LBFGS(net.parameters(), { lr: 0.5, maxIter: 3, lineSearchFn: 'strong_wolfe' }),
};
test.each(Object.keys(OPTIMIZERS) as (keyof typeof OPTIMIZERS)[])('a checkpoint of %s goes to C++ and back', (name) => {
  fb.manualSeed(3);
  const [x, y] = [fb.randn(5, 4), fb.randn(5, 3)];
  const net = new nn.Linear(4, 3);
  const optimizer: optim.Optimizer = OPTIMIZERS[name](net);
  const train = (n: nn.Linear, o: optim.Optimizer, steps: number): void => {
    for (let i = 0; i < steps; i++)
      o.step(() => {
        o.zeroGrad();
        const loss = nn.functional.mseLoss(n(x), y);
        loss.backward();
        return loss;
      });
  };
  train(net, optimizer, 3);
  const file = (f: string): string => join(folder, `${name}-${f}.safetensors`);
  fb.save(net.stateDict(), file('net'));
  fb.save(optimizer.stateDict(), file('optimizer'));
  fb.save({ x, y }, file('data'));
  const [net2, optimizer2] = [file('net2'), file('optimizer2')];
  const args = [name, '2', file('net'), file('optimizer'), file('data'), net2, optimizer2];
  execFileSync(join(programs, 'checkpoint'), args, { stdio: 'pipe' });

  // Two steps there, two more here: as five in one go and two more.
  const back = new nn.Linear(4, 3);
  back.loadStateDict(fb.load(net2) as Record<string, Tensor>);
  const restored: optim.Optimizer = OPTIMIZERS[name](back);
  restored.loadStateDict(fb.load(optimizer2) as optim.OptimizerStateDict);
  train(net, optimizer, 2);
  expect(back.weight.allclose(net.weight, { rtol: 1e-5, atol: 1e-6 })).toBe(true);
  expect(restored.paramGroups[0]!.lr).toBe(optimizer.paramGroups[0]!.lr);
  train(net, optimizer, 2);
  train(back, restored, 2);
  expect(back.weight.allclose(net.weight, { rtol: 1e-5, atol: 1e-6 })).toBe(true);
});
