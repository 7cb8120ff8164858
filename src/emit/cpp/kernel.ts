// Loop IR → C++ over the vector prelude.
import { mulDims, productOf, sameDim } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr, type Position, lVar, walk } from '../../schedule/expr.js';
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
import { type ComputeType, isFloat } from '../../schedule/typing.js';
import { type Fold, type Kernel, type Stage, type Store } from '../../loop/kernel.js';
import { KernelWalker, type Scope, type Target } from '../walker.js';
import { type Lines, comment, renderLines } from '../writer.js';
import { literal } from './scalar.js';

const VEC: Readonly<Record<ComputeType, string>> = { f32: 'f32v', f64: 'f64v', i32: 'i32v', i64: 'i64v', b: 'maskv' };
const SCALAR: Readonly<Record<ComputeType, string>> = {
  f32: 'float',
  f64: 'double',
  i32: 'int',
  i64: 'fb_int',
  b: 'bool',
};
const TAG_OF: Readonly<Record<ComputeType, string>> = { f32: 'f32', f64: 'f64', i32: 'i32', i64: 'i64', b: 'i32' };

const long = (a: Axis): boolean => typeof a.extent !== 'number' || a.extent >= 16;

export class CppKernel extends KernelWalker {
  private readonly colLinear = new Map<Axis, Dim>();

  constructor(k: Kernel, target: Target) {
    super(k, target);
    this.findTiles();
    let step: Dim = 1;
    for (const a of [...k.cols].reverse()) {
      this.colLinear.set(a, step);
      step = mulDims(step, a.extent);
    }
  }

  // ---- transposed reads ----

  /** Loads that walk with a stride along the vector axis and one by one along `across`: read in tiles, so that every cache line is
   * fetched once. Only in kernels without folds, where loops may be exchanged. */
  private readonly tiles = new Map<LExpr, string>();
  private across: Axis | null = null;

  private findTiles(): void {
    const { vector: v, rows, cols } = this.k;
    if (!v || cols.length > 0) return;
    const b = rows.filter((a) => a !== v).pop();
    if (!b || !long(b) || !long(v)) return;
    for (const s of this.k.stages) {
      for (const x of s.stores) {
        walk(x.value, (e) => {
          if (e.k !== 'load' || this.tiles.has(e) || hasDivision(e.offset) || !e.axes.has(v) || !e.axes.has(b)) return;
          const [along, next] = [coefficient(e.offset, v), coefficient(e.offset, b)];
          if (along === null || next === null || constantOf(along) === 1 || constantOf(next) !== 1) return;
          this.tiles.set(e, `tile${this.tiles.size}`);
        });
      }
    }
    if (this.tiles.size > 0) this.across = b;
  }
  /** For one vector of `v`: blocks along `across`, each read row by row into a tile and computed column by column. */
  private tiled(vec: Scope, v: Axis): void {
    const b = this.across!;
    const bl: Lines = [
      `const fb_int count = ${this.dim(b.extent)} - block < FB_W ? ${this.dim(b.extent)} - block : FB_W;`,
    ];
    for (const [e, name] of this.tiles) {
      if (e.k !== 'load') continue;
      const d = e.src as Def;
      const t = TYPES[d.dtype];
      if (!this.root.vars.has(name)) {
        this.root.vars.set(name, name);
        this.head.push(`${t.c} ${name}[FB_W * FB_W] __attribute__((aligned(64))) = {};`);
      }
      const names = this.names(vec, 'l');
      const at = printIndex(e.offset, {
        ...names,
        axis: (a) => (a === b ? '(block + q)' : a === v ? names.axis(a) : a.name),
      });
      bl.push(`for (fb_int l = 0; l < ${vec.lanes}; l++)`, [
        `for (fb_int q = 0; q < count; q++) ${name}[q * FB_W + l] = ${this.pointer(d)}[${at}];`,
      ]);
    }
    const ls: Lines = [];
    const inner = this.child(this.child(vec, new Set(), bl), new Set([b]), ls);
    this.stages([inner]);
    bl.push(`for (fb_int ${b.name} = block; ${b.name} < block + count; ${b.name}++) {`, ls, '}');
    vec.lines.push(`for (fb_int block = 0; block < ${this.dim(b.extent)}; block += FB_W) {`, bl, '}');
  }

  // ---- structure ----

  /** Row axes in loop order, the vector axis last. */
  private get outer(): Axis[] {
    return this.k.rows.filter((a) => a !== this.k.vector && a !== this.across);
  }
  private get inRows(): boolean {
    return this.k.vector !== null && this.k.rows.includes(this.k.vector);
  }

