// The variables that code writes.
import type * as TsMorph from 'ts-morph';
import { tsMorph } from '../frontend/script/syntax.js';

/** Names that are assigned, counted up or pushed to, at any depth. */
export function allWritten(node: TsMorph.Node): Set<string> {
  const { Node, SyntaxKind: K } = tsMorph();
  const names = new Set<string>();
  const target = (t: TsMorph.Node): void => {
    if (Node.isIdentifier(t)) names.add(t.getText());
    else if (Node.isArrayLiteralExpression(t)) t.getElements().forEach(target);
    else if (Node.isElementAccessExpression(t)) target(t.getExpression());
  };
  const visit = (n: TsMorph.Node): void => {
    if (Node.isBinaryExpression(n) && /^(=|[-+*/%]=|\*\*=)$/.test(n.getOperatorToken().getText())) target(n.getLeft());
    else if (Node.isPostfixUnaryExpression(n)) target(n.getOperand());
    else if (Node.isPrefixUnaryExpression(n) && [K.PlusPlusToken, K.MinusMinusToken].includes(n.getOperatorToken()))
      target(n.getOperand());
    else if (Node.isCallExpression(n)) {
      const f = n.getExpression();
      if (Node.isPropertyAccessExpression(f) && f.getName() === 'push') target(f.getExpression());
    }
    n.forEachChild(visit);
  };
  visit(node);
  return names;
}
