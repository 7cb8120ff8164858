// Event files: frames with valid checksums, messages with TensorBoard's field numbers, values as they were logged.
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn } from '../../src/index.js';
import { crc32c } from '../../src/serialization/crc.js';
import { readFields } from '../../src/tensorboard/protobuf.js';
const { SummaryWriter } = fb.utils.tensorboard;

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'flambeau-tb-'))));
afterEach(() => rmSync(dir, { recursive: true }));

/** Fields of a message by number; several of one number: the list. */
type Fields = Map<number, (bigint | Uint8Array)[]>;
function fieldsOf(bytes: Uint8Array | bigint | undefined): Fields {
  const out: Fields = new Map();
  for (const { field, value } of readFields(bytes as Uint8Array)) out.set(field, [...(out.get(field) ?? []), value]);
  return out;
}
const one = (f: Fields, field: number): Uint8Array => f.get(field)![0] as Uint8Array;
const text = (f: Fields, field: number): string => Buffer.from(one(f, field)).toString();
const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
const double = (f: Fields, field: number): number => view(one(f, field)).getFloat64(0, true);
const float = (f: Fields, field: number): number => view(one(f, field)).getFloat32(0, true);
const doubles = (b: Uint8Array): number[] => [...new Float64Array(b.slice().buffer)];
const masked = (b: Uint8Array): number => {
  const c = crc32c(b);
  return (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0;
};

/** Events of the one event file in a folder; every checksum is compared. */
function events(folder = dir): Fields[] {
  const files = readdirSync(folder).filter((f) => f.includes('.tfevents.'));
  expect(files).toHaveLength(1);
  const bytes = new Uint8Array(readFileSync(join(folder, files[0]!)));
  const out: Fields[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(view(bytes).getBigUint64(at, true));
    expect(view(bytes).getUint32(at + 8, true)).toBe(masked(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(view(bytes).getUint32(at + 12 + length, true)).toBe(masked(data));
    out.push(fieldsOf(data));
    at += 16 + length;
  }
  return out;
}
/** The values of all summaries. */
const valuesIn = (list: Fields[]): Fields[] =>
  list
    .filter((e) => e.has(5))
    .flatMap((e) =>
      fieldsOf(one(e, 5))
        .get(1)!
        .map((v) => fieldsOf(v)),
    );

test('CRC-32C gives the check value of its definition', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

test('scalars with steps and times, after the version event', () => {
  const w = new SummaryWriter(dir, { filenameSuffix: '.x', purgeStep: 5 });
  w.addScalar('loss', 0.5, 7, 1234.5);
  w.addScalar('loss', fb.tensor(2), 8);
  w.addScalar('precise', 1 / 3, 8, null, { newStyle: true });
  w.close();
  expect(readdirSync(dir)[0]).toMatch(/^events\.out\.tfevents\.\d{10}\..*\.x$/);
  const all = events();
  expect(text(all[0]!, 3)).toBe('brain.Event:2');
  expect([fieldsOf(one(all[1]!, 7)).get(1), all[1]!.get(2)]).toEqual([[1n], [5n]]);
  expect([double(all[2]!, 1), all[2]!.get(2)]).toEqual([1234.5, [7n]]);
  const values = valuesIn(all);
  expect(values.map((v) => text(v, 1))).toEqual(['loss', 'loss', 'precise']);
  expect([float(values[0]!, 2), float(values[1]!, 2)]).toEqual([0.5, 2]);
  expect(doubles(one(fieldsOf(one(values[2]!, 8)), 6))).toEqual([1 / 3]);
});

test('several series: each in a run of its own', () => {
  using w = new SummaryWriter(dir);
  w.addScalars('run/acc', { train: 1, test: 0.5 }, 3);
  w.flush();
  for (const [name, x] of [
    ['train', 1],
    ['test', 0.5],
  ] as const) {
    const [v] = valuesIn(events(join(dir, `run_acc_${name}`)));
    expect([text(v!, 1), float(v!, 2)]).toEqual(['run/acc', x]);
  }
});

test('histograms count every value once', () => {
  const w = new SummaryWriter(dir);
  const values = fb.tensor([-1, 0, 0, 0.5, 2, 100]);
  w.addHistogram('h', values, 1);
  w.addHistogram('equal', [0, 1, 2, 3, 4], 1, { bins: 4 });
  w.close();
  const [a, b] = valuesIn(events()).map((v) => fieldsOf(one(v, 5)));
  expect([1, 2, 3, 4, 5].map((f) => double(a!, f))).toEqual([-1, 100, 6, 101.5, 1 + 0.25 + 4 + 10000]);
  const [limits, counts] = [doubles(one(a!, 6)), doubles(one(a!, 7))];
  expect(limits.length).toBe(counts.length);
  expect(counts.reduce((x, y) => x + y)).toBe(6);
  expect(limits[0]).toBeLessThanOrEqual(-1);
  expect(limits.at(-1)).toBeGreaterThanOrEqual(100);
  expect(doubles(one(b!, 6))).toEqual([0, 1, 2, 3, 4]);
  expect(doubles(one(b!, 7))).toEqual([0, 1, 1, 1, 2]);
  using other = new SummaryWriter(join(dir, 'other'));
  expect(() => other.addHistogram('bad', [NaN])).toThrow(/holds NaN/);
});

/** Raw rows of a PNG file without their filter bytes. */
function rowsOf(png: Uint8Array): number[][] {
  const bytes = Buffer.from(png);
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
  const [width, height, color] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[25]!];
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[color]!;
  const at = bytes.indexOf('IDAT');
  const raw = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  return Array.from({ length: height }, (_, y) => [
    ...raw.subarray(y * (width * channels + 1) + 1, (y + 1) * (width * channels + 1)),
  ]);
}

describe('images', () => {
  test('layouts, grids, boxes, videos', () => {
    const w = new SummaryWriter(dir);
    w.addImage('gray', fb.tensor([[0, 0.5, 1]]), 0, { dataformats: 'HW' });
    w.addImage('rgb', fb.arange(6).reshape(3, 1, 2).to('uint8'), 0);
    w.addImages('grid', fb.arange(3).reshape(3, 1, 1, 1).to('uint8'), 0);
    w.addImageWithBoxes('boxes', fb.zeros(1, 3, 3), fb.tensor([[0, 0, 1, 1]]), 0);
    w.addVideo('video', fb.zeros(1, 2, 3, 4, 4), 0);
    w.close();
    const images = valuesIn(events()).map((v) => fieldsOf(one(v, 4)));
    const pixels = images.map((i) => rowsOf(one(i, 4)));
    expect(images.map((i) => [1, 2, 3].map((f) => Number(i.get(f)![0])))).toEqual([
      [1, 3, 1],
      [1, 2, 3],
      [2, 2, 1],
      [3, 3, 3],
      [4, 4, 3],
    ]);
    expect(pixels[0]).toEqual([[0, 127, 255]]);
    expect(pixels[1]).toEqual([[0, 2, 4, 1, 3, 5]]);
    expect(pixels[2]).toEqual([
      [0, 1],
      [2, 0],
    ]);
    expect(pixels[3]![0]!.slice(0, 6)).toEqual([255, 0, 0, 255, 0, 0]);
    expect(Buffer.from(one(images[4]!, 4)).includes('acTL')).toBe(true);
    using other = new SummaryWriter(join(dir, 'other'));
    expect(() => other.addImage('bad', fb.zeros(2, 2))).toThrow(/format 'CHW'/);
  });
});

test('text, audio, curves, meshes, charts name their plugins', () => {
  const w = new SummaryWriter(dir);
  w.addText('note', '**hello**', 2);
  w.addAudio('tone', fb.tensor([0, 1, -1]), 0, { sampleRate: 8000 });
  w.addPrCurve('pr', [0, 1, 1], [0.1, 0.4, 0.9], 0, { numThresholds: 3 });
  w.addMesh('mesh', fb.zeros(1, 3, 3), { faces: fb.tensor([[[0, 1, 2]]], { dtype: 'int64' }) });
  w.addCustomScalars({ losses: { both: ['Multiline', ['a', 'b']] } });
  w.close();
  const values = valuesIn(events());
  const pluginOf = (v: Fields): string => text(fieldsOf(one(fieldsOf(one(v, 9)), 1)), 1);
  const [note, tone, pr, vertices, faces, custom] = values as [Fields, Fields, Fields, Fields, Fields, Fields];
  expect([text(note, 1), pluginOf(note)]).toEqual(['note/text_summary', 'text']);
  expect(text(fieldsOf(one(note, 8)), 8)).toBe('**hello**');
  const sound = fieldsOf(one(tone, 6));
  expect([float(sound, 1), text(sound, 5), Buffer.from(one(sound, 4)).subarray(0, 4).toString()]).toEqual([
    8000,
    'audio/wav',
    'RIFF',
  ]);
  expect(pluginOf(pr)).toBe('pr_curves');
  const rows = [...new Float32Array(one(fieldsOf(one(pr, 8)), 5).slice().buffer)];
  expect(rows.slice(0, 6)).toEqual([2, 1, 0, 1, 0, 0]); // true positives, then false ones, at the thresholds 0, 0.5, 1
  expect([text(vertices, 1), text(faces, 1), pluginOf(faces)]).toEqual(['mesh_VERTEX', 'mesh_FACE', 'mesh']);
  expect([text(custom, 1), pluginOf(custom)]).toEqual(['custom_scalars__config__', 'custom_scalars']);
});

test('hyperparameters are a run with three session messages and its metrics', () => {
  const w = new SummaryWriter(dir);
  w.addHparams({ lr: 0.1, name: 'a', big: true }, { 'hparam/loss': 0.25 }, { runName: 'first' });
  w.close();
  const values = valuesIn(events(join(dir, 'first')));
  expect(values.map((v) => text(v, 1))).toEqual([
    '_hparams_/experiment',
    '_hparams_/session_start_info',
    '_hparams_/session_end_info',
    'hparam/loss',
  ]);
  const content = fieldsOf(one(fieldsOf(one(fieldsOf(one(values[0]!, 9)), 1)), 2));
  const experiment = fieldsOf(one(content, 2));
  expect(experiment.get(4)!.map((p) => [text(fieldsOf(p), 1), fieldsOf(p).get(4)![0]])).toEqual([
    ['lr', 3n],
    ['name', 1n],
    ['big', 2n],
  ]);
});

test('graphs of modules and of ONNX files: nodes by module, inputs that exist', () => {
  class Net extends nn.Module {
    fc = new nn.Linear(2, 3);
    override forward(x: fb.Tensor): fb.Tensor {
      return this.fc(x).relu();
    }
  }
  const net = new Net();
  const file = join(dir, 'net.onnx');
  writeFileSync(file, fb.onnx.export(net, [fb.zeros(1, 2)], null));
  const w = new SummaryWriter(join(dir, 'run'));
  w.addGraph(net, fb.zeros(1, 2));
  w.addOnnxGraph(file);
  w.close();
  const graphs = events(join(dir, 'run')).filter((e) => e.has(4));
  expect(graphs).toHaveLength(2);
  for (const e of graphs) {
    const nodes = fieldsOf(one(e, 4))
      .get(1)!
      .map((n) => fieldsOf(n));
    const names = new Set(nodes.map((n) => text(n, 1)));
    expect(names.size).toBe(nodes.length);
    const inputs = nodes.flatMap((n) => (n.get(3) ?? []).map((i) => Buffer.from(i as Uint8Array).toString()));
    expect(inputs.length).toBeGreaterThan(2);
    expect(inputs.filter((i) => !names.has(i.replace(/:\d+$/, '')))).toEqual([]);
  }
  const first = fieldsOf(one(graphs[0]!, 4))
    .get(1)!
    .map((n) => text(fieldsOf(n), 1));
  expect(first).toContain('parameters/fc/weight');
  expect(first.some((n) => n.startsWith('fc/'))).toBe(true);
});

test('embeddings: vectors, labels, thumbnails, and the list that names them', () => {
  using w = new SummaryWriter(dir);
  w.addEmbedding(
    fb.tensor([
      [1, 2.5],
      [3, 4],
    ]),
    {
      metadata: ['a\tb', 'c'],
      labelImg: fb.zeros(2, 1, 4, 5),
      globalStep: 12,
    },
  );
  const folder = join(dir, '00012', 'default');
  expect(readFileSync(join(folder, 'tensors.tsv'), 'utf8')).toBe('1\t2.5\n3\t4\n');
  expect(readFileSync(join(folder, 'metadata.tsv'), 'utf8')).toBe('a b\nc\n');
  expect(statSync(join(folder, 'sprite.png')).size).toBeGreaterThan(50);
  const config = readFileSync(join(dir, 'projector_config.pbtxt'), 'utf8');
  expect(config).toContain('tensor_path: "00012/default/tensors.tsv"');
  expect(config).toContain('single_image_dim: 5\n  single_image_dim: 4');
});
