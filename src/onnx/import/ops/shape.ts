// Shapes, constants, copies and rearrangements.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import { full, tensor } from '../../../tensor/create.js';
import type { Tensor } from '../../../tensor/handle.js';
import { MANY, op, unrecorded, type NodeContext, type OperatorTable, type Value } from '../node.js';
import { elementType } from '../tensors.js';

/** Results with more elements are refused before anything is allocated. */
export const MAX_ELEMENTS = 2 ** 31;
export function checkedShape(n: NodeContext, shape: readonly number[]): readonly number[] {
  let count = 1;
  for (const s of shape) {
    if (!Number.isSafeInteger(s) || s < 0) n.fail(`a result of shape [${shape}]`);
    count *= s;
    if (count > MAX_ELEMENTS) n.fail(`a result of shape [${shape}] is too large`);
  }
  return shape;
}

/** A constant: its numbers are known. */
export const constant = (make: () => Tensor): Value => ({ tensor: unrecorded(make), known: true });
const int64s = (values: readonly number[]): Value => constant(() => tensor([...values], { dtype: 'int64' }));

function shapeOf(n: NodeContext): Value {
  const sizes = n.tensor(0).shape;
  const clampTo = (v: number): number => Math.min(Math.max(v < 0 ? v + sizes.length : v, 0), sizes.length);
  return int64s(sizes.slice(clampTo(n.attributeInt('start', 0)), clampTo(n.attributeInt('end', sizes.length))));
}

/** 0 keeps a size, -1 is what is left. */
function reshape(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const wanted = n.opset < 5 ? (n.attributeInts('shape') ?? []) : n.ints(1);
  const zeros = n.flag('allowzero');
  const shape = wanted.map((s, i) =>
    s !== 0 || zeros
      ? s
      : i < x.dim()
        ? x.shape[i]!
        : n.fail(`size 0 at ${i} of [${wanted}] has no counterpart in [${x.shape}]`),
  );
  if (shape.some((s) => s < -1) || shape.filter((s) => s === -1).length > 1) n.fail(`shape [${wanted}]`);
  if (zeros && shape.includes(0) && shape.includes(-1)) n.fail(`shape [${wanted}] holds 0 and -1`);
  const rest = shape.filter((s) => s !== -1);
  checkedShape(n, rest);
  if (shape.includes(-1) && x.numel() === 0) {
    const others = rest.reduce((a, b) => a * b, 1);
    return x.reshape(shape.map((s) => (s === -1 ? (others === 0 ? 0 : x.numel() / others) : s)));
  }
  return x.reshape(shape);
}

function flatten(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const given = n.attributeInt('axis', 1);
  if (given < -x.dim() || given > x.dim()) n.fail(`axis ${given} is outside of ${x.dim()} dimensions`);
  const axis = given < 0 ? given + x.dim() : given;
  const product = (s: readonly number[]): number => s.reduce((a, b) => a * b, 1);
  return x.reshape([product(x.shape.slice(0, axis)), product(x.shape.slice(axis))]);
}

function transpose(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const perm = n.attributeInts('perm') ?? x.shape.map((_, i) => x.dim() - 1 - i);
  if (perm.length !== x.dim()) n.fail(`perm [${perm}] for ${x.dim()} dimensions`);
  return x.permute(n.axes(perm, x.dim()));
}

function squeeze(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const axes = n.axesBefore(13, 1, x.dim());
  const gone = new Set(axes ?? x.shape.flatMap((s, i) => (s === 1 ? [i] : [])));
  for (const a of gone) if (x.shape[a] !== 1) n.fail(`dimension ${a} is of size ${x.shape[a]}, not 1`);
  return x.reshape(x.shape.filter((_, i) => !gone.has(i)));
}

function unsqueeze(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const given = n.opset < 13 ? n.attributeInts('axes') : n.ints(1);
  if (!given) return n.fail('attribute axes is missing');
  const rank = x.dim() + given.length;
  const axes = new Set(n.axes(given, rank));
  const sizes = x.shape[Symbol.iterator]();
  return x.reshape(Array.from({ length: rank }, (_, i) => (axes.has(i) ? 1 : (sizes.next().value as number))));
}

