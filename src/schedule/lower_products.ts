// Matrix products as loops: small ones, where a library call costs more than the product, and those with a vector, which are bound by
// memory: a loop over it reads as fast as anything does, and what stands before and after joins it.
import { type Dim, type Node } from '../ir/graph.js';
import { productOf, sameDim } from '../ir/dim.js';
import { type View } from './defs.js';
import { type LExpr, lOp, lRead } from './expr.js';
import { type Index } from './indexing.js';
import { broadcastIndex } from './lower_util.js';
import { type Lowering, type NodeRule } from './lowering.js';
import { define, out, scalar, tensor } from './rule_util.js';

/**
 * sum over k of a[.., i, k] * b[.., k, j], when that is cheaper as a generated loop than as a library call. A product with a vector
 * always is, as long as it has results enough for vectors and threads.
 */
function product(
  l: Lowering,
  n: Node,
  a: View,
  b: View,
  rows: readonly Dim[],
  cols: readonly Dim[],
  depth: Dim,
  at: (idx: readonly Index[]) => { a: readonly Index[]; b: readonly Index[] },
  finish: (s: LExpr, idx: readonly Index[]) => LExpr,
): boolean {
  const o = out(n);
  const total = productOf([...rows, ...cols, depth]);
  if (
    typeof total !== 'number' ||
    (total > l.smallMatmul && !byVector(productOf(rows), productOf(cols))) ||
    o.dtype !== 'float32' ||
    a.dtype !== 'float32' ||
    b.dtype !== 'float32'
  )
    return false;
  const inShape = [...o.shape, depth];
  const reduced = inShape.map((_, d) => d === inShape.length - 1);
  const [s] = l.sum(
    `${n.op}.product`,
    inShape,
    reduced,
    (idx) => {
      const p = at(idx);
      return lOp('mul', [a.at(p.a), b.at(p.b)], 'f32');
    },
    'f32',
    (x) => x,
    o,
    n,
  );
  return define(l, n, (idx) => finish(lRead(s!, idx), idx));
}

/** Results of a product with a vector from which it is a loop. */
const ENOUGH = 64;
const byVector = (rows: Dim, cols: Dim): boolean =>
  typeof rows === 'number' && typeof cols === 'number' && Math.min(rows, cols) === 1 && Math.max(rows, cols) >= ENOUGH;

const last = (idx: readonly Index[]): Index => idx[idx.length - 1]!;

const linear: NodeRule = (l, n) => {
  const x = tensor(l, n, 0)!;
  const w = tensor(l, n, 1)!;
  const bias = tensor(l, n, 2);
  if (w.shape.length !== 2) return false;
  return product(
    l,
    n,
    x,
    w,
    x.shape.slice(0, -1),
    [w.shape[0]!],
    w.shape[1]!,
    (idx) => {
      const k = last(idx);
      const i = idx.slice(0, -2);
      return { a: [...i, k], b: [idx[idx.length - 2]!, k] };
    },
    (s, idx) => (bias ? lOp('add', [s, bias.at(broadcastIndex(idx, bias.shape))], 'f32') : s),
  );
};
const mm: NodeRule = (l, n) => {
  const a = tensor(l, n, 0)!;
  const b = tensor(l, n, 1)!;
  if (a.shape.length !== 2 || b.shape.length !== 2) return false;
  return product(
    l,
    n,
    a,
    b,
    [a.shape[0]!],
    [b.shape[1]!],
    a.shape[1]!,
    ([i, j, k]) => ({ a: [i!, k!], b: [k!, j!] }),
    (s) => s,
  );
};
const bmm: NodeRule = (l, n) => {
  const a = tensor(l, n, 0)!;
  const b = tensor(l, n, 1)!;
  if (a.shape.length !== 3 || b.shape.length !== 3) return false;
  return product(
    l,
    n,
    a,
    b,
    a.shape.slice(0, 2),
    [b.shape[2]!],
    a.shape[2]!,
    ([g, i, j, k]) => ({ a: [g!, i!, k!], b: [g!, k!, j!] }),
    (s) => s,
  );
};
const dot: NodeRule = (l, n) => {
  const a = tensor(l, n, 0)!;
  const b = tensor(l, n, 1)!;
  if (a.shape.length !== 1 || b.shape.length !== 1) return false;
  return product(
    l,
    n,
    a,
    b,
    [],
    [],
    a.shape[0]!,
    ([k]) => ({ a: [k!], b: [k!] }),
    (s) => s,
  );
};
const addmm: NodeRule = (l, n, attrs) => {
  const self = tensor(l, n, 0)!;
  const a = tensor(l, n, 1)!;
  const b = tensor(l, n, 2)!;
  if (a.shape.length !== 2 || b.shape.length !== 2) return false;
  const alpha = scalar(attrs, 'alpha', 'float32', 1);
  const beta = scalar(attrs, 'beta', 'float32', 1);
  const isOne = (e: LExpr): boolean => e.k === 'const' && Number(e.value) === 1;
  const times = (x: LExpr, f: LExpr): LExpr => (isOne(f) ? x : lOp('mul', [x, f], 'f32'));
  const noSelf = beta.k === 'const' && Number(beta.value) === 0;
  return product(
    l,
    n,
    a,
    b,
    [a.shape[0]!],
    [b.shape[1]!],
    a.shape[1]!,
    ([i, j, k]) => ({ a: [i!, k!], b: [k!, j!] }),
    (s, idx) => {
      const p = times(s, alpha);
      return noSelf ? p : lOp('add', [p, times(self.at(broadcastIndex(idx, self.shape)), beta)], 'f32');
    },
  );
};
/** Rows of any rank by a vector. */
const rowsByVector: NodeRule = (l, n) => {
  const a = tensor(l, n, 0)!;
  const v = tensor(l, n, 1)!;
  return product(
    l,
    n,
    a,
    v,
    a.shape.slice(0, -1),
    [],
    v.shape[0]!,
    (idx) => ({ a: idx, b: [last(idx)] }),
    (s) => s,
  );
};
const vectorByRows: NodeRule = (l, n) => {
  const v = tensor(l, n, 0)!;
  const b = tensor(l, n, 1)!;
  return product(
    l,
    n,
    v,
    b,
    [],
    [b.shape[1]!],
    v.shape[0]!,
    ([j, k]) => ({ a: [k!], b: [k!, j!] }),
    (s) => s,
  );
};
const matmul: NodeRule = (l, n, a) => {
  const rank = (k: number): number => tensor(l, n, k)?.shape.length ?? 0;
  if (rank(0) === 2 && rank(1) === 2) return mm(l, n, a);
  if (rank(0) === 1 && rank(1) === 1) return dot(l, n, a);
  if (rank(0) > 1 && rank(1) === 1) return rowsByVector(l, n, a);
  if (rank(0) === 1 && rank(1) === 2) return vectorByRows(l, n, a);
  if (rank(0) === 3 && rank(1) === 3 && sameDim(tensor(l, n, 0)!.shape[0]!, tensor(l, n, 1)!.shape[0]!))
    return bmm(l, n, a);
  return false;
};

/** Rules by op name. */
export const PRODUCTS: Readonly<Record<string, NodeRule>> = { linear, mm, bmm, dot, addmm, matmul };
