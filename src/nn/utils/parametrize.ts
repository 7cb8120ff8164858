// nn.utils.parametrize: a parameter or buffer becomes a function of other tensors, which are what is learned and saved.
import { noGrad, type ModeGuard } from '../../autograd/modes.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { isTensor } from '../../tensor/handle.js';
import type { Tensor } from '../../tensor/tensor.js';
import { ModuleDict, ModuleList } from '../container.js';
import { fieldOf, isModule, ownBuffers, removeField, setField } from '../fields.js';
import { type Module } from '../module.js';
import { Buffer, Parameter } from '../parameter.js';

/** A module whose forward gives the tensor; `rightInverse` gives what forward would need for a wanted tensor. */
export type Parametrization = Module & {
  rightInverse?: (value: Tensor) => Tensor | readonly Tensor[];
};
/** What `rightInverse` throws when a tensor cannot be assigned; the present values are kept then. */
export class NotInvertible extends ValueError {}

let caching = 0;
let cache = new WeakMap<Module, Map<string, Tensor>>();

/** Inside, a parametrized tensor is computed once. Takes a callback or is held by `using`. */
export function cached(): ModeGuard;
export function cached<T>(body: () => T): T;
export function cached<T>(body?: () => T): T | ModeGuard {
  caching++;
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    if (--caching === 0) cache = new WeakMap();
  };
  if (body === undefined) return { end, [Symbol.dispose]: end };
  try {
    return body();
  } finally {
    end();
  }
}

/** Keeps a tensor as a parameter when it requires grad or `like` is one, else as a buffer. */
function keep(m: Module, name: string, tensor: Tensor, like: Tensor): void {
  if (like instanceof Parameter) {
    m.registerParameter(name, tensor instanceof Parameter ? tensor : new Parameter(tensor, like.requiresGrad));
  } else {
    m.registerBuffer(name, tensor);
  }
}

/** The parametrizations of one tensor, applied in order, and the original tensors that they start from. */
export class ParametrizationList extends ModuleList<Parametrization> {
  /** How many tensors `original0`, `original1`, ... there are; 0: one, named `original`. */
  readonly ntensors: number;

  constructor(parametrizations: readonly Parametrization[], original: Tensor, unsafe = false) {
    super(parametrizations);
    const start = this.invert(original) ?? original;
    if (isTensor(start)) {
      this.ntensors = 0;
      if (!unsafe && start.dtype !== original.dtype) {
        throw new ValueError(
          `When \`right_inverse\` outputs one tensor, it may not change the dtype.\noriginal.dtype: ${original.dtype}\nright_inverse(original).dtype: ${start.dtype}`,
        );
      }
      // The object stays, so that an optimizer that knows it goes on with it.
      noGrad(() => {
        original.data = start.detach();
      });
      keep(this, 'original', original, original);
    } else {
      this.ntensors = start.length;
      start.forEach((t, i) => {
        keep(this, `original${i}`, t.detach().clone(), original);
      });
    }
    if (unsafe) return;
    const made = this.forward();
    if (!isTensor(made)) throw new ValueError(`A parametrization must return a tensor. Got ${typeof made}.`);
    if (made.dtype !== original.dtype) {
      throw new ValueError(
        'Registering a parametrization may not change the dtype of the tensor, unless the `unsafe` flag is enabled.\n' +
          `unparametrized dtype: ${original.dtype}\nparametrized dtype: ${made.dtype}`,
      );
    }
    if (!isTensor(start) || !made.isSameSize(start)) checkShape(made, original);
  }
  /** The tensors that everything is computed from. */
  originals(): Tensor[] {
    if (this.ntensors === 0) return [fieldOf(this, 'original') as Tensor];
    return Array.from({ length: this.ntensors }, (_, i) => fieldOf(this, `original${i}`) as Tensor);
  }
  /** What the originals have to be for this value; null when the parametrizations cannot tell. */
  private invert(value: Tensor): Tensor | readonly Tensor[] | null {
    return noGrad(() => {
      let now: Tensor | readonly Tensor[] = value;
      try {
        for (const p of [...this].reverse()) {
          if (p.rightInverse === undefined) return null;
          if (!isTensor(now)) throw new ValueError('only the first parametrization may take several tensors');
          now = p.rightInverse(now);
        }
      } catch (error) {
        if (error instanceof NotInvertible) return null;
        throw error;
      }
      return now;
    });
  }
  /** Makes the tensor have this value. Throws ValueError when a parametrization has no inverse. */
  rightInverse(value: Tensor): void {
    for (const p of this) {
      if (p.rightInverse === undefined)
        throw new ValueError(`parametrization ${p.constructor.name} does not implement right_inverse.`);
    }
    noGrad(() => {
      let now: Tensor | readonly Tensor[] = value;
      for (const p of [...this].reverse()) now = p.rightInverse!(now as Tensor);
      const list: readonly Tensor[] = isTensor(now) ? [now] : now;
      const originals = this.originals();
      if (list.length !== originals.length)
        throw new ValueError(`right_inverse must return ${originals.length} tensors, got ${list.length}`);
      originals.forEach((t, i) => (t.data = list[i]!.detach().clone()));
    });
  }
  override forward(): Tensor {
    let x: unknown = null;
    let inputs: unknown[] = this.originals();
    for (const p of this) {
      x = (p as unknown as (...xs: unknown[]) => unknown)(...inputs);
      inputs = [x];
    }
    return x as Tensor;
  }
}

