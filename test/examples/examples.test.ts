// Every program of examples/ runs as it is written, with small settings.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'fb-examples-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

function run(name: string, ...args: string[]): string {
  return execFileSync(process.execPath, ['--import', 'tsx', join('examples', name), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'examples/tsconfig.json') },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 110_000,
  });
}

describe('examples', () => {
  test('tensors', () => {
    const text = run('tensors.ts');
    expect(text).toContain('[ 3, 2 ] float32 cpu [ 2, 1 ] 6');
    expect(text).toContain('tensor([[0.5000, 0.2793],\n        [0.4031, 0.7347],\n        [0.0293, 0.7999]])');
    expect(text).toContain('tensor([1, 2])');
  });
  test('kernel', () => {
    const text = run('kernel.ts');
    expect(text).toContain('tensor([-0.1824,  0.0000,  0.8176,  1.9051]');
    expect(text).toContain('tensor([-0.0413,  0.5000,  1.0413,  1.0881])');
    expect(text).toContain('one kernel: true');
  });
  test('reduction', () => {
    const text = run('reduction.ts');
    expect(text).toContain('rms: tensor([2.8868, 1.7321]');
    expect(text).toContain('gradient: tensor([[0.3464, 0.4619, 0.0000],\n        [0.1925, 0.3849, 0.3849]])');
    expect(text).toContain('log-sum-exp: tensor([[4.3266],\n        [2.8620]])');
    expect(text).toContain('kernels: 1');
  });
  test('script', () => {
    const text = run('script.ts', join(out, 'policy.onnx'));
    expect(text).toContain('as written, in the graph and compiled: equal');
    expect(text).toContain('nodes of control flow: loop( if(');
    expect(text).toContain('from ONNX, five rounds: equal');
  });
  test('autograd', () => {
    const text = run('autograd.ts');
    expect(text.split('\n').slice(0, 6)).toEqual([
      'MulBackward0',
      'tensor([2.0000, 0.2000, 0.0200])',
      'grad can be implicitly created only for scalar outputs',
      'derivative 1: 12',
      'derivative 2: 12',
      'derivative 3: 6',
    ]);
    expect(text).toContain('tensor([1.0000, 2.7183])');
  });
  test('four optimizers', () => {
    const text = run('four-optimizers.ts', '1', join(out, 'losses.svg'));
    expect(text.match(/first (\d\.\d+)/g)!.length).toBe(4);
    expect(readFileSync(join(out, 'losses.svg'), 'utf8')).toContain('RMSprop');
  });
  test('lenet', () => {
    const text = run('lenet.ts');
    expect(text).toContain('(conv1): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))');
    // PyTorch's losses for seed 0.
    expect(text).toContain('step 0: loss 28.1692');
    expect(text).toContain('step 19: loss 11.26');
  });
  test('data', () => {
    const text = run('data.ts');
    expect(text.match(/Epoch: \d \| Step: \d/g)!.length).toBe(6);
    expect(text).toContain('[ 2, 2 ] [ 0, 1 ]');
    expect(text).toContain('RandomHorizontalFlip(p=0.5)');
    expect(text).toContain('[ 4, 3, 32, 32 ] [ 4 ]');
  });
  test('saving and loading', () => {
    const text = run('save-load.ts', out);
    expect(text.match(/gives the same outputs: true/g)!.length).toBe(2);
    expect(text).toContain('array.npy: [ 3, 4 ]');
    expect(text).toContain("arrays.npz: [ 'x', 'y' ]");
  });
  test('transfer learning', () => {
    const text = run('transfer.ts', '', '2');
    expect(text).toContain('Trainable params: 1,026');
    expect(text).toMatch(/step 2: loss \d/);
    expect(text).toContain('features: [ 1, 256, 4, 4 ]');
  });
  test('legacy', () => {
    const text = run('legacy.ts');
    expect(text).toContain('xor: [ 0, 1, 1, 0 ]');
    expect(text).toContain('before L-BFGS: true');
  });
  test('seeing', () => {
    expect(run('seeing.ts', out)).toContain('Total params: 61,706');
    for (const file of ['scatter.svg', 'hist.svg', 'heatmap.svg', 'loss.png', 'grid.png'])
      expect(readFileSync(join(out, file)).length, file).toBeGreaterThan(500);
  });
  test('mnist: trains, traces, exports, compares with onnxruntime, plots', () => {
    const text = run('mnist.ts', '--epochs', '1', '--train', '3200', '--out', out);
    expect(Number(/test accuracy: ([\d.]+) %/.exec(text)![1])).toBeGreaterThan(70);
    expect(text).toMatch(/convolution\(%0, %conv1\.weight/);
    expect(text).toMatch(/static void kernel0/);
    for (const difference of text.matchAll(/largest difference (\S+)/g))
      expect(Number(difference[1])).toBeLessThan(1e-4);
    expect(readFileSync(join(out, 'loss.svg'), 'utf8')).toContain('<path');
    expect(readFileSync(join(out, 'lenet.onnx')).length).toBeGreaterThan(100_000);
  });
});
