// The safetensors reader and writer: what is written is read back, what PyTorch's library wrote is read, what is damaged
// is refused with an error that names the file.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DType } from '../../src/ir/graph.js';
import { FileFormatError } from '../../src/serialization/errors.js';
import {
  parseSafetensors,
  readSafetensorsFile,
  serializeSafetensors,
  writeSafetensorsFile,
  type TensorBytes,
} from '../../src/serialization/safetensors.js';
import { conformanceDir } from '../conformance-data.js';

const WIDTH: Record<DType, number> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** A file around a header text and some data bytes. */
function file(header: string, data = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

describe('round trip', () => {
  test('any tensors come back with name, dtype, shape, bytes and order', () => {
    const tensor = fc
      .record({
        dtype: fc.constantFrom(...(Object.keys(WIDTH) as DType[])),
        shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
        fill: fc.integer({ min: 0, max: 255 }),
      })
      .map(({ dtype, shape, fill }): TensorBytes => {
        const n = shape.reduce((a, b) => a * b, 1) * WIDTH[dtype];
        return { dtype, shape, data: new Uint8Array(n).fill(dtype === 'bool' ? fill & 1 : fill) };
      });
    const name = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', 'toString', ''));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, tensor), { selector: ([n]) => n, maxLength: 6 }), (pairs) => {
        fc.pre(pairs.every(([n]) => n !== '__metadata__'));
        const back = parseSafetensors(serializeSafetensors(pairs, [['__proto__', 'x']]));
        expect([...back.tensors.keys()]).toEqual(pairs.map(([n]) => n));
        for (const [n, t] of pairs) expect(back.tensors.get(n)).toEqual({ ...t, data: new Uint8Array(t.data) });
        expect([...back.metadata]).toEqual([['__proto__', 'x']]);
      }),
      { numRuns: 200 },
    );
  });

  test('the header is padded and every tensor aligned to its element size', () => {
    const bytes = serializeSafetensors([
      ['a', { dtype: 'int8', shape: [3], data: new Uint8Array(3) }],
      ['b', { dtype: 'float64', shape: [1], data: new Uint8Array(8) }],
      ['c', { dtype: 'float32', shape: [1], data: new Uint8Array(4) }],
    ]);
    expect(bytes.length % 8).toBe((8 + 4 + 3) % 8);
    for (const [, t] of parseSafetensors(bytes).tensors) expect(t.data.byteOffset % WIDTH[t.dtype]).toBe(0);
  });

  test('files are written whole', () => {
    const dir = mkdtempSync(join(tmpdir(), 'flambeau-st-'));
    try {
      const path = join(dir, 'x.safetensors');
      writeSafetensorsFile(path, [['w', { dtype: 'uint8', shape: [2], data: Uint8Array.of(1, 2) }]]);
      expect([...readSafetensorsFile(path).tensors.get('w')!.data]).toEqual([1, 2]);
      expect(readdirSync(dir)).toEqual(['x.safetensors']);
      expect(() => readSafetensorsFile(join(dir, 'missing.safetensors'))).toThrow(/ENOENT/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('the writer refuses what it could not read back', () => {
    const t: TensorBytes = { dtype: 'float32', shape: [2], data: new Uint8Array(4) };
    expect(() => serializeSafetensors([['w', t]])).toThrow(
      'tensor "w" of shape [2] and dtype float32 needs 8 bytes, got 4',
    );
    const good = { ...t, data: new Uint8Array(8) };
    expect(() =>
      serializeSafetensors([
        ['w', good],
        ['w', good],
      ]),
    ).toThrow('two tensors are named "w"');
    expect(() => serializeSafetensors([['__metadata__', good]])).toThrow(`"__metadata__" cannot be a tensor's name`);
    expect(() => serializeSafetensors([['\ud800', good]])).toThrow('half a surrogate pair');
  });
});

describe('errors say what is wrong', () => {
  const four = new Uint8Array(16);
  const entry = (e: string) => `{"w":${e}}`;
  test.each<[string, Uint8Array, string]>([
    ['short', new Uint8Array(3), 'it has 3 bytes'],
    ['no header', file(''), 'the header is empty'],
    [
      'long header',
      new Uint8Array([255, 0, 0, 0, 0, 0, 0, 0, 123]),
      'the header length 255 is beyond the end of the file (1 left)',
    ],
    ['huge header', new Uint8Array(8).fill(255), 'beyond the limit of 100000000 bytes'],
    ['array', file('[]'), 'the header: expected an object, got "[]"'],
    [
      'duplicate',
      file(
        '{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}',
        new Uint8Array(8),
      ),
      'the tensor "w" occurs twice',
    ],
    [
      'dtype',
      file(entry('{"dtype":"F31","shape":[4],"data_offsets":[0,16]}'), four),
      'tensor "w" has dtype "F31", which is not supported',
    ],
    ['no dtype', file(entry('{"shape":[4],"data_offsets":[0,16]}'), four), 'no dtype in the entry of tensor "w"'],
    ['shape', file(entry('{"dtype":"F32","shape":[4.5],"data_offsets":[0,16]}'), four), 'must hold integers, got 4.5'],
    [
      'negative',
      file(entry('{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}'), four),
      'must not hold negative numbers, got -4',
    ],
    [
      'wraps',
      file(entry('{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]}'), four),
      'is too large',
    ],
    [
      'size',
      file(entry('{"dtype":"F32","shape":[5],"data_offsets":[0,16]}'), four),
      'of shape [5] and dtype F32 needs 20 bytes, its offsets give 16',
    ],
    [
      'outside',
      file(entry('{"dtype":"F32","shape":[8],"data_offsets":[0,32]}'), four),
      'ends at 32, beyond the data, which have 16 bytes',
    ],
    [
      'reversed',
      file(entry('{"dtype":"F32","shape":[4],"data_offsets":[16,0]}'), four),
      'ends (0) before it begins (16)',
    ],
    [
      'trailing',
      file(entry('{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'), four),
      '8 bytes after the last tensor belong to none',
    ],
    [
      'hole',
      file(entry('{"dtype":"F32","shape":[2],"data_offsets":[8,16]}'), four),
      '8 bytes before tensor "w" belong to no tensor',
    ],
    [
      'three offsets',
      file(entry('{"dtype":"F32","shape":[4],"data_offsets":[0,8,16]}'), four),
      'must be two integers, got 3',
    ],
    ['2^53', file(entry('{"dtype":"F32","shape":[4],"data_offsets":[0,9007199254740993]}'), four), 'beyond 2^53'],
    [
      'bool',
      file(entry('{"dtype":"BOOL","shape":[16],"data_offsets":[0,16]}'), four.slice().fill(2)),
      'neither 0 nor 1',
    ],
    ['utf8', file('{"w').fill(0xff, 9), 'the header is not UTF-8'],
  ])('%s', (_, bytes, message) => {
    expect(() => parseSafetensors(bytes, 'net.safetensors')).toThrow(FileFormatError);
    expect(() => parseSafetensors(bytes, 'net.safetensors')).toThrow(message);
    expect(() => parseSafetensors(bytes, 'net.safetensors')).toThrow('net.safetensors: not a valid safetensors file');
  });
});

interface Value {
  tensor?: string;
  shape?: number[];
  dtype?: string;
  dict?: Record<string, Value>;
  list?: Value[];
  numpyDtype?: string;
}
interface Manifest {
  files: {
    file: string;
    kind: string;
    expect: string;
    content?: { dict: object };
    metadata?: object;
    marker?: string;
  }[];
}

for (const part of ['checkpoints', 'hostile']) {
  const dir = conformanceDir(part);
  describe.skipIf(dir === null)(`conformance data: ${part}`, () => {
    // A Map keeps `__proto__` an ordinary key; JSON.parse makes it an own property, so Object.entries sees it.
    const manifest = dir ? (JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest) : { files: [] };
    const cases = manifest.files.filter((f) => f.kind === 'safetensors');
    test.each(cases.map((c) => [c.file, c] as const))('%s', (name, c) => {
      const expected = readSafetensorsFile(join(dir!, 'expected.safetensors')).tensors;
      let got;
      try {
        got = readSafetensorsFile(join(dir!, name));
      } catch (error) {
        expect(c.expect, String(error)).not.toBe('loads');
        expect(error).toBeInstanceOf(FileFormatError);
        expect(String(error)).toContain(name);
        return;
      }
      expect(c.expect).not.toBe('error');
      if (c.content) {
        const wanted = Object.entries(c.content.dict) as [string, Value][];
        // JSON.parse moves names like "1" to the front, so only the others tell the order.
        const ordered = (keys: string[]): string[] => keys.filter((k) => !/^\d+$/.test(k));
        expect(ordered([...got.tensors.keys()])).toEqual(ordered(wanted.map(([k]) => k)));
        expect(got.tensors.size).toBe(wanted.length);
        for (const [key, value] of wanted) {
          const t = got.tensors.get(key)!;
          expect(t.shape).toEqual(value.shape);
          expect(t.dtype).toBe(value.dtype);
          expect(Buffer.from(t.data).equals(Buffer.from(expected.get(value.tensor!)!.data))).toBe(true);
        }
      }
      if (c.metadata) expect([...got.metadata]).toEqual(Object.entries(c.metadata));
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    });
  });
}
