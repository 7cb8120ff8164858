// Ops whose meaning is in their indices: fills, casts, concatenation, data-dependent loads, random numbers.
// Each entry returns true when it made the node's values, false to leave the node to the general rules.
import { type Dim } from '../ir/graph.js';
import { addDims, productOf, sameDim, sameShape } from '../ir/dim.js';
import { BLOCK, blockedShape, blocksOf, imageOf } from './blocked.js';
import { computeType } from './dtype.js';
import { type LExpr, ixPosition, lConst, lCvt, lIota, lLive, lOp, lUniform } from './expr.js';
import { type Index, ZERO, ixAdd, ixDim, ixSub, linearize } from './indexing.js';
import { broadcastIndex } from './lower_util.js';
import { fold } from './lower_fold.js';
import { LIBRARY } from './lower_library.js';
import { POOLING } from './lower_pooling.js';
import { PRODUCTS } from './lower_products.js';
import { define, out, scalar, tensor } from './rule_util.js';
import { type View } from './defs.js';
import { type Lowering, type NodeRule } from './lowering.js';
import { strided, wrapAxis } from './views.js';
import { isFloat } from './typing.js';

type Rule = NodeRule;

const fillWith =
  (name: string | number): Rule =>
  (l, n, a) => {
    const o = out(n);
    const v =
      typeof name === 'number'
        ? lConst(computeType(o.dtype) === 'b' ? name !== 0 : name, computeType(o.dtype))
        : scalar(a, name, o.dtype);
    // A view of the number: what reads it sees a constant.
    l.values.set(n.outputs[0]!, { ...o, at: () => v });
    return true;
  };
/** out = operand number `k`, broadcast and converted. */
const copyOf =
  (k: number): Rule =>
  (l, n) => {
    const i = n.inputs[k];
    const o = out(n);
    const ct = computeType(o.dtype);
    if (i?.kind === 'const') return define(l, n, () => lConst(ct === 'b' ? Boolean(i.value) : i.value, ct));
    if (i?.kind === 'live') return define(l, n, () => lCvt(lLive(i.slot, 'f64'), ct));
    const v = tensor(l, n, k);
    if (!v) return false;
    if (v.dtype === o.dtype && sameShape(v.shape, o.shape)) {
      l.values.set(n.outputs[0]!, v);
      return true;
    }
    return define(l, n, (idx) => lCvt(v.at(broadcastIndex(idx, v.shape)), ct));
  };

const triangle =
  (upper: boolean): Rule =>
  (l, n, a) => {
    const v = tensor(l, n, 0)!;
    const ct = computeType(v.dtype);
    const offset = a.int('diagonal');
    return define(l, n, (idx) => {
      const r = lIota(idx[idx.length - 2]!);
      const c = lIota(idx[idx.length - 1]!);
      const edge = lOp('add', [r, lConst(offset, 'i64')], 'i64');
      return lOp(
        'select',
        [lOp(upper ? 'ge' : 'le', [c, edge], 'b'), v.at(idx), lConst(ct === 'b' ? false : 0, ct)],
        ct,
      );
    });
  };

/** Writes parts one after the other along `dim`. */
const cat: Rule = (l, n, a) => {
  const list = n.inputs[0];
  if (list?.kind !== 'list') return false;
  const o = out(n);
  const stack = n.op === 'stack';
  const views = list.values
    .map((v) => l.viewOf(v))
    .filter((v) => stack || !(v.shape.length === 1 && v.shape[0] === 0 && o.shape.length !== 1));
  const dim = wrapAxis(a.int('dim'), o.shape.length);
  const blocked = l.isBlocked(n.outputs[0]!);
  const target = l.def(n.op, blocked ? blockedShape(o.shape) : o.shape, o.dtype, { k: 'parts', parts: [] }, n);
  target.required = true;
  let first: Dim = 0;
  views.forEach((v, k) => {
    const from = first;
    const ct = computeType(o.dtype);
    // Blocks are joined as they lie: their second dimension counts blocks of channels.
    const read = blocked ? blocksOf(v) : v;
    const begin = blocked ? (from as number) / BLOCK : from;
    const part = l.def(
      `${n.op}${k}`,
      read.shape,
      o.dtype,
      {
        k: 'map',
        body: (idx) => lCvt(read.at(idx), ct),
        into: {
          target,
          at: (idx) => {
            const place = stack
              ? [...idx.slice(0, dim), ixDim(from), ...idx.slice(dim)]
              : idx.map((i, d) => (d === dim ? ixAdd(i, ixDim(begin)) : i));
            return linearize(place, target.shape);
          },
        },
      },
      n,
    );
    part.required = true;
    if (target.how.k === 'parts') target.how.parts.push(part);
    first = addDims(first, stack ? 1 : v.shape[dim]!);
  });
  l.values.set(n.outputs[0]!, blocked ? imageOf(l.view(target), o.shape) : l.view(target));
  return true;
};

