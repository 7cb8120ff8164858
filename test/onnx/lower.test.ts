// The exporter on hand-built graphs: structure of the model, and its results in onnxruntime at two batch sizes.
import { describe, expect, test } from 'vitest';
import type { Value } from '../../src/ir/graph.js';
import { productOf } from '../../src/ir/dim.js';
import { OPS } from '../../generated/ts/ops.js';
import { batch, decode, GraphMaker, opTypes, pattern, run } from './graphs.js';

/** conv → relu → max pool → flatten → linear → softmax, with a dynamic batch axis. */
function network(): { g: GraphMaker; y: Value } {
  const g = new GraphMaker();
  const x = g.input([batch, 1, 6, 6]);
  const w = g.capture('conv.weight', [2, 1, 3, 3]);
  const b = g.capture('conv.bias', [2]);
  const conv = {
    stride: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    transposed: false,
    outputPadding: [0, 0],
    groups: 1,
  };
  const c = g.op('convolution', [x, w, b], conv, [batch, 2, 4, 4], { scope: 'conv' });
  const r = g.op('relu', [c], {}, [batch, 2, 4, 4]);
  const pool = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceilMode: false };
  const pooling = g.region('maxPool2d', [r], pool);
  const [p] = g.ops('maxPoolNd', [r], pool, [[batch, 2, 2, 2], { dtype: 'int64', shape: [batch, 2, 2, 2] }], {
    region: pooling,
  });
  g.endRegion(pooling, [p!]);
  const f = g.op('view', [p!], { size: [batch, 8] }, [batch, 8]);
  const l = g.op('linear', [f, g.capture('fc.weight', [3, 8]), g.capture('fc.bias', [3])], {}, [batch, 3], {
    scope: 'fc',
  });
  const soft = g.region('softmax', [l], { dim: -1, dtype: null });
  const m = g.op('amax', [l], { dim: [1], keepdim: true }, [batch, 1], { region: soft });
  const e = g.op('exp', [g.op('sub', [l, m], { alpha: 1 }, [batch, 3], { region: soft })], {}, [batch, 3], {
    region: soft,
  });
  const s = g.op('sum', [e], { dim: [1], keepdim: true, dtype: null }, [batch, 1], { region: soft });
  const y = g.op('trueDivide', [e, s], {}, [batch, 3], { region: soft });
  g.endRegion(soft, [y]);
  return { g, y };
}

