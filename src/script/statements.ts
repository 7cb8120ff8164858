// Evaluates statements. What follows a statement is a continuation, so that a branch that returns, breaks or continues simply does not
// call it: both ways of a computed condition end in outcomes of the same form, which the `if` node joins.
import type * as TsMorph from 'ts-morph';
import { fail, tsMorph } from '../frontend/script/syntax.js';
import { written } from './assigned.js';
import { at, type Evaluator } from './evaluator.js';
import { evaluate, assign, effect } from './expressions.js';
import { equal, truth } from './operators.js';
import { MISSING, scalarOf } from './join.js';
import type { ScriptScalar } from './region.js';
import { Inlined, make, Scope } from './scope.js';
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
  const { Node } = tsMorph();
  // Functions can be called before the place where they are declared.
  if (from === 0)
    for (const s of statements)
      if (Node.isFunctionDeclaration(s))
        e.scope.declare(s.getNameOrThrow(), new Inlined(s, e.scope, undefined, e.globals), false);
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
    effect(e, node.getExpression());
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
  if (Node.isSwitchStatement(node)) return switchStatement(e, node, c);
  if (Node.isEmptyStatement(node) || Node.isFunctionDeclaration(node)) return c.next();
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
      if (!Node.isBindingElement(el)) return;
      const items = list as unknown[];
      bind(e, el.getNameNode(), el.getDotDotDotToken() ? items.slice(i) : or(e, el, items[i]), constant);
    });
    return;
  }
  if (Node.isObjectBindingPattern(name)) {
    const fields = value as Record<string, unknown>;
    const taken: string[] = [];
    for (const el of name.getElements()) {
      const field = el.getPropertyNameNode()?.getText() ?? el.getName();
      const rest = (): object => make(Object.fromEntries(Object.entries(fields).filter(([k]) => !taken.includes(k))));
      bind(e, el.getNameNode(), el.getDotDotDotToken() ? rest() : or(e, el, fields[field]), constant);
      taken.push(field);
    }
    return;
  }
  fail(name, 'this pattern is not part of script');
}

/** A value of a pattern, or what it is where there is none. */
function or(e: Evaluator, el: TsMorph.BindingElement, value: unknown): unknown {
  const init = el.getInitializer();
  return value === undefined && init !== undefined ? evaluate(e, init) : value;
}

// ---- branches ----

/** Code that does not go on behind itself: it returns, or breaks or continues a loop or switch around it. */
const abrupt = (node: TsMorph.Node | undefined, inLoop: boolean): boolean => {
  const { Node } = tsMorph();
  if (node === undefined) return false;
  const go = (n: TsMorph.Node, breaks: boolean, continues: boolean): boolean => {
    if (Node.isArrowFunction(n) || Node.isFunctionExpression(n) || Node.isFunctionDeclaration(n)) return false;
    if (Node.isReturnStatement(n)) return true;
    if (breaks && Node.isBreakStatement(n)) return true;
    if (continues && Node.isContinueStatement(n)) return true;
    const own = Node.isForStatement(n) || Node.isWhileStatement(n) || Node.isDoStatement(n) || Node.isForOfStatement(n);
    const inside = breaks && !own && !Node.isSwitchStatement(n);
    return n.forEachChildAsArray().some((x) => go(x, inside, continues && !own));
  };
  return go(node, inLoop, inLoop);
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
  const cells = written([yes, no], e.scope);
  const values = (): unknown[] => cells.map((w) => w.cell.value);
  const way = (s: TsMorph.Statement | undefined) => (): unknown =>
    s === undefined ? values() : statement(e, s, { next: values, leave: () => fail(s, 'return is out of place') });
  const joined = ifNode(
    e,
    condition,
    way(yes),
    way(no),
    node,
    cells.map((w) => `'${w.name}'`).join(', ') || 'nothing',
  ) as unknown[];
  cells.forEach((w, i) => (w.cell.value = joined[i]));
  return c.next();
}

function switchStatement(e: Evaluator, node: TsMorph.SwitchStatement, c: Courses): unknown {
  const { Node } = tsMorph();
  const clauses = node.getClauses();
  const value = evaluate(e, node.getExpression());
  const run = (k: number, to: Courses): unknown => {
    const statements = clauses.slice(k).flatMap((x) => x.getStatements());
    return scoped(e, { ...to, breakOut: to.next }, (inner) => block(e, statements, inner));
  };
  const pick = (k: number, to: Courses, what: string): unknown => {
    const clause = clauses[k];
    if (clause === undefined) {
      const other = clauses.findIndex((x) => Node.isDefaultClause(x));
      return other < 0 ? to.next() : run(other, to);
    }
    if (!Node.isCaseClause(clause)) return pick(k + 1, to, what);
    const is = equal(e, value, evaluate(e, clause.getExpression()));
    if (typeof is === 'boolean') return is ? run(k, to) : pick(k + 1, to, what);
    const [yes, no] = [() => run(k, to), () => pick(k + 1, to, what)];
    return ifNode(e, is, yes, no, clause, what);
  };
  if (clauses.some((x) => abrupt(x, false) || continues(x))) return pick(0, c, 'the result');
  const cells = written(clauses, e.scope);
  const values = (): unknown[] => cells.map((w) => w.cell.value);
  const to = { next: values, leave: () => fail(node, 'return is out of place') };
  const joined = pick(0, to, cells.map((w) => `'${w.name}'`).join(', ') || 'nothing') as unknown[];
  cells.forEach((w, i) => (w.cell.value = joined[i]));
  return c.next();
}
const continues = (node: TsMorph.Node): boolean =>
  tsMorph().Node.isContinueStatement(node) || node.forEachChildAsArray().some(continues);

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
  const cells = written([l.body, l.condition, l.update], e.scope);
  const names = cells.map((w) => w.name);
  const returns = abrupt(l.body, false);
  const before = cells.map((w) => w.cell.value);
  const result = carriedLoop(e, first, before, names, l.node, (start) => {
    cells.forEach((w, i) => (w.cell.value = start[i]));
    const end = (goes: unknown, returned: unknown, value: unknown): unknown[] => [
      goes,
      cells.map((w) => w.cell.value),
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
  cells.forEach((w, i) => (w.cell.value = result.values[i]));
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
