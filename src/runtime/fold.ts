// Reductions that users declare, where no generated kernel serves: their expressions become a JavaScript loop in float64.
import { inputName, parseFold, stateName, type Fold } from '../ir/fold.js';
import type { Expr } from '../ir/scalar.js';
import { native } from '../native.js';
import { dtypeCode, dtypeName } from '../tensor/dtype.js';
import type { Handle } from '../tensor/handle.js';
import { unrecorded } from './recorder.js';

const INFIX: Readonly<Record<string, string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  fmod: '%',
  pow: '**',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
  eq: '==',
  ne: '!=',
  and: '&&',
  or: '||',
  xor: '!=',
};
const LOGICAL: ReadonlySet<string> = new Set(['and', 'or', 'xor']);
const MATH: ReadonlySet<string> = new Set(
  'abs sign floor ceil trunc sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh max min atan2 hypot'.split(
    ' ',
  ),
);
const bits =
  (f: (a: bigint, b: bigint) => bigint) =>
  (a: number, b: number): number =>
    Number(BigInt.asIntN(64, f(BigInt(Math.trunc(a)), BigInt(Math.trunc(b)))));
/** What JavaScript has under another name, or not at all. */
const OWN: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  rsqrt: (a) => 1 / Math.sqrt(a),
  exp2: (a) => 2 ** a,
  isnan: (a) => Number.isNaN(a),
  isfinite: (a) => Number.isFinite(a),
  round: (a) => (Math.abs(a % 1) === 0.5 ? 2 * Math.round(a / 2) : Math.round(a)),
  bitnot: (a) => -a - 1,
  idiv: (a, b) => Math.trunc(a / b),
  mod: (a, b) => a - b * Math.floor(a / b),
  bitand: bits((a, b) => a & b),
  bitor: bits((a, b) => a | b),
  bitxor: bits((a, b) => a ^ b),
  shl: bits((a, b) => a << b),
  shr: bits((a, b) => a >> b),
};

/** Any other function of the scalar vocabulary: its tensor op, on one element. */
function special(op: string): (...args: number[]) => number {
  const table = native.ops as unknown as Readonly<Record<string, ((...args: unknown[]) => Handle) | undefined>>;
  const run = table[op];
  if (run === undefined) throw new Error(`a reduction uses '${op}', which has no tensor op to compute it with`);
  const float64 = dtypeCode('float64');
  // polygamma takes its order as a plain number.
  return (...args) =>
    Number(
      native.item(run(...args.map((v, i) => (op === 'polygamma' && i === 0 ? v : native.ops.full([], v, float64))))),
    );
}

type Loop = (
  functions: Readonly<Record<string, unknown>>,
  elements: readonly ArrayLike<number>[],
  rows: number,
  n: number,
  results: readonly Float64Array[],
) => void;
interface Compiled {
  readonly run: Loop;
  readonly functions: Readonly<Record<string, unknown>>;
}

/** Expressions as JavaScript over F, the functions that they call. Names are a definition's own (s0, x0), numbers are printed. */
function printer(functions: Record<string, unknown>): (e: Expr) => string {
  const call = (op: string, args: readonly string[]): string => {
    functions[op] ??= MATH.has(op) ? Math[op as 'abs'] : (OWN[op] ?? special(op));
    return `F.${op}(${args.join(', ')})`;
  };
  const text = (e: Expr): string => {
    switch (e.kind) {
      case 'arg':
        return e.name;
      case 'const':
        return Object.is(e.value, -0) ? '(-0)' : `(${String(e.value)})`;
      case 'select':
        return `(${text(e.cond)} ? ${text(e.a)} : ${text(e.b)})`;
      case 'unary':
        return e.op === 'neg' ? `(-${text(e.a)})` : e.op === 'not' ? `(!${text(e.a)})` : call(e.op, [text(e.a)]);
      case 'binary': {
        const [a, b] = [text(e.a), text(e.b)];
        if (LOGICAL.has(e.op)) return `(!!${a} ${INFIX[e.op]!} !!${b})`;
        const infix = INFIX[e.op];
        return infix === undefined ? call(e.op, [a, b]) : `(${a} ${infix} ${b})`;
      }
    }
  };
  return text;
}

