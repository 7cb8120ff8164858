// What people have missed in other exporters, one test each: names, axes that stay dynamic, tied weights, compact graphs, modes,
// external data, provenance, verification, refusals.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import type { ExportOptions } from '../../src/onnx/options.js';
import type { ValueInfoProto } from '../../src/onnx/schema/onnx_pb.cjs';
import type { VerifyReport } from '../../src/onnx/verify.js';
import { checkExport, checkModel, runInOnnxruntime } from '../conformance/exported.js';
import { decode, opTypes } from './graphs.js';
const F = nn.functional;

const folder = mkdtempSync(join(tmpdir(), 'flambeau-demands-'));
afterAll(() => rmSync(folder, { recursive: true }));

const dims = (v: ValueInfoProto): (number | string | undefined)[] => {
  const value = v.type!.value;
  if (value.case !== 'tensorType') throw new Error('not a tensor');
  return value.value.shape!.dim.map(({ value: d }) => (d.case === 'dimValue' ? Number(d.value) : d.value));
};

class Block extends nn.Module {
  fc1 = new nn.Linear(6, 8);
  norm = new nn.LayerNorm(8);
  fc2 = new nn.Linear(8, 6);
  forward(x: Tensor): Tensor {
    return this.fc2(F.gelu(this.norm(this.fc1(x))));
  }
}

describe('dynamic axes', () => {
  const mixed = (x: Tensor, y: Tensor): Tensor => fb.cat([x, y], 1).mean(1, { keepdim: true }).mul(x);
  const axes = { dynamicAxes: { a: { 0: 'batch', 1: 'left' }, b: { 0: 'batch', 1: 'right' } } };

  test('keep their names, reach the outputs and the values between, and run at other sizes', async () => {
    const options: ExportOptions = { inputNames: ['a', 'b'], outputNames: ['joined', 'scaled'], ...axes };
    const f = (x: Tensor, y: Tensor): Tensor[] => [fb.cat([x, y], 1), mixed(x, y)];
    const bytes = fb.onnx.export(f, [fb.rand(2, 3), fb.rand(2, 4)], null, options);
    const graph = decode(bytes).graph!;
    expect(graph.input.map(dims)).toEqual([
      ['batch', 'left'],
      ['batch', 'right'],
    ]);
    expect(graph.output.map(dims)).toEqual([
      ['batch', 'left+right'],
      ['batch', 'left'],
    ]);
    for (const [n, p, q] of [
      [1, 1, 1],
      [5, 2, 7],
    ] as const) {
      const xs = [fb.rand(n, p), fb.rand(n, q)] as const;
      expect(await checkModel(bytes, ['a', 'b'], xs, ['joined', 'scaled'], f(...xs))).toBe('onnxruntime');
    }
  });

  test('a size that the program turns into something else is an error, not a constant', () => {
    const specialised = (x: Tensor): Tensor => x.mul(x.shape[0]! % 2 === 0 ? 2 : 3);
    expect(() =>
      fb.onnx.export(specialised, [fb.rand(2, 3)], null, { inputNames: ['x'], dynamicAxes: { x: { 0: 'batch' } } }),
    ).toThrow(/does not keep its dynamic axes \('batch'\)|does not stay dynamic/);
    const unrolled = (x: Tensor): Tensor => {
      let y = x.select(0, 0);
      for (let i = 1; i < x.shape[0]!; i++) y = y.mul(2).add(x.select(0, i));
      return y;
    };
    expect(() => fb.onnx.export(unrolled, [fb.rand(2, 3)], null, { dynamicAxes: { input: { 0: 'time' } } })).toThrow(
      /does not keep its dynamic axes \('time'\)/,
    );
  });

  test('a mean over a dynamic axis divides by its size at run time', async () => {
    const f = (x: Tensor): Tensor => x.sum(0).div(x.shape[0]!).add(x.var(0));
    const bytes = fb.onnx.export(f, [fb.rand(4, 3)], null, { dynamicAxes: { input: { 0: 'n' } } });
    const x = fb.rand(9, 3);
    await checkModel(bytes, ['input'], [x], ['output'], [f(x)]);
  });

  test('dynamicShapes by position and by name', () => {
    const f = (x: Tensor, y: Tensor): Tensor => x.add(y);
    const given = [fb.rand(2, 3), fb.rand(3)];
    for (const dynamicShapes of [[{ 0: 'batch' }, null], { input_0: { 0: 'batch' } }] as const) {
      const bytes = fb.onnx.export(f, given, null, { dynamicShapes });
      expect(dims(decode(bytes).graph!.input[0]!)).toEqual(['batch', 3]);
    }
    expect(() => fb.onnx.export(f, given, null, { dynamicShapes: [null] })).toThrow(
      'dynamicShapes has 1 entries for 2 inputs',
    );
    expect(() => fb.onnx.export(f, given, null, { dynamicShapes: {}, dynamicAxes: {} })).toThrow(
      'give dynamicAxes or dynamicShapes, not both',
    );
  });

  test.each<[string, ExportOptions, string]>([
    [
      'an unknown name',
      { dynamicAxes: { picture: { 0: 'n' } } },
      "dynamicAxes names 'picture', which is neither an input",
    ],
    ['an axis out of range', { dynamicAxes: { input: { 2: 'n' } } }, "axis 2 of 'input' is out of range"],
    ['an axis given twice', { dynamicAxes: { input: { 0: 'n', [-2]: 'm' } } }, "axis 0 of 'input' is given twice"],
    ['an axis without a name', { dynamicAxes: { input: { 0: '' } } }, 'needs a name'],
    [
      'an output axis under the name of another size',
      { dynamicAxes: { input: { 0: 'n' }, output: { 0: 'n' } } },
      "axis 0 of output 'output' is 2*n, not n",
    ],
  ])('%s is refused', (_, options, message) => {
    expect(() => fb.onnx.export((x: Tensor) => fb.cat([x, x], 0), [fb.rand(2, 3)], null, options)).toThrow(message);
  });
});

