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

/** snake_case to camelCase; an underscore between two digits stays (squeezenet1_0). */
export const camel = (name: string): string =>
  name.replace(/(?<=[a-zA-Z0-9])(?!(?<=[0-9])_[0-9])_+([a-zA-Z0-9])/g, (_, c: string) => c.toUpperCase());

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
  memory_format: ['preserve_format', 'preserve', 'contiguous_format', 'contiguous'],
  inplace: [false],
  as_tuple: [false],
  sparse: [false],
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

/** Is it a getter of tensors, their base classes included? */
function hasProperty(name: string, of: object | null = fb.Tensor.prototype): boolean {
  if (of === null) return false;
  return (
    Object.getOwnPropertyDescriptor(of, name)?.get !== undefined ||
    hasProperty(name, Object.getPrototypeOf(of) as object | null)
  );
}

/** An op goes by its name in the table: linalg.solve is linalgSolve, nn.functional.pad is pad. */
const paramsOf = (op: string): readonly Param[] =>
  (OPS[camel(op.replace('nn.functional.', '').replaceAll('.', '_'))] ?? OPS[camel(op.split('.').at(-1)!)])?.params ??
  [];

/** How to run a manifest's call; null where the library has no such operator. */
export function resolve(call: string, op: string): Callable | null {
  const special = SPECIAL[call];
  if (special) return special();
  const property = /^input\.(\w+)$/.exec(call);
  if (property) {
    const name = property[1]!;
    return hasProperty(name) ? ({ input }) => (input as Record<string, unknown>)[name] : null;
  }
  const parsed = /^(torch|input)\.([\w.]+)\(([^()]*)\)(\[0\])?$/.exec(call);
  if (!parsed) return null;
  if (parsed[4]) {
    const all = resolve(call.slice(0, -3), op);
    return all && ((c) => (all(c) as readonly unknown[])[0]);
  }
  const [, base, name, list] = parsed as unknown as [string, string, string, string];
  const params = paramsOf(op);
  const places = list.split(',').map((s) => s.trim());
  if (base === 'input') {
    const f = method(name);
    const adapt = ADAPTERS[name];
    if (f && adapt) return (c) => f(...(adapt(c) as [unknown, ...unknown[]]));
    return f && ((c) => f(c.input, ...argumentsOf(places, c, params.slice(1))));
  }
  const free = freeFunction(name);
  const adapt = ADAPTERS[name];
  if (free && adapt) return (c) => free(...adapt(c));
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
  const adapt = inplace ? undefined : ADAPTERS[op];
  if (f && adapt) return (c) => f(...(adapt(c) as [unknown, ...unknown[]]));
  const all = ((inplace ? OPS[`${camel(op)}_`] : undefined) ?? OPS[camel(op)] ?? OPS[`${camel(op)}_`])?.params ?? [];
  const self = Math.max(
    all.findIndex((p) => p.name === 'self'),
    0,
  );
  const params = all.filter((_, i) => i !== self);
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
    const value = OPS.fill?.params[1];
    return fill && ((c) => fill((c.input as fb.Tensor).clone(), plain(c.args[0] ?? c.kwargs.value, value)));
  },
  'torch.polygamma(n, input), n being args[0] or kwargs.n': () => (c) => polygamma('polygamma', c),
  'torch.special.polygamma(n, input), n being args[0] or kwargs.n': () => (c) => polygamma('special.polygamma', c),
  'torch.zero_(input.clone())': () => {
    const zero = method('zero_');
    return zero && ((c) => zero((c.input as fb.Tensor).clone()));
  },
  // Python users write x[:, start:end:step].
  'torch.ops.aten.slice.Tensor(input, *args, **kwargs)': () => (c) => {
    const { dim = 0, start = null, end = null, step = 1 } = named(c, ['dim', 'start', 'end', 'step']);
    const before = new Array<string>(Number(dim)).fill(':');
    return (c.input as fb.Tensor).index(...before, fb.slice(start as number, end as number, step as number));
  },
  'input.clone().resize_(args[0])': () => (c) => (c.input as fb.Tensor).clone().resize_(c.args[0] as number[]),
  'torch.resize_as_(input.clone(), args[0])': () => (c) =>
    fb.resizeAs_((c.input as fb.Tensor).clone(), c.args[0] as fb.Tensor),
};

/** The order comes first. */
const polygamma = (name: string, c: CallArgs): unknown => freeFunction(name)!(c.args[0] ?? c.kwargs.n, c.input);

/** All arguments of a call by Python's names, the input first. */
function named(c: CallArgs, names: readonly string[]): Record<string, unknown> {
  return { ...c.kwargs, ...Object.fromEntries(c.args.map((a, i) => [names[i] ?? `argument ${i}`, a])) };
}
/** The input, `count` positional arguments, the rest as options: for functions whose positional part is shorter here. */
const shorter =
  (count: number, ...names: string[]) =>
  (c: CallArgs): unknown[] => {
    const all = named(c, names);
    const positional = names.slice(0, count).filter((n) => n in all);
    const list = [c.input, ...positional.map((n) => all[n])];
    for (const n of positional) delete all[n];
    const options = optionsOf(all, []);
    return [...list.map(toNumber), ...(Object.keys(options).length > 0 ? [mapValues(options, toNumber)] : [])];
  };
const toNumber = (v: unknown): unknown => (v instanceof PythonFloat ? v.value : Array.isArray(v) ? v.map(toNumber) : v);
const mapValues = (o: Record<string, unknown>, f: (v: unknown) => unknown): Record<string, unknown> =>
  Object.fromEntries(Object.entries(o).map(([k, v]) => [k, f(v)]));

