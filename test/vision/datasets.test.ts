// Data sets from files in their original formats, made here in small; downloads from a server on this machine.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { deflateSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { data, vision, type Tensor } from '../../src/index.js';
import { FileError } from '../../src/tensor/errors.js';
import { encode } from '../../src/vision/codec.js';
import { baseUrl, downloadUrl, extractTar } from '../../src/vision/datasets/download.js';
const { datasets: D, transforms: T, Image } = vision;

let root = '';
let server: Worker;
let address = '';
/** Serves the files of a folder with ranges; `/cut/...` breaks off after 600 bytes of a first request. It runs in a thread of
 * its own: constructors that download block this one. */
const SERVER = `
const http = require('node:http'), fs = require('node:fs'), path = require('node:path');
const { parentPort, workerData } = require('node:worker_threads');
const log = [];
const server = http.createServer((q, r) => {
  if (q.url === '/log') return r.end(JSON.stringify(log));
  const cut = q.url.startsWith('/cut/');
  const file = path.join(workerData, cut ? q.url.slice(5) : q.url);
  log.push({ url: q.url, range: q.headers.range ?? null });
  if (!fs.existsSync(file)) { r.statusCode = 404; return r.end(); }
  const all = fs.readFileSync(file);
  const from = Number(/bytes=(\\d+)-/.exec(q.headers.range ?? '')?.[1] ?? 0);
  if (from >= all.length && from > 0) { r.statusCode = 416; return r.end(); }
  const body = all.subarray(from);
  r.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
  if (cut && from === 0) { r.write(body.subarray(0, 600), () => setTimeout(() => q.socket.destroy(), 50)); return; }
  r.end(body);
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;
const md5 = (b: Uint8Array): string => createHash('md5').update(b).digest('hex');
const put = (path: string, content: string | Uint8Array): string => {
  const full = join(root, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, content);
  return full;
};
/** A picture of one colour. */
const png = (r: number, g: number, b: number, size = 4): Promise<Uint8Array> =>
  encode(
    new Image(
      size,
      size,
      3,
      Uint8Array.from({ length: size * size * 3 }, (_, i) => [r, g, b][i % 3]!),
    ),
    'png',
  );

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'fb-sets-'));
  server = new Worker(SERVER, { eval: true, workerData: join(root, 'served') });
  address = `http://127.0.0.1:${await new Promise<number>((ok) => server.once('message', ok))}/`;
});
afterAll(async () => {
  await server.terminate();
  rmSync(root, { recursive: true, force: true });
});

describe('downloads', () => {
  const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * 31) % 251);
  test('an interrupted file is continued, checked, and not fetched again', async () => {
    put('served/sub/a.bin', content);
    const file = { url: `${address}cut/sub/a.bin`, path: join(root, 'got/a.bin'), md5: md5(content) };
    await expect(downloadUrl(file, { progress: false })).rejects.toThrow(
      /interrupted after .*the next attempt continues/,
    );
    expect(existsSync(file.path)).toBe(false);
    await downloadUrl(file, { progress: false });
    expect(readFileSync(file.path).equals(Buffer.from(content))).toBe(true);
    await downloadUrl(file, { progress: false });
    const log = (await (await fetch(`${address}log`)).json()) as { url: string; range: string | null }[];
    expect(log.map((l) => l.range)).toEqual([null, 'bytes=600-']);
  });
  test('a damaged file, a missing file, no server: errors that name the address', async () => {
    put('served/b.bin', content);
    const path = join(root, 'got/b.bin');
    const progress = false;
    await expect(downloadUrl({ url: `${address}b.bin`, path, md5: '0'.repeat(32) }, { progress })).rejects.toThrow(
      /b\.bin: the file is damaged: its MD5 is [0-9a-f]{32}, expected 0{32}/,
    );
    expect(existsSync(path)).toBe(false);
    await expect(downloadUrl({ url: `${address}none`, path }, { progress })).rejects.toThrow(/answered 404/);
    await expect(downloadUrl({ url: 'http://127.0.0.1:1/x', path }, { progress })).rejects.toThrow(/cannot be fetched/);
  });
  test('archives cannot write outside their folder', async () => {
    const archive = pack();
    archive.entry({ name: '../escape.txt' }, 'x');
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const c of archive) chunks.push(c as Buffer);
    const path = put('evil.tar', Buffer.concat(chunks));
    await expect(extractTar(path, join(root, 'inner'))).rejects.toThrow(/leaves the folder/);
    expect(existsSync(join(root, 'escape.txt'))).toBe(false);
  });
  test('the mirror: an option, an environment variable, or the original', () => {
    expect(baseUrl('MNIST', 'http://o/', null)).toBe('http://o/');
    expect(baseUrl('MNIST', 'http://o/', 'http://m')).toBe('http://m/');
    process.env['FLAMBEAU_DATASETS_MIRROR'] = 'http://e/';
    expect(baseUrl('MNIST', 'http://o/', null)).toBe('http://e/MNIST/');
    delete process.env['FLAMBEAU_DATASETS_MIRROR'];
  });
  test('download: true in a constructor; nothing is fetched without it', () => {
    expect(() => new D.MNIST(join(root, 'empty'))).toThrow(
      /not found in .*put the idx files there, or say download: true/,
    );
    put('served/mnist/train-images-idx3-ubyte.gz', gzipSync(content));
    const fetching = (): unknown => new D.MNIST(join(root, 'fresh'), { download: true, mirror: `${address}mnist/` });
    expect(fetching).toThrow(/train-images-idx3-ubyte\.gz: the file is damaged/); // it is not the real one
    expect(() => new D.CIFAR10(join(root, 'fresh'), { download: true, mirror: `${address}none/` })).toThrow(
      /cifar-10-python\.tar\.gz: the server answered 404/,
    );
  });
});

