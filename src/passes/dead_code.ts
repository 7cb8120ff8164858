// Drops nodes that nothing outside reads. Random ops stay: eager code draws for them too, and the stream must not shift.
import { someNode } from '../ir/control.js';
import type { Graph, Node } from '../ir/graph.js';
import { isRandom } from '../ir/table.js';
import { liveOnly, pruneResults } from './control_results.js';

const draws = (n: Node): boolean => isRandom(n.op) || (n.bodies ?? []).some((b) => someNode(b, (m) => isRandom(m.op)));

export const deadCode = (g: Graph): Graph => liveOnly(pruneResults(g, draws), draws);

/** Branches and loops hand over only what is read; their other nodes stay as they are. */
export const unreadResults = (g: Graph): Graph => pruneResults(g, draws);