function concat(n: NodeContext): Tensor {
  const list = n.all();
  const axis = n.axis(n.attributeInt('axis', n.opset < 4 ? 1 : undefined), list[0]!.dim());
  for (const x of list) if (x.dtype !== list[0]!.dtype) n.fail(`operands of ${list[0]!.dtype} and ${x.dtype}`);
  const fits = list.every(
    (x) => x.dim() === list[0]!.dim() && x.shape.every((s, i) => i === axis || s === list[0]!.shape[i]),
  );
  if (!fits) n.fail(`shapes ${list.map((x) => `[${x.shape}]`).join(', ')} along axis ${axis}`);
  return t.cat(list, axis);
}

function split(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', 0), x.dim());
  const size = x.shape[axis]!;
  const count = n.node.outputs.length;
  let sizes = n.opset < 13 ? n.attributeInts('split') : n.has(1) ? n.ints(1) : undefined;
  if (!sizes) {
    const parts = n.opset >= 18 && n.hasAttribute('num_outputs') ? n.attributeInt('num_outputs') : count;
    if (parts !== count) n.fail(`num_outputs is ${parts}, the node has ${count} outputs`);
    const each = Math.ceil(size / parts);
    sizes = Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(each, size - i * each)));
  }
  if (sizes.length !== count || sizes.some((s) => s < 0) || sizes.reduce((a, b) => a + b, 0) !== size)
    n.fail(`sizes [${sizes}] of ${size} in ${count} outputs`);
  let at = 0;
  return sizes.map((s) => x.narrow(axis, (at += s) - s, s));
}

function slice(n: NodeContext): Tensor {
  let x = n.tensor(0);
  const rank = x.dim();
  const old = n.opset < 10;
  const starts = (old ? n.attributeInts('starts') : slicePoints(n, 1)) ?? n.fail('attribute starts is missing');
  const ends = (old ? n.attributeInts('ends') : slicePoints(n, 2)) ?? n.fail('attribute ends is missing');
  const axes = n.axes(
    (old ? n.attributeInts('axes') : n.has(3) ? n.ints(3) : undefined) ?? starts.map((_, i) => i),
    rank,
  );
  const steps = !old && n.has(4) ? n.ints(4) : starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
    n.fail(`${starts.length} starts, ${ends.length} ends, ${axes.length} axes and ${steps.length} steps`);
  axes.forEach((axis, i) => {
    const size = x.shape[axis]!;
    const step = steps[i]!;
    if (step === 0) n.fail('a step of 0');
    const from = (v: number): number => (v < 0 ? v + size : v);
    if (step > 0) {
      const start = Math.min(Math.max(from(starts[i]!), 0), size);
      const end = Math.max(start, Math.min(Math.max(from(ends[i]!), 0), size));
      x = t.slice(x, axis, start, end, Math.min(step, Math.max(size, 1)));
    } else {
      // From start down to end, which stays out. A start before the first element is the first, unlike in NumPy.
      const start = Math.min(Math.max(from(starts[i]!), 0), size - 1);
      const end = Math.min(Math.max(from(ends[i]!), -1), size - 1);
      const length = Math.max(0, start - end);
      const part = x.narrow(axis, length === 0 ? 0 : end + 1, length).flip([axis]);
      x = t.slice(part, axis, 0, length, Math.min(-step, Math.max(size, 1)));
    }
  });
  return x;
}
/** Starts and ends may be the largest integers: what lies beyond 2^53 is only compared with sizes. */
const slicePoints = (n: NodeContext, i: number): number[] => n.numbers(i);

function expand(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const wanted = [...n.ints(1)];
  const rank = Math.max(wanted.length, x.dim());
  const a = [...Array<number>(rank - x.dim()).fill(1), ...x.shape];
  const b = [...Array<number>(rank - wanted.length).fill(1), ...wanted];
  const shape = a.map((s, i) =>
    s === 1 ? b[i]! : b[i] === 1 || b[i] === s ? s : n.fail(`shape [${x.shape}] does not broadcast to [${wanted}]`),
  );
  return x.expand(checkedShape(n, shape));
}

function tile(n: NodeContext): Tensor {
  const x = n.tensor(0);
  let repeats: number[];
  if (n.opset < 6) {
    const axis = n.axis(n.int(2), x.dim());
    repeats = x.shape.map((_, i) => (i === axis ? n.int(1) : 1));
  } else repeats = n.ints(1);
  if (repeats.length !== x.dim()) n.fail(`${repeats.length} repeats for ${x.dim()} dimensions`);
  checkedShape(
    n,
    x.shape.map((s, i) => s * repeats[i]!),
  );
  return x.repeat(repeats);
}

