// legacy.nn: layers. Parameters are drawn as those of the layers of today.
import { zeros, ones } from '../tensor/create.js';
import type { Tensor } from '../tensor/handle.js';
import * as modern from '../nn/index.js';
import { Layer, single, type Table } from './module.js';
const F = modern.functional;

/** y = x W^T + b. */
export class Linear extends Layer {
  constructor(inputSize: number, outputSize: number, bias = true) {
    super();
    const m = new modern.Linear(inputSize, outputSize, { bias });
    this.setParameters(m.weight, m.bias);
  }
  protected compute(input: Table, weight: Tensor, bias: Tensor | null): Table {
    return F.linear(single(input), weight, bias);
  }
}
/** Rows of a table by index. */
export class LookupTable extends Layer {
  constructor(nIndex: number, nOutput: number) {
    super();
    this.setParameters(new modern.Embedding(nIndex, nOutput).weight, null);
  }
  protected compute(input: Table, weight: Tensor): Table {
    return F.embedding(single(input), weight);
  }
}
export class Identity extends Layer {
  protected compute(input: Table): Table {
    return input;
  }
}
/** Another shape; the first dimension is the batch when the input has more elements than `size`. */
export class Reshape extends Layer {
  readonly shape: readonly number[];
  constructor(...size: number[] | [readonly number[]]) {
    super();
    this.shape = Array.isArray(size[0]) ? (size[0] as readonly number[]) : (size as number[]);
  }
  protected compute(input: Table): Table {
    const x = single(input);
    const n = this.shape.reduce((a, b) => a * b, 1);
    const batch = x.numel() !== n || (x.shape[0] === 1 && x.ndim > 1);
    return x.reshape(batch ? [x.shape[0]!, ...this.shape] : [...this.shape]);
  }
}
/** Another shape, -1 for what is left. */
export class View extends Layer {
  readonly shape: readonly number[];
  constructor(...size: number[] | [readonly number[]]) {
    super();
    this.shape = Array.isArray(size[0]) ? (size[0] as readonly number[]) : (size as number[]);
  }
  protected compute(input: Table): Table {
    return single(input).view([...this.shape]);
  }
}
export class Dropout extends Layer {
  readonly p: number;
  constructor(p = 0.5) {
    super();
    this.p = p;
  }
  protected compute(input: Table): Table {
    return F.dropout(single(input), this.p, this.train);
  }
}

export class ReLU extends Layer {
  protected compute(input: Table): Table {
    return single(input).relu();
  }
}
export class Tanh extends Layer {
  protected compute(input: Table): Table {
    return single(input).tanh();
  }
}
export class Sigmoid extends Layer {
  protected compute(input: Table): Table {
    return single(input).sigmoid();
  }
}
/** The dimension of classes: 1 with a batch, 0 without. */
const classes = (x: Tensor): number => (x.ndim === 1 || x.ndim === 3 ? 0 : 1);
export class SoftMax extends Layer {
  protected compute(input: Table): Table {
    return F.softmax(single(input), classes(single(input)));
  }
}
export class LogSoftMax extends Layer {
  protected compute(input: Table): Table {
    return F.logSoftmax(single(input), classes(single(input)));
  }
}

/** Widths come before heights, as in Lua Torch. */
export class SpatialConvolution extends Layer {
  readonly stride: [number, number];
  readonly padding: [number, number];
  constructor(
    nInputPlane: number,
    nOutputPlane: number,
    kW: number,
    kH: number,
    dW = 1,
    dH = 1,
    padW = 0,
    padH = padW,
  ) {
    super();
    this.stride = [dH, dW];
    this.padding = [padH, padW];
    const m = new modern.Conv2d(nInputPlane, nOutputPlane, [kH, kW]);
    this.setParameters(m.weight, m.bias);
  }
  protected compute(input: Table, weight: Tensor, bias: Tensor | null): Table {
    return F.conv2d(single(input), weight, { bias, stride: this.stride, padding: this.padding });
  }
}
export class SpatialMaxPooling extends Layer {
  readonly kernel: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number];
  ceilMode = false;
  constructor(kW: number, kH: number, dW = kW, dH = kH, padW = 0, padH = 0) {
    super();
    this.kernel = [kH, kW];
    this.stride = [dH, dW];
    this.padding = [padH, padW];
  }
  /** Windows that reach over the end count too. */
  ceil(): this {
    this.ceilMode = true;
    return this;
  }
  floor(): this {
    this.ceilMode = false;
    return this;
  }
  protected compute(input: Table): Table {
    const { stride, padding, ceilMode } = this;
    return F.maxPool2d(single(input), this.kernel, { stride, padding, ceilMode });
  }
}
export class SpatialAveragePooling extends Layer {
  readonly kernel: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number];
  constructor(kW: number, kH: number, dW = 1, dH = 1, padW = 0, padH = 0) {
    super();
    this.kernel = [kH, kW];
    this.stride = [dH, dW];
    this.padding = [padH, padW];
  }
  protected compute(input: Table): Table {
    return F.avgPool2d(single(input), this.kernel, { stride: this.stride, padding: this.padding });
  }
}

/** Normalises features of [N, C]. */
export class BatchNormalization extends Layer {
  readonly eps: number;
  readonly momentum: number;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
  constructor(nOutput: number, eps = 1e-5, momentum = 0.1, affine = true) {
    super();
    this.eps = eps;
    this.momentum = momentum;
    this.runningMean = zeros([nOutput]);
    this.runningVar = ones([nOutput]);
    if (affine) this.setParameters(ones([nOutput]), zeros([nOutput]));
  }
  protected compute(input: Table, weight: Tensor | null, bias: Tensor | null): Table {
    const { eps, momentum } = this;
    const options = { weight, bias, training: this.train, momentum, eps };
    return F.batchNorm(single(input), this.runningMean, this.runningVar, options);
  }
}
/** Normalises channels of [N, C, H, W]. */
export class SpatialBatchNormalization extends BatchNormalization {}
