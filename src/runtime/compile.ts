// fb.compile: a function whose calls are recorded while they run eagerly, and then served by a program.
//
// The first call at a signature (dtypes, shapes, strides, structure of the arguments) runs eagerly and is recorded; so is every
// call until the program is made. A program serves calls only after two equal recordings: a number that differed between
// them, or a tensor made anew in every call, would otherwise be frozen silently.
import { log, notice } from '../debug/log.js';
import { CompilerMissing } from '../build/compiler.js';
import { native } from '../native.js';
import { isTensor, unwrap, type Handle, type Tensor } from '../tensor/handle.js';
import { printType } from '../ir/print.js';
import { findBackend, type Backend } from './backend.js';
import './cpp_backend.js';
import './cuda_backend.js';
import { Explanation } from './explain.js';
import { Families } from './families.js';
import { graphReport } from './graph_report.js';
import { machineLimits } from './machine_limits.js';
import { compileObserver } from './observe.js';
import { DynamicAxisError, NamedAxes, type DynamicAxes } from './dynamic_axes.js';
import { JointRecorder } from './joint_recorder.js';
import { record, type Recorded, type Recording } from './recorder.js';
import { callKind, familyKey, signatureChange, signatureKey, signatureText, type CallKind } from './signature.js';
import { flatten, type Flat } from './structure.js';
import { NotCompilable, Variant, type Joint } from './variant.js';

export interface CompileOptions {
  /**
   * Make sizes that vary symbolic where that is possible (default true); false: one program per shape. Axes by tensor and name
   * (`[{ 0: 'batch' }, { 0: 'batch' }]`): those never get a program of one size, and a function that forces a size is an error.
   */
  readonly dynamic?: boolean | DynamicAxes;
  /** Throw instead of falling back to eager calls. */
  readonly fullgraph?: boolean;
  /** 'cpp' (default), or 'interpret': op by op on the prebuilt kernels. */
  readonly backend?: string;
}

export interface ExplainOptions {
  /** Also measure what this machine reaches (once; it is kept), so that kernels stand beside it. */
  readonly limits?: boolean;
}

/** What compile gives: the same function, and what is known about its programs. */
export interface CompiledFunction<A extends readonly unknown[], R> {
  (...args: A): R;
  /**
   * Waits until everything recorded so far is built. True when the latest signature is served by its program from now on;
   * false while another call must confirm the recording, or when it stays eager (`explain()` says why).
   *
   * @example do step(x, t); while (!(await step.ready()));
   */
  ready(): Promise<boolean>;
  /** What was compiled, how long it took, and why something was not. Prints as text (docs/explain.md). */
  explain(options?: ExplainOptions): Explanation;
  /**
   * The call off the event loop: the program runs on one of Node's worker threads, several calls at once. Until a program serves, and
   * for results that require grad, it is an ordinary call. Arguments must not be written before the promise settles.
   * @throws (rejects) ERR_FLAMBEAU_VALUE for a function that changes tensors from outside (a training step) or whose argument was written
   */
  runAsync(...args: A): Promise<R>;
}

const MAX_VARIANTS = 8;
const MAX_FAILURES = 8;
const MAX_SIGNATURES = 16;
interface Signature {
  readonly key: string;
  /** The key without the sizes: signatures that one symbolic program may serve. Null: not for symbolic programs. */
  readonly family: string | null;
  readonly text: string;
  readonly call: CallKind;
  readonly variants: Variant[];
  /** Stays eager because of this. */
  reason: string | null;
  /** The results carry history and no backward runs inside: compile forward and backward separately. */
  differentiable: boolean;
  /** What the last recording captured; the joint recording asks for the gradients of these. */
  captures: readonly Handle[];
}

/** The state behind one compiled function. */
class Compiled {
  readonly signatures = new Map<string, Signature>();
  private readonly families: Families;
  readonly recompiles: string[] = [];
  readonly backend: Backend;
  readonly calls = { compiled: 0, eager: 0 };
  /** Everything stays eager because of this. */
  disabled: string | null = null;
  /** Axes that the caller named as dynamic, and how the function closed one. */
  readonly axes: NamedAxes | null;
  private axisError: DynamicAxisError | null = null;
  /** Arguments of the latest recording, when they are tensors alone. */
  private latestInputs: readonly Tensor[] | null = null;
  private hot: Variant | null = null;
  /** Structure of the hot variant's arguments, and their number when all are distinct tensors (else -1). */
  private hotKey = '';
  private hotCount = -1;
  /** The tensors among the latest arguments, when they are not simply the arguments. */
  private hotTensors: readonly Tensor[] | null = null;
  latest: Signature | null = null;

