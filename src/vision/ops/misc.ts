// Focal loss, DropBlock, feature pyramids. Source: torchvision/ops, 0.14.
import { ValueError } from '../../tensor/errors.js';
import { empty } from '../../tensor/create.js';
import type { Tensor } from '../../tensor/handle.js';
import { merge, type Rest } from '../../nn/args.js';
import * as nn from '../../nn/index.js';
import { kaimingUniform_, zeros_ } from '../../nn/init.js';
import { pad } from '../functional/geometry.js';
import { resize } from '../functional/resize.js';
import { Conv2dNormActivation, type Layer } from './layers.js';
const F = nn.functional;

export interface FocalOptions {
  /** Weight of the positives; negative: none. */
  alpha?: number;
  /** How much easy examples count less. */
  gamma?: number;
  reduction?: 'none' | 'mean' | 'sum';
}
/** Binary cross-entropy of logits that counts what is already right less. */
export function sigmoidFocalLoss(
  inputs: Tensor,
  targets: Tensor,
  ...rest: Rest<[alpha: number, gamma: number, reduction: 'none' | 'mean' | 'sum'], FocalOptions>
): Tensor {
  const o = merge<FocalOptions>('sigmoidFocalLoss', rest, ['alpha', 'gamma', 'reduction'], {
    alpha: 0.25,
    gamma: 2,
    reduction: 'none',
  });
  const p = inputs.sigmoid();
  const ce = F.binaryCrossEntropyWithLogits(inputs, targets, { reduction: 'none' });
  const other = targets.neg().add(1);
  const right = p.mul(targets).add(p.neg().add(1).mul(other));
  let loss = ce.mul(right.neg().add(1).pow(o.gamma));
  if (o.alpha >= 0) loss = targets.mul(o.alpha).add(other.mul(1 - o.alpha)).mul(loss); // prettier-ignore
  if (o.reduction === 'none') return loss;
  if (o.reduction !== 'mean' && o.reduction !== 'sum')
    throw new ValueError(`Invalid Value for arg 'reduction': '${String(o.reduction)}'`);
  return o.reduction === 'mean' ? loss.mean() : loss.sum();
}

export interface DropBlockOptions {
  inplace?: boolean;
  eps?: number;
  training?: boolean;
}
/** Zeroes squares of `blockSize` pixels while training, about the part p of all, and scales the rest. */
export function dropBlock2d(input: Tensor, p: number, blockSize: number, options: DropBlockOptions = {}): Tensor {
  const { inplace = false, eps = 1e-6, training = true } = options;
  if (!(p >= 0 && p <= 1)) throw new ValueError(`drop probability has to be between 0 and 1, but got ${p}.`);
  if (input.ndim !== 4) throw new ValueError(`input should be 4 dimensional. Got ${input.ndim} dimensions.`);
  if (!training || p === 0) return input;
  const [n, c, h, w] = input.shape as [number, number, number, number];
  const size = Math.min(blockSize, w, h);
  const gamma = (p * h * w) / (size ** 2 * ((h - size + 1) * (w - size + 1)));
  const seeds = empty([n, c, h - size + 1, w - size + 1], { dtype: input.dtype }).bernoulli_(Math.min(1, gamma));
  // Each seed grows into the block whose upper left corner it is.
  const margin = size - 1;
  const blocks = F.maxPool2d(pad(seeds, [margin, margin, margin, margin]), size, { stride: 1 });
  const keep = blocks.neg().add(1);
  const scale = keep.sum().add(eps).reciprocal().mul(keep.numel());
  return inplace ? input.mul_(keep).mul_(scale) : input.mul(keep).mul(scale);
}
export class DropBlock2d extends nn.Module {
  readonly p: number;
  readonly blockSize: number;
  constructor(p: number, blockSize: number) {
    super();
    this.p = p;
    this.blockSize = blockSize;
  }
  override forward(x: Tensor): Tensor {
    return dropBlock2d(x, this.p, this.blockSize, { training: this.training });
  }
}

/** Feature maps by name, from fine to coarse. */
export type Features = Readonly<Record<string, Tensor>>;
/** More, coarser levels for a feature pyramid. */
export interface ExtraBlock {
  (results: readonly Tensor[], inputs: readonly Tensor[], names: readonly string[]): [Tensor[], string[]];
}
export interface FeaturePyramidOptions {
  extraBlocks?: (nn.Module & ExtraBlock) | null;
  normLayer?: Layer | null;
}
/** Every second pixel of the last level. */
export class LastLevelMaxPool extends nn.Module {
  override forward(
    results: readonly Tensor[],
    _inputs: readonly Tensor[],
    names: readonly string[],
  ): [Tensor[], string[]] {
    return [
      [...results, F.maxPool2d(results.at(-1)!, 1, { stride: 2 })],
      [...names, 'pool'],
    ];
  }
}
/** Adds what coarse levels know to fine ones; all levels get `outChannels` channels. */
export class FeaturePyramidNetwork extends nn.Module {
  inner_blocks: nn.ModuleList;
  layer_blocks: nn.ModuleList;
  extra_blocks: (nn.Module & ExtraBlock) | null;
  constructor(inChannelsList: readonly number[], outChannels: number, options: FeaturePyramidOptions = {}) {
    super();
    const normLayer = options.normLayer ?? null;
    const block = (inputs: number, kernelSize: number): nn.Module =>
      new Conv2dNormActivation(inputs, outChannels, { kernelSize, normLayer, activationLayer: null });
    if (inChannelsList.includes(0)) throw new ValueError('in_channels=0 is currently not supported');
    const pairs = inChannelsList.map((c) => [block(c, 1), block(outChannels, 3)] as const);
    this.inner_blocks = new nn.ModuleList(pairs.map(([inner]) => inner));
    this.layer_blocks = new nn.ModuleList(pairs.map(([, layer]) => layer));
    for (const m of this.modules()) {
      if (!(m instanceof nn.Conv2d)) continue;
      kaimingUniform_(m.weight, { a: 1 });
      if (m.bias !== null) zeros_(m.bias);
    }
    this.extra_blocks = options.extraBlocks ?? null;
  }
  override forward(x: Features): Record<string, Tensor> {
    const names = Object.keys(x);
    const inputs = Object.values(x);
    const run = (list: nn.ModuleList, i: number, t: Tensor): Tensor => ([...list][i] as nn.Sequential)(t);
    let last = run(this.inner_blocks, inputs.length - 1, inputs.at(-1)!);
    let results = [run(this.layer_blocks, inputs.length - 1, last)];
    for (let i = inputs.length - 2; i >= 0; i--) {
      const lateral = run(this.inner_blocks, i, inputs[i]!);
      last = lateral.add(resize(last, lateral.shape.slice(-2) as [number, number], 'nearest'));
      results.unshift(run(this.layer_blocks, i, last));
    }
    let all = names;
    if (this.extra_blocks !== null) [results, all] = this.extra_blocks(results, inputs, names);
    return Object.fromEntries(all.map((n, i) => [n, results[i]!]));
  }
}
