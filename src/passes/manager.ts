// Runs passes in order, until nothing changes; verifies after each one on demand; FLAMBEAU_LOG=passes shows what each did.
import { log } from '../debug/log.js';
import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import { verify, VerifyError } from '../ir/verify.js';
import { bodyPlace, mapBodies } from '../ir/control.js';
import { recogniseAttention } from './attention.js';
import { constantConditions } from './conditions.js';
import { canonicalViews } from './views.js';
import { commonSubexpressions } from './cse.js';
import { deadCode } from './dead_code.js';
import { flattenRegions } from './regions.js';
import { foldConstants, type EvaluateScalar } from './fold.js';
import { simplify } from './simplify.js';
import { exponentialsOfLogSoftmax } from './softmax.js';
import { joinWindows } from './windows.js';

/** A graph → graph function. It gives back its argument when there is nothing to do. */
export interface Pass {
  readonly name: string;
  readonly run: (g: Graph) => Graph;
}

export interface PassOptions {
  /** Verify after every pass (default: in tests, or with FLAMBEAU_VERIFY=1). */
  readonly verify?: boolean;
  /** Runs one pointwise op over numbers; without it nothing is folded. */
  readonly evaluate?: EvaluateScalar;
  /**
   * Sees what each pass makes; a pass that finds nothing to do gives back its argument. `place`: '' for the graph, 'loop 1' for a body of it
   * (ir/control.ts), whose passes run inside the pass 'bodies'.
   */
  readonly observe?: (pass: string, before: Graph, after: Graph, place: string) => void;
  /** Where the graph stands. */
  readonly place?: string;
  /** Symbols that are declared around the graph: it is a body. */
  readonly symbols?: readonly string[];
}

const ROUNDS = 8;
const verifyByDefault = process.env['FLAMBEAU_VERIFY'] === '1' || process.env['VITEST'] !== undefined;

/** The passes of the compiler. The marks of composites go first: they are for export, and would keep values alive. */
export function standardPasses(options: PassOptions = {}): Pass[] {
  const { evaluate } = options;
  return [
    { name: 'flattenRegions', run: flattenRegions },
    { name: 'deadCode', run: deadCode },
    { name: 'canonicalViews', run: canonicalViews },
    { name: 'joinWindows', run: joinWindows },
    { name: 'simplify', run: simplify },
    ...(evaluate === undefined ? [] : [{ name: 'foldConstants', run: (g: Graph) => foldConstants(g, evaluate) }]),
    { name: 'commonSubexpressions', run: commonSubexpressions },
    { name: 'recogniseAttention', run: recogniseAttention },
    { name: 'exponentialsOfLogSoftmax', run: exponentialsOfLogSoftmax },
    { name: 'deadCode', run: deadCode },
    { name: 'bodies', run: (g: Graph) => optimizeBodies(g, options) },
    { name: 'constantConditions', run: constantConditions },
  ];
}

/** All passes on the bodies of control nodes. */
function optimizeBodies(g: Graph, options: PassOptions): Graph {
  const symbols = [...(options.symbols ?? []), ...g.symbols.map((s) => s.name)];
  let controls = 0;
  const nodes = g.nodes.map((n) => {
    if (n.bodies === undefined) return n;
    const number = ++controls;
    return mapBodies(n, (b, k) =>
      optimize(b, { ...options, symbols, place: bodyPlace(options.place ?? '', n, number, k) }),
    );
  });
  return nodes.every((n, i) => n === g.nodes[i]) ? g : { ...g, nodes };
}

/** Runs one pass. @throws VerifyError naming the pass when its result is not well formed. */
export function runPass(pass: Pass, g: Graph, check = verifyByDefault, symbols: readonly string[] = []): Graph {
  const out = pass.run(g);
  if (out === g) return g;
  log('passes', () => `after ${pass.name}: ${g.nodes.length} → ${out.nodes.length} nodes\n${printGraph(out)}`);
  if (!check) return out;
  try {
    return verify(out, { symbols });
  } catch (e) {
    if (e instanceof VerifyError) throw new VerifyError(`after pass '${pass.name}': ${e.message}`);
    throw e;
  }
}

/** The optimised graph: all standard passes, repeated until none changes anything. */
export function optimize(g: Graph, options: PassOptions = {}): Graph {
  const passes = standardPasses(options);
  let at = g;
  for (let round = 0; round < ROUNDS; round++) {
    const before = at;
    for (const p of passes) {
      const next = runPass(p, at, options.verify, options.symbols);
      options.observe?.(p.name, at, next, options.place ?? '');
      at = next;
    }
    if (at === before) break;
  }
  return at;
}
