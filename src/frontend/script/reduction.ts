// The source of a user's reduction (start values, combine, join, finish) becomes a fold over the names of src/ir/fold.ts.
import {
  accumulation,
  inputName,
  isIdempotent,
  neutralOf,
  otherName,
  stateName,
  type FoldBody,
} from '../../ir/fold.js';
import { arg, binary, substitute, type Expr } from '../../ir/scalar.js';
import { ValueError } from '../../tensor/errors.js';
import { lowerScalarFunction, type HelperSource, type LoweredFunction } from './scalar.js';

export interface ReductionSource {
  readonly name: string;
  readonly init: number | boolean | readonly (number | boolean)[];
  readonly combine: string;
  readonly join?: string | undefined;
  readonly finish?: string | undefined;
  readonly helpers: HelperSource;
}
export interface LoweredReduction {
  readonly body: FoldBody;
  /** The user's names of the operands. */
  readonly inputs: readonly string[];
}

/** @throws ValueError where the parts do not fit together; ScalarSyntaxError for code that is not scalar */
export function lowerReduction(source: ReductionSource): LoweredReduction {
  const { name } = source;
  const fail = (why: string): never => {
    throw new ValueError(`${name}: ${why}`);
  };
  const read = (text: string): LoweredFunction => lowerScalarFunction(text, source.helpers);
  const init: readonly (number | boolean)[] = typeof source.init === 'object' ? source.init : [source.init];
  for (const v of init)
    if (typeof v !== 'number' && typeof v !== 'boolean') fail(`init must be numbers or booleans, got ${typeof v}`);
  const count = init.length;
  const values = `${count} start value${count === 1 ? '' : 's'}`;

  const own = init.map((_, k) => stateName(k));
  /** Names of a state parameter's values. A pattern may leave out the last ones. */
  const stateOf = (f: LoweredFunction, at: number, what: string, to: readonly string[]): [string, string][] => {
    const p = f.parameters[at];
    if (p === undefined || p.names.length > count || (count > 1 && !p.isPattern))
      fail(
        `${what}${count > 1 ? `; write it as [${init.map((_, k) => String.fromCharCode(97 + (k % 26))).join(', ')}]` : ''}, got (${f.params.join(', ')})`,
      );
    return p!.names.map((n, k) => [n, to[k]!]);
  };
  const rename = (list: readonly Expr[], names: readonly (readonly [string, string])[]): Expr[] => {
    const by = new Map(names.map(([from, to]) => [from, arg(to)]));
    return list.map((e) => substitute(e, by));
  };
  /** Names of the parameters after the state: plain ones. */
  const plain = (f: LoweredFunction, from: number): readonly string[] =>
    f.parameters
      .slice(from)
      .map((p) => (p.isPattern ? fail(`only the state may be a pattern, got (${f.params.join(', ')})`) : p.names[0]!));

  const c = read(source.combine);
  if (c.results.length !== count) fail(`init has ${values}, but combine gives ${c.results.length}`);
  const form = `combine takes the state (${values}) and then one parameter for each tensor`;
  const states = stateOf(c, 0, form, own);
  const rest = plain(c, 1);
  const inputs = rest.at(-1) === 'index' ? rest.slice(0, -1) : rest;
  if (inputs.length === 0) fail(`${form}, got (${c.params.join(', ')})`);
  const combine = rename(c.results, [
    ...states,
    ...rest.map((p, k) => [p, k < inputs.length ? inputName(k) : 'index'] as const),
  ]);

  const finish = ((): Expr[] => {
    if (source.finish === undefined) return own.map(arg);
    const f = read(source.finish);
    const what = `finish takes the state (${values}) and the number of elements`;
    const [n, ...more] = plain(f, 1);
    if (more.length > 0) fail(`${what}, got (${f.params.join(', ')})`);
    return rename(f.results, [...stateOf(f, 0, what, own), ...(n === undefined ? [] : [[n, 'n'] as const])]);
  })();

  const given = ((): Expr[] | null => {
    if (source.join === undefined) return null;
    const j = read(source.join);
    const what = `join takes two states (${values} each) and gives one`;
    if (j.results.length !== count || j.parameters.length !== 2) fail(`${what}, got (${j.params.join(', ')})`);
    return rename(j.results, [
      ...stateOf(j, 0, what, own),
      ...stateOf(
        j,
        1,
        what,
        own.map((_, k) => otherName(k)),
      ),
    ]);
  })();

  const found = own.map((_, k) => accumulation(combine, k));
  const start = [...init];
  const late = new Map<string, Expr>();
  found.forEach((a, k) => {
    if (a === null || given !== null) return;
    // Every stretch starts anew: a start value that would then count several times enters at the end, once.
    const neutral = neutralOf(a.op);
    if (isIdempotent(a.op) || start[k] === neutral) return;
    late.set(own[k]!, binary(a.op, { kind: 'const', value: start[k]! }, arg(own[k]!)));
    start[k] = neutral;
  });
  const join = given ?? found.map((a, k) => a && binary(a.op, arg(own[k]!), arg(otherName(k))));
  return {
    body: { inputs: inputs.length, init: start, combine, join, finish: finish.map((e) => substitute(e, late)) },
    inputs,
  };
}