/** var, std: Python's old overloads (unbiased), (dim, unbiased, keepdim) are `correction` here. */
const variance = (c: CallArgs): unknown[] => {
  const names = typeof c.args[0] === 'boolean' ? ['unbiased'] : ['dim', 'unbiased', 'keepdim'];
  const { unbiased, dim, ...rest } = named(c, names);
  const options = optionsOf(rest, []);
  if (unbiased !== undefined) options.correction = unbiased ? 1 : 0;
  return [c.input, ...(dim === undefined ? [] : [dim]), options];
};

/** arange: a whole Python float anywhere makes a floating result; a user of this library gives the dtype. */
const range = (c: CallArgs): unknown[] => {
  const { dtype, device: _device, layout: _layout, start, end, step, ...rest } = named(c, ['#1', '#2', '#3']);
  const numbers = [c.input, ...(c.args as unknown[]), ...[start, end, step].filter((v) => v !== undefined)];
  const float = numbers.some((n) => n instanceof PythonFloat || (typeof n === 'number' && !Number.isInteger(n)));
  for (const key of ['#1', '#2', '#3']) delete rest[key];
  const options = { ...optionsOf(rest, []), ...(dtype ? { dtype } : float ? { dtype: fb.getDefaultDtype() } : {}) };
  return [...numbers.map((n) => Number(toNumber(n))), options];
};

/** to: Python's positional overloads (device, dtype, non_blocking, copy), (dtype, ...), (other, ...) as options. */
const convert = (c: CallArgs): unknown[] => {
  const isDevice = typeof c.args[0] === 'string' && /^(cpu|cuda)/.test(c.args[0]) && typeof c.args[1] === 'string';
  const isTarget = isTensor(c.args[0]);
  const {
    other,
    non_blocking: _n,
    memory_format: _m,
    ...rest
  } = named(
    c,
    isDevice ? ['device', 'dtype', 'non_blocking', 'copy'] : [isTarget ? 'other' : 'dtype', 'non_blocking', 'copy'],
  );
  return [c.input, isTarget ? { dtype: (other as fb.Tensor).dtype, ...rest } : rest];
};

/** Functions whose arguments a user of this library writes in another form than Python's. */
const ADAPTERS: Readonly<Record<string, (c: CallArgs) => unknown[]>> = {
  arange: range,
  linspace: shorter(2, 'end', 'steps'),
  logspace: shorter(2, 'end', 'steps', 'base'),
  std: variance,
  std_mean: variance,
  var: variance,
  var_mean: variance,
  to: convert,
  sum_to_size: (c) => [c.input, c.args.flat()],
  full_like: shorter(1, 'fill_value'),
  new_full: shorter(2, 'size', 'fill_value'),
  'nn.functional.batch_norm': shorter(
    2,
    'running_mean',
    'running_var',
    'weight',
    'bias',
    'training',
    'momentum',
    'eps',
  ),
  'nn.functional.instance_norm': shorter(
    0,
    'running_mean',
    'running_var',
    'weight',
    'bias',
    'use_input_stats',
    'momentum',
    'eps',
  ),
  'nn.functional.one_hot': shorter(1, 'num_classes'),
  'nn.functional.unfold': shorter(1, 'kernel_size', 'dilation', 'padding', 'stride'),
  'nn.functional.fold': shorter(2, 'output_size', 'kernel_size', 'dilation', 'padding', 'stride'),
  'nn.functional.max_unpool1d': shorter(2, 'indices', 'kernel_size', 'stride', 'padding', 'output_size'),
  'nn.functional.max_unpool2d': shorter(2, 'indices', 'kernel_size', 'stride', 'padding', 'output_size'),
  'nn.functional.max_unpool3d': shorter(2, 'indices', 'kernel_size', 'stride', 'padding', 'output_size'),
};

/** Lays out Python's argument list ('input', '*args', 'args[0]', '*args[1:]', '**kwargs'). */
function argumentsOf(places: readonly string[], c: CallArgs, params: readonly Param[]): unknown[] {
  const list: unknown[] = [];
  for (const place of places) {
    const product = /^(\S+) @ (\S+)\.mT$/.exec(place);
    if (product) {
      const [a, b] = argumentsOf(product.slice(1), c, []) as [fb.Tensor, fb.Tensor];
      list.push(a.matmul(b.transpose(-2, -1)));
    } else if (place === 'input') list.push(c.input);
    else if (place === '*args') list.push(...c.args);
    else if (/^args\[\d+\]$/.test(place)) list.push(c.args[Number(place.slice(5, -1))]);
    else if (/^\*args\[\d+:\]$/.test(place)) list.push(...c.args.slice(Number(place.slice(6, -2))));
    else if (place !== '**kwargs' && place !== '') throw new Error(`cannot read the call's argument '${place}'`);
  }
  // A function that is no op of the table takes plain numbers.
  const values = list.map((v, i) => (params.length > 0 ? plain(v, params[i]) : toNumber(v)));
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
    const param = params.find((p) => p.name === name);
    options[name] = params.length > 0 ? plain(value, param) : toNumber(value);
  }
  return options;
}

/** A Python float that is a whole number keeps being a float where promotion looks at it. */
function plain(value: unknown, param: Param | undefined): unknown {
  if (Array.isArray(value)) {
    const list = param?.type.startsWith('float[');
    return value.map((v) => (list && v instanceof PythonFloat ? v.value : plain(v, undefined)));
  }
  if (!(value instanceof PythonFloat)) return value;
  const promotes =
    param === undefined || param.type.startsWith('Operand') || param.type === 'Scalar' || param.type === 'Scalar?';
  return promotes ? floatScalar(value.value) : value.value;
}

/** A number that is a float for promotion, though it is a whole one: JavaScript cannot tell 2.0 from 2. */
const floatScalar = (value: number): unknown => ({ value, float: true, slot: undefined });
