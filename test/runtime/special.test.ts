// Compiled programs carry special functions' code themselves, read nothing of empty tensors, and keep infinite attributes.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

async function compiled(f: (...x: Tensor[]) => Tensor, ...inputs: Tensor[]): Promise<Tensor> {
  const program = fb.compile(f);
  program(...inputs);
  program(...inputs);
  expect(await program.ready(), program.explain().reasons.join('; ')).toBe(true);
  return program(...inputs);
}

test('a special function without elements', async () => {
  const x = fb.zeros(1, 0, 3);
  expect((await compiled((t) => fb.special.erfcx(t), x)).shape).toEqual([1, 0, 3]);
});

test('sections of the prelude that need another', async () => {
  const x = fb.tensor([0.5, 3, 30]);
  const f = (t: Tensor): Tensor => fb.special.zeta(t.add(1.5), 2).add(fb.special.i1(t)).add(fb.frexp(t)[0]);
  expect((await compiled(f, x)).allclose(f(x))).toBe(true);
  const n = fb.tensor([12, -18, 7], { dtype: 'int64' });
  const g = (t: Tensor): Tensor => fb.gcd(t, t.add(6));
  expect((await compiled(g, n)).tolist()).toEqual(g(n).tolist());
});

test('an infinite number in a step that is no kernel', async () => {
  const x = fb.tensor([
    [0, 1],
    [3, 5],
  ]);
  expect((await compiled((t) => fb.cdist(t, t, Infinity), x)).tolist()).toEqual([
    [0, 4],
    [4, 0],
  ]);
});
