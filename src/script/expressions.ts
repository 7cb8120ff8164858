// Evaluates expressions of a script. Numbers that are known stay JavaScript's; what the graph computes is a tensor or a ScriptScalar.
import type * as TsMorph from 'ts-morph';
import { fail, tsMorph } from '../frontend/script/syntax.js';
import { Module } from '../nn/module.js';
import { isTensor } from '../tensor/handle.js';
import { callLibrary, callMethod, library, type Namespace, isNamespace } from './library.js';
import { mathOf, numberTest } from './math.js';
import { ScriptScalar } from './region.js';
import { Inlined, isMade, make } from './scope.js';
import { callArray } from './arrays.js';
import { at, type Evaluator } from './evaluator.js';
import { infix, number, truth } from './operators.js';
import { binary, negated, unaryMinus } from './arithmetic.js';

/** A method on the way to its call. */
class Bound {
  constructor(
    readonly object: unknown,
    readonly name: string,
  ) {}
}

/** Names that a function's compiled source gives to its imports: the bundlers' of tests and tools. */
const IMPORTED =
  /^(__vi_import_\d+__|__vite_ssr_import_\d+__|import_(flambeau|index)\w*|(flambeau|index)(_js|_ts)?_\d+)$/;

/** What follows `?.` where there is nothing before it. */
const SHORT = Symbol('short');
export function evaluate(e: Evaluator, node: TsMorph.Node): unknown {
  const v = link(e, node);
  return v === SHORT ? undefined : v;
}

/** The object of an access or call; SHORT where the chain ends before it. */
function before(e: Evaluator, node: TsMorph.Node, optional: boolean): unknown {
  const o = link(e, node);
  return optional && (o === null || o === undefined) ? SHORT : o;
}

function link(e: Evaluator, node: TsMorph.Node): unknown {
  const { Node, SyntaxKind: K } = tsMorph();
  const value = (n: TsMorph.Node): unknown => evaluate(e, n);
  if (Node.isParenthesizedExpression(node) || Node.isAsExpression(node) || Node.isSatisfiesExpression(node))
    return value(node.getExpression());
  if (Node.isNumericLiteral(node)) return node.getLiteralValue();
  if (Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node)) return node.getLiteralValue();
  if (Node.isTemplateExpression(node)) return template(e, node);
  if (Node.isTrueLiteral(node) || Node.isFalseLiteral(node)) return Node.isTrueLiteral(node);
  if (Node.isNullLiteral(node)) return null;
  if (Node.isThisExpression(node)) return e.self;
  if (Node.isIdentifier(node)) return identifier(e, node);
  if (Node.isArrayLiteralExpression(node)) return spread(e, node.getElements());
  if (Node.isObjectLiteralExpression(node)) return object(e, node);
  if (Node.isNonNullExpression(node)) return link(e, node.getExpression());
  if (Node.isPropertyAccessExpression(node)) {
    const o = before(e, node.getExpression(), node.hasQuestionDotToken());
    return o === SHORT ? SHORT : property(e, node, o, node.getName());
  }
  if (Node.isTypeOfExpression(node)) return typeOf(value(node.getExpression()));
  if (Node.isElementAccessExpression(node)) return element(e, node);
  if (Node.isCallExpression(node)) return call(e, node);
  if (Node.isArrowFunction(node) || Node.isFunctionExpression(node))
    return new Inlined(node, e.scope, e.self, e.globals);
  if (Node.isConditionalExpression(node)) {
    const c = truth(value(node.getCondition()), node.getCondition());
    const [yes, no] = [() => value(node.getWhenTrue()), () => value(node.getWhenFalse())];
    return typeof c === 'boolean' ? (c ? yes() : no()) : e.choose(c, yes, no, node);
  }
  if (Node.isPrefixUnaryExpression(node)) {
    const op = node.getOperatorToken();
    if (op === K.ExclamationToken) {
      const c = truth(value(node.getOperand()), node.getOperand());
      return typeof c === 'boolean' ? !c : at(node, () => negated(c, e.region));
    }
    if (op === K.MinusToken) return at(node, () => unaryMinus(value(node.getOperand()), e.region));
    if (op === K.PlusToken) return number(value(node.getOperand()), node);
    if (op === K.PlusPlusToken || op === K.MinusMinusToken)
      return step(e, node.getOperand(), op === K.PlusPlusToken ? 1 : -1).after;
  }
  if (Node.isPostfixUnaryExpression(node))
    return step(e, node.getOperand(), node.getOperatorToken() === K.PlusPlusToken ? 1 : -1).before;
  if (Node.isBinaryExpression(node)) return infix(e, node);
  return fail(
    node,
    `${node.getKindName()} is not part of script`,
    'write it with variables, arithmetic, calls, if and loops',
  );
}

