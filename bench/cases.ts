// The cases of the peers' torch_bench.py that exist here, by the same names and with the same shapes. A case makes a
// closure; `compiled` cases run it through fb.compile and wait until the generated kernels are in use. Tests take the same
// cases at small sizes, through other backends.
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

export interface CaseOptions {
  /** Sizes for tests: odd ones, some ten thousand elements. */
  readonly small?: boolean;
  /** Of fb.compile. */
  readonly backend?: string;
}

const BOTH: readonly Mode[] = ['eager', 'compiled'];

interface Optimizer {
  zeroGrad(): void;
  step(): unknown;
}

/** Compiles when asked to, and waits for the kernels. */
async function prepare<A extends Tensor[], R>(
  mode: Mode,
  f: (...args: A) => R,
  args: A,
  grad: boolean,
  backend: string | undefined,
): Promise<(...args: A) => R> {
  if (mode === 'eager') return f;
  const compiled = fb.compile(f, backend === undefined ? {} : { backend });
  const call = (): R => (grad ? compiled(...args) : fb.noGrad(() => compiled(...args)));
  call();
  for (let tries = 0; !(await compiled.ready()); tries++) {
    if (tries === 10) throw new Error(`stays eager: ${compiled.explain().reasons.join('; ')}`);
    call();
  }
  return compiled;
}

export function makeCases(options: CaseOptions = {}): readonly Case[] {
  const cases: Case[] = [];
  const add = (name: string, modes: readonly Mode[], make: Make): void => void cases.push({ name, modes, make });
  const prepared = <A extends Tensor[], R>(
    mode: Mode,
    f: (...args: A) => R,
    args: A,
    grad = true,
  ): Promise<(...args: A) => R> => prepare(mode, f, args, grad, options.backend);
  /** A size, or the one for tests. */
  const size = (full: number, small: number): number => (options.small === true ? small : full);

  /** A function of random tensors, run without gradients. */
  function fn(name: string, f: (...args: Tensor[]) => Tensor, ...shapes: number[][]): void {
    add(name, BOTH, async (mode) => {
      const args = shapes.map((s) => fb.randn(s));
      const run = await prepared(mode, f, args, false);
      // Reference counting frees PyTorch's result at once; here `dispose` does, else the collector would some calls later.
      return () => fb.noGrad(() => run(...args)).dispose();
    });
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
  for (const b of [1, size(64, 3)]) {
    add(`lenet_step_b${b === 1 ? 1 : 64}`, BOTH, (mode) => {
      const net = new LeNet();
      const [x, y] = [fb.randn(b, 1, 28, 28), fb.randint(0, 10, [b])];
      return trainer(mode, (a, t) => F.crossEntropy(net(a), t), new optim.Adam(net.parameters()), x, y);
    });
    add(`lenet_infer_b${b === 1 ? 1 : 64}`, BOTH, async (mode) => {
      const net = new LeNet().eval();
      const x = fb.randn(b, 1, 28, 28);
      const run = await prepared(mode, (a: Tensor) => net(a), [x], false);
      return () => fb.noGrad(() => run(x));
    });
  }
  for (const [tag, n] of [
    ['1m', size(1024, 67)],
    ['16m', size(4096, 160)],
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
  for (const n of [64, 256, 1024, 2048]) {
    const m = size(n, Math.ceil(n / 16) + 3);
    fn(`matmul_${n}`, (a, b) => a.matmul(b), [m, m], [m, m]);
  }
  fn('linear_gelu', (x, w, b) => F.gelu(F.linear(x, w, b)), [size(512, 33), 768], [3072, 768], [3072]);
  const batch = size(32, 3);
  fn('bmm_32x128', (a, b) => fb.bmm(a, b), [batch, 128, 128], [batch, 128, 128]);
  const side = size(56, 14);
  fn('conv3x3_64', (x, w) => F.relu(F.conv2d(x, w, { padding: 1 })), [size(8, 1), 64, side, side], [64, 64, 3, 3]);
  fn('conv1x1_256', (x, w) => F.relu(F.conv2d(x, w)), [size(4, 1), 256, 28, 28], [64, 256, 1, 1]);
  fn(
    'depthwise3x3',
    (x, w) => F.conv2d(x, w, { padding: 1, groups: 128 }),
    [size(4, 1), 128, side, side],
    [128, 1, 3, 3],
  );
  fn('max_pool2d', (x) => F.maxPool2d(x, 2), [size(16, 1), 64, 56, side]);
  const heads = [size(4, 2), size(8, 2), size(256, 40), 64];
  fn(
    'attention_b4h8t256',
    (q, k, v) =>
      q
        .matmul(k.transpose(-2, -1))
        .mul(64 ** -0.5)
        .softmax(-1)
        .matmul(v),
    heads,
    heads,
    heads,
  );
  add('resnet_block_step', BOTH, (mode) => {
    const net = new BasicBlock(64);
    const x = fb.randn(size(8, 2), 64, size(28, 9), size(28, 9));
    const opt = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 });
    return trainer(mode, (a) => net(a).pow(2).mean(), opt, x, x);
  });
  add('transformer_block_step', BOTH, (mode) => {
    const net = new Block(256, 4);
    const x = fb.randn(size(8, 2), size(64, 12), 256);
    return trainer(mode, (a) => net(a).pow(2).mean(), new optim.AdamW(net.parameters()), x, x);
  });
  add('lstm_infer', BOTH, async (mode) => {
    const net = new nn.LSTM(128, 256, { batchFirst: true });
    const x = fb.randn(size(16, 2), size(32, 5), 128);
    const run = await prepared(mode, (a: Tensor) => net(a), [x], false);
    return () => fb.noGrad(() => run(x));
  });
  add('adam_step_10m', BOTH, async (mode) => {
    const parameters = Array.from({ length: 10 }, () => fb.randn(1000, size(1000, 21), { requiresGrad: true }));
    for (const p of parameters) p.grad = fb.randnLike(p);
    const opt = new optim.Adam(parameters);
    if (mode === 'eager') return () => opt.step();
    const dummy = fb.zeros(1);
    const run = await prepared(mode, (t: Tensor) => (opt.step(), t), [dummy]);
    return () => run(dummy);
  });
  add('cross_entropy_fwd_bwd', BOTH, async (mode) => {
    const [rows, classes] = [size(256, 9), size(32000, 1500)];
    const [x, y] = [fb.randn(rows, classes, { requiresGrad: true }), fb.randint(0, classes, [rows])];
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
  return cases;
}

export const CASES = makeCases();
