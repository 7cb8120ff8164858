// Kernels whose last pass runs one row late in C++: what it stores of a row leaves for memory while the next row is computed, and what
// the arithmetic waits for and what it produces share the bus all the time. The values of the row before are kept: the results of its
// reductions in variables, kept columns in a second buffer; what else the pass takes from its row is computed in a scope of its own.
import { productOf } from '../../ir/dim.js';
import { TYPES } from '../../schedule/dtype.js';
import { type ComputeType } from '../../schedule/typing.js';
import { type Stage } from '../../loop/kernel.js';
import { type Scope } from '../walker.js';
import { type Lines } from '../writer.js';
import { CppLines } from './lines.js';
import { literal } from './scalar.js';
import { VEC } from './values.js';

type Columns = Stage & { k: 'columns' };

export abstract class CppLate extends CppLines {
  /** What follows the loop over rows: the last pass of the last row. */
  protected readonly after: Lines = [];

  protected abstract columns(s: Columns, rows: readonly Scope[], late?: Columns): void;
  protected abstract passBody(s: Columns, scopes: readonly Scope[], blocked: boolean): void;
  protected abstract rowStage(s: Stage & { k: 'row' }, rows: readonly Scope[]): void;

  /** All stages of a row, the last of them that of the row before. */
  protected lateStages(row: Scope): void {
    const stages = this.k.stages;
    const late = stages[stages.length - 1] as Columns;
    const passes = stages.slice(0, -1).filter((s): s is Columns => s.k === 'columns');
    this.buffers(row.lines, this.k.rows[0]!.name);
    for (const s of stages.slice(0, -1)) {
      if (s.k === 'row') this.rowStage(s, [row]);
      else this.columns(s, [row], s === passes[passes.length - 1] ? late : undefined);
    }
    for (const f of passes.flatMap((s) => s.folds))
      for (const { name, type, init } of f.states) {
        this.head.push(`${VEC[type]} ${name}_before = fb_splat_${type}(${literal(init, type)});`);
        row.lines.push(`${name}_before = ${name};`);
      }
    const end: Lines = ['const fb_int before = end - 1;'];
    this.buffers(end, 'end');
    const last = this.rowBefore(end);
    const v = this.k.vector!;
    this.vectorLoop(last, v, '0', this.dim(v.extent), v.extent, late.unroll, (ls, shifts, lanes) =>
      this.passBody({ ...late, prefetch: [] }, this.inside(last, ls, shifts, lanes), false),
    );
    this.after.push('if (begin < end) {', end, '}');
  }

  /** A pass over the columns of `row`; in all rows but a thread's first, `late` goes over the row before in the same loop. */
  protected together(s: Columns, row: Scope, late: Columns): void {
    const v = this.k.vector!;
    const loop = (into: Scope, before: Scope | null): void =>
      this.vectorLoop(into, v, '0', this.dim(v.extent), v.extent, s.unroll, (ls, shifts, lanes) => {
        const own = this.inside(into, ls, shifts, lanes);
        this.passBody({ ...s, prefetch: [...s.prefetch, ...late.prefetch] }, own, false);
        if (before) this.passBody({ ...late, prefetch: [] }, this.inside(before, ls, shifts, lanes), false);
      });
    const i = this.k.rows[0]!.name;
    const first: Lines = [];
    const others: Lines = [`const fb_int before = ${i} - 1;`];
    loop(this.child(row, new Set(), first), null);
    loop(this.child(row, new Set(), others), this.rowBefore(others));
    row.lines.push(`if (${i} == begin) {`, first, '} else {', others, '}');
  }

  private inside(scope: Scope, lines: Lines, shifts: readonly number[], lanes: string): Scope[] {
    return shifts.map((s) => this.child(scope, new Set([this.k.vector!]), lines, s, lanes));
  }

  /** A scope in which the row axis is the row before, and reductions are those of that row. */
  private rowBefore(lines: Lines): Scope {
    const scope = { ...this.child(this.root, new Set(this.k.rows), lines), before: true };
    for (const s of this.k.stages)
      if (s.k === 'columns')
        for (const f of s.folds) for (const { name } of f.states) scope.vars.set(name, `${name}_before`);
    return scope;
  }

  /** The kept columns of a row and of the one before: two buffers that change places. */
  private buffers(lines: Lines, row: string): void {
    for (const { name, type } of this.k.stages.flatMap((s) => (s.k === 'columns' ? s.keeps : []))) {
      const t = TYPES[({ f32: 'float32', f64: 'float64', i64: 'int64', i32: 'int32', b: 'int32' } as const)[type]].c;
      // Neither begins a multiple of 4 KB after the other: stores and loads that differ by one wait for each other.
      const size = `((${this.dim(productOf(this.k.cols.map((a) => a.extent)))} + 15) / 16 * 16 + 48)`;
      if (!this.root.vars.has(`${name}_rows`)) {
        this.root.vars.set(`${name}_rows`, `${name}_rows`);
        this.head.push(`${t} ${name}_rows[2 * ${size}] __attribute__((aligned(64)));`);
      }
      lines.push(
        `${t}* const ${name}_row = ${name}_rows + (${row} & 1) * ${size};`,
        `${t}* const ${name}_before = ${name}_rows + (~${row} & 1) * ${size};`,
      );
    }
  }

  protected override keepPlace(name: string, type: ComputeType, scope: Scope): [string, string] {
    if (!this.k.late) return super.keepPlace(name, type, scope);
    return [`${name}_${scope.before ? 'before' : 'row'}`, this.axisText(this.k.vector!, scope)];
  }
}
