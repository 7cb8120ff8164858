// One recorded course of a function at one signature, on its way to a program: recorded, confirmed by an equal recording, made.
import { fromTrace } from '../frontend/trace/from_trace.js';
import { log } from '../debug/log.js';
import { isSym } from '../ir/dim.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { inputValues, producers } from '../ir/build.js';
import { printGraph } from '../ir/print.js';
import { opInfo } from '../ir/table.js';
import { native } from '../native.js';
import { optimize } from '../passes/manager.js';
import { wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { dataAssignments, replacedSince } from '../tensor/replaced.js';
import { fill } from './structure.js';
import type { Backend, Prepared, ProgramInfo, StageTimes } from './backend.js';
import { compareTraces, describeChange } from './compare.js';
import { evaluateNative } from './execute.js';
import { prepareProgram } from './flow_program.js';
import type { Recording } from './recorder.js';
import { eagerPeak } from './memory_report.js';
import { templateKey } from './structure.js';
import { splitJoint } from './split.js';

/** Captured constants up to this many elements are compared by their contents. */
const MAX_CONSTANT = 65536;

/** A recording that cannot become a program; the message is the reason for people. */
export class NotCompilable extends Error {
  override readonly name = 'NotCompilable';
  readonly code = 'ERR_FLAMBEAU_COMPILE';
}

/** The joint recording of a function whose results are differentiated by the caller. */
export interface Joint {
  /** Handles of the placeholders for the results' gradients. */
  readonly placeholders: readonly Handle[];
  /** Which results need gradients. */
  readonly roots: readonly boolean[];
  /** Leaves whose gradients were computed: an argument's position, or a captured tensor. */
  readonly leaves: readonly { readonly input: number | null; readonly handle: Handle }[];
  /** Which leaves have a gradient. */
  readonly reached: readonly boolean[];
}

export type Match = { readonly kind: 'same' } | { readonly kind: 'different'; readonly why: string };

interface Parts {
  readonly forward: Prepared;
  readonly backward: Prepared | null;
}

export class Variant {
  /** How many recordings were equal to this one. */
  seen = 1;
  /** Runs as a program so far. */
  runs = 0;
  graph: Graph | null = null;
  /** Bytes that eager code holds at its fullest; null until the graph is made. */
  eagerBytes: number | null = null;
  private parts: Parts | null = null;
  /** What each of the programs computes, in the order of `info`. */
  programs: readonly { readonly name: string; readonly graph: Graph }[] = [];
  private readonly times: StageTimes = {};
  error: Error | null = null;
  /** Guards that failed when this variant was tried. */
  readonly failures: string[] = [];
  /** The result depends on which arguments share memory: some do, or one is written. */
  readonly sharingMatters: boolean;
  /** Positions of the results that need gradients, and how their backward finds its inputs. */
  private backwardPlan: { saved: number; savedInputs: readonly number[]; backwardCaptures: readonly Handle[] } | null =
    null;

  constructor(
    readonly recording: Omit<Recording, 'inputs' | 'outputs'>,
    readonly joint: Joint | null,
    private readonly backend: Backend,
    readonly name: string,
    /** A graph with symbolic sizes, from several recordings, in place of this recording's own. */
    readonly symbolic: Graph | null = null,
  ) {
    this.times.record = recording.milliseconds;
    const captured = new Set(recording.captures.map((h) => native.storageId(h)));
    this.fields = recording.modules.flatMap(({ module }) =>
      [...module.namedParameters('', false), ...module.namedBuffers('', false)].flatMap(([name, tensor]) =>
        captured.has(native.storageId(tensor._h))
          ? [{ owner: module as unknown as Record<string, unknown>, name, tensor }]
          : [],
      ),
    );
    const { inputs, writes } = recording.trace;
    this.sharingMatters =
      recording.inputsShare || (inputs.length > 1 && (writes ?? []).some((w) => inputs.includes(w.target)));
  }

  /** True when a call with the sizes of `other` is one of those that this symbolic program is for. */
  fits(other: Variant): boolean {
    const shapes = other.rawGraph().inputs.map((v) => v.type.shape);
    return (this.symbolic?.inputs ?? []).every((v, i) => v.type.shape.every((d, k) => isSym(d) || d === shapes[i]![k]));
  }

  /** The recording as a graph, before any pass. */
  rawGraph(): Graph {
    return fromTrace(this.recording.trace, { captureNames: this.captureNames() });
  }
  /** What the program is made from: this recording's graph, or that of several. */
  sourceGraph(): Graph {
    return this.symbolic ?? this.rawGraph();
  }
  /** State-dict names of the captured tensors, where they have one. */
  captureNames(): (string | undefined)[] {
    return namesOf(this.recording);
  }

  /** Compares a later recording with this one. @throws NotCompilable for a number or tensor that varies between calls. */
  compare(later: Omit<Recording, 'inputs' | 'outputs'>): Match {
    const c = compareTraces(this.recording.trace, later.trace);
    if (c.kind === 'different') return c;
    const [a, b] = [this.recording.captures, later.captures];
    const others = a.flatMap((h, i) => (sameTensor(h, b[i]!) ? [] : [i]));
    const written = new Set((later.trace.writes ?? []).map((w) => w.target));
    for (const i of others.filter((k) => !this.isGradient(k))) {
      if (written.has(later.trace.captures[i]!))
        return { kind: 'different', why: `captured tensor ${i} is another one` };
      if (this.isPlaceholder(a[i]!)) continue;
      if (sameContents(a[i]!, b[i]!)) continue;
      const shape = native.shape(b[i]!);
      throw new NotCompilable(
        `a captured ${shape.length === 0 ? 'scalar' : `[${shape.join(', ')}]`} tensor is another one in every call${this.firstUse(i)}: pass it as an argument`,
      );
    }
    if (c.kind === 'numbers') {
      throw new NotCompilable(
        `a number varies between calls: ${c.changes.slice(0, 3).map(describeChange).join('; ')}; wrap it as fb.live(() => value), or pass a tensor`,
      );
    }
    if (templateKey(this.recording.template) !== templateKey(later.template))
      throw new NotCompilable('the result has a value besides tensors that varies between calls');
    return { kind: 'same' };
  }

  /** True when a recording at other sizes captured the same tensors and made the same kind of result. */
  sameSurroundings(other: Variant): boolean {
    const [a, b] = [this.recording, other.recording];
    return (
      a.captures.length === b.captures.length &&
      a.captures.every(
        (h, i) =>
          sameTensor(h, b.captures[i]!) ||
          this.isGradient(i) ||
          (this.isPlaceholder(h) && other.isPlaceholder(b.captures[i]!)) ||
          sameContents(h, b.captures[i]!),
      ) &&
      sameGradients(this.joint, other.joint) &&
      templateKey(a.template) === templateKey(b.template) &&
      a.thunks.length === b.thunks.length &&
      a.modules.length === b.modules.length &&
      a.modules.every((m, i) => m.module === b.modules[i]!.module && m.training === b.modules[i]!.training)
    );
  }

  /** True for a capture that is the gradient of a leaf, in a program that writes: it is looked up in every run. */
  private isGradient(capture: number): boolean {
    const { gradReads, captures, writes, gradWrites } = this.recording.trace;
    const changes = (writes ?? []).length + (gradWrites ?? []).length > 0;
    return changes && (gradReads ?? []).some((r) => r.capture !== null && r.capture === captures[capture]);
  }
  private isPlaceholder(h: Handle): boolean {
    return this.joint !== null && this.joint.placeholders.some((p) => sameTensor(p, h));
  }
  private firstUse(capture: number): string {
    const id = this.recording.trace.captures[capture];
    const node = this.recording.trace.nodes.find((n) => n.in.some((o) => o === id));
    return node === undefined ? '' : ` (first used by '${node.op}'${node.site ? ` at ${node.site}` : ''})`;
  }

  /** Makes the graph and starts the build, once. Errors are kept in `error`. */
  start(): void {
    if (this.parts !== null || this.error !== null) return;
    try {
      this.prepare();
    } catch (e) {
      this.error = e as Error;
    }
  }

  private prepare(): void {
    const { recording: r, joint } = this;
    let at = performance.now();
    const raw = this.sourceGraph();
    refuseLateGuards(raw);
    refuseAliases(raw, joint === null ? raw.outputs.length : joint.roots.length);
    log('graph', () => `${this.name}, as recorded:\n${printGraph(raw)}`);
    this.eagerBytes = eagerPeak(raw);
    this.times.graph = performance.now() - at;
    at = performance.now();
    const graph = optimize(raw, { evaluate: evaluateNative });
    this.times.passes = performance.now() - at;
    log('graph', () => `${this.name}, optimised:\n${printGraph(graph)}`);
    this.graph = graph;
    const context = { captures: r.captures, inputsRequireGrad: r.inputsRequireGrad, name: this.name };
    if (joint === null) {
      this.programs = [{ name: this.name, graph }];
      this.parts = { forward: prepareProgram(this.backend, graph, context), backward: null };
      return;
    }
    const outside = new Set([...graph.inputs, ...graph.captures]);
    if (joint.roots.some((root, i) => root && outside.has(graph.outputs[i]!)))
      throw new NotCompilable(
        'a result that requires grad is an argument or captured tensor itself; return a clone of it',
      );
    const placeholderAt = joint.placeholders.map((p) => {
      const i = r.captures.findIndex((c) => sameTensor(c, p));
      if (i < 0) throw new NotCompilable('a result does not depend on its gradient');
      return i;
    });
    const placeholders = placeholderAt.map((i) => graph.captures[i]!);
    const parts = splitJoint(graph, placeholders, joint.roots.length);
    const handleOf = (v: Value): Handle => r.captures[graph.captures.indexOf(v)]!;
    const backwardCaptures = parts.backward.captures.map(handleOf);
    this.backwardPlan = {
      saved: parts.saved.length,
      savedInputs: parts.savedInputs.map((v) => graph.inputs.indexOf(v)),
      backwardCaptures,
    };
    log(
      'graph',
      () =>
        `${this.name}, forward:\n${printGraph(parts.forward)}\n${this.name}, backward:\n${printGraph(parts.backward)}`,
    );
    this.programs = [
      { name: 'forward', graph: parts.forward },
      { name: 'backward', graph: parts.backward },
    ];
    this.parts = {
      forward: prepareProgram(this.backend, parts.forward, {
        captures: parts.forward.captures.map(handleOf),
        inputsRequireGrad: r.inputsRequireGrad,
        name: this.name,
      }),
      backward: prepareProgram(this.backend, parts.backward, {
        captures: backwardCaptures,
        inputsRequireGrad: parts.backward.inputs.map((v) => this.savedRequiresGrad(graph, v)),
        name: `${this.name} backward`,
      }),
    };
  }

  private savedRequiresGrad(graph: Graph, v: Value): boolean {
    const at = graph.inputs.indexOf(v);
    return at >= 0 && this.recording.inputsRequireGrad[at]!;
  }

  private each(): Prepared[] {
    if (this.parts === null) return [];
    return this.parts.backward === null ? [this.parts.forward] : [this.parts.forward, this.parts.backward];
  }

  /** True when the program may serve calls: made, and confirmed by a second recording. */
  get runnable(): boolean {
    return this.seen >= 2 && this.made;
  }
  /** True when the program is made. */
  get made(): boolean {
    if (this.parts === null || this.error !== null) return false;
    for (const p of this.each()) {
      const state = p.poll();
      if (state === 'failed') this.error = p.error ?? new Error('the program could not be made');
      if (state !== 'done') return false;
    }
    return true;
  }
  async wait(): Promise<void> {
    await Promise.all(this.each().map((p) => p.wait()));
    void this.made;
  }

  /** Parameters and buffers of the called modules that the graph captured: fields that may be replaced by others. */
  private readonly fields: readonly {
    readonly owner: Record<string, unknown>;
    readonly name: string;
    readonly tensor: Tensor;
  }[];

  /** Assignments to `data` up to which the captured tensors are known to have the memory that was recorded. */
  private assignments = dataAssignments();
  private replaced = false;

  /**
   * True when the modules that the function called are in the mode, and have the parameters, that were recorded, and no captured tensor
   * was given other memory.
   */
  get modulesHold(): boolean {
    if (this.assignments !== dataAssignments()) {
      this.replaced ||= this.recording.captures.some((h) => replacedSince(h, this.assignments));
      this.assignments = dataAssignments();
    }
    if (this.replaced) return false;
    if (!this.recording.holds()) return false;
    for (const m of this.recording.modules) if (m.module.training !== m.training) return false;
    for (const f of this.fields) if (f.owner[f.name] !== f.tensor) return false;
    return true;
  }

  /** Runs the program: the function's result, or the guard that failed. */
  run(
    inputs: readonly Handle[],
    tensors: readonly Tensor[],
  ): { readonly failed: string } | { readonly value: unknown } {
    const { thunks, template } = this.recording;
    const scalars = thunks.length === 0 ? NO_SCALARS : thunks.map((t) => t());
    const outputs = this.parts!.forward.run(inputs, scalars);
    if (typeof outputs === 'string') return { failed: outputs };
    this.runs++;
    if (this.joint !== null) this.attachBackward(inputs, outputs, scalars);
    if (template.kind === 'tensor') return { value: wrap(outputs[template.index]!) };
    const made: Tensor[] = [];
    const count = this.joint === null ? outputs.length : this.joint.roots.length;
    for (let i = 0; i < count; i++) made.push(wrap(outputs[i]!));
    return { value: fill(template, made, tensors) };
  }

  /** `run` off the event loop: for variants without a backward of their own. */
  async runAsync(
    inputs: readonly Handle[],
    tensors: readonly Tensor[],
  ): Promise<{ readonly failed: string } | { readonly value: unknown }> {
    const { thunks, template } = this.recording;
    const outputs = await this.parts!.forward.runAsync(
      inputs,
      thunks.length === 0 ? NO_SCALARS : thunks.map((t) => t()),
    );
    if (typeof outputs === 'string') return { failed: outputs };
    this.runs++;
    return { value: fill(template, outputs.map(wrap), tensors) };
  }

  /** Gives the results a gradFn that runs the backward program. */
  private attachBackward(inputs: readonly Handle[], outputs: readonly Handle[], scalars: readonly number[]): void {
    const joint = this.joint!;
    const plan = this.backwardPlan!;
    const backward = this.parts!.backward!;
    const results = joint.roots.length;
    const saved = [...outputs.slice(results, results + plan.saved), ...plan.savedInputs.map((i) => inputs[i]!)];
    const meta = joint.roots.flatMap((root, i) => (root ? [outputs[i]!] : []));
    const shapes = meta.map((h) => [native.shape(h), native.dtype(h)] as const);
    native.customFunction(
      joint.leaves.map((l) => (l.input === null ? l.handle : inputs[l.input]!)),
      joint.roots.map((root, i) => (root ? outputs[i]! : null)),
      (grads: readonly (Handle | null)[], kept: readonly (Handle | null)[]): (Handle | null)[] => {
        if (grads.some((g) => g !== null && native.requiresGrad(g)))
          throw new Error(
            'the backward of a compiled function cannot be differentiated again (createGraph); call the original function instead',
          );
        const given = joint.roots.flatMap((root, i) => (root ? [grads[i] ?? null] : []));
        const placeholders = given.map((g, i) =>
          g === null
            ? native.ops.full(shapes[i]![0] as number[], 0, shapes[i]![1])
            : native.isContiguous(g)
              ? g
              : native.ops.clone(native.ops.contiguous(g)),
        );
        const found = backward.run([...placeholders, ...(kept as readonly Handle[]).slice(0, saved.length)], scalars);
        if (typeof found === 'string') throw new Error(`the compiled backward cannot run: ${found}`);
        let next = 0;
        return joint.reached.map((r) => (r ? found[next++]! : null));
      },
      'CompiledBackward0',
      // Captured tensors are saved for their version check only: changing them before backward is the user's error.
      [...saved, ...plan.backwardCaptures],
    );
  }

  get info(): ProgramInfo[] {
    return this.each().map((p) => ({ ...p.info, times: { ...this.times, ...p.info.times } }));
  }
}

/** True when both differentiate the same results by the same leaves. */
function sameGradients(a: Joint | null, b: Joint | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    String(a.roots) === String(b.roots) &&
    String(a.reached) === String(b.reached) &&
    a.leaves.length === b.leaves.length &&
    a.leaves.every(
      (l, i) => l.input === b.leaves[i]!.input && (l.input !== null || sameTensor(l.handle, b.leaves[i]!.handle)),
    )
  );
}