  /** Number of units that threads share, and what one unit is. */
  units(): { count: string; axes: Axis[]; chunk: number } {
    const outer = this.outer;
    if (outer.length === 0) {
      if (!this.inRows) return { count: '1', axes: [], chunk: 0 };
      const n = this.k.vector!.extent;
      const chunk = this.across ? 64 : 2048;
      return {
        count: typeof n === 'number' ? String(Math.ceil(n / chunk)) : `(${this.dim(n)} + ${chunk - 1}) / ${chunk}`,
        axes: [],
        chunk,
      };
    }
    const axes: Axis[] = [];
    let count: Dim = 1;
    for (const a of outer) {
      if (axes.length > 0 && (typeof count !== 'number' || count >= 16)) break;
      axes.push(a);
      count = mulDims(count, a.extent);
    }
    return { count: this.dim(count), axes, chunk: 0 };
  }

  print(): string {
    const { k } = this;
    const u = this.units();
    const body: Lines = [];
    const rowScope = this.child(this.root, new Set(this.outer), body);
    this.rowLoop(rowScope, u.chunk);
    // Nest the loops of the outer axes around the body.
    let text: Lines = body;
    const inner = this.outer.slice(u.axes.length);
    for (const a of [...inner].reverse())
      text = [`for (fb_int ${a.name} = 0; ${a.name} < ${this.dim(a.extent)}; ${a.name}++) {`, text, '}'];
    if (u.axes.length === 1) {
      const a = u.axes[0]!;
      text = [`for (fb_int ${a.name} = begin; ${a.name} < end; ${a.name}++) {`, text, '}'];
    } else if (u.axes.length > 1) {
      const split: Lines = [];
      let rest = 'unit';
      for (let i = u.axes.length - 1; i >= 0; i--) {
        const a = u.axes[i]!;
        split.push(
          i === 0 ? `const fb_int ${a.name} = ${rest};` : `const fb_int ${a.name} = ${rest} % ${this.dim(a.extent)};`,
        );
        rest = rest === 'unit' ? `unit / ${this.dim(a.extent)}` : `(${rest}) / ${this.dim(a.extent)}`;
      }
      text = ['for (fb_int unit = begin; unit < end; unit++) {', [...split, ...text], '}'];
    } else if (u.chunk === 0) text = [`for (fb_int unit = begin; unit < end; unit++) {`, text, '}'];
    const streams = k.stages.some((s) => s.stores.some((x) => x.stream));
    const lines: Lines = [
      `// ${comment(k.title)}`,
      `static void ${k.name}(void* context, fb_int begin, fb_int end) {`,
      [
        'fb_run* R = (fb_run*)context;',
        'const fb_run_args* A = R->args;',
        ...this.target.symbols,
        ...this.head,
        ...this.root.lines,
        ...text,
        ...(streams ? ['fb_stream_fence();'] : []),
        '(void)A, (void)begin, (void)end;',
      ],
      '}',
    ];
    return renderLines(lines);
  }

  /** Everything of one row; with the vector axis among the rows, a loop over vectors of rows. */
  private rowLoop(scope: Scope, chunk: number): void {
    const v = this.k.vector;
    if (!this.inRows || v === null) {
      this.stages([scope]);
      return;
    }
    const n = this.dim(v.extent);
    let [lo, hi] = ['0', n];
    if (chunk > 0) {
      // One unit is a chunk of elements, so that threads begin on vector boundaries.
      scope.lines.push(`const fb_int stop = end * ${chunk} < ${n} ? end * ${chunk} : ${n};`);
      [lo, hi] = [`begin * ${chunk}`, 'stop'];
    }
    this.vectorLoop(scope, v, lo, hi, v.extent, this.across ? 1 : this.k.rowUnroll, (lines, shifts, lanes) => {
      if (this.across) {
        this.tiled(this.child(scope, new Set([v]), lines, 0, lanes), v);
        return;
      }
      const scopes = shifts.map((s) => this.child(scope, new Set([v]), lines, s, lanes));
      this.stages(scopes);
    });
  }

