// Reading and writing at index tensors, masks and strides.
import { isFloatType } from '../../ir/dtype.js';
import type { Dim, DType } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, fixedSizes, type Call, type Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';
import { operand } from './pointwise.js';

const END = Number.MAX_SAFE_INTEGER;

/** An index tensor in a dtype that ONNX indexes with. */
const asIndex = (b: OnnxBuilder, r: Ref): Ref => (r.type.dtype === 'int32' ? r : b.cast(r, 'int64'));

/** 0-d tensors as vectors of one element, which ONNX needs for an axis. */
const vector = (b: OnnxBuilder, r: Ref): Ref =>
  r.type.shape.length > 0 ? r : b.op('Reshape', [r, b.int64s([1])], { dtype: r.type.dtype, shape: [1] });
const likeResult = (b: OnnxBuilder, call: Call, r: Ref): Ref =>
  call.type().shape.length === r.type.shape.length
    ? r
    : b.op('Reshape', [r, b.int64s([])], { dtype: r.type.dtype, shape: [] });

const indexSelect: Symbolic = (b, call) => {
  const x = vector(b, call.tensor('self'));
  const index = vector(b, asIndex(b, call.tensor('index')));
  const axis = axisOf(call.number('dim'), x.type.shape.length);
  const shape = x.type.shape.map((d, i) => (i === axis ? index.type.shape[0]! : d));
  return [likeResult(b, call, b.op('Gather', [x, index], { dtype: x.type.dtype, shape }, { axis }))];
};

const gather: Symbolic = (b, call) => {
  const x = vector(b, call.tensor('self'));
  const index = vector(b, asIndex(b, call.tensor('index')));
  const axis = axisOf(call.number('dim'), x.type.shape.length);
  const type = { dtype: x.type.dtype, shape: index.type.shape };
  return [likeResult(b, call, b.op('GatherElements', [x, index], type, { axis }))];
};

/** The leading corner of `src` that `index` reaches. */
function corner(b: OnnxBuilder, shapes: Shapes, src: Ref, index: Ref): Ref {
  const shape = index.type.shape;
  if (JSON.stringify(src.type.shape) === JSON.stringify(shape)) return src;
  const type = { dtype: src.type.dtype, shape };
  if (src.type.shape.length === 0) return b.op('Expand', [src, shapes.vector(shape)], type);
  const axes = shape.map((_, i) => i);
  const starts = b.int64s(axes.map(() => 0));
  return b.op('Slice', [src, starts, shapes.vector(shape), b.int64s(axes)], type);
}

interface Scatter {
  readonly x: Ref;
  readonly index: Ref;
  readonly src: Ref;
  readonly axis: number;
}

function scatterOf(b: OnnxBuilder, shapes: Shapes, call: Call, src: Ref): Scatter {
  const x = vector(b, call.tensor('self'));
  const index = vector(b, asIndex(b, call.tensor('index')));
  const values = corner(b, shapes, src.type.shape.length === 0 ? src : vector(b, src), index);
  return { x, index, src: values, axis: axisOf(call.number('dim'), x.type.shape.length) };
}

const scatterElements = (b: OnnxBuilder, { x, index, src, axis }: Scatter, reduction: string): Ref => {
  if ((reduction === 'max' || reduction === 'min') && b.opset < 18) throw new NeedsOpset(18);
  if (reduction !== 'none' && b.opset < 16) throw new NeedsOpset(16);
  return b.op('ScatterElements', [x, index, src], x.type, { axis, ...(reduction === 'none' ? {} : { reduction }) });
};

/** A form that a later opset has. */
class NeedsOpset extends Error {
  constructor(readonly opset: number) {
    super();
  }
}
const needing =
  (act: Symbolic): Symbolic =>
  (b, call) => {
    try {
      return act(b, call);
    } catch (error) {
      if (!(error instanceof NeedsOpset)) throw error;
      return call.fail(`reductions of ScatterElements come with opset ${error.opset}, this is ${b.opset}`);
    }
  };

const scatter = (shapes: Shapes, reduction: string): Symbolic =>
  needing((b, call) => {
    const src = operand(b, call, 'src', call.type().dtype);
    return [likeResult(b, call, scatterElements(b, scatterOf(b, shapes, call, src), reduction))];
  });

const REDUCTIONS: Readonly<Record<string, { readonly onnx: string; readonly start: number }>> = {
  sum: { onnx: 'add', start: 0 },
  mean: { onnx: 'add', start: 0 },
  prod: { onnx: 'mul', start: 1 },
  amax: { onnx: 'max', start: -Infinity },
  amin: { onnx: 'min', start: Infinity },
};

