// Pooling as index arithmetic: what comes before and after a pooling joins its kernel.
import { type Node } from '../ir/graph.js';
import { mulDims, sameDim } from '../ir/dim.js';
import { computeType } from './dtype.js';
import { lConst, lCvt, lOp } from './expr.js';
import { ixAdd, ixDim, ixMul } from './indexing.js';
import { type Lowering, type NodeRule } from './lowering.js';
import { define, out, tensor } from './rule_util.js';
import { isFloat } from './typing.js';
import { innerWindows } from './windows.js';

/** Ops of which the library has no better form, so that a kernel of their own takes what stands beside them along. */
const joins = (l: Lowering, n: Node): boolean =>
  ['pointwise', 'reduction'].includes(l.lookup(n.op)?.kind ?? '') || Object.hasOwn(POOLING, n.op);

/**
 * Only values: a graph that needs the places of the maxima (training) calls the library. So does pooling that stands alone, whose
 * rows the library reads once for all windows.
 */
const maxPool: NodeRule = (l, n, a) => {
  const v = tensor(l, n, 0);
  if (!v || l.useCount(n.outputs[1]!) > 0) return false;
  const ct = computeType(v.dtype);
  const windows = isFloat(ct) ? innerWindows(n, a, v.shape) : null;
  const y = n.outputs[0]!;
  if (
    windows === null ||
    !(!l.choices.pools || l.isBlocked(y) || l.isComputedFor(n) || l.usersOf(y).some((u) => joins(l, u)))
  )
    return false;
  return define(l, n, (idx) =>
    windows(idx)
      .map((at) => lCvt(v.at(at), ct))
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
  if (!v || padding!.some((p) => p !== 0) || (a.get('divisorOverride') ?? null) !== null) return false;
  const ct = computeType(v.dtype);
  const windows = isFloat(ct) ? innerWindows(n, a, v.shape) : null;
  if (windows === null) {
    // Side by side, or a single window.
    const results = n.outputs[0]!.type.shape.slice(-kernel!.length);
    const step = (d: number): number => stride![stride!.length === 1 ? 0 : d] ?? kernel![d]!;
    const beside = kernel!.every((k, d) => k === step(d) || sameDim(results[d]!, 1));
    return beside && meanOfWindows(l, n, kernel!);
  }
  const count = kernel!.reduce((p, k) => p * k, 1);
  return define(l, n, (idx) => {
    const sum = windows(idx)
      .map((at) => lCvt(v.at(at), ct))
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