  constructor(
    readonly fn: (...args: unknown[]) => unknown,
    readonly name: string,
    readonly options: CompileOptions,
  ) {
    this.backend = findBackend(options.backend ?? 'cpp');
    this.axes = typeof options.dynamic === 'object' ? new NamedAxes(name, options.dynamic) : null;
    this.families = new Families(this);
  }

  call(args: unknown[]): unknown {
    const hot = this.hot;
    if (
      hot !== null &&
      hot.modulesHold &&
      hot.recording.gradEnabled === native.gradEnabled() &&
      !native.traceActive()
    ) {
      const inputs = this.hotInputs(args);
      if (inputs !== null) {
        const r = hot.run(inputs, this.hotTensors ?? (args as Tensor[]));
        if ('value' in r) {
          this.calls.compiled++;
          return r.value;
        }
        log('guards', () => `${this.name}: ${r.failed}`);
      }
    }
    return this.callSlowly(args);
  }

  async callAsync(args: unknown[]): Promise<unknown> {
    if (this.disabled !== null || native.traceActive()) return this.call(args);
    const { flat, call, family } = this.describeCall(args);
    const symbolic = this.families.symbolic(family);
    const own = this.signatures.get(signatureKey(call))?.variants ?? [];
    for (const v of symbolic === null ? own : [symbolic, ...own]) {
      if (!v.runnable || !v.modulesHold || v.joint !== null) continue;
      const r = await v.runAsync(flat.tensors.map(unwrap), flat.tensors);
      if ('value' in r) {
        this.calls.compiled++;
        return r.value;
      }
      log('guards', () => `${this.name}: ${r.failed}`);
    }
    return this.call(args);
  }

  /** Handles of the arguments when they have the structure of the hot variant's, else null. */
  private hotInputs(args: unknown[]): Handle[] | null {
    if (args.length !== this.hotCount) {
      if (this.hotCount >= 0) return null;
      const flat = flatten(args);
      this.hotTensors = flat.tensors;
      return flat.key === this.hotKey ? flat.tensors.map(unwrap) : null;
    }
    const inputs: Handle[] = new Array<Handle>(args.length);
    for (let i = 0; i < args.length; i++) {
      const a = args[i];
      if (!isTensor(a)) return null;
      for (let k = 0; k < i; k++) if (args[k] === a) return null;
      inputs[i] = a._h;
    }
    return inputs;
  }

  private callSlowly(args: unknown[]): unknown {
    // A compiled function called inside another one's recording becomes part of it.
    if (this.disabled !== null || native.traceActive()) return this.eager(args);
    const { flat, call, family } = this.describeCall(args);
    const served = this.tryFamily(family, flat, args.length);
    if (served !== null) return served.value;
    if (this.axes !== null) {
      if (this.axisError !== null) throw this.axisError;
      // Extents 0 and 1 broadcast: they are not what a program for all sizes computes.
      if ([...this.axes.sizes(flat.tensors).values()].some((n) => n < 2)) return this.eager(args);
    }
    const signature = this.signatureOf(call, family);
    if (signature === null) return this.eager(args);
    this.latest = signature;
    if (signature.reason !== null) return this.eager(args);
    const inputs = flat.tensors.map(unwrap);
    for (const v of this.axes === null ? signature.variants : []) {
      if (!v.runnable || !v.modulesHold) {
        if (v.error !== null) return this.giveUp(signature, v.error, () => this.eager(args));
        continue;
      }
      const r = v.run(inputs, flat.tensors);
      if ('value' in r) {
        this.makeHot(v, flat, args.length);
        this.calls.compiled++;
        return r.value;
      }
      log('guards', () => `${this.name} (${signature.text}): ${r.failed}`);
      this.note(`${signature.text}: ${r.failed}`);
      v.failures.push(r.failed);
    }
    return this.recordCall(args, flat, signature);
  }

  /** What selects the program of a call. */
  private describeCall(args: unknown[]): {
    readonly flat: Flat;
    readonly call: CallKind;
    readonly family: string | null;
  } {
    const flat = flatten(args);
    const call = callKind(flat);
    return { flat, call, family: this.options.dynamic === false ? null : familyKey(call) };
  }

  private eager(args: unknown[]): unknown {
    this.calls.eager++;
    return this.fn(...args);
  }

