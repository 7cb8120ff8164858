// The Tensor class: the generated methods (one per op) plus what needs JavaScript: properties, conversion, indexing,
// differentiation, printing, iteration.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { defaultGenerator, INT63, type Generator } from '../random.js';
import {
  checkDevice,
  DTYPES,
  dtypeCode,
  getDefaultDtype,
  isFloatingDtype,
  itemSize,
  type Device,
  type DType,
} from './dtype.js';
import { AutogradError, DTypeError, ShapeError } from './errors.js';
import { GradFn, type RemovableHandle } from './grad_fn.js';
import { checkTensor, operandOf, type GeneratorArg } from './args.js';
import { setTensorClass, TensorBase, wrap, type Handle } from './handle.js';
import { tensor, type NestedArray, type TypedArray } from './create.js';
import { TensorGeometry } from './geometry.js';
import { unique, uniqueConsecutive, type UniqueOptions } from './unique.js';
import { getIndex, putIndex, type IndexItem } from './indexing.js';
import { storageArray, toNumpy, type NdArray } from './interop.js';
import { tensorToString } from './print.js';
import { lu } from './products.js';
import { noteReplaced } from './replaced.js';

export type { RemovableHandle };

export type Scalar = number | boolean | bigint;
export interface BackwardOptions {
  gradient?: Tensor | null;
  /** Keep the graph for another backward. Default: the value of createGraph. */
  retainGraph?: boolean;
  /** Record the backward pass itself, for higher derivatives. */
  createGraph?: boolean;
  /** Accumulate into these leaves only. */
  inputs?: readonly Tensor[];
}
export interface BernoulliOptions {
  /** Source of the numbers; the default generator when absent. */
  generator?: GeneratorArg | null;
}
export interface ToOptions {
  dtype?: DType | null;
  device?: Device | null;
  /** A new tensor even when nothing changes. */
  copy?: boolean;
  nonBlocking?: boolean;
}
const LEGACY_NAMES: Readonly<Record<DType, string>> = {
  float32: 'FloatTensor',
  float64: 'DoubleTensor',
  float16: 'HalfTensor',
  bfloat16: 'BFloat16Tensor',
  int8: 'CharTensor',
  int16: 'ShortTensor',
  int32: 'IntTensor',
  int64: 'LongTensor',
  uint8: 'ByteTensor',
  bool: 'BoolTensor',
};

/** A multi-dimensional array of one dtype. Make one with `tensor`, `zeros`, `rand`, ...; never with `new`. */
export class Tensor extends TensorGeometry {
  // ---- reading values ----

  /** The single value: boolean for bool, bigint for int64 beyond 2^53, else number. Throws unless there is exactly one element. */
  item(): number {
    return native.item(this._h) as number;
  }
  /** Nested arrays of the values (a plain value for a 0-d tensor). int64 gives numbers (bigints beyond 2^53), bool booleans. */
  tolist(): NestedArray {
    const flat = native.toTypedArray(this._h);
    const dtype = this.dtype;
    const get: (i: number) => number | boolean | bigint =
      dtype === 'bool'
        ? (i) => flat[i] !== 0
        : dtype === 'int64'
          ? (i) => {
              const v = flat[i] as bigint;
              return v >= -9007199254740991n && v <= 9007199254740991n ? Number(v) : v;
            }
          : (i) => flat[i] as number;
    const { shape } = this;
    let at = 0;
    const build = (d: number): NestedArray =>
      d === shape.length ? get(at++) : Array.from({ length: shape[d]! }, () => build(d + 1));
    return build(0);
  }
  /** Same as tolist. */
  toArray(): NestedArray {
    return this.tolist();
  }
  /** A copy of the values in row-major order. */
  toTypedArray(): TypedArray {
    return native.toTypedArray(this._h);
  }
  /** An ndarray (npm `ndarray`) that shares memory with this tensor; int64 is BigInt64Array. Throws if grad is required. */
  numpy(): NdArray {
    return toNumpy(this);
  }
  /** The typed array over the tensor's whole storage; writes are seen by the tensor. */
  storageArray(): TypedArray {
    return storageArray(this);
  }
  /** JavaScript's number conversion, for tensors of one element. */
  [Symbol.toPrimitive](hint: 'string' | 'number' | 'default'): number | string {
    return hint === 'number' || (hint === 'default' && this.numel() === 1) ? Number(this.item()) : this.toString();
  }
  /** Sub-tensors along the first dimension. */
  *[Symbol.iterator](): IterableIterator<Tensor> {
    const n = this.shape[0];
    if (n === undefined) throw new DTypeError('iteration over a 0-d tensor');
    for (let i = 0; i < n; i++) yield wrap(native.ops.select(this._h, 0, i));
  }
  override toString(): string {
    const dtype = this.dtype;
    return tensorToString({
      shape: this.shape,
      dtype,
      floating: isFloatingDtype(dtype),
      values: native.toTypedArray(this._h),
      defaultDtype: getDefaultDtype(),
      gradFn: this.gradFn?.name ?? null,
      requiresGrad: this.requiresGrad,
    });
  }
  [inspect.custom](): string {
    return native.isDisposed(this._h) ? 'tensor(<disposed>)' : this.toString();
  }
  toJSON(): NestedArray {
    return this.tolist();
  }

