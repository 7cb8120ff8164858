// Activations, element by element, as modules; softmax and its relatives are in softmax.ts.
import { noGrad } from '../autograd/modes.js';
import { native } from '../native.js';
import { empty } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import type { Handle } from '../tensor/handle.js';
import type { Tensor } from '../tensor/tensor.js';
import { pyFloat, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { constant_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

interface Inplace {
  inplace?: boolean;
}
/** An activation whose only setting is `inplace`: true writes the result into the input. */
abstract class Simple extends Module {
  readonly inplace: boolean;
  constructor(...rest: Rest<[inplace: boolean], Inplace>) {
    super();
    this.inplace = settings<Inplace>(new.target.name, rest, { inplace: false }).inplace;
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=True' : '';
  }
  abstract override forward(input: Tensor): Tensor;
}
/** Runs the in-place form of an op and returns its input. */
function inPlace(op: (h: Handle) => void, input: Tensor): Tensor {
  op(input._h);
  return input;
}
/** max(x, 0). */
export class ReLU extends Simple {
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.relu_, input) : F.relu(input);
  }
}
/** min(max(x, 0), 6). */
export class ReLU6 extends Simple {
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.relu6_, input) : F.relu6(input);
  }
}
/** x * sigmoid(x). */
export class SiLU extends Simple {
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.silu_, input) : F.silu(input);
  }
}
/** x * tanh(softplus(x)). */
export class Mish extends Simple {
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.mish_, input) : F.mish(input);
  }
}
/** x * hardsigmoid(x). */
export class Hardswish extends Simple {
  override extraRepr(): string {
    return ''; // PyTorch does not show its inplace
  }
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.hardswish_, input) : F.hardswish(input);
  }
}
/** min(max(x + 3, 0), 6) / 6. */
export class Hardsigmoid extends Simple {
  override extraRepr(): string {
    return ''; // PyTorch does not show its inplace
  }
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.hardsigmoid_, input) : F.hardsigmoid(input);
  }
}
/** Scaled ELU with the self-normalising constants. */
export class SELU extends Simple {
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace(native.ops.selu_, input) : F.selu(input);
  }
}
/** 1 / (1 + e^-x). */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.sigmoid(input);
  }
}
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanh(input);
  }
}
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.logSigmoid(input);
  }
}
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return F.softsign(input);
  }
}
/** x * Phi(x); `approximate: 'tanh'` uses the tanh formula. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';
  constructor(options: { approximate?: 'none' | 'tanh' } = {}) {
    super();
    this.approximate = options.approximate ?? 'none';
  }
  override forward(input: Tensor): Tensor {
    return F.gelu(input, { approximate: this.approximate });
  }
  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}
/** x or alpha * (e^x - 1). */
export class ELU extends Module {
  readonly alpha: number;
  readonly inplace: boolean;
  constructor(...rest: Rest<[alpha: number, inplace: boolean], { alpha?: number; inplace?: boolean }>) {
    super();
    const o = settings<{ alpha?: number; inplace?: boolean }>('ELU', rest, {
      alpha: 1,
      inplace: false,
    });
    this.alpha = o.alpha;
    this.inplace = o.inplace;
  }
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace((h) => native.ops.elu_(h, this.alpha), input) : F.elu(input, this.alpha);
  }
  override extraRepr(): string {
    return `alpha=${pyFloat(this.alpha)}${this.inplace ? ', inplace=True' : ''}`;
  }
}
/** x or negativeSlope * x. */
export class LeakyReLU extends Module {
  readonly negativeSlope: number;
  readonly inplace: boolean;
  constructor(...rest: Rest<[negativeSlope: number, inplace: boolean], { negativeSlope?: number; inplace?: boolean }>) {
    super();
    const o = settings<{ negativeSlope?: number; inplace?: boolean }>('LeakyReLU', rest, {
      negativeSlope: 0.01,
      inplace: false,
    });
    this.negativeSlope = o.negativeSlope;
    this.inplace = o.inplace;
  }
  override forward(input: Tensor): Tensor {
    return this.inplace
      ? inPlace((h) => native.ops.leakyRelu_(h, this.negativeSlope), input)
      : F.leakyRelu(input, this.negativeSlope);
  }
  override extraRepr(): string {
    return `negative_slope=${pyFloat(this.negativeSlope)}${this.inplace ? ', inplace=True' : ''}`;
  }
}
export class Hardtanh extends Module {
  readonly minVal: number;
  readonly maxVal: number;
  readonly inplace: boolean;
  constructor(
    ...rest: Rest<
      [minVal: number, maxVal: number, inplace: boolean],
      { minVal?: number; maxVal?: number; inplace?: boolean }
    >
  ) {
    super();
    const o = settings<{ minVal?: number; maxVal?: number; inplace?: boolean }>('Hardtanh', rest, {
      minVal: -1,
      maxVal: 1,
      inplace: false,
    });
    this.minVal = o.minVal;
    this.maxVal = o.maxVal;
    this.inplace = o.inplace;
    if (!(this.maxVal > this.minVal)) throw new ValueError('hardtanh: maxVal must be larger than minVal');
  }
  override forward(input: Tensor): Tensor {
    return this.inplace
      ? inPlace((h) => native.ops.hardtanh_(h, this.minVal, this.maxVal), input)
      : F.hardtanh(input, this.minVal, this.maxVal);
  }
  override extraRepr(): string {
    return `min_val=${pyFloat(this.minVal)}, max_val=${pyFloat(this.maxVal)}${this.inplace ? ', inplace=True' : ''}`;
  }
}
/** log(1 + e^(beta x)) / beta, linear above the threshold. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;
  constructor(...rest: Rest<[beta: number, threshold: number], { beta?: number; threshold?: number }>) {
    super();
    const o = settings<{ beta?: number; threshold?: number }>('Softplus', rest, {
      beta: 1,
      threshold: 20,
    });
    this.beta = o.beta;
    this.threshold = o.threshold;
  }
  override forward(input: Tensor): Tensor {
    return F.softplus(input, this.beta, this.threshold);
  }
  override extraRepr(): string {
    return `beta=${this.beta}, threshold=${this.threshold}`;
  }
}

/** x where |x| > lambd, else 0. */
export class Hardshrink extends Module {
  readonly lambd: number;
  constructor(...rest: Rest<[lambd: number], { lambd?: number }>) {
    super();
    this.lambd = settings<{ lambd?: number }>('Hardshrink', rest, { lambd: 0.5 }).lambd;
  }
  override forward(input: Tensor): Tensor {
    return F.hardshrink(input, this.lambd);
  }
  override extraRepr(): string {
    return String(this.lambd);
  }
}
/** x moved towards 0 by lambd, 0 where it would cross. */
export class Softshrink extends Module {
  readonly lambd: number;
  constructor(...rest: Rest<[lambd: number], { lambd?: number }>) {
    super();
    this.lambd = settings<{ lambd?: number }>('Softshrink', rest, { lambd: 0.5 }).lambd;
  }
  override forward(input: Tensor): Tensor {
    return F.softshrink(input, this.lambd);
  }
  override extraRepr(): string {
    return String(this.lambd);
  }
}
/** x - tanh(x). */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanhshrink(input);
  }
}
/** max(0, x) + min(0, alpha (e^(x / alpha) - 1)). */
export class CELU extends Module {
  readonly alpha: number;
  readonly inplace: boolean;
  constructor(...rest: Rest<[alpha: number, inplace: boolean], { alpha?: number; inplace?: boolean }>) {
    super();
    const o = settings<{ alpha?: number; inplace?: boolean }>('CELU', rest, { alpha: 1, inplace: false });
    this.alpha = o.alpha;
    this.inplace = o.inplace;
  }
  override forward(input: Tensor): Tensor {
    return this.inplace ? inPlace((h) => native.ops.celu_(h, this.alpha), input) : F.celu(input, this.alpha);
  }
  override extraRepr(): string {
    return `alpha=${pyFloat(this.alpha)}${this.inplace ? ', inplace=True' : ''}`;
  }
}
/** x above the threshold, else `value`. */
export class Threshold extends Module {
  readonly inplace: boolean;
  constructor(
    readonly threshold: number,
    readonly value: number,
    ...rest: Rest<[inplace: boolean], Inplace>
  ) {
    super();
    this.inplace = settings<Inplace>('Threshold', rest, { inplace: false }).inplace;
  }
  override forward(input: Tensor): Tensor {
    return this.inplace
      ? inPlace((h) => native.ops.threshold_(h, this.threshold, this.value), input)
      : F.threshold(input, this.threshold, this.value);
  }
  override extraRepr(): string {
    return `threshold=${this.threshold}, value=${this.value}${this.inplace ? ', inplace=True' : ''}`;
  }
}
/** The first half along `dim` times the sigmoid of the second. */
export class GLU extends Module {
  readonly dim: number;
  constructor(...rest: Rest<[dim: number], { dim?: number }>) {
    super();
    this.dim = settings<{ dim?: number }>('GLU', rest, { dim: -1 }).dim;
  }
  override forward(input: Tensor): Tensor {
    return F.glu(input, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
/** x, or a learned slope times x: one slope, or one per channel. */
export class PReLU extends Module {
  readonly numParameters: number;
  readonly init: number;
  weight: Parameter;
  constructor(
    ...rest: Rest<
      [numParameters: number, init: number],
      { numParameters?: number; init?: number; dtype?: DType | null }
    >
  ) {
    super();
    const o = settings<{ numParameters?: number; init?: number; dtype?: DType | null }>('PReLU', rest, {
      numParameters: 1,
      init: 0.25,
      dtype: null,
    });
    this.numParameters = o.numParameters;
    this.init = o.init;
    this.weight = new Parameter(empty([o.numParameters], { dtype: o.dtype }));
    this.resetParameters();
  }
  resetParameters(): void {
    constant_(this.weight, this.init);
  }
  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }
  override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}
interface RReLUOptions {
  lower?: number;
  upper?: number;
  inplace?: boolean;
}
/** x, or x times a slope between `lower` and `upper`: random while training, their mean else. */
export class RReLU extends Module {
  readonly lower: number;
  readonly upper: number;
  readonly inplace: boolean;
  constructor(...rest: Rest<[lower: number, upper: number, inplace: boolean], RReLUOptions>) {
    super();
    const o = settings<RReLUOptions>('RReLU', rest, { lower: 1 / 8, upper: 1 / 3, inplace: false });
    this.lower = o.lower;
    this.upper = o.upper;
    this.inplace = o.inplace;
  }
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.mul_(this.slopes(input)) : F.rrelu(input, this.lower, this.upper, this.training);
  }
  /** The factor of each element. The in-place product keeps these, and not the input that it overwrites. */
  private slopes(input: Tensor): Tensor {
    return noGrad(() =>
      F.rrelu(input.gt(0).to(input.dtype).mul(2).sub(1), this.lower, this.upper, this.training).abs(),
    );
  }
  override extraRepr(): string {
    return `lower=${pyFloat(this.lower)}, upper=${pyFloat(this.upper)}${this.inplace ? ', inplace=True' : ''}`;
  }
}