/** Python 2's pickles, protocol 2: instructions as Latin-1 text and bytes. A `str` is a BINSTRING, whatever its bytes are. */
const py2 = {
  join: (...parts: (string | ArrayLike<number>)[]): Buffer =>
    Buffer.concat(
      parts.map((p) => (typeof p === 'string' ? Buffer.from(p, 'latin1') : Buffer.from(Uint8Array.from(p)))),
    ),
  pickle: (value: Buffer): Buffer => py2.join([0x80, 2], value, '.'),
  int: (n: number): Buffer => py2.join('J', new Uint8Array(Int32Array.of(n).buffer)),
  string: (s: string | Uint8Array): Buffer => {
    const bytes = py2.join(s);
    return bytes.length < 256
      ? py2.join('U', [bytes.length], bytes)
      : py2.join('T', new Uint8Array(Int32Array.of(bytes.length).buffer), bytes);
  },
  list: (items: Buffer[]): Buffer => py2.join(']', '(', ...items, 'e'),
  ints: (v: number[]): Buffer => py2.list(v.map(py2.int)),
  strings: (v: string[]): Buffer => py2.list(v.map(py2.string)),
  dict: (entries: Record<string, Buffer>): Buffer =>
    py2.join('}', '(', ...Object.entries(entries).flatMap(([k, v]) => [py2.string(k), v]), 'u'),
  /** A uint8 array as numpy.ndarray.__reduce__ described it. */
  array: ([n, m]: [number, number], bytes: Uint8Array): Buffer =>
    py2.join(
      'cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01',
      ...[py2.int(n), py2.int(m), [0x86]],
      'cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89',
      ...[py2.string(bytes), 'tb'],
    ),
};
/** A batch of CIFAR's python version; picture i has planes of the values[i], + 1 and + 2. */
const pickledBatch = (labels: string, of: number[], values: number[]): Buffer => {
  const bytes = values.flatMap((v) => Array.from({ length: 3072 }, (_, i) => v + Math.floor(i / 1024)));
  return py2.pickle(
    py2.dict({
      batch_label: py2.string('training batch 1 of 5'),
      [labels]: py2.ints(of),
      data: py2.array([of.length, 3072], Uint8Array.from(bytes)),
      filenames: py2.strings(of.map((l) => `picture_${l}.png`)),
    }),
  );
};