/** A copy of the base, then the source over it. */
const asStridedScatter: Rule = (l, n, a) => {
  const base = tensor(l, n, 0)!;
  const src = tensor(l, n, 1)!;
  const o = out(n);
  const strides = a.list('stride')!;
  const offset = (a.get('storageOffset') as Dim | null | undefined) ?? 0;
  const target = l.def(n.op, o.shape, o.dtype, { k: 'parts', parts: [] }, n);
  target.required = true;
  const part = (name: string, v: View, at: (idx: readonly Index[]) => Index): void => {
    const d = l.def(
      name,
      v.shape,
      o.dtype,
      { k: 'map', body: (idx) => lCvt(v.at(idx), computeType(o.dtype)), into: { target, at } },
      n,
    );
    d.required = true;
    if (target.how.k === 'parts') target.how.parts.push(d);
  };
  part('base', base, (idx) => linearize(idx, o.shape));
  part('scatter', src, (idx) => strided(idx, strides, offset));
  l.values.set(n.outputs[0]!, l.view(target));
  return true;
};

/** out[..., i, ...] = self[..., index[..., i, ...], ...] */
const gather: Rule = (l, n, a) => {
  const self = tensor(l, n, 0)!;
  const index = tensor(l, n, 1)!;
  if (self.shape.length === 0) return false;
  const dim = a.axis('dim', self.shape.length);
  const what = 'gather: index out of bounds';
  l.error(what);
  return define(l, n, (idx) =>
    self.at(
      idx.map((i, d) =>
        d === dim ? ixPosition(index.at(idx), self.shape[d]!, what) : sameDim(self.shape[d]!, 1) ? ZERO : i,
      ),
    ),
  );
};
const indexSelect: Rule = (l, n, a) => {
  const self = tensor(l, n, 0)!;
  const index = tensor(l, n, 1)!;
  if (self.shape.length === 0 || index.shape.length !== 1) return false;
  const dim = a.axis('dim', self.shape.length);
  const what = 'index out of range in self';
  l.error(what);
  return define(l, n, (idx) =>
    self.at(
      idx.map((i, d) =>
        d === dim ? ixPosition(index.at([sameDim(index.shape[0]!, 1) ? ZERO : i]), self.shape[d]!, what) : i,
      ),
    ),
  );
};
const embedding: Rule = (l, n) => {
  const weight = tensor(l, n, 0)!;
  const indices = tensor(l, n, 1)!;
  const what = 'index out of range in self';
  l.error(what);
  return define(l, n, (idx) =>
    weight.at([ixPosition(indices.at(idx.slice(0, -1)), weight.shape[0]!, what), idx[idx.length - 1]!]),
  );
};
/** position == at, in 32 bits where the positions allow: vectors of them are half as long. */
function positionIs(position: Index, extent: Dim, at: LExpr): LExpr {
  const wide = lCvt(at, 'i64');
  if (typeof extent !== 'number' || extent >= 2 ** 31) return lOp('eq', [lIota(position), wide], 'b');
  const inside = lOp(
    'and',
    [lOp('ge', [wide, lConst(0, 'i64')], 'b'), lOp('lt', [wide, lConst(extent, 'i64')], 'b')],
    'b',
  );
  const narrow = lOp('select', [inside, lCvt(wide, 'i32'), lConst(-1, 'i32')], 'i32');
  return lOp('eq', [lIota(position, 'i32'), narrow], 'b');
}

/** Backward of a gather of one element per row: the position is compared, nothing is scattered. Only where index has extent 1 along dim. */
const scatter: Rule = (l, n, a) => {
  const self = tensor(l, n, 0)!;
  const index = tensor(l, n, 1)!;
  const rank = self.shape.length;
  if (rank === 0) return false;
  const dim = a.axis('dim', rank);
  const src = n.inputs[2];
  const one = sameDim(index.shape[dim]!, 1) && index.shape.every((e, d) => d === dim || sameDim(e, self.shape[d]!));
  if (!one || !src || src.kind === 'none' || src.kind === 'list') return false;
  const ct = computeType(self.dtype);
  return define(l, n, (idx) => {
    const row = idx.map((i, d) => (d === dim ? ZERO : i));
    const binding = l.operand(src)!(row);
    const value =
      'literal' in binding
        ? lConst(ct === 'b' ? Boolean(binding.literal) : binding.literal, ct)
        : lCvt(binding.value, ct);
    const old = self.at(idx);
    const hit = positionIs(idx[dim]!, self.shape[dim]!, index.at(row));
    const sum = (): LExpr => (old.k === 'const' && Number(old.value) === 0 ? value : lOp('add', [old, value], ct));
    return lOp('select', [hit, n.op === 'scatterAdd' ? sum() : value, old], ct);
  });
};

/** Positions counted from the end. */
const flip: Rule = (l, n, a) => {
  const v = tensor(l, n, 0)!;
  const dims = a.ints('dims')!.map((d) => wrapAxis(d, v.shape.length));
  return define(l, n, (idx) =>
    v.at(idx.map((i, d) => (dims.includes(d) ? ixSub(ixSub(ixDim(v.shape[d]!), ixDim(1)), i) : i))),
  );
};

// ---- random numbers: the program's Philox stream, one counter per element ----

