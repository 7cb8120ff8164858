// Turns the `call` of an operator's manifest (Python) into a call of this library.
import * as fb from '../../src/index.js';
import { OPS } from '../../generated/ts/ops.js';
import type { Param } from '../../src/ir/opinfo.js';
import { isTensor, PythonFloat } from './values.js';

export interface CallArgs {
  readonly input: unknown;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}
export type Callable = (c: CallArgs) => unknown;

export const camel = (name: string): string =>
  name.replace(/(?<=[a-zA-Z0-9])_+([a-zA-Z0-9])/g, (_, c: string) => c.toUpperCase());

type AnyFunction = (...args: unknown[]) => unknown;
const isFunction = (f: unknown): f is AnyFunction => typeof f === 'function';

/** Python's names that differ from camelCase of themselves here. */
const KWARG_NAMES: Readonly<Record<string, string>> = {};
/** Python keyword arguments that say what holds here anyway. */
const DROPPED: Readonly<Record<string, readonly unknown[]>> = {
  layout: ['strided', null],
  pin_memory: [false, null],
  device: ['cpu', null],
  non_blocking: [false, true],
  memory_format: ['preserve_format', 'contiguous_format'],
};

/** The function that Python's dotted name stands for, or null. */
export function freeFunction(dotted: string): AnyFunction | null {
  const parts = dotted.split('.').map((p, i, all) => (i === all.length - 1 ? camel(p) : p));
  let at: unknown = fb;
  for (const part of parts) {
    if ((typeof at !== 'object' && typeof at !== 'function') || at === null) return null;
    at = (at as Record<string, unknown>)[part];
  }
  return isFunction(at) ? at : null;
}

export function method(name: string): ((self: unknown, ...args: unknown[]) => unknown) | null {
  const f = (fb.Tensor.prototype as unknown as Record<string, unknown>)[camel(name)];
  return isFunction(f) ? (self, ...args) => f.apply(self, args) : null;
}

const hasProperty = (name: string): boolean =>
  Object.getOwnPropertyDescriptor(fb.Tensor.prototype, name)?.get !== undefined;

/** How to run a manifest's call; null where the library has no such operator. */
export function resolve(call: string, op: string): Callable | null {
  const special = SPECIAL[call];
  if (special) return special();
  const property = /^input\.(\w+)$/.exec(call);
  if (property) {
    const name = property[1]!;
    return hasProperty(name) ? ({ input }) => (input as Record<string, unknown>)[name] : null;
  }
  const parsed = /^(torch|input)\.([\w.]+)\((.*)\)$/.exec(call);
  if (!parsed) return null;
  const [, base, name, list] = parsed as unknown as [string, string, string, string];
  const params = OPS[camel(op.split('.').at(-1)!)]?.params ?? [];
  const places = list.split(',').map((s) => s.trim());
  if (base === 'input') {
    const f = method(name);
    return f && ((c) => f(c.input, ...argumentsOf(places, c, params.slice(1))));
  }
  const free = freeFunction(name);
  if (free) return (c) => free(...argumentsOf(places, c, params));
  const f = name.includes('.') ? null : method(name);
  if (!f || places[0] !== 'input') return null;
  return (c) => {
    if (!isTensor(c.input)) throw new TypeError(`${op} is a method here and the input is no tensor`);
    return f(c.input, ...argumentsOf(places.slice(1), c, params.slice(1)));
  };
}

/** The method form `input.NAME(*args, **kwargs)`; in place with a trailing underscore. */
export function resolveMethod(op: string, inplace: boolean): Callable | null {
  const f = method(inplace ? `${op}_` : op);
  const params = (OPS[camel(op)]?.params ?? []).slice(1);
  return f && ((c) => f(c.input, ...argumentsOf(['*args', '**kwargs'], c, params)));
}

const SPECIAL: Readonly<Record<string, () => Callable | null>> = {
  'input[args[0]]': () => (c) => {
    const t = c.input as fb.Tensor;
    const index = c.args[0];
    const isTuple = Array.isArray(index) && index.some((i) => typeof i !== 'number');
    return t.index(...((isTuple ? index : [index]) as Parameters<fb.Tensor['index']>));
  },
  'a copy of input filled with args[0]; the gradient of input is zero': () => {
    const fill = method('fill_');
    return (
      fill &&
      ((c) => fill((c.input as fb.Tensor).clone(), ...argumentsOf(['args[0]'], c, (OPS.fill_?.params ?? []).slice(1))))
    );
  },
  'torch.zero_(input.clone())': () => {
    const zero = method('zero_');
    return zero && ((c) => zero((c.input as fb.Tensor).clone()));
  },
  'torch.ops.aten.slice.Tensor(input, *args, **kwargs)': () => {
    const f = method('slice');
    return f && ((c) => f(c.input, ...argumentsOf(['*args', '**kwargs'], c, (OPS.slice?.params ?? []).slice(1))));
  },
};

/** Lays out Python's argument list ('input', '*args', 'args[0]', '*args[1:]', '**kwargs'). */
function argumentsOf(places: readonly string[], c: CallArgs, params: readonly Param[]): unknown[] {
  const list: unknown[] = [];
  for (const place of places) {
    if (place === 'input') list.push(c.input);
    else if (place === '*args') list.push(...c.args);
    else if (/^args\[\d+\]$/.test(place)) list.push(c.args[Number(place.slice(5, -1))]);
    else if (/^\*args\[\d+:\]$/.test(place)) list.push(...c.args.slice(Number(place.slice(6, -2))));
    else if (place !== '**kwargs' && place !== '') throw new Error(`cannot read the call's argument '${place}'`);
  }
  const values = list.map((v, i) => plain(v, params[i]));
  const options = places.includes('**kwargs') ? optionsOf(c.kwargs, params) : {};
  // Required parameters are positional here, also where Python names them.
  for (
    let p = params[values.length];
    p && p.default === undefined && Object.hasOwn(options, p.name);
    p = params[values.length]
  ) {
    values.push(options[p.name]);
    delete options[p.name];
  }
  if (Object.keys(options).length > 0) values.push(options);
  return values;
}

function optionsOf(kwargs: CallArgs['kwargs'], params: readonly Param[]): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(kwargs)) {
    if (DROPPED[key]?.includes(value)) continue;
    const name = KWARG_NAMES[key] ?? camel(key);
    options[name] = plain(
      value,
      params.find((p) => p.name === name),
    );
  }
  return options;
}

/** A Python float that is a whole number keeps being a float where promotion looks at it. */
function plain(value: unknown, param: Param | undefined): unknown {
  if (Array.isArray(value)) return value.map((v) => plain(v, undefined));
  if (!(value instanceof PythonFloat)) return value;
  const promotes =
    param === undefined || param.type === 'Operand' || param.type === 'Scalar' || param.type === 'Scalar?';
  return promotes ? floatScalar(value.value) : value.value;
}

const floatScalar = (value: number): unknown => {
  const make = (fb as unknown as Record<string, unknown>).floatScalar;
  return isFunction(make) ? make(value) : value;
};