/** The largest or smallest integer of a dtype; 2^63 stands for the largest int64. */
function integerLimit(dtype: DType, largest: boolean): number {
  const bits = { int8: 7, uint8: 8, int16: 15, int32: 31, int64: 63 }[dtype as 'int8'];
  if (largest) return bits === 63 ? 2 ** 63 : 2 ** bits - 1;
  return dtype === 'uint8' ? 0 : -(2 ** bits);
}

const scatterReduce = (shapes: Shapes): Symbolic =>
  needing((b, call) => {
    const { onnx, start } = REDUCTIONS[call.string('reduce')]!;
    const out = call.type();
    const s = scatterOf(b, shapes, call, b.cast(call.tensor('src'), out.dtype));
    const filled = (value: number): Ref =>
      b.op('Expand', [b.scalar(value, out.dtype), shapes.vector(s.src.type.shape)], s.src.type);
    const included = call.bool('includeSelf');
    const first = Number.isFinite(start) || isFloatType(out.dtype) ? start : integerLimit(out.dtype, start > 0);
    // Without self: what an element starts from is put there first.
    const base = included ? s.x : scatterElements(b, { ...s, src: filled(first) }, 'none');
    const reduced = scatterElements(b, { ...s, x: base }, onnx);
    if (call.string('reduce') !== 'mean') return [likeResult(b, call, reduced)];
    const ones = b.op('Expand', [b.scalar(1, out.dtype), shapes.vector(s.x.type.shape)], s.x.type);
    const from = included ? ones : scatterElements(b, { ...s, x: ones, src: filled(0) }, 'none');
    const counts = scatterElements(b, { ...s, x: from, src: filled(1) }, 'add');
    if (isFloatType(out.dtype)) return [likeResult(b, call, b.op('Div', [reduced, counts], s.x.type))];
    // Integers are divided with floor, as PyTorch does.
    const whole = b.op('Sub', [reduced, b.op('Mod', [reduced, counts], s.x.type)], s.x.type);
    return [likeResult(b, call, b.op('Div', [whole, counts], s.x.type))];
  });

/** The index tensors by dimension, those that are given. */
function indexed(call: Call): { r: Ref; axis: number }[] {
  const used = call
    .list('indices')
    .map((r, axis) => ({ r, axis }))
    .filter(({ r }) => r.name !== '');
  for (const { r } of used)
    if (r.type.dtype === 'bool') call.fail('masks as indices have no fixed shape; nonzero of a mask gives its indices');
  return used;
}

/** The index tensors side by side: [..., n] coordinates of the dimensions `axes`. */
function coordinates(b: OnnxBuilder, shapes: Shapes, used: readonly { r: Ref }[], shape: readonly Dim[]): Ref {
  const target = { dtype: 'int64', shape } as const;
  const last = { dtype: 'int64', shape: [...shape, 1] } as const;
  const columns = used.map(({ r }) => {
    const index = b.cast(r, 'int64');
    const wide =
      JSON.stringify(index.type.shape) === JSON.stringify(shape)
        ? index
        : b.op('Expand', [index, shapes.vector(shape)], target);
    return b.op('Unsqueeze', [wide, b.int64s([shape.length])], last);
  });
  if (columns.length === 1) return columns[0]!;
  return b.op('Concat', columns, { dtype: 'int64', shape: [...shape, columns.length] }, { axis: -1 });
}

interface Layout {
  /** Dimensions in front: indexed ones first. */
  readonly perm: readonly number[];
  /** Shape of the broadcast index tensors, and the rest of the tensor's. */
  readonly batch: readonly Dim[];
  readonly rest: readonly Dim[];
  /** Where the index dimensions come in the result: PyTorch keeps their place where they are adjacent. */
  readonly place: number;
}

function layoutOf(call: Call, x: Ref, used: readonly { r: Ref; axis: number }[], result: readonly Dim[]): Layout {
  const rank = x.type.shape.length;
  const axes = used.map((u) => u.axis);
  const others = [...new Array<number>(rank).keys()].filter((d) => !axes.includes(d));
  const adjacent = axes.every((a, i) => i === 0 || a === axes[i - 1]! + 1);
  const place = adjacent ? axes[0]! : 0;
  const count = result.length - others.length;
  if (count < 0) call.fail('its index tensors do not fit the result');
  return {
    perm: [...axes, ...others],
    batch: result.slice(place, place + count),
    rest: others.map((d) => x.type.shape[d]!),
    place,
  };
}

function permuted(b: OnnxBuilder, x: Ref, perm: readonly number[]): Ref {
  if (perm.every((p, i) => p === i)) return x;
  return b.op('Transpose', [x], { dtype: x.type.dtype, shape: perm.map((p) => x.type.shape[p]!) }, { perm });
}

