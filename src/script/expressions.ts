// Evaluates expressions of a script. Numbers that are known stay JavaScript's; what the graph computes is a tensor or a ScriptScalar.
import type * as TsMorph from 'ts-morph';
import { fail, tsMorph } from '../frontend/script/syntax.js';
import { Module } from '../nn/module.js';
import { isTensor } from '../tensor/handle.js';
import { callLibrary, callMethod, library, mathOf, type Namespace, isNamespace } from './library.js';
import { ScriptScalar, type Region } from './region.js';
import { scalarOf } from './join.js';
import type { Guards } from './guards.js';
import { type Scope } from './scope.js';
import { binary, compare, unaryMinus } from './arithmetic.js';

/** Values of names that a function takes from around it. */
export type Globals = Readonly<Record<string, unknown>>;

/** A function of the script's own: an arrow function in it, or a function that was given. */
export class Inlined {
  constructor(
    readonly node: TsMorph.ArrowFunction | TsMorph.FunctionExpression,
    readonly scope: Scope,
    readonly self: unknown,
    readonly globals: Globals,
  ) {}
}
/** A method on the way to its call. */
class Bound {
  constructor(
    readonly object: unknown,
    readonly name: string,
  ) {}
}

export interface Evaluator {
  region: Region;
  scope: Scope;
  self: unknown;
  /** Names that were given to the function being evaluated. */
  globals: Globals;
  readonly guards: Guards;
  /** Runs a function's body; statements.ts. */
  callInlined(f: Inlined, args: readonly unknown[], at: TsMorph.Node): unknown;
  /** Calls a module or function that is not the library's. */
  callUser(f: unknown, args: readonly unknown[], self: unknown, at: TsMorph.Node): unknown;
  /** A value that depends on a condition that the graph computes. */
  choose(condition: ScriptScalar, yes: () => unknown, no: () => unknown, at: TsMorph.Node): unknown;
}

/** Names that a function's compiled source gives to its imports: the bundlers' of tests and tools. */
const IMPORTED =
  /^(__vi_import_\d+__|__vite_ssr_import_\d+__|import_(flambeau|index)\w*|(flambeau|index)(_js|_ts)?_\d+)$/;

/** Runs `f`, naming the code where it goes wrong. */
export function at<T>(node: TsMorph.Node, f: () => T): T {
  try {
    return f();
  } catch (e) {
    if (e instanceof SyntaxError) throw e;
    const message = e instanceof Error ? e.message : String(e);
    return fail(node, message, undefined, e);
  }
}

