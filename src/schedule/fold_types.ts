// Types of a user's reduction: what its states are kept in and what dtype its results have, from the dtypes of its operands. The rules of
// scalar expressions (typing.ts) say it, so that a reduction types as the same arithmetic does elsewhere.
import { otherName, inputName, stateName, type Fold, type FoldBody, type StateType } from '../ir/fold.js';
import { type DType } from '../ir/graph.js';
import { type Expr } from '../ir/scalar.js';
import { computeType } from './dtype.js';
import { type Algebra, type Binding, type ComputeType, buildScalar, isFloat } from './typing.js';

/** What an element is read as: integers are counted in 64 bits, as sums of them are. */
export function elementType(d: DType): StateType {
  const t = computeType(d);
  return t === 'i32' ? 'i64' : t;
}

const RANK: Readonly<Record<StateType, number>> = { b: 0, i64: 1, f32: 2, f64: 3 };
const wider = (a: StateType, b: StateType): StateType => (RANK[a] >= RANK[b] ? a : b);
const stateType = (t: ComputeType): StateType => (t === 'i32' ? 'i64' : t);

/** Only the types of expressions. */
const TYPES_ONLY: Algebra<null> = { constant: () => null, convert: () => null, call: () => null, select: () => null };
const typeOf = (e: Expr, types: ReadonlyMap<string, StateType>, float: ComputeType): ComputeType =>
  buildScalar(e, (name): Binding<null> | undefined => ({ value: null, type: types.get(name)! }), float, TYPES_ONLY)
    .type;

/**
 * The reduction with its types for operands of these dtypes. A state begins as what its start value is (a whole number or an
 * infinity: an integer) and is widened until combining no longer widens it. Results: float32 where all floating operands are
 * one 16-bit dtype is that dtype; integers are int64, comparisons bool.
 */
export function typeFold(body: FoldBody, dtypes: readonly DType[], defaultDtype: DType): Fold {
  const floats = [...new Set(dtypes.filter((d) => isFloat(computeType(d))))];
  const float =
    floats.length > 0 ? floats.map(computeType).reduce((a, b) => (a === 'f64' ? a : b)) : computeType(defaultDtype);
  const elements = dtypes.map((d, k) => [inputName(k), elementType(d)] as const);
  let types = body.init.map((v): StateType =>
    typeof v === 'boolean' ? 'b' : Number.isInteger(v) || Math.abs(v) === Infinity ? 'i64' : stateType(float),
  );
  const named = (): Map<string, StateType> =>
    new Map([
      ...elements,
      ...types.flatMap((t, k) => [[stateName(k), t] as const, [otherName(k), t] as const]),
      ['index', 'i64'],
      ['n', 'i64'],
    ]);
  // Types only grow, by three steps at most.
  for (let changed = true; changed;) {
    const now = named();
    const next = types.map((t, k) =>
      [body.combine[k]!, body.join[k]].reduce((w, e) => (e ? wider(w, stateType(typeOf(e, now, float))) : w), t),
    );
    changed = next.some((t, k) => t !== types[k]);
    types = next;
  }
  const single = floats.length === 1 ? floats[0]! : floats.length === 0 ? defaultDtype : 'float32';
  const dtypeOf: Readonly<Record<ComputeType, DType>> = {
    f32: single === 'float64' ? 'float32' : single,
    f64: 'float64',
    i32: 'int64',
    i64: 'int64',
    b: 'bool',
  };
  const last = named();
  return { ...body, types, results: body.finish.map((e) => dtypeOf[typeOf(e, last, float)]) };
}
