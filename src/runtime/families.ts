// Programs for all sizes: signatures that differ in sizes only are a family, whose recordings are compared to find what varies.
import { Undecided, unify } from '../frontend/trace/unify.js';
import { isRandom } from '../ir/table.js';
import type { Tensor } from '../tensor/handle.js';
import type { Backend } from './backend.js';
import type { NamedAxes } from './dynamic_axes.js';
import { record, type Recorded } from './recorder.js';
import { NotCompilable, Variant } from './variant.js';

/** Recordings of one function that are compared to find the sizes that vary. */
const MAX_MEMBERS = 6;
/** The same where the caller has named the axes: each of them needs a recording in which it differs. */
const MAX_NAMED_MEMBERS = 16;

interface Family {
  readonly members: Variant[];
  /** The program for all sizes, once there is one. */
  symbolic: Variant | null;
  /** One with more symbols, which takes its place when it is made: another size has begun to vary. */
  next: Variant | null;
  reason: string | null;
}

/** What a family needs to know of the function that it belongs to. */
export interface Owner {
  readonly fn: (...args: unknown[]) => unknown;
  readonly name: string;
  readonly backend: Backend;
  /** Axes that the caller named as dynamic. */
  readonly axes: NamedAxes | null;
  note(why: string): void;
}

export class Families {
  private readonly families = new Map<string, Family>();

  constructor(private readonly owner: Owner) {}

  /** The program for all sizes of a family, if there is one. */
  symbolic(key: string | null): Variant | null {
    const f = key === null ? undefined : this.families.get(key);
    if (f?.next?.made === true) [f.symbolic, f.next] = [f.next, null];
    return f?.symbolic ?? null;
  }

  /** Those of all families. */
  get served(): readonly Variant[] {
    return [...this.families.values()].flatMap((f) => (f.symbolic === null ? [] : [f.symbolic]));
  }
  /** Those, and the ones that are to take their places. */
  get started(): readonly Variant[] {
    return [...this.families.values()].flatMap((f) => [f.symbolic, f.next].filter((v) => v !== null));
  }

  /** True for a recording at one size of several that have a program together. */
  covers(v: Variant): boolean {
    return [...this.families.values()].some((f) => f.symbolic !== null && f.members.includes(v));
  }

  /** Drops the programs that could not be built; the sizes then have programs of their own. */
  settle(): void {
    for (const f of this.families.values()) {
      if (f.next?.made === true) [f.symbolic, f.next] = [f.next, null];
      if (f.next?.error != null) f.next = null;
      if (f.symbolic?.error == null) continue;
      f.reason = f.symbolic.error.message;
      f.symbolic = null;
      this.owner.note(`sizes vary, and each gets its own program: ${f.reason}`);
    }
  }

  /**
   * With recordings at two different sizes (three, where two leave a number open), one graph for all of them.
   * @param siblings the other recordings at the sizes of `v`
   * @param inputs the tensors that `v` was recorded with; null where there were other arguments
   * @throws DynamicAxisError where a named axis cannot vary
   */
  join(key: string | null, v: Variant, siblings: readonly Variant[], inputs: readonly Tensor[] | null): void {
    if (key === null) return;
    const { axes, backend, name } = this.owner;
    let f = this.families.get(key);
    if (f === undefined) this.families.set(key, (f = { members: [], symbolic: null, next: null, reason: null }));
    const wider = f.symbolic !== null;
    if (f.reason !== null || (wider && (f.members.length >= MAX_MEMBERS || (f.next ?? f.symbolic)!.fits(v)))) return;
    // One recording per signature, the latest.
    const others = f.members.filter((m) => m !== v && !siblings.includes(m));
    f.members.splice(0, f.members.length, ...others, v);
    if (f.members.length === 1 && axes !== null) f.members.push(...this.probe(v, axes, inputs));
    if (f.members.length < 2) return;
    try {
      const [first] = f.members;
      if (f.members.some((m) => m.recording.trace.graphs !== undefined))
        throw new NotCompilable('a graph with branches and loops has one size');
      const mismatch = f.members.slice(1).find((m) => !m.sameSurroundings(first!));
      if (mismatch !== undefined) throw new NotCompilable('recordings at different sizes capture different tensors');
      const graph = unify(
        f.members.map((m) => m.rawGraph()),
        true,
      );
      // Not all of them have varied yet.
      if (axes !== null && axes.fixed(graph) !== null && f.members.length < MAX_NAMED_MEMBERS) return;
      const symbolic = new Variant(first!.recording, first!.joint, backend, name, graph);
      symbolic.seen = f.members.length;
      if (wider) f.next = symbolic;
      else f.symbolic = symbolic;
      setImmediate(() => symbolic.start()).unref();
      this.owner.note(`sizes vary: one program with the symbols ${graph.symbols.map((x) => x.name).join(', ')}`);
    } catch (e) {
      if (e instanceof Undecided && f.members.length < 3) return;
      if (wider) {
        // The one there is goes on; this size has a program of its own.
        f.members.pop();
        this.owner.note(`another size varies: ${(e as Error).message}`);
        return;
      }
      f.reason = (e as Error).message;
      if (axes !== null) throw axes.error(f.reason);
      this.owner.note(`sizes vary, and each gets its own program: ${f.reason}`);
    }
  }

  /** Recordings at other sizes of the named axes, of functions that change nothing outside and draw no numbers. */
  private probe(v: Variant, axes: NamedAxes, inputs: readonly Tensor[] | null): Variant[] {
    const { fn, backend, name } = this.owner;
    const { trace, outputsRequireGrad, captures } = v.recording;
    const pure =
      (trace.writes ?? []).length === 0 &&
      (trace.gradWrites ?? []).length === 0 &&
      !outputsRequireGrad &&
      !trace.nodes.some((n) => isRandom(n.op));
    if (!pure || inputs === null) return [];
    return [0, 1].map((round) => {
      const others = axes.elsewhere(inputs, round);
      let recorded: Recorded;
      try {
        const options = { tolerant: false, sequences: backend.sequences === true, known: captures };
        recorded = record(() => fn(...others), others, options);
      } catch (e) {
        throw axes.error((e as Error).message);
      }
      if ('interrupted' in recorded.recording) throw axes.error(recorded.recording.interrupted);
      const { inputs: _inputs, outputs: _outputs, ...kept } = recorded.recording;
      return new Variant(kept, null, backend, name);
    });
  }
}
