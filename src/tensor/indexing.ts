// x.index(...): Python's x[...] with integers, slices, null (new axis), '...', masks, index tensors and lists.
// Basic items become views one after another; what needs a gather is left to the native `index` / `indexPut`.
import { native } from '../native.js';
import { DTypeError, IndexError, ValueError } from './errors.js';
import { isTensor, wrap, type Handle, type Tensor } from './handle.js';
import { tensor } from './create.js';

/** Python's start:stop:step. Negative positions count from the end; absent ones mean the ends. */
export class Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number;

  constructor(start: number | null = null, stop: number | null = null, step: number | null = null) {
    for (const [what, v] of [
      ['start', start],
      ['stop', stop],
      ['step', step],
    ] as const) {
      if (v !== null && !Number.isInteger(v))
        throw new IndexError(`slice indices must be integers or null, got ${what} = ${String(v)}`);
    }
    if (step !== null && step <= 0) throw new ValueError('slice step must be positive');
    this.start = start;
    this.stop = stop;
    this.step = step ?? 1;
  }
}

/** `slice(stop)`, `slice(start, stop)` or `slice(start, stop, step)`, as Python's slice; null stands for an absent end. */
export function slice(stop?: number | null): Slice;
export function slice(start: number | null, stop: number | null, step?: number | null): Slice;
export function slice(a: number | null = null, b?: number | null, step: number | null = null): Slice {
  return b === undefined ? new Slice(null, a) : new Slice(a, b, step);
}

export type NestedIndex = readonly (number | boolean | NestedIndex)[];
/** One item between the brackets of Python's x[...]. Strings: '...' or a slice such as '1:3', ':', '::2'. */
export type IndexItem = number | bigint | boolean | null | string | Slice | Tensor | NestedIndex;

function parseItem(text: string): '...' | Slice {
  if (text === '...') return '...';
  const m = /^\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?$/.exec(text);
  if (m === null) throw new IndexError(`cannot index with '${text}' (expected '...' or a slice such as '1:3')`);
  const number = (s: string | undefined): number | null => (s === undefined ? null : Number(s));
  return new Slice(number(m[1]), number(m[2]), number(m[3]));
}

/** Dimensions of the source that an item uses up. */
function consumed(item: Normal): number {
  if (item === null || item === '...' || typeof item === 'boolean') return 0;
  if (isTensor(item) && (item.dtype === 'bool' || item.dtype === 'uint8')) return item.ndim;
  return 1;
}

type Normal = number | boolean | null | '...' | Slice | Tensor;

function normalize(item: IndexItem): Normal {
  if (typeof item === 'string') return parseItem(item);
  if (typeof item === 'bigint') return Number(item);
  if (typeof item === 'number') {
    if (!Number.isInteger(item)) throw new IndexError(`tensor indices must be integers, got ${item}`);
    return item;
  }
  if (Array.isArray(item)) {
    const leaves = (item as readonly unknown[]).flat(Infinity);
    if (leaves.length > 0 && leaves.every((v) => typeof v === 'boolean'))
      return tensor(item as NestedIndex as boolean[]);
    if (leaves.some((v) => typeof v === 'number' && !Number.isInteger(v)))
      throw new IndexError('tensor indices must be integers');
    return tensor(item as NestedIndex as number[], { dtype: 'int64' });
  }
  if (item === undefined) throw new IndexError('cannot index with undefined');
  return item as Normal;
}

interface Resolved {
  /** The source after all views. */
  readonly view: Tensor;
  /** Per dimension of the view: the index tensor or null; empty when there is none. */
  readonly indices: (Tensor | null)[];
}