/** Values of expressions over named numbers. */
export function evaluateExprs(
  exprs: readonly Expr[],
  names: ReadonlyMap<string, number | boolean>,
): (number | boolean)[] {
  const functions: Record<string, unknown> = {};
  const text = printer(functions);
  // The text is made above, of a closed vocabulary.
  const run = new Function('F', ...names.keys(), `return [${exprs.map(text).join(', ')}];`) as (
    ...args: unknown[]
  ) => (number | boolean)[];
  return run(functions, ...names.values());
}

function compileLoop(f: Fold): Compiled {
  const functions: Record<string, unknown> = {};
  const text = printer(functions);
  const inputs = Array.from({ length: f.inputs }, (_, k) => inputName(k));
  const states = f.init.map((_, k) => stateName(k));
  // One result of a combine must not change what the next one reads.
  const body = `
    for (let row = 0; row < rows; row++) {
      let ${states.map((s, k) => `${s} = ${String(f.init[k])}`).join(', ')};
      for (let index = 0, at = row * n; index < n; index++, at++) {
        const ${inputs.map((x, k) => `${x} = X[${k}][at]`).join(', ')};
        const ${f.combine.map((e, k) => `next${k} = ${text(e)}`).join(', ')};
        ${states.map((s, k) => `${s} = next${k};`).join(' ')}
      }
      ${f.finish.map((e, k) => `R[${k}][row] = ${text(e)};`).join(' ')}
    }`;
  // The text is made above, of a closed vocabulary.
  return { run: new Function('F', 'X', 'rows', 'n', 'R', body) as Loop, functions };
}
const loops = new Map<string, Compiled>();

const LARGEST_INT64 = 9223372036854774784;

/**
 * Results of a reduction (one tensor each) over operands of one shape. `dim`: null or empty for all dimensions. Recorded as one node
 * where a recording runs.
 */
export function foldNative(
  inputs: readonly Handle[],
  definition: string,
  dim: readonly number[] | null,
  keepdim: boolean,
): Handle[] {
  const f = parseFold(definition);
  const results = unrecorded(() => computed(f, definition, inputs, dim, keepdim));
  native.recordFold(inputs, definition, dim, keepdim, results);
  return results;
}

function computed(
  f: Fold,
  definition: string,
  inputs: readonly Handle[],
  dim: readonly number[] | null,
  keepdim: boolean,
): Handle[] {
  const shape = native.shape(inputs[0]!);
  const all = shape.map((_, d) => d);
  const which = new Set(dim === null || dim.length === 0 ? all : dim.map((d) => (d < 0 ? d + shape.length : d)));
  const order = [...all.filter((d) => !which.has(d)), ...all.filter((d) => which.has(d))];
  const elements = inputs.map((h) => {
    const rows = native.toTypedArray(native.ops.permute(h, order));
    return rows instanceof BigInt64Array ? Float64Array.from(rows, Number) : rows;
  });
  const size = (dims: readonly number[]): number => dims.reduce((p, d) => p * shape[d]!, 1);
  const rows = size(all.filter((d) => !which.has(d)));
  const outputs = f.results.map(() => new Float64Array(rows));
  let loop = loops.get(definition);
  if (loop === undefined) loops.set(definition, (loop = compileLoop(f)));
  loop.run(loop.functions, elements, rows, size(all.filter((d) => which.has(d))), outputs);
  const out = shape.flatMap((e, d) => (which.has(d) ? (keepdim ? [1] : []) : [e]));
  return outputs.map((values, k) => {
    const dtype = f.results[k]!;
    if (dtype === 'int64')
      values.forEach((v, i) => (values[i] = Math.max(-LARGEST_INT64, Math.min(LARGEST_INT64, Math.trunc(v)))));
    if (dtype === 'bool') values.forEach((v, i) => (values[i] = Number(v !== 0)));
    const made = native.fromTypedArray(values, out, dtypeCode('float64'), false);
    return dtypeName(native.dtype(made)) === dtype ? made : native.ops.toDtype(made, dtypeCode(dtype));
  });
}
