// Recurrent layers inside compile: one program for every length, results and gradients those of eager code; the op behind it against the
// steps; axes that are named as dynamic.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';
import { native } from '../../src/native.js';
import { sequencesAsOps } from '../../src/nn/recurrent_sequence.js';

const F = nn.functional;
function close(a: Tensor, b: Tensor, tolerance = 1e-5): void {
  expect(a.shape).toEqual(b.shape);
  const scale = b.abs().max().item() + 1e-3;
  expect(a.sub(b).abs().max().item() / scale).toBeLessThan(tolerance);
}
type Layer = nn.LSTM | nn.GRU | nn.RNN;
const layers: readonly (readonly [string, () => Layer])[] = [
  ['LSTM', () => new nn.LSTM(5, 7, { numLayers: 2, bidirectional: true, batchFirst: true })],
  ['LSTM without bias', () => new nn.LSTM(5, 20, { bias: false, batchFirst: true })],
  ['GRU', () => new nn.GRU(5, 9, { bidirectional: true, batchFirst: true })],
  ['RNN, tanh', () => new nn.RNN(5, 18, { batchFirst: true })],
  ['RNN, relu', () => new nn.RNN(5, 6, { nonlinearity: 'relu', batchFirst: true })],
];
const output = (layer: Layer, x: Tensor): Tensor => (layer as nn.LSTM)(x)[0];

// Large enough that the recurrent weight may be packed, long enough that it pays.
test.each([
  ['LSTM', (): Layer => new nn.LSTM(24, 192, { batchFirst: true })],
  ['GRU', (): Layer => new nn.GRU(24, 192, { batchFirst: true, bidirectional: true })],
  ['RNN', (): Layer => new nn.RNN(24, 260, { batchFirst: true })],
] as const)('%s with a large weight: output and gradients', async (_, make) => {
  fb.manualSeed(7);
  const layer = make();
  const x = fb.randn(16, 20, 24);
  const gradients = (): Tensor[] => fb.autograd.grad(output(layer, x).square().mean(), layer.parameters()) as Tensor[];
  const f = fb.compile(() => [fb.noGrad(() => output(layer, x)), ...gradients()]);
  for (let i = 0; i < 4; i++) {
    f();
    if (await f.ready()) break;
  }
  expect(f.explain().reasons).toEqual([]);
  const expected = [fb.noGrad(() => output(layer, x)), ...gradients()];
  f().forEach((t, i) => close(t, expected[i]!, 2e-5));
});

