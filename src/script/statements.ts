// Evaluates statements. What follows a statement is a continuation, so that a branch that returns, breaks or continues simply does not
// call it: both ways of a computed condition end in outcomes of the same form, which the `if` node joins.
import type * as TsMorph from 'ts-morph';
import { fail, tsMorph } from '../frontend/script/syntax.js';
import { allWritten } from './assigned.js';
import { evaluate, assign, at, truth, type Evaluator } from './expressions.js';
import { MISSING, scalarOf } from './join.js';
import type { ScriptScalar } from './region.js';
import { Scope } from './scope.js';
import { isTensor } from '../tensor/handle.js';
import { carriedLoop, ifNode } from './nodes.js';

/** Where the course goes on; each gives the outcome of the function or loop body that is being evaluated. */
export interface Courses {
  readonly next: () => unknown;
  readonly leave: (value: unknown) => unknown;
  readonly breakOut?: () => unknown;
  readonly goOn?: () => unknown;
}

/** Loops whose course is known are written out, up to this many rounds. */
const MAX_ROUNDS = 256;

export function block(e: Evaluator, statements: readonly TsMorph.Statement[], c: Courses, from = 0): unknown {
  if (from === statements.length) return c.next();
  return statement(e, statements[from]!, { ...c, next: () => block(e, statements, c, from + 1) });
}

/** Runs `f` in a scope of its own, and what follows in the one around it. */
function scoped(e: Evaluator, c: Courses, f: (inner: Courses) => unknown): unknown {
  const around = e.scope;
  e.scope = new Scope(around);
  const back = <A extends unknown[]>(k: ((...a: A) => unknown) | undefined): ((...a: A) => unknown) | undefined =>
    k &&
    ((...a) => {
      const inside = e.scope;
      e.scope = around;
      try {
        return k(...a);
      } finally {
        e.scope = inside;
      }
    });
  try {
    return f({
      next: back(c.next)!,
      leave: c.leave,
      ...(c.breakOut && { breakOut: back(c.breakOut)! }),
      ...(c.goOn && { goOn: back(c.goOn)! }),
    });
  } finally {
    e.scope = around;
  }
}

function statement(e: Evaluator, node: TsMorph.Statement, c: Courses): unknown {
  const { Node } = tsMorph();
  if (Node.isBlock(node)) return scoped(e, c, (inner) => block(e, node.getStatements(), inner));
  if (Node.isVariableStatement(node)) {
    for (const d of node.getDeclarations()) declare(e, d);
    return c.next();
  }
  if (Node.isExpressionStatement(node)) {
    evaluate(e, node.getExpression());
    return c.next();
  }
  if (Node.isReturnStatement(node)) {
    const value = node.getExpression();
    return c.leave(value === undefined ? undefined : evaluate(e, value));
  }
  if (Node.isIfStatement(node)) return ifStatement(e, node, c);
  if (Node.isForStatement(node))
    return scoped(e, c, (inner) => {
      const init = node.getInitializer();
      if (init !== undefined && Node.isVariableDeclarationList(init))
        for (const d of init.getDeclarations()) declare(e, d);
      else if (init !== undefined) evaluate(e, init);
      return loop(
        e,
        { node, body: node.getStatement(), condition: node.getCondition(), update: node.getIncrementor() },
        inner,
        0,
      );
    });
  if (Node.isWhileStatement(node))
    return loop(e, { node, body: node.getStatement(), condition: node.getExpression() }, c, 0);
  if (Node.isDoStatement(node)) {
    const rest = { node, body: node.getStatement(), condition: node.getExpression() };
    const go = (): unknown => loop(e, rest, c, 0);
    return round(e, rest, { ...c, next: go, goOn: go, breakOut: c.next });
  }
  if (Node.isForOfStatement(node)) return forOf(e, node, c);
  if (Node.isBreakStatement(node) && node.getLabel() === undefined && c.breakOut) return c.breakOut();
  if (Node.isContinueStatement(node) && node.getLabel() === undefined && c.goOn) return c.goOn();
  if (Node.isThrowStatement(node)) return fail(node, 'the script throws here for these arguments');
  if (Node.isFunctionDeclaration(node))
    return fail(node, 'functions inside are arrow functions', `const ${node.getName() ?? 'f'} = (...) => ...`);
  if (Node.isEmptyStatement(node)) return c.next();
  return fail(node, `${node.getKindName()} is not part of script`, 'write it with variables, calls, if, for and while');
}