describe('CIFAR', () => {
  const record = (labels: number[], value: number): number[] => [
    ...labels,
    ...Array.from({ length: 3072 }, (_, i) => (value + Math.floor(i / 1024)) % 256),
  ];
  test('binary batches: planes become channels, batches equal samples', () => {
    for (let k = 1; k <= 5; k++)
      put(`c10/cifar-10-batches-bin/data_batch_${k}.bin`, Uint8Array.from([...record([k], 10 * k), ...record([0], 5)]));
    put('c10/cifar-10-batches-bin/test_batch.bin', Uint8Array.from(record([9], 100)));
    put('c10/cifar-10-batches-bin/batches.meta.txt', 'airplane\nautomobile\n\n');
    const ds = new D.CIFAR10(join(root, 'c10'), { transform: new T.ToTensor() });
    expect([ds.length, ds.data.shape, ds.classes]).toEqual([10, [10, 32, 32, 3], ['airplane', 'automobile']]);
    expect(ds.data.index(2, 0, 0).tolist()).toEqual([20, 21, 22]);
    const [x, y] = ds.get(2);
    expect([x.shape, y]).toEqual([[3, 32, 32], 2]);
    const [batch, labels] = [...new data.DataLoader(ds, { batchSize: 10 })][0]!;
    expect(batch.index(2).equal(x)).toBe(true);
    expect(labels.tolist()).toEqual([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
    // Transforms of images get an Image.
    const augmented = new D.CIFAR10({
      root: join(root, 'c10'),
      train: false,
      transform: new T.Compose([new T.RandomCrop(32, { padding: 4 }), new T.ToTensor()]),
    });
    expect(augmented.get(0)[0].shape).toEqual([3, 32, 32]);
  });
  test('CIFAR100 takes the fine label; damaged files are refused', () => {
    put('c100/cifar-100-binary/train.bin', Uint8Array.from(record([3, 77], 1)));
    put('c100/cifar-100-binary/test.bin', Uint8Array.from([1, 2, 3]));
    expect(new D.CIFAR100(join(root, 'c100')).get(0)[1]).toBe(77);
    expect(() => new D.CIFAR100(join(root, 'c100'), { train: false })).toThrow(/no whole number of records of 3074/);
    expect(() => new D.CIFAR10(join(root, 'nowhere'))).toThrow(/unpack https.*or say download: true/);
  });
  test('python version: what Python 2 pickled; it is preferred, names come from the meta file', () => {
    for (let k = 1; k <= 5; k++) {
      put(`py10/cifar-10-batches-py/data_batch_${k}`, pickledBatch('labels', [k, 0], [10 * k, 250]));
      put(`py10/cifar-10-batches-bin/data_batch_${k}.bin`, Uint8Array.from(record([7], 0)));
    }
    put('py10/cifar-10-batches-bin/test_batch.bin', Uint8Array.from(record([7], 0)));
    put('py10/cifar-10-batches-py/test_batch', pickledBatch('labels', [9], [100]));
    put(
      'py10/cifar-10-batches-py/batches.meta',
      py2.pickle(py2.dict({ label_names: py2.strings(['cat', 'caf\u00e9']) })),
    );
    const ds = new D.CIFAR10(join(root, 'py10'), { transform: new T.ToTensor() });
    expect([ds.length, ds.data.shape, ds.classes]).toEqual([10, [10, 32, 32, 3], ['cat', 'caf\u00e9']]);
    expect(ds.targets.tolist()).toEqual([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
    expect(ds.data.index(4, 31, 31).tolist()).toEqual([30, 31, 32]);
    expect(ds.data.index(5, 0, 0).tolist()).toEqual([250, 251, 252]); // bytes that are no UTF-8
    expect(new D.CIFAR10(join(root, 'py10'), { train: false }).get(0)[1]).toBe(9);
    // The folder itself may be the root; CIFAR100 takes the fine labels.
    put('py100/train', pickledBatch('fine_labels', [99], [3]));
    put('py100/test', pickledBatch('fine_labels', [0], [4]));
    put('py100/meta', py2.pickle(py2.dict({ fine_label_names: py2.strings(['apple']) })));
    const hundred = new D.CIFAR100(join(root, 'py100'));
    expect([hundred.get(0)[1], hundred.classes]).toEqual([99, ['apple']]);
  });
  test('python version: hostile and damaged pickles are errors that name the file; nothing is called', () => {
    const good = pickledBatch('labels', [1], [200]);
    const refused = (bytes: Uint8Array, message: RegExp): void => {
      put('hostile/test_batch', bytes);
      expect(() => new D.CIFAR10(join(root, 'hostile'), { train: false })).toThrow(FileError);
      expect(() => new D.CIFAR10(join(root, 'hostile'), { train: false })).toThrow(message);
    };
    for (let n = 0; n < good.length; n += n < 120 || n > good.length - 30 ? 1 : 500)
      refused(good.subarray(0, n), /test_batch: its pickle cannot be read/);
    const call = py2.join('cos\nsystem\n', py2.string('touch hacked'), [0x85], 'R');
    refused(py2.pickle(call), /test_batch: it uses the name "os.system"/);
    refused(py2.pickle(py2.join('cnumpy\nload\n')), /"numpy.load"/);
    refused(py2.pickle(py2.ints([1])), /holds no dict/);
    refused(py2.pickle(py2.dict({ labels: py2.ints([1]) })), /no entry 'data'/);
    const data = py2.array([1, 3072], new Uint8Array(3072));
    refused(py2.pickle(py2.dict({ data, fine_labels: py2.ints([1]) })), /no entry 'labels'/);
    refused(py2.pickle(py2.dict({ data, labels: py2.ints([1, 2]) })), /labels are no list of 1/);
    refused(
      py2.pickle(py2.dict({ data, labels: py2.ints([10]) })),
      /label 10 of picture 0 is no whole number below 10/,
    );
    refused(py2.pickle(py2.dict({ data, labels: py2.strings(['1']) })), /label 1 of picture 0 is no whole number/);
    const short = py2.array([1, 3071], new Uint8Array(3071));
    refused(py2.pickle(py2.dict({ data: short, labels: py2.ints([1]) })), /no uint8 array \[n, 3072\]/);
    const lying = py2.array([50_000, 3072], new Uint8Array(3072));
    refused(py2.pickle(py2.dict({ data: lying, labels: py2.ints([1]) })), /it has 3072 bytes instead of 153600000/);
    expect(existsSync('hacked')).toBe(false);
  });
});

/** A .mat file of full arrays. */
function mat(arrays: Record<string, { shape: number[]; bytes: Uint8Array }>, compressed: boolean): Buffer {
  const element = (type: number, bytes: Uint8Array): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(type, 0);
    head.writeUInt32LE(bytes.length, 4);
    return Buffer.concat([head, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
  };
  const int32 = (...v: number[]): Buffer => Buffer.from(Int32Array.from(v).buffer);
  const header = Buffer.alloc(128, ' ');
  header.writeUInt16LE(0x0100, 124);
  header.write('IM', 126, 'latin1');
  const parts = Object.entries(arrays).map(([name, a]) => {
    const inner = [
      element(6, int32(9, 0)),
      element(5, int32(...a.shape)),
      element(1, Buffer.from(name)),
      element(2, a.bytes),
    ];
    const whole = element(14, Buffer.concat(inner));
    if (!compressed) return whole;
    const z = deflateSync(whole);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(15, 0);
    head.writeUInt32LE(z.length, 4);
    return Buffer.concat([head, z]);
  });
  return Buffer.concat([header, ...parts]);
}
describe('other formats of small pictures', () => {
  test('SVHN: MATLAB arrays, plain and compressed; ten stands for zero', () => {
    for (const compressed of [false, true]) {
      const x = Uint8Array.from({ length: 2 * 3 * 3 * 2 }, (_, i) => i); // [h 2, w 3, c 3, n 2], column-major
      const file = mat(
        { X: { shape: [2, 3, 3, 2], bytes: x }, y: { shape: [2, 1], bytes: Uint8Array.of(10, 4) } },
        compressed,
      );
      put('svhn/train_32x32.mat', file);
      const ds = new D.SVHN(join(root, 'svhn'));
      expect(ds.data.shape).toEqual([2, 2, 3, 3]);
      expect(ds.data.index(1, 1, 2).tolist()).toEqual([18 + 5, 18 + 6 + 5, 18 + 12 + 5]);
      expect(ds.targets.tolist()).toEqual([0, 4]);
    }
    put('svhn/test_32x32.mat', mat({ X: { shape: [9, 9, 9, 9], bytes: new Uint8Array(4) } }, false));
    expect(() => new D.SVHN(join(root, 'svhn'), { split: 'test' })).toThrow(/an array of \[9, 9, 9, 9\] has 4 numbers/);
  });
  test('STL10 stores columns; pictures without labels have -1', () => {
    const x = new Uint8Array(2 * 3 * 96 * 96);
    x[96] = 7; // plane 0, column 1, row 0
    put('stl/stl10_binary/train_X.bin', x);
    put('stl/stl10_binary/train_y.bin', Uint8Array.of(1, 10));
    put('stl/stl10_binary/unlabeled_X.bin', x);
    put('stl/stl10_binary/fold_indices.txt', '1\n0\n');
    const ds = new D.STL10(join(root, 'stl'), { split: 'train+unlabeled' });
    expect(ds.targets.tolist()).toEqual([0, 9, -1, -1]);
    expect(ds.data.index(0, 0, 1, 0).item()).toBe(7);
    expect(new D.STL10(join(root, 'stl'), { folds: 0 }).targets.tolist()).toEqual([9]);
    expect(() => new D.STL10(join(root, 'stl'), { split: 'x' as 'train' })).toThrow(/Valid values are train, test/);
  });
  test('USPS, SEMEION, EMNIST', () => {
    put('usps/usps', '3 1:-1 2:1 256:0\n');
    const usps = new D.USPS(join(root, 'usps'));
    expect([usps.targets.item(), usps.data.index(0, 0, 1).item(), usps.data.index(0, 15, 15).item()]).toEqual([
      2, 255, 127,
    ]);
    put(
      'sem/semeion.data',
      `${Array.from({ length: 256 }, (_, i) => (i === 1 ? '1.0' : '0.0')).join(' ')} 0 0 1 0 0 0 0 0 0 0\n`,
    );
    expect(new D.SEMEION(join(root, 'sem')).targets.item()).toBe(2);
    expect(() => new D.EMNIST(join(root, 'e'), 'leters' as 'letters')).toThrow(
      /Unknown value 'leters' for argument split/,
    );
    const idx = (dims: number[], values: number[]): Buffer => {
      const head = Buffer.alloc(4 + 4 * dims.length);
      head.writeUInt32BE(0x0800 + dims.length);
      dims.forEach((d, i) => head.writeUInt32BE(d, 4 + 4 * i));
      return Buffer.concat([head, Buffer.from(values)]);
    };
    put('e/EMNIST/raw/emnist-letters-train-images-idx3-ubyte', idx([1, 2, 2], [1, 2, 3, 4]));
    put('e/EMNIST/raw/emnist-letters-train-labels-idx1-ubyte', idx([1], [26]));
    const letters = new D.EMNIST(join(root, 'e'), 'letters');
    expect([letters.get(0)[1], letters.classes[26]]).toEqual([26, 'z']);
  });
});

describe('folders of image files', () => {
  test('ImageFolder: classes, samples, loaders', async () => {
    put('pets/dog/1.png', await png(255, 0, 0));
    put('pets/cat/sub/2.png', await png(0, 255, 0));
    put('pets/cat/1.PNG', await png(0, 0, 255));
    put('pets/cat/notes.txt', 'no picture');
    const ds = new D.ImageFolder(join(root, 'pets'), { transform: new T.ToTensor() });
    expect(ds.classes).toEqual(['cat', 'dog']);
    expect(ds.imgs.map(([p, k]) => [p.slice(root.length), k])).toEqual([
      ['/pets/cat/1.PNG', 0],
      ['/pets/cat/sub/2.png', 0],
      ['/pets/dog/1.png', 1],
    ]);
    const seen: unknown[] = [];
    for await (const [x, y] of new data.DataLoader(ds, { batchSize: 3 }))
      seen.push(x.shape, (x as Tensor).mean([2, 3]).tolist(), y.tolist());
    expect(seen).toEqual([[3, 3, 4, 4], [[0, 0, 1], [0, 1, 0], [1, 0, 0]], [0, 0, 1]]); // prettier-ignore
    const sizes = new D.DatasetFolder(join(root, 'pets'), (p: string) => readFileSync(p).length, ['.txt', '.png']);
    expect((await sizes.get(1))[0]).toBe('no picture'.length);
  });
  test('what is missing is said', () => {
    mkdirSync(join(root, 'hollow/empty'), { recursive: true });
    expect(() => new D.ImageFolder(join(root, 'hollow'))).toThrow(
      /Found no valid file for the classes empty.*Supported extensions are: \.jpg/,
    );
    expect(() => new D.ImageFolder(join(root, 'hollow/empty'))).toThrow(/Couldn't find any class folder/);
    expect(() => new D.ImageFolder(join(root, 'absent'))).toThrow(/one folder of files for each class/);
    expect(() => new D.ImageNet(join(root, 'absent'))).toThrow(/get them from https:\/\/image-net\.org/);
  });
  test('ImageNet layout', async () => {
    put('imagenet/val/n01440764/a.png', await png(1, 2, 3));
    put('imagenet/wnids.txt', 'n01440764 tench, Tinca tinca\n');
    const ds = new D.ImageNet(join(root, 'imagenet'), { split: 'val' });
    expect([ds.wnids, ds.words]).toEqual([['n01440764'], [['tench', 'Tinca tinca']]]);
  });
  test('lists: Food101, CelebA, Omniglot', async () => {
    put('food-101/meta/train.txt', 'pie/1\ncake/2\n');
    expect(new D.Food101(root).classToIdx).toEqual({ cake: 0, pie: 1 });
    put('celeba/list_eval_partition.txt', '1.jpg 0\n2.jpg 1\n');
    put('celeba/list_attr_celeba.txt', '2\nBald Hat\n1.jpg -1 1\n2.jpg 1 1\n');
    put('celeba/identity_CelebA.txt', '1.jpg 55\n2.jpg 66\n');
    put('celeba/img_align_celeba/2.jpg', await encode(new Image(2, 2, 3), 'jpeg'));
    const ds = new D.CelebA(root, { split: 'valid', targetType: ['attr', 'identity'] });
    const [image, target] = await ds.get(0);
    expect((image as InstanceType<typeof Image>).size).toEqual([2, 2]);
    expect([(target as [Tensor, number])[0].tolist(), (target as [Tensor, number])[1]]).toEqual([[1, 1], 66]);
    put('omniglot-py/images_background/Latin/character01/1.png', await png(0, 0, 0));
    expect((await new D.Omniglot(root).get(0))[1]).toBe(0);
  });
});

describe('annotations', () => {
  test('COCO', async () => {
    put('coco/b.png', await png(0, 0, 9));
    put('coco/a.png', await png(0, 9, 0));
    const annotations = [
      { id: 1, image_id: 7, category_id: 3, bbox: [0, 0, 2, 2], caption: 'green' },
      { id: 2, image_id: 7, caption: 'again' },
    ];
    const file = put(
      'coco/ann.json',
      JSON.stringify({
        images: [
          { id: 9, file_name: 'b.png' },
          { id: 7, file_name: 'a.png' },
        ],
        annotations,
      }),
    );
    const ds = new D.CocoDetection(join(root, 'coco'), file);
    expect([ds.ids, (await ds.get(0))[1]]).toEqual([[7, 9], annotations]);
    expect((await new D.CocoCaptions(join(root, 'coco'), file, { transform: new T.ToTensor() }).get(0))[1]).toEqual([
      'green',
      'again',
    ]);
    expect(() => new D.CocoDetection(root, put('coco/bad.json', '{}'))).toThrow(/the lists 'images' and 'annotations'/);
  });
  test('VOC', async () => {
    const base = 'voc/VOCdevkit/VOC2007';
    put(`${base}/ImageSets/Main/train.txt`, '000001\n');
    put(`${base}/JPEGImages/000001.jpg`, await encode(new Image(4, 4, 3), 'jpeg'));
    put(
      `${base}/Annotations/000001.xml`,
      '<annotation><filename>x</filename><object><name>dog</name><bndbox><xmin>1</xmin></bndbox></object></annotation>',
    );
    const [, target] = await new D.VOCDetection(join(root, 'voc'), { year: '2007' }).get(0);
    expect(target).toEqual({ annotation: { filename: 'x', object: [{ name: 'dog', bndbox: { xmin: '1' } }] } });
    expect(() => new D.VOCSegmentation(join(root, 'voc'))).toThrow(/Get the archive from/);
  });
});

test('FakeData gives the same pictures every time', () => {
  const ds = new D.FakeData(5, [3, 8, 8], 10, { transform: new T.ToTensor() });
  const [a, label] = ds.get(2) as unknown as [Tensor, number];
  const [b] = ds.get(2) as unknown as [Tensor, number];
  expect([a.shape, a.equal(b), label >= 0 && label < 10]).toEqual([[3, 8, 8], true, true]);
  expect(() => ds.get(5)).toThrow(/out of range for 5 images/);
});
