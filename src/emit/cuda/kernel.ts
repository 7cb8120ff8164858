// Loop IR → CUDA. The same structure as the C++ printer with other leaves, and one of three ways to give threads their work:
//   elements  no folds (elements.ts)
//   lanes     folds along contiguous memory: a warp or a block takes a row, its threads walk the columns
//   threads   folds across rows that lie side by side: a thread takes a row, or a slice of it that is joined in shared memory
import { productOf } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type LExpr, walk } from '../../schedule/expr.js';
import { type ComputeType, isFloat } from '../../schedule/typing.js';
import { foldedValues, type Fold, type Kernel, type Stage } from '../../loop/kernel.js';
import { type Load } from '../transposed.js';
import { type Scope, type Target } from '../walker.js';
import { type Lines, comment, renderLines } from '../writer.js';
import { CudaElements } from './elements.js';
import { SCALAR } from './values.js';

type Mapping = 'elements' | 'lanes' | 'threads';

/** Threads of a block, as cuda_prelude.h defines them. */
const BLOCK = 256;
const WIDE = 1024;
/** Elements of one row or column that a thread reads into registers. */
const COLUMN = 32;
/** The same over all values that it keeps, and in large blocks, whose threads have 64 registers each. */
const REGISTERS = 64;
const REGISTERS_WIDE = 40;
/** Up to so many rows, blocks of ordinary size would leave the processors half empty. */
const FEW_ROWS = 1024;
const LONG_ROW = 4096;
/** Rows from which on every thread has one of its own. */
const MANY_ROWS = 1 << 16;

export class CudaKernel extends CudaElements {
  private readonly mapping: Mapping;
  /** Loads that a later pass over the row repeats, and whether they have been read: they stay in registers. */
  private readonly repeated = new Map<LExpr, { readonly name: string; read: boolean }>();
  private readonly fresh: { read: boolean }[] = [];

  constructor(k: Kernel, target: Target) {
    super(k, target);
    const v = k.vector;
    if (v !== null && k.cols.includes(v)) this.mapping = 'lanes';
    else if (k.cols.length > 0) this.mapping = 'threads';
    else this.mapping = 'elements';
    if (this.mapping === 'lanes' || this.column !== null) this.findRepeated();
  }

  private get colCount(): Dim {
    return productOf(this.k.cols.map((a) => a.extent));
  }

  // ---- how threads share the work ----

  /**
   * `lanes`: threads of one row: a warp, a block, or a large block for long rows: few of them would leave processors empty, and
   * those that do not fit into the registers of a block may fit into its.
   */
  private get rowThreads(): number {
    const [rows, n] = [this.rowCount, this.colCount];
    const few = typeof rows === 'number' && rows <= FEW_ROWS;
    if (typeof n !== 'number') return few ? WIDE : BLOCK;
    if (n <= COLUMN * 32) return 32;
    if (few && n > LONG_ROW) return WIDE;
    return n > COLUMN * BLOCK && n <= COLUMN * WIDE ? WIDE : BLOCK;
  }
  /** The same as text for the preprocessor: the SIMT shim has smaller blocks. */
  private get width(): string {
    return { 32: '32', [BLOCK]: 'FB_BLOCK', [WIDE]: 'FB_WIDE' }[this.rowThreads]!;
  }
  /** Threads of a block. */
  get block(): string {
    return (this.mapping === 'lanes' && this.rowThreads === WIDE) ||
      (this.mapping === 'threads' && this.sliced === WIDE)
      ? 'FB_WIDE'
      : 'FB_BLOCK';
  }
  /** `lanes`: a thread's elements of a row, when they fit into registers. */
  private get perThread(): string | null {
    const n = this.colCount;
    return typeof n === 'number' && n <= COLUMN * this.rowThreads
      ? `((${n} + ${this.width} - 1) / ${this.width})`
      : null;
  }
  /** `threads`: elements of a row that its thread reads at once, when they are one short loop. */
  private get column(): number | null {
    const n = this.colCount;
    return this.mapping === 'threads' &&
      this.sliced === null &&
      this.k.cols.length === 1 &&
      typeof n === 'number' &&
      n <= COLUMN
      ? n
      : null;
  }
  /** `threads`: threads of a block whose warps take slices of the outermost column loop; null where a thread has a row of its own. */
  private get sliced(): number | null {
    const [n, outer] = [this.rowCount, this.k.cols[0]!.extent];
    if (this.k.stages.some((s) => s.k === 'columns' && s.folds.some((f) => f.reduce.ordered))) return null;
    if (typeof n !== 'number' || n >= MANY_ROWS || (typeof outer === 'number' && outer < 16)) return null;
    return n <= MANY_ROWS / 8 && (typeof outer !== 'number' || outer >= 64) ? WIDE : BLOCK;
  }
  /** Blocks to launch. */
  grid(): string {
    const n = this.dim(this.rowCount);
    const blocks = (per: string): string => `fb_blocks((${n} + ${per} - 1) / (${per}))`;
    switch (this.mapping) {
      case 'elements':
        return this.elementGrid();
      case 'lanes':
        return blocks(`${this.block} / ${this.width}`);
      case 'threads':
        return blocks(this.sliced === null ? 'FB_BLOCK' : '32');
    }
  }

