// Building blocks of the models: convolution + norm + activation, squeeze and excitation, MLP, stochastic depth.
// Source: torchvision/ops/misc.py and stochastic_depth.py, 0.14.
import { ValueError } from '../../tensor/errors.js';
import { empty, ones, zeros } from '../../tensor/create.js';
import type { Tensor } from '../../tensor/handle.js';
import * as nn from '../../nn/index.js';

export type Layer = (...args: number[]) => nn.Module;
/** Makes an activation; `inplace` is passed on. */
export type Activation = (inplace: boolean) => nn.Module;
export const relu: Activation = (inplace) => new nn.ReLU(inplace);
export const relu6: Activation = (inplace) => new nn.ReLU6(inplace);
export const silu: Activation = (inplace) => new nn.SiLU(inplace);
export const hardswish: Activation = (inplace) => new nn.Hardswish(inplace);
export const batchNorm: Layer = (n) => new nn.BatchNorm2d(n!);

export interface ConvNormOptions {
  kernelSize?: number | readonly [number, number];
  stride?: number | readonly [number, number];
  /** null: what keeps the size at stride 1. */
  padding?: number | readonly [number, number] | null;
  groups?: number;
  normLayer?: Layer | null;
  activationLayer?: Activation | null;
  dilation?: number;
  inplace?: boolean;
  /** null: only without a norm layer. */
  bias?: boolean | null;
}
/** Convolution, normalisation (BatchNorm2d) and activation (ReLU), in a row. */
export class Conv2dNormActivation extends nn.Sequential {
  declare readonly outChannels: number;
  constructor(inChannels: number, outChannels: number, options: ConvNormOptions | number = {}) {
    const o = typeof options === 'number' ? { kernelSize: options } : options;
    const { kernelSize = 3, stride = 1, groups = 1, dilation = 1, inplace = true } = o;
    const { normLayer = batchNorm, activationLayer = relu } = o;
    const same = (k: number): number => Math.floor((k - 1) / 2) * dilation;
    const padding =
      o.padding ??
      (typeof kernelSize === 'number' ? same(kernelSize) : ([same(kernelSize[0]), same(kernelSize[1])] as const));
    const bias = o.bias ?? normLayer === null;
    const layers: nn.Module[] = [
      new nn.Conv2d(inChannels, outChannels, kernelSize, { stride, padding, dilation, groups, bias }),
    ];
    if (normLayer !== null) layers.push(normLayer(outChannels));
    if (activationLayer !== null) layers.push(activationLayer(inplace));
    super(...layers);
    Object.defineProperty(this, 'outChannels', { value: outChannels });
  }
}
export { Conv2dNormActivation as ConvNormActivation };

/** Weighs channels by a small network over their means. */
export class SqueezeExcitation extends nn.Module {
  avgpool = new nn.AdaptiveAvgPool2d(1);
  fc1: nn.Conv2d;
  fc2: nn.Conv2d;
  activation: nn.Module;
  scale_activation: nn.Module;
  constructor(
    inputChannels: number,
    squeezeChannels: number,
    activation: Activation = () => new nn.ReLU(),
    scaleActivation: Activation = () => new nn.Sigmoid(),
  ) {
    super();
    this.fc1 = new nn.Conv2d(inputChannels, squeezeChannels, 1);
    this.fc2 = new nn.Conv2d(squeezeChannels, inputChannels, 1);
    this.activation = activation(false);
    this.scale_activation = scaleActivation(false);
  }
  override forward(x: Tensor): Tensor {
    const hidden = call(this.activation, this.fc1(this.avgpool(x)));
    return call(this.scale_activation, this.fc2(hidden)).mul(x);
  }
}

/** Calls a module of a tensor. */
export const call = (m: nn.Module, x: Tensor): Tensor => (m as unknown as (x: Tensor) => Tensor)(x);

export interface MLPOptions {
  normLayer?: Layer | null;
  activationLayer?: Activation;
  bias?: boolean;
  dropout?: number;
}
/** Linear layers of the given widths with activation and dropout between them; the last one has no activation. */
export class MLP extends nn.Sequential {
  constructor(inChannels: number, hiddenChannels: readonly number[], options: MLPOptions = {}) {
    const { normLayer = null, activationLayer = relu, bias = true, dropout = 0 } = options;
    const layers: nn.Module[] = [];
    let width = inChannels;
    for (const [i, next] of hiddenChannels.entries()) {
      layers.push(new nn.Linear(width, next, { bias }));
      if (i < hiddenChannels.length - 1) {
        if (normLayer !== null) layers.push(normLayer(next));
        layers.push(activationLayer(false));
      }
      layers.push(new nn.Dropout(dropout));
      width = next;
    }
    super(...layers);
  }
}

/** Reorders dimensions. */
export class Permute extends nn.Module {
  readonly dims: readonly number[];
  constructor(dims: readonly number[]) {
    super();
    this.dims = dims;
  }
  override forward(x: Tensor): Tensor {
    return x.permute(...this.dims);
  }
}

/** Zeroes whole samples ('row') or the whole batch ('batch') with probability p while training, and scales the rest. */
export function stochasticDepth(input: Tensor, p: number, mode: 'batch' | 'row', training = true): Tensor {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`drop probability has to be between 0 and 1, but got ${p}`);
  if (mode !== 'batch' && mode !== 'row')
    throw new ValueError(`mode has to be either 'batch' or 'row', but got ${String(mode)}`);
  if (!training || p === 0) return input;
  const shape = input.shape.map((n, i) => (i === 0 && mode === 'row' ? n : 1));
  const noise = empty(shape, { dtype: input.dtype }).bernoulli_(1 - p);
  return input.mul(p < 1 ? noise.div_(1 - p) : noise);
}
export class StochasticDepth extends nn.Module {
  readonly p: number;
  readonly mode: 'batch' | 'row';
  constructor(p: number, mode: 'batch' | 'row') {
    super();
    this.p = p;
    this.mode = mode;
  }
  override forward(input: Tensor): Tensor {
    return stochasticDepth(input, this.p, this.mode, this.training);
  }
  override extraRepr(): string {
    return `p=${this.p}, mode=${this.mode}`;
  }
}

/** Batch normalisation whose statistics and weights never change (they are buffers). */
export class FrozenBatchNorm2d extends nn.Module {
  readonly eps: number;
  declare weight: Tensor;
  declare bias: Tensor;
  declare running_mean: Tensor;
  declare running_var: Tensor;
  constructor(numFeatures: number, options: { eps?: number } | number = {}) {
    super();
    this.eps = typeof options === 'number' ? options : (options.eps ?? 1e-5);
    this.registerBuffer('weight', ones([numFeatures]));
    this.registerBuffer('bias', zeros([numFeatures]));
    this.registerBuffer('running_mean', zeros([numFeatures]));
    this.registerBuffer('running_var', ones([numFeatures]));
  }
  override forward(x: Tensor): Tensor {
    const scale = this.weight.mul(this.running_var.add(this.eps).rsqrt());
    const shift = this.bias.sub(this.running_mean.mul(scale));
    const shape = [1, -1, 1, 1];
    return x.mul(scale.reshape(shape)).add(shift.reshape(shape));
  }
  override extraRepr(): string {
    return `${this.weight.shape[0]}, eps=${this.eps}`;
  }
}

/** The multiple of `divisor` nearest to v, but not more than a tenth below it. */
export function makeDivisible(v: number, divisor = 8, minimum = divisor): number {
  const near = Math.max(minimum, Math.floor((v + divisor / 2) / divisor) * divisor);
  return near < 0.9 * v ? near + divisor : near;
}