describe('a small network', () => {
  test('composites stay whole, names follow the modules, the batch axis stays dynamic', () => {
    const { g, y } = network();
    const bytes = g.export(OPS, [y], { inputNames: ['image'], outputNames: ['probabilities'] });
    const model = decode(bytes);
    expect(model.irVersion).toBe(8n);
    expect(model.opsetImport).toMatchObject([{ domain: '', version: 17n }]);
    expect(opTypes(bytes)).toEqual(['Conv', 'Relu', 'MaxPool', 'Reshape', 'Gemm', 'Softmax']);
    expect(model.graph!.node.map((n) => n.name)).toEqual([
      '/conv/Conv',
      '/Relu',
      '/MaxPool',
      '/Reshape',
      '/fc/Gemm',
      '/Softmax',
    ]);
    expect(model.graph!.initializer.map((t) => t.name)).toEqual([
      'conv.weight',
      'conv.bias',
      'fc.weight',
      'fc.bias',
      '/constant',
    ]);
    expect(model.graph!.input[0]).toMatchObject({
      name: 'image',
      type: { value: { value: { shape: { dim: [{ value: { value: 'batch' } }, {}, {}, {}] } } } },
    });
    expect(model.graph!.output[0]!.name).toBe('probabilities');
    expect(model.graph!.node.at(-1)!.output).toEqual(['probabilities']);
  });

  test.each([1, 2, 5])('onnxruntime runs it at batch size %i', async (n) => {
    const { g, y } = network();
    const bytes = g.export(OPS, [y]);
    const out = await run(bytes, { x0: { dims: [n, 1, 6, 6], data: pattern([n, 1, 6, 6]) } });
    expect(out.y0!.dims).toEqual([n, 3]);
    for (let i = 0; i < n; i++) expect(out.y0!.data.slice(3 * i, 3 * i + 3).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });

  test('a composite that cannot stay whole is exported by its parts, with the same result', async () => {
    const { g, y } = network();
    const whole = g.export(OPS, [y]);
    const parts = network();
    // The maximum inside softmax is also a result of the program: the region must be opened.
    const inner = parts.g.graph.nodes.find((n) => n.op === 'amax')!.outputs[0]!;
    const opened = parts.g.export(OPS, [parts.y, inner]);
    expect(opTypes(opened)).not.toContain('Softmax');
    expect(opTypes(opened)).toContain('ReduceMax');
    const feed = { x0: { dims: [2, 1, 6, 6], data: pattern([2, 1, 6, 6]) } };
    const [a, b] = [await run(whole, feed), await run(opened, feed)];
    a.y0!.data.forEach((v, i) => expect(b.y0!.data[i]).toBeCloseTo(v, 5));
  });
});

describe('operators', () => {
  const data = pattern([2, 3]);
  const one = async (
    make: (g: GraphMaker, x: Value) => Value,
    input = data,
    dims = [2, 3],
  ): Promise<{ dims: number[]; data: number[] }> => {
    const g = new GraphMaker();
    const y = make(g, g.input([batch, ...dims.slice(1)]));
    return (await run(g.export(OPS, [y]), { x0: { dims, data: input } })).y0!;
  };
  const close = (got: number[], want: number[], digits = 5): void => {
    expect(got.length).toBe(want.length);
    want.forEach((w, i) => expect(got[i]).toBeCloseTo(w, digits));
  };
  const erf = (x: number): number => {
    let s = 0;
    for (let i = 0, t = x; i < 60; i++, t *= (-x * x) / i) s += t / (2 * i + 1);
    return (2 / Math.sqrt(Math.PI)) * s;
  };

  test.each<[string, Record<string, never> | Record<string, number>, (x: number) => number]>([
    ['relu', {}, (x) => Math.max(0, x)],
    ['sigmoid', {}, (x) => 1 / (1 + Math.exp(-x))],
    ['tanh', {}, Math.tanh],
    ['exp', {}, Math.exp],
    ['square', {}, (x) => x * x],
    ['silu', {}, (x) => x / (1 + Math.exp(-x))],
    ['mish', {}, (x) => x * Math.tanh(Math.log1p(Math.exp(x)))],
    ['hardswish', {}, (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6],
    ['hardsigmoid', {}, (x) => Math.min(1, Math.max(0, x / 6 + 0.5))],
    ['leakyRelu', { negativeSlope: 0.2 }, (x) => (x < 0 ? 0.2 * x : x)],
    ['elu', { alpha: 1.5 }, (x) => (x < 0 ? 1.5 * Math.expm1(x) : x)],
    ['softplus', { beta: 2, threshold: 20 }, (x) => Math.log1p(Math.exp(2 * x)) / 2],
    ['geluErf', {}, (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))],
    ['geluTanh', {}, (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))],
    ['trunc', {}, Math.trunc],
    ['rsqrt', {}, (x) => 1 / Math.sqrt(x)],
    ['logsigmoid', {}, (x) => -Math.log1p(Math.exp(-x))],
    ['softsign', {}, (x) => x / (1 + Math.abs(x))],
    ['selu', {}, (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))],
  ])('%s', async (op, attrs, f) => {
    const input = op === 'rsqrt' ? data.map((x) => Math.abs(x) + 0.1) : data.map((x) => 3 * x);
    close((await one((g, x) => g.op(op, [x], attrs, [batch, 3]), input)).data, input.map(f), 4);
  });

  test('binary ops take numbers, broadcast and honour alpha', async () => {
    close(
      (await one((g, x) => g.op('add', [x, 2], { alpha: 3 }, [batch, 3]))).data,
      data.map((x) => x + 6),
    );
    close(
      (await one((g, x) => g.op('mul', [x, x], {}, [batch, 3]))).data,
      data.map((x) => x * x),
    );
    close(
      (await one((g, x) => g.op('pow', [x, 2], {}, [batch, 3]))).data,
      data.map((x) => x * x),
    );
    const bias = (g: GraphMaker): Value => g.capture('b', [3], [1, 2, 3]);
    close(
      (await one((g, x) => g.op('sub', [x, bias(g)], { alpha: 1 }, [batch, 3]))).data,
      data.map((x, i) => x - 1 - (i % 3)),
    );
  });

  test('comparisons give bool, where and maskedFill select', async () => {
    const bool = { dtype: 'bool', shape: [batch, 3] } as const;
    const abs = await one((g, x) =>
      g.op('where', [g.op('lt', [x, 0], {}, bool), g.op('neg', [x], {}, [batch, 3]), x], {}, [batch, 3]),
    );
    close(abs.data, data.map(Math.abs));
    const filled = await one((g, x) => g.op('maskedFill', [x, g.op('gt', [x, 0], {}, bool), -7], {}, [batch, 3]));
    close(
      filled.data,
      data.map((x) => (x > 0 ? -7 : x)),
    );
  });

  test('reductions', async () => {
    const rows = [data.slice(0, 3), data.slice(3)];
    const sum = (r: number[]): number => r.reduce((a, b) => a + b, 0);
    close(
      (await one((g, x) => g.op('sum', [x], { dim: [-1], keepdim: false, dtype: null }, [batch]))).data,
      rows.map(sum),
    );
    close((await one((g, x) => g.op('mean', [x], { dim: null, keepdim: false, dtype: null }, []))).data, [
      sum(data) / 6,
    ]);
    close(
      (await one((g, x) => g.op('amax', [x], { dim: [1], keepdim: true }, [batch, 1]))).data,
      rows.map((r) => Math.max(...r)),
    );
    const variance = rows.map((r) => sum(r.map((v) => (v - sum(r) / 3) ** 2)) / 2);
    close((await one((g, x) => g.op('var', [x], { dim: [1], correction: 1, keepdim: false }, [batch]))).data, variance);
    const arg = await one((g, x) =>
      g.op('argmax', [x], { dim: 1, keepdim: false }, { dtype: 'int64', shape: [batch] }),
    );
    close(
      arg.data,
      rows.map((r) => r.indexOf(Math.max(...r))),
    );
  });

  test('views, slices and joins', async () => {
    const t = await one((g, x) => g.op('transpose', [x], { dim0: 0, dim1: 1 }, [3, batch]));
    expect(t.dims).toEqual([3, 2]);
    close(
      t.data,
      [0, 3, 1, 4, 2, 5].map((i) => data[i]!),
    );
    const s = await one((g, x) => g.op('slice', [x], { dim: 1, start: 1, end: null, step: 1 }, [batch, 2]));
    close(
      s.data,
      [1, 2, 4, 5].map((i) => data[i]!),
    );
    const c = await one((g, x) => g.op('cat', [[x, x]], { dim: 1 }, [batch, 6]));
    expect(c.dims).toEqual([2, 6]);
    const e = await one((g, x) =>
      g.op('expand', [g.op('unsqueeze', [x], { dim: 1 }, [batch, 1, 3])], { size: [batch, 4, 3] }, [batch, 4, 3]),
    );
    expect(e.dims).toEqual([2, 4, 3]);
    const v = await one((g, x) => g.op('view', [x], { size: [productOf([batch, 3])] }, [productOf([batch, 3])]));
    expect(v.dims).toEqual([6]);
    const f = await one((g) => g.op('full', [], { size: [batch, 2], fillValue: 4, dtype: 'float32' }, [batch, 2]));
    expect(f).toEqual({ dims: [2, 2], data: [4, 4, 4, 4] });
  });

  test('layer norm and batch norm', async () => {
    const norm = await one((g, x) => {
      const r = g.region('layerNorm', [x, null, null], { normalizedShape: [3], eps: 1e-5 });
      const y = g.op('neg', [x], {}, [batch, 3], { region: r });
      g.endRegion(r, [y]);
      return y;
    });
    const row = data.slice(0, 3);
    const mean = row.reduce((a, b) => a + b) / 3;
    const deviation = Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / 3 + 1e-5);
    close(
      norm.data.slice(0, 3),
      row.map((x) => (x - mean) / deviation),
      4,
    );
    const bn = await one((g, x) => {
      const stats = [
        g.capture('bn.weight', [3], [1, 2, 3]),
        g.capture('bn.bias', [3], [0, 1, 0]),
        g.capture('bn.runningMean', [3], [0, 0.5, 0]),
        g.capture('bn.runningVar', [3], [1, 4, 1]),
      ];
      const r = g.region('batchNorm', [x, ...stats], { training: false, momentum: 0.1, eps: 0 });
      const y = g.op('neg', [x], {}, [batch, 3], { region: r });
      g.endRegion(r, [y]);
      return y;
    });
    close(
      bn.data,
      data.map((x, i) => [x, x - 0.5 + 1, 3 * x][i % 3]!),
      4,
    );
  });
});

