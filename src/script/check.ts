// Syntax that is never part of a script is refused when the function is given, not when a call reaches it.
import type * as TsMorph from 'ts-morph';
import { fail, tsMorph, type FunctionNode } from '../frontend/script/syntax.js';

/** @throws ScriptError naming the construct, with a suggestion */
export function checkSyntax(fn: FunctionNode): void {
  const { SyntaxKind: K } = tsMorph();
  const refused = new Map<number, readonly [string, string?]>([
    [K.TryStatement, ['try and catch are not part of script', 'check the condition with if']],
    [K.ForInStatement, ['for...in is not part of script', 'for...of over Object.keys outside, or a counted for']],
    [K.LabeledStatement, ['labels are not part of script', 'a flag variable']],
    [K.ClassDeclaration, ['classes inside a function are not part of script']],
    [K.ClassExpression, ['classes inside a function are not part of script']],
    [K.NewExpression, ['new is not part of script', 'make it outside and pass it, or name it in globals']],
    [K.AwaitExpression, ['await is not part of script']],
    [K.YieldExpression, ['yield is not part of script']],
    [K.DeleteExpression, ['delete is not part of script']],
    [K.RegularExpressionLiteral, ['regular expressions are not part of script']],
    [K.TaggedTemplateExpression, ['tagged templates are not part of script']],
  ]);
  const visit = (n: TsMorph.Node): void => {
    // `throw new Error(...)` is judged where it is reached.
    if (n.getKind() === K.ThrowStatement) return;
    const why = refused.get(n.getKind());
    if (why !== undefined) fail(n, why[0], why[1]);
    n.forEachChild(visit);
  };
  visit(fn.getBody());
}
