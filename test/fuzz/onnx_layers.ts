// Random models of windows, products, normalisations and reductions: attributes in all their forms, opsets on both sides of every change.
import {
  axesOf,
  constant,
  count,
  type Attribute,
  type Case,
  type Input,
  type Maker,
  type Random,
} from './onnx_random.js';

/**
 * Settings of windows: strides, dilations, pads or auto_pad. Where auto_pad says SAME, onnxruntime counts no dilations,
 * and pads by less than nothing for windows smaller than their strides.
 */
function windows(r: Random, kernel: readonly number[], dilated = true): Record<string, Attribute> {
  const n = kernel.length;
  const auto = r.bool() ? r.of(['VALID', 'SAME_UPPER', 'SAME_LOWER']) : null;
  const same = auto !== null && auto !== 'VALID';
  return {
    ...(r.bool() ? { strides: r.list(n, (i) => r.int(1, same ? Math.min(3, kernel[i]!) : 3)) } : {}),
    ...(dilated && !same && r.bool(0.4) ? { dilations: r.list(n, () => r.int(1, 2)) } : {}),
    ...(auto !== null
      ? { auto_pad: auto }
      : r.bool()
        ? { pads: r.list(2 * n, (i) => r.int(0, kernel[i % n]! - 1)) }
        : {}),
  };
}
const reduction =
  (op: string) =>
  (r: Random): Case => {
    const rank = r.int(1, 4);
    const x = r.floats(r.shape(rank));
    const positive = /Log/.test(op) ? { ...x, values: x.values.map((v) => Math.abs(v) + 0.1) } : x;
    const axes = axesOf(r, rank);
    const opset = r.of(op === 'ReduceSum' ? [11, 13, 17] : [11, 13, 17, 18, 20]);
    const asInput = op === 'ReduceSum' ? opset >= 13 : opset >= 18;
    const keepdims = r.some({ keepdims: r.int(0, 1) });
    if (!asInput)
      return { op, opset, inputs: [positive], attributes: { ...keepdims, ...(axes.length > 0 ? { axes } : {}) } };
    const noop = r.some({ noop_with_empty_axes: r.int(0, 1) });
    return {
      op,
      opset,
      inputs: [positive, ...(r.bool(0.8) ? [constant(axes)] : [])],
      attributes: { ...keepdims, ...noop },
    };
  };
const pool =
  (op: 'AveragePool' | 'MaxPool' | 'LpPool') =>
  (r: Random): Case => {
    const n = r.int(1, 3);
    const kernel = r.shape(n, 1, 3);
    const opset = r.of(op === 'LpPool' ? [11, 18, 22] : op === 'MaxPool' ? [8, 10, 12, 22] : [7, 10, 11, 19, 22]);
    const ceil = op === 'LpPool' ? opset >= 18 : opset >= 10;
    const dilated = op === 'MaxPool' ? opset >= 10 : op === 'AveragePool' ? opset >= 19 : opset >= 18;
    const more = {
      ...(ceil ? { ceil_mode: r.int(0, 1) } : {}),
      ...(op === 'AveragePool' ? { count_include_pad: r.int(0, 1) } : {}),
      ...(op === 'LpPool' ? { p: r.int(1, 3) } : {}),
    };
    const attributes = { kernel_shape: kernel, ...windows(r, kernel, dilated), ...r.some(more) };
    return {
      op,
      opset,
      inputs: [r.floats([r.int(1, 2), r.int(1, 3), ...r.shape(n, 6, 9)])],
      attributes,
    };
  };
