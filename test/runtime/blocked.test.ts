// Images that stay in blocks of 16 channels between convolutions give the results of eager code, whatever lies between.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { emitProgram } from '../../src/emit/program.js';
import { native } from '../../src/native.js';

const F = fb.nn.functional;
fb.manualSeed(3);
const weight = (o: number, i: number, k: number): Tensor => fb.randn(o, i, k, k).mul(1 / Math.sqrt(i * k * k));
const conv = (x: Tensor, w: Tensor, padding = 1, bias: Tensor | null = null, groups = 1, stride = 1): Tensor =>
  F.conv2d(x, w, bias, { padding, groups, stride });

const w3 = weight(32, 3, 3);
const wa = weight(32, 32, 3);
const wb = weight(32, 32, 3);
const w1 = weight(64, 32, 1);
const w64 = weight(16, 64, 3);
const w48 = weight(16, 48, 3);
const wd = weight(32, 1, 3);
const odd = weight(20, 32, 3);
const odd2 = weight(32, 20, 3);
const bias = fb.randn(32);
const scale = fb.rand(32, 1, 1);

/** Name, function of the image, and whether anything is expected to lie in blocks. */
const CASES: readonly (readonly [string, (x: Tensor) => Tensor | Tensor[], boolean])[] = [
  ['a chain with bias and relu', (x) => conv(F.relu(conv(conv(x, w3, 1, bias), wa, 1, bias)), wb), true],
  ['a residual', (x) => { const a = F.relu(conv(x, w3)); return conv(F.relu(conv(F.relu(conv(a, wa)), wb).add(a)), wa); }, true], // prettier-ignore
  ['factors of channels, a number, a gelu', (x) => conv(F.gelu(conv(x, w3).mul(scale).add(0.5)), wa), true],
  ['joined channels', (x) => { const a = conv(x, w3); return conv(fb.cat([a, conv(a, w1, 0)], 1).narrow(1, 16, 48), w48); }, true], // prettier-ignore
  ['joined and read whole', (x) => { const a = conv(x, w3); return conv(fb.cat([F.relu(conv(a, wa)), conv(a, wb)], 1), w64); }, true], // prettier-ignore
  ['joined images', (x) => { const a = conv(x, w3); return conv(fb.cat([a, conv(a, wa)], 0), wb); }, true], // prettier-ignore
  ['pooled', (x) => conv(F.maxPool2d(conv(x, w3), 3, { stride: 2 }), wa), true],
  ['pooled with a border', (x) => conv(F.maxPool2d(conv(x, w3), 3, { stride: 2, padding: 1 }), wa), false],
  ['pooled by 3 x 5', (x) => conv(F.maxPool2d(conv(x, w3), [3, 5], { stride: 2 }), wa), false],
  ['pooled by 1 x 8', (x) => conv(F.maxPool2d(conv(x, w3), [1, 8]), wa), false],
  ['pooled by 4 x 4, dilated', (x) => conv(F.maxPool2d(conv(x, w3), 4, { stride: 1, dilation: [2, 1] }), wa), true],
  ['averages', (x) => conv(F.avgPool2d(F.relu(conv(x, w3)), 2), wa), false],
  ['a depthwise layer', (x) => conv(conv(conv(x, w3), wd, 1, bias, 32), wa), true],
  ['a stride', (x) => conv(conv(conv(x, w3), wa, 1, bias, 1, 2), wb), true],
  ['a result on the way', (x) => { const a = conv(x, w3); return [a, conv(a, wa), a.mean([2, 3])]; }, true], // prettier-ignore
  ['channels that fill no block', (x) => conv(F.relu(conv(conv(x, w3), odd)), odd2), true],
  ['a transposed image', (x) => conv(conv(x, w3).transpose(2, 3), wa), false],
  ['half of the images', (x) => conv(conv(x, w3).narrow(0, 0, 1), wa), false],
  ['half of the channels', (x) => conv(conv(conv(x, w3), w1, 0).narrow(1, 32, 32), wa), true],
];
const inBlocks = native.info().isa === 'avx512' && native.info().oneDNN !== null;

