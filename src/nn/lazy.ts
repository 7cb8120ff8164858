// Lazy modules: sizes that are not given come from the first input. Until then the parameters have no shape; the first call makes
// them, draws their values, and turns the module into its ordinary class.
import type { Tensor } from '../tensor/tensor.js';
import { noGrad } from '../autograd/modes.js';
import { isTensor } from '../tensor/handle.js';
import { ValueError } from '../tensor/errors.js';
import { fieldOf, setField, STATE } from './fields.js';
import type { Module } from './module.js';
import { isUninitialized, type UninitializedBuffer, type UninitializedParameter } from './parameter.js';

type Uninitialized = UninitializedParameter | UninitializedBuffer;

/**
 * Makes `m` lazy. `shapesOf` gives the shapes of the uninitialised fields for an input (and may set sizes on the module);
 * then `resetParameters` runs, unless a state dict has filled the fields before.
 */
export function makeLazy<M extends Module & { resetParameters(): void }>(
  m: M,
  ordinary: { readonly prototype: M },
  fields: Readonly<Record<string, Uninitialized>>,
  shapesOf: (m: M, input: Tensor) => Readonly<Record<string, readonly number[]>>,
): void {
  for (const [name, value] of Object.entries(fields)) setField(m, name, value);
  const hook = (module: Module, [input]: readonly unknown[]): void => {
    if (!isTensor(input)) throw new ValueError(`${module.constructor.name}: the first input must be a Tensor`);
    const shapes = shapesOf(module as M, input);
    let fresh = false;
    noGrad(() => {
      for (const [name, shape] of Object.entries(shapes)) {
        const value = fieldOf(module, name);
        if (isUninitialized(value)) {
          value.materialize(shape);
          fresh = true;
        }
      }
    });
    if (fresh) (module as M).resetParameters();
    Object.setPrototypeOf(module, ordinary.prototype);
    const hooks = module[STATE].hooks!;
    hooks.forwardPre = hooks.forwardPre.filter((e) => e.hook !== hook);
  };
  m.registerForwardPreHook(hook, { prepend: true });
}

/** Sets a field that is read-only once the size is known. */
export function setSize(m: Module, name: string, value: number): void {
  setField(m, name, value);
}