  /** for v in [lo, hi) by vectors: unrolled loop, single loop, tail. */
  private vectorLoop(
    scope: Scope,
    v: Axis,
    lo: string,
    hi: string,
    extent: Dim | null,
    unroll: number,
    body: (lines: Lines, shifts: readonly number[], lanes: string) => void,
  ): void {
    const known = typeof extent === 'number' ? extent : null;
    const out: Lines = [];
    const whole = (u: number): boolean => known !== null && known % (16 * u) === 0;
    const emit = (u: number, lanes: string): Lines => {
      const lines: Lines = [];
      body(
        lines,
        Array.from({ length: u }, (_, i) => i),
        lanes,
      );
      return lines;
    };
    out.push(`fb_int ${v.name} = ${lo};`);
    if (unroll > 1 && !(known !== null && known < 4 * unroll)) {
      out.push(
        `for (; ${v.name} + ${unroll} * FB_W <= ${hi}; ${v.name} += ${unroll} * FB_W) {`,
        emit(unroll, 'FB_W'),
        '}',
      );
    }
    if (!(unroll > 1 && whole(unroll)) && !(known !== null && known < 4)) {
      out.push(`for (; ${v.name} + FB_W <= ${hi}; ${v.name} += FB_W) {`, emit(1, 'FB_W'), '}');
    }
    if (!whole(1)) out.push(`if (${v.name} < ${hi}) {`, [`const fb_int n = ${hi} - ${v.name};`, ...emit(1, 'n')], '}');
    scope.lines.push('{', out, '}');
  }

  private stages(rows: readonly Scope[]): void {
    for (const s of this.k.stages) {
      if (s.k === 'row') for (const r of rows) this.stores(s.stores, r);
      else this.columns(s, rows);
    }
  }

  private accName(f: Fold, k: number, u: number, r: number): string {
    return `${f.states[k]!.name}${r > 0 ? `_r${r}` : ''}${u > 0 ? `_${u}` : ''}`;
  }

  private columns(s: Stage & { k: 'columns' }, rows: readonly Scope[]): void {
    const { k } = this;
    const v = k.vector;
    const inCols = v !== null && k.cols.includes(v);
    const unroll = inCols ? s.unroll : 1;
    const lines = rows[0]!.lines;
    const block = s.folds.length > 0 ? k.block : 0;
    const declare = (target: Lines, suffix: string): void => {
      rows.forEach((_, r) => {
        for (const f of s.folds) {
          f.states.forEach((st, i) => {
            const names = Array.from({ length: unroll }, (_x, u) => this.accName(f, i, u, r) + suffix);
            target.push(
              `${VEC[st.type]} ${names.map((x) => `${x} = fb_splat_${st.type}(${literal(st.init, st.type)})`).join(', ')};`,
            );
          });
        }
      });
    };
    const outer = k.cols[0]!;
    const nest = (at: number, scopes: readonly Scope[], lo: string, hi: string): void => {
      const a = k.cols[at]!;
      const last = at === k.cols.length - 1;
      const into = scopes[0]!;
      if (a === v) {
        // Vector loops over columns are innermost, and there is one row scope.
        this.vectorLoop(into, a, lo, hi, block > 0 && at === 0 ? null : a.extent, unroll, (ls, shifts, lanes) => {
          const inner = shifts.map((sh) => this.child(into, new Set([a]), ls, sh, lanes));
          this.columnBody(s, inner, rows, block > 0);
        });
        return;
      }
      const ls: Lines = [];
      const inner = scopes.map((x) => this.child(x, new Set([a]), ls));
      if (last) this.columnBody(s, inner, rows, block > 0);
      else nest(at + 1, inner, '0', this.dim(k.cols[at + 1]!.extent));
      into.lines.push(`for (fb_int ${a.name} = ${lo}; ${a.name} < ${hi}; ${a.name}++) {`, ls, '}');
    };
    declare(lines, '');
    if (block > 0) {
      const bl: Lines = [];
      const n = this.dim(outer.extent);
      bl.push(`const fb_int stop = block + ${block} < ${n} ? block + ${block} : ${n};`);
      declare(bl, 'b');
      const scopes = rows.map((r) => this.child(r, new Set(), bl));
      nest(0, scopes, 'block', 'stop');
      rows.forEach((_, r) => {
        for (const f of s.folds) {
          for (let u = 0; u < unroll; u++) {
            const acc = (suffix: string): Map<string, string> =>
              new Map(f.states.map((st, i) => [st.name, this.accName(f, i, u, r) + suffix]));
            this.assignJoin(bl, f, acc(''), acc('b'));
          }
        }
      });
      lines.push(`for (fb_int block = 0; block < ${n}; block += ${block}) {`, bl, '}');
    } else nest(0, rows, '0', this.dim(outer.extent));
    // Accumulators → one value per row.
    rows.forEach((row, r) => {
      for (const f of s.folds) {
        const own = new Map(f.states.map((st, i) => [st.name, this.accName(f, i, 0, r)]));
        for (let u = 1; u < unroll; u++)
          this.assignJoin(lines, f, own, new Map(f.states.map((st, i) => [st.name, this.accName(f, i, u, r)])));
        if (inCols) this.horizontal(lines, f, own);
        for (const [name, text] of own) row.vars.set(name, text);
      }
    });
  }

