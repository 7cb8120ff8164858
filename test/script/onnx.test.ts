// Scripted functions as ONNX models: If and Loop, run in onnxruntime and by our importer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as ort from 'onnxruntime-node';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { allNodes } from '../../src/ir/control.js';

const folder = mkdtempSync(join(tmpdir(), 'flambeau-script-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
fb.manualSeed(2);

class Policy extends nn.Module {
  fc = new nn.Linear(4, 4);
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) {
      h = fb.tanh(this.fc(h));
      if (h.abs().max().item() < 0.1) break;
    }
    if (h.sum().item() > 0) return h;
    else return h.neg();
  }
}

test('a loop over an argument and an early return', async () => {
  const net = new Policy().eval();
  const x = fb.randn(3, 4);
  const plain = (t: Tensor, n: number): Tensor => fb.noGrad(() => net(t, n)).clone();
  const calls = [[x, 0], [x, 3], [x.neg(), 5]] as const; // prettier-ignore
  const expected = calls.map(([t, n]) => plain(t, n));
  const scripted = fb.jit.script(net);
  const path = join(folder, 'policy.onnx');
  fb.onnx.export(scripted, [x, 2], path, { inputNames: ['x', 'n'], outputNames: ['y'], verify: true });
  const session = await ort.InferenceSession.create(path);
  const loaded = fb.onnx.load(path);
  for (const [k, [t, n]] of calls.entries()) {
    const feeds = {
      x: new ort.Tensor('float32', t.contiguous().toTypedArray() as Float32Array, [3, 4]),
      n: new ort.Tensor('int64', BigInt64Array.of(BigInt(n)), []),
    };
    const { y } = await session.run(feeds);
    expect(fb.fromTypedArray(y!.data as Float32Array, [3, 4]).allclose(expected[k]!, { atol: 1e-6 })).toBe(true);
    const again = fb.noGrad(() => loaded.forward({ x: t, n: fb.tensor(n, { dtype: 'int64' }) }));
    expect([again].flat()[0]!.allclose(expected[k]!, { atol: 1e-6 })).toBe(true);
  }
});

test('loops in branches in loops, numbers as results', () => {
  const f = fb.jit.script((x: Tensor, n: number) => {
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (x.sum().item() > 4) {
        while (x.sum().item() > 4) x = x.mul(0.5);
        count++;
      } else x = x.add(1);
    }
    return { x, count, half: count / 2 };
  });
  const bytes = fb.onnx.export(f, [fb.rand(2, 2), 6], null, { verify: true });
  expect(bytes.length).toBeGreaterThan(100);
});

class Halving extends nn.Module {
  fc = new nn.Linear(4, 4);
  forward(x: Tensor, n: number): Tensor {
    let h = x;
    for (let i = 0; i < n; i++) {
      // Numbers (a count, the factor of a mean) and shapes that follow the size, inside of a body.
      if (h.abs().max().item() > 0.5) h = nn.functional.softmax(this.fc(h).sub(h.mean(0)), 0).mul(h.shape[0]!);
      else h = h.reshape(-1).reshape(h.shape[0]!, 4).div(h.shape[0]!);
    }
    return fb.cat([h, x]).sum(1);
  }
}

test('dynamic axes stay dynamic in branches and loops', async () => {
  const net = new Halving().eval();
  const sizes = [3, 2, 7];
  const inputs = sizes.map((n) => fb.randn(n, 4));
  const expected = inputs.map((x) => fb.noGrad(() => net(x, 4)).clone());
  const path = join(folder, 'halving.onnx');
  const axes = { x: { 0: 'batch' } };
  fb.onnx.export(fb.jit.script(net), [inputs[0]!, 2], path, {
    inputNames: ['x', 'n'],
    outputNames: ['y'],
    dynamicAxes: axes,
    verify: true,
  });
  const session = await ort.InferenceSession.create(path);
  const loaded = fb.onnx.load(path);
  for (const [k, x] of inputs.entries()) {
    const feeds = {
      x: new ort.Tensor('float32', x.toTypedArray() as Float32Array, x.shape as number[]),
      n: new ort.Tensor('int64', BigInt64Array.of(4n), []),
    };
    const { y } = await session.run(feeds);
    expect(y!.dims).toEqual([2 * sizes[k]!]);
    expect(fb.fromTypedArray(y!.data as Float32Array, y!.dims).allclose(expected[k]!, { atol: 1e-5 })).toBe(true);
    const again = fb.noGrad(() => loaded.forward({ x, n: fb.tensor(4, { dtype: 'int64' }) }));
    expect([again].flat()[0]!.allclose(expected[k]!, { atol: 1e-5 })).toBe(true);
  }
});

test('results of branches and loops that nothing reads are not in the file', () => {
  const f = fb.jit.script((x: Tensor, n: number) => {
    let [y, unread, onlyForUnread] = [x, x, x];
    for (let i = 0; i < n; i++) {
      if (x.sum().item() > 0) {
        y = y.mul(2);
        onlyForUnread = onlyForUnread.sin();
        unread = unread.add(onlyForUnread);
      } else y = y.add(1);
    }
    return y;
  });
  const ops = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  const text = ops(fb.onnx.export(f, [fb.rand(3), 2], null, { verify: true }));
  expect(text).toContain('Loop');
  expect(text).not.toContain('Sin');
  const { graph } = f.graphFor(fb.rand(3), 2);
  const [loop] = graph.nodes.filter((n) => n.op === 'loop');
  // The count of rounds and y; nothing in the body computes a sine.
  expect(loop!.outputs.length).toBe(2);
  expect([...allNodes(graph)].map((n) => n.op)).not.toContain('sin');
});

test('a traced model with a scripted part keeps its dynamic axes', () => {
  const part = fb.jit.script((x: Tensor) => (x.sum().item() > 0 ? x.mul(x.shape[0]!) : x.sub(x.mean(0))));
  const model = (x: Tensor): Tensor => part(x.mul(2)).add(1);
  const bytes = fb.onnx.export(model, [fb.rand(3, 2)], null, { inputNames: ['x'], dynamicAxes: { x: { 0: 'n' } } });
  const loaded = fb.onnx.load(bytes);
  for (const x of [fb.rand(5, 2), fb.rand(4, 2).neg()])
    expect([loaded.forward({ x })].flat()[0]!.allclose(model(x), { atol: 1e-6 })).toBe(true);
});

test('an axis that decides the course of the function is no dynamic one', () => {
  const f = fb.jit.script((x: Tensor, n: number) => {
    for (let i = 0; i < n; i++) for (let k = 0; k < x.shape[0]!; k++) x = x.mul(2);
    return x;
  });
  expect(() =>
    fb.onnx.export(f, [fb.rand(3), 2], null, { inputNames: ['x', 'n'], dynamicAxes: { x: { 0: 'length' } } }),
  ).toThrow(
    /does not keep its dynamic axes \('length'\): it does something else at another size\. the traces run different ops/,
  );
});

test('what cannot be exported is said', () => {
  expect(() =>
    fb.onnx.export(
      fb.jit.script((x: Tensor) => (x as unknown as number) + 1),
      [fb.rand(2)],
      null,
    ),
  ).toThrow(/does not work on tensors/);
});
