// Pooling as index arithmetic: what comes before and after a pooling joins its kernel.
import { type Node } from '../ir/graph.js';
import { mulDims, sameDim } from '../ir/dim.js';
import { type View } from './defs.js';
import { computeType } from './dtype.js';
import { type LExpr, lConst, lCvt, lOp } from './expr.js';
import { type Index, ixAdd, ixConst, ixDim, ixMul } from './indexing.js';
import { type Lowering, type NodeRule } from './lowering.js';
import { define, out, tensor } from './rule_util.js';
import { isFloat } from './typing.js';

/** Windows of up to this many elements are written out: a map over the results, whose last dimension stays the vector. */
const MAX_TAPS = 64;
/** Windows that are longer along the last dimension are folded in the order of memory. */
const MAX_STEP = 4;

/**
 * Windows of a fixed size that lie whole in the image, element by element, as `join` puts them together. Null when the geometry
 * is another one: padding (a tap would lie outside), many taps, extents that are symbols.
 */
function windowTaps(
  n: Node,
  v: View,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): ((idx: readonly Index[]) => LExpr[]) | null {
  const lead = v.shape.length - kernel.length;
  const o = out(n);
  const steps = stride.length === 0 ? kernel : stride;
  const each = (list: readonly number[], d: number): number => list[list.length === 1 ? 0 : d]!;
  const whole = kernel.every((k, d) => {
    const [size, results] = [v.shape[lead + d], o.shape[lead + d]];
    return (
      typeof size === 'number' &&
      typeof results === 'number' &&
      (results - 1) * each(steps, d) + (k - 1) * each(dilation, d) < size
    );
  });
  if (!whole || kernel.at(-1)! > MAX_STEP || kernel.reduce((p, k) => p * k, 1) > MAX_TAPS) return null;
  const taps = kernel.reduce<number[][]>(
    (list, k, d) => list.flatMap((t) => Array.from({ length: k }, (_, i) => [...t, i * each(dilation, d)])),
    [[]],
  );
  return (idx) =>
    taps.map((t) =>
      v.at([
        ...idx.slice(0, lead),
        ...t.map((at, d) => ixAdd(ixMul(idx[lead + d]!, ixConst(each(steps, d))), ixConst(at))),
      ]),
    );
}

const zeros = (padding: readonly number[]): boolean => padding.every((p) => p === 0);

/** Only values: a graph that needs the places of the maxima (training) calls the library. */
const maxPool: NodeRule = (l, n, a) => {
  const v = tensor(l, n, 0);
  const [kernel, stride, padding, dilation] = ['kernelSize', 'stride', 'padding', 'dilation'].map((k) => a.ints(k)!);
  if (!v || l.useCount(n.outputs[1]!) > 0 || !zeros(padding!)) return false;
  const ct = computeType(v.dtype);
  const taps = isFloat(ct) ? windowTaps(n, v, kernel!, stride!, dilation!) : null;
  if (taps === null) return false;
  return define(l, n, (idx) =>
    taps(idx)
      .map((t) => lCvt(t, ct))
      .reduce((best, t) => lOp('max', [best, t], ct)),
  );
};
/** Means of long windows side by side, which is a reduction over a reshaped tensor. */
function meanOfWindows(l: Lowering, n: Node, windows: readonly number[]): boolean {
  const v = tensor(l, n, 0)!;
  const o = out(n);
  const lead = v.shape.length - windows.length;
  const ct = computeType(v.dtype);
  const count = windows.reduce((p, k) => p * k, 1);
  if (!isFloat(ct) || !windows.every((k, d) => sameDim(v.shape[lead + d]!, mulDims(o.shape[lead + d]!, k))))
    return false;
  // [lead..., out, window, out, window, ...]
  const inShape = [...v.shape.slice(0, lead), ...windows.flatMap((k, d) => [o.shape[lead + d]!, k])];
  const reduced = inShape.map((_, d) => d >= lead && (d - lead) % 2 === 1);
  const [mean] = l.sum(
    n.op,
    inShape,
    reduced,
    (idx) =>
      lCvt(
        v.at([
          ...idx.slice(0, lead),
          ...windows.map((k, d) => ixAdd(ixMul(idx[lead + 2 * d]!, ixDim(k)), idx[lead + 2 * d + 1]!)),
        ]),
        ct,
      ),
    ct,
    (s) => lOp('div', [s, lConst(count, ct)], ct),
    o,
    n,
  );
  l.values.set(n.outputs[0]!, l.view(mean!));
  return true;
}
const adaptiveAvgPool: NodeRule = (l, n, a) => {
  const v = tensor(l, n, 0)!;
  const size = a.ints('outputSize')!;
  const lead = v.shape.length - size.length;
  const windows = size.map((k, d) => Number(v.shape[lead + d]!) / k);
  return windows.every((k) => Number.isInteger(k) && k > 0) && meanOfWindows(l, n, windows);
};
const avgPool: NodeRule = (l, n, a) => {
  const v = tensor(l, n, 0);
  const [kernel, stride, padding] = ['kernelSize', 'stride', 'padding'].map((k) => a.ints(k)!);
  if (!v || !zeros(padding!) || (a.get('divisorOverride') ?? null) !== null) return false;
  const ct = computeType(v.dtype);
  const taps = isFloat(ct) ? windowTaps(n, v, kernel!, stride!, [1]) : null;
  if (taps === null) {
    const beside = stride!.length === 0 || kernel!.every((k, d) => k === stride![d]);
    return beside && meanOfWindows(l, n, kernel!);
  }
  const count = kernel!.reduce((p, k) => p * k, 1);
  return define(l, n, (idx) => {
    const sum = taps(idx)
      .map((t) => lCvt(t, ct))
      .reduce((s, t) => lOp('add', [s, t], ct));
    return lOp('div', [sum, lConst(count, ct)], ct);
  });
};

/** Rules by op name. */
export const POOLING: Readonly<Record<string, NodeRule>> = {
  maxPoolNd: maxPool,
  avgPoolNd: avgPool,
  adaptiveAvgPoolNd: adaptiveAvgPool,
};
