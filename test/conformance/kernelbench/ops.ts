// What the ops of kernelbench/cases.json mean in this library: one entry per op, called with its operands and attributes.
import * as fb from '../../../src/index.js';
import type { Tensor } from '../../../src/index.js';
import { dtypeOf } from './data.js';
const F = fb.nn.functional;

export type Value = Tensor | number | null | readonly (Tensor | number | null)[];
export class Attrs {
  constructor(
    private readonly op: string,
    private readonly values: Readonly<Record<string, unknown>>,
  ) {}
  has(name: string): boolean {
    return (this.values[name] ?? null) !== null;
  }
  get<T>(name: string, none?: T): T {
    const v = (this.values[name] ?? none) as T | undefined;
    if (v === undefined) throw new Error(`kernelbench: ${this.op} has no attribute '${name}'`);
    return v;
  }
  number(name: string, none?: number): number {
    return toNumber(this.get<unknown>(name, none));
  }
  ints(name: string, none?: number[]): number[] {
    const v = this.get<number | number[]>(name, none);
    return typeof v === 'number' ? [v] : v;
  }
  /** `dim` of one number, also when written as a list of one. */
  dim(name = 'dim', none?: number): number {
    const [d, ...more] = this.ints(name, none === undefined ? undefined : [none]);
    if (d === undefined || more.length > 0) throw new Error(`kernelbench: ${this.op} takes one dimension`);
    return d;
  }
}
/** JSON has no infinities: they are written as text. */
function toNumber(v: unknown): number {
  if (v === '-inf') return -Infinity;
  if (v === 'inf') return Infinity;
  if (v === 'nan') return NaN;
  if (typeof v !== 'number') throw new Error(`kernelbench: expected a number, got ${JSON.stringify(v)}`);
  return v;
}

export interface Context {
  readonly training: boolean;
}
type Meaning = (
  x: Tensor,
  rest: readonly Value[],
  a: Attrs,
  c: Context,
  all: readonly Value[],
) => Tensor | readonly Tensor[];

const tensor = (v: Value | undefined): Tensor => {
  if (!(v instanceof fb.Tensor)) throw new Error('kernelbench: expected a tensor operand');
  return v;
};
const optional = (v: Value | undefined): Tensor | null => (v === null || v === undefined ? null : tensor(v));
const flat = (all: readonly Value[]): Tensor[] => all.flat().map((v) => tensor(v));

type Unary = { [K in keyof Tensor]: Tensor[K] extends () => Tensor ? K : never }[keyof Tensor];
const unary =
  (name: Unary): Meaning =>
  (x) =>
    (x[name] as () => Tensor)();
type BinaryFn = (a: Tensor, b: Tensor | number) => Tensor;
/** Operands in either order: a number may come first. */
const binary =
  (f: BinaryFn): Meaning =>
  (_x, _rest, _a, _c, all) => {
    const [a, b] = all as [Tensor | number, Tensor | number];
    return f(typeof a === 'number' ? fb.full([], a) : a, b);
  };
