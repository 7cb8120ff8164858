// autograd.graph: the nodes of the graph and the edges between them. Source: torch.autograd.graph.
import { native } from '../native.js';
import { GradFn } from '../tensor/grad_fn.js';
import type { Tensor } from '../tensor/handle.js';

export { GradFn as Node };

/** Where a gradient flows: input `outputNr` of `node`. */
export interface GradientEdge {
  readonly node: GradFn;
  readonly outputNr: number;
}

/**
 * Where the gradient of `tensor` flows: to its gradFn, or for a leaf to the node that adds to its `.grad`.
 * @throws AutogradError when the tensor requires no gradient
 */
export function getGradientEdge(tensor: Tensor): GradientEdge {
  const [node, outputNr] = native.gradientEdge(tensor._h);
  return { node: new GradFn(node), outputNr };
}
