// The backward node of a tensor as users see it: `x.gradFn.name`, `x.gradFn.nextFunctions`.
import { inspect } from 'node:util';
import { native } from '../native.js';

/** A node of the autograd graph. */
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
  toString(): string {
    return `<${this.name}>`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}
