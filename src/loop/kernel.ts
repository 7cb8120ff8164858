// Loop IR: one kernel is a nest of row loops around a sequence of stages. A stage either works on the row (scalars, or one vector of
// rows) or loops over the columns, folding reductions and storing elements. One axis is the vector axis; the leading row axes are
// split over threads. Printers for C++ and CUDA walk this structure and differ only in their leaves.
import { type Dim } from '../ir/graph.js';
import { printDim } from '../ir/dim.js';
import { type Def, type Reduce } from '../schedule/defs.js';
import { type LExpr } from '../schedule/expr.js';
import { type Axis, type Index, printIndex } from '../schedule/indexing.js';
import { type ComputeType } from '../schedule/typing.js';
import { type Unit } from '../schedule/units.js';

export interface Store {
  readonly def: Def;
  readonly offset: Index;
  readonly value: LExpr;
  /** Large and not read soon: past the cache. */
  readonly stream: boolean;
}

/** A reduction inside a column loop. */
export interface Fold {
  readonly reduce: Reduce;
  readonly elem: LExpr;
  readonly more: readonly LExpr[];
  /** Position along the reduced dimensions, when the reduction asks for it. */
  readonly index: LExpr | null;
  /** Variable of each state; holds the result once the loop is done. */
  readonly states: readonly { readonly name: string; readonly type: ComputeType; readonly init: number | boolean }[];
}

/** What a fold computes of each element before it is combined. */
export const foldedValues = (f: Fold): readonly LExpr[] => [f.elem, ...f.more];

/** A value of every column kept for a later pass over the same row. */
export interface Keep {
  readonly name: string;
  readonly type: ComputeType;
  readonly value: LExpr;
}

/** Memory that is fetched while something else is computed: hardware prefetchers stop at page ends, and keep too little in flight. */
export interface Prefetch {
  readonly src: Def;
  readonly offset: Index;
}

export type Stage =
  | { readonly k: 'row'; readonly stores: readonly Store[]; readonly prefetch: readonly Prefetch[] }
  | {
      readonly k: 'columns';
      readonly folds: readonly Fold[];
      readonly stores: readonly Store[];
      readonly keeps: readonly Keep[];
      readonly unroll: number;
      readonly prefetch: readonly Prefetch[];
    };

export interface Kernel {
  readonly name: string;
  /** What it computes, for people. */
  readonly title: string;
  readonly rows: readonly Axis[];
  readonly cols: readonly Axis[];
  readonly vector: Axis | null;
  readonly stages: readonly Stage[];
  /** The maps and reductions that it computes. */
  readonly units: readonly Unit[];
  /** Copies of the body side by side when the vector axis is a row axis. */
  readonly rowUnroll: number;
  /** Sums restart an accumulator after this many steps of the outermost column loop (0: never): keeps float32 sums accurate. */
  readonly block: number;
  /** The last pass is about the row before, so that its stores leave while the next row is computed. For printers to whom that matters. */
  readonly late: boolean;
  /** Work of one run in vector additions, null when symbolic. */
  readonly work: number | null;
}

const NAMES = {
  axis: (a: Axis): string => a.name,
  symbol: (s: string): string => s,
  dyn: (): string => '?',
};

export function exprText(e: LExpr): string {
  switch (e.k) {
    case 'const':
      return String(e.value);
    case 'live':
      return `live${e.slot}`;
    case 'iota':
      return `(${printIndex(e.index, NAMES)})`;
    case 'read':
      return `${e.src.name}[${e.idx.map((i) => printIndex(i, NAMES)).join(', ')}]`;
    case 'load':
      return `${e.src.name}[${printIndex(e.offset, NAMES)}]`;
    case 'uniform':
      return `uniform(${printIndex(e.index, NAMES)})`;
    case 'op':
      return `${e.op}(${e.args.map(exprText).join(', ')})`;
    case 'cvt':
      return `${e.type}(${exprText(e.a)})`;
    case 'wrap':
      return `${e.dtype}(${exprText(e.a)})`;
    case 'var':
      return e.name;
  }
}
const short = (s: string): string => (s.length > 160 ? `${s.slice(0, 157)}...` : s);

/** The loop nest as text: one line per loop, fold and store. */
export function describeKernel(k: Kernel): string {
  const out: string[] = [`${k.name}: ${k.title}`];
  const vec = (a: Axis): string => (a === k.vector ? ' vector' : '');
  let pad = '  ';
  const extent = (d: Dim): string => printDim(d);
  const ordered = [...k.rows.filter((a) => a !== k.vector), ...k.rows.filter((a) => a === k.vector)];
  for (const a of ordered) {
    out.push(
      `${pad}for ${a.name} < ${extent(a.extent)}${vec(a)}${a === ordered[0] ? ' parallel' : ''}${a === k.vector && k.rowUnroll > 1 ? ` x${k.rowUnroll}` : ''}`,
    );
    pad += '  ';
  }
  for (const s of k.stages) {
    let p = pad;
    if (k.late && s === k.stages[k.stages.length - 1]) out.push(`${p}one row late:`);
    if (s.k === 'columns') {
      for (const a of k.cols) {
        out.push(
          `${p}for ${a.name} < ${extent(a.extent)}${vec(a)}${a === k.vector && s.unroll > 1 ? ` x${s.unroll}` : ''}`,
        );
        p += '  ';
      }
      for (const f of s.folds)
        out.push(
          `${p}${f.states.map((x) => x.name).join(', ')} = ${f.reduce.name}(${foldedValues(f)
            .map((e) => short(exprText(e)))
            .join(', ')})`,
        );
      for (const x of s.keeps) out.push(`${p}${x.name}[] = ${short(exprText(x.value))}`);
    }
    for (const x of s.stores)
      out.push(
        `${p}${x.def.name}[${printIndex(x.offset, NAMES)}] ${x.stream ? '<~' : '='} ${short(exprText(x.value))}`,
      );
  }
  return out.join('\n');
}
