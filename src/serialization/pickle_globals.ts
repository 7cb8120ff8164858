// The names that a pickle of a checkpoint may use, and what each does here. Names are compared exactly, module and name; all
// others are refused with what to do instead. Nothing here runs code of the file: calls build values out of values.
import type { DType } from '../tensor/dtype.js';
import { quote, type Fail } from './errors.js';
import { arrayLayout, tensorOfLayout, type ArrayLayout } from './npy.js';
import { Deferred, PyDict, PyGlobal, PySet } from './pickle.js';
import { DeferredTensor, StorageType } from './storage.js';

/** A name of the user's own that checkpoints may use: see `addSafeGlobals`. */
export type SafeGlobal = (...args: unknown[]) => unknown;

const userGlobals = new Map<string, SafeGlobal>();

/**
 * Lets checkpoints use more names: `'my_module.MyClass'` → the function that gets the arguments and returns the value. Only list
 * functions that are harmless whatever they are called with: the file decides about the arguments.
 * @example fb.serialization.addSafeGlobals({ 'argparse.Namespace': () => ({}) })
 */
export function addSafeGlobals(globals: Readonly<Record<string, SafeGlobal>>): void {
  for (const [name, f] of Object.entries(globals)) userGlobals.set(name, f);
}
export function getSafeGlobals(): Record<string, SafeGlobal> {
  return Object.fromEntries(userGlobals);
}
export function clearSafeGlobals(): void {
  userGlobals.clear();
}
/** `addSafeGlobals` while `body` runs. */
export function safeGlobals<T>(globals: Readonly<Record<string, SafeGlobal>>, body: () => T): T {
  const before = new Map(userGlobals);
  addSafeGlobals(globals);
  try {
    return body();
  } finally {
    userGlobals.clear();
    for (const [name, f] of before) userGlobals.set(name, f);
  }
}

const DTYPES: Readonly<Record<string, DType>> = {
  float32: 'float32',
  float: 'float32',
  float64: 'float64',
  double: 'float64',
  float16: 'float16',
  half: 'float16',
  bfloat16: 'bfloat16',
  int8: 'int8',
  int16: 'int16',
  short: 'int16',
  int32: 'int32',
  int: 'int32',
  int64: 'int64',
  long: 'int64',
  uint8: 'uint8',
  bool: 'bool',
};
const STORAGES: Readonly<Record<string, DType>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  CharStorage: 'int8',
  ShortStorage: 'int16',
  IntStorage: 'int32',
  LongStorage: 'int64',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

/** Names that are known and not supported, with the reason. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ...['ComplexFloatStorage complex64', 'ComplexDoubleStorage complex128'].map((s): [string, string] => {
    const [name, dtype] = s.split(' ') as [string, string];
    return [`torch.${name}`, `a tensor of dtype ${dtype}: complex numbers are not supported`];
  }),
  ...['complex64', 'complex128', 'uint16', 'uint32', 'uint64'].map((d): [string, string] => [
    `torch.${d}`,
    `dtype ${d} is not supported`,
  ]),
  ...['QInt8', 'QUInt8', 'QInt32', 'QUInt4x2', 'QUInt2x4'].map((q): [string, string] => [
    `torch.${q}Storage`,
    'quantised tensors are not supported',
  ]),
  ['torch._utils._rebuild_qtensor', 'quantised tensors are not supported'],
  ['torch._utils._rebuild_sparse_tensor', 'sparse tensors are not supported'],
  ['torch._utils._rebuild_sparse_csr_tensor', 'sparse tensors are not supported'],
  ['torch._utils._rebuild_nested_tensor', 'nested tensors are not supported'],
  ['torch._utils._rebuild_meta_tensor_no_storage', 'tensors on the meta device have no values'],
  ['torch.storage._load_from_bytes', 'storages inside a pickle of their own are not read'],
  ['builtins.complex', 'complex numbers are not supported'],
  ['__builtin__.complex', 'complex numbers are not supported'],
]);

/** The table of one file. */
export class Globals {
  private readonly table = new Map<string, unknown>();

  constructor(private readonly fail: Fail) {
    this.python();
    this.torch();
    this.numpy();
  }

  find(module: string, name: string): unknown {
    const full = `${module}.${name}`;
    // Names with dots in them could be read in two ways; no name on the list has one.
    if (!name.includes('.')) {
      if (this.table.has(full)) return this.table.get(full);
      const reason = UNSUPPORTED.get(full);
      if (reason !== undefined) return this.fail(`it holds ${full}: ${reason}`);
    }
    const own = userGlobals.get(full);
    if (own !== undefined) return new PyGlobal(full, (args) => own(...args));
    return this.fail(`it uses the name ${quote(full)}, which checkpoints may not use${cureFor(module)}`);
  }

