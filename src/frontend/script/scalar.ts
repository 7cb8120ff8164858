// Lowers the source of a scalar TypeScript/JavaScript function to scalar IR. The one lowering behind op declarations (build time),
// fb.kernel (run time) and scripted scalar code. Uses ts-morph for syntax only.
import type * as TsMorph from 'ts-morph';
import { parseFunction, ScalarSyntaxError, tsMorph } from './syntax.js';
import {
  arg,
  binary,
  constant,
  isBinaryOp,
  isUnaryOp,
  select,
  substitute,
  unary,
  type BinaryOp,
  type Expr,
  type ScalarFn,
} from '../../ir/scalar.js';

export { parseFunction, ScalarSyntaxError };

/** JavaScript's names that differ from the IR's. */
const JS_NAMES: Readonly<Record<string, string>> = { isNaN: 'isnan', isFinite: 'isfinite' };
const INFIX: Readonly<Record<string, BinaryOp>> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '%': 'fmod',
  '**': 'pow',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  '===': 'eq',
  '==': 'eq',
  '!==': 'ne',
  '!=': 'ne',
  '&&': 'and',
  '||': 'or',
  '&': 'bitand',
  '|': 'bitor',
  '^': 'bitxor',
  '<<': 'shl',
  '>>': 'shr',
};
const CONSTANTS: Readonly<Record<string, number>> = {
  Infinity,
  NaN,
  PI: Math.PI,
  E: Math.E,
  LN2: Math.LN2,
  LN10: Math.LN10,
  LOG2E: Math.LOG2E,
  LOG10E: Math.LOG10E,
  SQRT2: Math.SQRT2,
  SQRT1_2: Math.SQRT1_2,
};

/** Values and functions that code may name. */
interface Scope {
  readonly values: ReadonlyMap<string, Expr>;
  readonly functions: ReadonlyMap<string, Helper>;
}
type Outcome = readonly Expr[];
type FunctionNode = TsMorph.ArrowFunction | TsMorph.FunctionExpression;
/** A function that bodies call: inlined, with the names that are visible where it stands. */
interface Helper {
  readonly node: FunctionNode;
  readonly scope: Scope;
}

/** A scalar function, with the names of each of its parameters: one, or those of its pattern ('' where that skips a value). */
export interface LoweredFunction extends ScalarFn {
  readonly parameters: readonly { readonly names: readonly string[]; readonly isPattern: boolean }[];
}

/** Source text of a function that a body calls by name (declared beside it), or undefined. */
export type HelperSource = (name: string) => string | undefined;

/**
 * Lowers a function whose parameters and result are numbers or booleans (several results: an array literal).
 * Parameters may destructure arrays: `([m, i], x)` has the parameters m, i, x. Arrow functions among the body's locals, and
 * those that `helpers` knows, may be called: they are inlined.
 * @throws ScalarSyntaxError for anything else, with the offending code.
 */
