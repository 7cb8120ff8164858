// CUDA kernels without folds. Either a thread takes a few elements: neighbours, so that memory is read and written sixteen bytes at a
// time, or elements a block apart, so that several loads are under way. Or, where loads are transposed, a block takes a 32 × 32 tile
// through shared memory.
import { productOf, sameDim } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { type Def } from '../../schedule/defs.js';
import { TYPES, byteSize } from '../../schedule/dtype.js';
import { exprCost } from '../../schedule/cost.js';
import { walk } from '../../schedule/expr.js';
import { type Axis, type Index, coefficient, constantOf, ixAxis, ixSub, printIndex } from '../../schedule/indexing.js';
import { type Kernel, type Store } from '../../loop/kernel.js';
import { type Load, type Transposed, transposedLoads } from '../transposed.js';
import { type Scope, type Target } from '../walker.js';
import { type Lines } from '../writer.js';
import { CudaValues, SCALAR } from './values.js';

/** Edge of a tile: a warp reads one row of it. */
const TILE = 32;
/** Elements of a thread, at least. */
const COPIES = 4;
/** Bytes of the widest access. */
const WIDEST = 16;

/** Neighbours that a thread takes together: `n` along the axis, the tensors whose accesses are packed. */
interface Packs {
  readonly along: Axis;
  readonly n: number;
  readonly loads: ReadonlySet<Load>;
  readonly stores: ReadonlySet<Store>;
}

export abstract class CudaElements extends CudaValues {
  protected readonly shared: Lines = [];
  private readonly transposed: Transposed | null;
  private readonly packs: Packs | null;
  /** The copies that are printed take neighbours (and not elements a block apart). */
  private packing = false;
  /** Packs that have been read in the body that is printed. */
  private readonly read = new Map<Load, string>();

  constructor(k: Kernel, target: Target) {
    super(k, target);
    this.transposed = transposedLoads(k, TILE);
    this.packs = k.cols.length === 0 && this.transposed === null && this.copies > 1 ? this.findPacks() : null;
  }

  protected get rowCount(): Dim {
    return productOf(this.k.rows.map((a) => a.extent));
  }
  /** Copies of the body: loads of all of them come before the first store. */
  private get copies(): number {
    const cost = this.values().reduce((sum, e) => sum + exprCost(e), 0);
    return cost < 200 && this.k.stages.every((s) => s.stores.length <= 4) ? COPIES : 1;
  }
  /** Elements of a thread. */
  private get each(): number {
    return this.packs?.n ?? this.copies;
  }

  protected elementGrid(): string {
    return this.transposed === null
      ? `fb_blocks((${this.dim(this.rowCount)} + FB_BLOCK * ${this.each} - 1) / (FB_BLOCK * ${this.each}))`
      : `fb_blocks(${this.tileCount()})`;
  }
  protected elementKernel(lines: Lines): void {
    if (this.transposed !== null) this.tiles(lines);
    else if (this.packs !== null) this.neighbours(lines, this.packs);
    else this.apart(lines);
  }

  // ---- neighbours ----

  /** Accesses that are contiguous along the last axis and start at a multiple of the pack in every row. */
  private findPacks(): Packs | null {
    const { rows, vector: along } = this.k;
    if (along === null || rows[rows.length - 1] !== along) return null;
    const stores = this.k.stages.flatMap((s) => s.stores);
    const loads = new Set<Load>();
    for (const e of this.values()) walk(e, (x) => void (x.k === 'load' && loads.add(x)));
    const sizes = [...[...loads].map((e) => e.src as Def), ...stores.map((s) => s.def)].map((d) => byteSize(d.dtype));
    const n = Math.min(8, Math.max(COPIES, WIDEST / Math.max(...sizes)));
    if (rows.length > 1 && (typeof along.extent !== 'number' || along.extent % n !== 0)) return null;
    const packed = (offset: Index): boolean => {
      const step = coefficient(offset, along);
      if (step === null || constantOf(step) !== 1) return false;
      return ixSub(offset, ixAxis(along)).terms.every((t) => t.coef % n === 0);
    };
    const found = {
      along,
      n,
      loads: new Set([...loads].filter((e) => packed(e.offset))),
      stores: new Set(stores.filter((s) => packed(s.offset))),
    };
    return found.stores.size > 0 ? found : null;
  }