  private add(names: string | readonly string[], call: PyGlobal['call'], build: PyGlobal['build'] = null): void {
    for (const name of typeof names === 'string' ? [names] : names)
      this.table.set(name, new PyGlobal(name, call, build));
  }
  private bad(name: string): never {
    return this.fail(`${name} is called with the wrong arguments`);
  }

  private python(): void {
    const dict = (name: string, items: unknown): PyDict => {
      const out = new PyDict();
      if (items instanceof PyDict) for (const [k, v] of items.map) out.map.set(k, v);
      else if (Array.isArray(items)) {
        for (const pair of items) {
          if (!Array.isArray(pair) || pair.length !== 2) this.bad(name);
          out.map.set((pair as unknown[])[0], (pair as unknown[])[1]);
        }
      } else if (items !== undefined && items !== null) this.bad(name);
      return out;
    };
    // A state dict's `_metadata` (versions of modules) is an attribute, not content.
    const metadata = (_: unknown, state: unknown): void => {
      if (!(state instanceof PyDict) || [...state.map.keys()].some((k) => k !== '_metadata'))
        this.fail('an OrderedDict has attributes other than _metadata');
    };
    for (const name of ['collections.OrderedDict', 'collections.Counter'])
      this.add(name, (args) => (args.length > 1 ? this.bad(name) : dict(name, args[0])), metadata);
    this.add('collections.defaultdict', (args) => {
      const [factory, items] = args;
      if (args.length > 2 || !(factory === null || factory === undefined || factory instanceof PyGlobal))
        this.bad('collections.defaultdict');
      return dict('collections.defaultdict', items);
    });
    for (const builtins of ['builtins', '__builtin__']) {
      this.add([`${builtins}.set`, `${builtins}.frozenset`], (args) => {
        const out = new PySet();
        if (args.length > 1 || (args.length === 1 && !Array.isArray(args[0]))) this.bad('set');
        for (const item of (args[0] ?? []) as unknown[]) out.items.add(item);
        return out;
      });
      this.add(`${builtins}.bytearray`, (args) =>
        args.length === 0 ? new Uint8Array(0) : args[0] instanceof Uint8Array ? args[0] : this.bad('bytearray'),
      );
      // Only as the factory of a defaultdict.
      for (const type of ['list', 'dict', 'int', 'float', 'str']) this.add(`${builtins}.${type}`, null);
    }
    this.add('_codecs.encode', (args) => {
      const [text, encoding] = args;
      if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1')) this.bad('_codecs.encode');
      if (/[^\u0000-\u00ff]/.test(text as string)) this.bad('_codecs.encode');
      return new Uint8Array(Buffer.from(text as string, 'latin1'));
    });
  }

  private torch(): void {
    for (const [name, dtype] of Object.entries(DTYPES)) this.table.set(`torch.${name}`, dtype);
    for (const [name, dtype] of Object.entries(STORAGES)) {
      this.table.set(`torch.${name}`, new StorageType(name, dtype));
      this.table.set(`torch.cuda.${name}`, new StorageType(name, dtype));
    }
    for (const name of ['torch.storage.UntypedStorage', 'torch.storage._UntypedStorage', 'torch.UntypedStorage'])
      this.table.set(name, new StorageType('UntypedStorage', null));
    this.add('torch.Size', (args) => (args.length === 1 && Array.isArray(args[0]) ? args[0] : this.bad('torch.Size')));
    this.add('torch.device', (args) => {
      const [type, index] = args;
      if (typeof type !== 'string' || !(index === undefined || index === null || Number.isInteger(index)))
        this.bad('torch.device');
      return index === undefined || index === null ? type : `${String(type)}:${String(index)}`;
    });
    const tensor = (name: string, dtypeAt: number | null) => (args: readonly unknown[]) => {
      const dtype = dtypeAt === null ? null : (args[dtypeAt] as DType);
      const [storage, offset, size, stride, requiresGrad = false] = args;
      return new DeferredTensor({ storage, offset, size, stride, requiresGrad, dtype }, name, this.fail);
    };
    this.add('torch._utils._rebuild_tensor', tensor('_rebuild_tensor', null));
    this.add('torch._utils._rebuild_tensor_v2', tensor('_rebuild_tensor_v2', null));
    this.add('torch._utils._rebuild_tensor_v3', tensor('_rebuild_tensor_v3', 6));
    const parameter = (args: readonly unknown[]): DeferredTensor => {
      const [data, requiresGrad] = args;
      if (!(data instanceof DeferredTensor) || typeof requiresGrad !== 'boolean')
        return this.fail('_rebuild_parameter is called with the wrong arguments');
      return data.asParameter(requiresGrad);
    };
    this.add(['torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state'], parameter);
    this.add('torch.serialization._get_layout', (args) =>
      args[0] === 'torch.strided' ? 'strided' : this.fail('only the layout torch.strided is supported'),
    );
  }