/** State-dict names of the captured tensors, from the modules that were called (the outermost first). */
function namesOf(r: Omit<Recording, 'inputs' | 'outputs'>): (string | undefined)[] {
  const place = (h: Handle): string => `${native.storageId(h)}:${native.offset(h)}`;
  const names = new Map<string, string>();
  for (const { module } of r.modules) {
    for (const [name, t] of [...module.namedParameters(), ...module.namedBuffers()]) {
      if (!names.has(place(t._h))) names.set(place(t._h), name);
    }
  }
  const used = new Set<string>();
  return r.captures.map((h) => {
    const name = names.get(place(h));
    if (name === undefined || used.has(name)) return undefined;
    used.add(name);
    return name;
  });
}

const NO_SCALARS: readonly number[] = [];

/** True when two handles are the same view of the same memory. */
export function sameTensor(a: Handle, b: Handle): boolean {
  return (
    a === b ||
    native.isSame(a, b) ||
    (native.sharesStorage(a, b) &&
      native.offset(a) === native.offset(b) &&
      native.dtype(a) === native.dtype(b) &&
      String(native.shape(a)) === String(native.shape(b)) &&
      String(native.strides(a)) === String(native.strides(b)))
  );
}

function sameContents(a: Handle, b: Handle): boolean {
  if (
    native.dtype(a) !== native.dtype(b) ||
    String(native.shape(a)) !== String(native.shape(b)) ||
    native.numel(a) > MAX_CONSTANT
  )
    return false;
  const [x, y] = [native.toTypedArray(a), native.toTypedArray(b)];
  for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false;
  return true;
}

/** A shape that depends on values is known in the middle of a run: too late for a program that writes. */
function refuseLateGuards(g: Graph): void {
  const varies = g.nodes.find((n) => {
    const info = opInfo(n.op);
    return info?.kind === 'extern' && info.dataDependent === true;
  });
  if (varies !== undefined && g.writes.length + g.gradWrites.length > 0)
    throw new NotCompilable(
      `the shape of a result of '${varies.op}' depends on values${varies.site ? ` (${varies.site})` : ''}, and the function writes to tensors from outside`,
    );
}

/** A result that is a view of an argument or captured tensor shares its memory; a program's results do not. */
function refuseAliases(g: Graph, results: number): void {
  const by = producers(g);
  const outside = new Set([...g.inputs, ...g.captures]);
  for (const out of g.outputs.slice(0, results)) {
    let v: Value = out;
    let n: Node | undefined = by.get(v);
    while (n !== undefined && opInfo(n.op)?.kind === 'view') {
      v = inputValues(n.inputs[0]!)[0]!;
      n = by.get(v);
    }
    if (v !== out && outside.has(v))
      throw new NotCompilable(
        `a result is a view of an argument or captured tensor ('${by.get(out)!.op}'); return a clone of it`,
      );
  }
}
