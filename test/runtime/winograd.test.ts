// Compiled convolutions of 3x3 windows by Winograd's algorithm: close to eager ones, which are computed directly.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const F = fb.nn.functional;
fb.manualSeed(5);
const x = fb.randn(2, 64, 30, 33);
const [w, bias] = [fb.randn(64, 64, 3, 3), fb.randn(64)];
const most = (t: Tensor): number => t.abs().max().item() as number;

async function compiled(f: (x: Tensor) => Tensor): Promise<Tensor> {
  const program = fb.compile(f);
  fb.noGrad(() => program(x));
  while (!(await program.ready())) fb.noGrad(() => program(x));
  return fb.noGrad(() => program(x));
}

describe('compiled as eager', () => {
  test.each<readonly [string, (x: Tensor) => Tensor]>([
    ['with a border', (y) => F.conv2d(y, w, bias, { padding: 1 })],
    ['without one', (y) => F.conv2d(y, w, null)],
    ['a border of one row', (y) => F.conv2d(y, w, bias, { padding: [1, 0] })],
    ['then a relu', (y) => F.relu(F.conv2d(y, w, bias, { padding: 1 }))],
    ['transposed', (y) => F.convTranspose2d(y, w, bias)],
    ['transposed with a border', (y) => F.convTranspose2d(y, w, bias, { padding: 1 })],
  ])('%s', async (_, f) => {
    const [got, expected] = [await compiled(f), fb.noGrad(() => f(x))];
    expect(got.shape).toEqual(expected.shape);
    expect(most(got.sub(expected))).toBeLessThan(1e-5 * most(expected));
  });
});

test('FLAMBEAU_NO_WINOGRAD computes directly: the bits of eager code', () => {
  const script = `
    import * as fb from './src/index.js';
    fb.manualSeed(5);
    const [x, w] = [fb.randn(2, 64, 30, 33), fb.randn(64, 64, 3, 3)];
    const f = (y) => fb.nn.functional.conv2d(y, w, null, { padding: 1 });
    const program = fb.compile(f);
    fb.noGrad(() => program(x));
    while (!(await program.ready())) fb.noGrad(() => program(x));
    process.stdout.write(String(fb.equal(fb.noGrad(() => program(x)), fb.noGrad(() => f(x)))));
  `;
  const out = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, FLAMBEAU_NO_WINOGRAD: '1' },
  });
  expect(out).toBe('true');
});