function declare(e: Evaluator, d: TsMorph.VariableDeclaration): void {
  const { Node } = tsMorph();
  const constant = d.getVariableStatement()?.getDeclarationKind() === 'const';
  const init = d.getInitializer();
  const value = init === undefined ? undefined : evaluate(e, init);
  bind(e, d.getNameNode(), value, constant && !Node.isIdentifier(d.getNameNode()) ? true : constant);
}

/** Declares the names of a pattern. */
export function bind(e: Evaluator, name: TsMorph.Node, value: unknown, constant: boolean): void {
  const { Node } = tsMorph();
  if (Node.isIdentifier(name)) return e.scope.declare(name.getText(), value, constant && !Array.isArray(value));
  if (Node.isArrayBindingPattern(name)) {
    const list = isTensor(value) ? fail(name, 'a tensor is not taken apart', 'unbind()') : value;
    if (!Array.isArray(list)) return fail(name, 'only arrays are taken apart here');
    name.getElements().forEach((el, i) => {
      if (Node.isBindingElement(el)) bind(e, el.getNameNode(), (list as unknown[])[i], constant);
    });
    return;
  }
  if (Node.isObjectBindingPattern(name)) {
    for (const el of name.getElements()) {
      const field = el.getPropertyNameNode()?.getText() ?? el.getName();
      bind(e, el.getNameNode(), (value as Record<string, unknown>)[field], constant);
    }
    return;
  }
  fail(name, 'this pattern is not part of script');
}

// ---- branches ----

const abrupt = (node: TsMorph.Node | undefined, inLoop: boolean): boolean => {
  const { Node } = tsMorph();
  if (node === undefined) return false;
  const go = (n: TsMorph.Node, loops: boolean): boolean => {
    if (Node.isArrowFunction(n) || Node.isFunctionExpression(n)) return false;
    if (Node.isReturnStatement(n)) return true;
    if (loops && (Node.isBreakStatement(n) || Node.isContinueStatement(n))) return true;
    const own = Node.isForStatement(n) || Node.isWhileStatement(n) || Node.isDoStatement(n) || Node.isForOfStatement(n);
    return n.forEachChildAsArray().some((x) => go(x, loops && !own));
  };
  return go(node, inLoop);
};

function ifStatement(e: Evaluator, node: TsMorph.IfStatement, c: Courses): unknown {
  const [yes, no] = [node.getThenStatement(), node.getElseStatement()];
  const condition = truth(evaluate(e, node.getExpression()), node.getExpression());
  if (typeof condition === 'boolean') {
    const taken = condition ? yes : no;
    return taken === undefined ? c.next() : statement(e, taken, c);
  }
  const leaves_ = abrupt(yes, true) || abrupt(no, true);
  if (leaves_) {
    const way = (s: TsMorph.Statement | undefined) => (): unknown => (s === undefined ? c.next() : statement(e, s, c));
    return ifNode(e, condition, way(yes), way(no), node, 'the result');
  }
  // Both ways come together again: only the variables that were written differ.
  const names = [...allWritten(yes), ...(no === undefined ? [] : allWritten(no))].filter(
    (n, i, all) => all.indexOf(n) === i && e.scope.find(n) !== undefined,
  );
  const values = (): unknown[] => names.map((n) => e.scope.find(n)!.value);
  const way = (s: TsMorph.Statement | undefined) => (): unknown =>
    s === undefined ? values() : statement(e, s, { next: values, leave: () => fail(s, 'return is out of place') });
  const joined = ifNode(
    e,
    condition,
    way(yes),
    way(no),
    node,
    names.map((n) => `'${n}'`).join(', ') || 'nothing',
  ) as unknown[];
  names.forEach((n, i) => (e.scope.find(n)!.value = joined[i]));
  return c.next();
}

