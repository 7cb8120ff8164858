// Pooling, padding and sampling of images exported alone and run in onnxruntime.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { exportModel } from '../../src/onnx/export.js';
import { run } from './graphs.js';

const F = fb.nn.functional;
const numbers = (t: Tensor): number[] => Array.from(t.contiguous().toTypedArray() as ArrayLike<number>, Number);

const CASES: Readonly<Record<string, [(x: Tensor) => Tensor, number[]]>> = {
  conv3d: [(x) => F.conv3d(x, fb.ones(2, 2, 2, 2, 2)), [1, 2, 3, 4, 4]],
  convTranspose1d: [(x) => F.convTranspose1d(x, fb.ones(2, 3, 3), null, 2, 1, 1), [1, 2, 5]],
  maxPool1d: [(x) => F.maxPool1d(x, 2), [1, 2, 6]],
  maxPool3d: [(x) => F.maxPool3d(x, 2, 1), [1, 2, 3, 4, 4]],
  avgPool3d: [(x) => F.avgPool3d(x, 2, { padding: 1, countIncludePad: false }), [1, 2, 4, 4, 4]],
  adaptiveAvgPool1d: [(x) => F.adaptiveAvgPool1d(x, 3), [1, 2, 6]],
  'constant pad': [(x) => F.pad(x, [1, -1, 0, 2], 'constant', 3), [1, 2, 3, 4]],
  'reflect pad': [(x) => F.pad(x, [1, 2], 'reflect'), [1, 2, 4]],
  nearest: [(x) => F.interpolate(x, { scaleFactor: 2 }), [1, 2, 3, 4]],
  bilinear: [(x) => F.interpolate(x, { size: [5, 7], mode: 'bilinear' }), [1, 2, 3, 4]],
  'bicubic, aligned': [(x) => F.interpolate(x, { size: [5, 7], mode: 'bicubic', alignCorners: true }), [1, 2, 4, 4]],
  pixelShuffle: [(x) => F.pixelShuffle(x, 2), [1, 8, 3, 2]],
  attention: [(x) => F.scaledDotProductAttention(x, x, x), [2, 3, 4]],
};

test.each(Object.entries(CASES))('%s', async (_, [f, shape]) => {
  fb.manualSeed(1);
  const input = fb.rand(shape);
  const want = fb.noGrad(() => f(input));
  const bytes = exportModel(f, [input], null);
  const got = (await run(bytes, { input: { dims: shape, data: numbers(input), dtype: 'float32' } })).output!;
  expect(got.dims).toEqual([...want.shape]);
  numbers(want).forEach((w, i) => expect(Math.abs(got.data[i]! - w), `element ${i}`).toBeLessThanOrEqual(1e-4));
});