describe('what cannot be exported is refused by name', () => {
  const failing = (make: (g: GraphMaker, x: Value) => Value, message: string | RegExp, options = {}): void => {
    const g = new GraphMaker();
    const y = make(g, g.input([batch, 3]));
    expect(() => g.export(OPS, [y], options)).toThrow(message);
  };

  test('ops without an ONNX form: op, module, line', () => {
    failing(
      (g, x) =>
        g.op('linalgSvdvals', [x], {}, [3], {
          scope: 'block.0',
          site: 'net.ts:7:3',
        }),
      /^onnx\.export: op 'linalgSvdvals': cannot be exported: .* in module 'block\.0' at net\.ts:7:3$/,
    );
  });
  test('numbers that vary, writes, unknown ops, opsets, name clashes', () => {
    failing((g, x) => {
      g.graph.liveScalars.push(0.5);
      return g.op('mul', [x, { live: 0 }], {}, [batch, 3]);
    }, "op 'mul' uses a number that varies between calls (0.5)");
    failing((g, x) => {
      const c = g.capture('bn.runningMean', [3]);
      g.graph.writes.push({ target: c, value: x });
      return x;
    }, "writes 'bn.runningMean' in place");
    failing((g, x) => g.op('frobnicate', [x], {}, [batch, 3]), "unknown op 'frobnicate'");
    failing((_, x) => x, 'opset version 9 is not supported; supported: 13, 14', { opset: 9 });
    failing(
      (g, x) => g.op('add', [x, g.capture('x0', [3])], { alpha: 1 }, [batch, 3]),
      "the name 'x0' of a parameter is already taken",
    );
  });
});

