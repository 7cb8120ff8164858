// The backend without a compiler runs what the compiled one runs: random ops, numbers that were floats in C++, positions that are computed.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

async function ready(backend: string, f: (x: Tensor) => Tensor, x: Tensor): Promise<(x: Tensor) => Tensor> {
  const program = fb.compile(f, { backend, fullgraph: true });
  for (let calls = 0; calls < 4; calls++) {
    program(x);
    if (await program.ready()) break;
  }
  expect(program.explain().reasons).toEqual([]);
  return program;
}

test('random ops draw from the default generator', async () => {
  const x = fb.zeros(40);
  const program = await ready('interpret', (t) => t.clone().uniform_(2, 3), x);
  fb.manualSeed(5);
  const a = program(x);
  fb.manualSeed(5);
  expect(a.tolist()).toEqual(x.clone().uniform_(2, 3).tolist());
});

test('a whole number that was a float stays one', async () => {
  const x = fb.tensor([1, 2, 3], { dtype: 'int32' });
  const program = await ready('interpret', (t) => t.ldexp(t), x);
  expect(program(x).dtype).toBe('float32');
  expect(program(x).tolist()).toEqual([2, 8, 24]);
});

test.each(['cpp', 'interpret'])('a position that a reduction of the same kernel gives (%s)', async (backend) => {
  for (const values of [
    [3, 1],
    [5, NaN, 1, 2],
    [9, 8, 7, 1, 2],
  ]) {
    const x = fb.tensor(values);
    const f = (t: Tensor): Tensor => t.nanquantile(0.5);
    expect((await ready(backend, f, x))(x).item()).toBeCloseTo(f(x).item() as number, 6);
  }
});
