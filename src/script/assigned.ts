// The variables that code writes.
import type * as TsMorph from 'ts-morph';
import { tsMorph } from '../frontend/script/syntax.js';
import { functionsIn, type Cell, type Inlined, type Scope } from './scope.js';

export interface Written {
  readonly name: string;
  readonly cell: Cell;
}

/** Assignments that work out a value: `+=`, `??=`, ... */
export const COMPOUND = /^(\*\*|[-+*/%&|^]|<<|>>>?|&&|\|\||\?\?)=$/;
/** Methods of arrays that change them. */
export const CHANGING: ReadonlySet<string> = new Set(['push', 'pop', 'shift', 'unshift', 'reverse', 'fill']);

/** The variables, of those there are now, that are assigned, counted or changed: at any depth, and by the functions that are named. */
export function written(nodes: readonly (TsMorph.Node | undefined)[], scope: Scope): Written[] {
  const { Node, SyntaxKind: K } = tsMorph();
  const found = new Map<Cell, string>();
  const functions = new Set<Inlined>();
  const target = (t: TsMorph.Node, from: Scope): void => {
    if (Node.isIdentifier(t)) {
      const cell = from.find(t.getText());
      if (cell !== undefined && !found.has(cell)) found.set(cell, t.getText());
    } else if (Node.isArrayLiteralExpression(t)) t.getElements().forEach((x) => target(x, from));
    else if (Node.isElementAccessExpression(t) || Node.isPropertyAccessExpression(t) || Node.isNonNullExpression(t))
      target(t.getExpression(), from);
  };
  const visit = (n: TsMorph.Node, from: Scope): void => {
    if (Node.isBinaryExpression(n)) {
      const op = n.getOperatorToken().getText();
      if (op === '=' || COMPOUND.test(op)) target(n.getLeft(), from);
    } else if (Node.isPostfixUnaryExpression(n)) target(n.getOperand(), from);
    else if (Node.isPrefixUnaryExpression(n) && [K.PlusPlusToken, K.MinusMinusToken].includes(n.getOperatorToken()))
      target(n.getOperand(), from);
    else if (Node.isForOfStatement(n)) target(n.getInitializer(), from);
    else if (Node.isCallExpression(n)) {
      const f = n.getExpression();
      if (Node.isPropertyAccessExpression(f) && CHANGING.has(f.getName())) target(f.getExpression(), from);
    } else if (Node.isIdentifier(n)) {
      for (const f of functionsIn(from.find(n.getText())?.value)) {
        if (functions.has(f)) continue;
        functions.add(f);
        visit(f.node, f.scope);
      }
    }
    n.forEachChild((x) => visit(x, from));
  };
  for (const n of nodes) if (n !== undefined) visit(n, scope);
  return [...found].map(([cell, name]) => ({ name, cell }));
}
