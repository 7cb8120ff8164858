// A float64 interpreter of op graphs for tests: every op on whole arrays, in the plainest way, straight from the op table. It shares
// no code with the compiler apart from the scalar-expression parser.
import { type Attr, type Graph, type Input, type Node, type Value } from '../../../src/ir/graph.js';
import { evalDim } from '../../../src/ir/dim.js';
import { type Expr, parseExpr } from '../../../src/ir/scalar.js';
import * as vocabulary from '../../../codegen/scalar_lib.js';
import { opInfo } from '../../../src/ir/table.js';

export interface Arr {
  readonly shape: readonly number[];
  readonly data: number[];
}
const count = (s: readonly number[]): number => s.reduce((a, b) => a * b, 1);

function erf(x: number): number {
  // Series for small |x|, continued fraction beyond: good to about 1e-15.
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 200; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let f = 0;
  for (let k = 100; k >= 1; k--) f = k / 2 / (a + f);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + f)));
}

export function evalScalar(e: Expr, get: (name: string) => number): number {
  const b = (v: boolean): number => (v ? 1 : 0);
  switch (e.kind) {
    case 'arg':
      return get(e.name);
    case 'const':
      return Number(e.value);
    case 'select':
      return evalScalar(e.cond, get) !== 0 ? evalScalar(e.a, get) : evalScalar(e.b, get);
    case 'unary': {
      const x = evalScalar(e.a, get);
      switch (e.op) {
        case 'neg':
          return -x;
        case 'abs':
          return Math.abs(x);
        case 'sign':
          return Math.sign(x);
        case 'floor':
          return Math.floor(x);
        case 'ceil':
          return Math.ceil(x);
        case 'trunc':
          return Math.trunc(x);
        case 'sqrt':
          return Math.sqrt(x);
        case 'rsqrt':
          return 1 / Math.sqrt(x);
        case 'exp':
          return Math.exp(x);
        case 'expm1':
          return Math.expm1(x);
        case 'log':
          return Math.log(x);
        case 'log1p':
          return Math.log1p(x);
        case 'sin':
          return Math.sin(x);
        case 'cos':
          return Math.cos(x);
        case 'sinh':
          return Math.sinh(x);
        case 'cosh':
          return Math.cosh(x);
        case 'tanh':
          return Math.tanh(x);
        case 'erf':
          return erf(x);
        case 'not':
          return b(x === 0);
        case 'isnan':
          return b(Number.isNaN(x));
        case 'isfinite':
          return b(Number.isFinite(x));
        default:
          return rare(e.op, x);
      }
    }
    case 'binary': {
      const x = evalScalar(e.a, get);
      const y = evalScalar(e.b, get);
      switch (e.op) {
        case 'add':
          return x + y;
        case 'sub':
          return x - y;
        case 'mul':
          return x * y;
        case 'div':
          return x / y;
        case 'pow':
          return x ** y;
        case 'max':
          return Math.max(x, y);
        case 'min':
          return Math.min(x, y);
        case 'lt':
          return b(x < y);
        case 'le':
          return b(x <= y);
        case 'gt':
          return b(x > y);
        case 'ge':
          return b(x >= y);
        case 'eq':
          return b(x === y);
        case 'ne':
          return b(x !== y);
        case 'and':
          return b(x !== 0 && y !== 0);
        case 'or':
          return b(x !== 0 || y !== 0);
        default:
          return rare(e.op, x, y);
      }
    }
  }
}
/** What declarations read as JavaScript is the reference for the functions that few ops use. */
function rare(op: string, ...args: number[]): number {
  const f = (vocabulary as unknown as Record<string, ((...a: number[]) => number) | undefined>)[op];
  if (!f) throw new Error(`reference: ${op}`);
  return Number(f(...args));
}

function each(shape: readonly number[], f: (idx: number[]) => number): Arr {
  const idx = shape.map(() => 0);
  const data: number[] = [];
  const n = count(shape);
  for (let k = 0; k < n; k++) {
    data.push(f(idx));
    for (let d = shape.length - 1; d >= 0 && ++idx[d]! >= shape[d]!; d--) idx[d] = 0;
  }
  return { shape, data };
}
const flat = (idx: readonly number[], shape: readonly number[]): number =>
  idx.reduce((p, i, d) => p * shape[d]! + i, 0);
const at = (a: Arr, idx: readonly number[]): number => a.data[flat(idx, a.shape)]!;
const cast = (a: Arr, idx: readonly number[]): number =>
  at(
    a,
    a.shape.map((e, d) => (e === 1 ? 0 : idx[idx.length - a.shape.length + d]!)),
  );

const scalars = new Map<string, Expr>();
const scalar = (t: string): Expr => {
  let e = scalars.get(t);
  if (!e) scalars.set(t, (e = parseExpr(t)));
  return e;
};