type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';
/** Source positions of a padded dimension. */
export function padIndex(size: number, before: number, after: number, mode: Exclude<PadMode, 'constant'>): number[] {
  const out: number[] = [];
  for (let i = -before; i < size + after; i++) {
    if (mode === 'edge') out.push(Math.min(Math.max(i, 0), size - 1));
    else if (mode === 'wrap') out.push(((i % size) + size) % size);
    else {
      const period = Math.max(1, 2 * (size - 1));
      const at = ((i % period) + period) % period;
      out.push(at < size ? at : period - at);
    }
  }
  return out;
}
export function padded(
  n: NodeContext,
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  mode: PadMode,
  value: number,
): Tensor {
  let y = x;
  checkedShape(
    n,
    x.shape.map((s, i) => Math.max(0, s + before[i]! + after[i]!)),
  );
  // Negative pads cut off.
  x.shape.forEach((s, i) => {
    const [b, a] = [before[i]!, after[i]!];
    if (s + Math.min(b, 0) + Math.min(a, 0) < 0) n.fail(`pads of ${b} and ${a} leave nothing of a size of ${s}`);
    if (b < 0 || a < 0) y = y.narrow(i, Math.max(0, -b), s + Math.min(b, 0) + Math.min(a, 0));
  });
  if (mode === 'constant') {
    const pads = y.shape.flatMap((_, i) => [
      Math.max(0, before[y.dim() - 1 - i]!),
      Math.max(0, after[y.dim() - 1 - i]!),
    ]);
    return pads.every((p) => p === 0) ? y : F.pad(y, pads, 'constant', value);
  }
  y.shape.forEach((s, i) => {
    const [b, a] = [Math.max(0, before[i]!), Math.max(0, after[i]!)];
    if (b === 0 && a === 0) return;
    if (s === 0) n.fail(`mode ${mode} on a dimension of size 0`);
    if (mode === 'reflect' && (b >= s || a >= s))
      n.fail(`reflected pads of ${b} and ${a} must be less than the size ${s}`);
    const index = padIndex(s, b, a, mode);
    y = y.indexSelect(
      i,
      unrecorded(() => tensor(index, { dtype: 'int64' })),
    );
  });
  return y;
}
function pad(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const mode = n.oneOf('mode', ['constant', 'reflect', 'edge', 'wrap'], 'constant');
  const old = n.opset < 11;
  const given =
    (old ? (n.attributeInts('pads') ?? n.attributeInts('paddings')) : n.ints(1)) ?? n.fail('attribute pads is missing');
  const value = old ? n.float('value', 0) : n.has(2) ? n.number(2) : 0;
  const axes = !old && n.has(3) ? n.axes(n.ints(3), x.dim()) : x.shape.map((_, i) => i);
  if (given.length !== 2 * axes.length) n.fail(`${given.length} pads for ${axes.length} dimensions`);
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((a, i) => {
    before[a] = given[i]!;
    after[a] = given[i + axes.length]!;
  });
  return padded(n, x, before, after, mode, value);
}

function constantNode(n: NodeContext): Value {
  const value = n.attributeTensor('value');
  if (value) return { ...value, known: true };
  return constant(() => {
    if (n.hasAttribute('value_float')) return tensor(n.float('value_float'), { dtype: 'float32' });
    if (n.hasAttribute('value_floats')) return tensor([...n.floats('value_floats')!], { dtype: 'float32' });
    if (n.hasAttribute('value_int')) return tensor(n.attributeInt('value_int'), { dtype: 'int64' });
    if (n.hasAttribute('value_ints')) return tensor([...n.attributeInts('value_ints')!], { dtype: 'int64' });
    return n.fail('it has no value that is supported (tensor, float, int)');
  });
}

function constantOfShape(n: NodeContext): Tensor | Value {
  const shape = checkedShape(n, n.ints(0));
  const value = n.attributeTensor('value');
  if (!value) return full([...shape], 0, { dtype: 'float32' });
  if (value.tensor.numel() !== 1) n.fail('value must hold one element');
  const y = value.tensor
    .reshape([])
    .expand([...shape])
    .contiguous();
  return value.wide ? { tensor: y, known: n.value(0).known, wide: value.wide } : y;
}

