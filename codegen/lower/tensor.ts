// Lowers composite bodies and derivative formulas (arrow functions over tensors) to C++ statements over flambeau::ops.
// `t.NAME(...)` is an op, `h.NAME(...)` a helper of generated/native/support.h; the rest is a small statement language.
import { Node, type CallExpression, type Expression, type Statement } from 'ts-morph';
import { parseFunction } from '../../src/frontend/script/scalar.js';
import type { Param, ParamType } from '../../src/ir/opinfo.js';
import { cppDefault, cppDType, cppString } from '../emitters/cpp_types.js';
import type { Signature } from '../schema.js';

/** C++ types that the lowering tells apart. */
type Type =
  | 'tensor'
  | 'tensors'
  | 'int'
  | 'float'
  | 'bool'
  | 'string'
  | 'ints'
  | 'dtype'
  | 'operand'
  | 'scalar'
  | 'null'
  | 'tuple'
  | 'optional'
  | 'other';

interface Value {
  readonly code: string;
  readonly type: Type;
}

export interface Names {
  /** C++ expression for a parameter's value, and its schema type. Records the use. */
  value(name: string): { code: string; type: ParamType } | undefined;
  /** C++ expression for sizes/dtype of a tensor parameter without needing its data, or undefined. */
  meta(name: string, what: 'sizes' | 'dtype' | 'list-sizes'): string | undefined;
}

const typeOf = (p: ParamType): Type => {
  switch (p) {
    case 'Tensor':
    case 'Tensor?':
      return 'tensor';
    case 'Tensor[]':
    case 'Tensor?[]':
      return 'tensors';
    case 'Operand':
      return 'operand';
    case 'Scalar':
      return 'scalar';
    case 'int':
      return 'int';
    case 'float':
      return 'float';
    case 'bool':
      return 'bool';
    case 'string':
      return 'string';
    case 'int[]':
      return 'ints';
    case 'float[]':
      return 'other';
    case 'dtype':
      return 'dtype';
    default:
      return 'optional';
  }
};

export class TensorLowering {
  private readonly locals = new Map<string, Type>();
  private readonly lines: string[] = [];
  private indent = '  ';

  constructor(
    private readonly ops: ReadonlyMap<string, Signature>,
    private readonly names: Names,
    private readonly where: string,
    private readonly renderReturn: (code: string) => string = (c) => `return ${c};`,
    /** The function gives several results: `return [a, b]` is a tuple. */
    private readonly tuple = false,
  ) {}

  /** Lowers a whole function to C++ statements. */
  lower(source: string, indent = '  '): { params: string[]; code: string } {
    this.indent = indent;
    const fn = parseFunction(source);
    const params = fn.getParameters().map((p) => p.getName());
    const body = fn.getBody();
    if (Node.isBlock(body)) body.getStatements().forEach((s) => this.statement(s));
    else this.emit(this.renderReturn(this.returned(body as Expression)));
    return { params, code: this.lines.join('\n') };
  }

  private emit(line: string): void {
    this.lines.push(this.indent + line);
  }
  private fail(node: Node, why: string): never {
    throw new Error(`${this.where}: ${why}\n  | ${node.getText().slice(0, 300)}`);
  }
  private nested(f: () => void): void {
    const saved = this.indent;
    this.indent += '  ';
    f();
    this.indent = saved;
  }

