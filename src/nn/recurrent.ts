// RNN, LSTM and GRU over whole sequences: layers, directions, projections, packed sequences. One loop serves padded and packed
// input: a step is a matrix of the sequences that are still running. Nothing depends on the length, which may change per call.
import { cat, stack } from '../../generated/ts/functions.js';
import { empty, zeros } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { merge, py, pyFloat, type Rest } from './args.js';
import { fieldOf } from './fields.js';
import * as F from './functional.js';
import { uniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { CELLS, type CellKind } from './recurrent_cell.js';
import { isSequenceOp, sequence, type DirectionCall, type DirectionResult } from './recurrent_sequence.js';
import { PackedSequence } from './utils/rnn.js';

export interface RNNOptions {
  /** Layers on top of each other. */
  numLayers?: number;
  bias?: boolean;
  /** Input and output are [B, T, ...] instead of [T, B, ...]. Hidden states stay [layers, B, ...]. */
  batchFirst?: boolean;
  /** Dropout on the output of each layer but the last, while training. */
  dropout?: number;
  /** A second set of weights runs from the end; outputs lie side by side. */
  bidirectional?: boolean;
  dtype?: DType | null;
}
const DEFAULTS: Required<RNNOptions> = {
  numLayers: 1,
  bias: true,
  batchFirst: false,
  dropout: 0,
  bidirectional: false,
  dtype: null,
};
const POSITIONAL = ['numLayers', 'bias', 'batchFirst', 'dropout', 'bidirectional'] as const;
type RNNRest = Rest<
  [numLayers: number, bias: boolean, batchFirst: boolean, dropout: number, bidirectional: boolean],
  RNNOptions
>;
type Sequence = Tensor | PackedSequence;

/** One layer over padded sequences, both directions: what an exporter takes as one operator. */
export interface RecurrentLayer {
  readonly mode: CellKind;
  /** [T, B, in] */
  readonly input: Tensor;
  /** Initial states [directions, B, hidden] of the cell (h, or h and c); null: zeros. */
  readonly initial: readonly Tensor[] | null;
  /** Per direction, in PyTorch's order. */
  readonly weights: readonly (readonly Tensor[])[];
  readonly hiddenSize: number;
}
/** [T, B, directions * hidden], and the final states [directions, B, hidden]. */
export interface LayerResult {
  readonly output: Tensor;
  readonly finals: readonly Tensor[];
}
type LayerObserver = (layer: RecurrentLayer, run: () => LayerResult) => LayerResult;
let observer: LayerObserver | null = null;
/** Lets `fn` run the layers; gives back the previous observer. Internal. */
export function observeLayers(fn: LayerObserver | null): LayerObserver | null {
  const before = observer;
  observer = fn;
  return before;
}

const shapeText = (shape: readonly number[], brackets: string): string =>
  `${brackets[0]}${shape.join(', ')}${brackets[1]}`;

/** What RNN, LSTM and GRU share: weights under PyTorch's names (weight_ih_l0, weight_hh_l0_reverse, ...), checks, the loop. */
export abstract class RNNBase extends Module {
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  /** Names of the weights, per layer and direction. */
  private readonly layout: readonly (readonly string[])[];

  protected constructor(
    readonly mode: CellKind,
    readonly inputSize: number,
    readonly hiddenSize: number,
    o: Required<RNNOptions>,
    readonly projSize = 0,
  ) {
    super();
    for (const [name, n] of [
      ['inputSize', inputSize],
      ['hiddenSize', hiddenSize],
      ['numLayers', o.numLayers],
    ] as const) {
      if (!Number.isInteger(n) || n <= 0)
        throw new ValueError(`${this.constructor.name}(): ${name} must be a positive integer, got ${String(n)}`);
    }
    if (typeof o.dropout !== 'number' || !(o.dropout >= 0 && o.dropout <= 1)) {
      throw new ValueError(
        'dropout should be a number in range [0, 1] representing the probability of an element being zeroed',
      );
    }
    if (o.dropout > 0 && o.numLayers === 1) {
      process.emitWarning(
        `dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects numLayers greater than 1, but got dropout=${o.dropout} and numLayers=1`,
      );
    }
    if (projSize < 0) throw new ValueError('proj_size should be a positive integer or zero to disable projections');
    if (projSize >= hiddenSize) throw new ValueError('proj_size has to be smaller than hidden_size');
    this.numLayers = o.numLayers;
    this.bias = o.bias;
    this.batchFirst = o.batchFirst;
    this.dropout = o.dropout;
    this.bidirectional = o.bidirectional;
    const rows = CELLS[mode].gates * hiddenSize;
    const outSize = projSize > 0 ? projSize : hiddenSize;
    const directions = o.bidirectional ? 2 : 1;
    const layout: string[][] = [];
    for (let layer = 0; layer < o.numLayers; layer++) {
      for (let d = 0; d < directions; d++) {
        const suffix = `l${layer}${d === 1 ? '_reverse' : ''}`;
        const shapes: [string, number[]][] = [
          [`weight_ih_${suffix}`, [rows, layer === 0 ? inputSize : outSize * directions]],
          [`weight_hh_${suffix}`, [rows, outSize]],
        ];
        if (o.bias) shapes.push([`bias_ih_${suffix}`, [rows]], [`bias_hh_${suffix}`, [rows]]);
        if (projSize > 0) shapes.push([`weight_hr_${suffix}`, [projSize, hiddenSize]]);
        for (const [name, shape] of shapes)
          this.registerParameter(name, new Parameter(empty(shape, { dtype: o.dtype })));
        layout.push(shapes.map(([name]) => name));
      }
    }
    this.layout = layout;
    this.resetParameters();
  }

  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }
  /** The weights per layer and direction, in PyTorch's order. */
  get allWeights(): Tensor[][] {
    return this.layout.map((names) => names.map((n) => fieldOf(this, n) as Tensor));
  }
  /** Weights need not lie side by side here: does nothing. */
  flattenParameters(): void {
    // PyTorch's cuDNN kernels need one block of memory; these do not.
  }

  /** Runs all layers. `states` are the initial states of the cell (h, or h and c) or null; results in the form of the input. */
  protected run<S extends Sequence>(input: S, states: readonly Tensor[] | null): [S, Tensor[]] {
    const packed = input instanceof PackedSequence ? input : null;
    let x = packed ? packed.data : (input as Tensor);
    const batched = packed !== null || this.checkInput(x);
    if (!batched) x = x.unsqueeze(1);
    else if (packed === null && this.batchFirst) x = x.transpose(0, 1);
    if (x.shape.at(-1) !== this.inputSize) {
      throw new ShapeError(
        `input.size(-1) must be equal to input_size. Expected ${this.inputSize}, got ${x.shape.at(-1)}`,
      );
    }
    const sizes = packed ? packed.sizes() : null;
    const batch = sizes ? sizes[0]! : x.shape[1]!;
    const initial = this.initialStates(states, batch, batched, x.dtype, packed);
    let { output, finals } = this.runLayers(x, sizes, initial, states !== null);
    if (packed) {
      const back = packed.unsortedIndices;
      if (back !== null) finals = finals.map((s) => s.indexSelect(1, back));
      return [packed.withData(output) as S, finals];
    }
    if (!batched) return [output.squeeze(1) as S, finals.map((s) => s.squeeze(1))];
    if (this.batchFirst) output = output.transpose(0, 1);
    return [output as S, finals];
  }

  /** true for a batch [T, B, in], false for one sequence [T, in]. */
  private checkInput(x: Tensor): boolean {
    if (x.ndim !== 2 && x.ndim !== 3)
      throw new ShapeError(`${this.constructor.name}: Expected input to be 2-D or 3-D but received ${x.ndim}-D tensor`);
    return x.ndim === 3;
  }

  private initialStates(
    states: readonly Tensor[] | null,
    batch: number,
    batched: boolean,
    dtype: DType,
    packed: PackedSequence | null,
  ): Tensor[] {
    const count = this.numLayers * (this.bidirectional ? 2 : 1);
    const sizes =
      CELLS[this.mode].states === 2 ? [this.projSize || this.hiddenSize, this.hiddenSize] : [this.hiddenSize];
    if (states === null) return sizes.map((n) => zeros([count, batch, n], { dtype }));
    return states.map((s, i) => {
      const dims = batched ? 3 : 2;
      if (s.ndim !== dims) {
        throw new ShapeError(
          `For ${batched ? 'batched 3-D' : 'unbatched 2-D'} input, hx should also be ${dims}-D but got ${s.ndim}-D tensor`,
        );
      }
      const hx = batched ? s : s.unsqueeze(1);
      const want = [count, batch, sizes[i]!];
      if (String(hx.shape) !== String(want)) {
        const name = states.length === 1 ? 'hidden' : `hidden[${i}]`;
        throw new ShapeError(`Expected ${name} size ${shapeText(want, '()')}, got ${shapeText(hx.shape, '[]')}`);
      }
      const order = packed?.sortedIndices ?? null;
      return order === null ? hx : hx.indexSelect(1, order);
    });
  }

  private runLayers(
    x: Tensor,
    sizes: readonly number[] | null,
    initial: readonly Tensor[],
    given: boolean,
  ): { output: Tensor; finals: Tensor[] } {
    const directions = this.bidirectional ? 2 : 1;
    const finals: Tensor[][] = initial.map(() => []);
    let output = x;
    for (let layer = 0; layer < this.numLayers; layer++) {
      const states = initial.map((s) => s.narrow(0, layer * directions, directions));
      const input = output;
      const weights = this.layout
        .slice(layer * directions, (layer + 1) * directions)
        .map((names) => names.map((name) => fieldOf(this, name) as Tensor));
      const run = (): LayerResult => this.runLayer(input, sizes, weights, states);
      const whole = sizes === null && this.projSize === 0 && observer !== null;
      const result = whole
        ? observer!(
            { mode: this.mode, input, initial: given ? states : null, weights, hiddenSize: this.hiddenSize },
            run,
          )
        : run();
      result.finals.forEach((s, i) => finals[i]!.push(s));
      output = result.output;
      if (this.dropout > 0 && layer < this.numLayers - 1) output = F.dropout(output, this.dropout, this.training);
    }
    return { output, finals: finals.map((list) => cat(list, 0)) };
  }

  private runLayer(
    x: Tensor,
    sizes: readonly number[] | null,
    weights: readonly (readonly Tensor[])[],
    states: readonly Tensor[],
  ): LayerResult {
    const runs = weights.map((w, d) =>
      this.runDirection(
        x,
        sizes,
        w,
        states.map((s) => s.select(0, d)),
        d === 1,
      ),
    );
    const outputs = runs.map(([out]) => out);
    return {
      output: outputs.length === 1 ? outputs[0]! : cat(outputs, -1),
      finals: states.map((_, i) =>
        stack(
          runs.map(([, last]) => last[i]!),
          0,
        ),
      ),
    };
  }

  private runDirection(
    x: Tensor,
    sizes: readonly number[] | null,
    weights: readonly Tensor[],
    initial: Tensor[],
    reverse: boolean,
  ): DirectionResult {
    const [wIh, wHh, bIh = null, bHh = null] = this.bias ? weights : [weights[0]!, weights[1]!];
    const project = this.projSize > 0 ? weights.at(-1)! : null;
    // The inputs' part of the gates is one product for all steps.
    const gates = F.linear(x, wIh!, bIh);
    const call = { mode: this.mode, reverse, gates, states: initial, weight: wHh!, bias: bHh };
    if (sizes === null && project === null && isSequenceOp(call)) return sequence(call, (c) => this.unrolled(c));
    if (gates.shape[0] === 0) return [x.newZeros([0, x.shape[1]!, this.projSize || this.hiddenSize]), initial];
    return this.unrolled(call, sizes, project);
  }

  /** Step by step; `sizes`: the sequences that run at each step of packed ones. */
  private unrolled(
    { reverse, gates, states: initial, weight, bias }: DirectionCall,
    sizes: readonly number[] | null = null,
    project: Tensor | null = null,
  ): DirectionResult {
    const { step } = CELLS[this.mode];
    const steps = sizes ? gates.splitWithSizes([...sizes], 0) : gates.unbind(0);
    const outputs = new Array<Tensor>(steps.length);
    const finished: Tensor[][] = [];
    // Sequences are ordered by length: forwards the last ones end first, backwards they start last.
    let state = reverse ? initial.map((s) => s.narrow(0, 0, steps.at(-1)!.shape[0]!)) : [...initial];
    for (let i = 0; i < steps.length; i++) {
      const t = reverse ? steps.length - 1 - i : i;
      const now = steps[t]!.shape[0]!;
      const before = state[0]!.shape[0]!;
      if (now < before) {
        finished.unshift(state.map((s) => s.narrow(0, now, before - now)));
        state = state.map((s) => s.narrow(0, 0, now));
      } else if (now > before) {
        state = state.map((s, k) => cat([s, initial[k]!.narrow(0, before, now - before)], 0));
      }
      state = step(steps[t]!, F.linear(state[0]!, weight, bias), state);
      if (project !== null) state = [F.linear(state[0]!, project), ...state.slice(1)];
      outputs[t] = state[0]!;
    }
    const last = finished.length === 0 ? state : state.map((s, k) => cat([s, ...finished.map((f) => f[k]!)], 0));
    return [sizes ? cat(outputs, 0) : stack(outputs, 0), last];
  }

  override extraRepr(): string {
    const parts = [`${this.inputSize}, ${this.hiddenSize}`];
    if (this.projSize !== 0) parts.push(`proj_size=${this.projSize}`);
    if (this.numLayers !== 1) parts.push(`num_layers=${this.numLayers}`);
    if (!this.bias) parts.push('bias=False');
    if (this.batchFirst) parts.push(`batch_first=${py(this.batchFirst)}`);
    if (this.dropout !== 0) parts.push(`dropout=${pyFloat(this.dropout)}`);
    if (this.bidirectional) parts.push(`bidirectional=${py(this.bidirectional)}`);
    return parts.join(', ');
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- call signatures: the output has the form of the input
export interface RNN {
  (input: Tensor, hx?: Tensor | null): [output: Tensor, hidden: Tensor];
  (input: PackedSequence, hx?: Tensor | null): [output: PackedSequence, hidden: Tensor];
}
/**
 * Elman network, h' = tanh(W_ih x + b_ih + W_hh h + b_hh): input [T, B, in] (or [T, in], or a PackedSequence) and an optional
 * initial state [layers * directions, B, hidden] give [output, final state].
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class RNN extends RNNBase {
  readonly nonlinearity: 'tanh' | 'relu';
  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<
      [
        numLayers: number,
        nonlinearity: 'tanh' | 'relu',
        bias: boolean,
        batchFirst: boolean,
        dropout: number,
        bidirectional: boolean,
      ],
      RNNOptions & { nonlinearity?: 'tanh' | 'relu' }
    >
  ) {
    const o = merge<RNNOptions & { nonlinearity?: 'tanh' | 'relu' }>(
      'RNN',
      rest,
      ['numLayers', 'nonlinearity', 'bias', 'batchFirst', 'dropout', 'bidirectional'],
      { ...DEFAULTS, nonlinearity: 'tanh' },
    );
    if (o.nonlinearity !== 'tanh' && o.nonlinearity !== 'relu')
      throw new ValueError(`Unknown nonlinearity '${String(o.nonlinearity)}'. Select from 'tanh' or 'relu'.`);
    super(o.nonlinearity === 'tanh' ? 'rnnTanh' : 'rnnRelu', inputSize, hiddenSize, o);
    this.nonlinearity = o.nonlinearity;
  }
  override forward<S extends Sequence>(input: S, hx: Tensor | null = null): [S, Tensor] {
    const [output, [h]] = this.run(input, hx === null ? null : [hx]);
    return [output, h!];
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface GRU {
  (input: Tensor, hx?: Tensor | null): [output: Tensor, hidden: Tensor];
  (input: PackedSequence, hx?: Tensor | null): [output: PackedSequence, hidden: Tensor];
}
/** Gated recurrent units; called like RNN. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class GRU extends RNNBase {
  constructor(inputSize: number, hiddenSize: number, ...rest: RNNRest) {
    super('gru', inputSize, hiddenSize, merge<RNNOptions>('GRU', rest, POSITIONAL, DEFAULTS));
  }
  override forward<S extends Sequence>(input: S, hx: Tensor | null = null): [S, Tensor] {
    const [output, [h]] = this.run(input, hx === null ? null : [hx]);
    return [output, h!];
  }
}

type LSTMState = readonly [h: Tensor, c: Tensor];
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface LSTM {
  (input: Tensor, hx?: LSTMState | null): [output: Tensor, state: [h: Tensor, c: Tensor]];
  (input: PackedSequence, hx?: LSTMState | null): [output: PackedSequence, state: [h: Tensor, c: Tensor]];
}
/** Long short-term memory: called like RNN, with states [h, c]. `projSize` makes h smaller than c by one more matrix. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class LSTM extends RNNBase {
  constructor(
    inputSize: number,
    hiddenSize: number,
    ...rest: Rest<
      [
        numLayers: number,
        bias: boolean,
        batchFirst: boolean,
        dropout: number,
        bidirectional: boolean,
        projSize: number,
      ],
      RNNOptions & { projSize?: number }
    >
  ) {
    const o = merge<RNNOptions & { projSize?: number }>('LSTM', rest, [...POSITIONAL, 'projSize'], {
      ...DEFAULTS,
      projSize: 0,
    });
    super('lstm', inputSize, hiddenSize, o, o.projSize);
  }
  override forward<S extends Sequence>(input: S, hx: LSTMState | null = null): [S, [Tensor, Tensor]] {
    const [output, states] = this.run(input, hx);
    return [output, states as [Tensor, Tensor]];
  }
}
