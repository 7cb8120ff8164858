// Integers in compiled code: narrow ones wrap where they would in memory, whatever they meet in a kernel.
import { expect, test } from 'vitest';
import { compile, tensor, type CompiledFunction, type Tensor } from '../../src/index.js';

const numbers = (t: Tensor): number[] => Array.from(t.detach().reshape([-1]).toArray() as ArrayLike<number>);
/** Calls until a program serves. */
async function warm<A extends readonly unknown[], R>(f: CompiledFunction<A, R>, ...args: A): Promise<void> {
  for (let i = 0; i < 6; i++) {
    f(...args);
    if (await f.ready()) return;
  }
  throw new Error(String(f.explain()));
}

test('numbers beside narrow integers wrap as elements of their dtype do', async () => {
  for (const dtype of ['uint8', 'int8', 'int16'] as const) {
    const f = compile((x: Tensor) => [x.eq(-1), x.floorDivide(300), x.lt(70000), x.add(-1).sum()]);
    const x = tensor([0, 44, 100, -1], { dtype: 'int64' }).to(dtype);
    const want = [x.eq(-1), x.floorDivide(300), x.lt(70000), x.add(-1).sum()].map(numbers);
    for (let i = 0; i < 3; i++) {
      f(x);
      await f.ready();
    }
    expect((f(x) as Tensor[]).map(numbers)).toEqual(want);
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
  }
});

test('integers that are converted and used in one kernel wrap as they do in memory', async () => {
  const DTYPES = ['int8', 'uint8', 'int16', 'int32', 'int64', 'bool'] as const;
  for (const from of DTYPES) {
    const fn = (x: Tensor): Tensor[] =>
      (['int8', 'uint8', 'int16'] as const).flatMap((to) => [x.to(to), x.to(to).to('float32').mul(2), x.to(to).to('int64').add(1)]); // prettier-ignore
    const f = compile(fn);
    const x = tensor([1, -3, 200, -9, 127, 128, 255, 256, -128, -129], { dtype: 'int64' }).to(from);
    await warm(f, x);
    expect((f(x) as Tensor[]).map(numbers), from).toEqual(fn(x).map(numbers));
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
  }
});

test('a wide number in a tensor of no dimensions wraps beside narrow elements', async () => {
  for (const dtype of ['uint8', 'int8', 'int16'] as const) {
    const fn = (x: Tensor, k: Tensor): Tensor[] => [x.maximum(k), x.lt(k), x.add(k), x.mul(2).minimum(k).to('int32')];
    const f = compile(fn);
    const x = tensor([0, 44, 100, 127], { dtype });
    for (const k of [-1, 200, 70000, -129]) await warm(f, x, tensor(k, { dtype: 'int64' }));
    const k = tensor(-5, { dtype: 'int64' });
    expect((f(x, k) as Tensor[]).map(numbers), dtype).toEqual(fn(x, k).map(numbers));
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
  }
});

test('a narrow tensor written in place by a wider one keeps its dtype', async () => {
  for (const backend of ['interpret', 'cpp']) {
    const fn = (x: Tensor): Tensor[] => {
      const [narrow, wide] = [x.to('int8'), x.mul(100).to('int32')];
      narrow.sub_(wide);
      const short = x.to('int32');
      short.floorDivide_(
        wide
          .abs()
          .to('int64')
          .add(2 ** 32),
      );
      return [narrow, narrow.to('float32').mul(2), short];
    };
    const f = compile(fn, { backend });
    const x = tensor([1, 2, 3, -2.5]);
    await warm(f, x);
    const [got, want] = [f(x) as Tensor[], fn(x)];
    expect(got.map((t) => t.dtype)).toEqual(['int8', 'float32', 'int32']);
    expect(got.map(numbers)).toEqual(want.map(numbers));
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
  }
});
