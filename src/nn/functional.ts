// nn.functional: the stateless layers and losses. Most are the generated functions; here are those whose arguments PyTorch
// users spell in more than one way (a number for a pair of sizes) or that are put together from several ops.
import type { Tensor } from '../tensor/tensor.js';
import { arange } from '../tensor/create.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import { checkTensor } from '../tensor/args.js';
import * as ops from '../../generated/ts/functions.js';
import { padSpatial, samePads } from './padding.js';
import { merge, ntuple, type Rest, type Size1, type Size2 } from './args.js';

// Ops that declare `exports: ['nn.functional.NAME']`; a function of the same name below takes precedence.
export * from '../../generated/ts/nn_functional.js';
export {
  relu,
  relu6,
  sigmoid,
  tanh,
  silu,
  gelu,
  elu,
  selu,
  softplus,
  softsign,
  mish,
  hardtanh,
  hardsigmoid,
  hardswish,
  logsigmoid,
  leakyRelu,
  threshold,
  linear,
  softmax,
  logSoftmax,
} from '../../generated/ts/functions.js';
export { logsigmoid as logSigmoid } from '../../generated/ts/functions.js';

export type Reduction = 'none' | 'mean' | 'sum';

function checkReduction(op: string, reduction: string): void {
  if (reduction !== 'none' && reduction !== 'mean' && reduction !== 'sum') {
    throw new ValueError(`${op}: ${String(reduction)} is not a valid value for reduction`);
  }
}

// ---- convolution and pooling ----

export interface Conv1dOptions {
  bias?: Tensor | null;
  stride?: Size1;
  padding?: Size1 | 'valid' | 'same';
  dilation?: Size1;
  groups?: number;
}
export interface Conv2dOptions {
  bias?: Tensor | null;
  stride?: Size2;
  padding?: Size2 | 'valid' | 'same';
  dilation?: Size2;
  groups?: number;
}
/** `padding` in numbers. For 'same' with an even kernel, what is common to both sides: `padFirst` adds the rest. */
export function resolvePadding(
  padding: number | readonly number[] | string,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): number[] {
  if (padding === 'valid') return kernel.map(() => 0);
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) throw new ValueError("padding='same' is not supported for strided convolutions");
    return samePads(kernel, dilation).map(([before]) => before);
  }
  if (typeof padding === 'string')
    throw new ValueError(`Invalid padding string '${padding}', should be one of 'valid', 'same'`);
  return ntuple(padding, kernel.length, 'padding');
}

/** The one column of zeros that 'same' needs behind the input when the total padding is odd. */
export function padFirst(
  input: Tensor,
  padding: unknown,
  kernel: readonly number[],
  dilation: readonly number[],
): Tensor {
  if (padding !== 'same') return input;
  return padSpatial(
    input,
    samePads(kernel, dilation).map(([before, after]) => [0, after - before] as const),
    'zeros',
  );
}

/** Convolution over [N, C, H, W] (or [C, H, W]) with weight [out, C / groups, kH, kW]. Source: torch.nn.functional.conv2d. */
export function conv2d(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [bias: Tensor | null, stride: Size2, padding: Size2 | 'valid' | 'same', dilation: Size2, groups: number],
    Conv2dOptions
  >
): Tensor {
  const o = merge<Conv2dOptions>('conv2d', rest, ['bias', 'stride', 'padding', 'dilation', 'groups'], {
    bias: null,
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
  });
  const stride = ntuple(o.stride, 2, 'stride');
  const dilation = ntuple(o.dilation, 2, 'dilation');
  checkTensor('conv2d', weight);
  if (weight.ndim !== 4)
    throw new ShapeError(
      `Expected 4-dimensional weight for conv2d, but got weight of size: [${weight.shape.join(', ')}]`,
    );
  const padding = resolvePadding(o.padding, weight.shape.slice(2), stride, dilation);
  return ops.conv2d(
    padFirst(input, o.padding, weight.shape.slice(2), dilation),
    weight,
    o.bias,
    stride,
    padding,
    dilation,
    o.groups,
  );
}
/** Convolution over [N, C, L] (or [C, L]) with weight [out, C / groups, k]. */
export function conv1d(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [bias: Tensor | null, stride: Size1, padding: Size1 | 'valid' | 'same', dilation: Size1, groups: number],
    Conv1dOptions
  >
): Tensor {
  const o = merge<Conv1dOptions>('conv1d', rest, ['bias', 'stride', 'padding', 'dilation', 'groups'], {
    bias: null,
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
  });
  const stride = ntuple(o.stride, 1, 'stride');
  const dilation = ntuple(o.dilation, 1, 'dilation');
  checkTensor('conv1d', weight);
  if (weight.ndim !== 3)
    throw new ShapeError(
      `Expected 3-dimensional weight for conv1d, but got weight of size: [${weight.shape.join(', ')}]`,
    );
  const padding = resolvePadding(o.padding, weight.shape.slice(2), stride, dilation);
  return ops.conv1d(
    padFirst(input, o.padding, weight.shape.slice(2), dilation),
    weight,
    o.bias,
    stride,
    padding,
    dilation,
    o.groups,
  );
}

