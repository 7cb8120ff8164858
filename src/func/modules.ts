// Modules under the transforms: calls with other parameters, and ensembles. Source: torch.func.functional_call, stack_module_state.
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/handle.js';
import { stack } from '../../generated/ts/functions.js';
import type { Module } from '../nn/module.js';

export { functionalCall } from '../nn/utils/stateless.js';

/**
 * Parameters and buffers of several modules of one kind, each stacked along a new first dimension: what `vmap` over
 * `functionalCall` takes to run an ensemble. The stacked parameters are leaves.
 * @throws ValueError for no module, modules of different classes or in different modes
 */
export function stackModuleState(
  modules: readonly Module[],
): [params: Record<string, Tensor>, buffers: Record<string, Tensor>] {
  const [first] = modules;
  if (first === undefined) throw new ValueError('stackModuleState: Expected at least one model, got 0.');
  if (modules.some((m) => m.training !== first.training))
    throw new ValueError('stackModuleState: Expected all models to have the same training/eval mode.');
  if (modules.some((m) => m.constructor !== first.constructor))
    throw new ValueError('stackModuleState: Expected all models to be of the same class.');
  const stacked = (of: (m: Module) => Iterable<[string, Tensor]>, leaves: boolean): Record<string, Tensor> => {
    const lists = new Map<string, Tensor[]>();
    for (const m of modules) for (const [name, t] of of(m)) lists.set(name, [...(lists.get(name) ?? []), t.detach()]);
    return Object.fromEntries(
      [...lists].map(([name, ts]) => {
        const all = stack(ts, 0);
        return [name, leaves && all.isFloatingPoint() ? all.requiresGrad_() : all];
      }),
    );
  };
  return [stacked((m) => m.namedParameters(), true), stacked((m) => m.namedBuffers(), false)];
}