  /** Joins the lanes; every lane ends up with the result. */
  private horizontal(lines: Lines, f: Fold, own: ReadonlyMap<string, string>): void {
    const st = f.states[0]!;
    const name = own.get(st.name)!;
    const a = lVar('@a', st.type, new Set());
    const b = lVar('@b', st.type, new Set());
    const j = f.states.length === 1 ? f.reduce.join([a], [b])[0]! : null;
    const quick: Record<string, string> = { add: 'fb_hsum', max: 'fb_hmax', min: 'fb_hmin', mul: 'fb_hprod' };
    if (
      j?.k === 'op' &&
      quick[j.op] &&
      st.type !== 'b' &&
      j.args.length === 2 &&
      j.args.includes(a) &&
      j.args.includes(b)
    ) {
      lines.push(`${name} = fb_splat_${st.type}(${quick[j.op]!}(${name}));`);
      return;
    }
    const ls: Lines = [];
    const other = new Map(f.states.map((s) => [s.name, `${own.get(s.name)!}s`]));
    f.states.forEach((s) => ls.push(`const ${VEC[s.type]} ${other.get(s.name)!} = fb_swap(${own.get(s.name)!}, k);`));
    this.assignJoin(ls, f, own, other);
    lines.push('for (int k = FB_W / 2; k >= 1; k /= 2) {', ls, '}');
  }

  private columnBody(
    s: Stage & { k: 'columns' },
    scopes: readonly Scope[],
    rows: readonly Scope[],
    blocked: boolean,
  ): void {
    const inCols = this.k.vector !== null && this.k.cols.includes(this.k.vector);
    scopes.forEach((scope, c) => {
      const [u, r] = inCols ? [c, 0] : [0, c];
      void rows;
      if (scope.lanes !== 'n') {
        for (const x of s.prefetch)
          scope.lines.push(`__builtin_prefetch(${this.pointer(x.src)} + ${printIndex(x.offset, this.names(scope))});`);
      }
      for (const f of s.folds) {
        const own = new Map(f.states.map((st, i) => [st.name, this.accName(f, i, u, r) + (blocked ? 'b' : '')]));
        let values: string[];
        const e = f.elem;
        if (f.reduce.sum && isFloat(e.type) && e.k === 'op' && e.op === 'mul') {
          values = [
            `fb_fma(${this.value(e.args[0]!, scope)}, ${this.value(e.args[1]!, scope)}, ${own.get(f.states[0]!.name)!})`,
          ];
        } else {
          values = this.combined(f, own, scope);
        }
        if (inCols && scope.lanes === 'n') {
          values = values.map(
            (y, i) => `fb_select(fb_lt(fb_iota_i32(), fb_splat_i32((int)n)), ${y}, ${own.get(f.states[i]!.name)!})`,
          );
        }
        this.assign(scope.lines, f, own, values);
      }
      for (const x of s.keeps) {
        const value = this.value(x.value, scope);
        const [name, at] = this.keepPlace(x.name, x.type, scope);
        scope.lines.push(`fb_store_${TAG_OF[x.type]}(${name} + ${at}, ${value});`);
      }
      this.stores(s.stores, scope);
    });
  }

  /** The scratch row of a kept value: declared at first use, laid out in loop order. */
  private keepPlace(name: string, type: ComputeType, scope: Scope): [string, string] {
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
  private stores(list: readonly Store[], scope: Scope): void {
    const values = list.map((s) => this.value(s.value, scope));
    list.forEach((s, i) => this.store(s, values[i]!, scope));
  }
  private store(s: Store, value: string, scope: Scope): void {
    const t = TYPES[s.def.dtype];
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

  private axisText(a: Axis, scope: Scope, lane?: string): string {
    if (a !== this.k.vector) return a.name;
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
    const tile = this.tiles.get(e);
    if (tile !== undefined) return `fb_load_${t.tag}(${tile} + (${this.across!.name} - block) * FB_W)`;
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
    return `fb_loads_${t.tag}(${p} + ${off}, (${printIndex(c, this.names(scope))}) * ${t.bytes}, ${scope.lanes})`;
  }
}