function identifier(e: Evaluator, node: TsMorph.Identifier): unknown {
  const name = node.getText();
  const cell = e.scope.find(name);
  if (cell !== undefined) return cell.value;
  if (name === 'undefined') return undefined;
  if (name === 'Infinity' || name === 'NaN') return name === 'NaN' ? NaN : Infinity;
  if (Object.hasOwn(e.globals, name)) {
    e.guards.read(e.globals, name, e.globals[name]);
    return e.globals[name];
  }
  if (['Math', 'Number', 'Array', 'Object', 'Error'].includes(name)) return { builtin: name };
  const space = library(name) ?? (IMPORTED.test(name) ? library('fb') : undefined);
  return (
    space ??
    fail(
      node,
      `'${name}' is not known here: a function does not say what it took from around it`,
      `jit.script(f, { globals: { ${name} } })`,
    )
  );
}

function template(e: Evaluator, node: TsMorph.TemplateExpression): string {
  let text = node.getHead().getLiteralText();
  for (const span of node.getTemplateSpans()) {
    const v = evaluate(e, span.getExpression());
    if (v instanceof ScriptScalar || isTensor(v))
      fail(span.getExpression(), 'a text cannot hold what the graph computes');
    text += String(v) + span.getLiteral().getLiteralText();
  }
  return text;
}

export function spread(e: Evaluator, nodes: readonly TsMorph.Node[]): unknown[] {
  const { Node } = tsMorph();
  return nodes.flatMap((n) => {
    if (!Node.isSpreadElement(n)) return [evaluate(e, n)];
    const list = evaluate(e, n.getExpression());
    return Array.isArray(list) ? (list as unknown[]) : fail(n, 'only arrays can be spread');
  });
}