  print(): string {
    const body: Lines = [];
    switch (this.mapping) {
      case 'elements':
        this.elementKernel(body);
        break;
      case 'lanes':
        this.lanes(body);
        break;
      case 'threads':
        this.threads(body);
    }
    return renderLines([
      `// ${comment(this.k.title)}`,
      `extern "C" __global__ void __launch_bounds__(${this.block}) ${this.k.name}(${this.declarations()}) {`,
      [...this.head, ...this.shared, ...this.root.lines, ...body, '(void)args;'],
      '}',
    ]);
  }

  // ---- lanes ----

  /** Loads in more than one pass over a row whose elements fit into registers. */
  private findRepeated(): void {
    const n = this.colCount;
    if (typeof n !== 'number' || (this.mapping === 'lanes' && this.perThread === null)) return;
    const cols = new Set(this.k.cols);
    const passes = new Map<Load, number>();
    for (const s of this.k.stages) {
      if (s.k !== 'columns') continue;
      const here = new Set<Load>();
      for (const e of [
        ...s.folds.flatMap(foldedValues),
        ...s.keeps.map((x) => x.value),
        ...s.stores.map((x) => x.value),
      ])
        walk(e, (x) => void (x.k === 'load' && [...x.axes].some((a) => cols.has(a)) && here.add(x)));
      for (const e of here) passes.set(e, (passes.get(e) ?? 0) + 1);
    }
    const keeps = this.k.stages.reduce((sum, s) => sum + (s.k === 'columns' ? s.keeps.length : 0), 0);
    const each = this.column ?? Math.ceil(n / this.rowThreads);
    const limit = this.block === 'FB_WIDE' ? REGISTERS_WIDE : REGISTERS;
    for (const [e, count] of passes)
      if (count > 1 && (keeps + this.repeated.size + 1) * each <= limit)
        this.repeated.set(e, { name: `row${this.repeated.size}`, read: false });
    for (const [e, { name }] of this.repeated)
      this.head.push(`${SCALAR[e.type]} ${name}[${this.column ?? this.perThread}];`);
  }

  private lanes(lines: Lines): void {
    const [t, width] = [this.position, this.width];
    const body: Lines = [];
    const row = this.child(this.root, new Set(this.k.rows), body);
    this.split(body, 'row', this.k.rows, row);
    const single = this.rowThreads === 32;
    for (const s of this.k.stages) {
      if (s.k === 'row') {
        const text = this.stores(s.stores, [row]);
        // All threads have read what the first one is about to overwrite.
        body.push(single ? '__syncwarp();' : '__syncthreads();', 'if (lane == 0) {', text, '}');
      } else this.laneColumns(s, row);
    }
    if (!single) body.push('__syncthreads();');
    lines.push(
      `const int lane = threadIdx.x % ${width};`,
      `for (${t} row = blockIdx.x * (${t})(${this.block} / ${width}) + threadIdx.x / ${width}; row < ${this.dim(this.rowCount)}; row += gridDim.x * (${this.block} / ${width})) {`,
      body,
      '}',
    );
  }