describe('names', () => {
  test('initializers have state-dict names and are no inputs; nodes have unique names with the module path', () => {
    const model = new nn.Sequential(new Block(), new Block());
    const graph = decode(fb.onnx.export(model, [fb.rand(2, 6)], null)).graph!;
    const weights = graph.initializer.map((t) => t.name).filter((n) => !n.startsWith('/'));
    expect(weights.sort()).toEqual(Object.keys(model.stateDict()).sort());
    expect(graph.input.map((i) => i.name)).toEqual(['input']);
    const names = graph.node.map((n) => n.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['/0/fc1/Gemm', '/1/fc2/Gemm', '/0/norm/LayerNormalization']));
  });

  test('folding renames no weight: a transposed, scaled weight is still there under its name', () => {
    class Folded extends nn.Module {
      weight = new nn.Parameter(fb.rand(3, 4));
      forward(x: Tensor): Tensor {
        return x.matmul(this.weight.t().mul(2));
      }
    }
    const graph = decode(fb.onnx.export(new Folded(), [fb.rand(2, 4)], null)).graph!;
    expect(graph.initializer.map((t) => t.name)).toContain('weight');
    expect(graph.node.map((n) => n.opType)).toEqual(['Transpose', 'Mul', 'MatMul']);
  });

  test('tied weights are stored once', () => {
    class Tied extends nn.Module {
      embed = new nn.Embedding(7, 4);
      head = new nn.Linear(4, 7, { bias: false });
      constructor() {
        super();
        this.head.weight = this.embed.weight;
      }
      forward(x: Tensor): Tensor {
        return this.head(this.embed(x));
      }
    }
    const graph = decode(fb.onnx.export(new Tied(), [fb.tensor([[1, 2, 3]], { dtype: 'int64' })], null)).graph!;
    expect(graph.initializer.map((t) => t.name).filter((n) => !n.startsWith('/'))).toEqual(['embed.weight']);
  });

  test('shapes are int64, numbers scalars of rank 0', () => {
    const f = (x: Tensor): Tensor => x.reshape([x.shape[0]!, 2, -1]).mul(0.5);
    const graph = decode(fb.onnx.export(f, [fb.rand(3, 4)], null, { dynamicAxes: { input: { 0: 'n' } } })).graph!;
    const constants = graph.initializer.map((t) => [t.dataType, t.dims.length]);
    expect(constants).toEqual([
      [7, 1],
      [1, 0],
    ]);
  });
});

