// Walks down the columns of a large tensor in C++ kernels: panels of neighbouring columns whose states lie in the first-level cache, so that
// memory is read along the rows. A vector of columns at a time would touch another page with every step, which neither the prefetchers
// nor the few misses that a core keeps under way are good at.
import { productOf } from '../../ir/dim.js';
import { walk } from '../../schedule/expr.js';
import { coefficient, constantOf } from '../../schedule/indexing.js';
import { TYPES } from '../../schedule/dtype.js';
import { type ComputeType, isFloat } from '../../schedule/typing.js';
import { foldedValues, type Fold, type Stage } from '../../loop/kernel.js';
import { type Scope } from '../walker.js';
import { type Lines } from '../writer.js';
import { literal } from './scalar.js';
import { CppTiled } from './tiles.js';
import { TAG_OF, VEC } from './values.js';

/** Bytes of a panel's states. */
const PANEL_BYTES = 16 << 10;
/** Rows that are read side by side: the states go through memory once for all of them. */
const STEPS = 8;
/** Smaller kernels stay in the cache. */
const LARGE = 1 << 20;
/** Elements from row to row: a page. */
const PAGE = 1024;
const CELL: Readonly<Partial<Record<ComputeType, string>>> = {
  f32: TYPES.float32.c,
  f64: TYPES.float64.c,
  i32: TYPES.int32.c,
  i64: TYPES.int64.c,
};

export abstract class CppPanels extends CppTiled {
  /** The pass down the columns, and columns of a panel; null where the kernel is another one. */
  protected readonly panel: { readonly stage: Stage & { k: 'columns' }; readonly width: number } | null =
    this.findPanel();

  private findPanel(): CppPanels['panel'] {
    const { k } = this;
    const v = k.vector;
    const [stage, ...rest] = k.stages;
    if (v === null || !k.rows.includes(v) || this.across !== null || k.block > 0) return null;
    if (stage?.k !== 'columns' || rest.some((s) => s.k === 'columns')) return null;
    if (stage.folds.length === 0 || stage.stores.length + stage.keeps.length > 0) return null;
    const size = productOf([...k.rows, ...k.cols].map((a) => a.extent));
    const down = productOf(k.cols.map((a) => a.extent));
    if (typeof size !== 'number' || typeof down !== 'number' || typeof v.extent !== 'number') return null;
    const states = stage.folds.flatMap((f) => f.states);
    const bytes = states.reduce((n, s) => n + (s.type === 'f64' || s.type === 'i64' ? 8 : 4), 0);
    const width = Math.floor(PANEL_BYTES / bytes / 64) * 64;
    if (size < LARGE || down < 8 || v.extent < 512 || width < 256) return null;
    if (states.some((s) => CELL[s.type] === undefined)) return null;
    const inner = k.cols.at(-1)!;
    const strides: number[] = [];
    for (const e of stage.folds.flatMap(foldedValues))
      walk(e, (x) => {
        if (x.k !== 'load') return;
        const [c, step] = [coefficient(x.offset, v), coefficient(x.offset, inner)];
        const [along, from] = [c && constantOf(c), step && constantOf(step)];
        strides.push(along === 1 || along === 0 ? (from === 0 ? PAGE : (from ?? 0)) : 0);
      });
    return strides.length > 0 && strides.every((s) => s >= PAGE) ? { stage, width } : null;
  }

