// The cases of the peers' torch_bench.py that exist here, by the same names and with the same shapes. A case makes a
// closure; `compiled` cases run it through fb.compile and wait until the generated kernels are in use.
import * as fb from '../src/index.js';
import { nn, optim, type Tensor } from '../src/index.js';
import { BasicBlock, Block, LeNet } from './models.js';
const F = nn.functional;

export type Mode = 'eager' | 'compiled';
type Run = () => unknown;
type Make = (mode: Mode) => Run | Promise<Run>;

export interface Case {
  readonly name: string;
  /** Modes that make sense: one eager op alone is not compiled. */
  readonly modes: readonly Mode[];
  readonly make: Make;
}

const BOTH: readonly Mode[] = ['eager', 'compiled'];
export const CASES: Case[] = [];
const add = (name: string, modes: readonly Mode[], make: Make): void => void CASES.push({ name, modes, make });

/** Compiles when asked to, and waits for the kernels. */
async function prepared<A extends Tensor[], R>(
  mode: Mode,
  f: (...args: A) => R,
  args: A,
  grad = true,
): Promise<(...args: A) => R> {
  if (mode === 'eager') return f;
  const compiled = fb.compile(f);
  const call = (): R => (grad ? compiled(...args) : fb.noGrad(() => compiled(...args)));
  call();
  for (let tries = 0; !(await compiled.ready()); tries++) {
    if (tries === 10) throw new Error(`stays eager: ${compiled.explain().reasons.join('; ')}`);
    call();
  }
  return compiled;
}

/** A function of random tensors, run without gradients. */
function fn(name: string, f: (...args: Tensor[]) => Tensor, ...shapes: number[][]): void {
  add(name, BOTH, async (mode) => {
    const args = shapes.map((s) => fb.randn(s));
    const run = await prepared(mode, f, args, false);
    // Reference counting frees PyTorch's result at once; here `dispose` does, else the collector would some calls later.
    return () => fb.noGrad(() => run(...args)).dispose();
  });
}

interface Optimizer {
  zeroGrad(): void;
  step(): unknown;
}
/** One training step: forward, loss, backward, optimizer. */
async function trainer(
  mode: Mode,
  loss: (x: Tensor, y: Tensor) => Tensor,
  opt: Optimizer,
  x: Tensor,
  y: Tensor,
): Promise<() => Tensor> {
  const step = (a: Tensor, b: Tensor): Tensor => {
    opt.zeroGrad();
    const l = loss(a, b);
    l.backward();
    opt.step();
    return l;
  };
  const run = await prepared(mode, step, [x, y]);
  return () => run(x, y);
}