  private statement(s: Statement): void {
    if (Node.isReturnStatement(s)) this.emit(this.renderReturn(this.returned(s.getExpressionOrThrow() as Expression)));
    else if (Node.isVariableStatement(s)) {
      for (const d of s.getDeclarations()) {
        const name = d.getNameNode();
        const v = this.expr(d.getInitializerOrThrow());
        if (Node.isArrayBindingPattern(name)) {
          const parts = name.getElements().map((e) => e.getText());
          parts.forEach((p) => this.locals.set(p, 'tensor'));
          this.emit(`auto [${parts.join(', ')}] = ${v.code};`);
        } else {
          const concrete = v.type === 'null' ? 'tensor' : v.type;
          this.locals.set(name.getText(), concrete);
          this.emit(
            `${{ tensor: 'Tensor', int: 'int64_t', float: 'double', bool: 'bool' }[concrete as string] ?? 'auto'} ${name.getText()} = ${v.type === 'null' ? 'Tensor()' : v.code};`,
          );
        }
      }
    } else if (Node.isIfStatement(s)) {
      this.emit(`if (${this.cond(s.getExpression())}) {`);
      this.nested(() => this.blockOf(s.getThenStatement()));
      const other = s.getElseStatement();
      if (other) {
        this.emit('} else {');
        this.nested(() => this.blockOf(other));
      }
      this.emit('}');
    } else if (Node.isThrowStatement(s)) this.throwStatement(s.getExpression() as Expression);
    else if (Node.isExpressionStatement(s)) {
      const e = s.getExpression();
      if (Node.isBinaryExpression(e) && e.getOperatorToken().getText() === '=')
        this.emit(`${e.getLeft().getText()} = ${this.expr(e.getRight()).code};`);
      else this.emit(`${this.expr(e).code};`);
    } else this.fail(s, 'unsupported statement');
  }
  private blockOf(s: Statement): void {
    (Node.isBlock(s) ? s.getStatements() : [s]).forEach((x) => this.statement(x));
  }
  /** `throw new Error(\`text ${x}\`)`: a Value error with the interpolated text. */
  private throwStatement(e: Expression): void {
    if (!Node.isNewExpression(e)) this.fail(e, 'throw new Error(...) only');
    const kind = e.getExpression().getText().replace('Error', '') || 'Value';
    const message = e.getArguments()[0] as Expression;
    this.emit(`throw Error(ErrorKind::${kind}, ${this.text(message)});`);
  }
  private text(e: Expression): string {
    if (Node.isStringLiteral(e) || Node.isNoSubstitutionTemplateLiteral(e))
      return `std::string(${cppString(e.getLiteralText())})`;
    if (!Node.isTemplateExpression(e)) this.fail(e, 'a string');
    const parts = [`std::string(${cppString(e.getHead().getLiteralText())})`];
    for (const span of e.getTemplateSpans()) {
      parts.push(
        `support::text(${this.expr(span.getExpression()).code})`,
        cppString(span.getLiteral().getLiteralText()),
      );
    }
    return parts.join(' + ');
  }

  private returned(e: Expression): string {
    // Several results: the C++ function returns a tuple.
    if (this.tuple && Node.isArrayLiteralExpression(e))
      return `{${e
        .getElements()
        .map((x) => this.returned(x as Expression))
        .join(', ')}}`;
    const v = this.expr(e);
    return v.type === 'null' ? 'Tensor()' : v.code;
  }
  private cond(e: Expression): string {
    const v = this.expr(e);
    if (v.type === 'tensor') return `${v.code}.defined()`;
    return v.code;
  }

  expr(e: Node): Value {
    if (Node.isParenthesizedExpression(e) || Node.isAsExpression(e) || Node.isNonNullExpression(e)) {
      const v = this.expr(e.getExpression());
      return Node.isParenthesizedExpression(e) ? { ...v, code: `(${v.code})` } : v;
    }
    if (Node.isNumericLiteral(e)) {
      const text = e.getText();
      return { code: text, type: /[.e]/i.test(text) ? 'float' : 'int' };
    }
    if (Node.isStringLiteral(e)) return { code: cppString(e.getLiteralText()), type: 'string' };
    if (Node.isTrueLiteral(e) || Node.isFalseLiteral(e)) return { code: e.getText(), type: 'bool' };
    if (Node.isNullLiteral(e)) return { code: 'nullptr', type: 'null' };
    if (Node.isIdentifier(e)) return this.identifier(e.getText(), e);
    if (Node.isArrayLiteralExpression(e)) return this.array(e.getElements() as Expression[]);
    if (Node.isPrefixUnaryExpression(e)) {
      const token = e.getText()[0]!;
      const v = this.expr(e.getOperand());
      if (token === '!') return { code: `!${this.cond(e.getOperand() as Expression)}`, type: 'bool' };
      return { code: `${token}${v.code}`, type: v.type };
    }
    if (Node.isConditionalExpression(e)) {
      const [a, b] = [this.expr(e.getWhenTrue()), this.expr(e.getWhenFalse())];
      const c = this.cond(e.getCondition());
      const type = a.type === 'null' ? b.type : a.type;
      if (type === 'tensor' || type === 'operand') {
        const wrap = (v: Value): string =>
          v.type === 'null' ? 'Tensor()' : type === 'operand' ? `Operand(${v.code})` : `Tensor(${v.code})`;
        return { code: `(${c} ? ${wrap(a)} : ${wrap(b)})`, type };
      }
      if (type === 'ints') return { code: `(${c} ? Dims(${a.code}) : Dims(${b.code}))`, type };
      return { code: `(${c} ? ${a.code} : ${b.code})`, type };
    }
    if (Node.isBinaryExpression(e)) return this.infix(e.getLeft(), e.getOperatorToken().getText(), e.getRight());
    if (Node.isElementAccessExpression(e)) {
      const base = this.expr(e.getExpression());
      if (base.type === 'tuple')
        return { code: `std::get<${e.getArgumentExpressionOrThrow().getText()}>(${base.code})`, type: 'tensor' };
      const index = this.expr(e.getArgumentExpressionOrThrow()).code;
      if (base.type === 'ints') return { code: `support::at(${base.code}, ${index})`, type: 'int' };
      return { code: `${base.code}[${index}]`, type: base.type === 'tensors' ? 'tensor' : 'other' };
    }
    if (Node.isPropertyAccessExpression(e)) return this.property(e.getExpression(), e.getName(), e);
    if (Node.isCallExpression(e)) return this.call(e);
    return this.fail(e, 'unsupported expression');
  }

