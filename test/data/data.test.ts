// Data sets, samplers and the loader: PyTorch's order, collation, worker threads, errors.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { data, type Tensor } from '../../src/index.js';
import { Count, Squares, total } from './worker_data.js';

const here = new URL('./worker_data.ts', import.meta.url).href;

const ten = (): data.TensorDataset<[Tensor, Tensor]> =>
  new data.TensorDataset(fb.linspace(1, 10, 10), fb.linspace(10, 1, 10));

describe("PyTorch's order", () => {
  test('shuffled epochs after a seed', () => {
    // Printed by PyTorch 1.13 for seed 2.
    fb.manualSeed(2);
    const loader = new data.DataLoader(ten(), { batchSize: 5, shuffle: true });
    const seen: unknown[] = [];
    for (let epoch = 0; epoch < 2; epoch++) for (const [x, y] of loader) seen.push([x.tolist(), y.tolist()]);
    expect(seen).toEqual([
      [
        [7, 3, 1, 8, 9],
        [4, 8, 10, 3, 2],
      ],
      [
        [5, 6, 10, 2, 4],
        [6, 5, 1, 9, 7],
      ],
      [
        [4, 10, 9, 3, 5],
        [7, 1, 2, 8, 6],
      ],
      [
        [1, 2, 6, 8, 7],
        [10, 9, 5, 3, 4],
      ],
    ]);
  });
  test('`for await` and own samples give the same batches', async () => {
    class Plain extends data.Dataset<[Tensor, number]> {
      override get length(): number {
        return 10;
      }
      override get(i: number): [Tensor, number] {
        return [fb.tensor(i + 1), 10 - i];
      }
    }
    fb.manualSeed(2);
    const rows: unknown[] = [];
    for await (const [x, y] of new data.DataLoader(new Plain(), { batchSize: 5, shuffle: true }))
      rows.push([x.tolist(), y.tolist(), y.dtype]);
    expect(rows).toEqual([
      [[7, 3, 1, 8, 9], [4, 8, 10, 3, 2], 'int64'],
      [[5, 6, 10, 2, 4], [6, 5, 1, 9, 7], 'int64'],
    ]);
  });
  test('randomSplit and WeightedRandomSampler', () => {
    const [a, b] = data.randomSplit(ten(), [7, 3], { generator: new fb.Generator().manualSeed(42) });
    expect([a!.indices, b!.indices]).toEqual([
      [2, 6, 1, 8, 4, 5, 0],
      [9, 3, 7],
    ]);
    const s = new data.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3, 0.6], 5, {
      replacement: true,
      generator: new fb.Generator().manualSeed(3),
    });
    expect([...s]).toEqual([1, 3, 4, 1, 4]);
    expect(data.randomSplit(ten(), [0.5, 0.5]).map((d) => d.length)).toEqual([5, 5]);
    expect(() => data.randomSplit(ten(), [5, 4])).toThrow(/Sum of input lengths does not equal/);
  });
});

