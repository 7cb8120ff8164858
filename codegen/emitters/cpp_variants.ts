// The C++ functions that an op has, and the names they go by.
import type { Op } from '../load.js';
import type { Signature } from '../schema.js';

export const inplaceSig = (s: Signature): Signature => ({ ...s, name: `${s.name}_`, returns: 'self', results: [] });
/** The name an op has in traces: in-place externs go by their plain name ('copy_' as 'copy') unless that is another op. */
export const traceName = (op: Op): string => {
  const plain = op.name.replace(/_$/, '');
  return op.info.kind === 'extern' && op.sig.returns === 'self' && !declared.has(plain) ? plain : op.name;
};
const declared = new Set<string>();

/** The C++ functions of an op: [signature, is in place]. */
export function variants(op: Op): Signature[] {
  if (op.derived) return [];
  const out = [op.sig];
  if (op.inplace) out.push(inplaceSig(op.sig));
  return out;
}

/** Tells `traceName` the names of all ops. */
export function declareNames(ops: readonly Op[]): void {
  for (const o of ops) declared.add(o.name);
}

/** Whether eager code has a kernel written by hand for a composite. */
export const hasKernel = (op: Op): boolean => op.record.kind === 'composite' && op.record.kernel === true;