  private identifier(name: string, e: Node): Value {
    const local = this.locals.get(name);
    if (local) return { code: name, type: local };
    if (name === 'Infinity') return { code: 'std::numeric_limits<double>::infinity()', type: 'float' };
    if (name === 'NaN') return { code: 'std::numeric_limits<double>::quiet_NaN()', type: 'float' };
    const v = this.names.value(name);
    if (!v) return this.fail(e, `unknown name '${name}'`);
    return { code: v.code, type: typeOf(v.type) };
  }
  private array(elements: readonly Expression[]): Value {
    const vs = elements.map((x) => this.expr(x));
    if (vs.some((v) => v.type === 'tensor'))
      return {
        code: `TensorList{${vs.map((v) => (v.type === 'null' ? 'Tensor()' : v.code)).join(', ')}}`,
        type: 'tensors',
      };
    return { code: `Dims{${vs.map((v) => `int64_t(${v.code})`).join(', ')}}`, type: 'ints' };
  }
  private infix(left: Node, token: string, right: Node): Value {
    if (/^[!=]==?$/.test(token)) {
      const [a, b] = [this.expr(left), this.expr(right)];
      const equal = token.startsWith('=');
      if (b.type === 'null') {
        const has = a.type === 'tensor' || a.type === 'null' ? `${a.code}.defined()` : `${a.code}.has_value()`;
        return { code: equal ? `!${has}` : has, type: 'bool' };
      }
      const other = a.type === 'dtype' && b.type === 'string' ? cppDType(b.code.slice(1, -1)) : b.code;
      return { code: `${a.code} ${token.slice(0, 2)} ${other}`, type: 'bool' };
    }
    if (token === '&&' || token === '||')
      return { code: `(${this.cond(left as Expression)} ${token} ${this.cond(right as Expression)})`, type: 'bool' };
    const [a, b] = [this.expr(left), this.expr(right)];
    if (token === '??') return { code: `${a.code}.value_or(${b.code})`, type: b.type };
    const number = (v: Value): string => (v.type === 'scalar' ? `${v.code}.toDouble()` : v.code);
    if (token === '/') return { code: `(double(${number(a)}) / double(${number(b)}))`, type: 'float' };
    if (['<', '<=', '>', '>='].includes(token)) return { code: `${number(a)} ${token} ${number(b)}`, type: 'bool' };
    const type =
      a.type === 'float' || b.type === 'float' || a.type === 'scalar' || b.type === 'scalar' ? 'float' : 'int';
    return { code: `(${number(a)} ${token} ${number(b)})`, type };
  }
  private property(base: Expression, name: string, e: Node): Value {
    if (Node.isIdentifier(base) && !this.locals.has(base.getText())) {
      if (name === 'shapes')
        return { code: this.names.meta(base.getText(), 'list-sizes') ?? this.fail(e, 'no shapes'), type: 'other' };
      const sizes = this.names.meta(base.getText(), name === 'dtype' ? 'dtype' : 'sizes');
      if (sizes !== undefined) {
        if (name === 'shape') return { code: sizes, type: 'ints' };
        if (name === 'ndim') return { code: `int64_t(${sizes}.size())`, type: 'int' };
        if (name === 'dtype') return { code: sizes, type: 'dtype' };
        if (name === 'numel') return { code: `product(${sizes})`, type: 'int' };
      }
    }
    const v = this.expr(base);
    if (name === 'shape') return { code: `Dims(${v.code}.sizes())`, type: 'ints' };
    if (name === 'ndim') return { code: `${v.code}.dim()`, type: 'int' };
    if (name === 'dtype') return { code: `${v.code}.dtype()`, type: 'dtype' };
    if (name === 'numel') return { code: `${v.code}.numel()`, type: 'int' };
    if (name === 'length') return { code: `int64_t(${v.code}.size())`, type: 'int' };
    return this.fail(e, `unknown property '${name}'`);
  }

