// Compiled functions where things go wrong around them: no compiler, one that is killed, disks that are full, several threads and processes that
// build the same at once, exceptions inside. Results are always those of eager code.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { type Tensor } from '../../src/index.js';
import { findCompiler } from '../../src/build/compiler.js';
import { native } from '../../src/native.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const flambeau = JSON.stringify(join(root, 'src/index.ts'));
let dir: string;
beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'fb-robust-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** Runs a module of TypeScript in a process of its own. */
function script(name: string, source: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  const file = join(dir, `${name}.mts`);
  writeFileSync(file, `import * as fb from ${flambeau};\n${source}`);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], { cwd: root, env });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (d: Buffer) => (out.stdout += d.toString()));
    child.stderr.on('data', (d: Buffer) => (out.stderr += d.toString()));
    child.on('close', (status) => resolve({ status, ...out }));
  });
}

/** A compiled function, a traced module and a kernel: [calls of the compiled function that a program served, three results]. */
const ALL = `
const x = fb.tensor([[1, 2, 3], [4, 5, 6]]);
const f = fb.compile((t: fb.Tensor) => fb.noGrad(() => t.mul(2).sum(1)));
for (let i = 0; i < 3; i++) { f(x); await f.ready(); }
const traced = fb.jit.trace(new fb.nn.ReLU(), [x]);
const ready = await traced.ready();
const square = fb.kernel((v: number) => v * v + 1);
for (let i = 0; i < 3; i++) square(x);
console.log(JSON.stringify([f(x).toArray(), traced(x.neg()).toArray(), square(x).toArray(), f.explain().calls.compiled, ready, f.explain().reasons]));
`;
const RIGHT = [
  [12, 30],
  [
    [0, 0, 0],
    [0, 0, 0],
  ],
  [
    [2, 5, 10],
    [17, 26, 37],
  ],
];
const plain = (): NodeJS.ProcessEnv => ({
  HOME: dir,
  PATH: process.env['PATH'],
  FLAMBEAU_CACHE_DIR: join(dir, 'cache'),
});
/** A compiler that answers `--version` as the real one and otherwise does as told. */
function compiler(name: string, body: string): string {
  const path = join(dir, name);
  const real = findCompiler().path;
  writeFileSync(
    path,
    `#!/bin/sh\nif [ "$1" = --version ]; then exec '${real}' --version; fi\n${body.replace('@REAL@', real)}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}
const notices = (stderr: string): string[] => stderr.split('\n').filter((l) => l.startsWith('flambeau: '));

describe('compilers', () => {
  test('none: one notice, and everything runs on the prebuilt kernels', async () => {
    const r = await script('none', ALL, { ...plain(), PATH: join(dir, 'nothing') });
    expect(r.status, r.stderr).toBe(0);
    expect(notices(r.stderr).length).toBe(1);
    expect(r.stderr).toMatch(/no C\+\+ compiler was found \(looked for .*; install g\+\+ or set CXX\)\. .* run op by op on the prebuilt kernels/); // prettier-ignore
    const [a, b, c, compiled, ready, reasons] = JSON.parse(r.stdout) as unknown[];
    expect([a, b, c]).toEqual(RIGHT);
    expect([compiled, ready]).toEqual([0, false]);
    expect(String(reasons)).toContain('no C++ compiler was found');
  });
  test.each([
    ['killed', 'kill -KILL $$', /was ended by SIGKILL while it built/],
    ['wrong', 'echo "internal compiler error" >&2; exit 1', /failed on a generated program:\ninternal compiler error/],
    ['idle', 'exit 0', /ended well but wrote no program/],
  ])('%s: results stay right, and explain() tells', async (name, body, message) => {
    const env = { ...plain(), CXX: compiler(`${name}.sh`, body), FLAMBEAU_CACHE_DIR: join(dir, `cache-${name}`) };
    const r = await script(name, ALL, env);
    expect(r.status, r.stderr).toBe(0);
    const [a, b, c, compiled, ready, reasons] = JSON.parse(r.stdout) as unknown[];
    expect([a, b, c]).toEqual(RIGHT);
    expect([compiled, ready]).toEqual([0, false]);
    expect(String(reasons)).toMatch(message);
  });
});

describe('disks', () => {
  test('a cache that cannot be written: built in a temporary directory, one notice', async () => {
    const blocked = join(dir, 'file');
    writeFileSync(blocked, '');
    const r = await script('blocked', ALL, { ...plain(), FLAMBEAU_CACHE_DIR: join(blocked, 'cache') });
    expect(r.status, r.stderr).toBe(0);
    expect(notices(r.stderr)).toEqual([expect.stringMatching(/cannot be written .* built in a temporary directory/)]);
    const [a, b, c, compiled] = JSON.parse(r.stdout) as unknown[];
    expect([a, b, c]).toEqual(RIGHT);
    expect(compiled).toBeGreaterThan(0);
  });
  test('full everywhere: eager, with the reason', async () => {
    const full = compiler('full.sh', `echo 'ld: final link failed: No space left on device' >&2; exit 1`);
    const r = await script('full', ALL, { ...plain(), CXX: full, FLAMBEAU_CACHE_DIR: join(dir, 'cache-full') });
    expect(r.status, r.stderr).toBe(0);
    const [a, b, c, compiled, , reasons] = JSON.parse(r.stdout) as unknown[];
    expect([a, b, c]).toEqual(RIGHT);
    expect(compiled).toBe(0);
    expect(String(reasons)).toContain('No space left on device');
  });
  test('entries that are cut short in the cache are built again', async () => {
    const env = { ...plain(), FLAMBEAU_CACHE_DIR: join(dir, 'cache-cut') };
    await script('cut', ALL, env);
    const entries = (): string[] => readdirSync(env.FLAMBEAU_CACHE_DIR).filter((n) => n !== 'tmp');
    expect(entries().length).toBeGreaterThan(2);
    for (const e of entries())
      for (const f of readdirSync(join(env.FLAMBEAU_CACHE_DIR, e)))
        if (/\.so$|\.json$/.test(f)) writeFileSync(join(env.FLAMBEAU_CACHE_DIR, e, f), '{"version":1');
    const r = await script('cut', ALL, env);
    expect(r.status, r.stderr).toBe(0);
    expect((JSON.parse(r.stdout) as unknown[]).slice(0, 3)).toEqual(RIGHT);
    expect((JSON.parse(r.stdout) as unknown[])[3]).toBeGreaterThan(0);
  });
});

describe('several at once', () => {
  test('processes with one cache', async () => {
    const env = { ...plain(), FLAMBEAU_CACHE_DIR: join(dir, 'cache-shared') };
    const all = await Promise.all([1, 2, 3].map(() => script('shared', ALL, env)));
    for (const r of all) {
      expect(r.status, r.stderr).toBe(0);
      expect(r.stderr).toBe('');
      expect((JSON.parse(r.stdout) as unknown[]).slice(0, 3)).toEqual(RIGHT);
    }
    expect(readdirSync(join(env.FLAMBEAU_CACHE_DIR, 'tmp'))).toEqual([]);
  });
  test('threads that record, build and run the same and different functions', async () => {
    // Workers do not inherit the loader of TypeScript.
    writeFileSync(
      join(dir, 'worker.mjs'),
      `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))};\nregister();\nawait import('./threads.mts');\n`,
    );
    const body = `
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
if (isMainThread) {
  const run = (k: number) => new Promise((ok, fail) => {
    const w = new Worker(new URL('worker.mjs', import.meta.url), { workerData: k, execArgv: [] });
    w.once('message', ok);
    w.once('error', fail);
  });
  console.log(JSON.stringify(await Promise.all([0, 0, 1, 2].map(run))));
} else {
  const k = workerData as number;
  const net = new fb.nn.Linear(8, 8);
  const opt = new fb.optim.SGD(net.parameters(), { lr: 0.01 });
  const step = fb.compile((x: fb.Tensor) => {
    opt.zeroGrad();
    const loss = net(x).mul(k + 1).square().mean();
    loss.backward();
    opt.step();
    return loss;
  });
  const eager = new fb.nn.Linear(8, 8);
  eager.loadStateDict(net.stateDict());
  const other = new fb.optim.SGD(eager.parameters(), { lr: 0.01 });
  let worst = 0;
  for (let i = 0; i < 12; i++) {
    const x = fb.tensor(Array.from({ length: 40 }, (_, j) => Math.sin(i + j))).view([5, 8]);
    const got = step(x).item();
    other.zeroGrad();
    const want = eager(x).mul(k + 1).square().mean();
    want.backward();
    other.step();
    worst = Math.max(worst, Math.abs(Number(got) - Number(want.item())));
    await step.ready();
  }
  parentPort!.postMessage([worst, step.explain().calls.compiled]);
}
`;
    const r = await script('threads', body, { ...plain(), FLAMBEAU_CACHE_DIR: join(dir, 'cache-threads') });
    expect(r.status, r.stderr).toBe(0);
    for (const [worst, compiled] of JSON.parse(r.stdout) as [number, number][]) {
      expect(worst).toBeLessThan(1e-5);
      expect(compiled).toBeGreaterThan(5);
    }
  });
});

describe('exceptions inside a compiled function', () => {
  test.each([0, 1])('in call %d: it reaches the caller, nothing stays behind, later calls are right', async (bad) => {
    let call = 0;
    const state = fb.zeros(3);
    const f = fb.compile((x: Tensor) => {
      state.add_(x);
      if (call++ === bad) throw new RangeError('mine');
      return x.mul(2).add(state);
    });
    const eager = fb.zeros(3);
    for (let i = 0; i < 6; i++) {
      const x = fb.tensor([1, 2, 3]).mul(i + 1);
      eager.add_(x);
      if (i === bad) expect(() => f(x)).toThrow(new RangeError('mine'));
      else expect(f(x).toArray()).toEqual(x.mul(2).add(eager).toArray());
      expect(state.toArray()).toEqual(eager.toArray());
      expect(native.traceActive()).toBe(false);
      await f.ready();
    }
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
  });
  test('in a nested one, in a hook of backward and in a live number', async () => {
    const inner = fb.compile((x: Tensor): Tensor => {
      throw new TypeError(`inner ${x.ndim}`);
    });
    const outer = fb.compile((x: Tensor) => inner(x.exp()));
    for (let i = 0; i < 3; i++) expect(() => outer(fb.ones(2))).toThrow('inner 1');
    let broken = true;
    const hooked = fb.compile((x: Tensor) => {
      const y = x.detach().requiresGrad_();
      y.registerHook((g) => {
        if (broken) throw new EvalError('hook');
        return g;
      });
      y.square().sum().backward();
      return y.grad!.clone();
    });
    expect(() => hooked(fb.ones(2))).toThrow('hook');
    broken = false;
    for (let i = 0; i < 4; i++) {
      expect(hooked(fb.ones(2)).toArray()).toEqual([2, 2]);
      await hooked.ready();
    }
    const scaled = fb.compile((x: Tensor) =>
      x.mul(
        fb.live(() => {
          if (broken) throw new URIError('live');
          return 3;
        }),
      ),
    );
    for (let i = 0; i < 4; i++) {
      expect(scaled(fb.ones(2)).toArray()).toEqual([3, 3]);
      await scaled.ready();
    }
    broken = true;
    expect(() => scaled(fb.ones(2))).toThrow('live');
    broken = false;
    expect(scaled(fb.ones(2)).toArray()).toEqual([3, 3]);
    expect(native.traceActive()).toBe(false);
  });
});
