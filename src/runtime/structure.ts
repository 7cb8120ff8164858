// Arguments and results of any shape: arrays, plain objects, nested, with tensors at the leaves. Flattening gives the tensors
// in order and a key that describes everything else; equal keys mean the same program may serve.
import { native } from '../native.js';
import { isTensor, wrap, type Tensor } from '../tensor/handle.js';

export interface Flat {
  readonly tensors: Tensor[];
  /** Structure and the values of all leaves that are not tensors. A tensor given twice is marked. */
  readonly key: string;
}

const identities = new WeakMap<object, number>();
let nextIdentity = 0;
/** Objects that cannot be described by value (modules, functions, class instances) are guarded by identity. */
function identity(x: object): number {
  let id = identities.get(x);
  if (id === undefined) identities.set(x, (id = nextIdentity++));
  return id;
}

const isPlain = (x: object): boolean => {
  const proto: unknown = Object.getPrototypeOf(x);
  return proto === Object.prototype || proto === null;
};

/** Flattens arguments. @throws TypeError for a structure that contains itself. */
export function flatten(args: readonly unknown[]): Flat {
  const tensors: Tensor[] = [];
  const key = args.map((a) => describe(a, tensors, 0)).join(',');
  return { tensors, key };
}

function describe(x: unknown, tensors: Tensor[], depth: number): string {
  if (depth > 64) throw new TypeError('compile: arguments nest deeper than 64 levels (or contain themselves)');
  if (isTensor(x)) {
    const before = tensors.indexOf(x);
    tensors.push(x);
    return before < 0 ? 'T' : `T=${before}`;
  }
  switch (typeof x) {
    case 'number':
      return Object.is(x, -0) ? 'n-0' : `n${x}`;
    case 'string':
      return JSON.stringify(x);
    case 'bigint':
      return `${x}n`;
    case 'boolean':
    case 'undefined':
      return String(x);
    case 'symbol':
      return `s${String(x)}`;
    case 'function':
      return `#${identity(x)}`;
    case 'object':
      if (x === null) return 'null';
      if (Array.isArray(x)) return `[${x.map((e) => describe(e, tensors, depth + 1)).join(',')}]`;
      if (!isPlain(x)) return `#${identity(x)}`;
      return `{${Object.entries(x)
        .map(([k, v]) => `${JSON.stringify(k)}:${describe(v, tensors, depth + 1)}`)
        .join(',')}}`;
  }
}

/** A result with its tensors replaced by positions; everything else is kept as it was when it was recorded. */
export type Template =
  | { readonly kind: 'tensor'; readonly index: number }
  /** An argument itself: the caller gets back the tensor that was passed. */
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'value'; readonly value: unknown }
  /** A view of an argument or of a tensor from outside: made again over the memory of that tensor. */
  | ViewTemplate
  | { readonly kind: 'array'; readonly items: readonly Template[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, Template])[] };

export interface ViewTemplate {
  readonly kind: 'view';
  readonly of: { readonly input: number } | { readonly value: Tensor };
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Elements from the first element of the tensor that is viewed to that of the view. */
  readonly offset: number;
  /** The view requires grad where its base does. */
  readonly attached: boolean;
}

/** How `t` looks at the memory of `base`; null when it is no view of it. */
export function viewTemplate(t: Tensor, base: Tensor, of: ViewTemplate['of']): ViewTemplate | null {
  const [h, b] = [t._h, base._h];
  if (!native.sharesStorage(h, b) || native.dtype(h) !== native.dtype(b)) return null;
  return {
    kind: 'view',
    of,
    shape: native.shape(h),
    strides: native.strides(h),
    offset: native.offset(h) - native.offset(b),
    attached: native.requiresGrad(h),
  };
}
function viewOf(t: ViewTemplate, inputs: readonly Tensor[]): Tensor {
  const base = 'input' in t.of ? inputs[t.of.input]! : t.of.value;
  const h = native.ops.asStrided(base._h, t.shape, t.strides, native.offset(base._h) + t.offset);
  return wrap(t.attached ? h : native.ops.detach(h));
}

/**
 * Takes a result apart; tensors that appear twice are one output. `special` may say what else a tensor is (an argument, a
 * tensor from outside): it is no output then.
 */
export function templateOf(
  result: unknown,
  tensors: Tensor[] = [],
  special: (t: Tensor) => Template | null = () => null,
): Template {
  const go = (x: unknown): Template => {
    if (isTensor(x)) {
      const other = special(x);
      if (other !== null) return other;
      let index = tensors.indexOf(x);
      if (index < 0) index = tensors.push(x) - 1;
      return { kind: 'tensor', index };
    }
    if (Array.isArray(x)) return { kind: 'array', items: x.map(go) };
    if (typeof x === 'object' && x !== null && isPlain(x))
      return { kind: 'object', entries: Object.entries(x).map(([k, v]) => [k, go(v)] as const) };
    return { kind: 'value', value: x };
  };
  return go(result);
}

/** Replaces the outputs of a template. */
export function mapTemplate(t: Template, f: (index: number) => Template): Template {
  switch (t.kind) {
    case 'tensor':
      return f(t.index);
    case 'array':
      return { kind: 'array', items: t.items.map((i) => mapTemplate(i, f)) };
    case 'object':
      return { kind: 'object', entries: t.entries.map(([k, v]) => [k, mapTemplate(v, f)] as const) };
    case 'input':
    case 'value':
    case 'view':
      return t;
  }
}

/** Puts a result together again. */
export function fill(t: Template, tensors: readonly Tensor[], inputs: readonly Tensor[] = []): unknown {
  switch (t.kind) {
    case 'tensor':
      return tensors[t.index];
    case 'input':
      return inputs[t.index];
    case 'value':
      return t.value;
    case 'view':
      return viewOf(t, inputs);
    case 'array':
      return t.items.map((i) => fill(i, tensors, inputs));
    case 'object':
      return Object.fromEntries(t.entries.map(([k, v]) => [k, fill(v, tensors, inputs)]));
  }
}

/** Describes a template, for the comparison of two recordings. */
export function templateKey(t: Template): string {
  switch (t.kind) {
    case 'tensor':
      return `T${t.index}`;
    case 'input':
      return `I${t.index}`;
    case 'value':
      return typeof t.value === 'object' && t.value !== null
        ? `#${identity(t.value)}`
        : typeof t.value === 'function'
          ? `#${identity(t.value)}`
          : `${typeof t.value}:${String(t.value)}`;
    case 'view':
      return `V${'input' in t.of ? t.of.input : `#${native.storageId(t.of.value._h)}+${native.offset(t.of.value._h)}`}:${[t.shape, t.strides, t.offset, t.attached].join(';')}`;
    case 'array':
      return `[${t.items.map(templateKey).join(',')}]`;
    case 'object':
      return `{${t.entries.map(([k, v]) => `${JSON.stringify(k)}:${templateKey(v)}`).join(',')}}`;
  }
}
