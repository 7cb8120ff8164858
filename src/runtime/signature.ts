// What selects the program of a call: dtypes, shapes, strides and requiresGrad of the tensors among the arguments, which of them share
// memory, the structure around them with the values of all else, and the grad mode.
import { native } from '../native.js';
import { dtypeName } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/handle.js';
import type { Flat } from './structure.js';

/** One tensor among the arguments. */
export interface Described {
  readonly key: string;
  readonly text: string;
  readonly strides: readonly number[];
  /** The key without the sizes; null for layouts that generated programs do not read. */
  readonly family: string | null;
}

/** A call as programs see it. */
export interface CallKind {
  readonly gradEnabled: boolean;
  /** Structure of the arguments and values of those that are no tensors. */
  readonly structure: string;
  /** Which tensors lie in one storage; empty where none do. */
  readonly sharing: string;
  readonly types: readonly Described[];
}

export const callKind = (flat: Flat): CallKind => ({
  gradEnabled: native.gradEnabled(),
  structure: flat.key,
  sharing: overlaps(flat.tensors),
  types: flat.tensors.map(describe),
});

const modeKey = (c: CallKind): string => `${c.gradEnabled ? 'grad' : 'no grad'}|${c.structure}|${c.sharing}`;
export const signatureKey = (c: CallKind): string => [modeKey(c), ...c.types.map((t) => t.key)].join('|');
/** The key without the sizes: calls that one symbolic program may serve. Null: none can. */
export const familyKey = (c: CallKind): string | null =>
  c.types.some((t) => t.family === null) ? null : [modeKey(c), ...c.types.map((t) => t.family)].join('|');
export const signatureText = (c: CallKind): string => c.types.map((t) => t.text).join(', ');

/** Why a call needs a program other than the one of an earlier call: what is different. */
export function signatureChange(before: CallKind, after: CallKind): string {
  const changes: string[] = [];
  if (before.gradEnabled !== after.gradEnabled)
    changes.push(`gradients are ${after.gradEnabled ? 'enabled' : 'disabled'}`);
  if (before.structure !== after.structure)
    changes.push(
      `the arguments besides tensors are (${cut(after.structure)}) instead of (${cut(before.structure)}), T being a tensor`,
    );
  else {
    after.types.forEach((t, i) => {
      const was = before.types[i]!;
      if (t.text !== was.text) changes.push(`tensor ${i} is ${t.text} instead of ${was.text}`);
      else if (t.key !== was.key)
        changes.push(`tensor ${i} has strides [${t.strides.join(', ')}] instead of [${was.strides.join(', ')}]`);
    });
    if (before.sharing !== after.sharing) changes.push('other arguments share memory');
  }
  return changes.join('; ');
}
const cut = (s: string): string => (s.length > 120 ? `${s.slice(0, 117)}...` : s);

/** Which tensors share a storage: a program may not mix them up, its recording knew. */
function overlaps(tensors: readonly Tensor[]): string {
  if (tensors.length < 2) return '';
  const ids = tensors.map((t) => native.storageId(t._h));
  return ids.some((id, i) => ids.indexOf(id) < i) ? ids.map((id) => ids.indexOf(id)).join() : '';
}

function describe(t: Tensor): Described {
  const h = t._h;
  const shape = native.shape(h);
  const strides = native.strides(h);
  const dtype = dtypeName(native.dtype(h));
  const text = `${dtype}[${shape.join(', ')}]`;
  const grad = native.requiresGrad(h) ? '+grad' : '';
  return {
    key: `${text}/${strides.join()}${grad}`,
    text: text + grad,
    strides,
    family: native.isContiguous(h) ? `${dtype}${shape.length}${grad}` : null,
  };
}
