// Calls of Python's constructors and functions in module samples: positional arguments stay, required parameters that Python
// names become positional, the other named ones go into the trailing options object.
import * as fb from '../../src/index.js';
import { camel } from './calls.js';
import { PythonFloat } from './values.js';

type AnyFunction = (...args: unknown[]) => unknown;
type AnyClass = new (...args: unknown[]) => unknown;

/** What a dotted name that counts from `torch` stands for here. Throws where there is nothing. */
export function lookUp(dotted: string): AnyFunction | AnyClass {
  let at: unknown = fb;
  for (const part of dotted.split('.')) {
    const name = /^[A-Z]/.test(part) ? part : camel(part);
    at = at === null || at === undefined ? undefined : (at as Record<string, unknown>)[name];
  }
  if (typeof at !== 'function') throw new Error(`there is no '${dotted}' here`);
  return at as AnyFunction;
}

/** Makes the call; a name that starts with a capital is a class. */
export function callPython(
  dotted: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): unknown {
  const f = lookUp(dotted);
  const isClass = /^[A-Z]/.test(dotted.split('.').at(-1)!);
  const list = layOut(args, kwargs, isClass ? constructorNames(f as AnyClass) : parameterNames(String(f)));
  if (isClass) return new (f as AnyClass)(...list);
  // Static methods read `this`.
  const owner = dotted.includes('.') ? lookUpOwner(dotted) : undefined;
  return (f as AnyFunction).apply(owner, list);
}

function lookUpOwner(dotted: string): unknown {
  const parts = dotted.split('.').slice(0, -1);
  return /^[A-Z]/.test(parts.at(-1)!) ? lookUp(parts.join('.')) : undefined;
}

/** Arguments of a call of `f` (a forward method). */
export const argumentsFor = (
  f: AnyFunction,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): unknown[] => layOut(args, kwargs, parameterNames(String(f)));

function layOut(
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  names: readonly string[],
): unknown[] {
  const values = args.map(plain);
  const options = Object.fromEntries(Object.entries(kwargs).map(([k, v]) => [camel(k), plain(v)]));
  for (
    let name = names[values.length];
    name !== undefined && Object.hasOwn(options, name);
    name = names[values.length]
  ) {
    values.push(options[name]);
    delete options[name];
  }
  return Object.keys(options).length > 0 ? [...values, options] : values;
}

const plain = (v: unknown): unknown =>
  v instanceof PythonFloat ? v.value : Array.isArray(v) ? (v as unknown[]).map(plain) : v;

/** Names of the parameters of the nearest constructor in the class chain. */
function constructorNames(c: AnyClass): string[] {
  for (let at: unknown = c; typeof at === 'function'; at = Object.getPrototypeOf(at)) {
    const text = /\bconstructor\s*\(/.exec(String(at));
    if (text) return parameterNames(String(at).slice(text.index));
  }
  return [];
}

/** Names of the parameters that come before rest parameters, read from the source of a function. */
function parameterNames(source: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let word = '';
  for (const c of source.slice(source.indexOf('(') + 1)) {
    if ((c === ')' || c === ',') && depth === 0) {
      const name = word.split('=')[0]!.trim();
      if (/^[\w$]+$/.test(name)) names.push(name);
      word = '';
      if (c === ')') break;
      continue;
    }
    if ('([{'.includes(c)) depth++;
    if (')]}'.includes(c)) depth--;
    word += c;
  }
  return names;
}