test('an input, a parameter and one value given twice can be results', async () => {
  const g = new GraphMaker();
  const x = g.input([batch, 3]);
  const w = g.capture('w', [3], [1, 2, 3]);
  const y = g.op('neg', [x], {}, [batch, 3]);
  const out = await run(g.export(OPS, [x, w, y, y]), { x0: { dims: [1, 3], data: [4, 5, 6] } });
  expect(Object.values(out).map((t) => t.data)).toEqual([
    [4, 5, 6],
    [1, 2, 3],
    [-4, -5, -6],
    [-4, -5, -6],
  ]);
});

test.each([17, 18, 20])('opset %i: every reduction form is accepted by onnxruntime', async (opset) => {
  const g = new GraphMaker();
  const x = g.input([batch, 3]);
  const ys = ['sum', 'mean', 'amax', 'amin', 'prod'].map((op) => {
    const attrs = {
      dim: op === 'prod' ? 1 : [1],
      keepdim: false,
      ...(['amax', 'amin'].includes(op) ? {} : { dtype: null }),
    };
    return g.op(op, [x], attrs, [batch]);
  });
  const out = await run(g.export(OPS, ys, { opset }), { x0: { dims: [1, 3], data: [2, 3, 4] } });
  expect(Object.values(out).map((t) => t.data)).toEqual([[9], [3], [4], [2], [24]]);
});
