// Running values of the op table (cumsum, cummax, ...) as folds whose state is looked at after every element.
import { type DType, type Dim, type Node } from '../ir/graph.js';
import { productOf, sameDim } from '../ir/dim.js';
import { type ScanInfo } from '../ir/opinfo.js';
import { type Def, type View } from './defs.js';
import { computeType } from './dtype.js';
import { type LExpr, bound, lCvt, lRead, lScalar, lStoreAs } from './expr.js';
import { type Index, ixConst, ixDim, ixSub } from './indexing.js';
import { pick, scalarOf } from './lower_util.js';
import { type Folding } from './parts.js';
import { type ComputeType, isFloat } from './typing.js';
import { type Attrs, wrapAxis } from './views.js';

/** The library shares a single long line among vector lanes; a loop walks it element by element. */
const FEW_LINES = 8;

interface Out {
  readonly shape: readonly Dim[];
  readonly dtype: DType;
}
/** What a lowering offers here. */
interface Scanner {
  readonly choices: { readonly lines: boolean };
  running(name: string, r: Folding, outs: readonly Out[], node: Node): Def[];
}

/** Sums and products are kept wide, as in the eager op: rounding errors would add up along a line. */
function stateType(info: ScanInfo, element: ComputeType): ComputeType {
  if (info.rule === 'same') return element;
  return isFloat(element) ? 'f64' : 'i64';
}

/** The views of a scan's results, or null where the library does it better. */
export function scanned(l: Scanner, n: Node, info: ScanInfo, a: Attrs, v: View): View[] | null {
  const dim = wrapAxis(Number(a.get('dim')), v.shape.length);
  const extent = v.shape[dim];
  if (extent === undefined) return null; // a scalar
  const lines = productOf(v.shape.filter((_, d) => d !== dim));
  if (l.choices.lines && typeof lines === 'number' && lines < FEW_LINES) return null;
  const given = a.get('dtype');
  const from = typeof given === 'string' ? (given as DType) : v.dtype;
  let element = computeType(from);
  if (element === 'b') element = 'i32';
  const ct = stateType(info, element);
  const types = info.state.map((s): ComputeType => (s.type === 'i64' ? 'i64' : ct));
  const names = info.state.map((s) => s.name);
  const combine = info.combine.map(scalarOf);
  const finish = info.finish.map(scalarOf);
  // From the end: the line is walked forwards over mirrored positions.
  const mirrored = (idx: readonly Index[]): Index[] =>
    info.reverse === true
      ? idx.map((i, d) => (d === dim && !sameDim(extent, 1) ? ixSub(ixSub(ixDim(extent), ixConst(1)), i) : i))
      : [...idx];
  const outs = n.outputs.map((o) => ({ shape: o.type.shape, dtype: o.type.dtype }));
  const results = l.running(
    n.outputs[0]!.name ?? n.op,
    {
      inShape: v.shape,
      reduced: v.shape.map((_, d) => d === dim),
      elem: (idx) => lCvt(lStoreAs(v.at(mirrored(idx)), from), ct),
      states: info.state.map((s, k) => ({ name: s.name, init: s.init, type: types[k]! })),
      combine: (state, x, index) =>
        combine.map((e, k) =>
          lCvt(
            lScalar(
              e,
              (name) => (name === 'x' ? bound(x) : name === 'index' ? bound(index) : pick(names, state, name)),
              ct,
            ),
            types[k]!,
          ),
        ),
      join: () => {
        throw new Error(`${n.op}: running values are not joined`);
      },
      finish: (state) =>
        finish.map((e, k) =>
          lStoreAs(
            lScalar(e, (name) => pick(names, state, name), ct),
            outs[k]!.dtype,
          ),
        ),
      sum: false,
      usesIndex: info.combine.some((t) => /\bindex\b/.test(t)),
      ordered: true,
      running: true,
    },
    outs,
    n,
  );
  return results.map((d) => ({
    shape: d.shape,
    dtype: d.dtype,
    at: (idx: readonly Index[]): LExpr => lRead(d, mirrored(idx)),
  }));
}