const compare = (name: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'): Meaning => binary((a, b) => a[name](b));

const conv =
  (f: (x: Tensor, w: Tensor, o: object) => Tensor): Meaning =>
  (x, [w, b], a) =>
    f(x, tensor(w), {
      bias: optional(b),
      stride: a.ints('stride', [1]),
      padding: a.ints('padding', [0]),
      dilation: a.ints('dilation', [1]),
      groups: a.number('groups', 1),
      ...(a.has('output_padding') ? { outputPadding: a.ints('output_padding') } : {}),
    });
const maxPool =
  (f: (x: Tensor, k: never, o: never) => Tensor): Meaning =>
  (x, _, a) =>
    f(
      x,
      a.ints('kernel_size') as never,
      {
        stride: a.ints('stride', a.ints('kernel_size')),
        padding: a.ints('padding', [0]),
        dilation: a.ints('dilation', [1]),
        ceilMode: a.get('ceil_mode', false),
      } as never,
    );
const avgPool =
  (f: (x: Tensor, k: number[], o: object) => Tensor): Meaning =>
  (x, _, a) =>
    f(x, a.ints('kernel_size'), {
      stride: a.ints('stride', a.ints('kernel_size')),
      padding: a.ints('padding', [0]),
      ceilMode: a.get('ceil_mode', false),
      countIncludePad: a.get('count_include_pad', true),
    });
const adaptive =
  (f: (x: Tensor, size: number[]) => Tensor): Meaning =>
  (x, _, a) =>
    f(x, a.ints('output_size'));
const reduce =
  (f: (x: Tensor, dim: number[] | undefined, keepdim: boolean) => Tensor): Meaning =>
  (x, _, a) =>
    f(x, a.has('dim') ? a.ints('dim') : undefined, a.get('keepdim', false));
const all = (x: Tensor): number[] => x.shape.map((_, i) => i);
const argument =
  (name: 'argmax' | 'argmin'): Meaning =>
  (x, _, a) =>
    a.has('dim') ? x[name](a.dim(), a.get('keepdim', false)) : x[name]();

export const OPS: Readonly<Record<string, Meaning>> = {
  // products
  linear: (x, [w, b]) => F.linear(x, tensor(w), optional(b)),
  matmul: (x, [y]) => x.matmul(tensor(y)),
  bmm: (x, [y]) => x.bmm(tensor(y)),
  einsum: (_x, _r, a, _c, operands) => fb.einsum(a.get('equation'), flat(operands)),
  conv1d: conv(F.conv1d),
  conv2d: conv(F.conv2d),
  conv3d: conv(F.conv3d),
  conv_transpose1d: conv(F.convTranspose1d),
  conv_transpose2d: conv(F.convTranspose2d),
  conv_transpose3d: conv(F.convTranspose3d),
  // normalisation
  batch_norm: (x, [w, b, mean, variance], a, c) =>
    F.batchNorm(x, optional(mean), optional(variance), {
      weight: optional(w),
      bias: optional(b),
      training: c.training,
      momentum: a.number('momentum', 0.1),
      eps: a.number('eps', 1e-5),
    }),
  group_norm: (x, [w, b], a) =>
    F.groupNorm(x, a.number('num_groups'), { weight: optional(w), bias: optional(b), eps: a.number('eps', 1e-5) }),
  instance_norm: (x, [w, b], a) =>
    F.instanceNorm(x, { weight: optional(w), bias: optional(b), eps: a.number('eps', 1e-5) }),
  layer_norm: (x, [w, b], a) =>
    F.layerNorm(x, a.ints('normalized_shape'), {
      weight: optional(w),
      bias: optional(b),
      eps: a.number('eps', 1e-5),
    }),
  rms_norm: (x, [w], a) =>
    F.rmsNorm(x, a.ints('normalized_shape'), { weight: optional(w), eps: a.has('eps') ? a.number('eps') : null }),
  // pooling
  max_pool1d: maxPool(F.maxPool1d as never),
  max_pool2d: maxPool(F.maxPool2d as never),
  max_pool3d: maxPool(F.maxPool3d as never),
  avg_pool1d: avgPool(F.avgPool1d),
  avg_pool2d: avgPool(F.avgPool2d),
  avg_pool3d: avgPool(F.avgPool3d),
  adaptive_avg_pool1d: adaptive(F.adaptiveAvgPool1d),
  adaptive_avg_pool2d: adaptive(F.adaptiveAvgPool2d),
  adaptive_avg_pool3d: adaptive(F.adaptiveAvgPool3d),
  // rows
  softmax: (x, _, a) => x.softmax(a.dim()),
  log_softmax: (x, _, a) => x.logSoftmax(a.dim()),
  logsumexp: reduce((x, d, k) => x.logsumexp(d ?? all(x), k)),
  reduce_max: reduce((x, d, k) => x.amax(d ?? all(x), k)),
  reduce_min: reduce((x, d, k) => x.amin(d ?? all(x), k)),
  sum: reduce((x, d, k) => x.sum(d ?? null, k)),
  mean: reduce((x, d, k) => x.mean(d ?? null, k)),
  prod: (x, _, a) => (a.has('dim') ? x.prod(a.dim(), a.get('keepdim', false)) : x.prod()),
  var: (x, _, a) =>
    x.var(a.has('dim') ? a.ints('dim') : null, {
      correction: a.number('correction', 1),
      keepdim: a.get('keepdim', false),
    }),
  norm: (x, _, a) =>
    fb.linalg.vectorNorm(x, a.number('p', 2), a.has('dim') ? a.ints('dim') : null, a.get('keepdim', false)),
  argmax: argument('argmax'),
  argmin: argument('argmin'),
  cumsum: (x, _, a) => x.cumsum(a.dim()),
  cumprod: (x, _, a) => x.cumprod(a.dim()),
  flip: (x, _, a) => x.flip(a.ints(a.has('dims') ? 'dims' : 'dim')),
  // pointwise
  ...Object.fromEntries(
    (
      ['relu', 'sigmoid', 'tanh', 'exp', 'log', 'sqrt', 'rsqrt', 'abs', 'neg', 'square', 'reciprocal', 'erf'] as const
    ).map((name) => [name, unary(name)]),
  ),
  silu: (x) => F.silu(x),
  mish: (x) => F.mish(x),
  selu: (x) => F.selu(x),
  softsign: (x) => F.softsign(x),
  hardswish: (x) => F.hardswish(x),
  hardsigmoid: (x) => F.hardsigmoid(x),
  logsigmoid: (x) => F.logsigmoid(x),
  relu6: (x) => F.relu6(x),
  gelu: (x, _, a) => F.gelu(x, { approximate: a.get('approximate', 'none') }),
  elu: (x, _, a) => F.elu(x, a.number('alpha', 1)),
  leaky_relu: (x, _, a) => F.leakyRelu(x, a.number('negative_slope', 0.01)),
  softplus: (x, _, a) => F.softplus(x, a.number('beta', 1), a.number('threshold', 20)),
  clamp: (x, _, a) => x.clamp(a.has('min') ? a.number('min') : null, a.has('max') ? a.number('max') : null),
  hardtanh: (x, _, a) => F.hardtanh(x, a.number('min_val', -1), a.number('max_val', 1)),
  dropout: (x, _, a, c) => F.dropout(x, a.number('p', 0.5), c.training),
  add: binary((a, b) => a.add(b)),
  sub: binary((a, b) => a.sub(b)),
  mul: binary((a, b) => a.mul(b)),
  div: binary((a, b) => a.div(b)),
  pow: binary((a, b) => a.pow(b)),
  minimum: binary((a, b) => (typeof b === 'number' ? a.clamp(null, b) : a.minimum(b))),
  maximum: binary((a, b) => (typeof b === 'number' ? a.clamp(b, null) : a.maximum(b))),
  ...Object.fromEntries((['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const).map((name) => [name, compare(name)])),
  not: (x) => x.logicalNot(),
  where: (x, [y, z]) => fb.where(x, y as Tensor | number, z as Tensor | number),
  masked_fill: (x, [mask, value], a) =>
    x.maskedFill(tensor(mask), typeof value === 'number' ? value : a.number('value')),
  tril: (x, _, a) => x.tril(a.number('diagonal', 0)),
  triu: (x, _, a) => x.triu(a.number('diagonal', 0)),
  // losses
  cross_entropy: (x, [target]) => F.crossEntropy(x, tensor(target)),
  kl_div: (x, [target], a) => F.klDiv(x, tensor(target), { reduction: a.get('reduction', 'mean') }),
  mse_loss: (x, [y]) => F.mseLoss(x, tensor(y)),
  smooth_l1_loss: (x, [y], a) => F.smoothL1Loss(x, tensor(y), { beta: a.number('beta', 1) }),
  // shapes
  full: (_x, _r, a) => fb.full(a.ints('shape'), a.number('value'), { dtype: dtypeOf(a.get('dtype', 'f32')) }),
  index: (x, _, a) => x.index(...a.get<(number | string)[]>('index').map((i) => (i === 'new' ? null : i))),
  cat: (_x, _r, a, _c, operands) => fb.cat(flat(operands), a.dim('dim', 0)),
  stack: (_x, _r, a, _c, operands) => fb.stack(flat(operands), a.dim('dim', 0)),
  split: (x, _, a) => x.split(a.get<number | number[]>('size'), a.dim('dim', 0)),
  chunk: (x, _, a) => x.chunk(a.number('chunks'), a.dim('dim', 0)),
  reshape: (x, _, a) => x.reshape(a.ints('shape')),
  flatten: (x, _, a) => x.flatten(a.number('start_dim', 0), a.number('end_dim', -1)),
  permute: (x, _, a) => x.permute(a.ints('dims')),
  transpose: (x, _, a) => x.transpose(a.number('dim0'), a.number('dim1')),
  expand: (x, _, a) => x.expand(a.ints(a.has('shape') ? 'shape' : 'size')),
  squeeze: (x, _, a) => (a.has('dim') ? x.squeeze(a.ints('dim')) : x.squeeze()),
  unsqueeze: (x, _, a) => x.unsqueeze(a.dim()),
  contiguous: (x) => x.contiguous(),
  roll: (x, _, a) => x.roll(a.ints('shifts'), a.ints(a.has('dims') ? 'dims' : 'dim')),
  unfold: (x, _, a) =>
    a.has('kernel_size')
      ? F.unfold(x, a.ints('kernel_size'), {
          dilation: a.ints('dilation', [1]),
          padding: a.ints('padding', [0]),
          stride: a.ints('stride', [1]),
        })
      : x.unfold(a.dim(), a.number('size'), a.number('step', 1)),
  pad: (x, _, a) => F.pad(x, a.ints('pad'), 'constant', a.number('value', 0)),
  // attention over (sequence, batch, features)
  multihead_attention: (q, [k, v, w, b, outW, outB], a, c) =>
    F.multiHeadAttentionForward(
      q,
      tensor(k),
      tensor(v),
      q.shape.at(-1)!,
      a.number('num_heads'),
      tensor(w),
      optional(b),
      null,
      null,
      false,
      0,
      tensor(outW),
      optional(outB),
      { training: c.training, needWeights: false },
    )[0],
};
