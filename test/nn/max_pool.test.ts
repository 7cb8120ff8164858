// Max pooling against windows walked one by one: the vector kernel takes rows of evenly spaced windows, the rest goes element by element.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';

interface Spec {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}
/** One plane: values and flat positions, the first of equal values wins, the last NaN wins. */
function reference(x: readonly number[], s: Spec): { values: number[]; indices: number[] } {
  const out = s.size.map((n, d) =>
    Math.floor((n + 2 * s.padding[d]! - s.dilation[d]! * (s.kernel[d]! - 1) - 1) / s.stride[d]! + 1),
  );
  const places = (extents: readonly number[]): number[][] =>
    extents.reduce<number[][]>((list, n) => list.flatMap((p) => Array.from({ length: n }, (_, i) => [...p, i])), [[]]);
  const values: number[] = [];
  const indices: number[] = [];
  for (const o of places(out)) {
    let [best, at] = [-Infinity, -1];
    for (const k of places(s.kernel)) {
      const p = o.map((i, d) => i * s.stride[d]! - s.padding[d]! + k[d]! * s.dilation[d]!);
      if (p.some((i, d) => i < 0 || i >= s.size[d]!)) continue;
      const flat = p.reduce((f, i, d) => f * s.size[d]! + i, 0);
      const v = x[flat]!;
      if (at < 0 || v > best || Number.isNaN(v)) [best, at] = [v, flat];
    }
    values.push(best);
    indices.push(at);
  }
  return { values, indices };
}

const specs: readonly Spec[] = [
  { size: [9, 70], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] },
  { size: [9, 71], kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1] },
  { size: [8, 64], kernel: [2, 2], stride: [2, 2], padding: [1, 1], dilation: [1, 1] },
  { size: [8, 97], kernel: [4, 4], stride: [4, 4], padding: [0, 0], dilation: [1, 1] },
  { size: [9, 80], kernel: [2, 3], stride: [2, 1], padding: [0, 1], dilation: [2, 3] },
  { size: [4, 6, 66], kernel: [2, 2, 2], stride: [2, 2, 2], padding: [0, 0, 0], dilation: [1, 1, 1] },
  { size: [5, 5, 40], kernel: [3, 2, 3], stride: [1, 2, 2], padding: [1, 0, 1], dilation: [1, 1, 1] },
  { size: [3, 3], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] },
];
test.each(specs)('$size kernel $kernel stride $stride padding $padding dilation $dilation', (s) => {
  fb.manualSeed(5);
  const count = s.size.reduce((a, b) => a * b, 1);
  // Few different values: many ties; a NaN and infinities among them.
  const x = Array.from(fb.randint(-3, 4, [count]).toTypedArray() as ArrayLike<number | bigint>, Number);
  [x[3], x[count >> 1], x[count - 2]] = [-Infinity, NaN, Infinity];
  const input = fb.tensor(x, { dtype: 'float32' }).reshape([1, 1, ...s.size]);
  const { stride, padding, dilation } = s;
  const pool = fb.nn.functional[s.size.length === 3 ? 'maxPool3dWithIndices' : 'maxPool2dWithIndices'];
  const [y, at] = pool(input, s.kernel as never, { stride, padding, dilation } as never);
  const want = reference(x, s);
  expect(Array.from(y.reshape(-1).toTypedArray() as ArrayLike<number>)).toEqual(want.values);
  expect(Array.from(at.reshape(-1).toTypedArray() as ArrayLike<number | bigint>, Number)).toEqual(want.indices);
});