  private neighbours(lines: Lines, packs: Packs): void {
    const [n, t, each] = [this.dim(this.rowCount), this.position, packs.n];
    const pointers = [...[...packs.loads].map((e) => e.src as Def), ...[...packs.stores].map((s) => s.def)];
    const bits = [...new Set(pointers.map((d) => `(size_t)${this.pointer(d)}`))].join(' | ');
    const together: Lines = [];
    const row = this.child(this.root, new Set(this.k.rows.filter((a) => a !== packs.along)), together);
    this.split(together, 'first', this.k.rows, row);
    this.packing = true;
    const scopes = Array.from({ length: each }, (_, u) => {
      const scope = this.child(row, new Set([packs.along]), together, u);
      if (u > 0) together.push(`const ${t} ${this.axisText(packs.along, scope)} = ${packs.along.name} + ${u};`);
      return scope;
    });
    for (const s of this.k.stages) together.push(...this.packedStores(s.stores, scopes, packs));
    this.packing = false;
    const single: Lines = [];
    const scope = this.child(this.root, new Set(this.k.rows), single);
    this.split(single, 'row', this.k.rows, scope);
    for (const s of this.k.stages) single.push(...this.stores(s.stores, [scope]));
    lines.push(
      // Views may start anywhere.
      `const bool aligned = (${bits}) % ${WIDEST} == 0;`,
      `for (${t} first = (blockIdx.x * (${t})FB_BLOCK + threadIdx.x) * ${each}; first < ${n}; first += gridDim.x * (FB_BLOCK * ${each})) {`,
      [
        `if (aligned && first + ${each - 1} < ${n}) {`,
        together,
        '} else {',
        [`for (${t} row = first; row < ${n} && row < first + ${each}; row++) {`, single, '}'],
        '}',
      ],
      '}',
    );
  }

  private packedStores(list: readonly Store[], scopes: readonly Scope[], packs: Packs): Lines {
    const plain = list.filter((s) => !packs.stores.has(s));
    const whole = list.filter((s) => packs.stores.has(s));
    // Values first: a tensor written in place is read before it changes.
    const values = whole.map((s) => scopes.map((scope) => this.value(s.value, scope)));
    const rest = this.stores(plain, scopes);
    return [
      ...rest,
      ...whole.flatMap((s, k): Lines => {
        const { tag } = TYPES[s.def.dtype];
        const name = this.id('w');
        return [
          `fb_pack<fb_m_${tag}, ${packs.n}> ${name};`,
          ...values[k]!.map((v, u) => `fb_put_${tag}(${name}.v, ${u}, ${v});`),
          `fb_store_pack(${this.pointer(s.def)}, ${printIndex(s.offset, this.names(scopes[0]!))}, ${name});`,
        ];
      }),
    ];
  }

  protected override axisText(a: Axis, scope: Scope): string {
    // Neighbours share all axes but the last.
    return this.packing && a !== this.packs!.along ? a.name : super.axisText(a, scope);
  }

  protected override load(e: Load, scope: Scope): string {
    const tile = this.transposed?.tiles.indexOf(e) ?? -1;
    if (tile >= 0) return `tile${tile}[k % ${TILE}][k / ${TILE}]`;
    if (!this.packing || !this.packs!.loads.has(e)) return super.load(e, scope);
    const { tag } = TYPES[(e.src as Def).dtype];
    let pack = this.read.get(e);
    if (pack === undefined) {
      this.read.set(e, (pack = this.id('v')));
      scope.lines.push(
        `const fb_pack<fb_m_${tag}, ${this.packs!.n}> ${pack} = fb_load_pack<${this.packs!.n}>(${this.pointer(e.src as Def)}, ${printIndex(e.offset, this.names(scope))});`,
      );
    }
    return `fb_get_${tag}(${pack}.v, ${scope.shift})`;
  }

  // ---- a block apart ----

  private apart(lines: Lines): void {
    const [n, t, copies] = [this.dim(this.rowCount), this.position, this.copies];
    const body = (from: readonly string[]): Lines => {
      const out: Lines = [];
      const scopes = from.map((text, u) => {
        const scope = this.child(this.root, new Set(this.k.rows), out, u);
        this.split(out, text, this.k.rows, scope);
        return scope;
      });
      for (const s of this.k.stages) out.push(...this.stores(s.stores, scopes));
      return out;
    };
    const step = `gridDim.x * (FB_BLOCK * ${copies})`;
    const first = `blockIdx.x * (${t})(FB_BLOCK * ${copies}) + threadIdx.x`;
    const inner: Lines =
      copies === 1
        ? body(['first'])
        : [
            `if (first + FB_BLOCK * ${copies - 1} < ${n}) {`,
            body(Array.from({ length: copies }, (_, u) => (u === 0 ? 'first' : `(first + FB_BLOCK * ${u})`))),
            `} else {`,
            [`for (${t} row = first; row < ${n}; row += FB_BLOCK) {`, body(['row']), '}'],
            '}',
          ];
    lines.push(`for (${t} first = ${first}; first < ${n}; first += ${step}) {`, inner, '}');
  }

