// The backward node of a tensor as users see it: `x.gradFn.name`, `x.gradFn.nextFunctions`.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { wrap, type Handle, type Tensor } from './handle.js';

/** What registering a hook returns. */
export interface RemovableHandle {
  remove(): void;
}
type Grads = readonly (Tensor | null)[];
const wrapped = (list: readonly (Handle | null)[]): (Tensor | null)[] => list.map((h) => (h === null ? null : wrap(h)));
const unwrapped = (list: Grads | undefined | void): (Handle | null)[] | undefined =>
  list === undefined || list === null ? undefined : list.map((t) => t?._h ?? null);

/** A node of the autograd graph: torch.autograd.graph.Node. */
export class GradFn {
  readonly #node: object;

  constructor(node: object) {
    this.#node = node;
  }
  /** 'MulBackward0'. */
  get name(): string {
    return native.nodeName(this.#node);
  }
  /** Where the gradients flow to, one entry per differentiable input: [node, its input]; null where an input needs none. */
  get nextFunctions(): readonly (readonly [GradFn, number] | null)[] {
    return native.nodeNext(this.#node).map((n) => (n === null ? null : ([new GradFn(n[0]), n[1]] as const)));
  }
  /**
   * Calls `hook(gradInputs, gradOutputs)` when the node has run: the gradients it computed and those it was given. An array that it
   * returns replaces `gradInputs`. Source: torch.autograd.graph.Node.register_hook.
   */
  registerHook(hook: (gradInputs: Grads, gradOutputs: Grads) => Grads | undefined | void): RemovableHandle {
    const remove = native.nodeHook(this.#node, (a, b) => unwrapped(hook(wrapped(a), wrapped(b))), false);
    return { remove };
  }
  /** Calls `hook(gradOutputs)` before the node runs; an array that it returns replaces them. */
  registerPrehook(hook: (gradOutputs: Grads) => Grads | undefined | void): RemovableHandle {
    const remove = native.nodeHook(this.#node, (a) => unwrapped(hook(wrapped(a))), true);
    return { remove };
  }
  toString(): string {
    return `<${this.name}>`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}
