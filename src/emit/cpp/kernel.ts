// Loop IR → C++ over the vector prelude: the loops of a kernel and its folds.
import { mulDims, productOf } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { lVar } from '../../schedule/expr.js';
import { type Axis, printIndex } from '../../schedule/indexing.js';
import { type Fold, type Prefetch, type Stage } from '../../loop/kernel.js';
import { type Scope } from '../walker.js';
import { type Lines, comment, renderLines } from '../writer.js';
import { literal } from './scalar.js';
import { CppLate } from './late.js';
import { type VectorBody } from './tiles.js';
import { TAG_OF, VEC } from './values.js';

type Columns = Stage & { k: 'columns' };

/** Elements of a chunk of a vector axis: threads begin on vector boundaries. */
const [ROW_CHUNK, ROW_CHUNK_LEAST] = [2048, 64];

export class CppKernel extends CppLate {
  // ---- structure ----

  /** Row axes in loop order, the vector axis last. */
  private get outer(): Axis[] {
    return this.k.rows.filter((a) => a !== this.k.vector && a !== this.across);
  }

  /** Number of units that threads share, and what one unit is. */
  units(): { count: string; axes: Axis[]; chunk: number } {
    const outer = this.outer;
    if (outer.length === 0) {
      if (!this.inRows) return { count: '1', axes: [], chunk: 0 };
      const n = this.k.vector!.extent;
      const chunk = this.across ? this.tileChunk : this.rowChunk;
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

  /** Neighbouring rows of one unit: long lines that are walked one by one are work for a thread in smaller numbers. */
  private get rowChunk(): number {
    const lines = this.k.stages.some(
      (s) => s.k === 'columns' && (s.stores.length > 0 || s.folds.some((f) => f.reduce.running)),
    );
    const n = productOf(this.k.cols.map((a) => a.extent));
    if (!lines || typeof n !== 'number') return ROW_CHUNK;
    return Math.min(
      ROW_CHUNK,
      Math.max(ROW_CHUNK_LEAST, 2 ** Math.floor(Math.log2((ROW_CHUNK * 64) / Math.max(1, n)))),
    );
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
        ...this.after,
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
    if (this.across) {
      this.tiled(scope, chunk);
      return;
    }
    let [lo, hi] = ['0', n];
    if (chunk > 0) {
      // One unit is a chunk of elements, so that threads begin on vector boundaries.
      scope.lines.push(`const fb_int stop = end * ${chunk} < ${n} ? end * ${chunk} : ${n};`);
      [lo, hi] = [`begin * ${chunk}`, 'stop'];
    }
    if (this.panel !== null) {
      this.panels(scope, lo, hi);
      return;
    }
    this.vectorLoop(scope, v, lo, hi, v.extent, this.k.rowUnroll, (lines, shifts, lanes) => {
      const scopes = shifts.map((s) => this.child(scope, new Set([v]), lines, s, lanes));
      this.stages(scopes);
    });
  }

  /** for v in [lo, hi) by vectors: unrolled loop, single loop, tail. */
  protected vectorLoop(
    scope: Scope,
    v: Axis,
    lo: string,
    hi: string,
    extent: Dim | null,
    unroll: number,
    body: VectorBody,
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

  protected stages(rows: readonly Scope[]): void {
    if (this.k.late) {
      this.lateStages(rows[0]!);
      return;
    }
    for (const s of this.k.stages) {
      if (s.k === 'row') this.rowStage(s, rows);
      else this.columns(s, rows);
    }
  }
  protected rowStage(s: Stage & { k: 'row' }, rows: readonly Scope[]): void {
    for (const r of rows) {
      if (this.across === null) this.prefetch(s.prefetch, r); // tiles fetch the next one
      this.stores(s.stores, r);
    }
  }

  private prefetch(list: readonly Prefetch[], scope: Scope): void {
    if (scope.lanes === 'n') return;
    for (const x of list)
      scope.lines.push(`__builtin_prefetch(${this.pointer(x.src)} + ${printIndex(x.offset, this.names(scope))});`);
  }

  private accName(f: Fold, k: number, u: number, r: number): string {
    return `${f.states[k]!.name}${r > 0 ? `_r${r}` : ''}${u > 0 ? `_${u}` : ''}`;
  }

  protected columns(s: Columns, rows: readonly Scope[], late?: Columns): void {
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
          this.passBody(s, inner, block > 0);
        });
        return;
      }
      if (last && this.byLines(s, a, scopes, lo, hi, (inner) => this.passBody(s, inner, block > 0))) return;
      const ls: Lines = [];
      const inner = scopes.map((x) => this.child(x, new Set([a]), ls));
      if (last) this.passBody(s, inner, block > 0);
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
    } else if (late) this.together(s, rows[0]!, late);
    else nest(0, rows, '0', this.dim(outer.extent));
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

  protected passBody(s: Columns, scopes: readonly Scope[], blocked: boolean): void {
    const inCols = this.k.vector !== null && this.k.cols.includes(this.k.vector);
    scopes.forEach((scope, c) => {
      const [u, r] = inCols ? [c, 0] : [0, c];
      this.prefetch(s.prefetch, scope);
      for (const f of s.folds) {
        const own = new Map(f.states.map((st, i) => [st.name, this.accName(f, i, u, r) + (blocked ? 'b' : '')]));
        let values = this.folded(f, own, scope);
        if (inCols && scope.lanes === 'n') {
          values = values.map(
            (y, i) => `fb_select(fb_lt(fb_iota_i32(), fb_splat_i32((int)n)), ${y}, ${own.get(f.states[i]!.name)!})`,
          );
        }
        this.assign(scope.lines, f, own, values);
        if (f.reduce.running === true) for (const [name, text] of own) scope.vars.set(name, text);
      }
      for (const x of s.keeps) {
        const value = this.value(x.value, scope);
        const [name, at] = this.keepPlace(x.name, x.type, scope);
        scope.lines.push(`fb_store_${TAG_OF[x.type]}(${name} + ${at}, ${value});`);
      }
      this.stores(s.stores, scope);
    });
  }
}
