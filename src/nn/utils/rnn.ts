// nn.utils.rnn: batches of sequences of different lengths, padded or packed.
import { native } from '../../native.js';
import { cat, stack } from '../../../generated/ts/functions.js';
import { full, tensor } from '../../tensor/create.js';
import type { Device, DType } from '../../tensor/dtype.js';
import { ValueError } from '../../tensor/errors.js';
import { isTensor } from '../../tensor/handle.js';
import type { Tensor } from '../../tensor/tensor.js';

/**
 * Sequences of different lengths without padding, time step by time step: `data` [sum of lengths, ...], and how many sequences
 * are still running at each step (int64). Iterates like PyTorch's named tuple.
 */
export class PackedSequence {
  constructor(
    readonly data: Tensor,
    readonly batchSizes: Tensor,
    /** Order of the sequences in here (longest first), null when they were in that order. */
    readonly sortedIndices: Tensor | null = null,
    /** Where each sequence of the caller is in here. */
    readonly unsortedIndices: Tensor | null = sortedIndices === null ? null : invertPermutation(sortedIndices),
  ) {}
  [Symbol.iterator](): IterableIterator<Tensor | null> {
    return [this.data, this.batchSizes, this.sortedIndices, this.unsortedIndices][Symbol.iterator]();
  }
  /** The same sequences with other data. */
  withData(data: Tensor): PackedSequence {
    return new PackedSequence(data, this.batchSizes, this.sortedIndices, this.unsortedIndices);
  }
  to(target: DType | Device | Tensor): PackedSequence {
    return this.withData(this.data.to(target));
  }
  float(): PackedSequence {
    return this.to('float32');
  }
  double(): PackedSequence {
    return this.to('float64');
  }
  /** Running sequences per step as numbers. */
  sizes(): number[] {
    return numbers(this.batchSizes);
  }
}

/** The permutation that undoes another. */
export function invertPermutation(permutation: Tensor): Tensor {
  const out: number[] = [];
  numbers(permutation).forEach((to, from) => (out[to] = from));
  return int64(out);
}

const int64 = (values: readonly number[]): Tensor => tensor(values, { dtype: 'int64' });
const numbers = (t: Tensor | readonly number[]): number[] =>
  isTensor(t) ? Array.from(native.toTypedArray(t._h) as ArrayLike<number | bigint>, Number) : [...t];

/** Padded sequences [T, B, ...] ([B, T, ...] with `batchFirst`) as a PackedSequence. `lengths` falls unless `enforceSorted` is false. */
export function packPaddedSequence(
  input: Tensor,
  lengths: Tensor | readonly number[],
  options: { batchFirst?: boolean; enforceSorted?: boolean } = {},
): PackedSequence {
  const { batchFirst = false, enforceSorted = true } = options;
  if (input.ndim < 2)
    throw new ValueError(`packPaddedSequence(): expected an input of 2 or more dimensions, got ${input.ndim}`);
  let sizes = numbers(lengths);
  let x = input;
  let sorted: Tensor | null = null;
  if (!enforceSorted) {
    const order = sizes.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]!);
    sorted = int64(order);
    x = x.indexSelect(batchFirst ? 0 : 1, sorted);
    sizes = order.map((i) => sizes[i]!);
  }
  if (batchFirst) x = x.transpose(0, 1);
  const [steps, batch] = x.shape as [number, number];
  if (batch === 0) throw new ValueError('Cannot pack empty tensors.');
  if (sizes.length !== batch)
    throw new ValueError(
      `Expected \`len(lengths)\` to be equal to batch_size, but got ${sizes.length} (batch_size=${batch})`,
    );
  if (sizes.at(-1)! <= 0) {
    throw new ValueError(
      "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
    );
  }
  if (sizes.some((s, i) => i > 0 && s > sizes[i - 1]!)) {
    throw new ValueError(
      '`lengths` array must be sorted in decreasing order when `enforceSorted` is true. ' +
        'You can pass `enforceSorted: false` to pack_padded_sequence to sidestep this requirement.',
    );
  }
  if (sizes[0]! > steps) throw new ValueError(`Expected lengths of at most ${steps} steps, got ${sizes[0]}`);
  const running: number[] = [];
  const parts: Tensor[] = [];
  // Steps with the same number of running sequences are one block.
  for (let b = batch, t = 0; b > 0; b--) {
    const until = sizes[b - 1]!;
    if (until === t) continue;
    parts.push(
      x
        .narrow(0, t, until - t)
        .narrow(1, 0, b)
        .reshape([(until - t) * b, ...x.shape.slice(2)]),
    );
    for (; t < until; t++) running.push(b);
  }
  return new PackedSequence(cat(parts, 0), int64(running), sorted);
}

