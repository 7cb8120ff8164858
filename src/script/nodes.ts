// Control nodes: bodies are regions that are evaluated on examples, their outcomes are joined and become results.
import type * as TsMorph from 'ts-morph';
import type { Node, Value } from '../ir/graph.js';
import { valueInput } from '../ir/build.js';
import { full } from '../tensor/create.js';
import type { Tensor } from '../tensor/handle.js';
import { at, type Evaluator } from './evaluator.js';
import { isRecord, join, leaves, rebuild, scalarOf, shapeOf } from './join.js';
import { make } from './scope.js';
import { example, isWhole, Region, ScriptScalar } from './region.js';

/** Evaluates `f` in a region of its own and puts all variables back. */
function inside<T>(e: Evaluator, region: Region, f: () => T): T {
  const [around, restore] = [e.region, e.scope.save()];
  e.region = region;
  try {
    return f();
  } finally {
    e.region = around;
    restore();
  }
}

/** Gives the bodies the same inputs; those values of the region around. */
function close(e: Evaluator, bodies: readonly Region[], declared: number): Value[] {
  const free = [...new Set(bodies.flatMap((b) => b.free))];
  const outer = free.map((t) => e.region.valueOf(t));
  for (const b of bodies) {
    const own = new Map(b.free.map((t, k) => [t, b.graph.inputs[declared + k]!]));
    b.graph.inputs = [
      ...b.graph.inputs.slice(0, declared),
      ...free.map((t) => own.get(t) ?? e.region.outside.value(t)),
    ];
  }
  return outer;
}

/** Results of a control node in the region around: tensors of their own. */
function results(e: Evaluator, node: Omit<Node, 'outputs'>, examples: readonly Tensor[]): Tensor[] {
  const tensors = examples.map(example);
  const outputs = tensors.map((t) => e.region.outside.value(t));
  tensors.forEach((t, k) => e.region.set(t, outputs[k]!));
  e.region.graph.nodes.push({ ...node, outputs });
  return tensors;
}

/** `condition ? yes() : no()`; what both give, joined. */
export function ifNode(
  e: Evaluator,
  condition: ScriptScalar,
  yes: () => unknown,
  no: () => unknown,
  node: TsMorph.Node,
  what: string,
): unknown {
  const [a, b] = [new Region(e.region.outside, e.region), new Region(e.region.outside, e.region)];
  const [x, y] = [inside(e, a, yes), inside(e, b, no)];
  return at(node, () => {
    const joined = join(what, x, y, a, b);
    a.graph.outputs = joined.a.map((t) => a.valueOf(t));
    b.graph.outputs = joined.b.map((t) => b.valueOf(t));
    const cond = asBool(e, condition);
    const free = close(e, [a, b], 0);
    const inputs = [e.region.valueOf(cond), ...free].map(valueInput);
    const made = results(e, { op: 'if', inputs, attrs: {}, bodies: [a.graph, b.graph] }, joined.a);
    return rebuild(joined.shape, made);
  });
}

const asBool = (e: Evaluator, s: ScriptScalar): Tensor => asBoolIn(e.region, s);

export interface Looped {
  readonly values: readonly unknown[];
  readonly returned?: unknown;
  readonly value?: unknown;
}

/**
 * A loop that carries `before`. `body` gets the values at the start of a round and gives [whether another follows, the values after it,
 * (whether the function returned, what)].
 */
export function carriedLoop(
  e: Evaluator,
  first: ScriptScalar,
  before: readonly unknown[],
  names: readonly string[],
  node: TsMorph.Node,
  body: (start: unknown[]) => unknown[],
): Looped {
  return at(node, () => {
    const outer = e.region;
    // Numbers that a loop carries are values of the graph; a whole one that becomes a fraction is one from the start.
    let start = before.map((v) => lifted(v, outer));
    // What one round makes a fraction may make others fractions in the next: at most one more each time.
    for (let attempt = 0; ; attempt++) {
      const region = new Region(outer.outside, outer);
      const initial = leaves(start);
      const examples = initial.map(example);
      examples.forEach((t) => region.input(t));
      const inBody = rebuild({ kind: 'array', items: start.map(shapeOf) }, [...examples]) as unknown[];
      const outcome = inside(e, region, () => body(inBody));
      const [goes, after, returned, value] = outcome as [unknown, unknown[], unknown, unknown];
      const widened = start.map((s, i) => widen(e, s, after[i]));
      if (attempt <= leaves(start).length && widened.some((w, i) => w !== start[i])) {
        start = widened;
        continue;
      }
      const joined = join(names.map((n) => `'${n}'`).join(', '), start, after, outer, region, true);
      const extra = returned === undefined ? [] : [scalarOf(returned as boolean, region).tensor, ...leaves(value)];
      const extraShape = shapeOf(value);
      region.graph.outputs = [asBoolIn(region, goes), ...joined.b, ...extra].map((t) => region.valueOf(t));
      // What is returned is carried as well; its first value is never read.
      const blanks = extra.map((t) => outer.emit(() => blankLike(t), []));
      const spare = extra.map((t) => outer.outside.value(t));
      region.graph.inputs.splice(examples.length, 0, ...spare);
      const carried = [...joined.a, ...blanks];
      const free = close(e, [region], carried.length);
      const cond = asBool(e, first);
      const inputs = [cond, ...carried].map((t) => outer.valueOf(t));
      const made = results(
        e,
        {
          op: 'loop',
          inputs: [...inputs, ...free].map(valueInput),
          attrs: { carried: carried.length },
          bodies: [region.graph],
        },
        carried,
      );
      const values = rebuild(joined.shape, made) as unknown[];
      if (returned === undefined) return { values };
      const flag = new ScriptScalar(made.shift()!);
      return { values, returned: flag, value: rebuild(extraShape, made) };
    }
  });
}

/** Numbers, those in arrays and objects too, as values of the graph. */
function lifted(v: unknown, region: Region): unknown {
  if (typeof v === 'number' || typeof v === 'boolean') return scalarOf(v, region);
  if (Array.isArray(v)) return v.map((x) => lifted(x, region));
  if (!isRecord(v)) return v;
  return make(Object.fromEntries(Object.entries(v).map(([k, x]) => [k, lifted(x, region)])));
}

/** The start of a whole number that a round makes a fraction. */
function widen(e: Evaluator, start: unknown, after: unknown): unknown {
  if (Array.isArray(start) && Array.isArray(after)) {
    const items = start.map((s, i) => widen(e, s, after[i]));
    return items.some((x, i) => x !== start[i]) ? items : start;
  }
  if (isRecord(start) && isRecord(after)) {
    const entries = Object.entries(start).map(([k, s]) => [k, widen(e, s, after[k])] as const);
    return entries.some(([k, x]) => x !== start[k]) ? make(Object.fromEntries(entries)) : start;
  }
  const isInt = start instanceof ScriptScalar && start.kind === 'int';
  const becomesFloat =
    (after instanceof ScriptScalar && after.kind === 'float') || (typeof after === 'number' && !isWhole(after));
  return isInt && becomesFloat
    ? new ScriptScalar(e.region.emit(() => start.tensor.to('float64'), [start.tensor]))
    : start;
}

/** A number as a condition: 0 and NaN are false. */
const asBoolIn = (region: Region, goes: unknown): Tensor => {
  const s = scalarOf(goes as boolean, region);
  return s.kind === 'bool' ? s.tensor : region.emit(() => s.tensor.abs().gt(0), [s.tensor]);
};
const blankLike = (t: Tensor): Tensor => full(t.shape, 0, { dtype: t.dtype });
