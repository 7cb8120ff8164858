// Reductions that users declare: states that do not look at each other become reductions of their own, which may be sums, share
// kernels with others and be done in parts; what is left is folded as it is written.
import { accumulation, independentStates, inputName, otherName, parseFold, stateName, type Fold } from '../ir/fold.js';
import { productOf } from '../ir/dim.js';
import { type DType } from '../ir/graph.js';
import { freeArgs, type Expr } from '../ir/scalar.js';
import { type Def, type View } from './defs.js';
import { elementType } from './fold_types.js';
import { type LExpr, bound, lConst, lCvt, lIota, lOp, lRead, lScalar, lStoreAs } from './expr.js';
import { type Index, ixDim, linearize } from './indexing.js';
import { type NodeRule } from './lowering.js';
import { STORAGE, type Folding } from './parts.js';
import { type ComputeType } from './typing.js';
import { wrapAxis } from './views.js';

/** Elements of the operands, and where they are. */
interface Elements {
  readonly views: readonly View[];
  readonly shape: View['shape'];
  readonly reduced: readonly boolean[];
  /** Type of literals that stand alone. */
  readonly float: ComputeType;
}

function valuesAt(of: Elements, idx: readonly Index[], names: Iterable<string>): Map<string, LExpr> {
  const at = new Map<string, LExpr>();
  for (const name of names) {
    const k = of.views.findIndex((_, i) => inputName(i) === name);
    if (k >= 0) at.set(name, lCvt(of.views[k]!.at(idx), elementType(of.views[k]!.dtype)));
    else if (name === 'index') {
      const along = <T>(list: readonly T[]): T[] => list.filter((_, d) => of.reduced[d]);
      at.set(name, lIota(linearize(along(idx), along(of.shape))));
    }
  }
  return at;
}
const scalarAt = (e: Expr, at: ReadonlyMap<string, LExpr>, to: ComputeType, float: ComputeType): LExpr =>
  lCvt(
    lScalar(
      e,
      (name) => {
        const v = at.get(name);
        return v && bound(v);
      },
      float,
    ),
    to,
  );

/** One state that takes op(state, value). */
function accumulated(f: Fold, k: number, of: Elements): Omit<Folding, 'finish'> | null {
  const a = accumulation(f.combine, k);
  if (a === null || f.join[k] === null) return null;
  const type = f.types[k]!;
  const names = freeArgs(a.value);
  return {
    inShape: of.shape,
    reduced: of.reduced,
    elem: (idx) => scalarAt(a.value, valuesAt(of, idx, names), type, of.float),
    states: [{ name: 'acc', init: f.init[k]!, type }],
    combine: ([acc], x) => [lOp(a.op, [acc!, x], type)],
    join: ([p], [q]) => [lOp(a.op, [p!, q!], type)],
    sum: a.op === 'add' && f.init[k] === 0,
    usesIndex: false,
  };
}

/** States that are combined together. */
function coupled(f: Fold, states: readonly number[], of: Elements): Omit<Folding, 'finish'> {
  const named = (values: readonly LExpr[], name: (k: number) => string): [string, LExpr][] =>
    states.map((k, i) => [name(k), values[i]!]);
  const names = [...new Set(states.flatMap((k) => [...freeArgs(f.combine[k]!)]))].filter((a) => !a.startsWith('s'));
  const elements = (idx: readonly Index[]): readonly LExpr[] => [...valuesAt(of, idx, names).values()];
  const joins = states.map((k) => f.join[k]!);
  return {
    inShape: of.shape,
    reduced: of.reduced,
    elem: (idx) => elements(idx)[0] ?? lConst(0, 'i64'),
    ...(names.length > 1 ? { more: (idx: readonly Index[]) => elements(idx).slice(1) } : {}),
    states: states.map((k) => ({ name: stateName(k), init: f.init[k]!, type: f.types[k]! })),
    combine: (state, x, _index, more) => {
      const at = new Map([
        ...named(state, stateName),
        ...[x, ...more].flatMap((e, i): [string, LExpr][] => (i < names.length ? [[names[i]!, e]] : [])),
      ]);
      return states.map((k) => scalarAt(f.combine[k]!, at, f.types[k]!, of.float));
    },
    join: (p, q) => {
      const at = new Map([...named(p, stateName), ...named(q, otherName)]);
      return states.map((k, i) => scalarAt(joins[i]!, at, f.types[k]!, of.float));
    },
    sum: false,
    usesIndex: false,
    ...(joins.includes(null as never) ? { ordered: true as const } : {}),
  };
}

export const fold: NodeRule = (l, n, a) => {
  const list = n.inputs[0];
  if (list?.kind !== 'list') return false;
  const f = parseFold(a.get('definition'));
  const views = list.values.map((v) => l.viewOf(v));
  const shape = views[0]!.shape;
  const dims = a.ints('dim');
  const which = new Set(dims === null ? shape.keys() : dims.map((d) => wrapAxis(d, shape.length)));
  const reduced = shape.map((_, d) => which.has(d));
  const float: ComputeType = f.types.includes('f64') || views.some((v) => v.dtype === 'float64') ? 'f64' : 'f32';
  const of: Elements = { views, shape, reduced, float };
  const count = lIota(ixDim(productOf(shape.filter((_, d) => reduced[d]))));
  const outs = n.outputs.map((o) => ({ shape: o.type.shape, dtype: o.type.dtype }));
  const alone = list.values.every((value) => l.isAlone({ kind: 'value', value }));
  const finished = (states: ReadonlyMap<string, LExpr>, dtypes: readonly DType[]): LExpr[] => {
    const at = new Map([...states, ['n', count] as const]);
    return f.finish.map((e, k) =>
      lStoreAs(
        lScalar(
          e,
          (name) => {
            const v = at.get(name);
            return v && bound(v);
          },
          float,
        ),
        dtypes[k]!,
      ),
    );
  };
  const groups = independentStates(f);
  const parts = groups.map((g) => (g.length === 1 ? accumulated(f, g[0]!, of) : null) ?? coupled(f, g, of));
  const dtypes = outs.map((o) => o.dtype);
  const name = n.outputs[0]!.name ?? n.op;
  if (groups.length === 1) {
    const r: Folding = {
      ...parts[0]!,
      finish: (states) => finished(new Map(states.map((e, k) => [stateName(groups[0]![k]!), e])), dtypes),
    };
    l.reduce(name, r, outs, n, alone).forEach((d, k) => l.values.set(n.outputs[k]!, l.view(d)));
    return true;
  }
  // Each state has a tensor of its own; the results are computed of them.
  const stateDefs = new Map<string, Def>();
  groups.forEach((g, i) => {
    const r: Folding = {
      ...parts[i]!,
      finish: (states) => states.map((e, k) => lStoreAs(e, STORAGE[f.types[g[k]!]!])),
    };
    const shapes = g.map((k) => ({ shape: outs[0]!.shape, dtype: STORAGE[f.types[k]!] }));
    l.reduce(`${name}.${g.map(stateName).join('.')}`, r, shapes, n, alone).forEach((d, k) =>
      stateDefs.set(stateName(g[k]!), d),
    );
  });
  outs.forEach((o, k) => {
    const body = (idx: readonly Index[]): LExpr =>
      finished(new Map([...stateDefs].map(([s, d]) => [s, lRead(d, idx)])), dtypes)[k]!;
    l.values.set(n.outputs[k]!, l.view(l.map(name, o.shape, o.dtype, body, n)));
  });
  return true;
};
