// Functions of several forms (`max()`, `max(dim)`, `max(other)`): the generated tables in generated/ts/overloads.ts say what each
// form takes, the arguments decide.
import type { ParamType } from '../ir/opinfo.js';
import { optionsAmong } from './args.js';
import { DTypeError } from './errors.js';
import { TensorBase } from './handle.js';

export interface Form {
  readonly call: (...args: never[]) => unknown;
  /** The parameters after the tensor that the function is called on; positional ones first. */
  readonly params: readonly (readonly [name: string, type: ParamType, need: 'required' | 'optional' | 'keyword'])[];
}

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

/** The arguments as the form's function takes them (required parameters positional), or null when they do not fit it. */
function laidOut(form: Form, args: readonly unknown[], options: Record<string, unknown> | undefined): unknown[] | null {
  const positional = options === undefined ? args : args.slice(0, args.indexOf(options));
  const places = form.params.filter((p) => p[2] !== 'keyword');
  if (positional.length > places.length) return null;
  const rest = { ...options };
  for (const key of Object.keys(rest)) if (!form.params.some((p) => p[0] === key)) return null;
  const list: unknown[] = [];
  for (const [i, [name, type, need]] of places.entries()) {
    let value = positional[i] ?? undefined;
    if (value === undefined && need === 'required' && rest[name] !== null) {
      value = rest[name];
      delete rest[name];
    }
    if (value === undefined ? need === 'required' : !fits(value, type)) return null;
    list.push(value);
  }
  return [...list.slice(0, Math.max(positional.length, required(form))), rest];
}
const required = (form: Form): number => form.params.filter((p) => p[2] === 'required').length;

/** Calls the first form that the arguments fit. @throws DTypeError when there is none. */
export function callForm(name: string, forms: readonly Form[], self: TensorBase, args: readonly unknown[]): unknown {
  const options = optionsAmong(...args) as Record<string, unknown> | undefined;
  for (const form of forms) {
    const list = laidOut(form, args, options);
    if (list) return form.call(...([self, ...list] as never[]));
  }
  const known = forms.map((f) => `${name}(${f.params.map((p) => `${p[0]}: ${p[1]}`).join(', ')})`);
  throw new DTypeError(`${name}(): the arguments fit none of its forms: ${known.join('; ')}`);
}