add('add_8', ['eager'], () => {
  const [a, b] = [fb.randn(8), fb.randn(8)];
  return () => a.add(b);
});
add('add_8_grad', ['eager'], () => {
  const [a, b] = [fb.randn(8, { requiresGrad: true }), fb.randn(8)];
  return () => a.add(b);
});
add('view_chain', ['eager'], () => {
  const a = fb.randn(4, 8, 16);
  return () => a.transpose(0, 1).unsqueeze(0).narrow(2, 0, 2);
});
add('mlp_step_b32', BOTH, async (mode) => {
  const net = new nn.Sequential(new nn.Linear(1, 20), new nn.ReLU(), new nn.Linear(20, 1));
  const [x, y] = [fb.randn(32, 1), fb.randn(32, 1)];
  const opt = new optim.SGD(net.parameters(), { lr: 0.01 });
  const step = await trainer(mode, (a, b) => F.mseLoss(net(a), b), opt, x, y);
  return () => step().item();
});
for (const b of [1, 64]) {
  add(`lenet_step_b${b}`, BOTH, (mode) => {
    const net = new LeNet();
    const [x, y] = [fb.randn(b, 1, 28, 28), fb.randint(0, 10, [b])];
    return trainer(mode, (a, t) => F.crossEntropy(net(a), t), new optim.Adam(net.parameters()), x, y);
  });
  add(`lenet_infer_b${b}`, BOTH, async (mode) => {
    const net = new LeNet().eval();
    const x = fb.randn(b, 1, 28, 28);
    const run = await prepared(mode, (a: Tensor) => net(a), [x], false);
    return () => fb.noGrad(() => run(x));
  });
}
for (const [tag, n] of [
  ['1m', 1024],
  ['16m', 4096],
] as const) {
  const s = [n, n];
  fn(`copy_${tag}`, (x) => x.clone(), s);
  fn(`chain_${tag}`, (x) => fb.tanh(x.mul(0.5).add(1)).mul(F.relu(x)), s);
  fn(`gelu_${tag}`, (x) => F.gelu(x), s);
  fn(`swiglu_${tag}`, (x, y) => F.silu(x).mul(y), s, s);
  fn(`sum_${tag}`, (x) => x.sum(), s);
  fn(`softmax_${tag}`, (x) => F.softmax(x, -1), s);
  fn(`layer_norm_${tag}`, (x) => F.layerNorm(x, x.shape.slice(-1)), s);
  fn(`rms_norm_${tag}`, (x) => x.mul(fb.rsqrt(x.pow(2).mean(-1, { keepdim: true }).add(1e-6))), s);
  fn(`transpose_add_${tag}`, (x) => x.t().add(x), s);
  fn(`var_dim0_${tag}`, (x) => x.var(0), s);
}
for (const n of [64, 256, 1024, 2048]) fn(`matmul_${n}`, (a, b) => a.matmul(b), [n, n], [n, n]);
fn('linear_gelu', (x, w, b) => F.gelu(F.linear(x, w, b)), [512, 768], [3072, 768], [3072]);
fn('bmm_32x128', (a, b) => fb.bmm(a, b), [32, 128, 128], [32, 128, 128]);
fn('conv3x3_64', (x, w) => F.relu(F.conv2d(x, w, { padding: 1 })), [8, 64, 56, 56], [64, 64, 3, 3]);
fn('conv1x1_256', (x, w) => F.relu(F.conv2d(x, w)), [4, 256, 28, 28], [64, 256, 1, 1]);
fn('depthwise3x3', (x, w) => F.conv2d(x, w, { padding: 1, groups: 128 }), [4, 128, 56, 56], [128, 1, 3, 3]);
fn('max_pool2d', (x) => F.maxPool2d(x, 2), [16, 64, 56, 56]);
fn(
  'attention_b4h8t256',
  (q, k, v) =>
    q
      .matmul(k.transpose(-2, -1))
      .mul(64 ** -0.5)
      .softmax(-1)
      .matmul(v),
  [4, 8, 256, 64],
  [4, 8, 256, 64],
  [4, 8, 256, 64],
);
add('resnet_block_step', BOTH, (mode) => {
  const net = new BasicBlock(64);
  const x = fb.randn(8, 64, 28, 28);
  const opt = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 });
  return trainer(mode, (a) => net(a).pow(2).mean(), opt, x, x);
});
add('transformer_block_step', BOTH, (mode) => {
  const net = new Block(256, 4);
  const x = fb.randn(8, 64, 256);
  return trainer(mode, (a) => net(a).pow(2).mean(), new optim.AdamW(net.parameters()), x, x);
});
add('lstm_infer', BOTH, async (mode) => {
  const net = new nn.LSTM(128, 256, { batchFirst: true });
  const x = fb.randn(16, 32, 128);
  const run = await prepared(mode, (a: Tensor) => net(a), [x], false);
  return () => fb.noGrad(() => run(x));
});
add('adam_step_10m', BOTH, async (mode) => {
  const parameters = Array.from({ length: 10 }, () => fb.randn(1000, 1000, { requiresGrad: true }));
  for (const p of parameters) p.grad = fb.randnLike(p);
  const opt = new optim.Adam(parameters);
  if (mode === 'eager') return () => opt.step();
  const dummy = fb.zeros(1);
  const run = await prepared(mode, (t: Tensor) => (opt.step(), t), [dummy]);
  return () => run(dummy);
});
add('cross_entropy_fwd_bwd', BOTH, async (mode) => {
  const [x, y] = [fb.randn(256, 32000, { requiresGrad: true }), fb.randint(0, 32000, [256])];
  const run = await prepared(
    mode,
    (t: Tensor) => {
      x.grad = null;
      const loss = F.crossEntropy(x, t);
      loss.backward();
      return loss;
    },
    [y],
  );
  return () => run(y);
});
