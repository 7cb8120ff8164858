// The TypeScript side of sequences.cc.
import * as fb from '../../../src/index.js';
import { nn, type Tensor } from '../../../src/index.js';
import { evaluate, run, type Cases, type Results } from './evaluate.js';

const { randn } = fb;
const { rnn } = nn.utils;
const causal = (n: number): Tensor => nn.Transformer.generateSquareSubsequentMask(n);

function packed(m: nn.RNN | nn.GRU | nn.LSTM, sorted: boolean): Results {
  return evaluate(m, [randn(5, 3, 4)], (x) => {
    const p = sorted
      ? rnn.packPaddedSequence(x!, [5, 3, 2])
      : rnn.packPaddedSequence(x!, [2, 5, 3], { enforceSorted: false });
    const [output, states] = (m as nn.RNN)(p);
    return [states, ...rnn.padPackedSequence(output, { paddingValue: 0.5, totalLength: 6 })];
  });
}

export const sequences: Cases = {
  RNN: () => run(new nn.RNN(4, 3), randn(5, 2, 4)),
  'RNN relu': () => run(new nn.RNN(4, 3, { nonlinearity: 'relu', numLayers: 2, bias: false }), randn(5, 4)),
  GRU: () => run(new nn.GRU(4, 3, { numLayers: 2, bidirectional: true, dropout: 0.3 }), randn(5, 2, 4)),
  LSTM: () => {
    const m = new nn.LSTM(4, 5, { numLayers: 2, bidirectional: true, batchFirst: true });
    const [x, h, c] = [randn(2, 5, 4), randn(4, 2, 5), randn(4, 2, 5)];
    return evaluate(m, [x, h, c], (...t) => m(t[0]!, [t[1]!, t[2]!]));
  },
  'LSTM projected': () => run(new nn.LSTM(4, 5, { projSize: 3 }), randn(5, 2, 4)),
  'RNN packed': () => packed(new nn.RNN(4, 3), true),
  'GRU packed': () => packed(new nn.GRU(4, 3, { bidirectional: true }), false),
  'LSTM packed': () => packed(new nn.LSTM(4, 3, { bidirectional: true, numLayers: 2 }), false),
  RNNCell: () => run(new nn.RNNCell(4, 3), randn(2, 4), randn(2, 3)),
  GRUCell: () => run(new nn.GRUCell(4, 3, { bias: false }), randn(4), randn(3)),
  LSTMCell: () => {
    const m = new nn.LSTMCell(4, 3);
    return evaluate(m, [randn(2, 4), randn(2, 3), randn(2, 3)], (x, h, c) => m(x!, [h!, c!]));
  },
  MultiheadAttention: () => {
    const m = new nn.MultiheadAttention(8, 2);
    return evaluate(m, [randn(5, 2, 8)], (x) => m(x!, x!, x!, { attnMask: causal(5) }));
  },
  'MultiheadAttention sizes': () => {
    const o = { kdim: 6, vdim: 4, batchFirst: true, addBiasKv: true, addZeroAttn: true, dropout: 0.1 };
    const m = new nn.MultiheadAttention(8, 2, o);
    const keyPaddingMask = fb.randint(0, 2, [2, 7]).bool();
    return evaluate(m, [randn(2, 5, 8), randn(2, 7, 6), randn(2, 7, 4)], (q, k, v) =>
      m(q!, k!, v!, { keyPaddingMask, averageAttnWeights: false }),
    );
  },
  TransformerEncoderLayer: () => {
    const m = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16 });
    return evaluate(m, [randn(5, 2, 8)], (x) => m(x!, { srcMask: causal(5) }));
  },
  TransformerDecoderLayer: () => {
    const o = { dimFeedforward: 16, activation: 'gelu', normFirst: true, batchFirst: true } as const;
    const m = new nn.TransformerDecoderLayer(8, 2, o);
    return evaluate(m, [randn(2, 5, 8), randn(2, 7, 8)], (x, memory) => m(x!, memory!, { tgtMask: causal(5) }));
  },
  TransformerEncoder: () => {
    const layer = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16, bias: false });
    return run(new nn.TransformerEncoder(layer, 2, new nn.LayerNorm(8)), randn(5, 2, 8));
  },
  TransformerDecoder: () => {
    const layer = new nn.TransformerDecoderLayer(8, 2, { dimFeedforward: 16, dropout: 0 });
    return run(new nn.TransformerDecoder(layer, 2), randn(5, 2, 8), randn(7, 2, 8));
  },
  Transformer: () => {
    const o = { dModel: 8, nhead: 2, numEncoderLayers: 2, numDecoderLayers: 1, dimFeedforward: 16 };
    const m = new nn.Transformer(o);
    return evaluate(m, [randn(5, 2, 8), randn(4, 2, 8)], (src, tgt) => m(src!, tgt!, { tgtMask: causal(4) }));
  },
};
