// Storages and tensors of a PyTorch checkpoint before they exist: every number that the file gives is checked against the
// storage before memory is taken, and tensors over one storage share it.
import { native } from '../native.js';
import { Parameter } from '../nn/parameter.js';
import { dtypeCode, isFloatingDtype, itemSize, DTYPES, type DType } from '../tensor/dtype.js';
import { unwrap, wrap, type Tensor } from '../tensor/handle.js';
import { quote, type Fail } from './errors.js';
import { Deferred } from './pickle.js';

const MAX_DIMS = 64;

/** A class such as torch.FloatStorage; `dtype` null: bytes, the tensors say what they are. */
export class StorageType {
  constructor(
    readonly name: string,
    readonly dtype: DType | null,
  ) {}
}

/** The bytes of one storage, read once the first tensor asks for it. */
export class Storage {
  private flat: Tensor | null = null;
  private dtype: DType | null;

  /** `numel` elements of `type` (bytes when untyped). `read` fills memory of exactly `bytes` bytes. */
  constructor(
    readonly key: string,
    readonly type: StorageType,
    readonly location: string,
    readonly numel: number,
    private readonly read: (target: Uint8Array, width: number) => void,
    private readonly fail: Fail,
  ) {
    this.dtype = type.dtype;
  }
  get bytes(): number {
    return this.numel * (this.type.dtype === null ? 1 : itemSize(this.type.dtype));
  }
  /** Elements as tensors of `dtype` count them. An untyped storage takes the dtype of its first tensor. */
  elements(dtype: DType): number {
    this.dtype ??= dtype;
    if (this.dtype !== dtype) this.fail(`storage ${quote(this.key)} is used as ${this.dtype} and as ${dtype}`);
    return Math.floor(this.bytes / itemSize(dtype));
  }
  /** All elements in one dimension. */
  tensor(): Tensor {
    if (this.flat !== null) return this.flat;
    const dtype = this.dtype!;
    const width = itemSize(dtype);
    const h = native.ops.empty([Math.floor(this.bytes / width)], dtypeCode(dtype));
    if (native.numel(h) > 0) {
      const target = new Uint8Array(native.buffer(h), 0, native.numel(h) * width);
      this.read(target, width);
      if (dtype === 'bool') for (let i = 0; i < target.length; i++) if (target[i]! > 1) target[i] = 1;
    }
    return (this.flat = wrap(h));
  }
}

/** A part of a storage that the oldest files name as a storage of its own. */
export class StorageView {
  constructor(
    readonly root: Storage,
    readonly offset: number,
    readonly numel: number,
  ) {}
}

interface Rebuild {
  readonly storage: unknown;
  readonly offset: unknown;
  readonly size: unknown;
  readonly stride: unknown;
  readonly requiresGrad: unknown;
  /** For untyped storages. */
  readonly dtype: DType | null;
}

/** What `_rebuild_tensor_v2` describes. */
export class DeferredTensor extends Deferred {
  readonly storage: Storage;
  private readonly dtype: DType;
  private readonly offset: number;
  private readonly size: readonly number[];
  private readonly stride: readonly number[];
  private readonly requiresGrad: boolean;
  private parameter: boolean | null = null;
  private made: Tensor | null = null;

  constructor(
    r: Rebuild,
    name: string,
    private readonly fail: Fail,
  ) {
    super();
    const bad: Fail = (what) => fail(`${name}: ${what}`);
    const view = r.storage instanceof StorageView ? r.storage : null;
    const storage = view === null ? r.storage : view.root;
    if (!(storage instanceof Storage)) bad('its first argument is no storage');
    const dtype = storage.type.dtype ?? r.dtype;
    if (!DTYPES.includes(dtype!)) bad(`a tensor over ${storage.type.name} needs a dtype`);
    this.dtype = dtype!;
    this.size = integers(r.size, 'size', bad);
    this.stride = integers(r.stride, 'stride', bad);
    const offset = integers([r.offset], 'offset', bad)[0]!;
    if (this.size.length !== this.stride.length)
      bad(`${this.size.length} sizes and ${this.stride.length} strides do not fit`);
    if (this.size.length > MAX_DIMS) bad(`${this.size.length} dimensions, at most ${MAX_DIMS} are allowed`);
    const available = storage.elements(this.dtype);
    const limit = view === null ? available : Math.min(view.numel, available - view.offset);
    checkExtent(offset, this.size, this.stride, limit, storage.key, bad);
    this.storage = storage;
    this.offset = offset + (view?.offset ?? 0);
    if (typeof r.requiresGrad !== 'boolean') bad('requires_grad is no bool');
    this.requiresGrad = r.requiresGrad as boolean;
    if (this.requiresGrad) this.checkGrad();
  }

  /** The same tensor as an nn.Parameter. */
  asParameter(requiresGrad: boolean): DeferredTensor {
    const copy = Object.assign(Object.create(DeferredTensor.prototype) as DeferredTensor, this);
    copy.parameter = requiresGrad;
    copy.made = null;
    if (requiresGrad) this.checkGrad();
    return copy;
  }
  private checkGrad(): void {
    if (!isFloatingDtype(this.dtype))
      this.fail(`a tensor of dtype ${this.dtype} is said to require a gradient: only floating point tensors can`);
  }

  override make(): Tensor {
    if (this.made !== null) return this.made;
    const flat = this.storage.tensor();
    const t = wrap(native.ops.asStrided(unwrap(flat), [...this.size], [...this.stride], this.offset));
    if (this.parameter !== null) this.made = new Parameter(t, this.parameter);
    else {
      if (this.requiresGrad) native.setRequiresGrad(unwrap(t), true);
      this.made = t;
    }
    return this.made;
  }
}

function integers(x: unknown, what: string, bad: Fail): readonly number[] {
  if (!Array.isArray(x)) return bad(`its ${what} is no tuple`);
  for (const n of x as unknown[]) {
    if (typeof n !== 'number' || !Number.isSafeInteger(n) || Object.is(n, -0))
      bad(`its ${what} holds ${typeof n === 'string' ? quote(n) : typeof n === 'object' ? 'no integer' : String(n)}`);
    if ((n as number) < 0) bad(`its ${what} holds the negative number ${String(n)}`);
  }
  return x as number[];
}

/** The last element must lie inside; in exact arithmetic, since products wrap in 64 bits and round beyond 2^53. */
function checkExtent(
  offset: number,
  size: readonly number[],
  stride: readonly number[],
  available: number,
  key: string,
  bad: Fail,
): void {
  const numel = size.reduce((n, s) => n * BigInt(s), 1n);
  if (numel > BigInt(Number.MAX_SAFE_INTEGER)) bad(`its shape [${size.join(', ')}] is too large`);
  const reach = size.reduce((n, s, i) => n + BigInt(Math.max(s - 1, 0)) * BigInt(stride[i]!), BigInt(offset));
  const needed = numel === 0n ? BigInt(offset) : reach + 1n;
  if (needed > BigInt(available)) {
    bad(
      `shape [${size.join(', ')}], strides [${stride.join(', ')}] and offset ${offset} need ${needed} elements, ` +
        `storage ${quote(key)} has ${available}`,
    );
  }
}