function range(n: NodeContext): Tensor {
  const dtype = n.tensor(0).dtype;
  for (const i of [1, 2]) if (n.tensor(i).dtype !== dtype) n.fail('start, limit and delta must be of one type');
  const [start, limit, delta] = [n.number(0), n.number(1), n.number(2)];
  if (delta === 0) n.fail('a delta of 0');
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  checkedShape(n, [count]);
  return t
    .arange(0, count, 1, { dtype: /float/.test(dtype) ? 'float64' : 'int64' })
    .mul(delta)
    .add(start)
    .to(dtype);
}

function eyeLike(n: NodeContext): Tensor {
  const x = n.tensor(0);
  if (x.dim() !== 2) n.fail(`a matrix expected, got ${x.dim()} dimensions`);
  const dtype = n.hasAttribute('dtype') ? elementType(n.attributeInt('dtype'), n.fail).dtype : x.dtype;
  const [rows, cols] = x.shape as [number, number];
  const k = n.attributeInt('k', 0);
  const r = t.arange(0, rows, 1, { dtype: 'int64' }).unsqueeze(1);
  const c = t.arange(0, cols, 1, { dtype: 'int64' });
  return c.sub(r).eq(k).to(dtype);
}

function trilu(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const k = n.has(1) ? Math.min(Math.max(n.numbers(1)[0] ?? 0, -(2 ** 31)), 2 ** 31) : 0;
  return n.flag('upper', true) ? x.triu(k) : x.tril(k);
}

function depthToSpace(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const b = n.attributeInt('blocksize');
  const [N, C, H, W] = x.shape as [number, number, number, number];
  if (x.dim() !== 4 || b < 1 || C % (b * b) !== 0) n.fail(`blocks of ${b} of shape [${x.shape}]`);
  const c = C / (b * b);
  const y =
    n.oneOf('mode', ['DCR', 'CRD'], 'DCR') === 'DCR'
      ? x.reshape([N, b, b, c, H, W]).permute([0, 3, 4, 1, 5, 2])
      : x.reshape([N, c, b, b, H, W]).permute([0, 1, 4, 2, 5, 3]);
  return y.reshape([N, c, H * b, W * b]);
}
function spaceToDepth(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const b = n.attributeInt('blocksize');
  const [N, C, H, W] = x.shape as [number, number, number, number];
  if (x.dim() !== 4 || b < 1 || H % b !== 0 || W % b !== 0) n.fail(`blocks of ${b} of shape [${x.shape}]`);
  return x
    .reshape([N, C, H / b, b, W / b, b])
    .permute([0, 3, 5, 1, 2, 4])
    .reshape([N, C * b * b, H / b, W / b]);
}

function centerCropPad(n: NodeContext): Tensor {
  let x = n.tensor(0);
  const shape = n.ints(1);
  const axes = n.axes(n.attributeInts('axes') ?? x.shape.map((_, i) => i), x.dim());
  if (axes.length !== shape.length) n.fail(`${shape.length} sizes for ${axes.length} axes`);
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((a, i) => {
    const [have, want] = [x.shape[a]!, shape[i]!];
    if (want < have) x = x.narrow(a, Math.floor((have - want) / 2), want);
    else {
      before[a] = Math.floor((want - have) / 2);
      after[a] = want - have - before[a];
    }
  });
  return padded(n, x, before, after, 'constant', 0);
}

export const SHAPE: OperatorTable = {
  Shape: op(shapeOf, 1, { wideAs: null }),
  Size: op((n) => constant(() => tensor(n.tensor(0).numel(), { dtype: 'int64' })), 1, { wideAs: null }),
  Reshape: op(reshape, [1, 2]),
  Flatten: op(flatten),
  Transpose: op(transpose),
  Squeeze: op(squeeze, [1, 2]),
  Unsqueeze: op(unsqueeze, [1, 2]),
  Concat: op(concat, [1, MANY]),
  Split: op(split, [1, 2], { outputs: [1, MANY] }),
  Slice: op(slice, [1, 5]),
  Expand: op(expand, 2),
  Tile: op(tile, [2, 3]),
  Pad: op(pad, [1, 4], { settings: [2] }),
  Constant: op(constantNode, 0, { outputs: [1, 1], wideAs: null }),
  ConstantOfShape: op(constantOfShape, 1, { wideAs: null }),
  Range: op(range, 3),
  EyeLike: op(eyeLike),
  Trilu: op(trilu, [1, 2]),
  DepthToSpace: op(depthToSpace),
  SpaceToDepth: op(spaceToDepth),
  CenterCropPad: op(centerCropPad, 2),
};