/** Moves the first `count` dimensions to `place`, or back. */
function movedFront(count: number, rank: number, place: number): number[] {
  const rest = [...new Array<number>(rank - count).keys()].map((i) => i + count);
  const front = [...new Array<number>(count).keys()];
  return [...rest.slice(0, place), ...front, ...rest.slice(place)];
}

const index =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const used = indexed(call);
    if (used.length === 0) return [x];
    if (used.length === 1) {
      const { r, axis } = used[0]!;
      return [b.op('Gather', [x, asIndex(b, r)], call.type(), { axis })];
    }
    const { perm, batch, rest, place } = layoutOf(call, x, used, call.type().shape);
    const at = coordinates(b, shapes, used, batch);
    const type = { dtype: x.type.dtype, shape: [...batch, ...rest] };
    const found = b.op('GatherND', [permuted(b, x, perm), at], type);
    return [permuted(b, found, movedFront(batch.length, type.shape.length, place))];
  };

const indexPut = (shapes: Shapes): Symbolic =>
  needing((b, call) => {
    const x = call.tensor('self');
    const used = indexed(call);
    if (used.length === 0) return call.fail('without index tensors it has no ONNX form');
    const add = call.bool('accumulate');
    if (add && b.opset < 16) throw new NeedsOpset(16);
    const batch = broadcast(
      call,
      used.map(({ r }) => r.type.shape),
    );
    const axes = used.map((u) => u.axis);
    const others = x.type.shape.map((_, d) => d).filter((d) => !axes.includes(d));
    const adjacent = axes.every((a, i) => i === 0 || a === axes[i - 1]! + 1);
    const place = adjacent ? axes[0]! : 0;
    const rest = others.map((d) => x.type.shape[d]!);
    const result = [...rest.slice(0, place), ...batch, ...rest.slice(place)];
    const values = b.cast(call.tensor('values'), x.type.dtype);
    const wide = b.op('Expand', [values, shapes.vector(result)], { dtype: x.type.dtype, shape: result });
    // The updates have the index dimensions in front.
    const back = [...batch.map((_, i) => i + place), ...rest.map((_, i) => (i < place ? i : i + batch.length))];
    const perm = [...axes, ...others];
    const front = permuted(b, x, perm);
    const at = coordinates(b, shapes, used, batch);
    const written = b.op(
      'ScatterND',
      [front, at, permuted(b, wide, back)],
      front.type,
      add ? { reduction: 'add' } : {},
    );
    return [
      permuted(
        b,
        written,
        perm.map((_, d) => perm.indexOf(d)),
      ),
    ];
  });

/** The broadcast of fixed or equal symbolic shapes. */
function broadcast(call: Call, list: readonly (readonly Dim[])[]): Dim[] {
  const rank = Math.max(...list.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const dims = list
      .flatMap((s) => (i - rank + s.length >= 0 ? [s[i - rank + s.length]!] : []))
      .filter((d) => d !== 1);
    if (new Set(dims.map((d) => JSON.stringify(d))).size > 1) call.fail('its index tensors do not broadcast');
    return dims[0] ?? 1;
  });
}

/** Positions in row-major memory that a strided view reads. */
function positions(size: readonly number[], stride: readonly number[], offset: number): number[] {
  let at = [offset];
  size.forEach((n, d) => {
    at = at.flatMap((p) => Array.from({ length: n }, (_, i) => p + i * stride[d]!));
  });
  return at;
}

function strided(call: Call): { at: number[]; size: number[] } {
  if (call.isView('self')) call.fail('strides of a view do not exist in ONNX; take a contiguous copy of it');
  const offset = call.has('storageOffset') ? call.number('storageOffset') : 0;
  const size = call.ints('size');
  return { at: positions(size, call.ints('stride'), offset), size };
}

const asStrided: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const { at, size } = strided(call);
  const flat = b.op('Reshape', [x, b.int64s([-1])], {
    dtype: x.type.dtype,
    shape: [fixedSizes(call, x).reduce((p, q) => p * q, 1)],
  });
  return [b.op('Gather', [flat, b.constant(at, 'int64', size)], call.type(), { axis: 0 })];
};

/** What a program that writes into a view becomes: the elements that the view reads are replaced. */
const asStridedScatter: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const sizes = fixedSizes(call, x);
  const { at } = strided(call);
  const count = sizes.reduce((p, q) => p * q, 1);
  const flatten = (r: Ref, n: number): Ref => b.op('Reshape', [r, b.int64s([-1])], { dtype: r.type.dtype, shape: [n] });
  const src = flatten(b.cast(call.tensor('src'), x.type.dtype), at.length);
  const type = { dtype: x.type.dtype, shape: [count] };
  const written = b.op('ScatterElements', [flatten(x, count), b.int64s(at), src], type, { axis: 0 });
  return [b.op('Reshape', [written, b.int64s(sizes)], call.type())];
};