describe('the loader', () => {
  test('lengths, dropLast, single samples', () => {
    const loader = new data.DataLoader(ten(), { batchSize: 3, dropLast: true });
    expect([loader.length, [...loader].map(([x]) => x.tolist())]).toEqual([
      3,
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
    ]);
    expect(new data.DataLoader(ten(), { batchSize: 3 }).length).toBe(4);
    const [first] = new data.DataLoader(ten(), { batchSize: null });
    expect(first![0].shape).toEqual([]);
  });
  test('collateFn, sampler, batchSampler', () => {
    const sums = new data.DataLoader(ten(), {
      batchSize: 5,
      collateFn: (rows) => rows.reduce((s, [x]) => s + x.item(), 0),
    });
    expect([...sums]).toEqual([15, 40]);
    expect(
      [...new data.DataLoader(ten(), { sampler: [9, 0] as never, batchSize: 2 })].map(([x]) => x.tolist()),
    ).toEqual([[10, 1]]);
    const pairs = new data.BatchSampler(new data.SequentialSampler({ length: 4 }), 2, false);
    expect([...new data.DataLoader(ten(), { batchSampler: pairs })].map(([x]) => x.tolist())).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
  test('iterable data sets stream', () => {
    class Stream extends data.IterableDataset<number> {
      override *[Symbol.iterator](): Iterator<number> {
        yield* [1, 2, 3];
      }
    }
    expect([...new data.DataLoader(new Stream(), { batchSize: 2 })].map((b) => b.tolist())).toEqual([[1, 2], [3]]);
  });
  test('promises need for await', async () => {
    class Later extends data.Dataset<number> {
      override get length(): number {
        return 4;
      }
      override async get(i: number): Promise<number> {
        return i;
      }
    }
    expect(() => [...new data.DataLoader(new Later())]).toThrow(/for await/);
    const got: unknown[] = [];
    for await (const b of new data.DataLoader(new Later(), { batchSize: 2 })) got.push(b.tolist());
    expect(got).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });
  test('bad options', () => {
    expect(() => new data.DataLoader(ten(), { batchSize: 0 })).toThrow(/batch_size should be a positive integer/);
    expect(() => new data.DataLoader(ten(), { numWorkers: -1 })).toThrow(/num_workers option should be non-negative/);
    expect(() => new data.DataLoader(ten(), { shuffle: true, sampler: [1] as never })).toThrow(/mutually exclusive/);
    expect(() => [...new data.DataLoader(ten(), { numWorkers: 1 })]).toThrow(/for await/);
    expect(() => new data.TensorDataset(fb.ones(2), fb.ones(3))).toThrow(/Size mismatch between tensors/);
  });
});

describe('collation', () => {
  test('tuples, records, strings, booleans', () => {
    const b = data.defaultCollate([
      { a: fb.ones(2), n: [1, 'x'] as [number, string], ok: true },
      { a: fb.zeros(2), n: [2, 'y'] as [number, string], ok: false },
    ]);
    expect([b.a.shape, b.n[0].dtype, b.n[0].tolist(), b.n[1], b.ok.dtype]).toEqual([
      [2, 2],
      'int64',
      [1, 2],
      ['x', 'y'],
      'bool',
    ]);
    expect(data.defaultCollate([0.5, 1]).dtype).toBe('float32');
  });
  test('errors', () => {
    expect(() => data.defaultCollate([fb.ones(2), fb.ones(3)])).toThrow(
      /stack expects each tensor to be equal size, but got \[2\] at entry 0 and \[3\] at entry 1/,
    );
    expect(() => data.defaultCollate([() => 1] as never)).toThrow(/found function/);
    expect(() => data.defaultCollate([[1], [1, 2]])).toThrow(/equal size/);
  });
});

describe('combined data sets', () => {
  test('Subset and ConcatDataset', async () => {
    const both = new data.ConcatDataset([ten(), new data.Subset(ten(), [9])]);
    expect([
      both.length,
      (both.get(10) as [Tensor, Tensor])[0].item(),
      (both.get(-1) as [Tensor, Tensor])[0].item(),
    ]).toEqual([11, 10, 10]);
    expect(() => both.get(11)).toThrow(/out of range/);
  });
});

describe('worker threads', () => {
  test('batches come in order and equal those of the main thread', async () => {
    const run = async (numWorkers: number): Promise<unknown[]> => {
      fb.manualSeed(7);
      const out: unknown[] = [];
      for await (const [x, y] of new data.DataLoader(ten(), { batchSize: 3, shuffle: true, numWorkers }))
        out.push([x.tolist(), y.tolist()]);
      return out;
    };
    expect(await run(2)).toEqual(await run(0));
  });
  test('an error in a worker carries its message and stack, and the threads end', async () => {
    const broken = new data.Subset(ten(), [0, 1, 50]);
    const read = async (): Promise<void> => {
      for await (const _ of new data.DataLoader(broken, { batchSize: 1, numWorkers: 1 })) void _;
    };
    await expect(read()).rejects.toThrow(/Caught .* in DataLoader worker thread 0: .*out of (range|bounds)/s);
  });
  test('leaving the loop early ends the threads', async () => {
    for await (const _ of new data.DataLoader(ten(), { batchSize: 1, numWorkers: 2 })) break;
  });
  const all = async (loader: data.DataLoader<Tensor, Tensor>): Promise<unknown[]> => {
    const out: unknown[] = [];
    for await (const b of loader) out.push((b.tolist() as number[][]).flat());
    return out;
  };
  test("a user's data set, an init function, and threads that stay", async () => {
    const squares = new Squares(6) as data.Dataset<Tensor>;
    const workerInitFn = { module: here, name: 'init' };
    const loader = new data.DataLoader<Tensor, Tensor>(squares, {
      batchSize: 2,
      numWorkers: 2,
      workerInitFn,
      persistentWorkers: true,
      prefetchFactor: 1,
    });
    const want = [
      [1000, 1001],
      [2004, 2009],
      [1016, 1025],
    ];
    expect(await all(loader)).toEqual(want);
    for await (const _ of loader) break; // what is on its way is dropped
    expect(await all(loader)).toEqual(want);
    await loader.close();
  });
  test('a collate function runs on the main thread, or by name in the threads', async () => {
    const squares = new Squares(4) as data.Dataset<Tensor>;
    const here_: unknown[] = [];
    for await (const b of new data.DataLoader(squares, { batchSize: 2, numWorkers: 1, collateFn: total }))
      here_.push([b[0].item(), b[1]]);
    expect(here_).toEqual([
      [1, -1],
      [13, -1],
    ]);
    const there: unknown[] = [];
    const collateFn = { module: here, name: 'total' };
    for await (const b of new data.DataLoader<Tensor, [Tensor, number]>(squares, {
      batchSize: 2,
      numWorkers: 2,
      collateFn,
    }))
      there.push([b[0].item(), b[1]]);
    expect(there).toEqual([
      [1, 0],
      [13, 1],
    ]);
  });
  test('streams are shared out by getWorkerInfo, threads take turns until all are done', async () => {
    const loader = new data.DataLoader(new Count(7), { batchSize: 2, numWorkers: 2 });
    const out: unknown[] = [];
    for await (const b of loader) out.push(b.tolist());
    expect(out).toEqual([[0, 2], [1, 3], [4, 6], [5]]);
  });
  test("the error of a user's data set names the thread and its stack", async () => {
    const error: Error = await all(
      new data.DataLoader<Tensor, Tensor>(new Squares(20) as data.Dataset<Tensor>, { batchSize: 5, numWorkers: 2 }),
    ).then(
      () => new Error('nothing was thrown'),
      (e: Error) => e,
    );
    expect(error.message).toBe('Caught RangeError in DataLoader worker thread 0: unlucky');
    expect(error.stack).toMatch(/worker stack[\s\S]*worker_data/);
  });
});

describe('more data sets and samplers', () => {
  test('StackDataset, ChainDataset, defaultConvert', () => {
    const squares = new Squares(3) as data.Dataset<Tensor>;
    expect(new data.StackDataset(new Squares(3) as data.Dataset<Tensor>, squares).get(2)).toHaveLength(2);
    const named = new data.StackDataset<Record<string, data.Dataset>>({ a: squares, b: squares });
    expect(Object.keys(named.get(0))).toEqual(['a', 'b']);
    expect(() => new data.StackDataset(ten(), new Squares(4) as data.Dataset)).toThrow(
      /Size mismatch between datasets/,
    );
    expect([...new Count(2).concat(new Count(3))]).toEqual([0, 1, 0, 1, 2]);
    const single = new data.DataLoader(new data.ArrayDataset([{ x: Float32Array.of(1, 2), y: 'a' }]), {
      batchSize: null,
    });
    const [sample] = [...single] as unknown as { x: Tensor; y: string }[];
    expect([sample!.x.tolist(), sample!.y]).toEqual([[1, 2], 'a']);
  });
  test('async streams', async () => {
    class Later extends data.IterableDataset<number> {
      override async *[Symbol.asyncIterator](): AsyncIterator<number> {
        yield* [1, 2, 3];
      }
    }
    const out: unknown[] = [];
    for await (const b of new data.DataLoader(new Later(), { batchSize: 2 })) out.push(b.tolist());
    expect(out).toEqual([[1, 2], [3]]);
    expect(() => [...new data.DataLoader(new Later())]).toThrow(/for await/);
  });
  test('DistributedSampler gives each process its share of one order', () => {
    const parts = [0, 1, 2].map((rank) => new data.DistributedSampler({ length: 10 }, { numReplicas: 3, rank }));
    const orders = parts.map((s) => [...s]);
    expect(orders.map((o) => o.length)).toEqual([4, 4, 4]);
    expect(new Set(orders.flat())).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    parts[0]!.setEpoch(1);
    expect([...parts[0]!]).not.toEqual(orders[0]);
    const plain = new data.DistributedSampler(
      { length: 10 },
      { numReplicas: 3, rank: 2, shuffle: false, dropLast: true },
    );
    expect([...plain]).toEqual([2, 5, 8]);
    expect(() => new data.DistributedSampler({ length: 1 }, { numReplicas: 2, rank: 2 })).toThrow(/Invalid rank 2/);
  });
});
