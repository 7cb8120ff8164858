// Bytes that a graph holds at its fullest, beside its arguments and captured tensors: op by op as eager code does it. Compiled programs
// are compared with it in explain().
import { inputValues } from '../ir/build.js';
import { evalDim, productOf } from '../ir/dim.js';
import { itemBytes } from '../ir/dtype.js';
import type { Graph, Value } from '../ir/graph.js';
import { opInfo } from '../ir/table.js';
import type { MetaDim, ProgramMeta } from '../emit/meta.js';

/** Bytes of a value; symbols at their hints. */
function bytesOf(v: Value, symbols: ReadonlyMap<string, number>): number {
  return evalDim(productOf(v.type.shape), symbols) * itemBytes(v.type.dtype);
}
export const hintsOf = (g: Graph): Map<string, number> => new Map(g.symbols.map((s) => [s.name, s.hint]));

/**
 * Every op's results are made when it runs and go when nothing needs them any more; views share their source's memory. Values that the
 * trace shows as new versions of one tensor (in-place writes) count as new ones: an upper estimate where code writes in place.
 */
export function eagerPeak(g: Graph): number {
  const symbols = hintsOf(g);
  const owner = new Map<Value, Value>();
  const last = new Map<Value, number>();
  const end = g.nodes.length;
  const own = (v: Value): Value => owner.get(v) ?? v;
  g.nodes.forEach((n, k) => {
    const inputs = n.inputs.flatMap((i) => inputValues(i));
    for (const v of inputs) last.set(own(v), k);
    const view = opInfo(n.op)?.kind === 'view' && inputs.length > 0;
    for (const o of n.outputs) {
      if (view) owner.set(o, own(inputs[0]!));
      last.set(own(o), Math.max(k, last.get(own(o)) ?? 0));
    }
  });
  for (const v of [...g.outputs, ...g.writes.map((w) => w.value), ...g.gradWrites.flatMap((w) => w.value ?? [])])
    last.set(own(v), end);
  const outside = new Set([...g.inputs, ...g.captures]);
  const freed = new Map<number, number>();
  let now = 0;
  let peak = 0;
  g.nodes.forEach((n, k) => {
    for (const o of n.outputs) {
      if (owner.has(o) || outside.has(o) || n.op.startsWith('region.')) continue;
      const bytes = bytesOf(o, symbols);
      now += bytes;
      freed.set(last.get(o)!, (freed.get(last.get(o)!) ?? 0) + bytes);
    }
    peak = Math.max(peak, now);
    now -= freed.get(k) ?? 0;
  });
  return peak;
}

/** What one program holds: scratch memory during a run, and the tensors that it makes. */
export interface ProgramBytes {
  readonly scratch: number;
  readonly made: number;
}
export function programBytes(meta: ProgramMeta, g: Graph): ProgramBytes {
  const symbols = hintsOf(g);
  const made = meta.outputs.reduce(
    (sum, o) =>
      'alias' in o ? sum : sum + o.shape.reduce<number>((p, d) => p * value(d, symbols), 1) * itemBytes(o.dtype),
    0,
  );
  return { scratch: value(meta.arena, symbols), made };
}
/** '2*s0+1' at the symbols' hints. */
function value(d: MetaDim, symbols: ReadonlyMap<string, number>): number {
  if (typeof d === 'number') return d;
  return d
    .replace(/-/g, '+-')
    .split('+')
    .filter((t) => t !== '')
    .reduce((sum, term) => {
      const sign = term.startsWith('-') ? -1 : 1;
      const factors = term.replace('-', '').split('*');
      return sum + sign * factors.reduce((p, f) => p * (symbols.get(f) ?? Number(f)), 1);
    }, 0);
}
/** The most that programs which run one after the other hold: the first one's results stay for the second. */
export function programPeak(parts: readonly ProgramBytes[]): number {
  let kept = 0;
  let peak = 0;
  for (const p of parts) {
    kept += p.made;
    peak = Math.max(peak, kept + p.scratch);
  }
  return peak;
}