/** Applies the basic items as views and collects the index tensors. */
function resolve(self: Tensor, items: readonly IndexItem[]): Resolved {
  const normal = items.map(normalize);
  const total = normal.reduce<number>((n, item) => n + consumed(item), 0);
  if (total > self.ndim) throw new IndexError(`too many indices for tensor of dimension ${self.ndim}`);
  if (normal.filter((i) => i === '...').length > 1)
    throw new IndexError("an index can only have a single ellipsis ('...')");

  let h: Handle = self._h;
  const ops = native.ops;
  let dim = 0;
  const tensors: { dim: number; t: Tensor }[] = [];
  let sizes: readonly number[] = self.shape;
  for (const item of normal) {
    if (typeof item === 'number') {
      const size = sizes[dim]!;
      if (item < -size || item >= size) {
        throw new IndexError(`index ${item} is out of bounds for dimension ${dim} with size ${size}`);
      }
      h = ops.select(h, dim, item);
      sizes = native.shape(h);
    } else if (item instanceof Slice) {
      if (item.start !== null || item.stop !== null || item.step !== 1) {
        h = ops.slice(h, dim, item.start, item.stop, item.step);
        sizes = native.shape(h);
      }
      dim++;
    } else if (item === null) {
      h = ops.unsqueeze(h, dim);
      sizes = native.shape(h);
      dim++;
    } else if (item === '...') {
      dim += self.ndim - total;
    } else if (typeof item === 'boolean' || (item.ndim === 0 && (item.dtype === 'bool' || item.dtype === 'uint8'))) {
      // x[True] adds a dimension of size one, x[False] an empty one; so do tensors of one condition.
      h = ops.unsqueeze(h, dim);
      sizes = native.shape(h);
      tensors.push({ dim, t: typeof item === 'boolean' ? tensor([item]) : item.bool().reshape([1]) });
      dim++;
    } else {
      const mask = item.dtype === 'bool' || item.dtype === 'uint8';
      if (!mask && !['int64', 'int32', 'int16', 'int8'].includes(item.dtype)) {
        throw new IndexError('tensors used as indices must be long, int, byte or bool tensors');
      }
      if (mask) {
        for (let d = 0; d < item.ndim; d++) {
          if (item.shape[d] !== sizes[dim + d]) {
            throw new IndexError(
              `The shape of the mask [${item.shape.join(', ')}] at index ${d} does not match the shape of the indexed tensor ` +
                `[${sizes.join(', ')}] at index ${dim + d}`,
            );
          }
        }
        // A mask over k dimensions is k index tensors: the columns of its nonzero().
        const columns = item.nonzero();
        for (let d = 0; d < item.ndim; d++) tensors.push({ dim: dim + d, t: columns.select(1, d) });
        dim += item.ndim;
      } else {
        tensors.push({ dim, t: item.dtype === 'int64' ? item : item.long() });
        dim++;
      }
    }
  }
  const indices: (Tensor | null)[] = [];
  for (const { dim: d, t } of tensors) {
    while (indices.length < d) indices.push(null);
    indices[d] = t;
  }
  return { view: h === self._h ? self : wrap(h), indices };
}

const handles = (ts: readonly (Tensor | null)[]): (Handle | null)[] => ts.map((t) => (t === null ? null : t._h));

/** x[items]: a view when every item is basic, a copy otherwise. Throws IndexError. */
export function getIndex(self: Tensor, items: readonly IndexItem[]): Tensor {
  if (items.length === 1 && typeof items[0] === 'number' && Number.isInteger(items[0])) {
    const size = self.shape[0];
    if (size === undefined) {
      throw new IndexError('invalid index of a 0-dim tensor. Use `tensor.item()` to convert it to a number');
    }
    if (items[0] < -size || items[0] >= size) {
      throw new IndexError(`index ${items[0]} is out of bounds for dimension 0 with size ${size}`);
    }
    return wrap(native.ops.select(self._h, 0, items[0]));
  }
  const { view, indices } = resolve(self, items);
  if (indices.length > 0) {
    const { source, list, order } = indexedFirst(view, indices);
    const out = wrap(native.ops.index(source._h, handles(list)));
    return order === null ? out : out.permute(order(out.ndim));
  }
  return view === self ? wrap(native.ops.alias(self._h)) : view;
}

interface IndexedFirst {
  readonly source: Tensor;
  readonly list: readonly (Tensor | null)[];
  /** How the dimensions of the result come back to where they belong; null when nothing was moved. */
  readonly order: ((rank: number) => number[]) | null;
}

/**
 * Graphs have no absent operands: while one is recorded, the indexed dimensions move to the front, so that the list has no null.
 * The native ops do the same with strides.
 */
function indexedFirst(view: Tensor, indices: readonly (Tensor | null)[]): IndexedFirst {
  if (!indices.includes(null) || !native.traceActive()) return { source: view, list: indices, order: null };
  const taken = indices.flatMap((t, d) => (t === null ? [] : [d]));
  const rest = Array.from({ length: view.ndim }, (_, d) => d).filter((d) => !taken.includes(d));
  const list = taken.map((d) => indices[d]!);
  const adjacent = taken.at(-1)! - taken[0]! + 1 === taken.length;
  const before = adjacent ? taken[0]! : 0;
  return {
    source: view.permute([...taken, ...rest]),
    list,
    order: (rank) => {
      const broadcast = rank - rest.length;
      const all = Array.from({ length: rank }, (_, d) => d);
      return [
        ...all.slice(broadcast, broadcast + before),
        ...all.slice(0, broadcast),
        ...all.slice(broadcast + before),
      ];
    },
  };
}