const ZERO = [0, 0] as const;
const ONE = [1, 1] as const;

export interface MaxPool2dOptions {
  stride?: Size2 | null;
  padding?: Size2;
  dilation?: Size2;
  ceilMode?: boolean;
}
/** maxPool2d that also tells where: [out, indices], indices int64 into the flat plane. */
export function maxPool2dWithIndices(input: Tensor, kernelSize: Size2, o: MaxPool2dOptions = {}): [Tensor, Tensor] {
  const kernel = ntuple(kernelSize, 2, 'kernelSize');
  const stride = o.stride == null ? kernel : ntuple(o.stride, 2, 'stride');
  return ops.maxPool2dWithIndices(
    input,
    kernel,
    stride,
    ntuple(o.padding ?? 0, 2, 'padding'),
    ntuple(o.dilation ?? 1, 2, 'dilation'),
    o.ceilMode ?? false,
  );
}
/** Largest value of each window of [N, C, H, W] or [C, H, W]; the stride defaults to the kernel size. */
export function maxPool2d(
  input: Tensor,
  kernelSize: Size2,
  ...rest: Rest<[stride: Size2 | null, padding: Size2, dilation: Size2, ceilMode: boolean], MaxPool2dOptions>
): Tensor {
  const kernel = ntuple(kernelSize, 2, 'kernelSize');
  if (rest.length === 0) return ops.maxPool2d(input, kernel, kernel, ZERO, ONE, false);
  const o = merge<MaxPool2dOptions>('maxPool2d', rest, ['stride', 'padding', 'dilation', 'ceilMode'], {
    stride: null,
    padding: 0,
    dilation: 1,
    ceilMode: false,
  });
  const stride = o.stride === null ? kernel : ntuple(o.stride, 2, 'stride');
  return ops.maxPool2d(
    input,
    kernel,
    stride,
    ntuple(o.padding, 2, 'padding'),
    ntuple(o.dilation, 2, 'dilation'),
    o.ceilMode,
  );
}
export interface AvgPool2dOptions {
  stride?: Size2 | null;
  padding?: Size2;
  ceilMode?: boolean;
  countIncludePad?: boolean;
  divisorOverride?: number | null;
}
/** Mean of each window of [N, C, H, W] or [C, H, W]. */
export function avgPool2d(
  input: Tensor,
  kernelSize: Size2,
  ...rest: Rest<
    [stride: Size2 | null, padding: Size2, ceilMode: boolean, countIncludePad: boolean, divisorOverride: number | null],
    AvgPool2dOptions
  >
): Tensor {
  const o = merge<AvgPool2dOptions>(
    'avgPool2d',
    rest,
    ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'],
    { stride: null, padding: 0, ceilMode: false, countIncludePad: true, divisorOverride: null },
  );
  const kernel = ntuple(kernelSize, 2, 'kernelSize');
  const stride = o.stride === null ? kernel : ntuple(o.stride, 2, 'stride');
  return ops.avgPool2d(
    input,
    kernel,
    stride,
    ntuple(o.padding, 2, 'padding'),
    o.ceilMode,
    o.countIncludePad,
    o.divisorOverride,
  );
}
/** Means over windows chosen so that the output has `outputSize` (null keeps a size). */
export function adaptiveAvgPool2d(input: Tensor, outputSize: number | readonly [number | null, number | null]): Tensor {
  checkTensor('adaptiveAvgPool2d', input);
  if (typeof outputSize !== 'number' && !Array.isArray(outputSize)) {
    throw new ValueError(`adaptiveAvgPool2d(): outputSize must be a number or two numbers, got ${String(outputSize)}`);
  }
  const wanted = typeof outputSize === 'number' ? [outputSize, outputSize] : outputSize;
  const spatial = input.shape.slice(-2);
  return ops.adaptiveAvgPool2d(
    input,
    wanted.map((s, i) => s ?? spatial[i]!),
  );
}

