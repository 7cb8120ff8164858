// The leaves of C++ kernels: loads, stores, positions and literals over the vector prelude.
import { mulDims, productOf, sameDim } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr, type Position } from '../../schedule/expr.js';
import {
  type Axis,
  type DynamicPosition,
  type Index,
  axesOf,
  coefficient,
  constantOf,
  hasDivision,
  ixDim,
  printIndex,
} from '../../schedule/indexing.js';
import { type ComputeType } from '../../schedule/typing.js';
import { type Kernel, type Store } from '../../loop/kernel.js';
import { KernelWalker, type Scope, type Target } from '../walker.js';
import { type Lines } from '../writer.js';
import { literal } from './scalar.js';

export const VEC: Readonly<Record<ComputeType, string>> = {
  f32: 'f32v',
  f64: 'f64v',
  i32: 'i32v',
  i64: 'i64v',
  b: 'maskv',
};
const SCALAR: Readonly<Record<ComputeType, string>> = {
  f32: 'float',
  f64: 'double',
  i32: 'int',
  i64: 'fb_int',
  b: 'bool',
};
export const TAG_OF: Readonly<Record<ComputeType, string>> = {
  f32: 'f32',
  f64: 'f64',
  i32: 'i32',
  i64: 'i64',
  b: 'i32',
};

export abstract class CppValues extends KernelWalker {
  private readonly colLinear = new Map<Axis, Dim>();

  constructor(k: Kernel, target: Target) {
    super(k, target);
    let step: Dim = 1;
    for (const a of [...k.cols].reverse()) {
      this.colLinear.set(a, step);
      step = mulDims(step, a.extent);
    }
  }

  /** The vector axis is a row axis: lanes are rows. */
  protected get inRows(): boolean {
    return this.k.vector !== null && this.k.rows.includes(this.k.vector);
  }
  /** Text of a load that was gathered into a tile beforehand. */
  protected abstract tileLoad(e: LExpr & { k: 'load' }, scope: Scope): string | null;
  /** Where a store goes instead that is moved to memory afterwards. */
  protected abstract tileStore(s: Store, scope: Scope): string | null;

  // ---- memory ----

  /** The scratch row of a kept value: declared at first use, laid out in loop order. */
  protected keepPlace(name: string, type: ComputeType, scope: Scope): [string, string] {
    const text = `${name}_row`;
    if (!this.root.vars.has(text)) {
      this.root.vars.set(text, text);
      const n = productOf(this.k.cols.map((a) => a.extent));
      const lanes = this.inRows ? ` * FB_W` : ' + FB_W';
      this.head.push(
        `${TYPES[type === 'b' ? 'int32' : type === 'f32' ? 'float32' : type === 'f64' ? 'float64' : type === 'i64' ? 'int64' : 'int32'].c} ${text}[${this.dim(n)}${lanes}] __attribute__((aligned(64)));`,
      );
    }
    let at = this.k.cols
      .map((a) =>
        sameDim(this.colLinear.get(a)!, 1)
          ? this.axisText(a, scope)
          : `${this.axisText(a, scope)} * ${this.dim(this.colLinear.get(a)!)}`,
      )
      .join(' + ');
    if (this.inRows) at = `(${at}) * FB_W`;
    return [text, at];
  }

