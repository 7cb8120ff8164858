// A deployed model: built once, moved elsewhere, run from C++ and from Node without this package, a compiler or a PATH.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { loadOps } from '../../codegen/load.js';
import { buildDeployment } from '../../src/deploy/build.js';
import { factorsMatrices } from '../../src/deploy/libraries.js';
import { cString, identifier } from '../../src/deploy/names.js';
import { LeNet } from '../../bench/models.js';

const example = (name: string): string => fileURLToPath(new URL(`../../examples/deploy/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'flambeau-deploy-'));
const moved = join(folder, 'elsewhere', 'lenet');
const bare = { PATH: '/nonexistent', HOME: folder };
let net: LeNet;
let images: Tensor;
let classes: string;

beforeAll(() => {
  fb.manualSeed(3);
  net = new LeNet();
  net.eval();
  fb.jit.trace(net, [fb.rand(4, 1, 28, 28)]).save(join(folder, 'lenet.fbg'));
  const done = buildDeployment(join(folder, 'lenet.fbg'), { out: join(folder, 'lenet'), name: 'lenet' });
  expect(done.built).toEqual(['liblenet.so', 'liblenet_static.a', 'lenet.node']);
  cpSync(join(folder, 'lenet'), moved, { recursive: true });
  rmSync(join(folder, 'lenet'), { recursive: true });
  images = fb.rand(6, 1, 28, 28);
  classes = (
    fb
      .noGrad(() => net(images))
      .argmax(1)
      .tolist() as number[]
  )
    .map((c) => `${c}\n`)
    .join('');
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const input = (): Buffer => Buffer.from((images.toTypedArray() as Float32Array).slice().buffer);

/** Runs JavaScript in a Node of its own, beside the addon only. @returns what it prints, parsed */
function inNode(code: string, addon = join(moved, 'dist', 'lenet.node')): unknown {
  const text = execFileSync(process.execPath, ['-e', `const m = require(${JSON.stringify(addon)}); ${code}`], {
    env: bare,
    encoding: 'utf8',
  });
  return JSON.parse(text);
}
const ATTEMPT = `const x = (n) => new Float32Array(n).fill(0.5);
  const attempt = (a) => { try { return m.run(a).length; } catch (e) { return e.message; } };`;

describe('from C++', () => {
  test('the example program, relocated', () => {
    const program = join(moved, 'dist', 'classify');
    execFileSync('g++', [
      '-std=c++20',
      `-I${join(moved, 'include')}`,
      example('classify.cc'),
      `-L${join(moved, 'dist')}`,
      '-llenet',
      '-Wl,--allow-shlib-undefined',
      '-Wl,-rpath,$ORIGIN',
      '-o',
      program,
    ]);
    expect(execFileSync(program, { input: input(), env: bare, encoding: 'utf8' })).toBe(classes);
  });
  test('damaged weights are an error, not a crash', () => {
    const weights = join(moved, 'dist', 'lenet.safetensors');
    const good = readFileSync(weights);
    const program = join(moved, 'dist', 'classify');
    for (const bad of [
      Buffer.alloc(0),
      good.subarray(0, 5),
      good.subarray(0, good.length - 8),
      Buffer.concat([Buffer.alloc(8, 0xff), good.subarray(8)]),
      Buffer.from(good.toString('latin1').replace('"F32"', '"F64"'), 'latin1'),
    ]) {
      writeFileSync(weights, bad);
      const done = spawnSync(program, { input: input(), env: bare, encoding: 'utf8' });
      expect([done.status, done.stderr.length > 10]).toEqual([1, true]);
    }
    writeFileSync(weights, good);
  });
});

describe('from Node', () => {
  test('the example program', () => {
    const text = execFileSync(process.execPath, [example('classify.cjs'), join(moved, 'dist', 'lenet.node')], {
      input: input(),
      env: bare,
      encoding: 'utf8',
    });
    expect(text).toBe(classes);
  });
  test('results equal the module’s, at the traced size, at one, at others', () => {
    for (const n of [4, 1, 6]) {
      const x = images.narrow(0, 0, Math.min(n, 6)).contiguous();
      const numbers = Array.from(x.toTypedArray() as Float32Array);
      const got =
        inNode(`const [y] = m.run([{ data: Float32Array.from(${JSON.stringify(numbers)}), shape: ${JSON.stringify(x.shape)} }]);
        console.log(JSON.stringify({ ...y, data: [...y.data] }))`) as {
          data: number[];
          shape: number[];
          dtype: string;
        };
      const want = fb.noGrad(() => net(x));
      expect([got.shape, got.dtype]).toEqual([want.shape, 'float32']);
      expect(fb.tensor(got.data).allclose(want.reshape(-1), { atol: 1e-5 })).toBe(true);
    }
  });
  test('runAsync: several at once, the loop goes on', () => {
    const out = inNode(`let ticks = 0; const t = setInterval(() => ticks++, 0);
      const x = new Float32Array(64 * 784).fill(0.25);
      const calls = Array.from({ length: 6 }, () => m.runAsync([{ data: x, shape: [64, 1, 28, 28] }]));
      x.fill(NaN); // the calls have copies
      Promise.all(calls).then((all) => { clearInterval(t); console.log(JSON.stringify([all.length, all.every((r) => r[0].data.every((v, i) => v === all[0][0].data[i]))])); });`);
    expect(out).toEqual([6, true]);
  });
  test('bad calls are errors that name what is wrong', () => {
    const got = inNode(`${ATTEMPT} console.log(JSON.stringify([
      attempt([]), attempt([{ data: x(784), shape: [1, 1, 28, 27] }]), attempt([{ data: x(784), shape: [2, 1, 28, 28] }]),
      attempt([{ data: new Float64Array(784), shape: [1, 1, 28, 28] }]), attempt([{ data: x(784), shape: [-1, 1, 28, 28] }]),
      attempt([{ data: [1], shape: [1] }]), attempt([{ data: x(1), shape: new Array(40).fill(1) }]), attempt(7)]))`) as string[];
    const expected = [
      /1 tensors, got 0/,
      /shape \[.*\], got \[1, 1, 28, 27\]/,
      /6272 bytes, its memory has 3136/,
      /dtype float32, got float64/,
      /extent of -1/,
      /no typed array/,
      /too many dimensions/,
      /expected an array/,
    ];
    expected.forEach((pattern, i) => expect(got[i]).toMatch(pattern));
  });
});

test('weights inside the library', () => {
  const lin = new nn.Linear(3, 2);
  fb.jit.trace(lin, [fb.rand(5, 3)]).save(join(folder, 'lin.fbg'));
  buildDeployment(join(folder, 'lin.fbg'), { out: join(folder, 'lin'), embed: true, march: 'x86-64' });
  const got = inNode(
    `console.log(JSON.stringify([...m.run([{ data: Float32Array.of(1, 2, 3), shape: [1, 3] }])[0].data]))`,
    join(folder, 'lin', 'dist', 'linear.node'),
  ) as number[];
  expect(fb.tensor(got).allclose(lin(fb.tensor([1, 2, 3])))).toBe(true);
}, 60_000);

test('LAPACK is there where a step factors matrices, and only there', () => {
  const solve = (a: Tensor): Tensor => fb.linalg.solve(a, a.add(1));
  fb.jit.trace(solve as never, [fb.eye(3)]).save(join(folder, 'solve.fbg'));
  buildDeployment(join(folder, 'solve.fbg'), { out: join(folder, 'solve'), name: 'solve', march: 'x86-64' });
  const libraries = (dir: string): string[] => readdirSync(join(dir, 'dist')).filter((f) => /lapack|blas/.test(f));
  expect(libraries(moved)).toEqual([]);
  expect(libraries(join(folder, 'solve'))).toEqual(['libblas.so.3', 'libflambeau_lapack.so', 'liblapack.so.3']);
  const matrix = [2, 0, 0, 0, 4, 0, 0, 0, 8];
  const got = inNode(
    `console.log(JSON.stringify([...m.run([{ data: Float32Array.of(${matrix.join()}), shape: [3, 3] }])[0].data]))`,
    join(folder, 'solve', 'dist', 'solve.node'),
  ) as number[];
  expect(
    fb
      .tensor(got)
      .reshape(3, 3)
      .allclose(solve(fb.tensor(matrix).reshape(3, 3))),
  ).toBe(true);
}, 60_000);
test('every op of the linear-algebra families counts as one that factors', async () => {
  const ops = (await loadOps()).filter((o) => /^linalg_(?!norm)/.test(o.family));
  expect(ops.length).toBeGreaterThan(40);
  expect(ops.map((o) => o.name).filter((name) => !factorsMatrices(name))).toEqual([]);
  expect(['linear', 'convolution', 'bmm', 'maxPoolNd', 'sort', 'embedding'].filter(factorsMatrices)).toEqual([]);
});

test('names from files are data', () => {
  expect(['LeNet', 'my model-2', 'int', '9', '', 'a"; } system("x'].map(identifier)).toEqual([
    'lenet',
    'my_model_2',
    'model_int',
    'model_9',
    'model',
    'a_system_x',
  ]);
  expect(cString('a"b\\c\n??/é')).toBe('"a\\"b\\\\c\\012\\?\\?/\\303\\251"');
});