  // ---- differentiation ----

  get requiresGrad(): boolean {
    return native.requiresGrad(this._h);
  }
  set requiresGrad(value: boolean) {
    native.setRequiresGrad(this._h, value);
  }
  /** Sets requiresGrad and returns this tensor. */
  requiresGrad_(value = true): this {
    native.setRequiresGrad(this._h, value);
    return this;
  }
  get isLeaf(): boolean {
    return native.isLeaf(this._h);
  }
  /** The gradient that backward accumulated, or null. */
  get grad(): Tensor | null {
    const g = native.grad(this._h);
    return g === null ? null : wrap(g);
  }
  set grad(value: Tensor | null) {
    if (value !== null) {
      if (!this.isSameSize(value)) {
        throw new ShapeError(
          `assigned grad has data of a different size: [${value.shape.join(', ')}] for a tensor of size [${this.shape.join(', ')}]`,
        );
      }
      if (value.dtype !== this.dtype)
        throw new DTypeError(`assigned grad has data of a different type: ${value.dtype} for ${this.dtype}`);
    }
    native.setGrad(this._h, value === null ? null : value._h);
  }
  /** The operation that made this tensor, or null for leaves. */
  get gradFn(): GradFn | null {
    const n = native.gradFn(this._h);
    return n === null ? null : new GradFn(n);
  }
  /** The same values outside of the graph. Assigning replaces the values, dtype and shape in place of the old ones. */
  get data(): Tensor {
    return wrap(native.ops.detach(this._h));
  }
  set data(value: Tensor) {
    const wanted = this.requiresGrad && this.isLeaf;
    const old = this._h;
    const g = native.grad(old);
    const h = native.ops.detach(value._h);
    if (wanted) native.setRequiresGrad(h, true);
    if (g !== null && native.dtype(g) === native.dtype(h) && String(native.shape(g)) === String(native.shape(h)))
      native.setGrad(h, g);
    noteReplaced(old);
    this._replace(h);
  }
  /**
   * Gradients of this tensor with respect to the leaves, added to their `.grad`.
   * Throws AutogradError without a gradient for more than one element, or when the graph was freed.
   */
  backward(gradient?: Tensor | BackwardOptions | null, options: BackwardOptions = {}): void {
    const o = gradient === null || gradient === undefined || gradient instanceof TensorBase ? options : gradient;
    const g = gradient instanceof TensorBase ? gradient : (o.gradient ?? null);
    const create = o.createGraph ?? false;
    const retain = o.retainGraph ?? create;
    const inputs = o.inputs === undefined ? null : o.inputs.map((t) => t._h);
    native.backward([this._h], [g === null ? null : g._h], inputs, retain, create, inputs !== null, true);
  }
  /** Keep `.grad` of a tensor that is no leaf. */
  retainGrad(): void {
    if (!this.requiresGrad) throw new AutogradError("can't retain_grad on Tensor that has requires_grad=False");
    native.retainGrad(this._h);
  }
  /** Calls `hook` with each gradient of this tensor; a returned tensor replaces it. */
  registerHook(hook: (grad: Tensor) => Tensor | null | undefined | void): RemovableHandle {
    if (!this.requiresGrad) throw new AutogradError("cannot register a hook on a tensor that doesn't require gradient");
    const remove = native.registerHook(this._h, (g: Handle) => hook(wrap(g))?._h ?? null);
    return { remove };
  }
  /** Whether retainGrad() was called on this tensor and it is no leaf. */
  get retainsGrad(): boolean {
    return native.retainsGrad(this._h);
  }
  /** Which result of its gradFn this tensor is; 0 for leaves. */
  get outputNr(): number {
    return this.requiresGrad ? native.gradientEdge(this._h)[1] : 0;
  }
  /**
   * Calls `hook(this)` after a backward pass has added to `.grad` of this leaf: the place for an optimizer step per parameter.
   * @throws AutogradError when this is no leaf that requires grad
   */
  registerPostAccumulateGradHook(hook: (param: this) => void): RemovableHandle {
    if (!this.requiresGrad) throw new AutogradError("cannot register a hook on a tensor that doesn't require gradient");
    if (!this.isLeaf) throw new AutogradError('post accumulate grad hooks cannot be registered on non-leaf tensors');
    const [node] = native.gradientEdge(this._h);
    return {
      remove: native.nodeHook(
        node,
        () => {
          hook(this);
          return undefined;
        },
        false,
      ),
    };
  }
  /** Makes this tensor a leaf without history. */
  detach_(): this {
    this._replace(native.ops.detach(this._h));
    return this;
  }

