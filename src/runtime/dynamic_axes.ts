// Axes that the caller names as dynamic: they never get a program of one size, and a function that forces a size is an error.
import type { Graph } from '../ir/graph.js';
import { isSym } from '../ir/dim.js';
import { native } from '../native.js';
import { ValueError } from '../tensor/errors.js';
import { wrap, type Tensor } from '../tensor/handle.js';

/** Per tensor among the arguments, in order, its dynamic axes by number: `[{ 0: 'batch' }, { 0: 'batch', 1: 'length' }]`. */
export type DynamicAxes = readonly (Readonly<Record<number, string>> | null)[];

interface Axis {
  readonly tensor: number;
  readonly axis: number;
  readonly name: string;
}

/** The function does not keep a named axis open. */
export class DynamicAxisError extends ValueError {}

export class NamedAxes {
  private readonly axes: readonly Axis[];
  readonly names: readonly string[];

  /** @throws ValueError for what is no list of axes */
  constructor(
    readonly caller: string,
    declared: DynamicAxes,
  ) {
    this.axes = declared.flatMap((of, tensor) =>
      Object.entries(of ?? {}).map(([axis, name]): Axis => {
        if (!/^-?\d+$/.test(axis) || typeof name !== 'string' || name === '')
          throw new ValueError(
            `${caller}: dynamic: expected a name for each axis ({ 0: 'batch' }), got ${JSON.stringify({ [axis]: name })}`,
          );
        return { tensor, axis: Number(axis), name };
      }),
    );
    if (this.axes.length === 0) throw new ValueError(`${caller}: dynamic names no axis`);
    this.names = [...new Set(this.axes.map((a) => a.name))];
  }

  /** Sizes by name. @throws ValueError where the arguments do not have the axes, or one name has two sizes */
  sizes(tensors: readonly Tensor[]): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>();
    for (const { tensor, axis, name } of this.axes) {
      const shape = tensors[tensor]?.shape;
      if (shape === undefined)
        throw new ValueError(
          `${this.caller}: dynamic: '${name}' is an axis of tensor ${tensor}, but the call has ${tensors.length} tensors`,
        );
      const size = shape.at(axis);
      if (size === undefined || axis < -shape.length)
        throw new ValueError(
          `${this.caller}: dynamic: '${name}' is axis ${axis} of tensor ${tensor}, which has the shape [${shape.join(', ')}]`,
        );
      const before = sizes.get(name);
      if (before !== undefined && before !== size)
        throw new ValueError(
          `${this.caller}: dynamic: '${name}' is ${before} in one tensor and ${size} in tensor ${tensor}`,
        );
      sizes.set(name, size);
    }
    return sizes;
  }

  /** Tensors like these at other sizes along the axes, a different one for each name and round; filled with zeros. */
  elsewhere(tensors: readonly Tensor[], round: number): Tensor[] {
    const sizes = this.sizes(tensors);
    return tensors.map((t, i) => {
      const shape = [...t.shape];
      for (const { tensor, axis, name } of this.axes) {
        const k = this.names.indexOf(name);
        const place = axis < 0 ? axis + shape.length : axis;
        if (tensor === i) shape[place] = Math.max(2, sizes.get(name)!) + k + (round + 1) * (2 * k + 1 + round);
      }
      return String(shape) === String(t.shape) ? t : wrap(native.ops.full(shape, 0, native.dtype(t._h)));
    });
  }

  /** The first axis that has one size in the graph; null when all are symbols. */
  fixed(g: Graph): string | null {
    const found = this.axes.find(({ tensor, axis }) => !isSym(g.inputs[tensor]?.type.shape.at(axis)));
    return found?.name ?? null;
  }

  error(reason: string): DynamicAxisError {
    return new DynamicAxisError(
      `${this.caller}: the dynamic axes (${this.names.join(', ')}) cannot stay open: ${reason}`,
    );
  }
}
