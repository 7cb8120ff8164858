// Passes over contiguous lines in C++ kernels, a vector of lines at a time: each lane walks a line of its own, so a step would read and
// write as many places as there are lanes, and lines that lie a power of two apart push each other out of the cache. Blocks of lines are
// turned in registers instead, on the way in and on the way out, and every cache line is used whole. Running values need it, and rows
// whose elements lie apart in memory but are stored side by side (a layer norm over the channels of an image).
import { productOf } from '../../ir/dim.js';
import { TYPES } from '../../schedule/dtype.js';
import { type LExpr, walk } from '../../schedule/expr.js';
import {
  type Axis,
  type Index,
  bounds,
  coefficient,
  constantOf,
  hasDivision,
  printIndex,
} from '../../schedule/indexing.js';
import { type Def } from '../../schedule/defs.js';
import { foldedValues, type Stage, type Store } from '../../loop/kernel.js';
import { type Load } from '../transposed.js';
import { type Scope } from '../walker.js';
import { type Lines } from '../writer.js';
import { CppPanels } from './panels.js';

type Columns = Stage & { k: 'columns' };
/** A block on the stack that stands for memory: a vector of lines wide, as many positions long. */
interface Block {
  readonly name: string;
  readonly backwards: boolean;
}
/** Blocks are 1 KB, four of each with rows side by side. */
const MOST_BLOCKS = 8;
/** Blocks from what is computed to what is fetched. */
const AHEAD = 2;

export abstract class CppLines extends CppPanels {
  /** The pass that is being printed, where it goes by blocks. */
  private along: { readonly axis: Axis; readonly loads: Map<LExpr, Block>; readonly stores: Map<Store, Block> } | null =
    null;
  private blocks = 0;

  /** Prints the loop over `axis`, the innermost of a pass, by blocks; false where nothing is gained. */
  protected byLines(
    stage: Columns,
    axis: Axis,
    scopes: readonly Scope[],
    lo: string,
    hi: string,
    body: (inner: readonly Scope[]) => void,
  ): boolean {
    const found = this.findLines(stage, axis);
    if (!found) return false;
    const { lines } = scopes[0]!;
    const block: Lines = [`const fb_int stop = fb_smaller(start + FB_W, ${hi});`];
    const outer = scopes.map((s) => this.child(s, new Set(), block));
    const move = (scope: Scope, src: Def, offset: Index, b: Block, out: boolean): void => {
      const names = this.names(scope);
      const first = b.backwards ? '(stop - 1)' : 'start';
      const at = printIndex(offset, { ...names, axis: (a) => (a === axis ? first : names.axis(a)) });
      const step = printIndex(coefficient(offset, this.k.vector!)!, names);
      const [tile, memory] = [this.tileName(b, scope), `${this.pointer(src)} + ${at}`];
      // The next lines are on their way while this block is computed: more of them than the prefetchers follow.
      block.push(
        `for (int l = 0; l < FB_W; l++) __builtin_prefetch(${memory} + l * ${step} ${b.backwards ? '-' : '+'} ${AHEAD} * FB_W, ${out ? 1 : 0}, 3);`,
      );
      block.push(
        out
          ? `fb_transpose(${memory}, ${step}, ${tile}, FB_W, stop - start, ${scope.lanes});`
          : `fb_transpose(${tile}, FB_W, ${memory}, ${step}, ${scope.lanes}, stop - start);`,
      );
    };
    for (const s of outer) {
      for (const [e, b] of found.loads) move(s, (e as Load).src as Def, (e as Load).offset, b, false);
      for (const [e, b] of [...found.loads, ...found.stores]) {
        const { dtype } = 'def' in e ? e.def : ((e as Load).src as Def);
        this.head.push(
          `fb_m_${TYPES[dtype].tag} ${this.tileName(b, s)}[FB_W * FB_W] __attribute__((aligned(64))) = {};`,
        );
      }
    }
    const inside: Lines = [];
    const before = this.along;
    this.along = { axis, ...found };
    body(outer.map((s) => this.child(s, new Set([axis]), inside)));
    this.along = before;
    block.push(`for (fb_int ${axis.name} = start; ${axis.name} < stop; ${axis.name}++) {`, inside, '}');
    for (const s of outer) for (const [store, b] of found.stores) move(s, store.def, store.offset, b, true);
    lines.push(`for (fb_int start = ${lo}; start < ${hi}; start += FB_W) {`, block, '}');
    return true;
  }

  private findLines(stage: Columns, axis: Axis): { loads: Map<LExpr, Block>; stores: Map<Store, Block> } | null {
    if (!this.inRows || this.along !== null) return null;
    if (typeof axis.extent === 'number' && axis.extent < 16) return null;
    const loads = new Map<LExpr, Block>();
    const stores = new Map<Store, Block>();
    const turned = (d: Def, offset: Index): Block | null => {
      if (loads.size + stores.size >= MOST_BLOCKS || (d.dtype !== 'float32' && d.dtype !== 'int32')) return null;
      if (hasDivision(offset)) return null;
      const [apart, next] = [coefficient(offset, this.k.vector!), coefficient(offset, axis)];
      const step = next && constantOf(next);
      if (apart === null || constantOf(apart) === 0 || constantOf(apart) === 1 || (step !== 1 && step !== -1))
        return null;
      // What a condition keeps from being read, before the first element say, is not read as a block either.
      const [range, size] = [bounds(offset), productOf(d.shape)];
      if (range === null || typeof size !== 'number' || range.lo < 0 || range.hi >= size) return null;
      return { name: `lines${this.blocks++}`, backwards: step === -1 };
    };
    const values = [...stage.folds.flatMap(foldedValues), ...stage.stores.map((s) => s.value), ...stage.keeps.map((s) => s.value)]; // prettier-ignore
    for (const value of values)
      walk(value, (e) => {
        if (e.k !== 'load' || loads.has(e)) return;
        const b = turned(e.src as Def, e.offset);
        if (b) loads.set(e, b);
      });
    for (const s of stage.stores) {
      const b = turned(s.def, s.offset);
      if (b) stores.set(s, b);
    }
    return loads.size + stores.size > 0 ? { loads, stores } : null;
  }

  private tileName(b: Block, scope: Scope): string {
    return `${b.name}_${scope.shift}${scope.lanes === 'n' ? '_n' : ''}`;
  }
  private place(b: Block, scope: Scope): string {
    const { name } = this.along!.axis;
    return `${this.tileName(b, scope)} + ${b.backwards ? `(stop - 1 - ${name})` : `(${name} - start)`} * FB_W`;
  }
  protected override tileLoad(e: Load, scope: Scope): string | null {
    const b = this.along?.loads.get(e);
    return b ? `fb_load_${TYPES[(e.src as Def).dtype].tag}(${this.place(b, scope)})` : super.tileLoad(e, scope);
  }
  protected override tileStore(s: Store, scope: Scope): string | null {
    const b = this.along?.stores.get(s);
    return b ? this.place(b, scope) : null;
  }
}
