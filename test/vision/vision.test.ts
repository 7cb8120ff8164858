// MNIST files and transforms: what they read, what they refuse, and that batches equal single samples.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { data, vision, type Tensor } from '../../src/index.js';
const T = vision.transforms;

let root = '';
const N = 20;
function idx(dims: number[], values: Uint8Array, magic = 0x0800 + dims.length): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt32BE(magic);
  dims.forEach((d, i) => header.writeUInt32BE(d, 4 + 4 * i));
  return Buffer.concat([header, values]);
}
const pixels = Uint8Array.from({ length: N * 784 }, (_, i) => (i * 7) % 256);
const labels = Uint8Array.from({ length: N }, (_, i) => i % 10);

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fb-mnist-'));
  writeFileSync(join(root, 'train-images-idx3-ubyte'), idx([N, 28, 28], pixels));
  writeFileSync(join(root, 'train-labels-idx1-ubyte.gz'), gzipSync(idx([N], labels)));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const transform = (): InstanceType<typeof T.Compose> =>
  new T.Compose([new T.ToTensor(), new T.Normalize([0.1307], [0.3081])]);

describe('MNIST', () => {
  test('plain and gzipped files, samples and labels', () => {
    const ds = new vision.datasets.MNIST({ root });
    expect([ds.length, ds.data.shape, ds.data.dtype, ds.targets.dtype]).toEqual([N, [N, 28, 28], 'uint8', 'int64']);
    const [image, label] = ds.get(3);
    expect([image.shape, label, image.index(0, 0).item()]).toEqual([[28, 28], 3, pixels[3 * 784]]);
    expect(() => ds.get(N)).toThrow(/out of range for 20 images/);
  });
  test('a batch equals its samples, number for number', () => {
    const ds = new vision.datasets.MNIST({ root, transform: transform() });
    const slow = new vision.datasets.MNIST({
      root,
      transform: new T.Compose([...transform().transforms, new T.Lambda((x: Tensor) => x)]),
    });
    expect(slow.getBatch([1])).toBe(undefined);
    const order = { batchSize: 6, sampler: [5, 0, 19, 7, 7, 2] as never };
    const [fast] = [...new data.DataLoader(ds, order)][0]!;
    const [single] = [...new data.DataLoader(slow, order)][0]!;
    expect(fast.shape).toEqual([6, 1, 28, 28]);
    expect(fast.equal(single)).toBe(true);
  });
  test('worker threads make the same batches', async () => {
    const ds = new vision.datasets.MNIST({ root, transform: transform() });
    const expected = [...new data.DataLoader(ds, { batchSize: 8 })].map(([x]) => x.sum().item());
    const got: number[] = [];
    for await (const [x] of new data.DataLoader(ds, { batchSize: 8, numWorkers: 2 })) got.push(x.sum().item());
    expect(got).toEqual(expected);
  });
  test('damaged and missing files', () => {
    const bad = (name: string, content: Buffer): string => {
      const path = join(root, name);
      writeFileSync(path, content);
      return path;
    };
    const { readIdx } = vision.datasets;
    expect(() => readIdx(bad('a', Buffer.from([1, 2])), 1)).toThrow(/2 bytes are too few for an idx file/);
    expect(() => readIdx(bad('b', idx([3], labels.subarray(0, 3), 0x0d01)), 1)).toThrow(
      /bad magic number 0x00000d01 \(expected 0x00000801/,
    );
    expect(() => readIdx(bad('c', idx([4], labels.subarray(0, 3))), 1)).toThrow(
      /the header says \[4\] = 4 bytes, the file has 3/,
    );
    expect(() => readIdx(bad('d.gz', Buffer.from([0x1f, 0x8b, 0, 0])), 1)).toThrow(/cannot be unpacked/);
    expect(() => new vision.datasets.MNIST({ root, train: false })).toThrow(/t10k-images-idx3-ubyte\(\.gz\) not found/);
  });
});

describe('transforms', () => {
  test('ToTensor scales bytes and puts channels first', () => {
    const t = new T.ToTensor();
    const rgb = t({ width: 2, height: 1, data: Uint8Array.from([255, 0, 51, 0, 255, 102]) });
    expect([rgb.shape, (rgb.tolist() as number[][][]).map((c) => c[0]!.map((v) => Math.round(v * 255)))]).toEqual([
      [3, 1, 2],
      [
        [255, 0],
        [0, 255],
        [51, 102],
      ],
    ]);
    expect(t(fb.full([2, 3], 255, { dtype: 'uint8' })).tolist()).toEqual([
      [
        [1, 1, 1],
        [1, 1, 1],
      ],
    ]);
    expect(t(fb.ones(2, 2).numpy()).shape).toEqual([1, 2, 2]);
    expect(() => t(fb.ones(2))).toThrow(/pic should be 2\/3 dimensional. Got 1 dimensions/);
    expect(() => t({ width: 2, height: 2, data: new Uint8Array(3) })).toThrow(/does not fit 3 bytes/);
  });
  test('Normalize', () => {
    const n = new T.Normalize([1, 2], [2, 4]);
    expect(n(fb.full([2, 1, 1], 5)).tolist()).toEqual([[[2]], [[0.75]]]);
    expect(() => n(fb.ones(1, 1))).toThrow(/Expected tensor to be a tensor image/);
    expect(() => n(fb.ones([2, 1, 1], { dtype: 'uint8' }))).toThrow(/should be a float tensor/);
    expect(() => new T.Normalize([0], [0])).toThrow(/division by zero/);
  });
  test('they print', () => {
    expect(String(transform())).toBe('Compose(\n    ToTensor()\n    Normalize(mean=[0.1307], std=[0.3081])\n)');
  });
});
