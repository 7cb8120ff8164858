// Imported models written again: file, module, file, the same numbers in onnxruntime. All of ONNX's backend tests go this way in
// `conformance:onnx -- --onnx`; here are the cases that stand for them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { OnnxBuilder } from '../../src/onnx/builder.js';
import { tensorOf } from '../../src/onnx/import/tensors.js';
import { schema } from '../../src/onnx/schema/load.js';
import { conformanceDir } from '../conformance-data.js';
import { checkModel } from '../conformance/exported.js';
import { decode } from './graphs.js';
const F = nn.functional;

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 4, 3, { padding: 1 });
  bn = new nn.BatchNorm2d(4);
  fc = new nn.Linear(4 * 16, 5);
  forward(x: Tensor): Tensor {
    return F.softmax(this.fc(F.maxPool2d(F.relu(this.bn(this.conv(x))), 2).flatten(1)), 1);
  }
}

test('a model that we wrote: the weights keep their names, the batch stays dynamic', async () => {
  fb.manualSeed(2);
  const net = new Net().eval();
  const options = { inputNames: ['image'], outputNames: ['scores'], dynamicAxes: { image: { 0: 'batch' } } };
  const first = fb.onnx.export(net, [fb.rand(2, 1, 8, 8)], null, options);
  const again = fb.onnx.export(fb.onnx.load(first), [fb.rand(2, 1, 8, 8)], null, { ...options, opsetVersion: 20 });
  const names = decode(again).graph!.initializer.map((t) => t.name);
  expect(names).toEqual(expect.arrayContaining(['conv.weight', 'conv.bias', 'fc.weight', 'fc.bias']));
  for (const n of [1, 5]) {
    const x = fb.rand(n, 1, 8, 8);
    const want = fb.noGrad(() => net(x));
    expect(await checkModel(again, ['image'], [x], ['scores'], [want])).toBe('onnxruntime');
  }
});

/** y = reshape(x, shape), the shape an input. */
function reshaper(): Uint8Array {
  const b = new OnnxBuilder(17, new Map());
  const x = b.input('x', { dtype: 'float32', shape: [6] });
  const shape = b.input('shape', { dtype: 'int64', shape: [2] });
  const y = b.op('Reshape', [x, shape], { dtype: 'float32', shape: [2, 3] });
  b.name(y, 'y', true);
  b.output('y', y.type);
  return b.encode({ graphName: 'g', producer: { name: 'test', version: '0' } }).bytes;
}

describe('inputs that are numbers of the graph', () => {
  test('are refused, not baked in', () => {
    const model = fb.onnx.load(reshaper());
    const args = [fb.rand(6), fb.tensor([3, 2], { dtype: 'int64' })];
    expect(() => fb.onnx.export(model, args, null)).toThrow(/"Reshape".*needs a value on the host/);
  });
  test('may be given as constants when the model is loaded', async () => {
    const constants = { shape: fb.tensor([3, 2], { dtype: 'int64' }) };
    const model = fb.onnx.load(reshaper(), { constants });
    expect(model.inputNames).toEqual(['x']);
    const x = fb.rand(6);
    const bytes = fb.onnx.export(model, [x], null);
    expect(await checkModel(bytes, ['input'], [x], ['output'], [x.reshape([3, 2])])).toBe('onnxruntime');
    expect(() => fb.onnx.load(reshaper(), { constants: { size: x } })).toThrow(
      'constants: the model has no input "size" (its inputs: "x", "shape")',
    );
    expect(() => fb.onnx.load(reshaper(), { constants: { shape: x } })).toThrow('must be int64, got float32');
  });
});

const data = conformanceDir('onnx');
const MODELS = ['lenet', 'lstm_tagger', 'resnet_tiny', 'tcn', 'transformer_encoder'];

describe.skipIf(data === null)(`PyTorch's own exports (conformance/onnx${data === null ? ': no data' : ''})`, () => {
  test.each(MODELS)('%s', async (name) => {
    const folder = join(data!, 'torch-export', name);
    const read = (what: string): Tensor => {
      const file = join(folder, 'test_data_set_0', `${what}_0.pb`);
      return tensorOf(schema().fromBinary(schema().pb.TensorProtoSchema, readFileSync(file)), file, null).tensor;
    };
    const model = fb.onnx.load(join(folder, 'model.onnx')).eval();
    const [x, want] = [read('input'), read('output')];
    const bytes = fb.onnx.export(model, [x], null, { inputNames: model.inputNames, outputNames: model.outputNames });
    expect(await checkModel(bytes, model.inputNames, [x], model.outputNames, [want], 10)).toBe('onnxruntime');
  });
});