  /** Elements lo .. hi of the vector axis. */
  protected panels(scope: Scope, lo: string, hi: string): void {
    const { stage, width } = this.panel!;
    const v = this.k.vector!;
    const states = stage.folds.flatMap((f) => f.states);
    for (const s of states)
      this.head.push(`${CELL[s.type]!} ${s.name}_panel[${width} + FB_W] __attribute__((aligned(64)));`);
    const extent = typeof v.extent === 'number' && v.extent % width === 0 ? width : null;
    const lines: Lines = [`const fb_int right = fb_smaller(left + ${width}, ${hi});`];
    const whole = this.child(scope, new Set(), lines);
    const place = (name: string, s: Scope): string => `${name}_panel + (${this.axisText(v, s)} - left)`;
    this.vectorLoop(whole, v, 'left', 'right', extent, 1, (ls, shifts, lanes) => {
      for (const shift of shifts) {
        const at = this.child(whole, new Set([v]), ls, shift, lanes);
        for (const s of states)
          ls.push(`fb_store_${TAG_OF[s.type]}(${place(s.name, at)}, fb_splat_${s.type}(${literal(s.init, s.type)}));`);
      }
    });
    this.down(whole, 0, (into) => {
      this.vectorLoop(into, v, 'left', 'right', extent, 1, (ls, shifts, lanes) => {
        for (const shift of shifts) this.steps(stage, this.child(into, new Set([v]), ls, shift, lanes), place);
      });
    });
    this.vectorLoop(whole, v, 'left', 'right', extent, 1, (ls, shifts, lanes) => {
      for (const shift of shifts) {
        const at = this.child(whole, new Set([v]), ls, shift, lanes);
        for (const s of states) {
          ls.push(`const ${VEC[s.type]} ${s.name} = fb_load_${TAG_OF[s.type]}(${place(s.name, at)});`);
          at.vars.set(s.name, s.name);
        }
        for (const s of this.k.stages) if (s.k === 'row') this.stores(s.stores, at);
      }
    });
    scope.lines.push(`for (fb_int left = ${lo}; left < ${hi}; left += ${width}) {`, lines, '}');
  }
  /** The loops over the columns' positions, the innermost some steps at a time. */
  private down(scope: Scope, at: number, body: (s: Scope) => void): void {
    const a = this.k.cols[at]!;
    const lines: Lines = [];
    const n = this.dim(a.extent);
    if (at < this.k.cols.length - 1) {
      this.down(this.child(scope, new Set([a]), lines), at + 1, body);
      scope.lines.push(`for (fb_int ${a.name} = 0; ${a.name} < ${n}; ${a.name}++) {`, lines, '}');
      return;
    }
    const whole = typeof a.extent === 'number' && a.extent % STEPS === 0;
    body(this.child(scope, new Set(), lines));
    scope.lines.push(
      `for (fb_int top = 0; top < ${n}; top += ${STEPS}) {`,
      [`const fb_int below = ${whole ? `top + ${STEPS}` : `fb_smaller(top + ${STEPS}, ${n})`};`, ...lines],
      '}',
    );
  }
  /** Some steps down one vector of columns. */
  private steps(stage: Stage & { k: 'columns' }, scope: Scope, place: (name: string, s: Scope) => string): void {
    const a = this.k.cols.at(-1)!;
    const states = stage.folds.flatMap((f) => f.states);
    const name = new Map(states.map((s) => [s.name, this.id('state')]));
    for (const s of states)
      scope.lines.push(`${VEC[s.type]} ${name.get(s.name)!} = fb_load_${TAG_OF[s.type]}(${place(s.name, scope)});`);
    const inside: Lines = [];
    const step = this.child(scope, new Set([a]), inside);
    for (const f of stage.folds) {
      const own = new Map(f.states.map((s) => [s.name, name.get(s.name)!]));
      this.assign(inside, f, own, this.folded(f, own, step));
    }
    scope.lines.push(`for (fb_int ${a.name} = top; ${a.name} < below; ${a.name}++) {`, inside, '}');
    for (const s of states)
      scope.lines.push(`fb_store_${TAG_OF[s.type]}(${place(s.name, scope)}, ${name.get(s.name)!});`);
  }
  /** New values of a fold's states; sums of products are fused multiply-adds. */
  protected folded(f: Fold, own: ReadonlyMap<string, string>, scope: Scope): string[] {
    const e = f.elem;
    if (f.reduce.sum && isFloat(e.type) && e.k === 'op' && e.op === 'mul') {
      const [a, b] = [this.value(e.args[0]!, scope), this.value(e.args[1]!, scope)];
      return [`fb_fma(${a}, ${b}, ${own.get(f.states[0]!.name)!})`];
    }
    return this.combined(f, own, scope);
  }
}
