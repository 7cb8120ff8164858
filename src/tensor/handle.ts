// The least a tensor is: an object around a native handle. Generated methods and hand-written modules meet here, so that
// neither has to import the other: `wrap` makes a Tensor through a constructor that tensor.ts sets when it loads.
import type { Tensor } from './tensor.js';

export type { Tensor };

/** A native tensor as JavaScript sees it: a Node-API external. Opaque. */
export type Handle = object;

/** What every tensor object has. */
export abstract class TensorBase {
  /** The native tensor. Internal: use `unwrap`. */
  _h: Handle;

  constructor(h: Handle) {
    this._h = h;
  }

  /** Makes another native tensor (a view of this one, mostly) the one that this object stands for. Internal. */
  abstract _adopt(h: Handle): void;
}

type Ctor = new (h: Handle) => Tensor;
let ctor: Ctor | undefined;
/** Tensors made inside the innermost `tidy`, or null outside of one. */
let created: Tensor[] | null = null;

/** Called once by tensor.ts. */
export function setTensorClass(c: Ctor): void {
  ctor = c;
}

/** A new tensor object around a handle that a native call returned. */
export function wrap(h: Handle): Tensor {
  const t = new ctor!(h);
  if (created !== null) created.push(t);
  return t;
}

/** The handle of a tensor. */
export function unwrap(t: TensorBase): Handle {
  return t._h;
}

/** The handle of a tensor that may be absent. */
export function unwrapOptional(t: TensorBase | null | undefined): Handle | null {
  return t === null || t === undefined ? null : t._h;
}

/** Swaps the list that collects new tensors (see tidy.ts); returns the previous one. */
export function collectCreated(list: Tensor[] | null): Tensor[] | null {
  const before = created;
  created = list;
  return before;
}

/** True for tensors (and parameters). */
export function isTensor(x: unknown): x is Tensor {
  return x instanceof TensorBase;
}