async function check(f: (x: Tensor) => Tensor | Tensor[], x: Tensor): Promise<string> {
  const program = fb.compile(f);
  let ready = false;
  for (let i = 0; i < 4 && !ready; i++) {
    fb.noGrad(() => program(x));
    ready = await program.ready();
  }
  expect(ready, program.explain().reasons.join('; ')).toBe(true);
  const [got, expected] = fb.noGrad(() => [[program(x)].flat(), [f(x)].flat()] as const);
  got.forEach((g, k) => {
    expect(g.shape).toEqual(expected[k]!.shape);
    expect(g.allclose(expected[k]!, { rtol: 1e-4, atol: 1e-5, equalNan: true })).toBe(true);
  });
  return String(program.explain());
}

describe('compiled as eager', () => {
  test.each(CASES)('%s', async (_, f, blocked) => {
    const text = await check(f, fb.randn(2, 3, 20, 18));
    expect(/convolution\(\w+\[\d+, \d+, \d+, \d+, 16\]/.test(text)).toBe(blocked && inBlocks);
  });
  test('NaN and infinities pass through windows and relu', async () => {
    const x = fb.randn(1, 3, 20, 20);
    x.index(0, 0, 3, 3).fill_(NaN);
    x.index(0, 1, 12, 12).fill_(Infinity);
    await check((y) => conv(F.relu(F.maxPool2d(F.relu(conv(y, w3)), 3, { stride: 2 })), wa), x);
  });
  test('training keeps images as they are', async () => {
    const w = wa.clone().requiresGrad_();
    const x = fb.randn(2, 32, 16, 16);
    const program = fb.compile((y: Tensor) => {
      w.grad = null;
      const loss = conv(F.relu(conv(y, w)), wb).sum();
      loss.backward();
      return w.grad!;
    });
    for (let i = 0; i < 3; i++) program(x);
    expect(await program.ready()).toBe(true);
    const got = program(x).clone();
    w.grad = null;
    conv(F.relu(conv(x, w)), wb)
      .sum()
      .backward();
    expect(got.allclose(w.grad!, { rtol: 1e-3, atol: 1e-3 })).toBe(true);
  });
});

test('a program with blocks runs where oneDNN is switched off', () => {
  // The emitter is told to use blocks; the library then converts on both sides.
  const script = `
    import * as fb from './src/index.js';
    import { emitProgram } from './src/emit/program.js';
    import { startBuild } from './src/build/build.js';
    import { native } from './src/native.js';
    import { unwrap, wrap } from './src/tensor/handle.js';
    if (native.info().oneDNN !== null) throw new Error('oneDNN is on');
    const F = fb.nn.functional;
    const [w, v] = [fb.randn(32, 3, 3, 3), fb.randn(16, 32, 3, 3)];
    const f = (x) => F.conv2d(F.relu(F.conv2d(x, w)), v);
    const x = fb.randn(2, 3, 20, 20);
    const graph = fb.jit.trace(f, [x]).graph.ir;
    const { source, meta } = emitProgram(graph, { target: 'cpp', blocks: true });
    if (!meta.steps.some((s) => s.outputs[0].shape.length === 5)) throw new Error('no blocks');
    const { path } = await startBuild(source).done;
    const program = native.loadGraph(path, JSON.stringify(meta), [unwrap(w), unwrap(v)]);
    const [y] = fb.noGrad(() => native.runGraph(program, [unwrap(x)], []));
    process.stdout.write(String(wrap(y).allclose(f(x), { rtol: 1e-4, atol: 1e-3 })));
  `;
  const out = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, FLAMBEAU_NO_ONEDNN: '1' },
  });
  expect(out).toBe('true');
});

test('the emitter uses blocks only when it is asked to', () => {
  const graph = fb.jit.trace((x: Tensor) => conv(conv(x, w3), wa), [fb.rand(1, 3, 20, 20)]).graph.ir;
  const ranks = (blocks: boolean): number[] =>
    emitProgram(graph, { target: 'cpp', blocks }).meta.steps.map((s) => s.outputs[0]!.shape.length);
  expect([ranks(false), ranks(true)]).toEqual([[4, 4], [5, 4]]); // prettier-ignore
});
