// Deployed graphs with branches and loops: the library and the addon give what the function gives, whichever way it takes and however
// often it goes round; at the sizes of the file, at one, at others; without Node (the library), this package, a compiler or a PATH.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { buildDeployment } from '../../src/deploy/build.js';

const folder = mkdtempSync(join(tmpdir(), 'flambeau-deploy-flow-'));
const moved = join(folder, 'elsewhere', 'policy');
const bare = { PATH: '/nonexistent', HOME: folder };
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Policy extends nn.Module {
  fc = new nn.Linear(4, 4);
  forward(x: Tensor, n: number): { h: Tensor; rounds: number } {
    let h = x;
    let rounds = 0;
    for (let i = 0; i < n; i++) {
      if (h.abs().max().item() > 2) h = h.mul(0.5);
      else h = fb.tanh(this.fc(h)).add(h);
      rounds++;
      if (h.sum().item() < -6) break;
    }
    return { h, rounds };
  }
}
const run = (x: Tensor, n: number): { h: Tensor; rounds: number } =>
  fb.noGrad(() => Policy.prototype.forward.call(policy, x, n)) as { h: Tensor; rounds: number };
let policy: Policy;

/** Small numbers, large ones, those that break out of the loop; at the size of the file, at one and at another. */
const examples = (): Tensor[] =>
  [3, 1, 5].flatMap((n) => [fb.randn(n, 4), fb.randn(n, 4).mul(20), fb.randn(n, 4).sub(3)]);
const bytes = (x: Tensor): Buffer => Buffer.from((x.toTypedArray() as Float32Array).slice().buffer);

beforeAll(() => {
  fb.manualSeed(4);
  policy = new Policy().eval();
  const scripted = fb.jit.script(policy);
  fb.noGrad(() => void scripted(fb.randn(3, 4), 2));
  scripted.save(join(folder, 'policy.fbg'), { dynamic: [{ 0: 'batch' }] });
  const done = buildDeployment(join(folder, 'policy.fbg'), { out: join(folder, 'policy'), march: 'x86-64' });
  expect(done.built).toEqual(['libpolicy.so', 'libpolicy_static.a', 'policy.node']);
  cpSync(join(folder, 'policy'), moved, { recursive: true });
  rmSync(join(folder, 'policy'), { recursive: true });
}, 240_000);