  // ---- conversion ----

  /** To another dtype and/or device, or to those of another tensor. Returns this tensor when nothing changes. */
  to(target: DType | Device | Tensor | ToOptions, options: ToOptions = {}): Tensor {
    let o: ToOptions;
    if ((typeof target !== 'string' && typeof target !== 'object') || target === null) {
      throw new DTypeError(
        `to(): expected a dtype, a device, a Tensor or options, got ${target === null ? 'null' : typeof target}`,
      );
    }
    if (typeof target === 'string') {
      o = (DTYPES as readonly string[]).includes(target)
        ? { ...options, dtype: target as DType }
        : { ...options, device: target };
    } else if (target instanceof TensorBase) {
      o = { ...options, dtype: target.dtype, device: target.device };
    } else o = target;
    checkDevice(o.device ?? undefined);
    if (o.dtype === null || o.dtype === undefined || o.dtype === this.dtype)
      return o.copy === true ? this.clone() : this;
    return wrap(native.ops.toDtype(this._h, dtypeCode(o.dtype)));
  }
  float(): Tensor {
    return this.to('float32');
  }
  double(): Tensor {
    return this.to('float64');
  }
  half(): Tensor {
    return this.to('float16');
  }
  bfloat16(): Tensor {
    return this.to('bfloat16');
  }
  char(): Tensor {
    return this.to('int8');
  }
  short(): Tensor {
    return this.to('int16');
  }
  int(): Tensor {
    return this.to('int32');
  }
  long(): Tensor {
    return this.to('int64');
  }
  byte(): Tensor {
    return this.to('uint8');
  }
  bool(): Tensor {
    return this.to('bool');
  }
  /** Name of the legacy constructor of this dtype ('FloatTensor'); with a dtype or such a name, the tensor converted to it. */
  type(): string;
  type(dtype: DType | string): Tensor;
  type(dtype?: DType | string): string | Tensor {
    if (dtype === undefined) return LEGACY_NAMES[this.dtype];
    const known = Object.entries(LEGACY_NAMES).find(([, name]) => dtype.replace(/^(torch|fb)\./, '') === name);
    return this.to((known?.[0] ?? dtype) as DType);
  }
  typeAs(other: Tensor): Tensor {
    checkTensor('typeAs', other);
    return this.to(other.dtype);
  }
  cpu(): Tensor {
    return this;
  }
  /** Throws DeviceError: this build has no CUDA. */
  cuda(): Tensor {
    return this.to('cuda');
  }

  // ---- shapes and indices ----

  /** Python's x[items]: integers, slice(a, b), 'a:b', null (new axis), '...', masks, index tensors, lists. Throws IndexError. */
  index(...items: IndexItem[]): Tensor {
    return getIndex(this, items);
  }
  /** Python's x[items] = values (+= with `accumulate`). */
  indexPut_(
    items: readonly IndexItem[],
    values: Tensor | number | boolean,
    options: { accumulate?: boolean } | boolean = {},
  ): this {
    putIndex(this, items, values, typeof options === 'boolean' ? options : (options.accumulate ?? false));
    return this;
  }
  /** A copy with x[items] = values (+= with `accumulate`). */
  indexPut(
    items: readonly IndexItem[],
    values: Tensor | number | boolean,
    options: { accumulate?: boolean } | boolean = {},
  ): Tensor {
    return this.clone().indexPut_(items, values, options);
  }
  /** Where the elements are that are not zero: [count, ndim], or with `asTuple` one index tensor per dimension, as `index` takes them. */
  nonzero(options?: { asTuple?: false }): Tensor;
  nonzero(options: { asTuple: boolean }): Tensor[];
  nonzero(options: { asTuple?: boolean } = {}): Tensor | Tensor[] {
    if (options.asTuple !== true) return wrap(native.ops.nonzero(this._h));
    return (this.ndim === 0 ? this.unsqueeze(0) : this).nonzero().unbind(1);
  }
  /** True when some element equals the value (Python's `in`). */
  includes(value: Tensor | number | boolean): boolean {
    return Boolean(
      this.eq(typeof value === 'boolean' ? Number(value) : value)
        .any()
        .item(),
    );
  }
  /** This tensor where `condition` is true, `other` elsewhere. */
  where(condition: Tensor, other: Tensor | number): Tensor {
    checkTensor('where', condition);
    return wrap(native.ops.where(condition._h, this._h, operandOf(other)));
  }

  // ---- distinct elements ----

