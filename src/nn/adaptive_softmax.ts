// AdaptiveLogSoftmaxWithLoss: softmax over many classes, frequent ones first.
import type { DType } from '../tensor/dtype.js';
import { IndexError, ShapeError, ValueError } from '../tensor/errors.js';
import { noGrad } from '../autograd/modes.js';
import type { Tensor } from '../tensor/tensor.js';
import { tensor, zeros } from '../tensor/create.js';
import { cat, logSoftmax } from '../../generated/ts/functions.js';
import { settings, type Rest } from './args.js';
import { ModuleList, Sequential } from './container.js';
import { Linear } from './linear.js';
import { Module } from './module.js';

interface AdaptiveOptions {
  /** The projection of cluster i has inFeatures / divValue^(i + 1) features. */
  divValue?: number;
  headBias?: boolean;
  dtype?: DType | null;
}
/** Log probability of each example's target, and the mean loss; iterates as [output, loss]. */
export type AdaptiveResult = [output: Tensor, loss: Tensor] & { readonly output: Tensor; readonly loss: Tensor };

/** A softmax whose classes are split at `cutoffs` into a head and clusters. Source: https://arxiv.org/abs/1609.04309 */
export class AdaptiveLogSoftmaxWithLoss extends Module {
  readonly cutoffs: readonly number[];
  readonly divValue: number;
  readonly headBias: boolean;
  readonly shortlistSize: number;
  readonly nClusters: number;
  readonly headSize: number;
  readonly head: Linear;
  readonly tail: ModuleList<Sequential>;

  constructor(
    readonly inFeatures: number,
    readonly nClasses: number,
    cutoffs: readonly number[],
    ...rest: Rest<[divValue: number, headBias: boolean], AdaptiveOptions>
  ) {
    super();
    const o = settings<AdaptiveOptions>('AdaptiveLogSoftmaxWithLoss', rest, {
      divValue: 4,
      headBias: false,
      dtype: null,
    });
    const rising = cutoffs.every((c, i) => Number.isInteger(c) && c > (cutoffs[i - 1] ?? 0) && c <= nClasses - 1);
    if (cutoffs.length === 0 || !rising) {
      throw new ValueError(
        'cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and n_classes-1',
      );
    }
    this.cutoffs = [...cutoffs, nClasses];
    this.divValue = o.divValue;
    this.headBias = o.headBias;
    this.shortlistSize = cutoffs[0]!;
    this.nClusters = this.cutoffs.length - 1;
    this.headSize = this.shortlistSize + this.nClusters;
    this.head = new Linear(inFeatures, this.headSize, { bias: o.headBias, dtype: o.dtype });
    const cluster = (i: number): Sequential => {
      const hidden = Math.floor(inFeatures / o.divValue ** (i + 1));
      const size = this.cutoffs[i + 1]! - this.cutoffs[i]!;
      const plain = { bias: false, dtype: o.dtype };
      return new Sequential(new Linear(inFeatures, hidden, plain), new Linear(hidden, size, plain));
    };
    this.tail = new ModuleList(Array.from({ length: this.nClusters }, (_, i) => cluster(i)));
  }
  resetParameters(): void {
    this.head.resetParameters();
    for (const layers of this.tail) for (const layer of layers) (layer as Linear).resetParameters();
  }
  /** Input [N, in] (or [in]) and targets [N] (or []). */
  override forward(input: Tensor, target: Tensor): AdaptiveResult {
    this.check(input, target);
    const single = target.ndim === 0;
    const x = single ? input.unsqueeze(0) : input;
    const t = single ? target.unsqueeze(0) : target;
    // Rows of the input by cluster, so that each cluster's layers see their own rows only.
    const clusters = this.rowsByCluster(t);
    const headOutput = logSoftmax(this.head(x), 1);
    const inHead: number[] = new Array<number>(t.shape[0]!).fill(0);
    const labels = Array.from(t.toTypedArray() as BigInt64Array, Number);
    const parts: [rows: number[], logProbability: Tensor][] = [];
    clusters.forEach((rows, c) => {
      for (const row of rows) inHead[row] = c === 0 ? labels[row]! : this.shortlistSize + c - 1;
      if (c === 0 || rows.length === 0) return;
      const own = this.tail.at(c - 1)(x.indexSelect(0, index(rows)));
      const label = index(rows.map((row) => labels[row]! - this.cutoffs[c - 1]!));
      parts.push([rows, logSoftmax(own, 1).gather(1, label.unsqueeze(1)).squeeze(1)]);
    });
    let output = headOutput.gather(1, index(inHead).unsqueeze(1)).squeeze(1);
    for (const [rows, logProbability] of parts) {
      output = output.add(zeros([inHead.length], { dtype: output.dtype }).indexAdd(0, index(rows), logProbability));
    }
    const loss = output.neg().mean();
    const result = single ? output.squeeze(0) : output;
    return Object.assign([result, loss] as [Tensor, Tensor], { output: result, loss });
  }
  private check(input: Tensor, target: Tensor): void {
    if (target.ndim === 1) {
      if (input.ndim !== 2)
        throw new ShapeError(
          '1D target tensor expects 2D input tensors, but found inputs with size [' + input.shape.join(', ') + '].',
        );
      if (input.shape[0] !== target.shape[0])
        throw new ShapeError('Input and target should have the same size in the batch dimension.');
    } else if (target.ndim === 0) {
      if (input.ndim !== 1)
        throw new ShapeError(
          '0D target tensor expects 1D input tensors, but found inputs with size [' + input.shape.join(', ') + '].',
        );
    } else throw new ShapeError('0D or 1D target tensor expected, multi-target not supported');
  }
  private rowsByCluster(target: Tensor): number[][] {
    const labels = Array.from(target.toTypedArray() as BigInt64Array, Number);
    const low = Math.min(...labels);
    const high = Math.max(...labels);
    if (labels.length > 0 && (low < 0 || high >= this.nClasses)) {
      throw new IndexError(
        `Target values should be in [0, ${this.nClasses - 1}], but values in range [${low}, ${high}] were found. `,
      );
    }
    const clusters: number[][] = this.cutoffs.map(() => []);
    labels.forEach((label, row) => clusters[this.cutoffs.findIndex((c) => label < c)]!.push(row));
    return clusters;
  }
  /** Log probabilities of all classes, [N, nClasses]. */
  logProb(input: Tensor): Tensor {
    const head = logSoftmax(this.head(input), 1);
    const parts = [head.narrow(1, 0, this.shortlistSize)];
    this.tail.forEach((layers, i) => {
      parts.push(logSoftmax(layers(input), 1).add(head.narrow(1, this.shortlistSize + i, 1)));
    });
    return cat(parts, 1);
  }
  /** The most likely class of each row. */
  predict(input: Tensor): Tensor {
    return noGrad(() => this.logProb(input).argmax(1));
  }
}

const index = (values: readonly number[]): Tensor => tensor([...values], { dtype: 'int64' });
