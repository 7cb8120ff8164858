// Loop IR → CUDA. The same structure as the C++ printer with other leaves: without a fold along the vector axis one thread computes one
// row element (grid-stride); with one, a block takes a row, threads stride over the columns, and states are joined in shared memory.
import { mulDims, productOf } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr, type Position } from '../../schedule/expr.js';
import { type Axis, type DynamicPosition, type Index, type IndexNames, printIndex } from '../../schedule/indexing.js';
import { type ComputeType, isFloat } from '../../schedule/typing.js';
import { type Fold, type Stage, type Store } from '../../loop/kernel.js';
import { KernelWalker, type Scope } from '../walker.js';
import { type Lines, comment, renderLines } from '../writer.js';
import { literal } from '../cpp/scalar.js';

const SCALAR: Readonly<Record<ComputeType, string>> = {
  f32: 'float',
  f64: 'double',
  i32: 'int',
  i64: 'fb_int',
  b: 'bool',
};

export class CudaKernel extends KernelWalker {
  private readonly shared: Lines = [];

  /** A block per row, threads along the columns. */
  private get byBlock(): boolean {
    const v = this.k.vector;
    return v !== null && this.k.cols.includes(v);
  }
  private get rowCount(): Dim {
    return productOf(this.k.rows.map((a) => a.extent));
  }
  private get colCount(): Dim {
    return productOf(this.k.cols.map((a) => a.extent));
  }

  /** Blocks to launch. */
  grid(): string {
    const n = this.dim(this.rowCount);
    return this.byBlock ? `fb_blocks(${n})` : `fb_blocks((${n} + FB_BLOCK - 1) / FB_BLOCK)`;
  }

  print(): string {
    const { k } = this;
    const body: Lines = [];
    const row = this.child(this.root, new Set(k.rows), body);
    this.split(body, 'row', k.rows);
    for (const s of k.stages) {
      if (s.k === 'row') this.rowStores(s.stores, row);
      else this.columns(s, row);
    }
    const first = this.byBlock ? 'blockIdx.x' : '(fb_int)blockIdx.x * blockDim.x + threadIdx.x';
    const step = this.byBlock ? 'gridDim.x' : '(fb_int)gridDim.x * blockDim.x';
    return renderLines([
      `// ${comment(k.title)}`,
      `extern "C" __global__ void ${k.name}(fb_cuda_args args) {`,
      [
        'const fb_cuda_args* const A = &args;',
        ...this.target.symbols,
        ...this.head,
        ...this.shared,
        ...this.root.lines,
        `for (fb_int row = ${first}; row < ${this.dim(this.rowCount)}; row += ${step}) {`,
        body,
        '}',
        '(void)A;',
      ],
      '}',
    ]);
  }

  /** Position in a product of axes → one variable per axis. */
  private split(lines: Lines, from: string, axes: readonly Axis[]): void {
    let rest = from;
    for (let i = axes.length - 1; i >= 0; i--) {
      const a = axes[i]!;
      lines.push(
        i === 0 ? `const fb_int ${a.name} = ${rest};` : `const fb_int ${a.name} = ${rest} % ${this.dim(a.extent)};`,
      );
      rest = `(${rest}) / ${this.dim(a.extent)}`;
    }
  }

  private columns(s: Stage & { k: 'columns' }, row: Scope): void {
    const { k } = this;
    for (const f of s.folds)
      for (const st of f.states) row.lines.push(`${SCALAR[st.type]} ${st.name} = ${literal2(st.init, st.type)};`);
    const ls: Lines = [];
    const scope = this.child(row, new Set(k.cols), ls);
    if (this.byBlock) this.split(ls, 'col', k.cols);
    for (const f of s.folds) {
      const own = new Map(f.states.map((st) => [st.name, st.name]));
      const e = f.elem;
      const fused = f.reduce.sum && isFloat(e.type) && e.k === 'op' && e.op === 'mul';
      const values = fused
        ? [`fb_fma(${this.value(e.args[0]!, scope)}, ${this.value(e.args[1]!, scope)}, ${f.states[0]!.name})`]
        : this.combined(f, own, scope);
      this.assign(ls, f, own, values);
    }
    for (const x of s.keeps) ls.push(`${this.keptPlace(x.name, x.type)} = ${this.value(x.value, scope)};`);
    const values = s.stores.map((x) => this.value(x.value, scope));
    s.stores.forEach((x, i) => ls.push(this.put(x, values[i]!, scope)));
    if (this.byBlock)
      row.lines.push(`for (fb_int col = threadIdx.x; col < ${this.dim(this.colCount)}; col += blockDim.x) {`, ls, '}');
    else {
      let text = ls;
      for (const a of [...k.cols].reverse())
        text = [`for (fb_int ${a.name} = 0; ${a.name} < ${this.dim(a.extent)}; ${a.name}++) {`, text, '}'];
      row.lines.push(...text);
    }
    for (const f of s.folds) {
      if (this.byBlock) this.joinBlock(row.lines, f);
      for (const st of f.states) row.vars.set(st.name, st.name);
    }
  }

