// What a transform is: a function of one image that may also know how to do a batch at once and how to cross to a thread.
import { inspect } from 'node:util';
import type { WorkerSource } from '../../data/worker_source.js';
import type { Tensor } from '../../tensor/handle.js';
import { pyFloat } from '../../tensor/print.js';

/** A function of one image. */
export interface ImageTransform {
  (image: never): unknown;
  /** The same for a batch: images along the first dimension. Present only when it equals the function sample by sample. */
  batch?(images: Tensor): Tensor;
  /** How a worker thread makes the same transform. */
  workerSource?(): WorkerSource | undefined;
}
export const transformSource = (t: ImageTransform): WorkerSource | undefined => t.workerSource?.();

/** Base of transform classes: instances are functions that call `forward`, as modules are. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the interface gives instances their call signature
export abstract class Transform<I, O> {
  /** URL of the file that exports the class, in classes that worker threads can make again from `settings()`. */
  declare static readonly source: string | undefined;

  constructor() {
    const self = ((image: I): O => self.forward(image)) as unknown as this;
    delete (self as { name?: string }).name;
    delete (self as { length?: number }).length;
    Object.setPrototypeOf(self, new.target.prototype as object);
    return self;
  }
  abstract forward(image: I): O;
  /** The constructor's arguments. */
  protected settings(): readonly unknown[] {
    return [];
  }
  /** A subclass of one's own has no source of its own: it cannot cross to a thread. */
  workerSource(): WorkerSource | undefined {
    const made = this.constructor as typeof Transform;
    if (!Object.hasOwn(made, 'source') || made.source === undefined) return undefined;
    const args = sources(this.settings());
    return args === undefined ? undefined : { module: made.source, name: made.name, args: args as unknown[] };
  }
  toString(): string {
    return `${this.constructor.name}(${repr(this.settings())})`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}
export interface Transform<I, O> {
  (image: I): O;
}

/** Settings with `{ source }` for transforms; undefined when a part cannot cross. */
function sources(x: unknown): unknown {
  if (typeof x === 'function') {
    const source = transformSource(x as ImageTransform);
    return source === undefined ? undefined : { source };
  }
  if (Array.isArray(x)) {
    const parts = x.map(sources);
    return x.some((v, i) => v !== undefined && parts[i] === undefined) ? undefined : parts;
  }
  return x;
}

/** Settings as Python prints them: a trailing record becomes keywords. */
function repr(settings: readonly unknown[]): string {
  return settings
    .map((s) =>
      typeof s === 'object' && s !== null && Object.getPrototypeOf(s) === Object.prototype
        ? Object.entries(s)
            .map(([k, v]) => `${k.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}=${value(v)}`)
            .join(', ')
        : value(s),
    )
    .join(', ');
}
function value(v: unknown): string {
  if (v === null || v === undefined) return 'None';
  if (typeof v === 'boolean') return v ? 'True' : 'False';
  if (typeof v === 'number') return Number.isInteger(v) ? String(v) : pyFloat(v);
  if (Array.isArray(v)) return `[${v.map(value).join(', ')}]`;
  return String(v);
}
