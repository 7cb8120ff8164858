// Functions of several forms (`max()`, `max(dim)`, `max(other)`): the generated tables in generated/ts/overloads.ts say what each
// form takes, the arguments decide.
import type { ParamType } from '../ir/opinfo.js';
import { optionsAmong } from './args.js';
import { DTypeError } from './errors.js';
import { TensorBase } from './handle.js';

export interface Form {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- generated functions of any parameters
  readonly call: (self: TensorBase, ...args: any[]) => unknown;
  /** The parameters after the tensor that the function is called on; positional ones first, the required ones of these foremost. */
  readonly params: readonly (readonly [name: string, type: ParamType, need: Need])[];
}
/** Whether a call must give a parameter, and whether the options object is the only place for it. */
type Need = 'required' | 'optional' | 'required-by-name' | 'optional-by-name';

const isNumber = (x: unknown): boolean =>
  typeof x === 'number' || typeof x === 'bigint' || (typeof x === 'object' && x !== null && 'value' in x);
const listOf = (x: unknown, test: (item: unknown) => boolean): boolean => Array.isArray(x) && x.every(test);
const isTensor = (x: unknown): boolean => x instanceof TensorBase;

/** Whether a given argument can be a parameter of this type. */
function fits(x: unknown, type: ParamType): boolean {
  switch (type) {
    case 'Tensor':
    case 'Tensor?':
      return isTensor(x);
    case 'Tensor[]':
    case 'Tensor?[]':
      return listOf(x, (t) => t === null || isTensor(t));
    case 'Operand':
    case 'Operand?':
      return isTensor(x) || isNumber(x) || typeof x === 'boolean';
    case 'Scalar':
    case 'Scalar?':
      return isNumber(x) || typeof x === 'boolean';
    case 'int':
    case 'int?':
    case 'float':
    case 'float?':
      return isNumber(x);
    case 'int[]':
    case 'int[]?':
    case 'float[]':
    case 'float[]?':
      return isNumber(x) || listOf(x, isNumber);
    case 'bool':
    case 'bool?':
      return typeof x === 'boolean';
    case 'string':
    case 'string?':
    case 'dtype':
    case 'dtype?':
      return typeof x === 'string';
    case 'Generator?':
      return typeof x === 'object';
  }
}

/** Whether positional arguments alone make up a call of the form: null leaves an optional one out. On the way of every call. */
function fitsByPosition(params: Form['params'], args: readonly unknown[]): boolean {
  const given = args.length;
  for (let i = 0; i < given; i++) {
    const param = params[i];
    if (param === undefined) return false;
    const x = args[i];
    const need = param[2];
    if (x === undefined || x === null) {
      if (need === 'required' || need === 'required-by-name') return false;
    } else if ((need !== 'required' && need !== 'optional') || !fits(x, param[1])) return false;
  }
  for (let i = given; i < params.length; i++) {
    const need = params[i]![2];
    if (need === 'required' || need === 'required-by-name') return false;
  }
  return true;
}

/** The arguments with required parameters moved from the options to their places; null when they do not fit. */
function laidOut(params: Form['params'], positional: readonly unknown[], options: object): unknown[] | null {
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null) continue;
    if (!params.some((p) => p[0] === key)) return null;
    rest[key] = value;
  }
  const list = [...positional];
  const places = params.filter((p) => !p[2].endsWith('by-name'));
  for (const [i, [name, , need]] of places.entries()) {
    if (need !== 'required' || (list[i] ?? null) !== null) continue;
    list[i] = rest[name];
    delete rest[name];
  }
  for (const [name, type, need] of params)
    if (need === 'required-by-name' && (!(name in rest) || !fits(rest[name], type))) return null;
  return fitsByPosition(places, list) ? [...list, rest] : null;
}

/** Calls the first form that the arguments fit. @throws DTypeError when there is none. */
export function callForm(name: string, forms: readonly Form[], self: TensorBase, args: readonly unknown[]): unknown {
  const options = optionsAmong(...args);
  if (options === undefined) {
    for (const form of forms) if (fitsByPosition(form.params, args)) return form.call(self, ...args);
  } else {
    const positional = args.slice(0, args.indexOf(options));
    for (const form of forms) {
      const list = laidOut(form.params, positional, options);
      if (list) return form.call(self, ...list);
    }
  }
  const known = forms.map((f) => `${name}(${f.params.map((p) => `${p[0]}: ${p[1]}`).join(', ')})`);
  throw new DTypeError(`${name}(): the arguments fit none of its forms: ${known.join('; ')}`);
}