// ---- dropout, embedding, one-hot, normalisation ----

export interface DropoutOptions {
  p?: number;
  training?: boolean;
}
/** Zeroes elements with probability p and scales the others by 1 / (1 - p), while training. */
export function dropout(input: Tensor, ...rest: Rest<[p: number, training: boolean], DropoutOptions>): Tensor {
  const o = merge<DropoutOptions>('dropout', rest, ['p', 'training'], { p: 0.5, training: true });
  if (!(o.p >= 0 && o.p <= 1)) throw new ValueError(`dropout probability has to be between 0 and 1, but got ${o.p}`);
  return ops.dropout(input, o.p, o.training);
}
/** Rows of `weight` [num, dim] chosen by integer `input`: shape [...input.shape, dim]. */
export function embedding(input: Tensor, weight: Tensor, options: { paddingIdx?: number | null } = {}): Tensor {
  checkTensor('embedding', weight);
  const n = weight.shape[0]!;
  const p = options.paddingIdx ?? null;
  if (p !== null && (p < -n || p >= n)) throw new ValueError('Padding_idx must be within num_embeddings');
  return ops.embedding(weight, input, p === null ? -1 : p < 0 ? p + n : p);
}
/** 0/1 vectors of length `numClasses` (-1: the largest index + 1), int64. */
export function oneHot(t: Tensor, numClasses = -1): Tensor {
  if (t.dtype !== 'int64') throw new ValueError(`one_hot is only applicable to index tensor, got ${t.dtype}.`);
  const n = numClasses >= 0 ? numClasses : t.max().item() + 1;
  return t.unsqueeze(-1).eq(arange(n)).long();
}
export function layerNorm(
  input: Tensor,
  normalizedShape: readonly number[],
  options: { weight?: Tensor | null; bias?: Tensor | null; eps?: number } = {},
): Tensor {
  return ops.layerNorm(input, normalizedShape, options.weight ?? null, options.bias ?? null, options.eps ?? 1e-5);
}
export interface BatchNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  training?: boolean;
  momentum?: number;
  eps?: number;
}
/** Normalises each channel of [N, C, ...]; while training by the batch, updating the running statistics in place. */
export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  o: BatchNormOptions = {},
): Tensor {
  checkTensor('batchNorm', input);
  const training = o.training ?? false;
  if (training) {
    const perChannel = input.numel() / Math.max(1, input.shape[1] ?? 1);
    if (perChannel === 1) {
      throw new ValueError(
        `Expected more than 1 value per channel when training, got input size torch.Size([${input.shape.join(', ')}])`,
      );
    }
  }
  return ops.batchNorm(
    input,
    o.weight ?? null,
    o.bias ?? null,
    runningMean,
    runningVar,
    training,
    o.momentum ?? 0.1,
    o.eps ?? 1e-5,
  );
}

// ---- losses ----