  /** All values first, then all stores: a tensor written in place is read before it changes. */
  protected stores(list: readonly Store[], scope: Scope): void {
    const values = list.map((s) => this.value(s.value, scope));
    list.forEach((s, i) => this.store(s, values[i]!, scope));
  }
  private store(s: Store, value: string, scope: Scope): void {
    const t = TYPES[s.def.dtype];
    const tile = this.tileStore(s, scope);
    if (tile !== null) {
      scope.lines.push(`fb_store_${t.tag}(${tile}, ${value});`);
      return;
    }
    const p = this.pointer(s.def);
    const v = this.k.vector;
    const c = v && axesOf(s.offset).has(v) ? coefficient(s.offset, v) : ixDim(0);
    if (c === null || (v && hasDivision(s.offset) && constantOf(c) === null)) {
      const lane = this.id('l');
      const ls: Lines = [];
      const at = printIndex(s.offset, this.names(scope, lane));
      ls.push(
        `${t.c} lane[FB_W];`,
        `fb_store_${t.tag}(lane, ${value});`,
        `for (fb_int ${lane} = 0; ${lane} < ${scope.lanes}; ${lane}++) ${p}[${at}] = lane[${lane}];`,
      );
      scope.lines.push('{', ls, '}');
      return;
    }
    const at = `${p} + ${printIndex(s.offset, this.names(scope))}`;
    const step = constantOf(c);
    if (step === 0) scope.lines.push(`fb_storen_${t.tag}(${at}, ${value}, 1);`);
    else if (step === 1) {
      if (scope.lanes === 'n') scope.lines.push(`fb_storen_${t.tag}(${at}, ${value}, n);`);
      else if (s.stream && this.streamable(s)) {
        scope.lines.push(`if (${this.aligned(p)}) fb_stream_f32(${at}, ${value}); else fb_store_f32(${at}, ${value});`);
      } else scope.lines.push(`fb_store_${t.tag}(${at}, ${value});`);
    } else
      scope.lines.push(
        `fb_stores_${t.tag}(${at}, (${printIndex(c, this.names(scope))}) * ${t.bytes}, ${value}, ${scope.lanes});`,
      );
  }
  /** Rows must begin on vector boundaries: every other step is a multiple of 16 elements. */
  private streamable(s: Store): boolean {
    if (hasDivision(s.offset)) return false;
    return s.offset.terms.every((t) => {
      const axes = t.atoms.filter((a) => a.k === 'axis');
      const only = axes.length === 1 ? axes[0]! : null;
      if (only?.k === 'axis' && only.axis === this.k.vector) return true;
      return t.coef % 16 === 0;
    });
  }
  private aligned(p: string): string {
    const name = `${p}_a`;
    if (!this.root.vars.has(name)) {
      this.root.vars.set(name, name);
      this.head.push(`const bool ${name} = ((unsigned long long)${p} & 63) == 0;`);
    }
    return name;
  }

  // ---- values ----

  protected axisText(a: Axis, scope: Scope, lane?: string): string {
    if (a !== this.k.vector) return scope.before && a === this.k.rows[0] ? 'before' : a.name;
    const shifted = scope.shift > 0 ? `(${a.name} + ${scope.shift} * FB_W)` : a.name;
    return lane ? `(${shifted} + ${lane})` : shifted;
  }
  protected names(
    scope: Scope,
    lane?: string,
  ): { axis(a: Axis): string; symbol(s: string): string; dyn(e: DynamicPosition, extent: Dim): string } {
    return {
      axis: (a) => this.axisText(a, scope, lane),
      symbol: (s) => this.target.symbol(s),
      dyn: (e, extent) => this.position(e as Position, extent, scope, lane),
    };
  }
  /** A checked position: one number, or one per lane when it varies along the vector axis. */
  private position(p: Position, extent: Dim, scope: Scope, lane?: string): string {
    const v = this.k.vector;
    const perLane = v !== null && p.expr.axes.has(v);
    const home = this.home(p.expr, scope);
    let name = home.positions.get(p.id);
    if (!name) {
      const value = this.value(p.expr, scope);
      const code = this.target.errorCode(p.what);
      name = this.id('d');
      if (perLane) {
        home.lines.push(
          `fb_int ${name}[FB_W];`,
          `fb_store_i64(${name}, ${value});`,
          `for (fb_int l = 0; l < ${home.lanes}; l++) ${name}[l] = fb_at(${name}[l], ${this.dim(extent)}, ${code}, R);`,
        );
      } else home.lines.push(`const fb_int ${name} = fb_at(${value}[0], ${this.dim(extent)}, ${code}, R);`);
      home.positions.set(p.id, name);
    }
    return perLane ? `${name}[${lane ?? 0}]` : name;
  }

  private readonly divisors = new Map<Scope, Map<LExpr, string>>();
  /** Divisions by a value of an outer loop multiply by its reciprocal and put the error right; exponentials leave out what is zero. */
  protected override operation(e: LExpr & { k: 'op' }, scope: Scope): string {
    const [a, b] = e.args as [LExpr, LExpr];
    if (e.op === 'exp' && e.type === 'f32') return this.call('exp_or_zero', [this.value(a, scope)]);
    if (e.op !== 'div' || e.type !== 'f32' || (b.k === 'const' && Math.log2(Math.abs(Number(b.value))) % 1 === 0))
      return super.operation(e, scope);
    const home = this.home(b, scope);
    if (home === scope || scope === this.root) return super.operation(e, scope);
    let known = this.divisors.get(home);
    if (!known) this.divisors.set(home, (known = new Map()));
    const divisor = this.value(b, scope);
    let ready = known.get(b);
    if (ready === undefined) {
      ready = this.id('q');
      home.lines.push(`const f32v ${ready} = fb_div_prepare(${divisor});`);
      known.set(b, ready);
    }
    return `fb_div_by(${this.value(a, scope)}, ${divisor}, ${ready})`;
  }

