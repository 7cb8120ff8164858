// Transposed reads in C++ kernels: loads that walk with a stride along the vector axis and one by one along another row axis are read in
// tiles, so that every cache line is fetched once and whole.
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr } from '../../schedule/expr.js';
import { type Axis, coefficient, ixAdd, ixConst, ixMul, printIndex } from '../../schedule/indexing.js';
import { sameDim } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Kernel } from '../../loop/kernel.js';
import { type Load, transposedLoads } from '../transposed.js';
import { type Scope, type Target } from '../walker.js';
import { type Lines } from '../writer.js';
import { CppValues } from './values.js';

/** Elements of a tile's edge, and from row to row of it (no power of two: the columns of a block would share a few cache sets). */
const TILE = 128;
const TILE_STRIDE = 144;
/** Where opposite parts of a square are computed one after the other: their edge. Twice two such parts stay in the second-level cache. */
const REGION = 256;
/** Rows that are fetched in advance beside a tile: few, since rows a power of two apart share cache sets. */
const AHEAD = 4;
/** Tiles are on the stack, 74 KB of float32 each. */
const MOST_TILES = 8;

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
    const found = transposedLoads(this.k, TILE);
    if (!found) return;
    found.tiles.slice(0, MOST_TILES).forEach((load, n) => this.tiles.set(load, { load, name: `tile${n}` }));
    this.beside.push(...found.beside);
    this.across = found.across;
  }

  /** Elements of the vector axis in one unit of work, when no outer axis gives units. */
  protected get tileChunk(): number {
    return this.mirrored ? REGION : TILE;
  }
  /** A square whose tensor is read both ways: what a part reads, the opposite part reads again. */
  private get mirrored(): boolean {
    const [v, b] = [this.k.vector!, this.across!];
    const sources = new Set([...this.tiles.values()].map((t) => t.load.src));
    return sameDim(v.extent, b.extent) && this.beside.some((e) => sources.has(e.src));
  }

  protected tileLoad(e: Load, scope: Scope): string | null {
    const tile = this.tiles.get(e);
    if (tile === undefined) return null;
    const { tag } = TYPES[(e.src as Def).dtype];
    const at = `${tile.name} + (${this.across!.name} - block) * ${TILE_STRIDE} + (${this.axisText(this.k.vector!, scope)} - left)`;
    return scope.lanes === 'n' ? `fb_loadn_${tag}(${at}, n)` : `fb_load_${tag}(${at})`;
  }

  /** The plane of both axes; units of work are chunks of the vector axis unless `chunk` is 0. */
  protected tiled(scope: Scope, chunk: number): void {
    if (this.mirrored) {
      this.opposites(scope, chunk > 0);
      return;
    }
    const n = this.dim(this.k.vector!.extent);
    const wide: [string, string] = chunk > 0 ? [`begin * ${chunk}`, `fb_smaller(end * ${chunk}, ${n})`] : ['0', n];
    scope.lines.push(...this.part(scope, wide, ['0', this.dim(this.across!.extent)]));
  }

  /** A square by parts (i, j), each followed by (j, i), which finds in the cache what the first has read. Unit i takes half of the others,
   * in a circle, so that all units are of one size. */
  private opposites(scope: Scope, units: boolean): void {
    const n = this.dim(this.k.vector!.extent);
    const edge = (k: string): [string, string] => [
      `${k} * ${REGION}`,
      `fb_smaller(${k} * ${REGION} + ${REGION}, ${n})`,
    ];
    const parts = `(${n} + ${REGION - 1}) / ${REGION}`;
    scope.lines.push(
      `const fb_int parts = ${parts};`,
      `for (fb_int first = ${units ? 'begin' : '0'}; first < ${units ? 'end' : 'parts'}; first++)`,
      [
        'for (fb_int turn = 0; turn <= parts / 2 * 2 + 1; turn++) {',
        [
          'const fb_int away = turn / 2;',
          'if (turn == 1 || (away * 2 == parts && first >= away)) continue;',
          'const fb_int second = first + away < parts ? first + away : first + away - parts;',
          'const fb_int i = turn % 2 ? second : first, j = turn % 2 ? first : second;',
          ...this.part(scope, edge('i'), edge('j')),
        ],
        '}',
      ],
    );
  }

  /** A part of the plane, tile by tile, each transposed into local memory and then walked in order. */
  private part(scope: Scope, [lo, hi]: [string, string], [from, to]: [string, string]): Lines {
    const v = this.k.vector!;
    const b = this.across!;
    const block = this.child(scope, new Set(), []);
    for (const { load: e, name } of this.tiles.values()) {
      const d = e.src as Def;
      this.head.push(`fb_m_${TYPES[d.dtype].tag} ${name}[${TILE * TILE_STRIDE}] __attribute__((aligned(64)));`);
      const names = this.names(block);
      const at = printIndex(e.offset, {
        ...names,
        axis: (a) => (a === b ? 'block' : a === v ? 'left' : names.axis(a)),
      });
      const step = printIndex(coefficient(e.offset, v)!, names);
      block.lines.push(
        `fb_transpose(${name}, ${TILE_STRIDE}, ${this.pointer(d)} + ${at}, ${step}, right - left, below - block);`,
      );
    }
    const row = this.child(block, new Set([b]), []);
    this.vectorLoop(row, v, 'left', 'right', v.extent, 1, (lines, shifts, lanes) => {
      const scopes = shifts.map((s) => this.child(row, new Set([v]), lines, s, lanes));
      for (const e of this.beside) {
        const ahead = ixAdd(e.offset, ixMul(coefficient(e.offset, b)!, ixConst(AHEAD)));
        lines.push(`__builtin_prefetch(${this.pointer(e.src as Def)} + ${printIndex(ahead, this.names(scopes[0]!))});`);
      }
      this.stages(scopes);
    });
    block.lines.push(`for (fb_int ${b.name} = block; ${b.name} < below; ${b.name}++) {`, row.lines, '}');
    return [
      `const fb_int edge = ${hi}, bottom = ${to};`,
      `for (fb_int left = ${lo}; left < edge; left += ${TILE}) {`,
      [
        `const fb_int right = fb_smaller(left + ${TILE}, edge);`,
        `for (fb_int block = ${from}; block < bottom; block += ${TILE}) {`,
        [`const fb_int below = fb_smaller(block + ${TILE}, bottom);`, ...block.lines],
        '}',
      ],
      '}',
    ];
  }
}
