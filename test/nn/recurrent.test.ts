// Recurrent networks: lengths that change from call to call, packed sequences, steps against whole sequences.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
const { rnn } = nn.utils;

describe('recurrent networks', () => {
  test('a loop over lengths needs nothing special', () => {
    const lstm = new nn.LSTM(3, 4);
    let state: [Tensor, Tensor] | null = null;
    for (const length of [1, 5, 2]) {
      const [out, next]: [Tensor, [Tensor, Tensor]] = lstm(fb.randn(length, 2, 3), state);
      expect(out.shape).toEqual([length, 2, 4]);
      state = next;
    }
  });
  test.each([
    ['LSTM', () => [new nn.LSTM(3, 4), new nn.LSTMCell(3, 4)]],
    ['GRU', () => [new nn.GRU(3, 4), new nn.GRUCell(3, 4)]],
    ['RNN', () => [new nn.RNN(3, 4), new nn.RNNCell(3, 4)]],
  ] as const)('%s gives what its cell gives step by step', (_name, make) => {
    const [net, cell] = make() as unknown as [nn.Module, nn.Module];
    const own = net.stateDict();
    cell.loadStateDict(Object.fromEntries(Object.entries(own).map(([k, v]) => [k.replace('_l0', ''), v])));
    const x = fb.randn(5, 2, 3);
    const [out] = (net as unknown as (x: Tensor) => [Tensor])(x);
    let state: unknown = null;
    for (let t = 0; t < 5; t++) {
      state = (cell as unknown as (x: Tensor, s: unknown) => unknown)(x.index(t), state);
      const h = (Array.isArray(state) ? state[0] : state) as Tensor;
      expect(out.index(t).allclose(h, { atol: 1e-6 })).toBe(true);
    }
  });
  test('packed sequences give each sequence what it gets alone, in the order of the caller', () => {
    const gru = new nn.GRU(2, 3, { bidirectional: true, numLayers: 2 });
    const sequences = [2, 4, 1].map((n) => fb.randn(n, 2));
    const [packed, hidden] = gru(rnn.packSequence(sequences, { enforceSorted: false }));
    const [padded, lengths] = rnn.padPackedSequence(packed, { batchFirst: true });
    expect([padded.shape, lengths.tolist()]).toEqual([
      [3, 4, 6],
      [2, 4, 1],
    ]);
    sequences.forEach((s, b) => {
      const [alone, last] = gru(s);
      expect(padded.index(b, fb.slice(0, s.size(0))).allclose(alone, { atol: 1e-6 })).toBe(true);
      expect(hidden.select(1, b).allclose(last, { atol: 1e-6 })).toBe(true);
    });
  });
  test('packing and padding are inverse; bad lengths are refused', () => {
    const x = fb.randn(4, 2, 3);
    const packed = rnn.packPaddedSequence(x, [4, 2]);
    expect([packed.data.shape, packed.batchSizes.tolist()]).toEqual([
      [6, 3],
      [2, 2, 1, 1],
    ]);
    expect(rnn.unpackSequence(packed).map((s) => s.size(0))).toEqual([4, 2]);
    expect(rnn.padSequence([fb.ones(1), fb.ones(3)], { batchFirst: true, paddingValue: -1 }).tolist()).toEqual([
      [1, -1, -1],
      [1, 1, 1],
    ]);
    expect(() => rnn.packPaddedSequence(x, [2, 4])).toThrow('must be sorted in decreasing order');
    expect(() => rnn.packPaddedSequence(x, [4, 0])).toThrow('greater than 0');
  });
});
