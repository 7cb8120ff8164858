// fb.onnx.export end to end: modules and functions, run in onnxruntime at two batch sizes and compared with the original.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { exportModel } from '../../src/onnx/export.js';
import type { ExportOptions } from '../../src/onnx/options.js';
import { decode, opTypes, run } from './graphs.js';
const F = nn.functional;

const numbers = (t: Tensor): number[] => Array.from(t.detach().toTypedArray() as ArrayLike<number | bigint>, Number);

type AnyModel = (x: Tensor) => Tensor;

/** Exports with a dynamic batch axis and compares with the original at the batch sizes 1, 2 and 5. */
async function roundTrip(model: AnyModel, shape: readonly number[], options: ExportOptions = {}): Promise<string[]> {
  fb.manualSeed(1);
  const bytes = exportModel(model, [fb.rand([1, ...shape])], null, {
    inputNames: ['x'],
    outputNames: ['y'],
    dynamicAxes: { x: { 0: 'batch' } },
    ...options,
  });
  if (model instanceof nn.Module) model.eval();
  for (const n of [1, 2, 5]) {
    const x = fb.randn([n, ...shape]);
    const want = fb.noGrad(() => model(x));
    const got = (await run(bytes, { x: { dims: x.shape, data: numbers(x) } })).y!;
    expect(got.dims).toEqual([...want.shape]);
    numbers(want).forEach((w, i) => expect(Math.abs(got.data[i]! - w)).toBeLessThanOrEqual(2e-4 + 1e-3 * Math.abs(w)));
  }
  return opTypes(bytes);
}

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(256, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = x.view(x.size(0), -1);
    return this.fc3(F.relu(this.fc2(F.relu(this.fc1(x)))));
  }
}

describe('modules', () => {
  test('LeNet: readable structure, state-dict names, dynamic batch', async () => {
    const net = new LeNet();
    expect(await roundTrip(net, [1, 28, 28])).toEqual([
      'Conv',
      'Relu',
      'MaxPool',
      'Conv',
      'Relu',
      'MaxPool',
      'Reshape',
      'Gemm',
      'Relu',
      'Gemm',
      'Relu',
      'Gemm',
    ]);
    const model = decode(
      exportModel(net, [fb.rand(1, 1, 28, 28)], null, {
        inputNames: ['image'],
        outputNames: ['logits'],
        dynamicAxes: { image: { 0: 'batch' } },
      }),
    );
    expect(model.graph!.name).toBe('LeNet');
    const names = new Set(model.graph!.initializer.map((t) => t.name));
    for (const key of Object.keys(net.stateDict())) expect(names.has(key), key).toBe(true);
    expect(model.graph!.node.map((n) => n.name)).toEqual(
      expect.arrayContaining(['/conv1/Conv', '/fc1/Gemm', '/fc3/Gemm']),
    );
    const weight = model.graph!.initializer.find((t) => t.name === 'fc3.weight')!;
    expect([...new Float32Array(weight.rawData.slice().buffer)]).toEqual(numbers(net.fc3.weight));
  });

  test('batch norm and dropout: eval mode during the export, the mode of every module restored', async () => {
    const net = new nn.Sequential(
      new nn.Conv2d(2, 4, 3, { padding: 1 }),
      new nn.BatchNorm2d(4),
      new nn.ReLU(),
      new nn.Dropout(0.5),
      new nn.Flatten(),
    );
    fb.noGrad(() => net(fb.randn(8, 2, 6, 6)));
    net.train();
    net.at(3).eval();
    const modes = [...net.modules()].map((m) => m.training);
    const state = numbers(net.stateDict()['1.running_mean']!);
    const bytes = exportModel(net, [fb.rand(1, 2, 6, 6)], null);
    expect([...net.modules()].map((m) => m.training)).toEqual(modes);
    expect(numbers(net.stateDict()['1.running_mean']!)).toEqual(state);
    expect(opTypes(bytes)).toEqual(['Conv', 'BatchNormalization', 'Relu', 'Flatten']);
    await roundTrip(net, [2, 6, 6]);
  });

  test('an MLP with every kind of activation', async () => {
    const net = new nn.Sequential(
      new nn.Linear(6, 8),
      new nn.Tanh(),
      new nn.Linear(8, 8),
      new nn.Sigmoid(),
      new nn.Linear(8, 8),
      new nn.GELU(),
      new nn.Linear(8, 4),
    );
    const ops = await roundTrip(net, [6]);
    expect(ops.filter((o) => o === 'Gemm')).toHaveLength(4);
    expect(ops).toContain('Erf');
  });
});