// ---- loops ----

interface Loop {
  readonly node: TsMorph.Statement;
  readonly body: TsMorph.Statement;
  readonly condition?: TsMorph.Expression | undefined;
  readonly update?: TsMorph.Expression | undefined;
}

const round = (e: Evaluator, l: Loop, c: Courses): unknown => statement(e, l.body, c);

function loop(e: Evaluator, l: Loop, c: Courses, rounds: number): unknown {
  const { Node, SyntaxKind } = tsMorph();
  // `while (true)` and `for (;;)` end by a computed condition inside.
  const endless =
    l.condition === undefined || (Node.isTrueLiteral(l.condition) && l.condition.getKind() === SyntaxKind.TrueKeyword);
  const condition = endless ? true : truth(evaluate(e, l.condition!), l.condition!);
  if (endless || typeof condition !== 'boolean') return computed(e, l, scalarOf(condition, e.region), c);
  if (!condition) return c.next();
  if (rounds === MAX_ROUNDS)
    return fail(
      l.node,
      `the loop has more than ${MAX_ROUNDS} rounds that are known when the graph is made`,
      'make its bound an argument: then the loop itself is in the graph',
    );
  const again = (): unknown => {
    if (l.update !== undefined) evaluate(e, l.update);
    return loop(e, l, c, rounds + 1);
  };
  return round(e, l, { ...c, next: again, goOn: again, breakOut: c.next });
}

/** A loop whose condition the graph computes: one round is a body. */
function computed(e: Evaluator, l: Loop, first: ScriptScalar, c: Courses): unknown {
  const names = [
    ...new Set([l.body, l.condition, l.update].flatMap((n) => (n === undefined ? [] : [...allWritten(n)]))),
  ].filter((n) => e.scope.find(n) !== undefined);
  const returns = abrupt(l.body, false);
  const before = names.map((n) => e.scope.find(n)!.value);
  const result = carriedLoop(e, first, before, names, l.node, (start) => {
    names.forEach((n, i) => (e.scope.find(n)!.value = start[i]));
    const end = (goes: unknown, returned: unknown, value: unknown): unknown[] => [
      goes,
      names.map((n) => e.scope.find(n)!.value),
      ...(returns ? [returned, value] : []),
    ];
    const again = (): unknown => {
      if (l.update !== undefined) evaluate(e, l.update);
      return end(l.condition === undefined ? true : truth(evaluate(e, l.condition), l.condition), false, MISSING);
    };
    return round(e, l, {
      next: again,
      goOn: again,
      breakOut: () => end(false, false, MISSING),
      leave: (v) => end(false, true, v),
    }) as unknown[];
  });
  names.forEach((n, i) => (e.scope.find(n)!.value = result.values[i]));
  if (!returns) return c.next();
  const returned = truth(result.returned, l.node);
  if (typeof returned === 'boolean') return returned ? c.leave(result.value) : c.next();
  return ifNode(e, returned, () => c.leave(result.value), c.next, l.node, 'the result');
}

function forOf(e: Evaluator, node: TsMorph.ForOfStatement, c: Courses): unknown {
  const { Node } = tsMorph();
  const over = evaluate(e, node.getExpression());
  const items: unknown = isTensor(over)
    ? at(node.getExpression(), () => e.region.emit(() => over.unbind(0), [over]))
    : (typeof over === 'object' || typeof over === 'function') && over !== null && Symbol.iterator in over
      ? [...(over as Iterable<unknown>)]
      : fail(node.getExpression(), 'for...of goes over arrays, tensors and lists of modules');
  const init = node.getInitializer();
  const go = (k: number): unknown => {
    if (k === (items as unknown[]).length) return c.next();
    const again = (): unknown => go(k + 1);
    return scoped(e, { ...c, next: again, goOn: again, breakOut: c.next }, (inner) => {
      if (Node.isVariableDeclarationList(init))
        bind(e, init.getDeclarations()[0]!.getNameNode(), (items as unknown[])[k], false);
      else assign(e, init, (items as unknown[])[k]);
      return statement(e, node.getStatement(), inner);
    });
  };
  return go(0);
}
