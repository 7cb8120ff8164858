// View ops as index maps: position in the result → position in the source. Free of charge in every kernel that reads through them.
import { type Attr, type Dim, type Node } from '../ir/graph.js';
import { addDims, contiguousStrides, isSym, sameDim } from '../ir/dim.js';
import { type OpInfo } from '../ir/opinfo.js';
import { type Index, ZERO, delinearize, ixAdd, ixConst, ixDim, ixMul, linearize } from './indexing.js';

/** Attributes of a node, with the declared defaults filled in. */
export class Attrs {
  constructor(
    readonly node: Node,
    private readonly info: OpInfo | undefined,
  ) {}
  get(name: string): Attr | undefined {
    if (Object.hasOwn(this.node.attrs, name)) return this.node.attrs[name];
    return this.info?.params.find((p) => p.name === name)?.default as Attr | undefined;
  }
  int(name: string): number {
    const v = this.get(name);
    if (typeof v !== 'number')
      throw new Error(`${this.node.op}: attribute '${name}' must be a number, got ${JSON.stringify(v)}`);
    return v;
  }
  dim(name: string): Dim {
    const v: unknown = this.get(name);
    return isSym(v) ? v : this.int(name);
  }
  list(name: string): readonly Dim[] | null {
    const v = this.get(name);
    if (v === null || v === undefined) return null;
    return typeof v === 'number' ? [v] : (v as readonly Dim[]);
  }
  ints(name: string): number[] | null {
    return this.list(name)?.map((d) => Number(d)) ?? null;
  }
  /** Dimension attribute counted from the front. */
  axis(name: string, rank: number): number {
    return wrapAxis(this.int(name), rank);
  }
}
export const wrapAxis = (d: number, rank: number): number => (d < 0 ? d + Math.max(rank, 1) : d);

export type IndexMap = (idx: readonly Index[]) => readonly Index[];

const start = (v: Dim | null | undefined, extent: Dim): Dim => {
  if (v === null || v === undefined) return 0;
  if (typeof v !== 'number') return v;
  if (v < 0) {
    const r = addDims(extent, v);
    return typeof r === 'number' ? Math.max(0, r) : r;
  }
  return typeof extent === 'number' ? Math.min(v, extent) : v;
};

/** The map of a view op from result number `result` with shape `to` into its operand of shape `from`; undefined: not a view op known here. */
export function viewMap(a: Attrs, from: readonly Dim[], to: readonly Dim[], result: number): IndexMap | undefined {
  const rank = from.length;
  const insert = (idx: readonly Index[], at: number, value: Index): Index[] => [
    ...idx.slice(0, at),
    value,
    ...idx.slice(at),
  ];
  const shifted =
    (dim: number, first: Dim, step: number): IndexMap =>
    (idx) =>
      idx.map((i, d) => (d === dim ? ixAdd(ixDim(first), ixMul(i, ixConst(step))) : i));
  switch (a.node.op) {
    case 'detach':
    case 'alias':
      return (idx) => idx;
    case 'view':
    case 'reshape':
    case 'flatten':
    case 'viewAs':
    case 'reshapeAs':
    case 'unflatten':
      return (idx) => delinearize(linearize(idx, to), from);
    case 'permute': {
      const dims = a.ints('dims')!.map((d) => wrapAxis(d, rank));
      return (idx) => {
        const out: Index[] = new Array<Index>(rank);
        dims.forEach((d, i) => (out[d] = idx[i]!));
        return out;
      };
    }
    case 'transpose':
    case 't': {
      if (rank < 2) return (idx) => idx;
      const [i, j] = a.node.op === 't' ? [0, 1] : [a.axis('dim0', rank), a.axis('dim1', rank)];
      return (idx) => idx.map((x, d) => (d === i ? idx[j]! : d === j ? idx[i]! : x));
    }
    case 'movedim':
      return undefined;
    case 'unsqueeze': {
      const d = wrapAxis(a.int('dim'), rank + 1);
      return (idx) => idx.filter((_, i) => i !== d);
    }
    case 'squeeze': {
      const dims = a.ints('dim')?.map((d) => wrapAxis(d, rank));
      const gone = from.map((e, d) => sameDim(e, 1) && (!dims || dims.includes(d)));
      return (idx) => {
        let k = 0;
        return from.map((_, d) => (gone[d] ? ZERO : idx[k++]!));
      };
    }
    case 'expand':
    case 'expandAs':
    case 'broadcastTo': {
      const skip = to.length - rank;
      return (idx) => from.map((e, d) => (sameDim(e, 1) ? ZERO : idx[d + skip]!));
    }
    case 'select': {
      const d = a.axis('dim', rank);
      const at = a.dim('index');
      const from0 = typeof at === 'number' && at < 0 ? addDims(from[d]!, at) : at;
      return (idx) => insert(idx, d, ixDim(from0));
    }
    case 'slice': {
      const d = a.axis('dim', rank);
      return shifted(d, start(a.get('start') as Dim | null, from[d]!), Number(a.get('step') ?? 1));
    }
    case 'narrow': {
      const d = a.axis('dim', rank);
      return shifted(d, start(a.dim('start'), from[d]!), 1);
    }
    case 'split':
    case 'chunk': {
      const d = a.axis('dim', rank);
      const extent = from[d]!;
      if (a.node.op === 'split') return shifted(d, a.int('splitSize') * result, 1);
      return typeof extent === 'number' ? shifted(d, Math.ceil(extent / a.int('chunks')) * result, 1) : undefined;
    }
    case 'unbind': {
      const d = a.axis('dim', rank);
      return (idx) => insert(idx, d, ixConst(result));
    }
    case 'diagonal': {
      const [d1, d2, offset] = [a.axis('dim1', rank), a.axis('dim2', rank), a.int('offset')];
      return (idx) => {
        const i = idx[idx.length - 1]!;
        const rest = idx.slice(0, -1);
        let k = 0;
        return from.map((_, d) => {
          if (d === d1) return ixAdd(i, ixConst(Math.max(0, -offset)));
          if (d === d2) return ixAdd(i, ixConst(Math.max(0, offset)));
          return rest[k++]!;
        });
      };
    }
    case 'asStrided': {
      const strides = a.list('stride')!;
      const offset = (a.get('storageOffset') as Dim | null | undefined) ?? 0;
      return (idx) => delinearize(strided(idx, strides, offset), from);
    }
    default:
      return undefined;
  }
}

/** offset + sum idx * stride. */
export const strided = (idx: readonly Index[], strides: readonly Dim[], offset: Dim): Index =>
  idx.reduce((sum, i, d) => ixAdd(sum, ixMul(i, ixDim(strides[d]!))), ixDim(offset));

export const isContiguous = (shape: readonly Dim[], strides: readonly Dim[]): boolean => {
  const want = contiguousStrides(shape);
  return shape.every((e, d) => sameDim(e, 1) || sameDim(want[d]!, strides[d]!));
};
