// Transposed reads in C++ kernels: loads that walk with a stride along the vector axis and one by one along another row axis are read in
// tiles, so that every cache line is fetched once and whole.
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr } from '../../schedule/expr.js';
import { type Axis, coefficient, ixAdd, ixConst, ixMul, printIndex } from '../../schedule/indexing.js';
import { type Dim } from '../../ir/graph.js';
import { type Kernel } from '../../loop/kernel.js';
import { type Load, transposedLoads } from '../transposed.js';
import { type Scope, type Target } from '../walker.js';
import { type Lines } from '../writer.js';
import { CppValues } from './values.js';

/** As in native/kernels/programs.h: a tile is 32 KB of float32, and 128 rows of the source are open at a time. */
export const TILE_WIDTH = 128;
const TILE_HEIGHT = 64;

export type VectorBody = (lines: Lines, shifts: readonly number[], lanes: string) => void;

export abstract class CppTiled extends CppValues {
  private readonly tiles = new Map<LExpr, { readonly load: Load; readonly name: string }>();
  /** Contiguous loads beside them, whose next rows are fetched while a tile is worked on. */
  private readonly beside: Load[] = [];
  /** The axis along which tiles are read. */
  protected across: Axis | null = null;

  constructor(k: Kernel, target: Target) {
    super(k, target);
    this.findTiles();
  }

  protected abstract stages(rows: readonly Scope[]): void;
  protected abstract vectorLoop(
    scope: Scope,
    v: Axis,
    lo: string,
    hi: string,
    extent: Dim | null,
    unroll: number,
    body: VectorBody,
  ): void;

  private findTiles(): void {
    const found = transposedLoads(this.k, TILE_WIDTH);
    if (!found) return;
    found.tiles.forEach((load, n) => this.tiles.set(load, { load, name: `tile${n}` }));
    this.beside.push(...found.beside);
    this.across = found.across;
  }

  protected tileLoad(e: Load, scope: Scope): string | null {
    const tile = this.tiles.get(e);
    if (tile === undefined) return null;
    const { tag } = TYPES[(e.src as Def).dtype];
    const at = `${tile.name} + (${this.across!.name} - block) * ${TILE_WIDTH} + (${this.axisText(this.k.vector!, scope)} - left)`;
    return scope.lanes === 'n' ? `fb_loadn_${tag}(${at}, n)` : `fb_load_${tag}(${at})`;
  }

  /** Elements [lo, hi) of the vector axis, all of `across`: tile by tile, each transposed into local memory and then walked in order. */
  protected tiled(scope: Scope, lo: string, hi: string): void {
    const v = this.k.vector!;
    const b = this.across!;
    const n = this.dim(b.extent);
    const block = this.child(scope, new Set(), []);
    block.lines.push(`const fb_int count = ${n} - block < ${TILE_HEIGHT} ? ${n} - block : ${TILE_HEIGHT};`);
    for (const { load: e, name } of this.tiles.values()) {
      const d = e.src as Def;
      this.head.push(`fb_m_${TYPES[d.dtype].tag} ${name}[${TILE_WIDTH * TILE_HEIGHT}] __attribute__((aligned(64)));`);
      const names = this.names(block);
      const at = printIndex(e.offset, {
        ...names,
        axis: (a) => (a === b ? 'block' : a === v ? 'left' : names.axis(a)),
      });
      const step = printIndex(coefficient(e.offset, v)!, names);
      block.lines.push(`fb_transpose(${name}, ${this.pointer(d)} + ${at}, ${step}, right - left, count);`);
    }
    const row = this.child(block, new Set([b]), []);
    this.vectorLoop(row, v, 'left', 'right', v.extent, 1, (lines, shifts, lanes) => {
      const scopes = shifts.map((s) => this.child(row, new Set([v]), lines, s, lanes));
      for (const e of this.beside) {
        const ahead = ixAdd(e.offset, ixMul(coefficient(e.offset, b)!, ixConst(TILE_HEIGHT)));
        lines.push(`__builtin_prefetch(${this.pointer(e.src as Def)} + ${printIndex(ahead, this.names(scopes[0]!))});`);
      }
      this.stages(scopes);
    });
    block.lines.push(`for (fb_int ${b.name} = block; ${b.name} < block + count; ${b.name}++) {`, row.lines, '}');
    scope.lines.push(
      `for (fb_int left = ${lo}; left < ${hi}; left += ${TILE_WIDTH}) {`,
      [
        `const fb_int right = left + ${TILE_WIDTH} < ${hi} ? left + ${TILE_WIDTH} : ${hi};`,
        `for (fb_int block = 0; block < ${n}; block += ${TILE_HEIGHT}) {`,
        block.lines,
        '}',
      ],
      '}',
    );
  }
}