/** One axis at a constant place: [.., n, m] flattened, its diagonal gathered. */
const diagonal =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const rank = x.type.shape.length;
    const [d1, d2] = [axisOf(call.number('dim1'), rank), axisOf(call.number('dim2'), rank)];
    const others = x.type.shape.map((_, d) => d).filter((d) => d !== d1 && d !== d2);
    const [n, m] = [x.type.shape[d1]!, x.type.shape[d2]!];
    if (typeof n !== 'number' || typeof m !== 'number') return call.fail('the two dimensions must have fixed sizes');
    const offset = call.number('offset');
    const at = Array.from({ length: n }, (_, i) => ({ i, j: i + offset })).filter(({ j }) => j >= 0 && j < m);
    const moved = permuted(b, x, [...others, d1, d2]);
    const rest = others.map((d) => x.type.shape[d]!);
    const flat = shapes.reshape(moved, [...rest, n * m]);
    const index = b.int64s(at.map(({ i, j }) => i * m + j));
    return [b.op('Gather', [flat, index], call.type(), { axis: rest.length })];
  };

/** Overlapping windows: gathered, their elements moved to the end. */
const unfold: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const rank = x.type.shape.length;
  const out = call.type();
  if (rank === 0) return [vector(b, x)];
  const axis = axisOf(call.number('dimension'), rank);
  const count = out.shape[axis]!;
  const [size, step] = [call.number('size'), call.number('step')];
  if (typeof count !== 'number') return call.fail('the unfolded dimension must have a fixed size');
  const at = Array.from({ length: count }, (_, i) => Array.from({ length: size }, (_, j) => i * step + j)).flat();
  const shape = [...x.type.shape.slice(0, axis), count, size, ...x.type.shape.slice(axis + 1)];
  const wide = b.op('Gather', [x, b.constant(at, 'int64', [count, size])], { dtype: x.type.dtype, shape }, { axis });
  const perm = shape.map((_, d) => d).filter((d) => d !== axis + 1);
  return [permuted(b, wide, [...perm, axis + 1])];
};

const maskedSelect =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const [x, mask] = [call.tensor('self'), b.cast(call.tensor('mask'), 'bool')];
    const shape = broadcast(call, [x.type.shape, mask.type.shape]);
    const wide = (r: Ref): Ref =>
      JSON.stringify(r.type.shape) === JSON.stringify(shape)
        ? r
        : b.op('Expand', [r, shapes.vector(shape)], { dtype: r.type.dtype, shape });
    const flat = (r: Ref): Ref => shapes.flatten(wide(r));
    return [b.op('Compress', [flat(x), flat(mask)], call.type(), { axis: 0 })];
  };

export function indexing(shapes: Shapes): Readonly<Record<string, Symbolic>> {
  return {
    index: index(shapes),
    indexPut: indexPut(shapes),
    indexSelect,
    gather,
    scatter: scatter(shapes, 'none'),
    scatterAdd: scatter(shapes, 'add'),
    scatterReduce: scatterReduce(shapes),
    asStrided,
    asStridedScatter,
    diagonal: diagonal(shapes),
    unfold,
    maskedSelect: maskedSelect(shapes),
    nonzero: (b, call) => {
      // ONNX gives one column per element, PyTorch one row.
      const x = call.tensor('self');
      if (x.type.shape.length === 0) return call.fail('a 0-d tensor has no indices');
      const columns = b.op('NonZero', [x], { dtype: 'int64', shape: [...call.type().shape].reverse() });
      return [b.op('Transpose', [columns], call.type(), { perm: [1, 0] })];
    },
    narrow: (b, call) => {
      const x = call.tensor('self');
      const axis = axisOf(call.number('dim'), x.type.shape.length);
      const start = call.number('start');
      const size = x.type.shape[axis]!;
      const length = call.dim('length');
      const from = start < 0 && typeof size === 'number' ? start + size : start;
      if (from < 0) return call.fail('a start from the end needs a fixed size');
      // Of a dynamic length: up to the end, or up to a size that is computed.
      const end = typeof length === 'number' ? b.int64s([from + length]) : shapes.vector([shapes.plus(length, from)]);
      return [b.op('Slice', [x, b.int64s([from]), end, b.int64s([axis])], call.type())];
    },
    flip: (b, call) => {
      const x = call.tensor('self');
      const axes = call.ints('dims').map((d) => axisOf(d, x.type.shape.length));
      if (axes.length === 0 || x.type.shape.length === 0) return [x];
      const lists = [axes.map(() => -1), axes.map(() => -END), axes, axes.map(() => -1)].map((l) => b.int64s(l));
      return [b.op('Slice', [x, ...lists], call.type())];
    },
  };
}