describe.each(layers)('%s', (_, make) => {
  test('lengths 5 to 40 run one program after the first few calls', async () => {
    fb.manualSeed(2);
    const layer = make();
    const f = fb.compile((x: Tensor) => output(layer, x));
    const lengths = [5, 6, ...Array.from({ length: 34 }, (_x, i) => 7 + i)];
    for (const [i, n] of lengths.entries()) {
      const x = fb.randn(3, n, 5);
      const got = fb.noGrad(() => f(x));
      close(
        got,
        fb.noGrad(() => output(layer, x)),
      );
      if (i < 5) await f.ready();
    }
    const e = f.explain();
    // At most one program of one length, and the one for all.
    expect(e.graphs.filter((g) => g.runs > 0).length, String(e)).toBe(1);
    expect(e.graphs.filter((g) => g.kernels + g.libraryCalls > 0).length, String(e)).toBeLessThanOrEqual(2);
    expect(e.calls.compiled, String(e)).toBeGreaterThanOrEqual(lengths.length - 3);
  });
  test('training steps over lengths and a last smaller batch follow eager ones', async () => {
    fb.manualSeed(3);
    const [a, b] = [make(), make()];
    b.loadStateDict(a.stateDict());
    const step = (m: Layer): ((x: Tensor) => Tensor) => {
      const opt = new optim.Adam(m.parameters(), { lr: 0.01 });
      return (x) => {
        opt.zeroGrad();
        const [y, h] = (m as nn.GRU)(x);
        const last = Array.isArray(h) ? (h as Tensor[])[1]! : h;
        const loss = y.square().mean().add(last.sin().mean());
        loss.backward();
        opt.step();
        return loss;
      };
    };
    const eager = step(a);
    const compiled = fb.compile(step(b));
    for (const [batch, n] of [
      [4, 6],
      [4, 6],
      [4, 9],
      [3, 9],
      [4, 5],
      [4, 12],
      [2, 7],
      [4, 30],
    ] as const) {
      const x = fb.randn(batch, n, 5);
      close(compiled(x).detach(), eager(x).detach(), 1e-3);
      await compiled.ready();
    }
    const e = compiled.explain();
    expect(e.calls.compiled, String(e)).toBeGreaterThanOrEqual(4);
    const [sa, sb] = [a.stateDict(), b.stateDict()];
    for (const k of Object.keys(sa)) close(sb[k]!.detach(), sa[k]!.detach(), 2e-3);
  });
  test.each(['float32', 'float64'] as const)('the op gives what the steps give, gradients too: %s', (dtype) => {
    fb.manualSeed(4);
    const layer = make().to(dtype);
    const run = (asOps: boolean): Tensor[] => {
      const x = fb
        .linspace(-1, 1, 2 * 6 * 5, { dtype })
        .reshape([2, 6, 5])
        .requiresGrad_(true);
      layer.zeroGrad();
      const before = sequencesAsOps(asOps);
      native.traceBegin([x._h]);
      try {
        output(layer, x).square().sum().backward();
        const { json } = native.traceEnd([]);
        expect(json.includes('recurrentSequenceBackward')).toBe(asOps);
      } finally {
        sequencesAsOps(before);
        if (native.traceActive()) native.traceAbort();
      }
      return [x.grad!, ...[...layer.parameters()].map((p) => p.grad!)].map((t) => t.clone());
    };
    const [steps, ops] = [run(false), run(true)];
    steps.forEach((t, i) => close(ops[i]!, t, dtype === 'float64' ? 1e-11 : 1e-4));
  });
});

test('a derivative of the derivative goes through the steps', async () => {
  fb.manualSeed(5);
  const gru = new nn.GRU(3, 4);
  const penalty = (x: Tensor): Tensor => {
    const [y] = gru(x);
    const [g] = fb.autograd.grad(y.sum(), [x], { createGraph: true }) as [Tensor];
    const [w] = fb.autograd.grad(g.square().sum(), [[...gru.parameters()][1]!]) as [Tensor];
    return w;
  };
  const x = (): Tensor => fb.linspace(-1, 1, 24).reshape([4, 2, 3]).requiresGrad_(true);
  const f = fb.compile(penalty);
  for (let i = 0; i < 4; i++) {
    close(f(x()), penalty(x()), 1e-4);
    await f.ready();
  }
});

test('hostile operands are refused', () => {
  const z = (...shape: number[]): typeof native.ops.add extends (a: infer H, ...r: never[]) => unknown ? H : never =>
    fb.zeros(shape)._h;
  const call =
    (...args: Parameters<typeof native.ops.recurrentSequence>) =>
    (): unknown =>
      native.ops.recurrentSequence(...args);
  expect(call(z(2, 3, 16), z(3, 4), null, z(16, 4), null, 'lstm', false, true)).toThrow(
    /a cell state belongs to LSTMs/,
  );
  expect(call(z(2, 3, 15), z(3, 4), z(3, 4), z(16, 4), null, 'lstm', false, true)).toThrow(/do not fit each other/);
  expect(call(z(2, 3, 16), z(3, 4), z(3, 5), z(16, 4), null, 'lstm', false, true)).toThrow(
    /cell state of shape \[3, 4\]/,
  );
  expect(call(z(2, 3, 16), z(3, 4), z(3, 4), z(16, 4), z(7), 'lstm', false, true)).toThrow(/bias/);
  expect(call(z(2, 3, 4), z(3, 4), null, z(4, 4), null, 'other', false, true)).toThrow(/unknown cell 'other'/);
});