  private makeHot(v: Variant, flat: Flat, count: number): void {
    // Which arguments share memory is part of the signature; where it matters, every call is looked up by it.
    this.hot = v.sharingMatters ? null : v;
    this.hotTensors = null;
    this.hotKey = flat.key;
    this.hotCount = count > 0 && count <= 16 && flat.key === new Array(count).fill('T').join(',') ? count : -1;
  }

  /** The result of the program for all sizes, when there is one and its guards hold. */
  private tryFamily(key: string | null, flat: Flat, count: number): { readonly value: unknown } | null {
    const v = this.families.symbolic(key);
    if (v === null || !v.runnable || !v.modulesHold) return null;
    const r = v.run(flat.tensors.map(unwrap), flat.tensors);
    if ('value' in r) {
      this.makeHot(v, flat, count);
      this.calls.compiled++;
      return r;
    }
    log('guards', () => `${this.name} (symbolic): ${r.failed}`);
    return null;
  }

  private signatureOf(call: CallKind, family: string | null): Signature | null {
    const key = signatureKey(call);
    const have = this.signatures.get(key);
    if (have !== undefined) return have;
    if (this.signatures.size >= MAX_SIGNATURES) {
      const why = `more than ${MAX_SIGNATURES} different signatures (the last: ${signatureText(call)}; ${call.structure})`;
      this.note(why);
      notice(
        `${this.name}: ${why}: new ones run eagerly. Pass numbers that vary as tensors or as fb.live(() => value)`,
        `limit ${this.name}`,
      );
      return null;
    }
    if (this.latest !== null)
      this.note(`new signature ${signatureText(call)}: ${signatureChange(this.latest.call, call)}`);
    // What calls at other sizes have shown holds here as well.
    const known = [...this.signatures.values()].find((x) => family !== null && x.family === family && x.differentiable);
    const made: Signature = {
      key,
      family,
      text: signatureText(call),
      call,
      variants: [],
      reason: null,
      differentiable: known !== undefined,
      captures: known?.captures ?? [],
    };
    this.signatures.set(key, made);
    return made;
  }

  note(why: string): void {
    if (this.recompiles.length < 100) this.recompiles.push(why);
  }

  private recordCall(args: unknown[], flat: Flat, s: Signature): unknown {
    this.calls.eager++;
    const joint = s.differentiable ? new JointRecorder(flat.tensors, s.captures) : null;
    let recorded: Recorded;
    try {
      recorded = record(() => this.fn(...args), flat.tensors, {
        tolerant: this.options.fullgraph !== true,
        sequences: this.backend.sequences === true,
        known: s.captures,
        ...(joint === null ? {} : { epilogue: (outputs: readonly Tensor[]) => joint.differentiate(outputs) }),
      });
    } catch (e) {
      // With fullgraph, an op that the recorder cannot express ended the function half way.
      if ((e as { code?: unknown }).code === 'ERR_FLAMBEAU_TRACE' && s.reason === null) {
        s.reason = (e as Error).message;
        notice(`${this.name} runs eagerly from now on: ${s.reason}`);
      }
      throw e;
    }
    const { value, recording } = recorded;
    this.latestInputs = args.every(isTensor) ? flat.tensors : null;
    if ('interrupted' in recording) return this.giveUp(s, new NotCompilable(recording.interrupted), () => value);
    try {
      this.learn(s, recording, joint?.joint ?? null);
    } catch (e) {
      if (e instanceof DynamicAxisError) throw (this.axisError = e);
      return this.giveUp(s, e as Error, () => value);
    }
    return value;
  }

  /** Files a recording: confirms the variant it equals, or becomes a new one. */
  private learn(s: Signature, recording: Recording, joint: Joint | null): void {
    const { inputs: _inputs, outputs: _outputs, ...kept } = recording;
    s.captures = recording.captures;
    if (recording.outputsRequireGrad && (recording.trace.gradWrites ?? []).length === 0 && joint === null) {
      // The caller will differentiate the results: the next recording runs the backward too.
      s.differentiable = true;
      return;
    }
    let last = '';
    for (const v of s.variants) {
      if (!v.modulesHold) {
        last = 'a module is in another mode or has other parameters';
        continue;
      }
      const m = v.compare(kept);
      if (m.kind === 'different') {
        last = m.why;
        continue;
      }
      v.seen++;
      if (this.axes === null) v.start();
      if (v.error !== null) throw v.error;
      if (v.failures.length >= MAX_FAILURES && v.runs < v.failures.length) {
        throw new NotCompilable(`a guard fails in call after call, though they do the same: ${v.failures.at(-1)}`);
      }
      return;
    }
    if (s.variants.length > 0) this.note(`${s.text}: the call took another course: ${last}`);
    if (s.variants.length >= MAX_VARIANTS)
      throw new NotCompilable(`calls take different courses every time (the last difference: ${last})`);
    const v = new Variant(kept, joint, this.backend, this.name);
    s.variants.push(v);
    this.families.join(s.family, v, s.variants, this.latestInputs);
    // Not at once: in a synchronous loop the next call shows first whether this recording lasts (the first training step may
    // differ from all others).
    if (this.axes === null && this.families.symbolic(s.family) === null) setImmediate(() => v.start()).unref();
  }