  private laneColumns(s: Stage & { k: 'columns' }, row: Scope): void {
    this.declareStates(s.folds, row.lines, '');
    const [n, width, t, per] = [this.dim(this.colCount), this.width, this.position, this.perThread];
    const inside: Lines = [];
    const scope = this.child(row, new Set(this.k.cols), inside);
    this.split(inside, 'col', this.k.cols, scope);
    this.columnBody(s, scope, '');
    if (per !== null)
      row.lines.push(
        '#pragma unroll',
        `for (int q = 0; q < ${per}; q++) {`,
        [`const ${t} col = q * ${width} + lane;`, `if (${n} % ${width} == 0 || col < ${n}) {`, inside, '}'],
        '}',
      );
    else row.lines.push('#pragma unroll 4', `for (${t} col = lane; col < ${n}; col += ${width}) {`, inside, '}');
    for (const f of s.folds) {
      this.joinLanes(row.lines, f);
      for (const st of f.states) row.vars.set(st.name, st.name);
    }
    for (const x of this.fresh.splice(0)) x.read = true;
  }

  /** Joins a row's threads: through shuffles in a warp, then through shared memory; every thread gets the result. */
  private joinLanes(lines: Lines, f: Fold): void {
    const own = new Map(f.states.map((st) => [st.name, st.name]));
    const other = new Map(f.states.map((st) => [st.name, `${st.name}_o`]));
    const step: Lines = f.states.map((st) => `const ${SCALAR[st.type]} ${st.name}_o = fb_shuffle(${st.name}, k);`);
    this.assignJoin(step, f, own, other);
    lines.push('for (int k = 16; k > 0; k /= 2) {', step, '}');
    if (this.rowThreads === 32) return;
    const join: Lines = [];
    this.assignJoin(join, f, own, new Map(f.states.map((st) => [st.name, `${st.name}_s[w]`])));
    for (const st of f.states) this.shared.push(`__shared__ ${SCALAR[st.type]} ${st.name}_s[${this.width} / 32];`);
    lines.push(
      'if (lane % 32 == 0) {',
      f.states.map((st) => `${st.name}_s[lane / 32] = ${st.name};`),
      '}',
      '__syncthreads();',
      ...f.states.map((st) => `${st.name} = ${st.name}_s[0];`),
      `for (int w = 1; w < ${this.width} / 32; w++) {`,
      join,
      '}',
    );
  }

  // ---- threads ----

  private threads(lines: Lines): void {
    const { k } = this;
    const [n, t, sliced] = [this.dim(this.rowCount), this.position, this.sliced];
    const body: Lines = [];
    const row = this.child(this.root, new Set(k.rows), body);
    this.split(body, 'row', k.rows, row);
    for (const s of k.stages) {
      if (s.k === 'columns') this.threadColumns(s, row);
      else if (sliced === null) body.push(...this.stores(s.stores, [row]));
      else {
        const text = this.stores(s.stores, [row]);
        body.push('__syncthreads();', 'if (on && slice == 0) {', text, '}');
      }
    }
    if (sliced !== null)
      lines.push(
        'const int slice = threadIdx.x / 32;',
        // Every thread reaches the barriers: those beyond the end repeat the last row and store nothing.
        `for (${t} base = blockIdx.x * (${t})32; base < ${n}; base += gridDim.x * 32) {`,
        [
          `const bool on = base + threadIdx.x % 32 < ${n};`,
          `const ${t} row = on ? base + threadIdx.x % 32 : ${n} - 1;`,
          ...body,
          '__syncthreads();',
        ],
        '}',
      );
    else
      lines.push(
        `for (${t} row = blockIdx.x * (${t})FB_BLOCK + threadIdx.x; row < ${n}; row += gridDim.x * FB_BLOCK) {`,
        body,
        '}',
      );
  }

  private threadColumns(s: Stage & { k: 'columns' }, row: Scope): void {
    const { k, sliced } = this;
    const t = this.position;
    const outer = k.cols[0]!;
    const extent = this.dim(outer.extent);
    const block = s.folds.length > 0 ? k.block : 0;
    const suffix = block > 0 ? 'b' : '';
    this.declareStates(s.folds, row.lines, '');
    const part = this.child(row, new Set(), []);
    const inside: Lines = [];
    const scope = this.child(part, new Set(k.cols), inside);
    this.columnBody(s, scope, suffix, sliced !== null);
    let text = inside;
    for (const a of k.cols.slice(1).reverse())
      text = [`for (${t} ${a.name} = 0; ${a.name} < ${this.dim(a.extent)}; ${a.name}++) {`, text, '}'];
    const [from, by] = sliced === null ? ['0', '1'] : ['slice', `${this.block} / 32`];
    if (block > 0) {
      // Sums restart an accumulator after some steps: keeps float32 sums accurate.
      this.declareStates(s.folds, part.lines, suffix);
      part.lines.push(
        `const ${t} stop = start + ${block} < ${extent} ? start + ${block} : ${extent};`,
        `for (${t} ${outer.name} = start; ${outer.name} < stop; ${outer.name}++) {`,
        text,
        '}',
      );
      for (const f of s.folds) {
        const names = (x: string): Map<string, string> => new Map(f.states.map((st) => [st.name, st.name + x]));
        this.assignJoin(part.lines, f, names(''), names(suffix));
      }
      row.lines.push(
        `for (${t} start = ${block} * (${from}); start < ${extent}; start += ${block} * (${by})) {`,
        part.lines,
        '}',
      );
    } else
      row.lines.push(
        ...part.lines,
        this.column === null ? '#pragma unroll 4' : '#pragma unroll',
        `for (${t} ${outer.name} = ${from}; ${outer.name} < ${extent}; ${outer.name} += ${by}) {`,
        text,
        '}',
      );
    for (const x of this.fresh.splice(0)) x.read = true;
    for (const f of s.folds) {
      if (sliced !== null) this.joinSlices(row.lines, f);
      for (const st of f.states) row.vars.set(st.name, st.name);
    }
  }

