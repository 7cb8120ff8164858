// jit.trace, save and load: the traced module computes what the module does, at other sizes too, also from its file; files that are
// damaged or hostile are errors with a code.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { noGrad } from '../../src/autograd/modes.js';
import * as F from '../../src/nn/functional.js';
import * as nn from '../../src/nn/index.js';
import { manualSeed } from '../../src/random.js';
import { parseGraphFile } from '../../src/runtime/fbg.js';
import { compile } from '../../src/runtime/compile.js';
import * as jit from '../../src/runtime/jit.js';
import { randn, tensor } from '../../src/tensor/create.js';
import type { Tensor } from '../../src/tensor/tensor.js';

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5, { padding: 2 });
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(400, 84);
  fc2 = new nn.Linear(84, 10);
  norm = new nn.BatchNorm2d(6);
  forward(x: Tensor): Tensor {
    let h = F.maxPool2d(F.relu(this.norm(this.conv1(x)) as Tensor), 2);
    h = F.maxPool2d(F.relu(this.conv2(h) as Tensor), 2);
    return this.fc2(F.relu(this.fc1(h.flatten(1)) as Tensor)) as Tensor;
  }
}

let dir: string;
let net: LeNet;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fb-jit-test-'));
  manualSeed(3);
  net = new LeNet();
  net.eval();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => {
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});

const numbers = (t: Tensor): number[] => Array.from(t.detach().reshape([-1]).toArray() as ArrayLike<number>);
function close(a: Tensor, b: Tensor): void {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [numbers(a), numbers(b)];
  x.forEach((v, i) => expect(Math.abs(v - y[i]!)).toBeLessThanOrEqual(1e-4 * (1 + Math.abs(y[i]!))));
}
const eager = (x: Tensor): Tensor => noGrad(() => net(x) as Tensor);

describe('a traced module in another recording', () => {
  const build = async (f: { (x: Tensor): Tensor; ready(): Promise<boolean> }, x: Tensor): Promise<void> => {
    for (let i = 0; i < 4 && !(await f.ready()); i++) noGrad(() => f(x));
  };
  test('becomes part of it', async () => {
    const x = randn([2, 1, 28, 28]);
    const inner = jit.trace(net, [x]);
    const want = noGrad(() => (net.forward(x) as Tensor).softmax(1));
    const outer = jit.trace((t: Tensor) => inner(t).softmax(1), [x]);
    expect(outer(x).allclose(want)).toBe(true);
    expect(outer.graph.toString()).toContain('conv');
    const path = join(dir, 'inner.fbg');
    inner.save(path);
    for (const module of [inner, jit.load(path)]) {
      const f = compile((t: Tensor) => module(t).softmax(1));
      await build(f, x);
      const before = f.explain().calls.compiled;
      expect(noGrad(() => f(x)).allclose(want)).toBe(true);
      expect(f.explain().calls.compiled, String(f.explain())).toBe(before + 1);
    }
  });
  test('at sizes it was not traced for', async () => {
    const w = new nn.Parameter(randn([2]));
    const inner = jit.trace((t: Tensor) => t.mul(w).relu(), [randn([3, 2])]);
    // Weights that the outer function uses and writes as well: the recording that is set aside must not lose them.
    const outer = (t: Tensor): Tensor => inner(t).add(w).mul(w);
    const want = (t: Tensor): Tensor => noGrad(() => t.mul(w).relu().add(w).mul(w));
    const x = randn([5, 2]);
    expect(jit.trace(outer, [x])(x).allclose(want(x))).toBe(true);
    const f = compile(outer);
    for (const n of [4, 6, 9]) {
      const t = randn([n, 2]);
      await build(f, t);
      expect(noGrad(() => f(t)).allclose(want(t))).toBe(true);
    }
    const before = f.explain().calls.compiled;
    const t = randn([11, 2]);
    expect(noGrad(() => f(t)).allclose(want(t))).toBe(true);
    expect(f.explain().calls.compiled, String(f.explain())).toBe(before + 1);
  });
});

describe('a traced module', () => {
  test('computes what the module does, op by op and compiled, at any batch size', async () => {
    const traced = jit.trace(net, [randn([1, 1, 28, 28])]);
    for (const n of [1, 3]) {
      const x = randn([n, 1, 28, 28]);
      close(traced(x), eager(x));
      expect(await traced.ready()).toBe(true);
      close(traced(x), eager(x));
      expect(traced(x).requiresGrad).toBe(false);
    }
  });

  test('prints its graph with state-dict names and its generated code', () => {
    const traced = jit.trace(net, [randn([1, 1, 28, 28])]);
    const text = String(traced.graph);
    expect(text).toContain('capture %conv1.weight#');
    expect(text).toMatch(/= convolution\(%\d+, %conv1\.weight, %conv1\.bias\)/);
    expect(traced.code).toContain('fb_graph_run');
    expect(Object.keys(traced.stateDict()).sort()).toEqual(
      Object.keys(net.stateDict())
        .filter((k) => !k.includes('num_batches'))
        .sort(),
    );
  });

  test('sees new weights of the module it shares them with', () => {
    const m = new nn.Linear(2, 2);
    const traced = jit.trace(m, [randn([1, 2])]);
    const x = randn([4, 2]);
    noGrad(() => m.weight.mul_(2));
    close(
      traced(x),
      noGrad(() => m(x) as Tensor),
    );
  });

  test('functions, several inputs, structured results', () => {
    const traced = jit.trace(
      (a: Tensor, b: Tensor) => ({ sum: a.add(b), parts: [a, b.neg()] }),
      [randn([2]), randn([2])],
    );
    const [a, b] = [randn([2]), randn([2])];
    const r = traced(a, b) as unknown as { sum: Tensor; parts: Tensor[] };
    close(r.sum, a.add(b));
    close(r.parts[1]!, b.neg());
  });

  test('bad calls say what the module takes', () => {
    const traced = jit.trace(new nn.Linear(2, 3), [randn([1, 2])]);
    expect(() => traced(randn([1, 2]), randn([1, 2]))).toThrow('the traced module takes 1 tensors, got 2 arguments');
    expect(() => traced(randn([1, 2]).double())).toThrow('input 0 was traced as float32, got float64');
    expect(() => traced(randn([1, 5]))).toThrow(/was traced for inputs of shape \[1, 2\], got \[1, 5\]/);
  });

  test('values needed on the host are errors with the place', () => {
    expect(() => jit.trace((x: Tensor) => x.mul(x.sum().item() as number), [randn([2])])).toThrow(/item/);
    expect(() => jit.trace((x: Tensor) => x.mul(2), [3 as unknown as Tensor])).toThrow('array of example tensors');
    expect(() =>
      jit.trace(() => {
        throw new RangeError('inside');
      }, [randn([1])]),
    ).toThrow('inside');
    close(randn([2]).mul(0), tensor([0, 0])); // no trace is left running
  });
});