export function lowerScalarFunction(source: string, helpers: HelperSource = () => undefined): LoweredFunction {
  const { Node, SyntaxKind } = tsMorph();
  const top: Scope = { values: new Map(), functions: new Map() };
  const active: FunctionNode[] = [];
  const outside = new Map<string, Helper>();
  const fn = parseFunction(source);
  const parameters = fn
    .getParameters()
    .map((p) => ({ names: namesOf(p), isPattern: Node.isArrayBindingPattern(p.getNameNode()) }));
  const params = parameters.flatMap((p) => p.names);
  const results = body(fn, { ...top, values: new Map(params.map((p) => [p, arg(p)])) });
  return { params, results, parameters };

  /** A parameter's names: one, or those of its pattern. */
  function namesOf(p: TsMorph.ParameterDeclaration): string[] {
    const name = p.getNameNode();
    if (Node.isIdentifier(name)) return [name.getText()];
    if (Node.isArrayBindingPattern(name)) return name.getElements().map((e) => e.getText());
    return reject(name, 'parameters are plain names or [a, b] patterns');
  }
  function body(f: FunctionNode, scope: Scope): Outcome {
    const b = f.getBody();
    const values = Node.isBlock(b) ? block(b.getStatements(), scope) : outcome(b as TsMorph.Expression, scope);
    return values ?? reject(b, 'the function must return a value on every path');
  }
  /** The results of calling a helper: its body with the arguments in place of its parameters. */
  function inline(helper: Helper, e: TsMorph.CallExpression, scope: Scope): Outcome {
    if (active.includes(helper.node)) return reject(e, 'functions that call themselves');
    const parameters = helper.node.getParameters();
    const given = e.getArguments() as TsMorph.Expression[];
    if (given.length !== parameters.length) return reject(e, `${parameters.length} argument(s) are expected`);
    const bound = parameters.flatMap((p, i) => {
      const names = namesOf(p);
      const values = outcome(given[i]!, scope);
      if (values.length !== names.length) return reject(given[i], `${names.length} value(s) are expected`);
      return names.map((n, k): [string, Expr] => [n, values[k]!]);
    });
    active.push(helper.node);
    const results = body(helper.node, { ...helper.scope, values: new Map([...helper.scope.values, ...bound]) });
    active.pop();
    return results;
  }
  function helperOf(name: string, scope: Scope): Helper | undefined {
    const local = scope.functions.get(name);
    if (local || scope.values.has(name)) return local;
    const text = helpers(name);
    if (text === undefined) return undefined;
    const known = outside.get(name) ?? { node: parseFunction(text, `helpers/${name}`), scope: top };
    outside.set(name, known);
    return known;
  }

  function block(statements: readonly TsMorph.Statement[], outer: Scope): Outcome | undefined {
    const values = new Map(outer.values);
    const functions = new Map(outer.functions);
    const scope: Scope = { values, functions };
    for (const [i, s] of statements.entries()) {
      if (Node.isReturnStatement(s)) {
        const e = s.getExpression();
        return e ? outcome(e, scope) : reject(s, 'return needs a value');
      }
      if (Node.isVariableStatement(s)) {
        for (const d of s.getDeclarations()) {
          const init = d.getInitializer() ?? reject(d, 'a local needs a value');
          const name = d.getNameNode();
          if (Node.isIdentifier(name) && (Node.isArrowFunction(init) || Node.isFunctionExpression(init)))
            // The names visible here, not later: a copy.
            functions.set(name.getText(), {
              node: init,
              scope: { values: new Map(values), functions: new Map(functions) },
            });
          else if (Node.isIdentifier(name)) values.set(name.getText(), expr(init, scope));
          else if (Node.isArrayBindingPattern(name)) {
            const parts = outcome(init, scope);
            name.getElements().forEach((el, k) => values.set(el.getText(), parts[k] ?? reject(el, 'too few values')));
          } else reject(name, 'objects are not scalars');
        }
      } else if (Node.isExpressionStatement(s)) {
        const e = s.getExpression();
        if (!Node.isBinaryExpression(e) || !Node.isIdentifier(e.getLeft()))
          return reject(s, 'only assignments to locals have an effect here');
        const token = e.getOperatorToken().getText();
        const name = e.getLeft().getText();
        const right = expr(e.getRight(), scope);
        const op = INFIX[token.slice(0, -1)];
        if (token === '=') values.set(name, right);
        else if (token.endsWith('=') && op) values.set(name, binary(op, lookup(e.getLeft(), scope), right));
        else return reject(s, `operator '${token}'`);
      } else if (Node.isIfStatement(s)) {
        const cond = expr(s.getExpression(), scope);
        const then = block(asStatements(s.getThenStatement()), scope);
        const otherwise = s.getElseStatement();
        const rest = block([...(otherwise ? asStatements(otherwise) : []), ...statements.slice(i + 1)], scope);
        if (!then || !rest) return reject(s, 'each branch of an if must return');
        return merge(s, cond, then, rest);
      } else return reject(s, 'statement');
    }
    return undefined;
  }
  function asStatements(s: TsMorph.Statement): TsMorph.Statement[] {
    return Node.isBlock(s) ? s.getStatements() : [s];
  }
  function merge(at: TsMorph.Node, cond: Expr, a: Outcome, b: Outcome): Outcome {
    if (a.length !== b.length) return reject(at, 'both branches must give the same number of values');
    return a.map((x, i) => select(cond, x, b[i]!));
  }
  /** Expression that may be a tuple. */
  function outcome(e: TsMorph.Expression, scope: Scope): Outcome {
    if (Node.isParenthesizedExpression(e)) return outcome(e.getExpression(), scope);
    if (Node.isAsExpression(e)) return outcome(e.getExpression(), scope);
    if (Node.isArrayLiteralExpression(e)) return e.getElements().map((x) => expr(x, scope));
    if (Node.isConditionalExpression(e))
      return merge(e, expr(e.getCondition(), scope), outcome(e.getWhenTrue(), scope), outcome(e.getWhenFalse(), scope));
    const helper = Node.isCallExpression(e) ? calledHelper(e, scope) : undefined;
    if (helper) return inline(helper, e as TsMorph.CallExpression, scope);
    return [expr(e, scope)];
  }
  function calledHelper(e: TsMorph.CallExpression, scope: Scope): Helper | undefined {
    const callee = e.getExpression();
    return Node.isIdentifier(callee) ? helperOf(callee.getText(), scope) : undefined;
  }
  function lookup(e: TsMorph.Node, scope: Scope): Expr {
    const name = e.getText();
    const bound = scope.values.get(name);
    if (bound) return bound;
    if (name in CONSTANTS) return constant(CONSTANTS[name]!);
    return reject(e, `'${name}' is neither a parameter, a local nor a known constant`);
  }
  function expr(e: TsMorph.Node, scope: Scope): Expr {
    if (Node.isParenthesizedExpression(e) || Node.isAsExpression(e) || Node.isNonNullExpression(e))
      return expr(e.getExpression(), scope);
    if (Node.isNumericLiteral(e)) return constant(Number(e.getText().replaceAll('_', '')));
    if (Node.isTrueLiteral(e) || Node.isFalseLiteral(e)) return constant(e.getText() === 'true');
    if (Node.isIdentifier(e)) return lookup(e, scope);
    if (Node.isPrefixUnaryExpression(e)) return prefix(e, scope);
    if (Node.isBinaryExpression(e)) {
      const token = e.getOperatorToken().getText();
      const op = INFIX[token] ?? reject(e, `operator '${token}'`);
      return binary(op, expr(e.getLeft(), scope), expr(e.getRight(), scope));
    }
    if (Node.isConditionalExpression(e))
      return select(expr(e.getCondition(), scope), expr(e.getWhenTrue(), scope), expr(e.getWhenFalse(), scope));
    if (Node.isPropertyAccessExpression(e)) {
      const value = /^(Math|Number)$/.test(e.getExpression().getText()) ? CONSTANTS[e.getName()] : undefined;
      return value === undefined ? reject(e, `'${e.getText()}' is not a scalar`) : constant(value);
    }
    if (Node.isCallExpression(e)) return call(e, scope);
    return reject(e, 'expression');
  }
  function prefix(e: TsMorph.PrefixUnaryExpression, scope: Scope): Expr {
    const a = expr(e.getOperand(), scope);
    switch (e.getOperatorToken()) {
      case SyntaxKind.MinusToken:
        return a.kind === 'const' && typeof a.value === 'number' ? constant(-a.value) : unary('neg', a);
      case SyntaxKind.PlusToken:
        return a;
      case SyntaxKind.ExclamationToken:
        return unary('not', a);
      case SyntaxKind.TildeToken:
        return unary('bitnot', a);
      default:
        return reject(e, 'increments do not exist for scalars');
    }
  }
  function call(e: TsMorph.CallExpression, scope: Scope): Expr {
    const callee = e.getExpression();
    const helper = calledHelper(e, scope);
    if (helper) {
      const results = inline(helper, e, scope);
      return results.length === 1 ? results[0]! : reject(e, `a value is needed, the function gives ${results.length}`);
    }
    let name = Node.isPropertyAccessExpression(callee) ? callee.getName() : callee.getText();
    if (Node.isPropertyAccessExpression(callee) && !/^(Math|Number|s|fb)$/.test(callee.getExpression().getText()))
      return reject(e, `only Math and scalar functions can be called`);
    name = JS_NAMES[name] ?? name;
    const args = e.getArguments().map((a) => expr(a, scope));
    if (name === 'select' && args.length === 3) return select(args[0]!, args[1]!, args[2]!);
    if (isUnaryOp(name) && args.length === 1) return unary(name, args[0]!);
    if (isBinaryOp(name) && args.length === 2) return binary(name, args[0]!, args[1]!);
    if ((name === 'max' || name === 'min') && args.length > 2)
      return args.reduce((a, b) => binary(name as BinaryOp, a, b));
    return reject(e, `'${callee.getText()}' with ${args.length} argument(s) is not a scalar function`);
  }
}

function reject(node: TsMorph.Node | undefined, why: string): never {
  const text = node?.getText() ?? '';
  throw new ScalarSyntaxError(
    `unsupported in a scalar function: ${why}\n  | ${text.split('\n').join('\n  | ').slice(0, 400)}`,
  );
}

/** Renames parameters. */
export function renameParams(fn: ScalarFn, names: readonly string[]): ScalarFn {
  const by = new Map(fn.params.map((p, i) => [p, arg(names[i] ?? p)]));
  return { params: names.slice(0, fn.params.length), results: fn.results.map((r) => substitute(r, by)) };
}
