// The marks of composite calls: dropped for the compiler, kept consistent where they stay.
import { inputValues } from '../ir/build.js';
import type { Graph, Node } from '../ir/graph.js';

/** Drops all marks. Their nodes stay. */
export function flattenRegions(g: Graph): Graph {
  if (g.regions.length === 0 && g.nodes.every((n) => n.region === undefined)) return g;
  return { ...g, regions: [], nodes: g.nodes.map(({ region: _, ...n }): Node => n) };
}

/** Drops the marks whose values are gone and renumbers the others. */
export function pruneRegions(g: Graph): Graph {
  if (g.regions.length === 0) return g;
  const alive = new Set([...g.inputs, ...g.captures, ...g.nodes.flatMap((n) => n.outputs)]);
  const keep = g.regions.map(
    (r) => r.outputs.every((v) => alive.has(v)) && r.inputs.every((i) => inputValues(i).every((v) => alive.has(v))),
  );
  if (keep.every((k) => k)) return g;
  let next = 0;
  const renumbered = keep.map((k) => (k ? next++ : -1));
  const resolve = (at: number | undefined): number | undefined => {
    let r = at;
    while (r !== undefined && !keep[r]) r = g.regions[r]!.parent;
    return r === undefined ? undefined : renumbered[r]!;
  };
  return {
    ...g,
    regions: g.regions.flatMap((r, i) => {
      if (!keep[i]) return [];
      const { parent, ...rest } = r;
      const p = resolve(parent);
      return [{ ...rest, ...(p === undefined ? {} : { parent: p }) }];
    }),
    nodes: g.nodes.map(({ region, ...n }): Node => {
      const r = resolve(region);
      return { ...n, ...(r === undefined ? {} : { region: r }) };
    }),
  };
}