function checkShape(made: Tensor, wanted: Tensor): void {
  if (made.isSameSize(wanted)) return;
  throw new ShapeError(
    'Registering a parametrization may not change the shape of the tensor, unless the `unsafe` flag is enabled.\n' +
      `unparametrized shape: [${wanted.shape.join(', ')}]\nparametrized shape: [${made.shape.join(', ')}]`,
  );
}

const lists = (m: Module): ModuleDict<ParametrizationList> | null => {
  const value = Object.hasOwn(m, 'parametrizations') ? fieldOf(m, 'parametrizations') : undefined;
  return value instanceof ModuleDict ? (value as ModuleDict<ParametrizationList>) : null;
};

/** Whether a module has parametrizations (of this tensor). */
export function isParametrized(module: Module, tensorName: string | null = null): boolean {
  const dict = lists(module);
  if (dict === null || dict.length === 0) return false;
  return tensorName === null || dict.has(tensorName);
}

/** Gives one instance a class of its own, `ParametrizedLinear`, whose accessors compute the tensors. */
function changeClass(m: Module): void {
  const base = Object.getPrototypeOf(m) as object;
  const constructor = Object.defineProperty(function () {} as object, 'name', {
    value: `Parametrized${m.constructor.name}`,
  });
  const prototype = Object.create(base, { constructor: { value: constructor, configurable: true } }) as object;
  Object.setPrototypeOf(m, prototype);
}

function addAccessor(m: Module, name: string): void {
  Object.defineProperty(Object.getPrototypeOf(m) as object, name, {
    configurable: true,
    get(this: Module): Tensor {
      const list = lists(this)!.get(name);
      if (caching === 0) return list.forward();
      const known = cache.get(this) ?? new Map<string, Tensor>();
      cache.set(this, known);
      if (!known.has(name)) known.set(name, list.forward());
      return known.get(name)!;
    },
    set(this: Module, value: Tensor) {
      lists(this)!.get(name).rightInverse(value);
    },
  });
}

/**
 * Puts a parametrization on a parameter or buffer of a module: reading `module.weight` then computes it. Several stack.
 * `unsafe` allows a change of shape and dtype. Returns the module.
 */
export function registerParametrization<M extends Module>(
  module: M,
  tensorName: string,
  parametrization: Module,
  options: { unsafe?: boolean } = {},
): M {
  const unsafe = options.unsafe ?? false;
  if (!isModule(parametrization))
    throw new ValueError('registerParametrization(): the parametrization must be a Module');
  parametrization.train(module.training);
  const p = parametrization as Parametrization;
  if (isParametrized(module, tensorName)) {
    const list = lists(module)!.get(tensorName);
    if (!unsafe) {
      const before = noGrad(() => fieldOf(module, tensorName) as Tensor);
      const after = noGrad(() => (p as unknown as (t: Tensor) => unknown)(before));
      if (!isTensor(after)) throw new ValueError(`A parametrization must return a tensor. Got ${typeof after}.`);
      if (after.dtype !== before.dtype) {
        throw new ValueError(
          'Registering a parametrization may not change the dtype of the tensor, unless the `unsafe` flag is enabled.',
        );
      }
      checkShape(after, before);
      list.append(p);
      if ([...list].every((x) => x.rightInverse !== undefined)) list.rightInverse(before);
    } else list.append(p);
    return module;
  }
  const original = Object.hasOwn(module, tensorName) ? fieldOf(module, tensorName) : undefined;
  const isState = original instanceof Parameter || ownBuffers(module).some(([n]) => n === tensorName);
  if (!isTensor(original) || !isState) {
    throw new ValueError(
      `Module '${module.constructor.name}' does not have a parameter, a buffer, or a parametrized element with name '${tensorName}'`,
    );
  }
  const list = new ParametrizationList([p], original, unsafe);
  removeField(module, tensorName);
  if (lists(module) === null) {
    changeClass(module);
    module.registerModule('parametrizations', new ModuleDict());
  }
  addAccessor(module, tensorName);
  lists(module)!.set(tensorName, list);
  return module;
}

/** Takes the parametrizations of a tensor away. It keeps its present value, or with `leaveParametrized: false` the original's. */
export function removeParametrizations<M extends Module>(
  module: M,
  tensorName: string,
  options: { leaveParametrized?: boolean } = {},
): M {
  const leave = options.leaveParametrized ?? true;
  if (!isParametrized(module, tensorName))
    throw new ValueError(`Module ${module.constructor.name} does not have a parametrization on ${tensorName}`);
  const dict = lists(module)!;
  const list = dict.get(tensorName);
  if (list.ntensors > 0 && !leave) {
    throw new ValueError(
      'Cannot leave unparametrized (`leaveParametrized: false`) a tensor that is parametrized in terms of a sequence of tensors.',
    );
  }
  const [first] = list.originals();
  const original = first!;
  if (leave) {
    const value = noGrad(() => (fieldOf(module, tensorName) as Tensor).detach().clone());
    noGrad(() => {
      original.data = value;
    });
  }
  dict.delete(tensorName);
  const prototype = Object.getPrototypeOf(module) as Record<string, unknown>;

  delete prototype[tensorName];
  if (dict.length === 0) {
    removeField(module, 'parametrizations');
    Object.setPrototypeOf(module, Object.getPrototypeOf(prototype) as object);
  }
  if (original instanceof Parameter) module.registerParameter(tensorName, original);
  else if (original instanceof Buffer) setField(module, tensorName, original);
  else module.registerBuffer(tensorName, original);
  return module;
}
