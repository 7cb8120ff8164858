// Op graph → defs: the entry of lowering, with the rules of the ops that have one of their own.
import { type Graph } from '../ir/graph.js';
import { expandAttention } from './attention.js';
import { type Lowered } from './defs.js';
import { foldScales } from './fold_scales.js';
import { SPECIAL, STEPS } from './lower_ops.js';
import { type Cuts } from './parts.js';
import { type Choices, Lowering, type OpLookup } from './lowering.js';

export type { OpLookup } from './lowering.js';

/** Lowers a graph. `smallMatmul`: matrix products up to M*N*K become loops. `cuts`: which reductions are done in parts. */
export function lower(
  graph: Graph,
  lookup: OpLookup,
  smallMatmul: number,
  cuts: Cuts,
  choices: Partial<Choices> = {},
): Lowered {
  const all: Choices = { blocks: false, tiles: true, pools: true, lines: true, checkDivisors: false, ...choices };
  const spelled = all.tiles ? graph : expandAttention(graph);
  return new Lowering(foldScales(spelled), lookup, smallMatmul, cuts, SPECIAL, STEPS, all).run();
}