/** Sequences of a PackedSequence, padded: [tensor [T, B, ...], lengths (int64) in the caller's order]. */
export function padPackedSequence(
  sequence: PackedSequence,
  options: { batchFirst?: boolean; paddingValue?: number; totalLength?: number | null } = {},
): [Tensor, Tensor] {
  const { batchFirst = false, paddingValue = 0, totalLength = null } = options;
  const running = sequence.sizes();
  const steps = totalLength ?? running.length;
  if (steps < running.length) {
    throw new ValueError(
      `Expected total_length to be at least the length of the longest sequence in input, but got total_length=${steps} and max sequence length being ${running.length}`,
    );
  }
  const { data } = sequence;
  const batch = running[0]!;
  const lengths = Array.from({ length: batch }, (_, b) => running.filter((n) => n > b).length);
  const order = sequence.unsortedIndices === null ? lengths.map((_, i) => i) : numbers(sequence.unsortedIndices);
  // Row `padding` of the lengthened data stands for everything beyond the end of a sequence.
  const padding = data.shape[0]!;
  const starts: number[] = [];
  running.reduce((at, n, t) => ((starts[t] = at), at + n), 0);
  const place = (t: number, b: number): number => (t < lengths[order[b]!]! ? starts[t]! + order[b]! : padding);
  const [first, second] = batchFirst ? [batch, steps] : [steps, batch];
  const index = Array.from({ length: first * second }, (_, i) => {
    const [p, q] = [Math.floor(i / second), i % second];
    return batchFirst ? place(q, p) : place(p, q);
  });
  const fill = full([1, ...data.shape.slice(1)], paddingValue, { dtype: data.dtype });
  const padded = cat([data, fill], 0).indexSelect(0, int64(index));
  return [padded.reshape([first, second, ...data.shape.slice(1)]), int64(order.map((i) => lengths[i]!))];
}

/** Sequences [length, ...] as one tensor [longest, B, ...] ([B, longest, ...] with `batchFirst`), padded behind (or before). */
export function padSequence(
  sequences: Iterable<Tensor>,
  options: { batchFirst?: boolean; paddingValue?: number; paddingSide?: 'left' | 'right' } = {},
): Tensor {
  const { batchFirst = false, paddingValue = 0, paddingSide = 'right' } = options;
  if (paddingSide !== 'left' && paddingSide !== 'right')
    throw new ValueError("padding_side should be either 'left' or 'right'");
  const list = [...sequences];
  if (list.length === 0) throw new ValueError('padSequence(): received an empty list of sequences');
  const longest = Math.max(...list.map((s) => s.shape[0]!));
  const rows = list.map((s) => {
    const lack = longest - s.shape[0]!;
    if (lack === 0) return s;
    const fill = full([lack, ...s.shape.slice(1)], paddingValue, { dtype: s.dtype });
    return cat(paddingSide === 'right' ? [s, fill] : [fill, s], 0);
  });
  return stack(rows, batchFirst ? 0 : 1);
}

/** The sequences of a padded tensor, each with its length. */
export function unpadSequence(
  padded: Tensor,
  lengths: Tensor | readonly number[],
  options: { batchFirst?: boolean } | boolean = {},
): Tensor[] {
  const batchFirst = typeof options === 'boolean' ? options : (options.batchFirst ?? false);
  return numbers(lengths).map((n, b) => padded.select(batchFirst ? 0 : 1, b).narrow(0, 0, n));
}

/** Sequences [length, ...] as a PackedSequence. */
export function packSequence(
  sequences: Iterable<Tensor>,
  options: { enforceSorted?: boolean } | boolean = {},
): PackedSequence {
  const enforceSorted = typeof options === 'boolean' ? options : (options.enforceSorted ?? true);
  const list = [...sequences];
  return packPaddedSequence(
    padSequence(list),
    list.map((s) => s.shape[0]!),
    { enforceSorted },
  );
}

/** The sequences of a PackedSequence in the caller's order. */
export function unpackSequence(packed: PackedSequence): Tensor[] {
  const [padded, lengths] = padPackedSequence(packed);
  return unpadSequence(padded, lengths);
}
