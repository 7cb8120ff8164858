// nn.utils.prune: parts of a parameter are masked out. `weight` becomes `weight_orig` (learned) times the buffer `weight_mask`.
import { cat, onesLike } from '../../../generated/ts/functions.js';
import { noGrad } from '../../autograd/modes.js';
import { rand, randLike } from '../../tensor/create.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { fieldOf, removeField, setField, STATE } from '../fields.js';
import type { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { field, takeParameter } from './weight_hooks.js';

/** Marks the hooks that compute a pruned tensor. */
const hooks = new WeakMap<object, string>();

interface PruneOptions {
  /** What is compared instead of the tensor itself; of its shape. */
  importanceScores?: Tensor | null;
}

/** How many of `size` to prune: a fraction below 1, or a number. */
function countOf(amount: number, size: number): number {
  if (typeof amount !== 'number' || !(amount >= 0) || (amount > 1 && !Number.isInteger(amount)))
    throw new ValueError(
      `amount=${String(amount)} should either be a float in the range [0, 1] or a non-negative integer`,
    );
  const count = amount < 1 ? Math.round(amount * size) : amount;
  if (count > size)
    throw new ValueError(`amount=${amount} should be smaller than the number of parameters to prune=${size}`);
  return count;
}

const maskOf = (m: Module, name: string): Tensor | null =>
  Object.hasOwn(m, `${name}_mask`) ? field(m, `${name}_mask`) : null;

/** Masks more of a tensor out. `choose` gets the scores and the present mask (null: nothing masked yet) and returns the new mask. */
function prune<M extends Module>(
  module: M,
  name: string,
  scores: Tensor | null,
  choose: (scores: Tensor, mask: Tensor | null) => Tensor,
): M {
  const before = maskOf(module, name);
  const original = before === null ? fieldOf(module, name) : fieldOf(module, `${name}_orig`);
  if (!(original instanceof Parameter))
    throw new ValueError(`Module ${module.constructor.name} has no parameter '${name}' to prune`);
  const given = scores ?? original;
  if (!given.isSameSize(original)) {
    throw new ShapeError(
      'importance_scores should have the same shape as parameter ' + `${name} of ${module.constructor.name}`,
    );
  }
  const mask = noGrad(() => choose(given.detach(), before).to(original.dtype));
  if (before === null) {
    takeParameter(module, name);
    module.registerParameter(`${name}_orig`, original);
    module.registerBuffer(`${name}_mask`, mask);
    const run = (m: Module): void => {
      setField(m, name, field(m, `${name}_orig`).mul(field(m, `${name}_mask`)));
    };
    hooks.set(run, name);
    module.registerForwardPreHook(run);
  } else {
    setField(module, `${name}_mask`, mask);
  }
  setField(module, name, original.mul(mask));
  return module;
}

/** Zeroes the `count` elements with the smallest scores among those that the mask keeps. */
function dropSmallest(scores: Tensor, mask: Tensor | null, amount: number): Tensor {
  const flat = scores.reshape([-1]);
  const kept = mask === null ? null : mask.reshape([-1]).ne(0).nonzero().reshape([-1]);
  const candidates = kept === null ? flat : flat.indexSelect(0, kept);
  const count = countOf(amount, candidates.numel());
  const out = mask === null ? onesLike(scores).reshape([-1]) : mask.clone().reshape([-1]);
  if (count > 0) {
    const [, smallest] = candidates.topk(count, -1, false) as unknown as [Tensor, Tensor];
    const at = kept === null ? smallest : kept.indexSelect(0, smallest);
    out.indexPut_([at], 0);
  }
  return out.reshape([...scores.shape]);
}

/** Zeroes the channels along `dim` with the smallest scores among those that are not masked out entirely. */
function dropChannels(
  channelScores: Tensor,
  shape: readonly number[],
  mask: Tensor | null,
  dim: number,
  amount: number,
): Tensor {
  const n = shape[dim]!;
  const others = shape.map((_, i) => i).filter((i) => i !== dim);
  const alive = mask === null ? null : others.length === 0 ? mask : mask.sum(others);
  const rows = alive === null ? null : alive.ne(0).nonzero().reshape([-1]);
  const candidates = rows === null ? channelScores : channelScores.indexSelect(0, rows);
  const count = countOf(amount, candidates.numel());
  const channels = onesLike(channelScores);
  if (count > 0) {
    const [, smallest] = candidates.topk(count, -1, false) as unknown as [Tensor, Tensor];
    channels.indexPut_([rows === null ? smallest : rows.indexSelect(0, smallest)], 0);
  }
  const spread = channels.reshape(shape.map((_, i) => (i === dim ? n : 1))).expand([...shape]);
  return mask === null ? spread.clone() : mask.mul(spread);
}
function axisOf(t: Tensor, dim: number): number {
  if (t.ndim < 2)
    throw new ShapeError(
      `Structured pruning can only be applied to multidimensional tensors. Found tensor of shape [${t.shape.join(', ')}]`,
    );
  if (dim < -t.ndim || dim >= t.ndim)
    throw new ShapeError(`Invalid index ${dim} for tensor of size [${t.shape.join(', ')}]`);
  return dim < 0 ? dim + t.ndim : dim;
}

/** Masks nothing out, but makes the tensor a pruned one. */
export const identity = <M extends Module>(module: M, name: string): M =>
  prune(module, name, null, (t, mask) => mask ?? onesLike(t));

/** Masks the elements with the smallest absolute values out. `amount`: a fraction below 1, or a number. */
export const l1Unstructured = <M extends Module>(module: M, name: string, amount: number, o: PruneOptions = {}): M =>
  prune(module, name, o.importanceScores ?? null, (t, mask) => dropSmallest(t.abs(), mask, amount));

/** Masks random elements out. */
export const randomUnstructured = <M extends Module>(module: M, name: string, amount: number): M =>
  prune(module, name, null, (t, mask) => dropSmallest(randLike(t), mask, amount));

/** Masks the channels along `dim` with the smallest n-norms out. */
export const lnStructured = <M extends Module>(
  module: M,
  name: string,
  amount: number,
  n: number,
  dim: number,
  o: PruneOptions = {},
): M =>
  prune(module, name, o.importanceScores ?? null, (t, mask) => {
    const axis = axisOf(t, dim);
    const rows = t.movedim(axis, 0).reshape([t.shape[axis]!, -1]).abs();
    const norms = n === Infinity ? rows.amax([1]) : n === -Infinity ? rows.amin([1]) : rows.pow(n).sum(1);
    return dropChannels(n < 0 && Number.isFinite(n) ? norms.pow(1 / n) : norms, t.shape, mask, axis, amount);
  });

/** Masks random channels along `dim` out. */
export const randomStructured = <M extends Module>(module: M, name: string, amount: number, dim: number): M =>
  prune(module, name, null, (t, mask) => {
    const axis = axisOf(t, dim);
    return dropChannels(rand(t.shape[axis]!), t.shape, mask, axis, amount);
  });

/** Masks out what `mask` has zeros for. */
export const customFromMask = <M extends Module>(module: M, name: string, mask: Tensor): M =>
  prune(module, name, null, (t, before) => {
    if (!mask.isSameSize(t)) throw new ShapeError(`mask should have the shape of parameter ${name}`);
    return before === null ? mask.clone() : before.mul(mask);
  });

type Method = 'l1Unstructured' | 'randomUnstructured';
/** Masks the elements with the smallest scores of several parameters out, compared with each other. */
export function globalUnstructured(
  parameters: Iterable<readonly [module: Module, name: string]>,
  pruningMethod: Method,
  options: { amount: number; importanceScores?: ReadonlyMap<string, Tensor> | null },
): void {
  const list = [...parameters];
  if (list.length === 0) throw new ValueError('globalUnstructured(): there are no parameters');
  if (pruningMethod !== 'l1Unstructured' && pruningMethod !== 'randomUnstructured')
    throw new ValueError('Only "unstructured" pruning methods supported for the `pruning_method`.');
  const tensors = list.map(([m, name]) => field(m, maskOf(m, name) === null ? name : `${name}_orig`).detach());
  const masks = list.map(([m, name], i) => maskOf(m, name) ?? onesLike(tensors[i]!));
  const join = (ts: readonly Tensor[]): Tensor =>
    cat(
      ts.map((t) => t.reshape([-1])),
      0,
    );
  const all = noGrad(() => {
    const scores = join(tensors.map((t) => (pruningMethod === 'l1Unstructured' ? t.abs() : randLike(t))));
    return dropSmallest(scores, join(masks), options.amount);
  });
  let at = 0;
  list.forEach(([m, name], i) => {
    const n = tensors[i]!.numel();
    customFromMask(m, name, all.narrow(0, at, n).reshape([...tensors[i]!.shape]));
    at += n;
  });
}

/** Makes the pruned values permanent: `weight` is a parameter again, with zeros. */
export function remove<M extends Module>(module: M, name: string): M {
  const list = module[STATE].hooks?.forwardPre ?? [];
  const at = list.findIndex((e) => hooks.get(e.hook) === name);
  const mask = maskOf(module, name);
  if (at < 0 || mask === null) {
    throw new ValueError(
      `Parameter '${name}' of module ${module.constructor.name} has to be pruned before pruning can be removed`,
    );
  }
  list.splice(at, 1);
  const original = takeParameter(module, `${name}_orig`);
  noGrad(() => original.mul_(mask));
  removeField(module, name);
  removeField(module, `${name}_mask`);
  module.registerParameter(name, original);
  return module;
}

/** Whether something in the module, or below it, is pruned. */
export const isPruned = (module: Module): boolean =>
  module.modules().some((m) => (m[STATE].hooks?.forwardPre ?? []).some((e) => hooks.has(e.hook)));