  /** LU factors and pivots of matrices and, with getInfos, the first zero pivot of each; see linalg.luFactor. */
  lu(pivot: boolean | { pivot?: boolean; getInfos?: boolean } = true, getInfos = false): Tensor[] {
    return lu(this, pivot, getInfos);
  }
  /** Distinct elements, sorted; with `dim` distinct slices. See `fb.unique`. */
  unique(options?: UniqueOptions & { returnInverse?: false; returnCounts?: false }): Tensor;
  unique(options: UniqueOptions): Tensor | Tensor[];
  unique(options: UniqueOptions = {}): Tensor | Tensor[] {
    return unique(this, options);
  }
  /** Elements (with `dim`: slices) without repeated neighbours. See `fb.uniqueConsecutive`. */
  uniqueConsecutive(options?: UniqueOptions & { returnInverse?: false; returnCounts?: false }): Tensor;
  uniqueConsecutive(options: UniqueOptions): Tensor | Tensor[];
  uniqueConsecutive(options: UniqueOptions = {}): Tensor | Tensor[] {
    return uniqueConsecutive(this, options);
  }

  // ---- comparison as a whole ----

  /** True when shapes and all values are equal. */
  equal(other: Tensor): boolean {
    return (
      this.isSameSize(other) &&
      (this.numel() === 0 || Boolean(native.item(native.ops.all(native.ops.eq(this._h, other._h), null, false))))
    );
  }
  /** True when |this - other| <= atol + rtol * |other| everywhere. */
  allclose(other: Tensor, options: { rtol?: number; atol?: number; equalNan?: boolean } = {}): boolean {
    checkTensor('allclose', other);
    const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options ?? {};
    const a = this.detach().double();
    const b = other.detach().double();
    let close = a.eq(b).logicalOr(a.sub(b).abs().le(b.abs().mul(rtol).add(atol)).logicalAnd(b.isfinite()));
    if (equalNan) close = close.logicalOr(a.isnan().logicalAnd(b.isnan()));
    return Boolean(close.all().item());
  }

  // ---- random, in place ----

  /** Integers in [from, to); without a range all that the dtype holds exactly. */
  random_(from: number | null = null, to: number | null = null, options: { generator?: Generator | null } = {}): this {
    const g = (options.generator ?? defaultGenerator())._g;
    const dtype = this.dtype;
    const exact: Partial<Record<DType, number>> = {
      float32: 2 ** 24 + 1,
      float64: 2 ** 53 + 1,
      float16: 2 ** 11 + 1,
      bfloat16: 2 ** 8 + 1,
      bool: 2,
      uint8: 256,
    };
    const top = exact[dtype] ?? 2 ** (8 * itemSize(dtype) - 1);
    if (from === null) {
      if (dtype === 'int64') {
        // 2^63 values: drawn around zero, where both ends are exact numbers, then shifted.
        native.ops.randint_(this._h, ...INT63, g);
        native.ops.add_(this._h, 2n ** 62n, 1);
      } else native.ops.randint_(this._h, 0, top, g);
    } else native.ops.randint_(this._h, to === null ? 0 : from, to ?? from, g);
    return this;
  }

  /** Ones with probability p (a number, or a tensor of one probability per element), zeros else. */
  bernoulli_(p: number | Tensor = 0.5, options: BernoulliOptions = {}): this {
    const g = options.generator?._g ?? null;
    if (p instanceof TensorBase) native.ops.copy_(this._h, native.ops.bernoulliOf(p.expand(this.shape)._h, g));
    else native.ops.bernoulli_(this._h, p, g);
    return this;
  }

  // ---- a JavaScript function per element: slow, for the odd case ----

  /** Every element replaced by `f` of it, in row-major order. */
  apply_(f: (x: number) => number): this {
    return this.#rewrite((x) => f(x[0]!), [this]);
  }
  /** Every element replaced by `f` of it and the element of `other` (broadcast) at its place. */
  map_(other: Tensor, f: (x: number, y: number) => number): this {
    return this.#rewrite((x) => f(x[0]!, x[1]!), [this, other.expand(this.shape)]);
  }
  #rewrite(f: (x: readonly number[]) => number, sources: readonly Tensor[]): this {
    if (this.requiresGrad)
      throw new AutogradError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.");
    const lists = sources.map((t) => native.toTypedArray(t._h));
    const values = Array.from({ length: this.numel() }, (_, i) => f(lists.map((l) => Number(l[i]))));
    return this.copy_(tensor(values, { dtype: this.dtype }).reshape(this.shape));
  }

  // ---- memory ----

  /** Frees the native tensor now; using this object afterwards throws. Storage goes when no view needs it. */
  dispose(): void {
    native.dispose(this._h);
  }
  get isDisposed(): boolean {
    return native.isDisposed(this._h);
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

setTensorClass(Tensor);
