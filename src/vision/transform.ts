// What a transform is: a function of one image that may also know how to do a batch at once and how to cross to a thread.
import type { WorkerSource } from '../data/worker_source.js';
import type { Tensor } from '../tensor/handle.js';

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
  constructor() {
    const self = ((image: I): O => self.forward(image)) as unknown as this;
    delete (self as { name?: string }).name;
    delete (self as { length?: number }).length;
    Object.setPrototypeOf(self, new.target.prototype as object);
    return self;
  }
  abstract forward(image: I): O;
  abstract toString(): string;
}
export interface Transform<I, O> {
  (image: I): O;
}
