// Op graph → defs: the entry of lowering, with the rules of the ops that have one of their own.
import { type Graph } from '../ir/graph.js';
import { expandAttention } from './attention.js';
import { type Lowered } from './defs.js';
import { foldScales } from './fold_scales.js';
import { SPECIAL } from './lower_ops.js';
import { type Cuts } from './parts.js';
import { Lowering, type OpLookup } from './lowering.js';

export type { OpLookup } from './lowering.js';

interface Choices {
  readonly blocks?: boolean;
  readonly tiles?: boolean;
  readonly checkDivisors?: boolean;
}

/**
 * Lowers a graph. `smallMatmul`: matrix products up to M*N*K become loops. `cuts`: which reductions are done in parts. `blocks`: images
 * stay in blocks of channels between convolutions. `tiles`: the library has attention in tiles. `checkDivisors`: integer division by
 * a zero in a tensor throws (CUDA's does not).
 */
export function lower(
  graph: Graph,
  lookup: OpLookup,
  smallMatmul: number,
  cuts: Cuts,
  { blocks = false, tiles = true, checkDivisors = false }: Choices = {},
): Lowered {
  const spelled = tiles ? graph : expandAttention(graph);
  return new Lowering(foldScales(spelled), lookup, smallMatmul, cuts, SPECIAL, blocks, checkDivisors).run();
}
