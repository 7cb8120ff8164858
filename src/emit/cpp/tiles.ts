// Transposed reads in C++ kernels: loads that walk with a stride along the vector axis and one by one along another row axis are read in
// tiles, so that every cache line is fetched once and whole.
import { type Def } from '../../schedule/defs.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr } from '../../schedule/expr.js';
import { type Axis, coefficient, printIndex } from '../../schedule/indexing.js';
import { sameDim } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Kernel } from '../../loop/kernel.js';
import { type Load, transposedLoads } from '../transposed.js';
import { type Scope, type Target } from '../walker.js';
import { type Lines } from '../writer.js';
import { CppValues } from './values.js';

/** Elements of a tile's edge: rows a power of two apart share a few cache sets, and those of this tile and the next fit in there. */
const TILE = 64;
/** From row to row of a tile: no power of two, for the same reason. */
const TILE_STRIDE = 80;
/** Tiles are on the stack, 20 KB of float32 each. */
const MOST_TILES = 8;
/** Where the next tile begins; it is fetched into the second-level cache while this one is computed. */
interface Next {
  readonly left: string;
  readonly block: string;
}

/** The end of a tile; where all are whole the compiler sees their size. */
const tileEnd = (start: string, extent: Dim, end: string): string =>
  typeof extent === 'number' && extent % TILE === 0 ? `${start} + ${TILE}` : `fb_smaller(${start} + ${TILE}, ${end})`;

export type VectorBody = (lines: Lines, shifts: readonly number[], lanes: string) => void;

export abstract class CppTiled extends CppValues {
  private readonly tiles = new Map<LExpr, { readonly load: Load; readonly name: string }>();
  /** Contiguous loads beside them. */
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
  protected readonly tileChunk = TILE;
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
    const [v, b] = [this.k.vector!, this.across!];
    const [wide, high] = [this.dim(v.extent), this.dim(b.extent)];
    const [lo, hi] = chunk > 0 ? [`begin * ${chunk}`, `fb_smaller(end * ${chunk}, ${wide})`] : ['0', wide];
    scope.lines.push(
      `const fb_int edge = ${hi};`,
      `for (fb_int left = ${lo}; left < edge; left += ${TILE}) {`,
      [
        `const fb_int right = ${tileEnd('left', v.extent, 'edge')};`,
        `for (fb_int block = 0; block < ${high}; block += ${TILE}) {`,
        [
          `const fb_int below = ${tileEnd('block', b.extent, high)};`,
          `const bool last = below == ${high};`,
          `const fb_int next_left = last ? right : left, next_block = last ? 0 : below;`,
          ...this.tile(scope, { left: 'next_left', block: 'next_block' }, [
            ...this.beside,
            ...[...this.tiles.values()].map((t) => t.load),
          ]),
        ],
        '}',
      ],
      '}',
    );
  }

  /** A square by tiles (i, j), each followed by (j, i), which finds in the cache what the first has read. Unit i takes half of the
   * others, in a circle, so that all units are of one size. */
  private opposites(scope: Scope, units: boolean): void {
    const { extent } = this.k.vector!;
    const n = this.dim(extent);
    const sources = new Set(this.beside.map((e) => e.src));
    const others = [...this.tiles.values()].map((t) => t.load).filter((e) => !sources.has(e.src));
    scope.lines.push(
      `const fb_int parts = (${n} + ${TILE - 1}) / ${TILE};`,
      `for (fb_int first = ${units ? 'begin' : '0'}; first < ${units ? 'end' : 'parts'}; first++)`,
      [
        'for (fb_int turn = 0; turn <= parts / 2 * 2 + 1; turn++) {',
        [
          'const fb_int away = turn / 2;',
          'if (turn == 1 || (away * 2 == parts && first >= away)) continue;',
          'const fb_int second = first + away < parts ? first + away : first + away - parts;',
          'const fb_int third = second + 1 < parts ? second + 1 : 0;',
          `const fb_int left = (turn % 2 ? second : first) * ${TILE}, block = (turn % 2 ? first : second) * ${TILE};`,
          `const fb_int right = ${tileEnd('left', extent, n)}, below = ${tileEnd('block', extent, n)};`,
          `const fb_int next_left = (turn % 2 ? third : first) * ${TILE}, next_block = (turn % 2 ? first : third) * ${TILE};`,
          ...this.tile(scope, { left: 'next_left', block: 'next_block' }, [...this.beside, ...others]),
        ],
        '}',
      ],
    );
  }

  /** The part of the plane from (left, block) to (right, below): transposed into local memory and then walked in order, while what
   * `fetch` reads at the next one is fetched. */
  private tile(scope: Scope, next: Next, fetch: readonly Load[]): Lines {
    const v = this.k.vector!;
    const b = this.across!;
    const block = this.child(scope, new Set(), []);
    const at = (e: Load, s: Scope, along: string, across: string): string => {
      const names = this.names(s);
      return printIndex(e.offset, {
        ...names,
        axis: (a) => (a === b ? across : a === v ? along : names.axis(a)),
      });
    };
    for (const { load: e, name } of this.tiles.values()) {
      const d = e.src as Def;
      this.head.push(`fb_m_${TYPES[d.dtype].tag} ${name}[${TILE * TILE_STRIDE}] __attribute__((aligned(64)));`);
      const step = printIndex(coefficient(e.offset, v)!, this.names(block));
      block.lines.push(
        `fb_transpose(${name}, ${TILE_STRIDE}, ${this.pointer(d)} + ${at(e, block, 'left', 'block')}, ${step}, right - left, below - block);`,
      );
    }
    const row = this.child(block, new Set([b]), []);
    this.vectorLoop(row, v, 'left', 'right', v.extent, 1, (lines, shifts, lanes) => {
      const scopes = shifts.map((s) => this.child(row, new Set([v]), lines, s, lanes));
      const [along, across] = [`(${this.axisText(v, scopes[0]!)} - left)`, `(${b.name} - block)`];
      for (const e of fetch) {
        const place = this.beside.includes(e)
          ? at(e, scopes[0]!, `(${next.left} + ${along})`, `(${next.block} + ${across})`)
          : at(e, scopes[0]!, `(${next.left} + ${across})`, `(${next.block} + ${along})`);
        lines.push(`__builtin_prefetch(${this.pointer(e.src as Def)} + ${place}, 0, 2);`);
      }
      this.stages(scopes);
    });
    block.lines.push(`for (fb_int ${b.name} = block; ${b.name} < below; ${b.name}++) {`, row.lines, '}');
    return block.lines;
  }
}
