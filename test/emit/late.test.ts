// Kernels over large rows whose last pass stores one row late: results for any number of threads, with tails, in place, with losses.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { type Tensor } from '../../src/index.js';
const F = fb.nn.functional;

async function compiled(f: (...args: Tensor[]) => Tensor, ...args: Tensor[]): Promise<[() => Tensor, string]> {
  const call = fb.compile(f);
  for (let i = 0; i < 4; i++) {
    fb.noGrad(() => call(...args));
    if (await call.ready()) break;
  }
  expect(call.explain().reasons).toEqual([]);
  return [() => fb.noGrad(() => call(...args)), call.explain().toString()];
}
function close(got: Tensor, expected: Tensor, off = 2e-6): void {
  expect(got.double().sub(expected).abs().max().item()).toBeLessThan(off * (expected.abs().max().item() as number));
}
function atThreads(check: () => void): void {
  const before = fb.getNumThreads();
  for (const threads of [1, 2]) {
    fb.setNumThreads(threads);
    try {
      check();
    } finally {
      fb.setNumThreads(before);
    }
  }
}

// 16 divides a row, so that stores go past the cache; it does not; few long rows.
test.each(
  [
    [2100, 1024],
    [2049, 1100],
    [64, 40000],
  ].map((shape) => ({ shape })),
)('$shape', async ({ shape }) => {
  // prettier-ignore
  fb.manualSeed(3);
  const x = fb.randn(shape);
  const [w, b] = [fb.randn([shape[1]!]), fb.randn([shape[0]!, 1])];
  const [X, W, B] = [x.double(), w.double(), b.double()];
  const cases: readonly [(...t: Tensor[]) => Tensor, Tensor, number][] = [
    [(t) => F.softmax(t, -1), F.softmax(X, -1), 2e-6],
    [(t) => F.logSoftmax(t, -1), F.logSoftmax(X, -1), 2e-6],
    // Values of the row that the last pass reads from memory, and the row itself once more.
    [(t) => F.softmax(t.mul(b), -1).mul(w).add(b).sub(t), F.softmax(X.mul(B), -1).mul(W).add(B).sub(X), 2e-6],
    [(t) => F.layerNorm(t, [shape[1]!], w), F.layerNorm(X, [shape[1]!], W), 4e-6],
    [(t) => t.div(t.amax(-1, true).abs()), X.div(X.amax(-1, true).abs()), 2e-6],
  ];
  for (const [f, expected, off] of cases) {
    const [call, report] = await compiled(f, x);
    if (shape[1]! < 32768) expect(report).toContain('one row late');
    atThreads(() => close(call(), expected, off));
  }
});

test('written in place', async () => {
  const start = fb.randn([2048, 1040]);
  const x = start.clone();
  const [call] = await compiled((t) => t.copy_(F.softmax(t, -1)), x);
  atThreads(() => {
    x.copy_(start);
    call();
    close(x, F.softmax(start.double(), -1));
  });
});

test('the gradient of a cross-entropy', async () => {
  const rows = 300;
  const x = fb.randn([rows, 8192], { requiresGrad: true });
  const t = fb.randint(0, 8192, [rows]);
  const step = fb.compile((target: Tensor) => {
    x.grad = null;
    const loss = F.crossEntropy(x, target);
    loss.backward();
    return loss;
  });
  for (let i = 0; i < 4; i++) {
    step(t);
    if (await step.ready()) break;
  }
  const wide = x.detach().double().requiresGrad_();
  F.crossEntropy(wide, t).backward();
  atThreads(() => {
    step(t);
    close(x.grad!, wide.grad!, 4e-6);
  });
  expect(step.explain().toString()).toContain('one row late');
});