  /** Eager from now on for this signature (or altogether), with one notice; throws with `fullgraph`. */
  private giveUp(s: Signature, error: Error, value: () => unknown): unknown {
    s.reason = error.message;
    if (this.hot !== null && s.variants.includes(this.hot)) this.hot = null;
    if (this.options.fullgraph === true) throw error;
    if (error instanceof CompilerMissing) {
      this.disabled = error.message;
      notice(`${error.message}. Compiled functions run op by op on the prebuilt kernels`, 'compiler-missing');
    } else {
      notice(`${this.name} runs eagerly: ${error.message}`);
    }
    return value();
  }

  async ready(): Promise<boolean> {
    const symbolic = this.families.started;
    const all = [...[...this.signatures.values()].flatMap((s) => s.variants), ...symbolic];
    for (const v of all) if (symbolic.includes(v) || (this.axes === null && !this.families.covers(v))) v.start();
    await Promise.all(all.map((v) => v.wait()));
    this.families.settle();
    for (const s of this.signatures.values()) {
      const failed = s.variants.find((v) => v.error !== null);
      if (failed !== undefined && s.reason === null) this.giveUp(s, failed.error!, () => undefined);
    }
    const latest = this.latest;
    if (latest === null || latest.reason !== null) return false;
    return latest.variants.some((v) => v.runnable) || this.families.symbolic(latest.family)?.runnable === true;
  }

  explain({ limits = false }: ExplainOptions = {}): Explanation {
    const graphs = [...this.signatures.values()].flatMap((s) => s.variants.map((v) => graphReport(s.text, v)));
    for (const v of this.families.served)
      graphs.push(graphReport(v.symbolic!.inputs.map((x) => printType(x.type)).join(', '), v));
    const reasons = [
      ...(this.disabled === null ? [] : [this.disabled]),
      ...[...this.signatures.values()].flatMap((s) => (s.reason === null ? [] : [`${s.text}: ${s.reason}`])),
    ];
    return new Explanation(
      this.name,
      { ...this.calls },
      graphs,
      [...this.recompiles],
      [...new Set(reasons)],
      limits ? machineLimits() : null,
    );
  }
}

/**
 * Compiles a function of tensors: forward, loss, backward and optimizer steps become one generated program. The first calls run
 * eagerly and are recorded; later ones run the program when it is built.
 *
 * Arguments and results may be tensors, arrays and plain objects of them, and other values; numbers and strings among the
 * arguments select the program by their value. Numbers from elsewhere that vary between calls belong in `fb.live`.
 *
 * @example const step = fb.compile((x, t) => { const loss = F.mseLoss(net(x), t); opt.zeroGrad(); loss.backward(); opt.step(); return loss; });
 */
export function compile<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  options: CompileOptions = {},
): CompiledFunction<A, R> {
  if (typeof fn !== 'function')
    throw new TypeError(`compile: expected a function, got ${fn === null ? 'null' : typeof fn}`);
  const ctor = (fn as { constructor?: { name?: string } }).constructor?.name;
  const name =
    (typeof fn.name === 'string' && fn.name) ||
    (ctor !== 'Function' && ctor !== undefined ? ctor : 'compiled function');
  const c = new Compiled(fn as unknown as (...args: unknown[]) => unknown, name, options);
  const f = (...args: A): R => c.call(args as unknown as unknown[]) as R;
  const compiled = Object.assign(f, {
    ready: () => c.ready(),
    explain: (o?: ExplainOptions) => c.explain(o),
    runAsync: (...args: A) => c.callAsync(args as unknown as unknown[]) as Promise<R>,
  });
  compileObserver()?.compiled(compiled);
  return compiled;
}