  /** Joins the states of the block's threads; every thread gets the result. */
  private joinBlock(lines: Lines, f: Fold): void {
    const mine = new Map<string, string>();
    const other = new Map<string, string>();
    for (const st of f.states) {
      this.shared.push(`__shared__ ${SCALAR[st.type]} ${st.name}_s[FB_BLOCK];`);
      lines.push(`${st.name}_s[threadIdx.x] = ${st.name};`);
      mine.set(st.name, `${st.name}_s[threadIdx.x]`);
      other.set(st.name, `${st.name}_s[threadIdx.x + half]`);
    }
    const step: Lines = [];
    this.assignJoin(step, f, mine, other);
    lines.push(
      '__syncthreads();',
      'for (int half = FB_BLOCK / 2; half > 0; half /= 2) {',
      ['if ((int)threadIdx.x < half) {', step, '}', '__syncthreads();'],
      '}',
    );
    for (const st of f.states) lines.push(`${st.name} = ${st.name}_s[0];`);
    lines.push('__syncthreads();');
  }

  private keptPlace(name: string, t: ComputeType): string {
    const text = `${name}_row`;
    if (!this.root.vars.has(text)) {
      this.root.vars.set(text, text);
      this.shared.push(`${this.byBlock ? '__shared__ ' : ''}${SCALAR[t]} ${text}[${this.dim(this.colCount)}];`);
    }
    if (this.byBlock) return `${text}[col]`;
    let step: Dim = 1;
    const parts: string[] = [];
    for (const a of [...this.k.cols].reverse()) {
      parts.unshift(step === 1 ? a.name : `${a.name} * ${this.dim(step)}`);
      step = mulDims(step, a.extent);
    }
    return `${text}[${parts.join(' + ')}]`;
  }

  private rowStores(list: readonly Store[], row: Scope): void {
    const values = list.map((s) => this.value(s.value, row));
    const ls: Lines = list.map((s, i) => this.put(s, values[i]!, row));
    // All threads have read what the first one is about to overwrite.
    if (this.byBlock) row.lines.push('__syncthreads();', 'if (threadIdx.x == 0) {', ls, '}');
    else row.lines.push(...ls);
  }
  private put(s: Store, value: string, scope: Scope): string {
    return `fb_put_${TYPES[s.def.dtype].tag}(${this.pointer(s.def)}, ${printIndex(s.offset, this.names(scope))}, ${value});`;
  }

  // ---- leaves ----

  protected typeName(t: ComputeType): string {
    return SCALAR[t];
  }
  protected literal(value: number | boolean, t: ComputeType): string {
    return literal2(value, t);
  }
  protected live(slot: number, t: ComputeType): string {
    return `(${SCALAR[t]})A->scalars[${slot}]`;
  }
  protected load(e: LExpr & { k: 'load' }, scope: Scope): string {
    const d = e.src as Def;
    return `fb_get_${TYPES[d.dtype].tag}(${this.pointer(d)}, ${printIndex(e.offset, this.names(scope))})`;
  }
  protected iota(i: Index, t: ComputeType, scope: Scope): string {
    return `(${SCALAR[t]})(${printIndex(i, this.names(scope))})`;
  }
  protected uniform(i: Index, scope: Scope): string {
    return `fb_uniform((fb_int)A->offset + ${printIndex(i, this.names(scope))}, A->seed)`;
  }
  protected kept(name: string, t: ComputeType): string {
    return this.keptPlace(name, t);
  }
  protected names(scope: Scope): IndexNames {
    return {
      axis: (a) => a.name,
      symbol: (s) => this.target.symbol(s),
      dyn: (e, extent) => this.position(e, extent, scope),
    };
  }
  private position(d: DynamicPosition, extent: Dim, scope: Scope): string {
    const p = d as Position;
    const home = this.home(p.expr, scope);
    let name = home.positions.get(p.id);
    if (!name) {
      const value = this.value(p.expr, scope);
      name = this.id('d');
      home.lines.push(
        `const fb_int ${name} = fb_at(${value}, ${this.dim(extent)}, ${this.target.errorCode(p.what)}, A->error);`,
      );
      home.positions.set(p.id, name);
    }
    return name;
  }
}

/** Literals of device code: no compiler builtins for infinities. A cast keeps template arguments of one type. */
function literal2(value: number | boolean, t: ComputeType): string {
  if (t === 'f32' || t === 'f64') {
    const v = Number(value);
    const cast = t === 'f64' ? '(double)' : '';
    if (Number.isNaN(v)) return `${cast}fb_nan()`;
    if (!Number.isFinite(t === 'f32' ? Math.fround(v) : v)) return `${v < 0 ? '-' : ''}${cast}fb_inf()`;
  }
  return t === 'i64' ? `(fb_int)${literal(value, t)}` : literal(value, t);
}
