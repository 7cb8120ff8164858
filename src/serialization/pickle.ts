// The values of pickles on the way in: what the instructions build before it is known whether a dict becomes an object or a
// Map, and before tensors exist.

/** A Python dict. Keys keep their order; two equal keys: the last one counts. */
export class PyDict {
  readonly map = new Map<unknown, unknown>();
}

/** A Python set. */
export class PySet {
  readonly items = new Set<unknown>();
}

/**
 * A name that a pickle may use: the only things that can be called. `call` gets the arguments of a REDUCE (or NEWOBJ);
 * `build` the state of a BUILD on what `call` gave.
 */
export class PyGlobal {
  constructor(
    readonly name: string,
    readonly call: ((args: readonly unknown[]) => unknown) | null,
    readonly build: ((object: unknown, state: unknown) => void) | null = null,
  ) {}
}

/** Something that becomes a value of the library when the whole pickle is read; equal objects give one value. */
export abstract class Deferred {
  abstract make(): unknown;
}

/**
 * A Python float that is a whole number: not an integer where a file must give one. Other floats need no mark.
 */
export class WholeFloat extends Deferred {
  constructor(readonly value: number) {
    super();
  }
  override make(): number {
    return this.value;
  }
}
export const pyFloat = (x: number): number | WholeFloat => (Number.isInteger(x) ? new WholeFloat(x) : x);

/**
 * The library's value of what a pickle built: dicts whose keys are all strings become plain objects (every key an own property,
 * `__proto__` included), other dicts Maps; lists and tuples arrays; sets Sets. What was shared stays shared, cycles too.
 * Depth costs no stack. `fail` is told of values that only make sense inside a pickle.
 */
export function finish(root: unknown, fail: (reason: string) => never): unknown {
  const done = new Map<unknown, unknown>();
  const todo: (() => void)[] = [];
  const convert = (x: unknown): unknown => {
    if (typeof x !== 'object' || x === null || x instanceof Uint8Array) return x;
    if (done.has(x)) return done.get(x);
    let out: unknown;
    if (Array.isArray(x)) {
      out = x;
      todo.push(() => {
        for (let i = 0; i < x.length; i++) (x as unknown[])[i] = convert((x as unknown[])[i]);
      });
    } else if (x instanceof PyDict) {
      out = dictOf(x, convert, todo);
    } else if (x instanceof PySet) {
      const set = new Set();
      out = set;
      todo.push(() => {
        for (const item of x.items) set.add(convert(item));
      });
    } else if (x instanceof Deferred) {
      out = x.make();
    } else if (Object.getPrototypeOf(x) === Object.prototype || x instanceof Map || x instanceof Set) {
      out = x; // of the user's own making (addSafeGlobals)
    } else {
      return fail(
        `it holds ${x instanceof PyGlobal ? `the name ${x.name}` : `a ${x.constructor.name}`} where a value is expected`,
      );
    }
    done.set(x, out);
    return out;
  };
  const result = convert(root);
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) next();
  return result;
}

function dictOf(x: PyDict, convert: (x: unknown) => unknown, todo: (() => void)[]): unknown {
  if ([...x.map.keys()].every((k) => typeof k === 'string')) {
    const out: Record<string, unknown> = {};
    todo.push(() => {
      for (const [k, v] of x.map as Map<string, unknown>) {
        Object.defineProperty(out, k, { value: convert(v), writable: true, enumerable: true, configurable: true });
      }
    });
    return out;
  }
  const out = new Map();
  todo.push(() => {
    for (const [k, v] of x.map) out.set(convert(k), convert(v));
  });
  return out;
}
