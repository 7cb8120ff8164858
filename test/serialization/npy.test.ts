// NumPy's files: arrays of every dtype come back; headers are read as data, sizes are checked before memory is taken.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const { serialize } = fb.serialization;

test.each(fb.DTYPES.filter((d) => d !== 'bfloat16'))('%s keeps its bits and its shape', (dtype) => {
  const t = fb.tensor([0, 1, 1, 0, 1, 1], { dtype }).reshape(2, 3).t();
  const back = fb.load<fb.Tensor>(serialize(t, { format: 'npy' }));
  expect([back.dtype, back.shape]).toEqual([dtype, [3, 2]]);
  expect(back.equal(t)).toBe(true);
});

test('arrays by name or by position, deflated or not', () => {
  const arrays = { a: fb.ones(2), ['__proto__']: fb.tensor(3n), 'x.npy': fb.zeros(0, 2) };
  for (const compressed of [false, true]) {
    const back = fb.load(serialize(arrays, { format: 'npz', compressed }));
    expect(Object.keys(back)).toEqual(Object.keys(arrays));
    for (const [k, t] of Object.entries(arrays)) expect(back[k]!.equal(t), k).toBe(true);
  }
  expect(Object.keys(fb.load(serialize([fb.ones(1), fb.ones(1)], { format: 'npz' })))).toEqual(['arr_0', 'arr_1']);
});

/** A file of version 1 with this header and these bytes. */
function npy(header: string, data: number[]): Uint8Array {
  const head = Buffer.from(`\x93NUMPY\x01\0\0\0${header}\n`, 'latin1');
  head.writeUInt16LE(header.length + 1, 8);
  return new Uint8Array(Buffer.concat([head, Buffer.from(data)]));
}
const load = (header: string, data: number[]): fb.Tensor => fb.load<fb.Tensor>(npy(header, data));

test('orders: big-endian numbers, Fortran arrays, unsigned integers in a wider type', () => {
  expect(load("{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}", [1, 0, 0, 2]).tolist()).toEqual([256, 2]);
  expect(load("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 2), }", [1, 2, 3, 4]).tolist()).toEqual([
    [1, 3],
    [2, 4],
  ]);
  const wide = load("{'descr': '<u2', 'fortran_order': False, 'shape': (1,), }", [255, 255]);
  expect([wide.dtype, wide.tolist()]).toEqual(['int64', [65535]]);
  const most = Array.from({ length: 8 }, () => 255);
  expect(() => load("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }", most)).toThrow(/uint64/);
});

test.each([
  ["{'descr': 'O', 'fortran_order': False, 'shape': (1,), }", /objects are pickles/],
  ["{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }", /"<c16" is not supported/],
  ["{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", /structured/],
  ["{'descr': '|i1', 'fortran_order': False, 'shape': (2**40,), }", /must hold integers|should have/],
  ["{'descr': '|i1', 'fortran_order': False, 'shape': (1099511627776,), }", /needs 1099511627776 bytes, 1 follow/],
  ["{'descr': '|i1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", /too large/],
  ["{'descr': '|i1', 'fortran_order': 0, 'shape': (1,), }", /True or False/],
  ["{'descr': '|i1', 'shape': (1,), }", /no fortran_order/],
])('%s is refused', (header, says) => {
  expect(() => load(header, [1])).toThrow(says);
});

test('NumPy has no bfloat16', () => {
  expect(() => serialize(fb.ones(1, { dtype: 'bfloat16' }), { format: 'npy' })).toThrow(/NumPy has no bfloat16/);
});