export function reference(
  g: Graph,
  data: readonly (readonly number[])[],
  live: readonly number[] = g.liveScalars,
  symbols = new Map<string, number>(),
): { outputs: Arr[]; writes: Arr[] } {
  const env = new Map<Value, Arr>();
  const shapeOf = (v: Value): number[] => v.type.shape.map((d) => evalDim(d, symbols));
  [...g.inputs, ...g.captures].forEach((v, i) => env.set(v, { shape: shapeOf(v), data: [...data[i]!] }));
  for (const n of g.nodes) node(n);
  return { outputs: g.outputs.map((v) => env.get(v)!), writes: g.writes.map((w) => env.get(w.value)!) };

  function node(n: Node): void {
    const info = opInfo(n.op);
    const attr = (name: string): Attr | undefined =>
      Object.hasOwn(n.attrs, name)
        ? n.attrs[name]
        : (info?.params.find((p) => p.name === name)?.default as Attr | undefined);
    const num = (name: string): number => Number(attr(name));
    const tensor = (k: number): Arr => env.get((n.inputs[k] as Input & { kind: 'value' }).value)!;
    const ints = (name: string): number[] => ((attr(name) as number[] | null) ?? []).map(Number);
    const out = shapeOf(n.outputs[0]!);
    const set = (a: Arr): void => void env.set(n.outputs[0]!, round(a, n.outputs[0]!));
    const round = (a: Arr, v: Value): Arr =>
      v.type.dtype.startsWith('float')
        ? a
        : { shape: a.shape, data: a.data.map((x) => (v.type.dtype === 'bool' ? (x !== 0 ? 1 : 0) : Math.trunc(x))) };
    if (info?.kind === 'pointwise') {
      const operands = info.params.filter((p) => ['Tensor', 'Tensor?', 'Operand'].includes(p.type)).map((p) => p.name);
      const value =
        (idx: readonly number[]) =>
        (name: string): number => {
          const k = operands.indexOf(name);
          if (k < 0) {
            const a = attr(name);
            return a !== null && typeof a === 'object' && 'live' in a ? live[a.live]! : Number(a);
          }
          const i = n.inputs[k]!;
          if (i.kind === 'const') return Number(i.value);
          if (i.kind === 'live') return live[i.slot]!;
          return cast(env.get((i as Input & { kind: 'value' }).value)!, idx);
        };
      const made = n.outputs.map((o, k) =>
        round(
          each(shapeOf(o), (idx) => evalScalar(scalar(info.forward[k]!), value(idx))),
          o,
        ),
      );
      n.outputs.forEach((o, k) => env.set(o, made[k]!));
      return;
    }
    if (info?.kind === 'reduction') {
      const x = tensor(0);
      const d0 = attr('dim');
      let dims = d0 === null || d0 === undefined ? [] : typeof d0 === 'number' ? [d0] : ints('dim');
      if (dims.length === 0) dims = x.shape.map((_, d) => d);
      const red = new Set(dims.map((d) => (d < 0 ? d + x.shape.length : d)));
      const kept = x.shape.filter((_, d) => !red.has(d));
      const inner = x.shape.filter((_, d) => red.has(d));
      const results: number[][] = n.outputs.map(() => []);
      each(kept, (outer) => {
        let state = info.state.map((s) => (s.init === null ? -Infinity : Number(s.init)));
        let index = 0;
        each(inner, (ii) => {
          let a = 0;
          let b = 0;
          const idx = x.shape.map((_, d) => (red.has(d) ? ii[b++]! : outer[a++]!));
          const v = at(x, idx);
          const get = (name: string): number =>
            name === 'x' ? v : name === 'index' ? index : state[info.state.findIndex((s) => s.name === name)]!;
          state = info.combine.map((t) => evalScalar(scalar(t), get));
          index++;
          return 0;
        });
        info.finish.forEach((t, k) =>
          results[k]!.push(
            evalScalar(scalar(t), (name) => {
              if (name === 'n') return count(inner);
              const s = info.state.findIndex((y) => y.name === name);
              return s >= 0 ? state[s]! : num(name);
            }),
          ),
        );
        return 0;
      });
      n.outputs.forEach((o, k) => env.set(o, { shape: shapeOf(o), data: results[k]! }));
      return;
    }
    const x = n.inputs[0]?.kind === 'value' ? tensor(0) : { shape: [], data: [] };
    const wrap = (d: number, rank = x.shape.length): number => (d < 0 ? d + rank : d);
    switch (n.op) {
      case 'view':
      case 'reshape':
      case 'flatten':
      case 'unsqueeze':
      case 'squeeze':
      case 'detach':
      case 'alias':
      case 'clone':
      case 'contiguous':
        return set({ shape: out, data: x.data });
      case 'toDtype':
        return set(x);
      case 't':
        return set(each(out, ([i, j]) => at(x, [j!, i!])));
      case 'transpose': {
        const [p, q] = [wrap(num('dim0')), wrap(num('dim1'))];
        return set(
          each(out, (idx) =>
            at(
              x,
              idx.map((v, d) => (d === p ? idx[q]! : d === q ? idx[p]! : v)),
            ),
          ),
        );
      }
      case 'permute': {
        const dims = ints('dims').map((d) => wrap(d));
        return set(
          each(out, (idx) =>
            at(
              x,
              x.shape.map((_, d) => idx[dims.indexOf(d)]!),
            ),
          ),
        );
      }
      case 'expand':
        return set(each(out, (idx) => cast(x, idx)));
      case 'select': {
        const d = wrap(num('dim'));
        return set(
          each(out, (idx) =>
            at(x, [...idx.slice(0, d), num('index') < 0 ? num('index') + x.shape[d]! : num('index'), ...idx.slice(d)]),
          ),
        );
      }
      case 'slice': {
        const d = wrap(num('dim'));
        const s = num('start');
        return set(
          each(out, (idx) =>
            at(
              x,
              idx.map((v, k) => (k === d ? (s < 0 ? s + x.shape[d]! : s) + v * num('step') : v)),
            ),
          ),
        );
      }
      case 'cat': {
        const list = (n.inputs[0] as Input & { kind: 'list' }).values.map((v) => env.get(v)!);
        const d = wrap(num('dim'), out.length);
        return set(
          each(out, (idx) => {
            let i = idx[d]!;
            for (const a of list) {
              if (i < a.shape[d]!)
                return at(
                  a,
                  idx.map((v, k) => (k === d ? i : v)),
                );
              i -= a.shape[d]!;
            }
            return NaN;
          }),
        );
      }
      case 'gather': {
        const d = wrap(num('dim'));
        const index = tensor(1);
        return set(
          each(out, (idx) =>
            at(
              x,
              idx.map((v, k) => (k === d ? at(index, idx) : v)),
            ),
          ),
        );
      }
      case 'scatter':
      case 'scatterAdd': {
        const d = wrap(num('dim'));
        const index = tensor(1);
        const r = [...x.data];
        const src = n.inputs[2]!;
        each(index.shape, (idx) => {
          const to = flat(
            idx.map((v, k) => (k === d ? at(index, idx) : v)),
            x.shape,
          );
          const v =
            src.kind === 'value' ? at(env.get(src.value)!, idx) : src.kind === 'const' ? Number(src.value) : NaN;
          r[to] = n.op === 'scatter' ? v : r[to]! + v;
          return 0;
        });
        return set({ shape: out, data: r });
      }
      case 'embedding': {
        const ix = tensor(1);
        return set(each(out, (idx) => at(x, [at(ix, idx.slice(0, -1)), idx[idx.length - 1]!])));
      }
      case 'linear': {
        const w = tensor(1);
        const b = n.inputs[2]?.kind === 'value' ? tensor(2) : null;
        return set(
          each(out, (idx) => {
            let s = b ? b.data[idx[idx.length - 1]!]! : 0;
            for (let k = 0; k < w.shape[1]!; k++)
              s += at(x, [...idx.slice(0, -1), k]) * at(w, [idx[idx.length - 1]!, k]);
            return s;
          }),
        );
      }
      case 'mm':
      case 'matmul': {
        const y = tensor(1);
        return set(
          each(out, ([i, j]) => {
            let s = 0;
            for (let k = 0; k < y.shape[0]!; k++) s += at(x, [i!, k]) * at(y, [k, j!]);
            return s;
          }),
        );
      }
      case 'full':
        return set(each(out, () => num('fillValue')));
      case 'arange':
        return set(each(out, ([i]) => num('start') + i! * num('step')));
      case 'tril':
        return set(
          each(out, (idx) => (idx[idx.length - 1]! <= idx[idx.length - 2]! + num('diagonal') ? at(x, idx) : 0)),
        );
      case 'asStridedScatter': {
        const src = tensor(1);
        const r = [...x.data];
        const stride = ints('stride');
        each(src.shape, (idx) => {
          r[idx.reduce((p, i, d) => p + i * stride[d]!, Number(attr('storageOffset') ?? 0))] = at(src, idx);
          return 0;
        });
        return set({ shape: out, data: r });
      }
      default:
        throw new Error(`reference: ${n.op}`);
    }
  }
}

/** Largest error relative to the size of the values; `floor`: sizes below it count as that much (cancelled sums). */
export function difference(got: readonly number[], want: readonly number[], floor = 1e-6): number {
  if (got.length !== want.length) return Infinity;
  let worst = 0;
  const scale = Math.max(floor, ...want.map((x) => (Number.isFinite(x) ? Math.abs(x) : 0)));
  got.forEach((x, i) => {
    const w = want[i]!;
    if (Number.isNaN(w) || Number.isNaN(x)) {
      if (Number.isNaN(w) !== Number.isNaN(x)) worst = Infinity;
    } else if (!Number.isFinite(w) || !Number.isFinite(x)) {
      if (x !== w) worst = Infinity;
    } else worst = Math.max(worst, Math.abs(x - w) / (Math.abs(w) + scale * 1e-2));
  });
  return worst;
}
