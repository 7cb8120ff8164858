// Methods of arrays. Their lengths and what is in which place are known; the elements may be values of the graph.
import type * as TsMorph from 'ts-morph';
import { fail, tsMorph } from '../frontend/script/syntax.js';
import { CHANGING } from './assigned.js';
import type { Evaluator } from './evaluator.js';
import { truth } from './operators.js';
import { ScriptScalar } from './region.js';
import { isTensor } from '../tensor/handle.js';

const PLAIN: ReadonlySet<string> = new Set(['slice', 'concat', 'at', 'flat', 'keys', 'entries', 'values', 'toReversed', 'with']); // prettier-ignore
/** They compare elements. */
const COMPARING: ReadonlySet<string> = new Set(['includes', 'indexOf', 'join']);

export function callArray(
  e: Evaluator,
  node: TsMorph.CallExpression,
  o: unknown[],
  name: string,
  args: readonly unknown[],
): unknown {
  const apply = (on: unknown[]): unknown =>
    (on as unknown as Record<string, (...a: unknown[]) => unknown>)[name]!(...args);
  if (CHANGING.has(name)) {
    const { Node } = tsMorph();
    const callee = node.getExpression();
    let place: TsMorph.Node = Node.isPropertyAccessExpression(callee) ? callee.getExpression() : callee;
    while (Node.isNonNullExpression(place) || Node.isParenthesizedExpression(place)) place = place.getExpression();
    const list = [...o];
    const result = apply(list);
    // Nothing else can see an array that an expression has just made.
    const named =
      Node.isIdentifier(place) || Node.isElementAccessExpression(place) || Node.isPropertyAccessExpression(place);
    if (named) e.replace(place, o, list);
    return result;
  }
  const call = (...given: unknown[]): unknown => e.callFunction(args[0], given, node);
  const test = (x: unknown, i: number): boolean => {
    const c = truth(call(x, i), node);
    return typeof c === 'boolean' ? c : fail(node, `what ${name}() finds is computed by the graph`, 'a loop');
  };
  switch (name) {
    case 'map':
      return o.map((x, i) => call(x, i));
    case 'flatMap':
      return o.flatMap((x, i) => call(x, i));
    case 'forEach':
      return void o.forEach((x, i) => call(x, i));
    case 'reduce': {
      if (o.length === 0 && args.length < 2) return fail(node, 'reduce() of an empty array needs a first value');
      const rest = args.length < 2 ? o.slice(1) : o;
      const skipped = o.length - rest.length;
      return rest.reduce((sum, x, i) => call(sum, x, i + skipped), args.length < 2 ? o[0] : args[1]);
    }
    case 'filter':
    case 'some':
    case 'every':
    case 'find':
    case 'findIndex':
      return o[name as 'filter'](test);
  }
  if (args.some((a) => a instanceof ScriptScalar && name !== 'concat' && name !== 'with'))
    return fail(node, `${name}() with a number that the graph computes`, 'a loop');
  if (COMPARING.has(name)) {
    if (o.some((x) => x instanceof ScriptScalar || (name === 'join' && isTensor(x))))
      return fail(node, `${name}() over values that the graph computes`, 'a loop');
    return apply(o);
  }
  if (!PLAIN.has(name)) return fail(node, `arrays have no '${name}' in script`, 'use a loop');
  if (name === 'keys' || name === 'entries' || name === 'values') return [...(apply(o) as Iterable<unknown>)];
  return apply(o);
}
