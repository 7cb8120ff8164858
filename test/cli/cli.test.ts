// The command line: what it prints, what it refuses, and that it clears only the cache it is told to.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { type Tensor } from '../../src/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let cache: string;
beforeEach(() => (cache = mkdtempSync(join(tmpdir(), 'flambeau-cli-'))));
afterEach(() => rmSync(cache, { recursive: true, force: true }));

function cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const argv = ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...args];
  return spawnSync(process.execPath, argv, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, FLAMBEAU_CACHE_DIR: cache },
  });
}

test('info names version, processor, instruction set, libraries, threads, compiler and cache', () => {
  const { status, stdout } = cli('info');
  expect(status).toBe(0);
  for (const key of ['flambeau', 'node', 'processor', 'threads', 'compiler', 'cache'])
    expect(stdout).toMatch(new RegExp(`^${key} +\\S`, 'm'));
  expect(stdout).toMatch(/avx512|avx2|baseline/i);
  expect(stdout).toMatch(/oneDNN|generated kernels/i);
  expect(stdout).toContain(cache);
});

test('cache clear empties the cache and says how much it removed', () => {
  const entry = join(cache, 'a'.repeat(40));
  mkdirSync(entry);
  writeFileSync(join(entry, 'entry.json'), '{}');
  writeFileSync(join(entry, 'program.so'), 'x'.repeat(100));
  const { status, stdout } = cli('cache', 'clear');
  expect(status).toBe(0);
  expect(stdout).toContain('removed 1 programs');
  expect(existsSync(entry)).toBe(false);
});

test('unknown commands are errors with the usage', () => {
  const { status, stderr } = cli('fly');
  expect(status).toBe(2);
  expect(stderr).toContain("unknown command 'fly'");
  expect(stderr).toContain('flambeau info');
});

test('without a command the usage; --version the version', () => {
  expect(cli().stdout).toContain('usage:');
  expect(cli('--version').stdout).toMatch(/^\d+\.\d+\.\d+/);
});

test('run: an exported model and a saved graph, given and random inputs', () => {
  fb.manualSeed(2);
  const net = new fb.nn.Linear(3, 2);
  const x = fb.rand(4, 3);
  const [onnx, fbg, input, out] = ['m.onnx', 'm.fbg', 'x.npy', 'y.safetensors'].map((n) => join(cache, n)) as [
    string,
    string,
    string,
    string,
  ];
  fb.onnx.export(net, [x], onnx, { inputNames: ['x'], outputNames: ['y'], dynamicAxes: { x: { 0: 'batch' } } });
  fb.jit.trace(net, [x]).save(fbg);
  fb.save(x, input);
  const want = fb.noGrad(() => net(x));
  expect(cli('run', onnx, '--input', `x=${input}`, '--out', out)).toMatchObject({ status: 0, stderr: '' });
  expect((fb.load(out) as Record<string, Tensor>)['y']!.allclose(want)).toBe(true);
  const random = cli('run', onnx, '--size', 'batch=5');
  expect(random.stdout).toMatch(/^x \(random\): float32\[5, 3\] .*\ny: float32\[5, 2\] .*min .*\ntensor\(/);
  expect(cli('run', fbg, '--input', input).stdout).toContain('float32[4, 2]');
  expect(cli('run', onnx, '--input', `z=${input}`).stderr).toContain("has no input 'z'");
  expect(cli('run', onnx, '--size', 'depth=5').stderr).toContain('batch');
  writeFileSync(onnx, 'nonsense');
  expect(cli('run', onnx)).toMatchObject({ status: 2 });
}, 60_000);

test('bench: the same model op by op, compiled and in onnxruntime', () => {
  fb.manualSeed(2);
  const net = new fb.nn.Sequential(new fb.nn.Linear(8, 16), new fb.nn.GELU(), new fb.nn.Linear(16, 2));
  const [onnx, fbg] = [join(cache, 'm.onnx'), join(cache, 'm.fbg')];
  fb.onnx.export(net, [fb.rand(4, 8)], onnx, { inputNames: ['x'], dynamicAxes: { x: { 0: 'batch' } } });
  fb.jit.trace(net, [fb.rand(4, 8)]).save(fbg);
  const rows = (...args: string[]): { side: string; us: number; fastest: number; error: number }[] =>
    JSON.parse(cli('bench', ...args, '--time', '0.01', '--threads', '1', '--json').stdout).rows;
  expect(rows(onnx, '--size', 'batch=3').map((r) => r.side)).toEqual(['op by op', 'compiled', 'onnxruntime']);
  const saved = rows(fbg);
  expect(saved.map((r) => r.side)).toEqual(['op by op', 'compiled']);
  for (const r of saved) {
    expect(r.fastest).toBeGreaterThan(0);
    expect(r.us).toBeGreaterThanOrEqual(r.fastest);
    expect(r.error).toBeLessThan(1e-5);
  }
  expect(cli('bench', onnx, '--size', 'depth=3').stderr).toContain("no size is called 'depth'");
  expect(cli('bench', onnx, '--threads', '0').stderr).toContain('--threads expects a positive whole number');
}, 60_000);

test('view: one page without the network, for both kinds of model', () => {
  const net = new fb.nn.Sequential(new fb.nn.Linear(3, 2), new fb.nn.ReLU());
  const [onnx, fbg, page] = ['m.onnx', 'm.fbg', 'page.html'].map((n) => join(cache, n)) as [string, string, string];
  fb.onnx.export(net, [fb.rand(4, 3)], onnx);
  fb.jit.trace(net, [fb.rand(4, 3)]).save(fbg);
  for (const [model, op] of [
    [onnx, 'Gemm'],
    [fbg, 'linear'],
  ] as const) {
    expect(cli('view', model, '--out', page).status).toBe(0);
    const html = readFileSync(page, 'utf8');
    expect(html).toMatch(/^<!doctype html>/i);
    expect(html).toContain(op);
    expect(html).not.toMatch(/(?:src|href)="https?:/);
  }
  expect(cli('view', join(cache, 'none.onnx')).stderr).toContain('no such file');
}, 60_000);
