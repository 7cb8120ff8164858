// data_loader.json: the order of shuffled batches, dropLast, randomSplit and WeightedRandomSampler.
import { data, Generator } from '../../../src/index.js';
import { expectEqual, fb, values, type Check } from './common.js';

interface File {
  readonly seed: number;
  readonly batches: readonly { epoch: number; step: number; x: number[]; y: number[] }[];
  readonly dropLast: readonly number[][];
  readonly randomSplitSeed: number;
  readonly randomSplit: readonly number[][];
  readonly weightedSeed: number;
  readonly weighted: readonly number[];
}

const generator = (seed: number): Generator => new Generator().manualSeed(seed);

export function dataLoader(file: File, check: Check): void {
  const dataset = new data.TensorDataset(fb.linspace(1, 10, 10), fb.linspace(10, 1, 10));
  check('batches', () => {
    fb.manualSeed(file.seed);
    const loader = new data.DataLoader(dataset, { batchSize: 5, shuffle: true });
    const got = [];
    for (let epoch = 0; epoch < 3; epoch++) {
      let step = 0;
      for (const [x, y] of loader) got.push({ epoch, step: step++, x: values(x!), y: values(y!) });
    }
    expectEqual(got, file.batches);
  });
  check('dropLast', () => {
    const loader = new data.DataLoader(dataset, { batchSize: 3, dropLast: true });
    expectEqual(
      [...loader].map(([x]) => values(x!)),
      file.dropLast,
    );
  });
  check('randomSplit', () => {
    const parts = data.randomSplit(dataset, [7, 3], { generator: generator(file.randomSplitSeed) });
    expectEqual(
      parts.map((p) => [...p.indices]),
      file.randomSplit,
    );
  });
  check('weighted', () => {
    const sampler = new data.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3, 0.6], 5, {
      replacement: true,
      generator: generator(file.weightedSeed),
    });
    expectEqual([...sampler], file.weighted);
  });
}