  private call(e: CallExpression): Value {
    const callee = e.getExpression();
    if (!Node.isPropertyAccessExpression(callee)) return this.fail(e, 'call ops as t.NAME, helpers as h.NAME');
    const scope = callee.getExpression().getText();
    const name = callee.getName();
    if (scope === 'h') {
      const args = e.getArguments().map((a) => this.expr(a));
      const type: Type = /Dims$|Shape$|Axes$/.test(name)
        ? 'ints'
        : /^is|^has/.test(name)
          ? 'bool'
          : /Count$|Index$/.test(name)
            ? 'int'
            : /Value$|Divisor$/.test(name)
              ? 'operand'
              : /List$/.test(name)
                ? 'tensors'
                : /DType$/.test(name)
                  ? 'dtype'
                  : 'tensor';
      return {
        code: `support::${name}(${args.map((a) => (a.type === 'null' ? 'Tensor()' : a.code)).join(', ')})`,
        type,
      };
    }
    if (scope !== 't') return this.fail(e, `unknown namespace '${scope}'`);
    const inplace = name.endsWith('_') && !this.ops.has(name);
    const op = this.ops.get(inplace ? name.slice(0, -1) : name) ?? this.fail(e, `unknown op '${name}'`);
    const given = new Map<string, Node>();
    const args = e.getArguments();
    args.forEach((a, i) => {
      if (i === args.length - 1 && Node.isObjectLiteralExpression(a)) {
        for (const p of a.getProperties()) {
          if (Node.isPropertyAssignment(p)) given.set(p.getName(), p.getInitializerOrThrow());
          else if (Node.isShorthandPropertyAssignment(p)) given.set(p.getName(), p.getNameNode());
          else this.fail(p, 'plain properties only');
        }
      } else given.set(op.params[i]?.name ?? this.fail(a, `too many arguments for ${name}`), a);
    });
    for (const key of given.keys())
      if (!op.params.some((p) => p.name === key)) this.fail(e, `${name} has no parameter '${key}'`);
    const code = op.params.map((p) => this.argument(p, given.get(p.name), e)).join(', ');
    const type: Type = op.returns === 'tuple' ? 'tuple' : op.returns === 'list' ? 'tensors' : 'tensor';
    return { code: `ops::${name}(${code})`, type };
  }

  private argument(p: Param, node: Node | undefined, call: Node): string {
    if (!node) return p.default === undefined ? this.fail(call, `missing argument '${p.name}'`) : cppDefault(p);
    const v = this.expr(node);
    if (v.type === 'null') return p.type.startsWith('Tensor') ? 'Tensor()' : 'std::nullopt';
    const numeric = v.type === 'int' || v.type === 'float' || v.type === 'bool';
    if (v.type === 'optional' && !p.type.endsWith('?'))
      return p.type === 'Operand' ? `Operand(*${v.code})` : `*${v.code}`;
    switch (p.type) {
      case 'Operand':
        return numeric
          ? `Operand(Scalar(${v.type === 'int' ? 'int64_t' : v.type === 'float' ? 'double' : 'bool'}(${v.code})))`
          : v.type === 'scalar'
            ? `Operand(${v.code})`
            : v.code;
      case 'Scalar':
      case 'Scalar?':
        return numeric
          ? `Scalar(${v.type === 'int' ? 'int64_t' : v.type === 'float' ? 'double' : 'bool'}(${v.code}))`
          : v.code;
      case 'dtype':
      case 'dtype?':
        return v.type === 'string' ? cppDType(v.code.slice(1, -1)) : v.code;
      case 'Tensor':
      case 'Tensor?':
        return v.type === 'operand' ? `support::asTensor(${v.code})` : v.code;
      default:
        return v.code;
    }
  }
}