test('graphs are compact: one operator for each layer', () => {
  const cases: [string, (x: Tensor) => Tensor, number[], string[], number][] = [
    ['layer norm', (x) => F.layerNorm(x, [6]), [2, 6], ['LayerNormalization'], 17],
    ['gelu', (x) => F.gelu(x), [2, 6], ['Gelu'], 20],
    ['gelu tanh', (x) => F.gelu(x, { approximate: 'tanh' }), [2, 6], ['Gelu'], 20],
    ['hardswish', (x) => F.hardswish(x), [2, 6], ['HardSwish'], 17],
    ['mish', (x) => F.mish(x), [2, 6], ['Mish'], 18],
    ['softmax', (x) => F.softmax(x, -1), [2, 6], ['Softmax'], 17],
    ['log softmax', (x) => F.logSoftmax(x, -1), [2, 6], ['LogSoftmax'], 17],
    ['group norm', (x) => F.groupNorm(x, 2), [2, 4, 3], ['GroupNormalization'], 21],
    ['rms norm', (x) => F.rmsNorm(x, [6]), [2, 6], ['RMSNormalization'], 23],
    ['instance norm', (x) => F.instanceNorm(x), [2, 4, 3, 3], ['InstanceNormalization'], 17],
    ['attention', (x) => F.scaledDotProductAttention(x, x, x), [2, 2, 3, 4], ['Attention'], 23],
    ['pixel shuffle', (x) => F.pixelShuffle(x, 2), [1, 4, 2, 2], ['DepthToSpace'], 17],
    ['prelu', (x) => F.prelu(x, fb.tensor([0.25])), [2, 6], ['PRelu'], 17],
    ['global pooling', (x) => x.mean([2, 3], { keepdim: true }), [1, 2, 4, 4], ['GlobalAveragePool'], 17],
    ['clamp', (x) => x.clamp(-1, 1), [2, 6], ['Clip'], 17],
    ['triangle', (x) => x.tril(), [3, 3], ['Trilu'], 17],
  ];
  for (const [name, f, shape, ops, opsetVersion] of cases) {
    expect(opTypes(fb.onnx.export(f, [fb.rand(shape)], null, { opsetVersion })), name).toEqual(ops);
  }
});

describe('modes', () => {
  const net = (): nn.Sequential =>
    new nn.Sequential(new nn.Conv2d(2, 4, 3), new nn.BatchNorm2d(4), new nn.Dropout(0.5), new nn.ReLU());

  test('eval by default, whatever the mode was, and the mode comes back', () => {
    const model = net().train();
    const bytes = fb.onnx.export(model, [fb.rand(2, 2, 5, 5)], null);
    expect(opTypes(bytes)).toEqual(['Conv', 'BatchNormalization', 'Relu']);
    expect([...model.modules()].every((m) => m.training)).toBe(true);
  });

  test('training: Dropout draws, BatchNormalization uses the batch and gives its new statistics', async () => {
    const model = net();
    const before = model.stateDict()['1.running_mean']!.clone();
    const bytes = fb.onnx.export(model.eval(), [fb.rand(3, 2, 5, 5)], null, { training: true, opsetVersion: 17 });
    expect(model.training).toBe(false);
    const graph = decode(bytes).graph!;
    expect(graph.node.map((n) => n.opType)).toContain('Dropout');
    expect(graph.output.map((o) => o.name)).toEqual(
      expect.arrayContaining(['output', '1.running_mean.updated', '1.running_var.updated']),
    );
    const x = fb.rand(3, 2, 5, 5).add(1);
    const got = await runInOnnxruntime(bytes, ['input'], [x]);
    const bn = model.at(1) as unknown as nn.BatchNorm2d;
    expect(fb.equal(model.stateDict()['1.running_mean']!, before)).toBe(true);
    const conv = model.at(0) as unknown as nn.Conv2d;
    fb.noGrad(() => bn.train()(conv(x)));
    for (const name of ['running_mean', 'running_var']) {
      const want = model.stateDict()[`1.${name}`]!;
      expect(fb.allclose(got.get(`1.${name}.updated`)!, want, { rtol: 1e-3, atol: 1e-4 }), name).toBe(true);
    }
  });

  test('training and verify exclude each other', () => {
    expect(() => fb.onnx.export(net(), [fb.rand(2, 2, 5, 5)], null, { training: true, verify: true })).toThrow(
      'in training mode they are random',
    );
  });
});