  /** Joins the slices of a row; every thread gets the result. */
  private joinSlices(lines: Lines, f: Fold): void {
    const own = new Map(f.states.map((st) => [st.name, st.name]));
    const join: Lines = [];
    this.assignJoin(join, f, own, new Map(f.states.map((st) => [st.name, `${st.name}_s[w][threadIdx.x % 32]`])));
    for (const st of f.states) this.shared.push(`__shared__ ${SCALAR[st.type]} ${st.name}_s[${this.block} / 32][32];`);
    lines.push(
      ...f.states.map((st) => `${st.name}_s[slice][threadIdx.x % 32] = ${st.name};`),
      '__syncthreads();',
      ...f.states.map((st) => `${st.name} = ${st.name}_s[0][threadIdx.x % 32];`),
      `for (int w = 1; w < ${this.block} / 32; w++) {`,
      join,
      '}',
    );
  }

  // ---- folds and columns ----

  private declareStates(folds: readonly Fold[], lines: Lines, suffix: string): void {
    for (const f of folds)
      for (const st of f.states)
        lines.push(`${SCALAR[st.type]} ${st.name}${suffix} = ${this.literal(st.init, st.type)};`);
  }

  private columnBody(s: Stage & { k: 'columns' }, scope: Scope, suffix: string, guarded = false): void {
    const ls = scope.lines;
    for (const f of s.folds) {
      const own = new Map(f.states.map((st) => [st.name, st.name + suffix]));
      const e = f.elem;
      const fused = f.reduce.sum && isFloat(e.type) && e.k === 'op' && e.op === 'mul';
      const values = fused
        ? [`fb_fma(${this.value(e.args[0]!, scope)}, ${this.value(e.args[1]!, scope)}, ${own.get(f.states[0]!.name)!})`]
        : this.combined(f, own, scope);
      this.assign(ls, f, own, values);
      if (f.reduce.running === true) for (const [name, text] of own) scope.vars.set(name, text);
    }
    for (const x of s.keeps) ls.push(`${this.kept(x.name, x.type)} = ${this.value(x.value, scope)};`);
    const stores = this.stores(s.stores, [scope]);
    if (guarded && stores.length > 0) ls.push('if (on) {', stores, '}');
    else ls.push(...stores);
  }

  /** A thread keeps the values of its own columns: in registers where it has few. */
  protected kept(name: string, t: ComputeType): string {
    const text = `${name}_row`;
    const lanes = this.mapping === 'lanes';
    if (!this.root.vars.has(text)) {
      this.root.vars.set(text, text);
      this.head.push(`${SCALAR[t]} ${text}[${lanes ? this.perThread! : this.dim(this.colCount)}];`);
    }
    if (lanes) return `${text}[q]`;
    return `${text}[${this.k.cols.map((a, k) => [a.name, ...this.k.cols.slice(k + 1).map((b) => this.dim(b.extent))].join(' * ')).join(' + ')}]`;
  }

  protected override load(e: Load, scope: Scope): string {
    const kept = this.repeated.get(e);
    if (kept === undefined) return super.load(e, scope);
    const at = this.column === null ? 'q' : this.k.cols[0]!.name;
    if (kept.read) return `${kept.name}[${at}]`;
    this.fresh.push(kept);
    return `(${kept.name}[${at}] = ${super.load(e, scope)})`;
  }
}
