// fb.onnx.load: what export writes comes back, is callable by name, trains, compiles and says what is wrong with a model.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { schema } from '../../src/onnx/schema/load.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'flambeau-onnx-'))));
afterAll(() => rmSync(folder, { recursive: true }));

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 4, 3, { padding: 1 });
  norm = new nn.BatchNorm2d(4);
  fc = new nn.Linear(4 * 4 * 4, 5);
  override forward(x: Tensor): Tensor {
    const y = fb.nn.functional.maxPool2d(this.norm(this.conv(x)).relu(), 2);
    return this.fc(y.flatten(1)).softmax(-1);
  }
}
function exported(): { net: Net; path: string } {
  fb.manualSeed(1);
  const net = new Net();
  net.eval();
  const path = join(folder, 'net.onnx');
  fb.onnx.export(net, [fb.rand(2, 1, 8, 8)], path, {
    inputNames: ['image'],
    outputNames: ['p'],
    dynamicAxes: { image: { 0: 'n' } },
  });
  return { net, path };
}

test('a model that was exported gives what the module gives, at another size too, and by name', () => {
  const { net, path } = exported();
  const model = fb.onnx.load(path);
  const x = fb.rand(3, 1, 8, 8);
  const want = net(x);
  expect((model.forward(x) as Tensor).allclose(want, { atol: 1e-6 })).toBe(true);
  expect((model.forward({ image: x }) as Tensor).allclose(want, { atol: 1e-6 })).toBe(true);
  expect(model.inputNames).toEqual(['image']);
  expect(() => model.forward({ picture: x })).toThrow(/no input "picture" \(its inputs: "image"\)/);
  expect(() => model.forward(fb.rand(3, 2, 8, 8))).toThrow(
    /input "image": must be of shape \[n, 1, 8, 8\], got \[3, 2, 8, 8\]/,
  );
});

test('weights are parameters under their names, statistics buffers; gradients reach them', () => {
  const { net, path } = exported();
  const model = fb.onnx.load(path);
  expect([...model.namedParameters()].map(([k]) => k)).toEqual(
    expect.arrayContaining(['conv.weight', 'fc.weight', 'fc.bias']),
  );
  expect(Object.keys(model.stateDict())).toContain('norm.running_mean');
  (model.forward(fb.rand(2, 1, 8, 8)) as Tensor).select(1, 0).sum().backward();
  const grads = new Map(model.namedParameters());
  expect(grads.get('fc.weight')!.grad!.abs().sum().item()).toBeGreaterThan(0);
  expect(net.fc.weight.grad).toBeNull();
});

test('a model compiles to one program', async () => {
  const { net, path } = exported();
  const model = fb.onnx.load(path);
  const f = fb.compile((x: Tensor) => model.forward(x) as Tensor);
  const x = fb.rand(2, 1, 8, 8);
  while (!(await f.ready())) fb.noGrad(() => f(x));
  expect(fb.noGrad(() => f(x)).allclose(net(x), { atol: 1e-6 })).toBe(true);
  expect(f.explain().compiled).toBe(true);
});

describe('models by hand', () => {
  interface NodeSpec {
    op: string;
    in: string[];
    out: string[];
    name?: string;
  }
  const bytes = (nodes: NodeSpec[], inputs: string[], outputs: string[], opset = 17n): Uint8Array => {
    const { create, pb, toBinary } = schema();
    const values = (names: string[]): object[] =>
      names.map((name) => ({ name, type: { value: { case: 'tensorType', value: { elemType: 1 } } } }));
    const node = nodes.map((n) => ({ opType: n.op, name: n.name ?? '', input: n.in, output: n.out }));
    const graph = { name: 'g', node, input: values(inputs), output: values(outputs) };
    return toBinary(
      pb.ModelProtoSchema,
      create(pb.ModelProtoSchema, { irVersion: 8n, opsetImport: [{ domain: '', version: opset }], graph } as never),
    );
  };
  test('errors name the model, the node and what is wrong', () => {
    const load = (...args: Parameters<typeof bytes>): ReturnType<typeof fb.onnx.load> =>
      fb.onnx.load(bytes(...args), { name: 'm' });
    expect(() => load([{ op: 'Relu', in: ['y'], out: ['y'] }], ['x'], ['y'])).toThrow(
      'm: node "Relu": its input "y" is made by no earlier node',
    );
    expect(() => load([], ['x'], ['z'])).toThrow('m: no node makes the output "z"');
    expect(() => load([{ op: 'Relu', in: ['x'], out: ['y'] }], ['x'], ['y'], 9999n)).toThrow(
      'm: opset 9999 is not known',
    );
    expect(() => load([{ op: 'Nope', in: ['x'], out: ['y'], name: 'a' }], ['x'], ['y'])).toThrow(
      'm: "Nope" "a": operator "Nope" is not known in opset 17',
    );
    expect(() =>
      load([{ op: 'MatMul', in: ['x', 'x'], out: ['y'], name: 'a' }], ['x'], ['y']).forward(fb.ones(2, 3)),
    ).toThrow(/^m: "MatMul" "a": /);
    expect(() => fb.onnx.load(new Uint8Array([1, 2, 3]))).toThrow(/^model: no ONNX model/);
  });
  test('names are only names', () => {
    const names = ['__proto__', 'constructor', '"); process.exit(1); //', 'forward'];
    const nodes = names.map((out, i) => ({ op: 'Neg', in: [names[i - 1] ?? 'x'], out: [out] }));
    const y = fb.onnx.load(bytes(nodes, ['x'], ['forward'])).forward(fb.tensor([1, 2])) as Tensor;
    expect(y.tolist()).toEqual([1, 2]);
  });
});
