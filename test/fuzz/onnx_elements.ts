// Random models of element-wise operators, recurrence, regions, quantisation and losses.
import { constant, type Attribute, type Case, type Maker, type Random } from './onnx_random.js';

const unary =
  (op: string, attributes: (r: Random) => Record<string, Attribute> = () => ({}), opsets = [13, 17, 22]) =>
  (r: Random): Case => ({
    op,
    opset: r.of(opsets),
    inputs: [r.floats(r.shape(r.int(1, 4)), 3)],
    attributes: attributes(r),
  });

export const ELEMENTS: Readonly<Record<string, Maker>> = {
  Elu: unary('Elu', (r) => r.some({ alpha: { float: 0.6 } })),
  Selu: unary('Selu', (r) => r.some({ alpha: { float: 1.2 }, gamma: { float: 1.1 } })),
  Celu: unary('Celu', (r) => r.some({ alpha: { float: 0.6 } })),
  LeakyRelu: unary('LeakyRelu', (r) => r.some({ alpha: { float: 0.2 } })),
  ThresholdedRelu: unary('ThresholdedRelu', (r) => r.some({ alpha: { float: 0.4 } })),
  HardSigmoid: unary('HardSigmoid', (r) => r.some({ alpha: { float: 0.3 }, beta: { float: 0.4 } })),
  HardSwish: unary('HardSwish', () => ({}), [14, 22]),
  Shrink: unary('Shrink', (r) => r.some({ lambd: { float: 0.7 }, bias: { float: 0.2 } })),
  Gelu: unary('Gelu', (r) => r.some({ approximate: r.of(['none', 'tanh']) }), [20]),
  Round: (r) => ({
    op: 'Round',
    opset: r.of([11, 22]),
    inputs: [{ dtype: 'float32', shape: [7], values: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, r.next()] }],
  }),
  PRelu: (r) => ({
    op: 'PRelu',
    opset: r.of([7, 9, 16]),
    inputs: [r.floats([2, 3, 2]), r.floats(r.of([[1], [3, 1], [2], [2, 3, 2], [1, 3, 1]]))],
  }),
  Mod: (r) => {
    const fmod = r.bool();
    if (fmod)
      return { op: 'Mod', opset: r.of([10, 13]), inputs: [r.floats([5]), r.floats([5])], attributes: { fmod: 1 } };
    const b = r.ints([6], 1, 5, 'int32');
    return {
      op: 'Mod',
      opset: 13,
      inputs: [r.ints([6], -9, 9, 'int32'), { ...b, values: b.values.map((v) => (r.bool() ? v : -v)) }],
      attributes: r.some({ fmod: 1 }),
      result: 6,
    };
  },
  Div: (r) => {
    const b = r.ints([6], 1, 5, 'int32');
    return {
      op: 'Div',
      opset: r.of([7, 13, 14]),
      inputs: [r.ints([6], -9, 9, 'int32'), { ...b, values: b.values.map((v) => (r.bool() ? v : -v)) }],
      result: 6,
    };
  },
  Pow: (r) =>
    r.bool()
      ? {
          op: 'Pow',
          opset: r.of([12, 13, 15]),
          inputs: [r.floats([4]), r.ints([4], 0, 3, r.of(['int32', 'int64'] as const))],
        }
      : { op: 'Pow', opset: 13, inputs: [r.ints([4], -3, 3, 'int32'), r.ints([1], 0, 3, 'int64')], result: 6 },
  BitShift: (r) => ({
    op: 'BitShift',
    opset: 11,
    inputs: [r.ints([4], 0, 255, 'uint8'), r.ints([4], 0, 7, 'uint8')],
    attributes: { direction: r.of(['LEFT', 'RIGHT']) },
    result: 2,
  }),
  Cast: (r) => {
    const [to, from] = [r.of([1, 2, 6, 7, 9, 11]), r.of(['float32', 'int32', 'bool', 'uint8'] as const)];
    const x = from === 'float32' ? r.floats([6], 5) : r.ints([6], 0, from === 'bool' ? 1 : 100, from);
    return {
      op: 'Cast',
      opset: r.of([9, 13, 19]),
      inputs: [to === 2 ? { ...x, values: x.values.map(Math.abs) } : x],
      attributes: { to },
      result: to,
    };
  },
  Einsum: (r) =>
    r.of<Case>([
      {
        op: 'Einsum',
        opset: 12,
        inputs: [r.floats([2, 3, 4]), r.floats([2, 4, 5])],
        attributes: { equation: 'bij, bjk -> bik' },
      },
      { op: 'Einsum', opset: 12, inputs: [r.floats([3, 3])], attributes: { equation: 'ii->i' } },
      { op: 'Einsum', opset: 12, inputs: [r.floats([2, 3, 4])], attributes: { equation: '...ij->...ji' } },
      { op: 'Einsum', opset: 12, inputs: [r.floats([2, 3]), r.floats([3])], attributes: { equation: 'ij,j' } },
    ]),
  Det: (r) => ({ op: 'Det', opset: r.of([11, 22]), inputs: [r.floats([2, 3, 3])] }),
  NonZero: (r) => ({
    op: 'NonZero',
    opset: r.of([9, 13]),
    inputs: [r.ints(r.shape(r.int(1, 3)), 0, 1, 'int32')].map((x) => ({ ...x, dtype: 'float32' as const })),
    result: 7,
  }),
  Unique: (r) => ({
    op: 'Unique',
    opset: 11,
    inputs: [r.ints([3, 4], 0, 3)],
    attributes: r.some({ sorted: r.int(0, 1), axis: r.int(-2, 1) }),
    outputs: 4,
    result: 7,
  }),
  Compress: (r) => ({
    op: 'Compress',
    opset: r.of([9, 11]),
    inputs: [r.floats([3, 4]), r.ints([r.int(1, 3)], 0, 1, 'bool')],
    attributes: r.some({ axis: r.int(-2, 1) }),
  }),
  ReverseSequence: (r) => {
    const time = r.int(0, 1);
    return {
      op: 'ReverseSequence',
      opset: 10,
      inputs: [r.floats([3, 3, 2]), r.ints([3], 1, 3)],
      attributes: r.bool() ? { time_axis: time, batch_axis: 1 - time } : {},
    };
  },
  Upsample: (r) => ({
    op: 'Upsample',
    opset: 9,
    inputs: [r.floats([1, 2, 3, 3]), constant([1, 1, r.of([1, 2, 2.5]), 2], 'float32')],
    attributes: r.some({ mode: r.of(['nearest', 'linear']) }),
  }),
  Dropout: (r) => ({ op: 'Dropout', opset: r.of([7, 10, 12, 13]), inputs: [r.floats([3, 4])] }),
  Range: (r) => ({
    op: 'Range',
    opset: 11,
    inputs: [
      constant([r.int(-5, 5)], 'int64', []),
      constant([r.int(-5, 9)], 'int64', []),
      constant([r.of([1, 2, -1, -3])], 'int64', []),
    ],
    result: 7,
  }),
  Where: (r) => ({
    op: 'Where',
    opset: r.of([9, 16]),
    inputs: [r.ints([2, 1, 3], 0, 1, 'bool'), r.floats([4, 1]), r.floats([3])],
  }),
  IsInf: (r) => ({
    op: 'IsInf',
    opset: r.of([10, 20]),
    inputs: [{ dtype: 'float32', shape: [4], values: [Infinity, -Infinity, NaN, 1] }],
    attributes: r.some({ detect_positive: r.int(0, 1), detect_negative: r.int(0, 1) }),
    result: 9,
  }),
  CenterCropPad: (r) => ({
    op: 'CenterCropPad',
    opset: 18,
    inputs: [r.floats([5, 4, 3]), constant([r.int(1, 8), r.int(1, 8)])],
    attributes: {
      axes: r.of([
        [0, 1],
        [-1, 0],
        [1, 2],
      ]),
    },
  }),
  Recurrent: (r) => {
    const op = r.of(['RNN', 'GRU', 'LSTM']);
    const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op]!;
    const direction = r.of(['forward', 'reverse', 'bidirectional']);
    const dirs = direction === 'bidirectional' ? 2 : 1;
    const [t, b, i, h] = [r.int(1, 4), r.int(1, 3), r.int(1, 3), r.int(1, 3)];
    const lengths = r.bool(0.4) ? r.ints([b], 1, t, 'int32') : null;
    const inputs = [
      r.floats([t, b, i]),
      r.floats([dirs, gates * h, i]),
      r.floats([dirs, gates * h, h]),
      r.bool() ? r.floats([dirs, 2 * gates * h]) : null,
      lengths,
      r.bool() ? r.floats([dirs, b, h]) : null,
    ];
    const state =
      op === 'LSTM' && r.bool() ? [r.floats([dirs, b, h]), ...(r.bool() ? [r.floats([dirs, 3 * h])] : [])] : [];
    const attributes = {
      hidden_size: h,
      direction,
      ...r.some({
        clip: { float: 0.5 },
        ...(op === 'GRU' ? { linear_before_reset: 1 } : {}),
        ...(op === 'LSTM' ? { input_forget: 1 } : {}),
      }),
    };
    return { op, opset: r.of([7, 14, 22]), inputs: [...inputs, ...state], attributes, outputs: op === 'LSTM' ? 3 : 2 };
  },
  NonMaxSuppression: (r) => {
    const boxes = r
      .list(6, () => {
        const [y, x] = [r.next(), r.next()];
        return [y, x, y + 0.3 + r.next() / 2, x + 0.3 + r.next() / 2];
      })
      .flat();
    const scores = r.list(12, (i) => i / 13 + 0.02).sort(() => r.next() - 0.5);
    const optional = [
      constant([r.int(1, 4)]),
      constant([r.next()], 'float32'),
      constant([r.next() / 2], 'float32'),
    ].slice(0, r.int(1, 3));
    return {
      op: 'NonMaxSuppression',
      opset: r.of([10, 11]),
      inputs: [
        { dtype: 'float32', shape: [1, 6, 4], values: boxes },
        { dtype: 'float32', shape: [1, 2, 6], values: scores },
        ...optional,
      ],
      result: 7,
    };
  },
  RoiAlign: (r) => ({
    op: 'RoiAlign',
    opset: r.of([10, 16]),
    inputs: [
      r.floats([2, 2, 6, 6]),
      { dtype: 'float32', shape: [2, 4], values: [0, 0, 4, 3, 1, 1, 5, 5.5] },
      { dtype: 'int64', shape: [2], values: [0, 1] },
    ],
    attributes: r.some({
      output_height: 2,
      output_width: 3,
      sampling_ratio: r.int(0, 2),
      spatial_scale: { float: 0.8 },
    }),
  }),
  MaxRoiPool: (r) => ({
    op: 'MaxRoiPool',
    opset: r.of([7, 22]),
    inputs: [
      r.floats([2, 2, 6, 7]),
      {
        dtype: 'float32',
        shape: [3, 5],
        values: [0, 0, 0, 4, 3, 1, 1, 1, 6, 5, 1, r.int(0, 3), r.int(0, 3), r.int(2, 8), r.int(1, 8)],
      },
    ],
    attributes: { pooled_shape: r.shape(2, 1, 3), ...r.some({ spatial_scale: { float: r.of([0.5, 0.8, 1]) } }) },
  }),
  QuantizeLinear: (r) => {
    const axis = r.int(-2, 1);
    const per = r.bool();
    const n = per ? [3, 4].at(axis)! : 1;
    const shape = per ? [n] : [];
    return {
      op: 'QuantizeLinear',
      opset: r.of([10, 13, 19]),
      inputs: [
        r.floats([3, 4], 20),
        { dtype: 'float32', shape, values: r.list(n, () => r.next() + 0.1) },
        ...(r.bool() ? [r.ints(shape, 0, 255, 'uint8')] : []),
      ],
      attributes: per ? { axis } : {},
      result: 2,
    };
  },
  DequantizeLinear: (r) => ({
    op: 'DequantizeLinear',
    opset: r.of([10, 13, 19]),
    inputs: [r.ints([3, 4], 0, 255, 'uint8'), r.floats([]), ...(r.bool() ? [r.ints([], 0, 255, 'uint8')] : [])],
  }),
  NegativeLogLikelihoodLoss: (r) => ({
    op: r.of(['NegativeLogLikelihoodLoss', 'SoftmaxCrossEntropyLoss']),
    opset: r.of([12, 13]),
    inputs: [
      r.floats([3, 4, 2]),
      r.ints([3, 2], 0, 3),
      ...(r.bool() ? [{ ...r.floats([4]), values: [0.1, 0.5, 1, 2] }] : []),
    ],
    attributes: r.some({ reduction: r.of(['none', 'mean', 'sum']), ignore_index: r.int(0, 3) }),
  }),
};
