// Linear, Bilinear, Identity.
import { empty } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { py, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { calculateFanInAndFanOut, kaimingUniform_, uniform_ } from './init.js';
import { makeLazy, setSize } from './lazy.js';
import { Module } from './module.js';
import { Parameter, UninitializedParameter } from './parameter.js';

export interface LinearOptions {
  bias?: boolean;
  dtype?: DType | null;
}
const LINEAR: Required<LinearOptions> = { bias: true, dtype: null };

/** Throws ValueError unless every entry is a whole number >= 0. */
function checkSizes(what: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(sizes)) {
    if (!Number.isInteger(n) || n < 0)
      throw new ValueError(`${what}(): ${name} must be an integer >= 0, got ${String(n)}`);
  }
}

/** y = x W^T + b over the last dimension: [..., in] to [..., out]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, ...rest: Rest<[bias: boolean], LinearOptions>) {
    super();
    const o = settings<LinearOptions>('Linear', rest, LINEAR);
    checkSizes('Linear', { inFeatures, outFeatures });
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(empty([outFeatures, inFeatures], { dtype: o.dtype }));
    this.bias = o.bias ? new Parameter(empty([outFeatures], { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    // U(-1/sqrt(in), 1/sqrt(in)) for both, drawn as PyTorch draws them.
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) {
      const [fanIn] = calculateFanInAndFanOut(this.weight);
      const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
      uniform_(this.bias, -bound, bound);
    }
  }
  override forward(input: Tensor): Tensor {
    return F.linear(input, this.weight, this.bias);
  }
  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${py(this.bias !== null)}`;
  }
}

/** Linear whose number of inputs comes from the first input. */
export class LazyLinear extends Linear {
  constructor(outFeatures: number, ...rest: Rest<[bias: boolean], LinearOptions>) {
    const o = settings<LinearOptions>('LazyLinear', rest, LINEAR);
    super(0, outFeatures, { bias: false, dtype: o.dtype });
    const lazy = (): UninitializedParameter => new UninitializedParameter({ dtype: o.dtype });
    makeLazy<Linear>(this, Linear, { weight: lazy(), ...(o.bias ? { bias: lazy() } : {}) }, (m, input) => {
      setSize(m, 'inFeatures', input.shape.at(-1)!);
      return { weight: [m.outFeatures, m.inFeatures], bias: [m.outFeatures] };
    });
  }
}

/** y = x1^T A x2 + b over the last dimensions: [..., in1] and [..., in2] to [..., out]. */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;
  constructor(
    in1Features: number,
    in2Features: number,
    outFeatures: number,
    ...rest: Rest<[bias: boolean], LinearOptions>
  ) {
    super();
    const o = settings<LinearOptions>('Bilinear', rest, LINEAR);
    checkSizes('Bilinear', { in1Features, in2Features, outFeatures });
    this.in1Features = in1Features;
    this.in2Features = in2Features;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(empty([outFeatures, in1Features, in2Features], { dtype: o.dtype }));
    this.bias = o.bias ? new Parameter(empty([outFeatures], { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.in1Features);
    uniform_(this.weight, -bound, bound);
    if (this.bias !== null) uniform_(this.bias, -bound, bound);
  }
  override forward(input1: Tensor, input2: Tensor): Tensor {
    const { in1Features: n1, in2Features: n2, outFeatures: out } = this;
    for (const [i, x, wanted] of [
      [1, input1, n1],
      [2, input2, n2],
    ] as const) {
      if (x.shape.at(-1) !== wanted) {
        throw new ShapeError(
          `bilinear(): input${i} size does not match weight size: got ${x.shape.at(-1)} but expected ${wanted}`,
        );
      }
    }
    // x1 A for all outputs is one product; x2 then takes part element by element.
    const left = input1.matmul(this.weight.permute([1, 0, 2]).reshape([n1, out * n2]));
    const y = left
      .reshape([...input1.shape.slice(0, -1), out, n2])
      .mul(input2.unsqueeze(-2))
      .sum(-1);
    return this.bias === null ? y : y.add(this.bias);
  }
  override extraRepr(): string {
    return `in1_features=${this.in1Features}, in2_features=${this.in2Features}, out_features=${this.outFeatures}, bias=${py(this.bias !== null)}`;
  }
}

/** Returns its input. */
export class Identity extends Module {
  constructor(..._ignored: unknown[]) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return input;
  }
}