function object(e: Evaluator, node: TsMorph.ObjectLiteralExpression): Record<string, unknown> {
  const { Node } = tsMorph();
  return make(
    Object.fromEntries(
      node.getProperties().flatMap((p): [string, unknown][] => {
        if (Node.isPropertyAssignment(p))
          return [[p.getName().replace(/^(['"])(.*)\1$/, '$2'), evaluate(e, p.getInitializerOrThrow())]];
        if (Node.isShorthandPropertyAssignment(p)) return [[p.getName(), evaluate(e, p.getNameNode())]];
        if (!Node.isSpreadAssignment(p)) return fail(p, 'objects have plain fields only');
        const o = evaluate(e, p.getExpression()) ?? {};
        return Object.keys(o).map((k) => [k, property(e, p, o, k)]);
      }),
    ),
  );
}

function property(e: Evaluator, node: TsMorph.Node, o: unknown, name: string): unknown {
  if (isTensor(o)) {
    if (name === 'shape') return [...o.shape];
    if (name === 'dtype' || name === 'ndim' || name === 'device' || name === 'requiresGrad') return o[name as 'dtype'];
    if (name === 'T' || name === 'mT') return at(node, () => e.region.emit(() => o[name], [o]));
    return new Bound(o, name);
  }
  if (Array.isArray(o)) return name === 'length' ? o.length : new Bound(o, name);
  if (o instanceof ScriptScalar) return fail(node, 'a number has no fields');
  if (isBuiltin(o)) {
    if (o.builtin === 'Math' && typeof Math[name as 'PI'] === 'number') return Math[name as 'PI'];
    return new Bound(o, name);
  }
  if (isNamespace(o)) {
    if (!(name in o)) return fail(node, `flambeau has no '${name}'`);
    return (o as Record<string, unknown>)[name];
  }
  if (o === null || o === undefined) return fail(node, `${String(o)} has no field '${name}'`);
  if (typeof o === 'string') return name === 'length' ? o.length : new Bound(o, name);
  const v = (o as Record<string, unknown>)[name];
  if (!isMade(o)) e.guards.read(o, name, v);
  if (typeof v === 'function' && !(v instanceof Module) && !isScripted(v)) return new Bound(o, name);
  return v;
}

const isBuiltin = (o: unknown): o is { builtin: string } =>
  typeof o === 'object' && o !== null && Object.keys(o).join() === 'builtin';
/** Marks functions that jit.script made; their source is inlined. */
export const SCRIPTED = Symbol.for('flambeau.scripted');
export const isScripted = (f: unknown): boolean => typeof f === 'function' && SCRIPTED in f;

function element(e: Evaluator, node: TsMorph.ElementAccessExpression): unknown {
  const o = before(e, node.getExpression(), node.hasQuestionDotToken());
  if (o === SHORT) return SHORT;
  const index = evaluate(e, node.getArgumentExpressionOrThrow());
  if (isTensor(o))
    return fail(
      node,
      'a tensor is not indexed with brackets',
      `${node.getExpression().getText()}.index(${node.getArgumentExpressionOrThrow().getText()})`,
    );
  if (index instanceof ScriptScalar)
    return fail(
      node,
      'the position is computed by the graph, and an array is not part of it',
      'stack the tensors and use index()',
    );
  if (Array.isArray(o) && typeof index === 'number') {
    if (!(index in o)) return fail(node, `an array of ${o.length} has no element ${index}`);
    return (o as unknown[])[index];
  }
  return property(e, node, o, String(index));
}

function call(e: Evaluator, node: TsMorph.CallExpression): unknown {
  const { Node } = tsMorph();
  const callee = node.getExpression();
  // What esbuild makes of named functions: __name(f, 'f').
  if (Node.isIdentifier(callee) && callee.getText() === '__name') return evaluate(e, node.getArguments()[0]!);
  const f = before(e, Node.isBinaryExpression(callee) ? callee.getRight() : callee, node.hasQuestionDotToken());
  if (f === SHORT) return SHORT;
  const args = spread(e, node.getArguments());
  if (f instanceof Inlined) return e.callInlined(f, args, node);
  if (!(f instanceof Bound)) return callValue(e, f, args, node);
  const { object: o, name } = f;
  if (isTensor(o)) return at(node, () => callMethod(e.region, o, name, args));
  if (Array.isArray(o)) return callArray(e, node, o, name, args);
  if (typeof o === 'string') return callText(o, name, args, node);
  if (isBuiltin(o)) {
    if (o.builtin === 'Math') return at(node, () => mathOf(name, args, e.region));
    const [first] = args;
    if (o.builtin === 'Number' && first instanceof ScriptScalar)
      return at(node, () => numberTest(name, first, e.region));
    if (o.builtin === 'Array' && name === 'from') return arrayFrom(e, node, args);
    const table = { Number, Array, Object }[o.builtin] as unknown as Record<string, (...a: unknown[]) => unknown>;
    const known = o.builtin !== 'Object' || ['keys', 'values', 'entries'].includes(name);
    if (
      table === undefined ||
      !known ||
      typeof table[name] !== 'function' ||
      args.some((a) => a instanceof ScriptScalar)
    )
      return fail(node, `${o.builtin}.${name} is not part of script here`);
    return table[name](...args);
  }
  if (isNamespace(o)) return at(node, () => callLibrary(e.region, (o as Record<string, unknown>)[name], args));
  return e.callUser((o as Record<string, unknown>)[name], args, o, node);
}

const TEXTS: ReadonlySet<string> = new Set(['startsWith', 'endsWith', 'includes', 'toLowerCase', 'toUpperCase', 'trim', 'slice', 'split', 'indexOf', 'replace', 'padStart', 'repeat', 'at', 'charAt']); // prettier-ignore
function callText(text: string, name: string, args: readonly unknown[], node: TsMorph.Node): unknown {
  if (!TEXTS.has(name) || args.some((a) => typeof a === 'object'))
    return fail(node, `texts have no '${name}' in script`);
  return (text as unknown as Record<string, (...a: unknown[]) => unknown>)[name]!(...args);
}

function arrayFrom(e: Evaluator, node: TsMorph.CallExpression, args: readonly unknown[]): unknown[] {
  const [of, each] = args as [Iterable<unknown> & { length?: unknown }, unknown];
  if (isTensor(of)) return fail(node, 'a tensor is not taken apart', 'unbind()');
  if (of.length instanceof ScriptScalar)
    return fail(node, 'the length of an array must be known when the graph is made');
  const items: unknown[] = Array.from(of);
  return each === undefined ? items : items.map((x, i) => callFunction(e, each, [x, i], node));
}

/** Calls what was given as a function: the script's own or one from outside. */
export const callFunction = (
  e: Evaluator,
  f: unknown,
  args: readonly unknown[],
  node: TsMorph.CallExpression,
): unknown => (f instanceof Inlined ? e.callInlined(f, args, node) : callValue(e, f, args, node));

function typeOf(v: unknown): string {
  if (v instanceof ScriptScalar) return v.kind === 'bool' ? 'boolean' : 'number';
  return v instanceof Inlined || v instanceof Bound ? 'function' : typeof v;
}

function callValue(e: Evaluator, f: unknown, args: readonly unknown[], node: TsMorph.CallExpression): unknown {
  if (typeof f !== 'function') return fail(node.getExpression(), 'this is no function');
  if (isLibraryFunction(f)) return at(node, () => callLibrary(e.region, f, args));
  return e.callUser(f, args, undefined, node);
}
let known: Set<unknown> | undefined;
/** Functions of the library's namespaces. */
function isLibraryFunction(f: unknown): boolean {
  if (known === undefined) {
    known = new Set();
    const add = (space: Namespace, depth: number): void => {
      for (const v of Object.values(space)) {
        if (typeof v === 'function') known!.add(v);
        else if (isNamespace(v) && depth < 3) add(v, depth + 1);
      }
    };
    add(library('fb')!, 0);
  }
  return known.has(f);
}

/** Puts a changed array or object in the place of `was`: each way through a branch has its own. */
export function replace(e: Evaluator, place: TsMorph.Node, was: object, by: unknown): void {
  const { Node } = tsMorph();
  if (e.guards.isOutside(was)) return fail(place, 'an array or object from outside is changed', 'make a new one');
  if (Node.isNonNullExpression(place) || Node.isParenthesizedExpression(place))
    return replace(e, place.getExpression(), was, by);
  const cell = Node.isIdentifier(place) ? e.scope.find(place.getText()) : undefined;
  if (cell === undefined) return assign(e, place, by);
  cell.value = by;
}

/** Adds to a variable. */
function step(e: Evaluator, target: TsMorph.Node, by: number): { before: unknown; after: unknown } {
  const before = number(evaluate(e, target), target);
  const after = at(target, () => binary('+', before, by, e.region));
  assign(e, target, after);
  return { before, after };
}

export function assign(e: Evaluator, target: TsMorph.Node, value: unknown): void {
  const { Node } = tsMorph();
  if (Node.isIdentifier(target)) {
    const cell = e.scope.find(target.getText());
    if (cell === undefined) return fail(target, `'${target.getText()}' is not a variable of the script`);
    if (cell.constant) return fail(target, `'${target.getText()}' is a constant`);
    cell.value = value;
    return;
  }
  if (Node.isArrayLiteralExpression(target)) {
    target.getElements().forEach((t, i) => assign(e, t, (value as unknown[])[i]));
    return;
  }
  if (Node.isElementAccessExpression(target) || Node.isPropertyAccessExpression(target)) {
    const path = target.getExpression();
    const o = evaluate(e, path);
    if (o === e.self && Node.isThisExpression(path))
      return fail(target, 'a scripted function cannot change fields of its module', 'return the new value');
    const key = Node.isPropertyAccessExpression(target)
      ? target.getName()
      : evaluate(e, target.getArgumentExpressionOrThrow());
    if (key instanceof ScriptScalar)
      return fail(
        target,
        'the position is computed by the graph, and an array is not part of it',
        'a tensor and indexPut()',
      );
    if (Array.isArray(o) || (typeof o === 'object' && o !== null && isMade(o))) {
      const changed = Array.isArray(o) ? [...(o as unknown[])] : make({ ...o });
      (changed as Record<string, unknown>)[String(key)] = value;
      return replace(e, path, o, changed);
    }
  }
  fail(target, 'only variables, elements of arrays and fields of objects that are made here can be assigned');
}

/** An expression for what it does: its value is not used, so ways may give different ones. */
export function effect(e: Evaluator, node: TsMorph.Node): void {
  const { Node } = tsMorph();
  if (Node.isParenthesizedExpression(node)) return effect(e, node.getExpression());
  const either = Node.isConditionalExpression(node);
  const op = Node.isBinaryExpression(node) ? node.getOperatorToken().getText() : '';
  if (!either && op !== '&&' && op !== '||') return void evaluate(e, node);
  const first = either ? node.getCondition() : (node as TsMorph.BinaryExpression).getLeft();
  const second = either ? node.getWhenTrue() : (node as TsMorph.BinaryExpression).getRight();
  const third = either ? node.getWhenFalse() : undefined;
  const [yes, no] = op === '||' ? [third, second] : [second, third];
  const c = truth(evaluate(e, first), first);
  const way = (n: TsMorph.Node | undefined) => (): void => (n === undefined ? undefined : effect(e, n));
  if (typeof c === 'boolean') way(c ? yes : no)();
  else e.choose(c, way(yes), way(no), node);
}
