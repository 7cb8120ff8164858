// The leaves of CUDA kernels: parameters, loads, stores, positions and literals, one element at a time.
import { productOf } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr, type Position, walk } from '../../schedule/expr.js';
import { type Axis, type DynamicPosition, type Index, type IndexNames, printIndex } from '../../schedule/indexing.js';
import { type ComputeType } from '../../schedule/typing.js';
import { foldedValues, type Kernel, type Store } from '../../loop/kernel.js';
import { KernelWalker, type Scope, type Target } from '../walker.js';
import { type Lines, comment } from '../writer.js';
import { literal } from '../cpp/scalar.js';

export const SCALAR: Readonly<Record<ComputeType, string>> = {
  f32: 'float',
  f64: 'double',
  i32: 'int',
  i64: 'fb_int',
  b: 'bool',
};

/** What a launch passes beside the common arguments: a parameter, and its value on the host. */
interface Parameter {
  readonly declaration: string;
  readonly value: string;
}

export abstract class CudaValues extends KernelWalker {
  private readonly parameters = new Map<string, Parameter>();
  /** Positions fit into 32 bits: 64-bit arithmetic takes several instructions on a GPU. */
  private readonly narrow: boolean;

  constructor(k: Kernel, target: Target) {
    super(k, target);
    const fits = (shape: readonly Dim[]): boolean => {
      const n = productOf(shape);
      return typeof n === 'number' && n < 2 ** 30;
    };
    const touched = [...this.values()].flatMap((e) => {
      const defs: Def[] = [];
      walk(e, (x) => void (x.k === 'load' && defs.push(x.src as Def)));
      return defs;
    });
    const stored = k.stages.flatMap((s) => s.stores.map((x) => x.def));
    this.narrow =
      fits([...k.rows, ...k.cols].map((a) => a.extent)) && [...touched, ...stored].every((d) => fits(d.shape));
  }

  /** Every value that the kernel computes for each element or row. */
  protected values(): readonly LExpr[] {
    return this.k.stages.flatMap((s) => [
      ...s.stores.map((x) => x.value),
      ...(s.k === 'columns' ? [...s.folds.flatMap(foldedValues), ...s.keeps.map((x) => x.value)] : []),
    ]);
  }

  /** Type of a loop variable. */
  protected get position(): string {
    return this.narrow ? 'int' : 'fb_int';
  }
  /** Parameters of the kernel, the common ones first. */
  protected declarations(): string {
    return ['fb_cuda_args args', ...[...this.parameters.values()].map((p) => p.declaration)].join(', ');
  }
  /** Arguments of a launch. */
  launchArguments(): string {
    return ['A->device', ...[...this.parameters.values()].map((p) => p.value)].join(', ');
  }
  private parameter(name: string, declaration: string, value: string): string {
    if (!this.parameters.has(name)) this.parameters.set(name, { declaration: `${declaration} ${name}`, value });
    return name;
  }

  protected override pointer(d: Def): string {
    let p = this.pointers.get(d);
    if (!p) {
      this.pointers.set(d, (p = `p${this.pointers.size}`));
      const type = `fb_m_${TYPES[d.dtype].tag}*`;
      this.parameter(p, type, `(${type})(${this.target.memory(d)})`);
      this.head.push(`// ${p}: ${comment(d.name)}`);
    }
    return p;
  }

  /** All values first, then all stores: a tensor written in place is read before it changes. */
  protected stores(list: readonly Store[], scopes: readonly Scope[]): Lines {
    const values = scopes.map((scope) => list.map((s) => this.value(s.value, scope)));
    return scopes.flatMap((scope, k) =>
      list.map(
        (s, i) =>
          `fb_put_${TYPES[s.def.dtype].tag}(${this.pointer(s.def)}, ${printIndex(s.offset, this.names(scope))}, ${values[k]![i]!});`,
      ),
    );
  }

  /** Position in a product of axes → one variable per axis. */
  protected split(lines: Lines, from: string, axes: readonly Axis[], scope: Scope): void {
    let rest = from;
    for (let i = axes.length - 1; i >= 0; i--) {
      const a = axes[i]!;
      const extent = this.dim(a.extent);
      lines.push(`const ${this.position} ${this.axisText(a, scope)} = ${i === 0 ? rest : `${rest} % ${extent}`};`);
      rest = `(${rest}) / ${extent}`;
    }
  }
  /** Copies of a body side by side have axes of their own. */
  protected axisText(a: Axis, scope: Scope): string {
    return scope.shift > 0 ? `${a.name}_${scope.shift}` : a.name;
  }

  protected typeName(t: ComputeType): string {
    return SCALAR[t];
  }
  /** No compiler builtins for infinities in device code. A cast keeps template arguments of one type. */
  protected literal(value: number | boolean, t: ComputeType): string {
    if (t === 'f32' || t === 'f64') {
      const v = Number(value);
      const cast = t === 'f64' ? '(double)' : '';
      if (Number.isNaN(v)) return `${cast}fb_nan()`;
      if (!Number.isFinite(t === 'f32' ? Math.fround(v) : v)) return `${v < 0 ? '-' : ''}${cast}fb_inf()`;
    }
    return t === 'i64' ? `(fb_int)${literal(value, t)}` : literal(value, t);
  }
  protected live(slot: number, t: ComputeType): string {
    return `(${SCALAR[t]})${this.parameter(`live${slot}`, 'double', `A->scalars[${slot}]`)}`;
  }
  protected load(e: LExpr & { k: 'load' }, scope: Scope): string {
    const d = e.src as Def;
    return `fb_get_${TYPES[d.dtype].tag}(${this.pointer(d)}, ${printIndex(e.offset, this.names(scope))})`;
  }
  protected iota(i: Index, t: ComputeType, scope: Scope): string {
    return `(${SCALAR[t]})(${printIndex(i, this.names(scope))})`;
  }
  protected uniform(i: Index, scope: Scope): string {
    return `fb_uniform((fb_int)args.offset + ${printIndex(i, this.names(scope))}, args.seed)`;
  }
  protected names(scope: Scope): IndexNames {
    return {
      axis: (a) => this.axisText(a, scope),
      symbol: (s) => this.symbol(s),
      dyn: (e, extent) => this.checked(e, extent, scope),
    };
  }
  override dim(d: Dim): string {
    // A symbol inside an extent becomes a parameter of the kernel.
    return super.dim(d).replace(/\bdim(\d+)\b/g, (name, n: string) => this.parameter(name, 'fb_int', `A->dims[${n}]`));
  }
  private symbol(s: string): string {
    const name = this.target.symbol(s);
    return this.parameter(name, 'fb_int', `A->dims[${name.replace('dim', '')}]`);
  }
  private checked(d: DynamicPosition, extent: Dim, scope: Scope): string {
    const p = d as Position;
    const home = this.home(p.expr, scope);
    let name = home.positions.get(p.id);
    if (!name) {
      const value = this.value(p.expr, scope);
      name = this.id('d');
      home.lines.push(
        `const ${this.position} ${name} = fb_at(${value}, ${this.dim(extent)}, ${this.target.errorCode(p.what)}, args.error);`,
      );
      home.positions.set(p.id, name);
    }
    return name;
  }
}