export const LAYERS: Readonly<Record<string, Maker>> = {
  Conv: (r) => {
    const n = r.int(1, 3);
    const [group, per, out] = [r.int(1, 3), r.int(1, 2), r.int(1, 2)];
    const kernel = r.shape(n, 1, 3);
    const x = r.floats([r.int(1, 2), group * per, ...r.shape(n, 5, 8)]);
    const attributes = { ...windows(r, kernel), ...(group > 1 ? { group } : {}), ...r.some({ kernel_shape: kernel }) };
    const bias = r.bool() ? [r.floats([group * out])] : [];
    return {
      op: 'Conv',
      opset: r.of([7, 11, 22]),
      inputs: [x, r.floats([group * out, per, ...kernel]), ...bias],
      attributes,
    };
  },
  ConvTranspose: (r) => {
    const n = r.int(1, 2);
    const [group, per, out] = [r.int(1, 2), r.int(1, 2), r.int(1, 2)];
    const kernel = r.shape(n, 3, 4);
    const w = windows(r, kernel);
    const strides = (w['strides'] as number[] | undefined) ?? kernel.map(() => 1);
    const more = r.bool(0.4) ? { output_padding: strides.map((s) => r.int(0, s - 1)) } : {};
    const x = r.floats([r.int(1, 2), group * per, ...r.shape(n, 3, 5)]);
    const bias = r.bool() ? [r.floats([group * out])] : [];
    return {
      op: 'ConvTranspose',
      opset: r.of([7, 11, 22]),
      inputs: [x, r.floats([group * per, out, ...kernel]), ...bias],
      attributes: { ...w, ...more, ...(group > 1 ? { group } : {}) },
    };
  },
  AveragePool: pool('AveragePool'),
  MaxPool: pool('MaxPool'),
  LpPool: pool('LpPool'),
  Gemm: (r) => {
    const [m, k, n] = r.shape(3) as [number, number, number];
    const [ta, tb] = [r.int(0, 1), r.int(0, 1)];
    const c = r.of([null, [n], [1], [m, 1], [m, n], [1, n], []]);
    const attributes = r.some({ alpha: { float: r.next() * 2 }, beta: { float: r.next() } });
    return {
      op: 'Gemm',
      opset: r.of([7, 9, 11, 13]),
      inputs: [r.floats(ta ? [k, m] : [m, k]), r.floats(tb ? [n, k] : [k, n]), ...(c === null ? [] : [r.floats(c)])],
      attributes: { ...attributes, transA: ta, transB: tb },
    };
  },
  MatMul: (r) => {
    const [m, k, n] = r.shape(3) as [number, number, number];
    const batch = r.shape(r.int(0, 2), 1, 3);
    const a = r.of([[k], [m, k], [...batch, m, k], [...batch.map((b) => (r.bool(0.3) ? 1 : b)), m, k]]);
    const b = r.of([[k], [k, n], [...batch, k, n]]);
    return { op: 'MatMul', opset: r.of([7, 9, 13]), inputs: [r.floats(a), r.floats(b)] };
  },
  Softmax: (r) => ({
    op: r.of(['Softmax', 'LogSoftmax', 'Hardmax']),
    opset: r.of([7, 11, 13]),
    inputs: [r.floats(r.shape(3))],
    attributes: r.some({ axis: r.int(-3, 2) }),
  }),
  BatchNormalization: (r) => {
    const c = r.int(1, 4);
    const per = (): Input => ({ ...r.floats([c]), values: r.list(c, () => r.next() + 0.2) });
    return {
      op: 'BatchNormalization',
      opset: r.of([7, 9, 14, 15]),
      inputs: [r.floats([2, c, ...r.shape(r.int(0, 3))]), per(), per(), per(), per()],
      attributes: r.some({ epsilon: { float: r.next() / 10 }, momentum: { float: 0.7 } }),
    };
  },
  InstanceNormalization: (r) => ({
    op: 'InstanceNormalization',
    opset: r.of([7, 22]),
    inputs: [r.floats([2, 3, ...r.shape(r.int(1, 3), 2, 4)]), r.floats([3]), r.floats([3])],
    attributes: r.some({ epsilon: { float: 0.01 } }),
  }),
  LayerNormalization: (r) => {
    const shape = r.shape(4, 2, 4);
    const axis = r.int(-4, 3);
    const own = shape.slice(axis);
    return {
      op: 'LayerNormalization',
      opset: 17,
      inputs: [r.floats(shape), r.floats(own), ...(r.bool() ? [r.floats(own)] : [])],
      attributes: { axis, ...r.some({ epsilon: { float: 0.01 } }) },
      outputs: r.int(1, 3),
    };
  },
  GroupNormalization: (r) => {
    const opset = r.of([18, 21]);
    const [groups, per] = [r.int(1, 3), r.int(1, 2)];
    const size = opset === 18 ? groups : groups * per;
    return {
      op: 'GroupNormalization',
      opset,
      inputs: [r.floats([2, groups * per, 3, 2]), r.floats([size]), r.floats([size])],
      attributes: { num_groups: groups, ...r.some({ epsilon: { float: 0.01 } }) },
    };
  },
  LRN: (r) => ({
    op: 'LRN',
    opset: r.of([7, 13]),
    inputs: [r.floats([2, r.int(1, 7), 3, 3])],
    attributes: { size: r.int(1, 5), ...r.some({ alpha: { float: 0.1 }, beta: { float: 0.6 }, bias: { float: 1.5 } }) },
  }),
  LpNormalization: (r) => ({
    op: 'LpNormalization',
    opset: r.of([7, 22]),
    inputs: [r.floats(r.shape(3))],
    attributes: r.some({ axis: r.int(-3, 2), p: r.int(1, 2) }),
  }),
  MeanVarianceNormalization: (r) => ({
    op: 'MeanVarianceNormalization',
    opset: r.of([9, 13]),
    inputs: [r.floats([2, 3, 3, 2])],
    attributes: r.some({ axes: r.of([[0, 2, 3], [1], [0], [2, 3]]) }),
  }),
  ...Object.fromEntries(
    [
      'ReduceSum',
      'ReduceMean',
      'ReduceMax',
      'ReduceMin',
      'ReduceProd',
      'ReduceL1',
      'ReduceL2',
      'ReduceLogSum',
      'ReduceLogSumExp',
      'ReduceSumSquare',
    ].map((op) => [op, reduction(op)]),
  ),
  ArgMax: (r) => ({
    op: r.of(['ArgMax', 'ArgMin']),
    opset: r.of([7, 12, 13]),
    inputs: [r.ints(r.shape(3), 0, 3, 'int32')].map((x) => ({ ...x, dtype: 'float32' as const })),
    attributes: r.some({ axis: r.int(0, 2), keepdims: r.int(0, 1) }),
    result: 7,
  }),
  ArgMaxLast: (r) => ({
    op: r.of(['ArgMax', 'ArgMin']),
    opset: r.of([12, 13]),
    inputs: [r.ints(r.shape(3), 0, 2, 'int32')].map((x) => ({ ...x, dtype: 'float32' as const })),
    attributes: { select_last_index: r.int(0, 1), ...r.some({ axis: r.int(-3, 2) }) },
    result: 7,
  }),
  TopK: (r) => {
    const shape = r.shape(3, 2, 6);
    const axis = r.int(-3, 2);
    const k = r.int(1, shape.at(axis)!);
    const values = r.list(count(shape), (i) => i).sort(() => r.next() - 0.5);
    return {
      op: 'TopK',
      opset: r.of([10, 11]),
      inputs: [{ dtype: 'float32', shape, values }, constant([k])],
      attributes: { axis, ...r.some({}) },
      outputs: 1,
    };
  },
  TopKSmallest: (r) => {
    const shape = r.shape(2, 2, 6);
    const values = r.list(count(shape), (i) => i).sort(() => r.next() - 0.5);
    return {
      op: 'TopK',
      opset: 11,
      inputs: [{ dtype: 'float32', shape, values }, constant([r.int(1, shape[1]!)])],
      attributes: r.some({ largest: r.int(0, 1), axis: -1 }),
    };
  },
};