  protected typeName(t: ComputeType): string {
    return VEC[t];
  }
  protected literal(value: number | boolean, t: ComputeType): string {
    return `fb_splat_${t}(${literal(value, t)})`;
  }
  protected live(slot: number, t: ComputeType): string {
    return `fb_splat_${t}((${SCALAR[t]})A->scalars[${slot}])`;
  }
  protected iota(i: Index, t: ComputeType, scope: Scope): string {
    return this.positionVector(i, t, scope);
  }
  protected uniform(i: Index, scope: Scope): string {
    return `fb_uniform(fb_add(${this.positionVector(i, 'i64', scope)}, fb_splat_i64((fb_int)A->offset)), A->seed)`;
  }
  protected kept(name: string, t: ComputeType, scope: Scope): string {
    const [row, at] = this.keepPlace(name, t, scope);
    return `fb_load_${TAG_OF[t]}(${row} + ${at})`;
  }
  /** An index as a vector of numbers, one per lane. */
  private positionVector(i: Index, type: ComputeType, scope: Scope): string {
    const v = this.k.vector;
    const c = v && axesOf(i).has(v) ? coefficient(i, v) : ixDim(0);
    if (c === null) {
      const name = this.id('x');
      scope.lines.push(
        `fb_int ${name}[FB_W];`,
        `for (fb_int l = 0; l < FB_W; l++) ${name}[l] = ${printIndex(i, this.names(scope, 'l'))};`,
      );
      return type === 'i64' ? `fb_load_i64(${name})` : `fb_cvt_i64_${type}(fb_load_i64(${name}))`;
    }
    const base = `fb_splat_${type}(${type === 'i32' ? '(int)(' : ''}${printIndex(i, this.names(scope))}${type === 'i32' ? ')' : ''})`;
    const step = constantOf(c);
    if (step === 0) return base;
    const lanes = type === 'i64' ? 'fb_cvt_i32_i64(fb_iota_i32())' : 'fb_iota_i32()';
    return step === 1
      ? `fb_add(${base}, ${lanes})`
      : `fb_add(${base}, fb_mul(${lanes}, fb_splat_${type}(${printIndex(c, this.names(scope))})))`;
  }
  protected load(e: LExpr & { k: 'load' }, scope: Scope): string {
    const d = e.src as Def;
    const t = TYPES[d.dtype];
    const tile = this.tileLoad(e, scope);
    if (tile !== null) return tile;
    const p = this.pointer(d);
    const v = this.k.vector;
    const c = v && axesOf(e.offset).has(v) ? coefficient(e.offset, v) : ixDim(0);
    if (c === null || (hasDivision(e.offset) && constantOf(c) === null)) {
      const lane = this.id('l');
      const name = this.id('g');
      const at = printIndex(e.offset, this.names(scope, lane));
      scope.lines.push(
        `${t.c} ${name}[FB_W] = {};`,
        `for (fb_int ${lane} = 0; ${lane} < ${scope.lanes}; ${lane}++) ${name}[${lane}] = ${p}[${at}];`,
      );
      return `fb_load_${t.tag}(${name})`;
    }
    const off = printIndex(e.offset, this.names(scope));
    const step = constantOf(c);
    if (step === 0) {
      if (d.dtype === 'float16' || d.dtype === 'bfloat16') return `fb_loads_${t.tag}(${p} + ${off}, 0, FB_W)`;
      return d.dtype === 'bool' ? `fb_splat_b(${p}[${off}] != 0)` : `fb_splat_${e.type}(${p}[${off}])`;
    }
    if (step === 1)
      return scope.lanes === 'n' ? `fb_loadn_${t.tag}(${p} + ${off}, n)` : `fb_load_${t.tag}(${p} + ${off})`;
    if (d.dtype === 'float32' && (step === 2 || step === 4))
      return `fb_load_step_f32<${step}>(${p} + ${off}, ${scope.lanes})`;
    return `fb_loads_${t.tag}(${p} + ${off}, (${printIndex(c, this.names(scope))}) * ${t.bytes}, ${scope.lanes})`;
  }
}
