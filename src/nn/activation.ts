// Activations, element by element, as modules; softmax and its relatives are in softmax.ts.
import { native } from '../native.js';
import { ValueError } from '../tensor/errors.js';
import type { Handle } from '../tensor/handle.js';
import type { Tensor } from '../tensor/tensor.js';
import { pyFloat, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

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