describe('functions', () => {
  test('softmax, layer norm and attention stay whole operators', async () => {
    const attention = (x: Tensor): Tensor => {
      const q = x.mul(0.5);
      return F.softmax(q.matmul(x.transpose(-2, -1)).mul(0.25), -1).matmul(x);
    };
    const ops = await roundTrip(attention, [5, 4]);
    expect(ops).toContain('Softmax');
    expect(await roundTrip((x) => F.layerNorm(x, [4]), [5, 4])).toEqual(['LayerNormalization']);
    expect(await roundTrip((x) => F.logSoftmax(x, 1), [7])).toEqual(['LogSoftmax']);
  });

  test.each<[string, (x: Tensor) => Tensor]>([
    ['arithmetic', (x) => x.mul(2).add(1).sub(x.div(3)).pow(2)],
    ['reductions', (x) => x.sum(1, true).add(x.mean(1, true)).add(x.amax(1, true))],
    ['views', (x) => x.unsqueeze(1).transpose(1, 2).reshape(x.size(0), -1)],
    ['slices and cat', (x) => fb.cat([x.narrow(1, 0, 2), x.narrow(1, 2, 2)], 1)],
    ['comparison and where', (x) => fb.where(x.gt(0.5), x, x.neg())],
    ['clamp', (x) => x.clamp(-0.5, 0.5)],
    ['batch size in arithmetic', (x) => x.view(-1).view(x.size(0), 4)],
  ])('%s', async (_, f) => {
    await roundTrip(f, [4]);
  });

  test('several inputs and outputs; an object gives the default names', () => {
    const bytes = exportModel(
      (a: Tensor, b: Tensor) => ({ sum: a.add(b), product: a.mul(b) }),
      [fb.rand(2, 3), fb.rand(2, 3)],
      null,
    );
    const graph = decode(bytes).graph!;
    expect(graph.input.map((i) => i.name)).toEqual(['input_0', 'input_1']);
    expect(graph.output.map((o) => o.name)).toEqual(['sum', 'product']);
  });
});

describe('options', () => {
  const x = (): Tensor => fb.rand(2, 3);
  const f = (t: Tensor): Tensor => t.neg();
  test.each<[string, () => unknown, string | RegExp]>([
    [
      'unknown name',
      () => exportModel(f, [x()], null, { inputNames: ['x'], dynamicAxes: { imge: { 0: 'b' } } }),
      "dynamicAxes names 'imge', which is neither an input (x) nor an output (output)",
    ],
    [
      'unknown axis',
      () => exportModel(f, [x()], null, { inputNames: ['x'], dynamicAxes: { x: { 2: 'b' } } }),
      "axis 2 of 'x' is out of range for its 2 dimensions",
    ],
    [
      'too many names',
      () => exportModel(f, [x()], null, { inputNames: ['a', 'b'] }),
      'inputNames has 2 names, the model has 1 input',
    ],
    [
      'equal names',
      () => exportModel(f, [x()], null, { inputNames: ['a'], outputNames: ['a'] }),
      "the name 'a' of output 0 is already taken",
    ],
    ['opset', () => exportModel(f, [x()], null, { opsetVersion: 7 }), 'opset version 7 is not supported'],
    [
      'static output axis',
      () => exportModel(f, [x()], null, { outputNames: ['y'], dynamicAxes: { y: { 1: 'n' } } }),
      "axis 1 of output 'y' always has size 3",
    ],
    [
      'no tensors',
      () => exportModel(f, [3 as unknown as Tensor], null),
      'the example inputs must be an array of tensors',
    ],
    ['no result', () => exportModel(() => 3, [x()], null), 'the model must return tensors, got number'],
    ['item', () => exportModel((t: Tensor) => t.mul(t.sum().item()), [x()], null), /item/],
  ])('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  test('a failure leaves no file, no trace under way, and the module as it was', () => {
    const dir = mkdtempSync(join(tmpdir(), 'flambeau-onnx-'));
    try {
      const net = new nn.Sequential(new nn.Linear(3, 3));
      net.train();
      const path = join(dir, 'x.onnx');
      expect(() => exportModel(net, [x()], path, { dynamicAxes: { nothing: [0] } })).toThrow();
      expect(net.training).toBe(true);
      const bytes = exportModel(net, [x()], path, { verify: true });
      expect(Buffer.from(bytes).equals(readFileSync(path))).toBe(true);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('random ops are refused with their module', () => {
    expect(() => exportModel((t: Tensor) => t.add(fb.randnLike(t)), [x()], null)).toThrow(/cannot be exported/);
  });
});