describe('named axes', () => {
  test('a function that changes nothing has one program from the first call on', async () => {
    const lstm = new nn.LSTM(4, 6, { batchFirst: true });
    const f = fb.compile((x: Tensor) => output(lstm, x), { dynamic: [{ 0: 'batch', 1: 'length' }] });
    fb.noGrad(() => f(fb.randn(3, 5, 4)));
    expect(await f.ready()).toBe(true);
    for (const [b, n] of [
      [3, 5],
      [2, 9],
      [7, 7],
      [1, 4],
    ] as const) {
      const x = fb.randn(b, n, 4);
      close(
        fb.noGrad(() => f(x)),
        fb.noGrad(() => output(lstm, x)),
      );
    }
    const e = f.explain();
    expect(e.graphs.filter((g) => g.runs > 0).length, String(e)).toBe(1);
    expect(e.calls.compiled).toBe(3);
  });
  test('a training step has one once the axes have varied', async () => {
    const w = fb.ones([3], { requiresGrad: true });
    const opt = new optim.SGD([w], { lr: 0.1 });
    const f = fb.compile(
      (x: Tensor) => {
        opt.zeroGrad();
        const loss = F.mseLoss(x.mul(w).sum(1), x.sum(1).mul(2));
        loss.backward();
        opt.step();
        return loss;
      },
      { dynamic: [{ 0: 'batch' }] },
    );
    for (const n of [8, 8, 8, 5, 8, 3, 6]) {
      f(fb.randn(n, 3));
      await f.ready();
    }
    const e = f.explain();
    expect(e.graphs.filter((g) => g.runs > 0).length, String(e)).toBe(1);
    expect(e.calls.compiled, String(e)).toBeGreaterThanOrEqual(2);
  });
  test('a function that forces a size is an error, and stays one', () => {
    const f = fb.compile((x: Tensor) => x.reshape([4, 6]), { dynamic: [{ 0: 'batch' }] });
    expect(() => f(fb.ones(8, 3))).toThrow(/the dynamic axes \(batch\) cannot stay open: .*(shape|reshape|size)/s);
    expect(() => f(fb.ones(8, 3))).toThrow(/cannot stay open/);
    const half = fb.compile((x: Tensor) => x.narrow(0, 0, Math.floor(x.shape[0]! / 2)).add(1), {
      dynamic: [{ 0: 'rows' }],
    });
    expect(() => half(fb.ones(8))).toThrow(/the dynamic axes \(rows\) cannot stay open: .*no polynomial/s);
  });
  test('declarations and calls that do not fit are errors', () => {
    const id = (x: Tensor): Tensor => x.add(1);
    expect(() => fb.compile(id, { dynamic: [] })).toThrow('dynamic names no axis');
    expect(() => fb.compile(id, { dynamic: [{ 0: 3 }] as never })).toThrow(/expected a name for each axis/);
    const f = fb.compile((x: Tensor, y: Tensor) => x.add(y), { dynamic: [{ 0: 'n' }, { 0: 'n' }], fullgraph: true });
    expect(() => f(fb.ones(2), fb.ones(3))).toThrow("'n' is 2 in one tensor and 3 in tensor 1");
    expect(() => (f as unknown as (x: Tensor) => Tensor)(fb.ones(2))).toThrow(
      "'n' is an axis of tensor 1, but the call has 1",
    );
    expect(() => f(fb.tensor(1), fb.ones(3))).toThrow("'n' is axis 0 of tensor 0, which has the shape []");
  });
  test('jit.trace keeps them open, or says why it cannot', () => {
    const gru = new nn.GRU(4, 6, { batchFirst: true });
    const traced = fb.jit.trace((x: Tensor) => output(gru, x), [fb.randn(2, 5, 4)], {
      dynamic: [{ 0: 'batch', 1: 'length' }],
    });
    for (const [b, n] of [
      [2, 5],
      [3, 8],
      [6, 21],
    ] as const) {
      const x = fb.randn(b, n, 4);
      close(
        traced(x),
        fb.noGrad(() => output(gru, x)),
      );
    }
    expect(() =>
      fb.jit.trace((x: Tensor) => x.reshape([4, 6]), [fb.ones(8, 3)], { dynamic: [{ 0: 'batch' }] }),
    ).toThrow(/jit.trace: the dynamic axes \(batch\) cannot stay open/);
  });
});
