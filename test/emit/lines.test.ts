// Running values along contiguous lines, and rows that are stored side by side but read apart: blocks of lines are turned on the way in and out.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

async function compiled(f: (x: Tensor) => Tensor, x: Tensor): Promise<Tensor> {
  const call = fb.compile(f);
  for (let i = 0; i < 4; i++) {
    fb.noGrad(() => call(x));
    if (await call.ready()) break;
  }
  expect(call.explain().reasons).toEqual([]);
  return fb.noGrad(() => call(x));
}

const CASES: Readonly<Record<string, (t: Tensor) => Tensor>> = {
  sum: (t) => t.cumsum(-1),
  'sum of what is computed, and more after it': (t) => t.mul(2).cumsum(-1).clamp(-3, 3),
  product: (t) => t.mul(0.01).add(1).cumprod(-1),
  'from the end': (t) => t.flip(-1).cumsum(-1).flip(-1),
  'without its own element': (t) => fb.cat([fb.zerosLike(t.narrow(-1, 0, 1)), t], -1).narrow(-1, 0, t.size(-1)).cumsum(-1), // prettier-ignore
  'largest so far': (t) => t.cummax(-1)[0],
  'a later pass over the line': (t) => t.cumsum(-1).softmax(-1),
  'lines of a slice': (t) => t.narrow(-1, 3, t.size(-1) - 5).cumsum(-1),
  'layer norm over the first dimension': (t) =>
    fb.nn.functional
      .layerNorm(t.transpose(0, -1), [t.size(0)])
      .add(1)
      .contiguous(),
  'softmax over the first dimension': (t) => t.transpose(0, -1).contiguous().softmax(-1),
  'of integers': (t) => t.mul(8).int().cumsum(-1),
};
// Lines that divide by vectors and not, few and many, and lines that lie a power of two apart.
const SHAPES = [[40, 50], [64, 128], [3, 37, 129], [9, 17], [130, 1024]] as const; // prettier-ignore

test.each(Object.keys(CASES).flatMap((name) => SHAPES.map((shape) => ({ name, shape }))))(
  '$name, $shape',
  async ({ name, shape }) => {
    fb.manualSeed(11);
    const x = fb.randn([...shape]);
    const f = CASES[name]!;
    const expected = f(x);
    const before = fb.getNumThreads();
    for (const threads of [1, 2]) {
      fb.setNumThreads(threads);
      try {
        const got = await compiled(f, x);
        expect(got.dtype).toBe(expected.dtype);
        const off = got.double().sub(expected.double()).abs().max().item() as number;
        expect(off).toBeLessThanOrEqual(1e-6 * (expected.double().abs().max().item() as number));
      } finally {
        fb.setNumThreads(before);
      }
    }
  },
);