export function evaluate(e: Evaluator, node: TsMorph.Node): unknown {
  const { Node, SyntaxKind: K } = tsMorph();
  const value = (n: TsMorph.Node): unknown => evaluate(e, n);
  if (
    Node.isParenthesizedExpression(node) ||
    Node.isAsExpression(node) ||
    Node.isNonNullExpression(node) ||
    Node.isSatisfiesExpression(node)
  )
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
  if (Node.isPropertyAccessExpression(node)) return property(e, node, value(node.getExpression()), node.getName());
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
      return typeof c === 'boolean'
        ? !c
        : new ScriptScalar(at(node, () => e.region.emit(() => c.tensor.logicalNot(), [c.tensor])));
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
  if (name === 'Math' || name === 'Number' || name === 'Array' || name === 'Error') return { builtin: name };
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
  return Object.fromEntries(
    node.getProperties().map((p) => {
      if (Node.isPropertyAssignment(p))
        return [p.getName().replace(/^(['"])(.*)\1$/, '$2'), evaluate(e, p.getInitializerOrThrow())];
      if (Node.isShorthandPropertyAssignment(p)) return [p.getName(), evaluate(e, p.getNameNode())];
      return fail(p, 'objects have plain fields only');
    }),
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
  const v = (o as Record<string, unknown>)[name];
  e.guards.read(o, name, v);
  if (typeof v === 'function' && !(v instanceof Module) && !isScripted(v)) return new Bound(o, name);
  return v;
}

const isBuiltin = (o: unknown): o is { builtin: string } =>
  typeof o === 'object' && o !== null && Object.keys(o).join() === 'builtin';
/** Marks functions that jit.script made; their source is inlined. */
export const SCRIPTED = Symbol.for('flambeau.scripted');
export const isScripted = (f: unknown): boolean => typeof f === 'function' && SCRIPTED in f;

function element(e: Evaluator, node: TsMorph.ElementAccessExpression): unknown {
  const o = evaluate(e, node.getExpression());
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
  const f = evaluate(e, Node.isBinaryExpression(callee) ? callee.getRight() : callee);
  const args = spread(e, node.getArguments());
  if (f instanceof Inlined) return e.callInlined(f, args, node);
  if (!(f instanceof Bound)) return callValue(e, f, args, node);
  const { object: o, name } = f;
  if (isTensor(o)) return at(node, () => callMethod(e.region, o, name, args));
  if (Array.isArray(o)) return callArray(e, node, o, name, args);
  if (isBuiltin(o)) {
    if (o.builtin === 'Math') return at(node, () => mathOf(name, args, e.region));
    if (o.builtin === 'Number' || o.builtin === 'Array') {
      if (args.some((a) => a instanceof ScriptScalar)) return fail(node, `${o.builtin}.${name} of a computed number`);
      return ((o.builtin === 'Number' ? Number : Array) as unknown as Record<string, (...a: unknown[]) => unknown>)[
        name
      ]!(...args);
    }
  }
  if (isNamespace(o)) return at(node, () => callLibrary(e.region, (o as Record<string, unknown>)[name], args));
  return e.callUser((o as Record<string, unknown>)[name], args, o, node);
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

function callArray(
  e: Evaluator,
  node: TsMorph.CallExpression,
  o: unknown[],
  name: string,
  args: readonly unknown[],
): unknown {
  const { Node } = tsMorph();
  switch (name) {
    case 'push': {
      const callee = node.getExpression();
      const target = Node.isPropertyAccessExpression(callee) ? callee.getExpression() : callee;
      if (!Node.isIdentifier(target)) return fail(node, 'push is for arrays in variables');
      const cell = e.scope.find(target.getText())!;
      cell.value = [...o, ...args];
      return o.length + args.length;
    }
    case 'map':
      return o.map((x, i) => e.callInlined(args[0] as Inlined, [x, i], node));
    case 'slice':
    case 'concat':
    case 'at':
    case 'reverse':
    case 'includes':
      return ([...o][name] as (...a: unknown[]) => unknown)(...args);
    default:
      return fail(node, `arrays have no '${name}' in script`, 'use a loop');
  }
}

export function number(v: unknown, node: TsMorph.Node): ScriptScalar | number {
  if (v instanceof ScriptScalar || typeof v === 'number') return v;
  if (isTensor(v)) return fail(node, 'a tensor is not a number', `${node.getText()}.item()`);
  return fail(node, `a number is needed, got ${typeof v}`);
}

/** What a condition is: known, or computed by the graph. */
export function truth(v: unknown, node: TsMorph.Node): boolean | ScriptScalar {
  if (isTensor(v))
    return fail(node, 'a tensor as a condition is always true in JavaScript', `${node.getText()}.item()`);
  if (!(v instanceof ScriptScalar)) return Boolean(v);
  return v;
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
  if (Node.isElementAccessExpression(target) && Node.isIdentifier(target.getExpression())) {
    const cell = e.scope.find(target.getExpression().getText());
    const index = evaluate(e, target.getArgumentExpressionOrThrow());
    if (cell !== undefined && Array.isArray(cell.value) && typeof index === 'number') {
      const list = [...(cell.value as unknown[])];
      list[index] = value;
      cell.value = list;
      return;
    }
  }
  if (
    Node.isPropertyAccessExpression(target) &&
    e.self instanceof Module &&
    Node.isThisExpression(target.getExpression())
  )
    return fail(target, 'a scripted function cannot change fields of its module', 'return the new value');
  fail(target, 'only variables and elements of arrays can be assigned');
}

function infix(e: Evaluator, node: TsMorph.BinaryExpression): unknown {
  const [l, r] = [node.getLeft(), node.getRight()];
  const op = node.getOperatorToken().getText();
  if (op === '=') {
    const v = evaluate(e, r);
    assign(e, l, v);
    return v;
  }
  if (/^(\+|-|\*|\/|%|\*\*)=$/.test(op)) {
    const v = at(node, () => arithmetic(op.slice(0, -1), evaluate(e, l), evaluate(e, r), node, e.region));
    assign(e, l, v);
    return v;
  }
  if (op === '&&' || op === '||' || op === '??') {
    const left = evaluate(e, l);
    if (op === '??') return left ?? evaluate(e, r);
    const c = truth(left, l);
    if (typeof c === 'boolean') return (op === '&&') === c ? evaluate(e, r) : left;
    return op === '&&'
      ? e.choose(
          c,
          () => evaluate(e, r),
          () => false,
          node,
        )
      : e.choose(
          c,
          () => true,
          () => evaluate(e, r),
          node,
        );
  }
  if (op === ',') {
    evaluate(e, l);
    return evaluate(e, r);
  }
  return at(node, () => arithmetic(op, evaluate(e, l), evaluate(e, r), node, e.region));
}

const METHODS: Readonly<Record<string, string>> = {
  '+': 'add', '-': 'sub', '*': 'mul', '/': 'div', '%': 'remainder', '**': 'pow', '<': 'lt', '<=': 'le', '>': 'gt', '>=': 'ge',
  '===': 'eq', '!==': 'ne', '==': 'eq', '!=': 'ne',
}; // prettier-ignore

const EQUALITY: ReadonlySet<string> = new Set(['===', '!==', '==', '!=']);

function arithmetic(op: string, a: unknown, b: unknown, node: TsMorph.BinaryExpression, region: Region): unknown {
  if (isTensor(a) || isTensor(b) || a instanceof ScriptScalar || b instanceof ScriptScalar) {
    const missing = a === null || b === null || a === undefined || b === undefined;
    if (missing && EQUALITY.has(op)) return op.startsWith('!');
  }
  if (isTensor(a) || isTensor(b)) {
    const m = METHODS[op];
    return fail(
      node,
      `JavaScript's ${op} does not work on tensors`,
      m === undefined ? undefined : `${node.getLeft().getText()}.${m}(${node.getRight().getText()})`,
    );
  }
  if (!(a instanceof ScriptScalar) && !(b instanceof ScriptScalar)) return known2(op, a, b, node);
  if (['<', '<=', '>', '>=', '===', '!==', '==', '!='].includes(op))
    return compare(op, scalarOf(a as number, region), scalarOf(b as number, region), region);
  return binary(op, number(a, node.getLeft()), number(b, node.getRight()), region);
}

function known2(op: string, a: unknown, b: unknown, node: TsMorph.Node): unknown {
  const [x, y] = [a as number, b as number];
  switch (op) {
    case '+': return x + y; case '-': return x - y; case '*': return x * y; case '/': return x / y; case '%': return x % y;
    case '**': return x ** y; case '<': return x < y; case '<=': return x <= y; case '>': return x > y; case '>=': return x >= y;
    case '===': return x === y; case '!==': return x !== y;
    // eslint-disable-next-line eqeqeq -- the script's own comparison
    case '==': return x == y;
    // eslint-disable-next-line eqeqeq -- the script's own comparison
    case '!=': return x != y;
    case '&': return x & y; case '|': return x | y; case '^': return x ^ y; case '<<': return x << y; case '>>': return x >> y;
    case 'instanceof': return typeof b === 'function' && a instanceof (b as unknown as new () => unknown);
    default: return fail(node, `the operator ${op} is not part of script`);
  } // prettier-ignore
}
