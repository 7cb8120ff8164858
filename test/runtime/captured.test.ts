// What a program holds of the tensors around it: memory that they give up is noticed.
import { expect, test } from 'vitest';
import { noGrad } from '../../src/autograd/modes.js';
import * as nn from '../../src/nn/index.js';
import { compile } from '../../src/runtime/compile.js';
import { randn, zeros } from '../../src/tensor/create.js';
import type { Tensor } from '../../src/tensor/tensor.js';

test('a captured tensor whose data is assigned is read from its new memory', async () => {
  const w = new nn.Parameter(randn([4]));
  const net = new nn.Linear(4, 2);
  const x = randn([3, 4]);
  const f = compile((t: Tensor) => net.forward(t.mul(w)) as Tensor);
  const run = (): Tensor => noGrad(() => f(x));
  const want = (): Tensor => noGrad(() => net.forward(x.mul(w)) as Tensor);
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 6 && !(run(), await f.ready()); i++);
    const before = f.explain().calls.compiled;
    expect(run().allclose(want())).toBe(true);
    expect(f.explain().calls.compiled, String(f.explain())).toBe(before + 1);
  };
  await settle();
  for (const t of [w, net.weight!]) {
    t.data = randn(t.shape);
    expect(run().allclose(want())).toBe(true);
    await settle();
  }
  // That of other tensors changes nothing.
  const before = f.explain().calls.compiled;
  zeros([4]).data = randn([4]);
  expect(run().allclose(want())).toBe(true);
  expect(f.explain().calls.compiled).toBe(before + 1);
});
