// Views as library steps take them: a buffer with an offset and strides.
import { productOf, sameDim } from '../ir/dim.js';
import { type Dim } from '../ir/graph.js';
import { type Def, type StepTensor, type View } from './defs.js';
import { ZERO, axesOf, coefficient, hasDivision, ixAxis, ixMul, ixSub, linearize, newAxis } from './indexing.js';
import { dimOf } from './lower_util.js';

/** The view's buffer, offset and strides; null when it is computed or has no such form. */
export function stridedTensor(v: View): StepTensor | null {
  const axes = v.shape.map((e, d) => newAxis(`d${d}`, e));
  const e = v.at(axes.map(ixAxis));
  if (e.k !== 'read' || e.src.dtype !== v.dtype) return null;
  const at = linearize(e.idx, e.src.shape);
  const strides = axes.map((a) => (sameDim(a.extent, 1) ? ZERO : coefficient(at, a)));
  if (
    hasDivision(at) ||
    // Mirrored dimensions (running values from the end) have no such form.
    !strides.every((s) => s !== null && dimOf(s) !== null && s.terms.every((t) => t.coef >= 0)) ||
    [...axesOf(at)].some((a) => !axes.includes(a))
  )
    return null;
  const offset = dimOf(
    axes.reduce((rest, a, d) => (sameDim(a.extent, 1) ? rest : ixSub(rest, ixMul(strides[d]!, ixAxis(a)))), at),
  );
  if (offset === null) return null;
  let step: Dim = 1;
  const dims: Dim[] = [];
  // Strides of extent-1 dimensions are free: take the contiguous ones.
  for (let d = v.shape.length - 1; d >= 0; d--) {
    dims[d] = sameDim(v.shape[d]!, 1) ? step : dimOf(strides[d]!)!;
    step = productOf([dims[d]!, v.shape[d]!]);
  }
  return { def: e.src as Def, dtype: v.dtype, shape: v.shape, strides: dims, offset };
}

/** True when the view reads a tensor in an order that no strides describe. */
export function isGathered(v: View): boolean {
  const axes = v.shape.map((e, d) => newAxis(`d${d}`, e));
  const e = v.at(axes.map(ixAxis));
  return e.k === 'read' && e.src.dtype === v.dtype && hasDivision(linearize(e.idx, e.src.shape));
}
