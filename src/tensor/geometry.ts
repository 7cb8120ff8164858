// What a tensor is and how it lies in memory: sizes, strides, dtype, device, the transposes that are properties, and the methods
// that change a tensor object's own geometry. Tensor (tensor.ts) extends it.
import { native } from '../native.js';
import { TensorMethods } from '../../generated/ts/methods.js';
import { checkTensor } from './args.js';
import {
  empty,
  emptyStrided,
  full,
  ones,
  tensor,
  zeros,
  type TensorData,
  type TensorOptions,
  type TypedArray,
} from './create.js';
import { dtypeName, isFloatingDtype, itemSize, type Device, type DType } from './dtype.js';
import { AutogradError, DTypeError, IndexError, ShapeError } from './errors.js';
import type { Handle, Tensor } from './handle.js';
import { storageArray } from './interop.js';
import { sizeArgs, type SizeArgs } from './size_args.js';

export abstract class TensorGeometry extends TensorMethods {
  #shape: readonly number[] | null = null;

  // ---- what it is ----

  /** Sizes of the dimensions. */
  get shape(): readonly number[] {
    return (this.#shape ??= native.shape(this._h));
  }
  get dtype(): DType {
    return dtypeName(native.dtype(this._h));
  }
  get device(): Device {
    return native.device(this._h);
  }
  get ndim(): number {
    return this.shape.length;
  }
  /** Size of the first dimension. Throws for a 0-d tensor. */
  get length(): number {
    const n = this.shape[0];
    if (n === undefined) throw new DTypeError('len() of a 0-d tensor');
    return n;
  }
  /** Bytes of one element. */
  get itemsize(): number {
    return itemSize(this.dtype);
  }
  get nbytes(): number {
    return this.numel() * this.itemsize;
  }
  dim(): number {
    return this.shape.length;
  }
  ndimension(): number {
    return this.shape.length;
  }
  /** The shape, or the size of one dimension (negative: from the end). */
  size(): readonly number[];
  size(dim: number): number;
  size(dim?: number): readonly number[] | number {
    return dim === undefined ? this.shape : this.shape[this.#wrapDim(dim)]!;
  }
  /** Steps between elements, per dimension. */
  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): readonly number[] | number {
    const s = native.strides(this._h);
    return dim === undefined ? s : s[this.#wrapDim(dim)]!;
  }
  numel(): number {
    return native.numel(this._h);
  }
  nelement(): number {
    return native.numel(this._h);
  }
  elementSize(): number {
    return itemSize(this.dtype);
  }
  storageOffset(): number {
    return native.offset(this._h);
  }
  isContiguous(): boolean {
    return native.isContiguous(this._h);
  }
  isFloatingPoint(): boolean {
    return isFloatingDtype(this.dtype);
  }
  isSameSize(other: Tensor): boolean {
    checkTensor('isSameSize', other);
    return this.shape.length === other.shape.length && this.shape.every((s, i) => s === other.shape[i]);
  }
  #wrapDim(dim: number): number {
    const n = this.shape.length;
    const last = Math.max(n, 1);
    if (!Number.isInteger(dim) || dim < -last || dim >= last || n === 0) {
      throw new IndexError(
        n === 0
          ? `Dimension specified as ${dim} but tensor has no dimensions`
          : `Dimension out of range (expected to be in range of [${-last}, ${last - 1}], but got ${dim})`,
      );
    }
    return dim < 0 ? dim + n : dim;
  }

  get isCpu(): boolean {
    return this.device === 'cpu';
  }
  get isCuda(): boolean {
    return this.device.startsWith('cuda');
  }
  /** Always false: tensors without memory do not exist here. */
  get isMeta(): boolean {
    return false;
  }
  /** How the elements lie in memory: always by strides. */
  get layout(): 'strided' {
    return 'strided';
  }
  /** Number of the CUDA device, -1 for the CPU. */
  getDevice(): number {
    return this.isCuda ? Number(this.device.split(':')[1] ?? 0) : -1;
  }
  isSigned(): boolean {
    return this.dtype !== 'bool' && this.dtype !== 'uint8';
  }
  /** Without CUDA no memory is page-locked. */
  isPinned(): boolean {
    return false;
  }
  /** The tensor itself: without CUDA there is no page-locked memory to copy to. */
  pinMemory(): Tensor {
    return this.#self;
  }
  /** Same storage, offset, sizes and strides. */
  isSetTo(other: Tensor): boolean {
    checkTensor('isSetTo', other);
    return (
      native.sharesStorage(this._h, other._h) &&
      this.storageOffset() === other.storageOffset() &&
      this.isSameSize(other) &&
      String(this.stride()) === String(other.stride())
    );
  }
  /** Address of the first element's storage plus its offset in bytes: equal for tensors that begin at the same place. */
  dataPtr(): number {
    return native.storageId(this._h) + this.storageOffset() * this.itemsize;
  }
  /** The typed array over the tensor's whole storage, whatever part of it the tensor covers. */
  storage(): TypedArray {
    return storageArray(this.#self);
  }
  get #self(): Tensor {
    return this as unknown as Tensor;
  }

  /** Dimensions in reverse order. */
  get T(): Tensor {
    return this.permute(this.shape.map((_, i) => this.shape.length - 1 - i));
  }
  /** The last two dimensions swapped. */
  get mT(): Tensor {
    if (this.ndim === 0) return this.#self;
    if (this.ndim < 2)
      throw new ShapeError(
        `tensor.mT is only supported on matrices or batches of matrices. Got ${this.ndim}-D tensor.`,
      );
    return this.transpose(-2, -1);
  }

  /** The conjugate transpose of a matrix: for real numbers the transpose. */
  get H(): Tensor {
    if (this.ndim !== 0 && this.ndim !== 2)
      throw new ShapeError(`tensor.H is only supported on matrices (2-D tensors). Got ${this.ndim}-D tensor.`);
    return this.ndim === 0 ? this.#self : this.transpose(0, 1);
  }
  /** The last two dimensions swapped (and conjugated: real numbers stay). */
  get mH(): Tensor {
    if (this.ndim === 1)
      throw new ShapeError('tensor.mH is only supported on matrices or batches of matrices. Got 1-D tensor.');
    return this.mT;
  }

  expandAs(other: Tensor): Tensor {
    checkTensor('expandAs', other);
    return this.expand(other.shape);
  }
  viewAs(other: Tensor): Tensor {
    checkTensor('viewAs', other);
    return this.view(other.shape);
  }
  reshapeAs(other: Tensor): Tensor {
    checkTensor('reshapeAs', other);
    return this.reshape(other.shape);
  }

  // ---- changing the object's own geometry ----

  _replace(h: Handle): void {
    this._h = h;
    this.#shape = null;
  }
  override _adopt(h: Handle): void {
    native.checkInplace(this._h, 'view');
    this._replace(h);
  }
  /** Another shape in place. Elements beyond the old ones are uninitialised; the storage grows where it must. */
  resize_(...size: number[] | [size: readonly number[]]): this {
    const [shape] = sizeArgs<object>('resize_', size);
    if (native.requiresGrad(this._h)) throw new AutogradError('cannot resize variables that require grad');
    const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * Math.max(b, 1), 1));
    const count = shape.reduce((a, b) => a * b, 1);
    const offset = this.storageOffset();
    const capacity = native.storageBytes(this._h) / this.itemsize;
    let base = this._h;
    if (count > 0 && offset + count > capacity) {
      base = empty(offset + count, { dtype: this.dtype })._h;
      const old = native.ops.asStrided(this._h, [capacity], [1], 0);
      native.ops.copy_(native.ops.narrow(base, 0, 0, capacity), old);
    }
    this._replace(native.ops.asStrided(base, shape, strides, offset));
    return this;
  }
  /** `resize_` to another tensor's shape. */
  resizeAs_(other: Tensor): this {
    checkTensor('resizeAs_', other);
    return this.resize_(other.shape);
  }
  /** Makes this tensor another view of source's memory; without a source an empty one. */
  set_(
    source: Tensor | null = null,
    storageOffset = 0,
    size: readonly number[] | null = null,
    stride: readonly number[] | null = null,
  ): this {
    if (source !== null) checkTensor('set_', source);
    if (source !== null && source.dtype !== this.dtype)
      throw new DTypeError(`Could not set tensor of type ${source.dtype} to a tensor of type ${this.dtype}`);
    const from = source ?? empty(0, { dtype: this.dtype });
    if (size === null) this._adopt(native.ops.alias(from._h));
    else {
      const strides = stride ?? size.map((_, d) => size.slice(d + 1).reduce((a, b) => a * b, 1));
      this._adopt(native.ops.asStrided(from._h, size, strides, storageOffset));
    }
    return this;
  }

  // ---- new tensors of this one's dtype ----

  newTensor(data: TensorData, o: TensorOptions = {}): Tensor {
    return tensor(data, { dtype: this.dtype, ...o });
  }
  newZeros(...args: SizeArgs<TensorOptions>): Tensor {
    const [shape, o] = sizeArgs<TensorOptions>('newZeros', args);
    return zeros(shape, { dtype: this.dtype, ...o });
  }
  newOnes(...args: SizeArgs<TensorOptions>): Tensor {
    const [shape, o] = sizeArgs<TensorOptions>('newOnes', args);
    return ones(shape, { dtype: this.dtype, ...o });
  }
  newEmpty(...args: SizeArgs<TensorOptions>): Tensor {
    const [shape, o] = sizeArgs<TensorOptions>('newEmpty', args);
    return empty(shape, { dtype: this.dtype, ...o });
  }
  /** Uninitialised, with any strides. */
  newEmptyStrided(size: readonly number[], stride: readonly number[], o: TensorOptions = {}): Tensor {
    return emptyStrided(size, stride, { dtype: this.dtype, ...o });
  }
  newFull(size: readonly number[], fillValue: number, o: TensorOptions = {}): Tensor {
    return full(size, fillValue, { dtype: this.dtype, ...o });
  }
}