  private numpy(): void {
    this.table.set('numpy.ndarray', NDARRAY);
    this.add(
      'numpy.dtype',
      (args) => (typeof args[0] === 'string' ? new NumpyDtype(args[0]) : this.bad('numpy.dtype')),
      (object, state) => {
        const s = state as unknown[];
        if (!Array.isArray(s) || typeof s[1] !== 'string' || (s[3] ?? null) !== null || (s[2] ?? null) !== null)
          this.fail('a numpy.dtype with fields is not supported');
        (object as NumpyDtype).order = s[1] as string;
      },
    );
    for (const core of ['numpy.core', 'numpy._core']) {
      this.add(`${core}.multiarray.scalar`, (args) => {
        const [dtype, data] = args;
        if (!(dtype instanceof NumpyDtype) || !isElements(data)) return this.bad('numpy scalar');
        return new DeferredArray(dtype, [], false, data, this.fail);
      });
      this.add(
        `${core}.multiarray._reconstruct`,
        (args) => (args[0] === NDARRAY ? new ArraySlot(this.fail) : this.bad('numpy _reconstruct')),
        (object, state) => {
          const [, shape, dtype, fortran, data] = Array.isArray(state) ? (state as unknown[]) : [];
          if (!Array.isArray(shape) || !(dtype instanceof NumpyDtype) || !isElements(data))
            return this.fail('a numpy array of objects or in an unknown form is not supported');
          (object as ArraySlot).array = new DeferredArray(dtype, shape, fortran === true, data, this.fail);
        },
      );
      this.add(`${core}.numeric._frombuffer`, (args) => {
        const [data, dtype, shape, order] = args;
        if (!(data instanceof Uint8Array) || !(dtype instanceof NumpyDtype) || !Array.isArray(shape))
          return this.bad('numpy _frombuffer');
        return new DeferredArray(dtype, shape, order === 'F', data, this.fail);
      });
    }
  }
}

function cureFor(module: string): string {
  if (/^(torch\.nn|torchvision|__main__|torch\.optim)(\.|$)/.test(module))
    return ': the file holds a whole object instead of its state dict; save model.state_dict() in Python';
  return ' (fb.serialization.addSafeGlobals can allow it)';
}

const NDARRAY = new PyGlobal('numpy.ndarray', null);

/** A NumPy dtype: kind and width, and the byte order that BUILD adds. */
class NumpyDtype {
  order = '=';
  constructor(readonly code: string) {}
}

/** Elements in bytes; Python 2 wrote them as a string, read as Latin-1 with one character for each byte. */
type Elements = Uint8Array | string;
const isElements = (x: unknown): x is Elements =>
  x instanceof Uint8Array || (typeof x === 'string' && !/[^\u0000-\u00ff]/.test(x));

/** NumPy's elements: a tensor, without dimensions for a scalar. */
class DeferredArray extends Deferred {
  private readonly layout: ArrayLayout;
  constructor(
    dtype: NumpyDtype,
    shape: readonly unknown[],
    fortran: boolean,
    private readonly data: Elements,
    private readonly fail: Fail,
  ) {
    super();
    const order = dtype.order === '>' ? '>' : '';
    const named: Fail = (reason) =>
      fail(`a numpy ${shape.length === 0 ? 'scalar' : 'array'} cannot be read: ${reason}`);
    this.layout = arrayLayout(order + dtype.code, shape, fortran, named);
    if (this.layout.bytes !== data.length) named(`it has ${data.length} bytes instead of ${this.layout.bytes}`);
  }
  override make(): unknown {
    const { data } = this;
    const fill = (bytes: Uint8Array): void => {
      if (typeof data !== 'string') bytes.set(data);
      else Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).write(data, 'latin1');
    };
    return tensorOfLayout(this.layout, fill, this.fail);
  }
}

/** What `_reconstruct` makes before BUILD fills it. */
class ArraySlot extends Deferred {
  array: DeferredArray | null = null;
  constructor(private readonly fail: Fail) {
    super();
  }
  override make(): unknown {
    return this.array === null ? this.fail('a numpy array was never given its elements') : this.array.make();
  }
}
