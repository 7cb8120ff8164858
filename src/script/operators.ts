// Operators of a script: JavaScript's on what is known, nodes of the graph where it computes an operand. On tensors there are none.
import type * as TsMorph from 'ts-morph';
import { fail } from '../frontend/script/syntax.js';
import { isTensor } from '../tensor/handle.js';
import { binary, compare, negated } from './arithmetic.js';
import { COMPOUND } from './assigned.js';
import { at, type Evaluator } from './evaluator.js';
import { scalarOf } from './join.js';
import { ScriptScalar, type Region } from './region.js';

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

/** An expression of two operands, assignments included. */
export function infix(e: Evaluator, node: TsMorph.BinaryExpression): unknown {
  const [l, r] = [node.getLeft(), node.getRight()];
  const op = node.getOperatorToken().getText();
  if (op === '=') {
    const v = e.evaluate(r);
    e.assign(l, v);
    return v;
  }
  if (COMPOUND.test(op)) {
    const plain = op.slice(0, -1);
    const v = LOGICAL.has(plain)
      ? logical(e, plain, node)
      : at(node, () => arithmetic(plain, e.evaluate(l), e.evaluate(r), node, e.region));
    e.assign(l, v);
    return v;
  }
  if (LOGICAL.has(op)) return logical(e, op, node);
  if (op === ',') {
    e.evaluate(l);
    return e.evaluate(r);
  }
  return at(node, () => arithmetic(op, e.evaluate(l), e.evaluate(r), node, e.region));
}

const LOGICAL: ReadonlySet<string> = new Set(['&&', '||', '??']);

function logical(e: Evaluator, op: string, node: TsMorph.BinaryExpression): unknown {
  const [l, r] = [node.getLeft(), node.getRight()];
  const left = e.evaluate(l);
  if (op === '??') return left ?? e.evaluate(r);
  // What is known stays as it is: a tensor that may be missing, say.
  if (!(left instanceof ScriptScalar))
    return isTensor(left) ? truth(left, l) : (op === '&&') === Boolean(left) ? e.evaluate(r) : left;
  const goes = op === '&&' ? left : at(node, () => negated(left, e.region));
  let right: unknown;
  const isBool = (v: unknown): boolean => typeof v === 'boolean' || (v instanceof ScriptScalar && v.kind === 'bool');
  return e.choose(
    goes,
    () => (right = e.evaluate(r)),
    // A number beside a condition is one.
    () => (isBool(right) ? op === '||' : left),
    node,
  );
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

/** `a === b`: known, or computed by the graph. */
export function equal(e: Evaluator, a: unknown, b: unknown): boolean | ScriptScalar {
  const computed = a instanceof ScriptScalar || b instanceof ScriptScalar;
  if (!computed) return a === b;
  if ([a, b].some((x) => !(x instanceof ScriptScalar) && typeof x !== 'number' && typeof x !== 'boolean')) return false;
  return compare('===', scalarOf(a as number, e.region), scalarOf(b as number, e.region), e.region);
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
    case '>>>': return x >>> y; case '&': return x & y; case '|': return x | y; case '^': return x ^ y; case '<<': return x << y; case '>>': return x >> y;
    case 'instanceof': return typeof b === 'function' && a instanceof (b as unknown as new () => unknown);
    default: return fail(node, `the operator ${op} is not part of script`);
  } // prettier-ignore
}