const program = (): string => join(moved, 'dist', 'run_policy');
test('the example program in C++, relocated', () => {
  const source = fileURLToPath(new URL('../../examples/deploy/policy.cc', import.meta.url));
  const link = [`-L${join(moved, 'dist')}`, '-lpolicy', '-Wl,--allow-shlib-undefined', '-Wl,-rpath,$ORIGIN'];
  execFileSync('g++', ['-std=c++20', `-I${join(moved, 'include')}`, source, ...link, '-o', program()]);
  const rounds = new Set<number>();
  for (const x of examples()) {
    const lines = execFileSync(program(), ['6'], { input: bytes(x), env: bare, encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(lines).toHaveLength(7);
    lines.forEach((line, n) => {
      const [done, ...numbers] = line.split(' ').map(Number);
      const want = run(x, n);
      rounds.add(n - want.rounds);
      expect(done).toBe(want.rounds);
      expect(fb.tensor(numbers).allclose(want.h.reshape(-1), { atol: 1e-5 })).toBe(true);
    });
  }
  expect(rounds.size).toBeGreaterThan(1); // some left the loop early
});
test('damaged weights are an error, not a crash', () => {
  const weights = join(moved, 'dist', 'policy.safetensors');
  const good = readFileSync(weights);
  for (const bad of [
    good.subarray(0, good.length - 8),
    Buffer.from(good.toString('latin1').replace('"F32"', '"F64"'), 'latin1'),
  ]) {
    writeFileSync(weights, bad);
    const done = spawnSync(program(), ['2'], { input: bytes(fb.rand(3, 4)), env: bare, encoding: 'utf8' });
    expect([done.status, done.stderr.length > 10]).toEqual([1, true]);
  }
  writeFileSync(weights, good);
});

/** Runs JavaScript in a Node of its own, beside the addon only. @returns what it prints, parsed */
function inNode(code: string, addon: string): unknown {
  const text = execFileSync(process.execPath, ['-e', `const m = require(${JSON.stringify(addon)}); ${code}`], {
    env: bare,
    encoding: 'utf8',
  });
  return JSON.parse(text);
}
const addon = (): string => join(moved, 'dist', 'policy.node');
test('from Node: run and runAsync, several at once', () => {
  const calls = examples().flatMap((x) => [0, 2, 5].map((n) => ({ x, n })));
  const given = calls.map(({ x, n }) => ({ data: [...(x.toTypedArray() as Float32Array)], shape: x.shape, n }));
  const got = inNode(
    `const calls = ${JSON.stringify(given)};
    const inputs = ({ data, shape, n }) => [{ data: Float32Array.from(data), shape }, { data: BigInt64Array.of(BigInt(n)), shape: [] }];
    const plain = (r) => [[...r[0].data], r[0].shape, Number(r[1].data[0]), r[1].shape];
    Promise.all(calls.map((c) => m.runAsync(inputs(c)))).then((all) =>
      console.log(JSON.stringify([calls.map((c) => plain(m.run(inputs(c)))), all.map(plain)])));`,
    addon(),
  ) as [number[], number[], number, number[]][][];
  for (const results of got)
    results.forEach(([data, shape, rounds, scalar], i) => {
      const want = run(calls[i]!.x, calls[i]!.n);
      expect([shape, rounds, scalar]).toEqual([want.h.shape, want.rounds, []]);
      expect(fb.tensor(data).allclose(want.h.reshape(-1), { atol: 1e-5 })).toBe(true);
    });
});
test('bad calls are errors that name what is wrong', () => {
  const got = inNode(
    `const x = (n) => ({ data: new Float32Array(n * 4).fill(0.5), shape: [n, 4] });
    const attempt = (a) => { try { return m.run(a).length; } catch (e) { return e.message; } };
    const two = { data: BigInt64Array.of(2n), shape: [] };
    console.log(JSON.stringify([attempt([x(2)]), attempt([x(2), x(2)]), attempt([{ ...x(2), shape: [1, 8] }, two]),
      attempt([x(2), { ...two, shape: [1] }]), attempt([x(2), two])]))`,
    addon(),
  ) as unknown[];
  expect(got[0]).toMatch(/expected 2 tensors, got 1/);
  expect(got[1]).toMatch(/input 1: expected dtype int64, got float32/);
  expect(got[2]).toMatch(/shape \[.*\], got \[1, 8\]/);
  expect(got[3]).toMatch(/input 1: expected shape \[\], got \[1\]/);
  expect(got[4]).toBe(2);
});

test('symbols in a body that no tensor of its own shows, weights inside the library, a loop in a branch in a loop', () => {
  const f = fb.jit.script((x: Tensor, n: number) => {
    let total = fb.zeros(1, 3);
    for (let i = 0; i < n; i++) {
      // The ones have the batch's size, which this body otherwise knows of by nothing.
      if (total.sum().item() < 20) {
        let k = fb.onesLike(x);
        while (k.mean().item() < i) k = k.add(1);
        total = total.add(k.sum(0, { keepdim: true }));
      } else total = total.mul(0.5);
    }
    return [total, x];
  });
  fb.noGrad(() => void f(fb.rand(2, 3), 2));
  f.save(join(folder, 'ones.fbg'), { dynamic: [{ 0: 'batch' }] });
  const out = join(folder, 'ones');
  buildDeployment(join(folder, 'ones.fbg'), { out, embed: true, march: 'x86-64', name: 'ones' });
  for (const batch of [2, 1, 4])
    for (const n of [0, 1, 4, 9]) {
      const x = fb.rand(batch, 3);
      const got = inNode(
        `const r = m.run([{ data: Float32Array.from(${JSON.stringify([...(x.toTypedArray() as Float32Array)])}), shape: [${batch}, 3] },
          { data: BigInt64Array.of(${n}n), shape: [] }]); console.log(JSON.stringify(r.map((t) => [...t.data])))`,
        join(out, 'dist', 'ones.node'),
      ) as number[][];
      const [total, same] = fb.noGrad(() => f(x, n)) as [Tensor, Tensor];
      expect(fb.tensor(got[0]!).allclose(total.reshape(-1))).toBe(true);
      expect(fb.tensor(got[1]!).allclose(same.reshape(-1))).toBe(true);
    }
}, 120_000);
