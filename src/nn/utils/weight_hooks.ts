// weightNorm, spectralNorm in their older form: the tensors that are learned have names of their own (weight_g, weight_v,
// weight_orig), and a hook computes the weight before each call. State dicts of published models have these names.
import { noGrad } from '../../autograd/modes.js';
import { ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { settings, type Rest } from '../args.js';
import { fieldOf, removeField, setField, STATE } from '../fields.js';
import type { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { asMatrix, normalized, normExceptDim, outputDim, weightNormOf } from './norms.js';
import type { SpectralNormOptions } from './parametrizations.js';

interface WeightHook {
  readonly kind: string;
  readonly name: string;
  /** The weight from what is learned now. */
  compute(m: Module): Tensor;
  /** The same without moving any state on, for the end. */
  final(m: Module): Tensor;
  /** Names that the hook added after the weight's own: '_g', '_v'. */
  readonly added: readonly string[];
}
const hooks = new WeakMap<object, WeightHook>();

export const field = (m: Module, name: string): Tensor => fieldOf(m, name) as Tensor;

/** Takes the parameter out of the registry; it comes back as a plain field. */
export function takeParameter(m: Module, name: string): Parameter {
  const p = Object.hasOwn(m, name) ? fieldOf(m, name) : undefined;
  if (!(p instanceof Parameter)) throw new ValueError(`${m.constructor.name} has no parameter '${name}'`);
  removeField(m, name);
  return p;
}

/** Computes the weight before every call of `m`. Copies of the module keep the hook. */
function install(m: Module, hook: WeightHook): void {
  for (const e of m[STATE].hooks?.forwardPre ?? []) {
    const other = hooks.get(e.hook);
    if (other?.kind === hook.kind && other.name === hook.name)
      throw new ValueError(`Cannot register two ${hook.kind} hooks on the same parameter ${hook.name}`);
  }
  const run = (module: Module): void => {
    setField(module, hook.name, hook.compute(module));
  };
  hooks.set(run, hook);
  m.registerForwardPreHook(run);
}

function uninstall(m: Module, kind: string, name: string): void {
  const list = m[STATE].hooks?.forwardPre ?? [];
  const at = list.findIndex((e) => {
    const hook = hooks.get(e.hook);
    return hook?.kind === kind && hook.name === name;
  });
  if (at < 0) throw new ValueError(`${kind} of '${name}' not found in ${m.constructor.name}`);
  const hook = hooks.get(list[at]!.hook)!;
  const weight = noGrad(() => hook.final(m).detach());
  list.splice(at, 1);
  removeField(m, name);
  for (const suffix of hook.added) removeField(m, name + suffix);
  m.registerParameter(name, new Parameter(weight));
}

/** Learns a weight as magnitude (`weight_g`) times direction (`weight_v`). Source: https://arxiv.org/abs/1602.07868 */
export function weightNorm<M extends Module>(
  module: M,
  ...rest: Rest<[name: string, dim: number | null], { name?: string; dim?: number | null }>
): M {
  const { name, dim } = settings<{ name?: string; dim?: number | null }>('weightNorm', rest, {
    name: 'weight',
    dim: 0,
  });
  const compute = (m: Module): Tensor => weightNormOf(field(m, `${name}_v`), field(m, `${name}_g`), dim);
  install(module, { kind: 'weight_norm', name, compute, final: compute, added: ['_g', '_v'] });
  const weight = takeParameter(module, name);
  module.registerParameter(`${name}_g`, new Parameter(noGrad(() => normExceptDim(weight.detach(), dim))));
  module.registerParameter(`${name}_v`, new Parameter(weight.detach()));
  setField(module, name, compute(module));
  return module;
}
/** The module with its weight as a plain parameter again. */
export function removeWeightNorm<M extends Module>(module: M, name = 'weight'): M {
  uninstall(module, 'weight_norm', name);
  return module;
}

/** Divides a weight (`weight_orig`) by its largest singular value, estimated by power iteration. Source: https://arxiv.org/abs/1802.05957 */
export function spectralNorm<M extends Module>(
  module: M,
  ...rest: Rest<[name: string, nPowerIterations: number, eps: number, dim: number | null], SpectralNormOptions>
): M {
  const o = settings<SpectralNormOptions>('spectralNorm', rest, {
    name: 'weight',
    nPowerIterations: 1,
    eps: 1e-12,
    dim: null,
  });
  if (o.nPowerIterations <= 0) {
    throw new ValueError(
      `Expected n_power_iterations to be positive, but got n_power_iterations=${o.nPowerIterations}`,
    );
  }
  const { name, eps } = o;
  const dim = o.dim ?? outputDim(module);
  const compute = (m: Module, iterate = m.training): Tensor => {
    const weight = field(m, `${name}_orig`);
    const matrix = asMatrix(weight, dim);
    let [u, v] = [field(m, `${name}_u`), field(m, `${name}_v`)];
    if (iterate) {
      noGrad(() => {
        for (let i = 0; i < o.nPowerIterations; i++) {
          v.copy_(normalized(matrix.t().mv(u), eps));
          u.copy_(normalized(matrix.mv(v), eps));
        }
      });
      // Copies, because the next call changes the buffers and backward may come later.
      [u, v] = [u.clone(), v.clone()];
    }
    return weight.div(u.dot(matrix.mv(v)));
  };
  install(module, {
    kind: 'spectral_norm',
    name,
    compute,
    final: (m) => compute(m, false),
    added: ['_orig', '_u', '_v'],
  });
  const weight = takeParameter(module, name);
  const matrix = asMatrix(weight.detach(), dim);
  const [rows, cols] = matrix.shape as [number, number];
  const u = normalized(matrix.newEmpty([rows]).normal_(0, 1), eps);
  const v = normalized(matrix.newEmpty([cols]).normal_(0, 1), eps);
  module.registerParameter(`${name}_orig`, weight);
  setField(module, name, weight.detach());
  module.registerBuffer(`${name}_u`, u);
  module.registerBuffer(`${name}_v`, v);
  return module;
}
/** The module with its normalised weight as a plain parameter again. */
export function removeSpectralNorm<M extends Module>(module: M, name = 'weight'): M {
  uninstall(module, 'spectral_norm', name);
  return module;
}
