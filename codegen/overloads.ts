// Functions of several forms: a record with `overloadOf` is one form of the function of that name, the op of that name (if there is
// one) the plain form. Both emitters of public functions read the groups from here, TypeScript's and C++'s.
import { inplaceSig } from './emitters/cpp_variants.js';
import type { Op } from './load.js';
import type { Signature } from './schema.js';

export interface Overload {
  /** `max`; `scatter_` where forms have in-place variants. */
  readonly name: string;
  /** In the order in which they are tried. */
  readonly forms: readonly { readonly op: Op; readonly sig: Signature }[];
  /** Whether there is a method, a function of the root: as the plain form's record says. */
  readonly method: boolean;
  readonly function: boolean;
}

/** How many arguments a form cannot do without, by position or by name. */
const required = (s: Signature): number => s.params.filter((p) => p.default === undefined).length;
/** Lists of numbers take a single number as well: a form that wants one is asked later than a form that wants a number. */
const takesList = (s: Signature): number =>
  s.params.filter((p) => p.default === undefined && /^\w+\[\]$/.test(p.type)).length;

/** The overloaded functions, by name. */
export function overloadsOf(ops: readonly Op[]): Overload[] {
  const declared = ops.filter((o) => !o.derived);
  const names = [...new Set(declared.flatMap((o) => o.record.overloadOf ?? []))].sort();
  return names.flatMap((name) => {
    const plain = declared.find((o) => o.name === name);
    const members = [...declared.filter((o) => o.record.overloadOf === name), ...(plain ? [plain] : [])];
    const group = (mine: readonly Op[], sigOf: (o: Op) => Signature, suffix: string): Overload => ({
      name: name + suffix,
      forms: mine
        .map((op) => ({ op, sig: sigOf(op) }))
        .sort((a, b) => required(b.sig) - required(a.sig) || takesList(a.sig) - takesList(b.sig)),
      method: plain?.record.method !== false,
      function: plain?.record.function !== false && suffix === '',
    });
    const inplace = members.filter((o) => o.inplace);
    return [
      group(members, (o) => o.sig, ''),
      ...(inplace.some((o) => o.record.overloadOf) ? [group(inplace, (o) => inplaceSig(o.sig), '_')] : []),
    ];
  });
}