describe('files', () => {
  test('weights in one file beside the model, aligned, read by onnxruntime and by our importer', async () => {
    const path = join(folder, 'outside.onnx');
    const model = new nn.Sequential(new nn.Linear(40, 30), new nn.ReLU(), new nn.Linear(30, 20));
    const reports: VerifyReport[] = [];
    const bytes = fb.onnx.export(model, [fb.rand(2, 40)], path, {
      externalData: true,
      verify: (r) => reports.push(r),
      dynamicAxes: { input: { 0: 'batch' } },
    });
    expect(readdirSync(folder).sort()).toEqual(['outside.onnx', 'outside.onnx.data']);
    expect(readFileSync(path).equals(Buffer.from(bytes))).toBe(true);
    const stored = decode(bytes).graph!.initializer.filter((t) => t.externalData.length > 0);
    expect(stored.map((t) => t.name).sort()).toEqual(['0.weight', '2.weight']);
    for (const t of stored) {
      const entries = Object.fromEntries(t.externalData.map((e) => [e.key, e.value]));
      expect(entries.location).toBe('outside.onnx.data');
      expect(Number(entries.offset) % 4096).toBe(0);
      expect(t.rawData.length).toBe(0);
    }
    expect(statSync(`${path}.data`).size).toBe(4096 * 3);
    expect(reports).toHaveLength(1);
    expect(reports[0]!.maxAbsoluteError).toBeLessThan(1e-5);
    expect(reports[0]!.sizes.map((s) => s[0]![1])).toEqual([40, 40]);
    const x = fb.rand(3, 40);
    const again = fb.onnx.load(path);
    expect(
      fb.allclose(
        fb.noGrad(() => again.forward(x) as Tensor),
        model(x),
        { rtol: 1e-5, atol: 1e-6 },
      ),
    ).toBe(true);
  });

  test('external data need a path', () => {
    expect(() => fb.onnx.export(new nn.Linear(2, 2), [fb.rand(1, 2)], null, { externalData: true })).toThrow(
      'externalData needs a path',
    );
  });

  test('a file that cannot be written leaves nothing', () => {
    const path = join(folder, 'missing', 'x.onnx');
    expect(() => fb.onnx.export(new nn.Linear(2, 2), [fb.rand(1, 2)], path, { externalData: true })).toThrow();
    expect(existsSync(path)).toBe(false);
  });
});

describe('provenance', () => {
  test('producer, graph, module path and source line of every node', () => {
    const model = decode(fb.onnx.export(new Block(), [fb.rand(2, 6)], null, { opsetVersion: 21 }));
    expect(model.producerName).toBe('flambeau');
    expect(model.producerVersion).toMatch(/^\d+\.\d+\.\d+/);
    expect(Number(model.irVersion)).toBe(10);
    expect(model.graph!.name).toBe('Block');
    for (const n of model.graph!.node) {
      const props = Object.fromEntries(n.metadataProps.map((p) => [p.key, p.value]));
      expect(props.source, n.name).toMatch(/demands\.test\.ts:\d+:\d+$/);
      expect(n.docString).toContain(props.source);
    }
    const gemm = model.graph!.node.find((n) => n.name === '/fc1/Gemm')!;
    expect(gemm.metadataProps.find((p) => p.key === 'module')!.value).toBe('fc1');
  });

  test('IR 8 and opset 17 by default; value_info of every value between', () => {
    const model = decode(fb.onnx.export(new Block(), [fb.rand(2, 6)], null, { dynamicAxes: { input: { 0: 'n' } } }));
    expect([Number(model.irVersion), Number(model.opsetImport[0]!.version)]).toEqual([8, 17]);
    const graph = model.graph!;
    const ends = new Set(graph.output.map((o) => o.name));
    const between = graph.node.flatMap((n) => n.output).filter((o) => !ends.has(o));
    expect(graph.valueInfo.map((v) => v.name).sort()).toEqual(between.sort());
    expect(dims(graph.valueInfo[0]!)).toEqual(['n', 8]);
  });

  test('value_info says what onnxruntime computes', async () => {
    const f = (x: Tensor): Tensor =>
      F.gelu(x.mul(x.sum(1, { keepdim: true })).add(1))
        .clamp(0, 1)
        .unsqueeze(0)
        .expand([3, -1, -1]);
    const model = decode(fb.onnx.export(f, [fb.rand(2, 6)], null));
    const graph = model.graph!;
    const declared = new Map(graph.valueInfo.map((v) => [v.name, dims(v)] as const));
    graph.output.push(...graph.valueInfo);
    const { schema } = await import('../../src/onnx/schema/load.js');
    const got = await runInOnnxruntime(
      schema().toBinary(schema().pb.ModelProtoSchema, model),
      ['input'],
      [fb.rand(2, 6)],
    );
    for (const [name, shape] of declared) expect([...got.get(name)!.shape], name).toEqual(shape);
    expect(declared.size).toBeGreaterThan(5);
  });
});