const uniformAt = (l: Lowering, shape: readonly Dim[]): ((idx: readonly Index[]) => LExpr) => {
  const first = l.draw(productOf(shape));
  return (idx) => lUniform(ixAdd(ixDim(first), linearize(idx, shape)));
};
const uniform: Rule = (l, n, a) => {
  const o = out(n);
  if (!isFloat(computeType(o.dtype))) return false;
  const u = uniformAt(l, o.shape);
  const ct = computeType(o.dtype);
  const lo = Number(a.get('from') ?? 0);
  const hi = Number(a.get('to') ?? 1);
  return define(l, n, (idx) =>
    lOp('add', [lOp('mul', [lCvt(u(idx), ct), lConst(hi - lo, ct)], ct), lConst(lo, ct)], ct),
  );
};
const normal: Rule = (l, n, a) => {
  const o = out(n);
  if (!isFloat(computeType(o.dtype))) return false;
  const u = uniformAt(l, o.shape);
  const v = uniformAt(l, o.shape);
  const ct = computeType(o.dtype);
  const mean = Number(a.get('mean') ?? 0);
  const std = Number(a.get('std') ?? 1);
  return define(l, n, (idx) => {
    // Box and Muller; 1 - u is in (0, 1]
    const r = lOp(
      'sqrt',
      [lOp('mul', [lConst(-2, 'f32'), lOp('log', [lOp('sub', [lConst(1, 'f32'), u(idx)], 'f32')], 'f32')], 'f32')],
      'f32',
    );
    const z = lOp('mul', [r, lOp('cos', [lOp('mul', [lConst(2 * Math.PI, 'f32'), v(idx)], 'f32')], 'f32')], 'f32');
    return lOp('add', [lOp('mul', [lCvt(z, ct), lConst(std, ct)], ct), lConst(mean, ct)], ct);
  });
};
const bernoulli: Rule = (l, n, a) => {
  const o = out(n);
  const u = uniformAt(l, o.shape);
  const p = a.get('p');
  const ct = computeType(o.dtype);
  return define(l, n, (idx) =>
    lCvt(lOp('lt', [u(idx), scalar(a, 'p', 'float32', typeof p === 'number' ? p : 0.5)], 'b'), ct),
  );
};
const bernoulliOf: Rule = (l, n) => {
  const [o, p] = [out(n), tensor(l, n, 0)];
  if (p === null) return false;
  const u = uniformAt(l, o.shape);
  return define(l, n, (idx) => lCvt(lOp('lt', [u(idx), lCvt(p.at(idx), 'f32')], 'b'), computeType(o.dtype)));
};
const rreluNoise: Rule = (l, n, a) => {
  const [o, x] = [out(n), tensor(l, n, 0)];
  const ct = computeType(o.dtype);
  if (x === null || !isFloat(ct)) return false;
  const [lo, hi] = [Number(a.get('lower')), Number(a.get('upper'))];
  const u = uniformAt(l, o.shape);
  return define(l, n, (idx) => {
    const slope = lOp('add', [lOp('mul', [lCvt(u(idx), ct), lConst(hi - lo, ct)], ct), lConst(lo, ct)], ct);
    return lOp('select', [lOp('le', [lCvt(x.at(idx), ct), lConst(0, ct)], 'b'), slope, lConst(1, ct)], ct);
  });
};

export const SPECIAL: Readonly<Record<string, Rule>> = {
  full: fillWith('fillValue'),
  fullLike: fillWith('fillValue'),
  fill: fillWith('value'),
  zero: fillWith(0),
  zeros: fillWith(0),
  zerosLike: fillWith(0),
  ones: fillWith(1),
  onesLike: fillWith(1),
  empty: fillWith(0),
  emptyLike: fillWith(0),
  toDtype: copyOf(0),
  clone: copyOf(0),
  contiguous: copyOf(0),
  copy: copyOf(1),
  arange: (l, n, a) => {
    const o = out(n);
    const ct = computeType(o.dtype);
    return define(l, n, ([i]) =>
      lOp(
        'add',
        [scalar(a, 'start', o.dtype, 0), lOp('mul', [lCvt(lIota(i!), ct), scalar(a, 'step', o.dtype, 1)], ct)],
        ct,
      ),
    );
  },
  eye: (l, n) => {
    const ct = computeType(out(n).dtype);
    return define(l, n, ([i, j]) => lCvt(lOp('eq', [lIota(i!), lIota(j!)], 'b'), ct));
  },
  tril: triangle(false),
  triu: triangle(true),
  cat,
  stack: cat,
  asStridedScatter,
  flip,
  gather,
  indexSelect,
  embedding,
  scatter,
  scatterAdd: scatter,
  uniform,
  normal,
  bernoulli,
  bernoulliOf,
  rreluNoise,
  fold,
  ...LIBRARY,
  ...POOLING,
  ...PRODUCTS,
};

/** Ops of these that are library steps unless a kernel serves them better. */
export const STEPS: ReadonlySet<string> = new Set([...Object.keys(LIBRARY), ...Object.keys(PRODUCTS)]);