  // ---- tiles ----

  private tileAxes(): { across: Axis; along: Axis; others: Axis[] } {
    const [across, along] = [this.transposed!.across, this.k.vector!];
    return { across, along, others: this.k.rows.filter((a) => a !== across && a !== along) };
  }
  private tilesAlong(a: Axis): string {
    return `((${this.dim(a.extent)} + ${TILE - 1}) / ${TILE})`;
  }
  /** A square read both straight and transposed: tiles that mirror each other are near in time, so that the cache serves the second read. */
  private get mirrored(): boolean {
    const { across, along, others } = this.tileAxes();
    const sources = new Set(this.transposed!.tiles.map((e) => e.src));
    return (
      others.length === 0 &&
      sameDim(across.extent, along.extent) &&
      this.transposed!.beside.some((e) => sources.has(e.src))
    );
  }
  private tileCount(): string {
    const { across, along, others } = this.tileAxes();
    if (this.mirrored) return `fb_mirror_tiles(${this.tilesAlong(along)})`;
    return `(fb_int)${[this.tilesAlong(across), this.tilesAlong(along), ...others.map((a) => this.dim(a.extent))].join(' * ')}`;
  }

  private tiles(lines: Lines): void {
    const { across, along, others } = this.tileAxes();
    const t = this.position;
    const [rows, cols] = [this.dim(across.extent), this.dim(along.extent)];
    const block = this.child(this.root, new Set(others), []);
    if (this.mirrored)
      block.lines.push(
        'fb_int across, along;',
        `if (!fb_mirror_tile(tile, ${this.tilesAlong(along)}, &across, &along)) continue;`,
        `const ${t} left = along * ${TILE}, top = across * ${TILE};`,
      );
    else
      block.lines.push(
        `const ${t} left = tile % ${this.tilesAlong(along)} * ${TILE}, top = tile / ${this.tilesAlong(along)} % ${this.tilesAlong(across)} * ${TILE};`,
      );
    if (others.length > 0)
      this.split(block.lines, `(tile / (${this.tilesAlong(along)} * ${this.tilesAlong(across)}))`, others, block);
    // Reading: lanes run along `across`, where the loads are contiguous.
    const read = this.child(block, new Set([across, along]), []);
    read.lines.push(`const ${t} ${across.name} = top + k % ${TILE}, ${along.name} = left + k / ${TILE};`);
    const fetch: Lines = [];
    this.transposed!.tiles.forEach((e, n) => {
      const type = SCALAR[e.type];
      this.shared.push(`__shared__ ${type} tile${n}[${TILE}][${TILE + 1}];`);
      fetch.push(`tile${n}[k / ${TILE}][k % ${TILE}] = ${super.load(e, read)};`);
    });
    read.lines.push(`if (${across.name} < ${rows} && ${along.name} < ${cols}) {`, fetch, '}');
    const write = this.child(block, new Set([across, along]), []);
    const inside: Lines = [];
    const scope = this.child(write, new Set([across, along]), inside);
    for (const s of this.k.stages) inside.push(...this.stores(s.stores, [scope]));
    write.lines.push(
      `const ${t} ${along.name} = left + k % ${TILE}, ${across.name} = top + k / ${TILE};`,
      `if (${across.name} < ${rows} && ${along.name} < ${cols}) {`,
      inside,
      '}',
    );
    const every = (text: Lines): Lines => [
      '#pragma unroll',
      `for (int k = threadIdx.x; k < ${TILE * TILE}; k += FB_BLOCK) {`,
      text,
      '}',
    ];
    block.lines.push(...every(read.lines), '__syncthreads();', ...every(write.lines), '__syncthreads();');
    lines.push(
      `const ${t} tiles = ${this.tileCount()};`,
      `for (${t} tile = blockIdx.x; tile < tiles; tile += gridDim.x) {`,
      block.lines,
      '}',
    );
  }
}