/** x[..., mask, ...] = number: a masked fill, whatever the mask holds. False when the items are of another kind. */
function fillMask(self: Tensor, items: readonly IndexItem[], value: Tensor | number | boolean): boolean {
  if (isTensor(value) && value.numel() !== 1) return false;
  const isMask = (item: IndexItem): item is Tensor =>
    isTensor(item) && (item.dtype === 'bool' || item.dtype === 'uint8') && item.ndim > 0;
  const masks = items.filter(isMask);
  const basic = items.every(
    (i) => isMask(i) || typeof i === 'number' || typeof i === 'string' || i === null || i instanceof Slice,
  );
  if (masks.length !== 1 || !basic) return false;
  const mask = masks[0]!;
  const at = items.indexOf(mask);
  const [before, after] = [items.slice(0, at), items.slice(at + 1)];
  const { view } = resolve(self, [...before, ...mask.shape.map(() => ':'), ...after]);
  // Where the mask's dimensions are in the view: a number leaves none behind, every other item one.
  const dims = (list: readonly IndexItem[]): number => list.filter((i) => typeof i !== 'number').length;
  const first = before.includes('...') ? view.ndim - dims(after) - mask.ndim : dims(before);
  mask.shape.forEach((size, d) => {
    if (view.shape[first + d] !== size) {
      throw new IndexError(
        `The shape of the mask [${mask.shape.join(', ')}] at index ${d} does not match the shape of the indexed tensor [${self.shape.join(', ')}] at index ${first + d}`,
      );
    }
  });
  const lined = mask.reshape([...mask.shape, ...new Array<number>(view.ndim - first - mask.ndim).fill(1)]);
  native.ops.maskedFill_(view._h, lined.bool()._h, isTensor(value) ? value.reshape([])._h : Number(value));
  return true;
}

/** x[items] = value (or += with `accumulate`). Throws IndexError, and ShapeError where the value does not broadcast. */
export function putIndex(
  self: Tensor,
  items: readonly IndexItem[],
  value: Tensor | number | boolean,
  accumulate: boolean,
): void {
  if (!Array.isArray(items))
    throw new IndexError(`indexPut_(): the indices must be an array, got ${items === null ? 'null' : typeof items}`);
  if (!isTensor(value) && typeof value !== 'number' && typeof value !== 'boolean') {
    throw new DTypeError(
      `indexPut_(): the value must be a Tensor or a number, got ${value === null ? 'null' : typeof value}`,
    );
  }
  if (!accumulate && fillMask(self, items, value)) return;
  const { view, indices } = resolve(self, items);
  const source = isTensor(value) ? value : null;
  if (indices.length > 0) {
    const v =
      source === null
        ? tensor(value as number, { dtype: self.dtype })
        : source.dtype === self.dtype
          ? source
          : source.to(self.dtype);
    const { source: target, list, order } = indexedFirst(view, indices);
    if (order === null) native.ops.indexPut_(view._h, handles(indices), v._h, accumulate);
    else {
      // The value's dimensions are those of the result: they move as the target's do.
      const rank = native.shape(native.ops.index(target._h, handles(list))).length;
      const wanted = order(rank);
      const kept = v.shape.slice(Math.max(0, v.ndim - rank));
      const shape = new Array<number>(rank - kept.length).fill(1).concat(kept);
      const back = wanted.map((_, d) => wanted.indexOf(d));
      native.ops.indexPut_(target._h, handles(list), v.reshape(shape).permute(back)._h, accumulate);
    }
  } else if (accumulate) {
    view.add_(source ?? Number(value));
  } else if (source === null) {
    native.ops.fill_(view._h, Number(value));
  } else {
    // PyTorch drops leading ones of the value: x[0] = ones(1, 3) is allowed.
    let v = source;
    while (v.ndim > view.ndim && v.shape[0] === 1) v = v.select(0, 0);
    native.ops.copy_(view._h, v._h);
  }
}
