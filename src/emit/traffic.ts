// What one run of a kernel or library call moves and computes at least: each element that it touches once, at the sizes that symbols had
// when the graph was recorded. explain() holds it against what the machine can do.
import { type Dim } from '../ir/graph.js';
import { productOf } from '../ir/dim.js';
import { type Def, type Step, stepTensors } from '../schedule/defs.js';
import { byteSize } from '../schedule/dtype.js';
import { type LExpr, type LOp, lVar, walk } from '../schedule/expr.js';
import { type Axis, axesOf } from '../schedule/indexing.js';
import { isFloat } from '../schedule/typing.js';
import { foldedValues, type Kernel } from '../loop/kernel.js';
import { type Event } from './memory.js';

export interface Traffic {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Floating-point operations (a fused multiply-add is two, exp and its like one); null for library calls that are not counted. */
  readonly flops: number | null;
}

/** Evaluates an extent. */
type Size = (d: Dim) => number;

export const trafficOf = (e: Event, size: Size): Traffic =>
  e.k === 'kernel' ? kernelTraffic(e.kernel, size) : stepTraffic(e.step, size);

/** Operations on floats that are no arithmetic. */
const FREE: ReadonlySet<LOp> = new Set([
  'select',
  'lt',
  'le',
  'gt',
  'ge',
  'eq',
  'ne',
  'isnan',
  'isfinite',
  'and',
  'or',
  'not',
]);

const flopsOf = (e: LExpr): number => (e.k !== 'op' || !isFloat(e.type) || FREE.has(e.op) ? 0 : e.op === 'fma' ? 2 : 1);

function kernelTraffic(k: Kernel, size: Size): Traffic {
  const times = (axes: Iterable<Axis>): number => [...axes].reduce((n, a) => n * size(a.extent), 1);
  const rows = times(k.rows);
  const all = rows * times(k.cols);
  const loads = new Map<Def, Map<string, number>>();
  const stores = new Map<Def, Map<string, number>>();
  const note = (map: Map<Def, Map<string, number>>, def: Def, key: string, count: number): void => {
    let of = map.get(def);
    if (!of) map.set(def, (of = new Map()));
    of.set(key, count);
  };
  let flops = 0;
  for (const s of k.stages) {
    // Values that several stores share are computed once, and what does not vary along a loop is computed outside of it.
    const seen = new Set<LExpr>();
    const visit = (x: LExpr): void => {
      if (x.k === 'load') note(loads, x.src as Def, x.offset.key, times(axesOf(x.offset)));
      flops += flopsOf(x) * times(x.axes);
    };
    for (const x of s.stores) {
      walk(x.value, visit, seen);
      note(stores, x.def, x.offset.key, s.k === 'columns' ? all : rows);
    }
    if (s.k === 'row') continue;
    for (const x of s.keeps) walk(x.value, visit, seen);
    for (const f of s.folds) {
      for (const e of foldedValues(f)) walk(e, visit, seen);
      const state = f.states.map((v) => lVar(v.name, v.type, new Set()));
      const [element, ...more] = foldedValues(f).map((e, i) => lVar(`element${i}`, e.type, new Set()));
      const next = f.reduce.combine(state, element!, lVar('index', 'i64', new Set()), more);
      const counted = new Set<LExpr>();
      for (const e of next) walk(e, (x) => (flops += flopsOf(x) * all), counted);
    }
  }
  const bytes = (map: Map<Def, Map<string, number>>): number =>
    [...map].reduce((sum, [d, counts]) => {
      const touched = [...counts.values()].reduce((a, b) => a + b, 0);
      return sum + Math.min(touched, size(productOf(d.shape))) * byteSize(d.dtype);
    }, 0);
  return { bytesRead: bytes(loads), bytesWritten: bytes(stores), flops };
}

function stepTraffic(s: Step, size: Size): Traffic {
  const elements = (shape: readonly Dim[]): number => size(productOf(shape));
  const inputs = stepTensors(s);
  return {
    bytesRead: [...new Map(inputs.map((t) => [t.def, t])).values()].reduce(
      (n, t) => n + elements(t.shape) * byteSize(t.dtype),
      0,
    ),
    bytesWritten: s.outputs.reduce((n, d) => n + elements(d.shape) * byteSize(d.dtype), 0),
    flops: stepFlops(s, elements),
  };
}

/** Products count two operations for each pair that is multiplied; other library calls are not counted. */
function stepFlops(s: Step, elements: (shape: readonly Dim[]) => number): number | null {
  const [a, b] = stepTensors(s);
  const out = s.outputs[0];
  if (a === undefined || b === undefined || out === undefined) return null;
  const last = (shape: readonly Dim[]): number => elements(shape.slice(-1));
  switch (s.op) {
    case 'linear':
    case 'matmul':
    case 'mm':
    case 'bmm':
    case 'mv':
    case 'dot':
      return 2 * elements(out.shape) * last(a.shape);
    case 'addmm':
    case 'baddbmm':
      return 2 * elements(out.shape) * last(b.shape);
    case 'convolution': {
      // Every element of the larger side meets the weights of one filter.
      const [side, weight] = [s.attrs['transposed'] === true ? a.shape : out.shape, b.shape];
      return (2 * elements(side) * elements(weight)) / elements(weight.slice(0, 1));
    }
    default:
      return null;
  }
}
