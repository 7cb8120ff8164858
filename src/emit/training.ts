// Which parts of a training step compute nothing but gradients that its optimizer uses up. In these, numbers below 2^-126 may count as
// zero: when a network has learnt its data, gradients and moments decay into that range, where each operation takes the processor a
// hundred cycles.
import { type Def, type Lowered } from '../schedule/defs.js';
import { type Event, touches } from './memory.js';

/** Optimizer steps by the names of their ops (codegen/ops/optim.ts). */
const isUpdate = (d: Def): boolean => d.node?.op.endsWith('Update') ?? false;

/** Events whose values reach gradients and optimizer steps only; none when there is no optimizer step. */
export function gradientOnly(program: Lowered, events: readonly Event[]): ReadonlySet<Event> {
  const updates = new Set(program.writes.filter((w) => isUpdate(w.def)).map((w) => w.def));
  const only = new Set<Event>();
  if (updates.size === 0) return only;
  const seen = new Set<Def>(program.writes.flatMap((w) => (updates.has(w.def) ? [] : [w.def])));
  for (const r of program.results) if ('output' in r) seen.add(program.outputs[r.output]!);
  // Backwards: what an event reads is seen by others when the event is.
  for (const e of [...events].reverse()) {
    const { reads, writes } = touches(e);
    if ([...writes].every((d) => !seen.has(d))) only.add(e);
    else for (const d of reads) seen.add(d);
  }
  return only;
}
