// A scripted graph as a file: at the sizes that it was made for and, where axes are named, with symbols for their sizes.
import { unify, UnifyError } from '../frontend/trace/unify.js';
import type { Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { NamedAxes, type DynamicAxes } from '../runtime/dynamic_axes.js';
import { serializeGraphFile } from '../runtime/fbg.js';
import { bytesOf, sameBytes } from '../runtime/jit.js';
import type { Template } from '../runtime/structure.js';
import { writeFileAtomic } from '../serialization/bytes.js';
import { ScriptError } from '../frontend/script/syntax.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Handle } from '../tensor/handle.js';
import type { Shape } from './join.js';
import type { ScriptGraph } from './script.js';

export interface ScriptSaveOptions {
  /**
   * Axes of the tensors among the arguments that may have any size in the file: `[{ 0: 'batch' }, { 0: 'batch' }]`. Conditions on such a
   * size, and loops that run along it, were decided when the graph was made: they are the caller's promise, as in onnx.export.
   */
  readonly dynamic?: DynamicAxes;
}

/** What is saved. */
export interface SavedGraph {
  readonly name: string;
  readonly graph: Graph;
  readonly captures: readonly Handle[];
  readonly result: Shape;
  /** The arguments; tensors among them may hold anything. */
  readonly args: readonly unknown[];
  /** The graph for other arguments. */
  readonly again: (args: readonly unknown[]) => ScriptGraph;
}

/** @throws ValueError for what a file cannot hold, and where a named axis cannot stay open */
export function saveScript(path: string, s: SavedGraph, options: ScriptSaveOptions): void {
  const names = s.graph.captures.map((v) => v.name!);
  const twice = names.find((n, i) => names.indexOf(n) < i);
  if (twice !== undefined) throw new ValueError(`${s.name}: save: two captured tensors are called '${twice}'`);
  const dense = s.captures.map((h) => native.ops.contiguous(h));
  const bytes = serializeGraphFile({
    name: s.name,
    graph: s.graph,
    dynamic: options.dynamic === undefined ? null : symbolic(s, new NamedAxes('save', options.dynamic)),
    captures: names,
    result: templateFrom(s.result, { next: 0 }, s.name),
    weights: new Map(dense.map((h, i) => [names[i]!, bytesOf(h)])),
  });
  writeFileAtomic(path, bytes);
}

/** The graph with symbols for the sizes of the named axes, from three sizes. */
function symbolic(s: SavedGraph, axes: NamedAxes): Graph {
  const at = (round: number): Graph => {
    const sized = axes.elsewhere(s.args.filter(isTensor), round);
    const { graph, captures } = s.again(s.args.map((a) => (isTensor(a) ? sized.shift()! : a)));
    const own = captures.map((t) => native.ops.contiguous(native.ops.detach(t._h)));
    if (own.length !== s.captures.length || own.some((h, i) => !sameBytes(h, native.ops.contiguous(s.captures[i]!))))
      throw new UnifyError('it takes other constants at another size');
    return graph;
  };
  try {
    return unify([at(0), at(1), at(2)]);
  } catch (e) {
    if (e instanceof UnifyError || e instanceof ScriptError) throw axes.error(e.message);
    throw e;
  }
}

/** The form of a result as files have it. */
function templateFrom(s: Shape, index: { next: number }, name: string): Template {
  switch (s.kind) {
    case 'tensor':
    case 'scalar':
      return { kind: 'tensor', index: index.next++ };
    case 'same': {
      const plain =
        s.value === null ||
        (typeof s.value === 'number'
          ? Number.isFinite(s.value)
          : ['string', 'boolean', 'undefined'].includes(typeof s.value));
      if (!plain)
        throw new ValueError(`${name}: save: its result holds ${String(s.value)}, which is no part of a graph file`);
      return { kind: 'value', value: s.value };
    }
    case 'array':
      return { kind: 'array', items: s.items.map((i) => templateFrom(i, index, name)) };
    case 'object':
      return { kind: 'object', entries: s.entries.map(([k, v]) => [k, templateFrom(v, index, name)] as const) };
  }
}

/** Makes arguments like these, tensors filled with zeros: a graph is kept for long, its caller's tensors are not. */
export function argumentsLike(args: readonly unknown[]): () => readonly unknown[] {
  const makers = args.map((a): (() => unknown) => {
    if (!isTensor(a)) return () => a;
    const [shape, dtype] = [[...a.shape], native.dtype(a._h)];
    return () => wrap(native.ops.full(shape, 0, dtype));
  });
  return () => makers.map((make) => make());
}
