// Padding layers: sizes per side, last dimension first, as in PyTorch: [left, right, top, bottom, front, back].
import type { Tensor } from '../tensor/tensor.js';
import { ntuple, py, pyFloat } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

type Pad1 = number | readonly [left: number, right: number];
type Pad2 = number | readonly [left: number, right: number, top: number, bottom: number];
type Pad3 = number | readonly [left: number, right: number, top: number, bottom: number, front: number, back: number];
type AnyPad = number | readonly number[];

abstract class PadNd extends Module {
  readonly padding: readonly number[];
  protected constructor(n: number, padding: AnyPad) {
    super();
    this.padding = ntuple(padding, 2 * n, 'padding');
  }
  override extraRepr(): string {
    return py(this.padding);
  }
}
abstract class ConstantPadNd extends PadNd {
  protected constructor(
    n: number,
    padding: AnyPad,
    readonly value: number,
  ) {
    super(n, padding);
  }
  override forward(input: Tensor): Tensor {
    return F.pad(input, this.padding, { mode: 'constant', value: this.value });
  }
  override extraRepr(): string {
    return `padding=${py(this.padding)}, value=${pyFloat(this.value)}`;
  }
}
const valueOf = (value: number | { value: number }): number => (typeof value === 'number' ? value : value.value);
/** Pads the last dimension with a value. */
export class ConstantPad1d extends ConstantPadNd {
  constructor(padding: Pad1, value: number | { value: number }) {
    super(1, padding, valueOf(value));
  }
}
/** Pads the last 2 dimensions with a value. */
export class ConstantPad2d extends ConstantPadNd {
  constructor(padding: Pad2, value: number | { value: number }) {
    super(2, padding, valueOf(value));
  }
}
/** Pads the last 3 dimensions with a value. */
export class ConstantPad3d extends ConstantPadNd {
  constructor(padding: Pad3, value: number | { value: number }) {
    super(3, padding, valueOf(value));
  }
}
/** Pads the last dimension with zeros; negative sizes cut. */
export class ZeroPad1d extends ConstantPadNd {
  constructor(padding: Pad1) {
    super(1, padding, 0);
  }
  override extraRepr(): string {
    return py(this.padding);
  }
}
/** Pads the last 2 dimensions with zeros; negative sizes cut. */
export class ZeroPad2d extends ConstantPadNd {
  constructor(padding: Pad2) {
    super(2, padding, 0);
  }
  override extraRepr(): string {
    return py(this.padding);
  }
}
/** Pads the last 3 dimensions with zeros; negative sizes cut. */
export class ZeroPad3d extends ConstantPadNd {
  constructor(padding: Pad3) {
    super(3, padding, 0);
  }
  override extraRepr(): string {
    return py(this.padding);
  }
}

abstract class ReflectionPadNd extends PadNd {
  override forward(input: Tensor): Tensor {
    return F.pad(input, this.padding, { mode: 'reflect' });
  }
}
/** Pads the last dimension with elements mirrored at the edge, without the edge itself. */
export class ReflectionPad1d extends ReflectionPadNd {
  constructor(padding: Pad1) {
    super(1, padding);
  }
}
/** Pads the last 2 dimensions with elements mirrored at the edge, without the edge itself. */
export class ReflectionPad2d extends ReflectionPadNd {
  constructor(padding: Pad2) {
    super(2, padding);
  }
}
/** Pads the last 3 dimensions with elements mirrored at the edge, without the edge itself. */
export class ReflectionPad3d extends ReflectionPadNd {
  constructor(padding: Pad3) {
    super(3, padding);
  }
}

abstract class ReplicationPadNd extends PadNd {
  override forward(input: Tensor): Tensor {
    return F.pad(input, this.padding, { mode: 'replicate' });
  }
}
/** Pads the last dimension with elements repeated from the edge. */
export class ReplicationPad1d extends ReplicationPadNd {
  constructor(padding: Pad1) {
    super(1, padding);
  }
}
/** Pads the last 2 dimensions with elements repeated from the edge. */
export class ReplicationPad2d extends ReplicationPadNd {
  constructor(padding: Pad2) {
    super(2, padding);
  }
}
/** Pads the last 3 dimensions with elements repeated from the edge. */
export class ReplicationPad3d extends ReplicationPadNd {
  constructor(padding: Pad3) {
    super(3, padding);
  }
}

abstract class CircularPadNd extends PadNd {
  override forward(input: Tensor): Tensor {
    return F.pad(input, this.padding, { mode: 'circular' });
  }
}
/** Pads the last dimension with elements taken from the other end. */
export class CircularPad1d extends CircularPadNd {
  constructor(padding: Pad1) {
    super(1, padding);
  }
}
/** Pads the last 2 dimensions with elements taken from the other end. */
export class CircularPad2d extends CircularPadNd {
  constructor(padding: Pad2) {
    super(2, padding);
  }
}
/** Pads the last 3 dimensions with elements taken from the other end. */
export class CircularPad3d extends CircularPadNd {
  constructor(padding: Pad3) {
    super(3, padding);
  }
}
