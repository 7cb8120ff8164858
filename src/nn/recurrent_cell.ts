// One step of RNN, LSTM and GRU: the formulas, and the cells as modules.
import { empty, zeros } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import { checkTensor } from '../tensor/args.js';
import type { Tensor } from '../tensor/tensor.js';
import { merge, type Rest } from './args.js';
import * as F from './functional.js';
import { uniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export type CellKind = 'rnnTanh' | 'rnnRelu' | 'lstm' | 'gru';
interface Cell {
  /** Blocks of hiddenSize rows in the weights. */
  readonly gates: number;
  /** 1: h; 2: h and c. */
  readonly states: 1 | 2;
  /** New states from the gates' parts of the input and of h, both [B, gates * hidden]. */
  readonly step: (x: Tensor, h: Tensor, states: readonly Tensor[]) => Tensor[];
}
export const CELLS: Readonly<Record<CellKind, Cell>> = {
  rnnTanh: { gates: 1, states: 1, step: (x, h) => [x.add(h).tanh()] },
  rnnRelu: { gates: 1, states: 1, step: (x, h) => [x.add(h).relu()] },
  lstm: {
    gates: 4,
    states: 2,
    step: (x, h, [, before]) => {
      const [i, f, g, o] = x.add(h).chunk(4, -1) as [Tensor, Tensor, Tensor, Tensor];
      const c = f.sigmoid().mul(before!).add(i.sigmoid().mul(g.tanh()));
      return [o.sigmoid().mul(c.tanh()), c];
    },
  },
  gru: {
    gates: 3,
    states: 1,
    step: (x, h, [before]) => {
      const [xr, xz, xn] = x.chunk(3, -1) as [Tensor, Tensor, Tensor];
      const [hr, hz, hn] = h.chunk(3, -1) as [Tensor, Tensor, Tensor];
      const r = xr.add(hr).sigmoid();
      const z = xz.add(hz).sigmoid();
      const n = xn.add(r.mul(hn)).tanh();
      return [before!.sub(n).mul(z).add(n)];
    },
  },
};

export interface RNNCellOptions {
  bias?: boolean;
  dtype?: DType | null;
}

/** What the cells share: weight_ih, weight_hh, bias_ih, bias_hh, and the checks. */
export abstract class RNNCellBase extends Module {
  weight_ih: Parameter;
  weight_hh: Parameter;
  bias_ih: Parameter | null;
  bias_hh: Parameter | null;
  readonly bias: boolean;

  protected constructor(
    private readonly kind: CellKind,
    readonly inputSize: number,
    readonly hiddenSize: number,
    o: Required<RNNCellOptions>,
  ) {
    super();
    for (const [name, n] of [
      ['inputSize', inputSize],
      ['hiddenSize', hiddenSize],
    ] as const) {
      if (!Number.isInteger(n) || n <= 0)
        throw new ValueError(`${this.constructor.name}(): ${name} must be a positive integer, got ${String(n)}`);
    }
    const rows = CELLS[kind].gates * hiddenSize;
    const make = (...shape: number[]): Parameter => new Parameter(empty(shape, { dtype: o.dtype }));
    this.bias = o.bias;
    this.weight_ih = make(rows, inputSize);
    this.weight_hh = make(rows, hiddenSize);
    this.bias_ih = o.bias ? make(rows) : null;
    this.bias_hh = o.bias ? make(rows) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }
  /** One step from the given states (zeros when null), for [B, in] or [in]. */
  protected step(input: Tensor, states: readonly Tensor[] | null): Tensor[] {
    const name = this.constructor.name;
    checkTensor(name, input);
    if (input.ndim !== 1 && input.ndim !== 2)
      throw new ShapeError(`${name}: Expected input to be 1-D or 2-D but received ${input.ndim}-D tensor`);
    const batched = input.ndim === 2;
    const x = batched ? input : input.unsqueeze(0);
    if (x.shape[1] !== this.inputSize)
      throw new ShapeError(`input has inconsistent input_size: got ${x.shape[1]} expected ${this.inputSize}`);
    const batch = x.shape[0]!;
    const { states: count, step } = CELLS[this.kind];
    const before =
      states === null
        ? Array.from({ length: count }, () => zeros([batch, this.hiddenSize], { dtype: input.dtype }))
        : states.map((s, i) => {
            checkTensor(name, s);
            if (s.ndim !== input.ndim)
              throw new ShapeError(`${name}: Expected hidden to be ${input.ndim}-D but received ${s.ndim}-D tensor`);
            const hx = batched ? s : s.unsqueeze(0);
            if (hx.shape[0] !== batch) {
              throw new ShapeError(`Input batch size ${batch} doesn't match hidden${i} batch size ${hx.shape[0]}`);
            }
            if (hx.shape[1] !== this.hiddenSize) {
              throw new ShapeError(
                `hidden${i} has inconsistent hidden_size: got ${hx.shape[1]}, expected ${this.hiddenSize}`,
              );
            }
            return hx;
          });
    const after = step(
      F.linear(x, this.weight_ih, this.bias_ih),
      F.linear(before[0]!, this.weight_hh, this.bias_hh),
      before,
    );
    return batched ? after : after.map((s) => s.squeeze(0));
  }
  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.bias ? '' : ', bias=False'}`;
  }
}
const CELL_DEFAULTS: Required<RNNCellOptions> = { bias: true, dtype: null };
type CellRest = Rest<[bias: boolean], RNNCellOptions>;

/** One step of RNN: [B, in] (or [in]) and h give the new h. */
export class RNNCell extends RNNCellBase {
  readonly nonlinearity: 'tanh' | 'relu';
  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<[bias: boolean, nonlinearity: 'tanh' | 'relu'], RNNCellOptions & { nonlinearity?: 'tanh' | 'relu' }>
  ) {
    const o = merge<RNNCellOptions & { nonlinearity?: 'tanh' | 'relu' }>('RNNCell', rest, ['bias', 'nonlinearity'], {
      ...CELL_DEFAULTS,
      nonlinearity: 'tanh',
    });
    if (o.nonlinearity !== 'tanh' && o.nonlinearity !== 'relu')
      throw new ValueError(`Unknown nonlinearity: ${String(o.nonlinearity)}`);
    super(o.nonlinearity === 'tanh' ? 'rnnTanh' : 'rnnRelu', inputSize, hiddenSize, o);
    this.nonlinearity = o.nonlinearity;
  }
  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    return this.step(input, hx === null ? null : [hx])[0]!;
  }
  override extraRepr(): string {
    return super.extraRepr() + (this.nonlinearity === 'tanh' ? '' : `, nonlinearity=${this.nonlinearity}`);
  }
}

/** One step of GRU. */
export class GRUCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, ...rest: CellRest) {
    super('gru', inputSize, hiddenSize, merge<RNNCellOptions>('GRUCell', rest, ['bias'], CELL_DEFAULTS));
  }
  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    return this.step(input, hx === null ? null : [hx])[0]!;
  }
}

/** One step of LSTM: the input and [h, c] give the new [h, c]. */
export class LSTMCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, ...rest: CellRest) {
    super('lstm', inputSize, hiddenSize, merge<RNNCellOptions>('LSTMCell', rest, ['bias'], CELL_DEFAULTS));
  }
  override forward(input: Tensor, hx: readonly [h: Tensor, c: Tensor] | null = null): [h: Tensor, c: Tensor] {
    return this.step(input, hx) as [Tensor, Tensor];
  }
}