describe('files', () => {
  test('save and load: same results, names and graph; other batch sizes too', async () => {
    const traced = jit.trace(net, [randn([1, 1, 28, 28])]);
    const path = join(dir, 'lenet.fbg');
    traced.save(path);
    const loaded = jit.load(path);
    expect(String(loaded.graph)).toBe(String(traced.graph));
    expect(Object.keys(loaded.stateDict())).toEqual(Object.keys(traced.stateDict()));
    for (const n of [1, 5]) {
      const x = randn([n, 1, 28, 28]);
      close(loaded(x), eager(x));
      await loaded.ready();
      close(loaded(x), eager(x));
    }
    expect(() => loaded(randn([1, 1, 30, 28]))).toThrow(
      /LeNet was traced for inputs of shape \[1, 1, 28, 28\], got \[1, 1, 30, 28\]/,
    );
  });

  test('missing, truncated and damaged files', () => {
    const path = join(dir, 'good.fbg');
    jit.trace(new nn.Linear(2, 3), [randn([1, 2])]).save(path);
    const good = readFileSync(path);
    const code = expect.objectContaining({ code: 'ERR_FLAMBEAU_FILE' }) as Error;
    expect(() => jit.load(join(dir, 'absent.fbg'))).toThrow(code);
    const bad = join(dir, 'bad.fbg');
    for (let n = 0; n < good.length; n += Math.ceil(good.length / 40)) {
      writeFileSync(bad, good);
      truncateSync(bad, n);
      expect(() => jit.load(bad), `${n} bytes`).toThrow(code);
    }
    // Every single changed byte of the description gives a graph that still verifies, or the error; never anything else.
    for (let i = 0; i < good.length; i += 7) {
      const bytes = Uint8Array.from(good);
      bytes[i]! ^= 0x15;
      try {
        parseGraphFile(bytes, 'x');
      } catch (e) {
        expect(e).toMatchObject({ code: 'ERR_FLAMBEAU_FILE' });
      }
    }
  });

  const file = (description: unknown, length?: number): Uint8Array => {
    const json = Buffer.from(typeof description === 'string' ? description : JSON.stringify(description));
    const padded = Math.ceil(json.length / 8) * 8;
    const header = Buffer.alloc(16);
    header.write('FBGRAPH\0', 'latin1');
    header.writeUInt32LE(1, 8);
    header.writeUInt32LE(length ?? padded, 12);
    const weights = Buffer.from('{}      ');
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(8n);
    return Buffer.concat([header, Buffer.concat([json, Buffer.alloc(padded - json.length, ' ')]), size, weights]);
  };
  const graph = 'graph(%0: float32[2]) {\n  %1: float32[2] = relu(%0) {}\n  return (%1)\n}\n';
  const result = { kind: 'tensor', index: 0 };
  test('a file made by hand loads', () => {
    expect(parseGraphFile(file({ name: 'm', graph, dynamic: null, captures: [], result })).graph.nodes.length).toBe(1);
  });
  test.each<[string, unknown, RegExp]>([
    ['no JSON', 'x', /description is no JSON/],
    ['no object', 'null', /description is no object/],
    ['an unknown op', { graph: graph.replace('relu', 'system'), captures: [], result }, /unknown op 'system'/],
    [
      'a prototype key',
      { graph: graph.replace('relu', 'constructor'), captures: [], result },
      /unknown op 'constructor'/,
    ],
    ['wrong types', { graph: graph.replace('%1: float32[2]', '%1: float32[3]'), captures: [], result }, /by its rule/],
    [
      'huge extents',
      { graph: graph.replaceAll('[2]', '[9007199254740993000]'), captures: [], result },
      /bad extent|not well formed/,
    ],
    [
      'a missing weight',
      { graph: graph.replace('{\n', '{\n  capture %9: float32[1]\n'), captures: ['w'], result },
      /weight 'w' is missing/,
    ],
    ['a result that is not there', { graph, captures: [], result: { kind: 'tensor', index: 5 } }, /output 5 of 1/],
    [
      'a malformed result',
      { graph, captures: [], result: { kind: 'object', entries: [['__proto__', result]] } },
      /malformed/,
    ],
    ['captures that are no names', { graph, captures: [1], result }, /no list of names/],
  ])('%s is refused', (_, description, message) => {
    expect(() => parseGraphFile(file(description), 'bad.fbg')).toThrow(
      expect.objectContaining({
        code: 'ERR_FLAMBEAU_FILE',
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });
  test('a length that lies allocates nothing', () => {
    expect(() => parseGraphFile(file('{}', 0xffffffff))).toThrow(/goes beyond the end/);
  });
});