/** How a loss's options object looks: `reduction` is 'mean' (default), 'sum' or 'none'. */
export interface LossOptions {
  reduction?: Reduction;
}
function sameSize(op: string, input: Tensor, target: Tensor): void {
  checkTensor(op, input);
  if (input.isSameSize(target)) return;
  process.emitWarning(
    `Using a target size (torch.Size([${target.shape.join(', ')}])) that is different to the input size (torch.Size([${input.shape.join(', ')}])). ` +
      'This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.',
    { code: `FLAMBEAU_${op.toUpperCase()}_BROADCAST` },
  );
}
/** (input - target)^2, averaged. */
export function mseLoss(input: Tensor, target: Tensor, o: LossOptions = {}): Tensor {
  checkReduction('mseLoss', o.reduction ?? 'mean');
  sameSize('mse_loss', input, target);
  return ops.mseLoss(input, target, { reduction: o.reduction ?? 'mean' });
}
/** |input - target|, averaged. */
export function l1Loss(input: Tensor, target: Tensor, o: LossOptions = {}): Tensor {
  checkReduction('l1Loss', o.reduction ?? 'mean');
  sameSize('l1_loss', input, target);
  return ops.l1Loss(input, target, { reduction: o.reduction ?? 'mean' });
}
/** Quadratic below `beta`, linear above. */
export function smoothL1Loss(input: Tensor, target: Tensor, o: LossOptions & { beta?: number } = {}): Tensor {
  checkReduction('smoothL1Loss', o.reduction ?? 'mean');
  sameSize('smooth_l1_loss', input, target);
  return ops.smoothL1Loss(input, target, { reduction: o.reduction ?? 'mean', beta: o.beta ?? 1 });
}
export interface CrossEntropyOptions extends LossOptions {
  /** One factor per class. */
  weight?: Tensor | null;
  ignoreIndex?: number;
  labelSmoothing?: number;
}
/** Softmax and negative log likelihood of [N, C, ...] against class indices [N, ...] (int64) or probabilities [N, C, ...]. */
export function crossEntropy(input: Tensor, target: Tensor, o: CrossEntropyOptions = {}): Tensor {
  const { weight = null, ignoreIndex = -100, reduction = 'mean', labelSmoothing = 0 } = o;
  checkReduction('crossEntropy', reduction);
  return ops.crossEntropy(input, target, weight, { ignoreIndex, reduction, labelSmoothing });
}
/** Negative log likelihood of log probabilities [N, C, ...] against class indices [N, ...]. */
export function nllLoss(
  input: Tensor,
  target: Tensor,
  o: LossOptions & { weight?: Tensor | null; ignoreIndex?: number } = {},
): Tensor {
  const { weight = null, ignoreIndex = -100, reduction = 'mean' } = o;
  checkReduction('nllLoss', reduction);
  return ops.nllLoss(input, target, weight, { ignoreIndex, reduction });
}
/** Cross-entropy of probabilities in [0, 1]. */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  o: LossOptions & { weight?: Tensor | null } = {},
): Tensor {
  checkTensor('binaryCrossEntropy', input);
  checkReduction('binaryCrossEntropy', o.reduction ?? 'mean');
  if (!input.isSameSize(target)) {
    throw new ShapeError(
      `Using a target size (torch.Size([${target.shape.join(', ')}])) that is different to the input size (torch.Size([${input.shape.join(', ')}])) is deprecated. ` +
        'Please ensure they have the same size.',
    );
  }
  return ops.binaryCrossEntropy(input, target, o.weight ?? null, { reduction: o.reduction ?? 'mean' });
}
/** Cross-entropy of logits, in the form that does not overflow. */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  o: LossOptions & { weight?: Tensor | null; posWeight?: Tensor | null } = {},
): Tensor {
  checkTensor('binaryCrossEntropyWithLogits', input);
  checkReduction('binaryCrossEntropyWithLogits', o.reduction ?? 'mean');
  if (!input.isSameSize(target)) {
    throw new ShapeError(
      `Target size (torch.Size([${target.shape.join(', ')}])) must be the same as input size (torch.Size([${input.shape.join(', ')}]))`,
    );
  }
  return ops.binaryCrossEntropyWithLogits(input, target, o.weight ?? null, {
    reduction: o.reduction ?? 'mean',
    posWeight: o.posWeight ?? null,
  });
}
