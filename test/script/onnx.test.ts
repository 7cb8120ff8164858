// Scripted functions as ONNX models: If and Loop, run in onnxruntime and by our importer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as ort from 'onnxruntime-node';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

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

test('what cannot be exported is said', () => {
  const f = fb.jit.script((x: Tensor) => (x.sum().item() > 0 ? x.mul(2) : x));
  expect(() => fb.onnx.export(f, [fb.rand(2)], null, { inputNames: ['x'], dynamicAxes: { x: { 0: 'n' } } })).toThrow(
    /dynamicAxes needs a traced one/,
  );
  expect(() =>
    fb.onnx.export(
      fb.jit.script((x: Tensor) => (x as unknown as number) + 1),
      [fb.rand(2)],
      null,
    ),
  ).toThrow(/does not work on tensors/);
});