describe('nothing is exported silently wrong', () => {
  const x = (): Tensor => fb.rand(3, 4);
  test.each<[string, (t: Tensor) => unknown, RegExp]>([
    ['random ops', (t) => t.add(fb.randnLike(t)), /'normal': cannot be exported: random/],
    ['dropout that draws in eval mode', (t) => F.dropout(t, 0.5, true), /cannot be exported: random/],
    [
      'in-place on an input',
      (t) => t.mul_(2),
      /writes input 'input' in place, which an ONNX model cannot; write a clone/,
    ],
    [
      'sizes of data',
      (t) => t.index(t.gt(0.5)).reshape([-1, 1]),
      /'(re)?(view|shape)': a size of its operand depends on the data/,
    ],
    ['values on the host', (t) => t.mul(t.sum().item()), /item/],
    ['no operator', (t) => fb.linalg.svdvals(t), /'linalgSvdvals': cannot be exported: ONNX has no factorisations/],
    ['a late operator', (t) => t.to('int32').bitwiseAnd(3), /BitwiseAnd comes with opset 18, this is 17/],
  ])('%s: named with its line', (_, f, message) => {
    expect(() => fb.onnx.export(f, [x()], null)).toThrow(message);
  });

  test('the module and the line are named', () => {
    class Inner extends nn.Module {
      forward(t: Tensor): Tensor {
        return fb.linalg.svdvals(t);
      }
    }
    class Outer extends nn.Module {
      decompose = new Inner();
      forward(t: Tensor): Tensor {
        return this.decompose(t);
      }
    }
    expect(() => fb.onnx.export(new Outer(), [x()], null)).toThrow(
      /in module 'decompose' at demands\.test\.ts:\d+:\d+/,
    );
  });

  test('results of a data-dependent size may be selected, computed with and returned', async () => {
    const f = (t: Tensor): Tensor[] => [
      t.index(t.gt(0.5)).mul(2),
      t.maskedSelect(t.lt(0.5)),
      t.gt(0.5).nonzero() as Tensor,
    ];
    const bytes = fb.onnx.export(f, [x()], null);
    expect(typeof dims(decode(bytes).graph!.output[0]!)[0]).toBe('string');
    const other = x();
    await checkModel(bytes, ['input'], [other], ['output_0', 'output_1', 'output_2'], f(other));
  });

  test('writes into a copy of an input are exported as what they do', async () => {
    const f = (t: Tensor): Tensor => {
      const y = t.clone();
      y.index(':', 0).fill_(3);
      y.diagonal().add_(1);
      y.index(fb.slice(1, null), fb.slice(0, 2)).mul_(fb.tensor([2, 3]));
      return y;
    };
    expect(await checkExport(f, [x()])).toBe('onnxruntime');
  });
});

test('verify reports the largest error and fails on a difference', () => {
  const reports: VerifyReport[] = [];
  fb.onnx.export(new Block(), [fb.rand(2, 6)], null, {
    verify: (r) => reports.push(r),
    dynamicAxes: { input: { 0: 'n' } },
  });
  expect(reports[0]!.runtime).toMatch(/^onnxruntime-node \d/);
  expect(reports[0]!.sizes).toHaveLength(2);
  expect(reports[0]!.sizes[0]).not.toEqual(reports[0]!.sizes[1]);
  expect(reports[0]!.maxRelativeError).toBeLessThan(1e-4);
  let calls = 0;
  const unsteady = (t: Tensor): Tensor => t.add(calls++ === 0 ? 0 : 1);
  expect(() => fb.onnx.export(unsteady, [fb.rand(2)], null, { verify: true })).toThrow(
    /verify: output 'output', element 0/,
  );
});
