// Op graph → defs (maps, reductions, library steps). Driven by the op table: a pointwise or reduction op needs no code here; the few ops
// that are index arithmetic or data-dependent loads are in lower_ops.ts; everything else becomes a library step.
import { type DType, type Dim, type Graph, type Input, type Node, type Value } from '../ir/graph.js';
import { inputValues } from '../ir/build.js';
import { addDims, productOf, sameDim } from '../ir/dim.js';
import { isFloatType, isIntegralType, itemBytes, resultType } from '../ir/dtype.js';
import { type OpInfo, type Param, type PointwiseInfo, type ReductionInfo, type ScanInfo } from '../ir/opinfo.js';
import {
  type Def,
  type How,
  type Lowered,
  type Reduce,
  type Step,
  type StepInput,
  type StepTensor,
  type View,
} from './defs.js';
import { blockedShape, blockedValues, blocksOf, imageIndex, imageOf } from './blocked.js';
import { computeType, literalAs } from './dtype.js';
import { type LExpr, bound, lConst, lCvt, lLive, lOp, lRead, lScalar, lStoreAs } from './expr.js';
import { type Index, ixAxis, newAxis } from './indexing.js';
import { broadcastIndex, clean, expandReduced, isIdentity, sameShapeDims, scalarOf } from './lower_util.js';
import { type Cuts, inParts, type Folding } from './parts.js';
import { fold, oneHot, variance } from './reductions.js';
import { scanned } from './scans.js';
import { isGathered, stridedTensor } from './strided.js';
import { refinedShapes, reshapeIndex, reshaped } from './refine.js';
import { Attrs, isContiguous, viewMap, wrapAxis } from './views.js';
import { type Binding, type ComputeType, isFloat } from './typing.js';

/** Lowers one node; true when it made the node's values, false to leave the node to the general rules. */
export type NodeRule = (l: Lowering, n: Node, a: Attrs) => boolean;
export type OpLookup = (op: string) => OpInfo | undefined;
/** What the target does better or differently. */
export interface Choices {
  /** Images stay in blocks of channels between convolutions. */
  readonly blocks: boolean;
  /** The library has attention in tiles. */
  readonly tiles: boolean;
  /** The library's pooling is better than a kernel that only pools. */
  readonly pools: boolean;
  /** The library shares a single line of running values among vector lanes. */
  readonly lines: boolean;
  /** Integer division by a zero in a tensor throws (CUDA's does not). */
  readonly checkDivisors: boolean;
}

const OPERANDS: ReadonlySet<Param['type']> = new Set([
  'Tensor',
  'Tensor?',
  'Tensor[]',
  'Tensor?[]',
  'Operand',
  'Operand?',
]);

/** Ops that the library computes with a relu on the way out. */
const EPILOGUES: ReadonlySet<string> = new Set(['linear', 'convolution']);

export class Lowering {
  readonly values = new Map<Value, View>();
  readonly defs: Def[] = [];
  readonly steps: Step[] = [];
  readonly inputs: Def[] = [];
  readonly errors: string[] = [];
  random: Dim = 0;
  private readonly uses = new Map<Value, Node[]>();
  private readonly roots = new Set<Value>();
  private readonly fusedAway = new Map<Node, View>();
  /** Constants that integers may be divided by: numbers of scripted code are tensors. */
  private readonly nonzero = new Set<Value>();
  /** Images that are kept in blocks of channels (blocked.ts). */
  private blocked: ReadonlySet<Value> = new Set();
  /** Values that are computed over another shape than their own (refine.ts). */
  private refined: ReadonlyMap<Value, readonly Dim[]> = new Map();
  private nextId = 0;
  private nextReduce = 0;

  constructor(
    readonly graph: Graph,
    readonly lookup: OpLookup,
    /** Matrix products up to M*N*K become loops. */
    readonly smallMatmul: number,
    readonly cuts: Cuts,
    /** Ops with a rule of their own. */
    private readonly rules: Readonly<Record<string, NodeRule>>,
    /** Those that become library steps all the same, most of the time. */
    private readonly stepOps: ReadonlySet<string>,
    readonly choices: Choices,
  ) {}

  // ---- building defs ----

  def(name: string, shape: readonly Dim[], dtype: DType, how: How, node?: Node): Def {
    const d: Def = {
      id: this.nextId++,
      name: clean(name),
      shape,
      dtype,
      how,
      required: false,
      ...(node ? { node } : {}),
    };
    if (how.k === 'input') this.inputs.push(d);
    else this.defs.push(d);
    return d;
  }
  map(name: string, shape: readonly Dim[], dtype: DType, body: (idx: readonly Index[]) => LExpr, node?: Node): Def {
    return this.def(name, shape, dtype, { k: 'map', body: (idx) => lStoreAs(body(idx), dtype) }, node);
  }
  reduce(
    name: string,
    r: Folding,
    shapes: readonly { shape: readonly Dim[]; dtype: DType }[],
    node?: Node,
    /** Nothing else walks the operand, so a walk in parts costs no other kernel its own. */
    alone = false,
  ): Def[] {
    if (r.inShape.every((e, d) => !r.reduced[d] || sameDim(e, 1))) {
      // Nothing is folded: one combine and finish, element by element.
      return shapes.map((s, k) =>
        this.map(
          name,
          s.shape,
          s.dtype,
          (idx) => {
            const init = r.states.map((x) => lConst(x.init, x.type));
            const at = expandReduced(idx, s.shape, r);
            return r.finish(r.combine(init, r.elem(at), lConst(0, 'i64'), r.more?.(at) ?? []))[k]!;
          },
          node,
        ),
      );
    }
    const hit = oneHot(r);
    if (hit !== null)
      return shapes.map((s, k) =>
        this.map(name, s.shape, s.dtype, (idx) => r.finish([hit(expandReduced(idx, s.shape, r))])[k]!, node),
      );
    const parts = alone ? inParts(r, this.cuts) : null;
    if (parts) {
      const [part] = this.reduce(`${name}.part`, parts.first, [parts], node);
      return this.reduce(name, parts.second(part!), shapes, node);
    }
    const reduce: Reduce = { ...r, id: this.nextReduce++, name, results: [] };
    shapes.forEach((s, index) =>
      reduce.results.push(this.def(name, s.shape, s.dtype, { k: 'result', reduce, index }, node)),
    );
    return reduce.results;
  }
  /** Running values: results of the operand's shape. */
  running(name: string, r: Folding, shapes: readonly { shape: readonly Dim[]; dtype: DType }[], node: Node): Def[] {
    if (r.inShape.every((e, d) => !r.reduced[d] || sameDim(e, 1))) return this.reduce(name, r, shapes, node);
    const reduce: Reduce = { ...r, id: this.nextReduce++, name, results: [] };
    shapes.forEach((s, index) =>
      reduce.results.push(this.def(name, s.shape, s.dtype, { k: 'result', reduce, index }, node)),
    );
    return reduce.results;
  }
  view(d: Def): View {
    return { shape: d.shape, dtype: d.dtype, at: (idx) => lRead(d, idx) };
  }
  isBlocked(v: Value): boolean {
    return this.blocked.has(v);
  }
  /** The map that computes a value of the graph, in the order in which the value is kept. */
  mapOf(v: Value, name: string, body: (idx: readonly Index[]) => LExpr, node: Node): View {
    const { shape, dtype } = v.type;
    const refined = this.refined.get(v);
    if (refined)
      return reshaped(
        this.view(this.map(name, refined, dtype, (idx) => body(reshapeIndex(idx, refined, shape)), node)),
        shape,
      );
    if (!this.blocked.has(v)) return this.view(this.map(name, shape, dtype, body, node));
    return imageOf(this.view(this.map(name, blockedShape(shape), dtype, (idx) => body(imageIndex(idx)), node)), shape);
  }

  // ---- operands ----

  viewOf(v: Value): View {
    const x = this.values.get(v);
    if (!x) throw new Error(`value %${v.id} is read before it is computed`);
    return x;
  }
  /** Number of reads of a value, results of the graph included. */
  useCount(v: Value): number {
    return (this.uses.get(v)?.length ?? 0) + (this.roots.has(v) ? 1 : 0);
  }
  usersOf(v: Value): readonly Node[] {
    return this.uses.get(v) ?? [];
  }
  /** Whether a kernel computes the node's first operand for this node alone. */
  isComputedFor(n: Node): boolean {
    const i = n.inputs[0];
    if (i?.kind !== 'value' || this.useCount(i.value) > 1) return false;
    const v = this.viewOf(i.value);
    const e = v.at(v.shape.map((d, k) => ixAxis(newAxis(`d${k}`, d))));
    return e.k !== 'read' || (e.src as Def).how.k === 'map';
  }
  operand(i: Input | undefined): ((idx: readonly Index[]) => Binding<LExpr>) | null {
    if (!i || i.kind === 'none' || i.kind === 'list') return null;
    if (i.kind === 'const') return () => ({ literal: i.value });
    if (i.kind === 'live') return () => bound(lLive(i.slot, 'f64'));
    const v = this.viewOf(i.value);
    return (idx) => bound(v.at(broadcastIndex(idx, v.shape)));
  }
  private readonly copies = new Map<Value, View>();
  /** A reshape of `from`; what several library steps read, each through views of its own, is copied once, before them. */
  private copiedOnce(from: Value, v: View): View {
    const reshapes = this.usersOf(from).filter((n) => n.op === 'view');
    if (reshapes.reduce((sum, n) => sum + this.stepsRead(n.outputs[0]!), 0) < 2 || !isGathered(v)) return v;
    const copy = this.copies.get(from) ?? this.require(this.map('copy', v.shape, v.dtype, v.at));
    this.copies.set(from, copy);
    return reshaped(copy, v.shape);
  }
  /** Library steps that read the value as it is or through views. */
  private stepsRead(v: Value): number {
    return this.usersOf(v).reduce((sum, n) => {
      const kind = this.lookup(n.op)?.kind;
      if (kind === 'view') return n.outputs.reduce((more, o) => more + this.stepsRead(o), sum);
      const loops = Object.hasOwn(this.rules, n.op) && !this.stepOps.has(n.op);
      return sum + (kind === 'extern' && !loops ? 1 : 0);
    }, 0);
  }
  /** A tensor operand as a library step takes it: a buffer with offset and strides; copied first when it has no such form. */
  stepTensor(v: View): StepTensor {
    const t = stridedTensor(v);
    if (t === null) return this.stepTensor(this.require(this.map('copy', v.shape, v.dtype, v.at)));
    t.def.required = true;
    return t;
  }
  /** The same without gaps, which the library wants beside blocks. */
  private denseTensor(v: View): StepTensor {
    const t = this.stepTensor(v);
    return isContiguous(t.shape, t.strides)
      ? t
      : this.stepTensor(this.require(this.map('copy', v.shape, v.dtype, v.at)));
  }
  require(d: Def): View {
    d.required = true;
    return this.view(d);
  }
  step(
    node: Node,
    op: string,
    inputs: StepInput[],
    attrs: Node['attrs'],
    outs: readonly { shape: readonly Dim[]; dtype: DType }[],
    reason: string,
    epilogue: readonly Node[] = [],
  ): Def[] {
    const outputs: Def[] = [];
    const step: Step = {
      id: this.steps.length,
      op,
      inputs,
      attrs,
      outputs,
      epilogue: epilogue.map((n) => ({ op: n.op })),
      reason,
      nodes: [node, ...epilogue],
    };
    this.steps.push(step);
    outs.forEach((o, index) => {
      const d = this.def(op, o.shape, o.dtype, { k: 'step', step, index }, node);
      d.required = true;
      outputs.push(d);
    });
    return outputs;
  }

  // ---- nodes ----

  run(): Lowered {
    const g = this.graph;
    for (const n of g.nodes) {
      for (const i of n.inputs) {
        for (const v of i.kind === 'value' ? [i.value] : i.kind === 'list' ? i.values : [])
          this.uses.set(v, [...(this.uses.get(v) ?? []), n]);
      }
    }
    for (const v of [...g.outputs, ...g.writes.map((w) => w.value), ...g.gradWrites.flatMap((w) => w.value ?? [])])
      this.roots.add(v);
    if (this.choices.blocks) this.blocked = blockedValues(g, this.lookup, (v) => this.useCount(v) > 0);
    this.refined = refinedShapes(g, this.lookup, this.blocked);
    [...g.inputs, ...g.captures].forEach((v, slot) => {
      if (this.values.has(v)) return;
      this.values.set(
        v,
        this.view(
          this.def(
            v.name ?? (slot < g.inputs.length ? `input${slot}` : `capture${slot - g.inputs.length}`),
            v.type.shape,
            v.type.dtype,
            { k: 'input', slot },
          ),
        ),
      );
    });
    for (const n of g.nodes) this.node(n);
    return this.finish();
  }

  private node(n: Node): void {
    if (n.op.startsWith('region.')) return;
    const done = this.fusedAway.get(n);
    if (done) {
      this.values.set(n.outputs[0]!, done);
      return;
    }
    if (n.op === 'full' && isDivisor(n.attrs['fillValue'])) this.nonzero.add(n.outputs[0]!);
    const info = this.lookup(n.op);
    const special = Object.hasOwn(this.rules, n.op) ? this.rules[n.op] : undefined;
    if (special?.(this, n, new Attrs(n, info))) return;
    const first = n.inputs[0];
    if (first?.kind === 'value') {
      const from = this.viewOf(first.value);
      const maps = n.outputs.map((o, k) => viewMap(new Attrs(n, info), from.shape, o.type.shape, k));
      if (maps.every((m) => m !== undefined)) {
        n.outputs.forEach((o, k) => {
          const v = { shape: o.type.shape, dtype: o.type.dtype, at: (idx: readonly Index[]) => from.at(maps[k]!(idx)) };
          this.values.set(o, n.op === 'view' ? this.copiedOnce(first.value, v) : v);
        });
        return;
      }
    }
    if (info?.kind === 'pointwise' && this.mayDivideByZero(n, info)) this.library(n, 'an integer divisor may be zero');
    else if (info?.kind === 'pointwise') this.pointwise(n, info);
    else if (info?.kind === 'reduction') this.reduction(n, info);
    else if (info?.kind === 'scan' && this.scan(n, info)) return;
    else this.library(n, 'no loop form');
  }

  /** Whether integers are divided by a number that is only known when the program runs: the library looks at it and throws. */
  private mayDivideByZero(n: Node, info: PointwiseInfo): boolean {
    if (!this.choices.checkDivisors || info.divisor === undefined || isFloatType(resultType(n.inputs))) return false;
    const by = n.inputs[info.params.filter((p) => OPERANDS.has(p.type)).findIndex((p) => p.name === info.divisor)];
    if (by?.kind === 'value' && this.nonzero.has(by.value)) return false;
    return by?.kind !== 'const' || by.value === 0 || by.value === false;
  }

  private bindings(n: Node, info: OpInfo): (idx: readonly Index[]) => (name: string) => Binding<LExpr> | undefined {
    const operands = new Map<string, (idx: readonly Index[]) => Binding<LExpr>>();
    const attrs = new Map<string, Binding<LExpr>>();
    const a = new Attrs(n, info);
    let at = 0;
    for (const p of info.params) {
      if (OPERANDS.has(p.type)) {
        const f = this.operand(n.inputs[at++]);
        if (f) operands.set(p.name, f);
      } else {
        const v = a.get(p.name);
        if (typeof v === 'number' || typeof v === 'boolean') attrs.set(p.name, { literal: v });
        else if (v !== null && typeof v === 'object' && 'live' in v) attrs.set(p.name, bound(lLive(v.live, 'f64')));
      }
    }
    return (idx) => (name) => operands.get(name)?.(idx) ?? attrs.get(name);
  }

  private pointwise(n: Node, info: PointwiseInfo): void {
    const params = info.params.filter((p) => OPERANDS.has(p.type));
    const counted = n.inputs.filter((_, i) => !info.conditions.includes(params[i]?.name ?? ''));
    const common = resultType(counted);
    const out0 = n.outputs[0]!.type;
    // In place, a wider operand still decides in which dtype integers are divided.
    const wider = isIntegralType(common) && isIntegralType(out0.dtype) && itemBytes(common) > itemBytes(out0.dtype);
    const dtype = info.rule === 'bool' || info.mutates || wider ? common : out0.dtype;
    const ct = computeType(dtype);
    n.outputs.forEach((o, k) => {
      const bind = this.bindings(n, info);
      const expr = scalarOf(info.forward[k]!);
      const view = this.mapOf(
        o,
        o.name ?? n.op,
        (idx) => {
          const at = bind(idx);
          return lScalar(
            expr,
            (name) => {
              const b = at(name);
              if (!b) return b;
              // Attributes are numbers of the compute type; operands are elements of the dtype, of its width.
              if ('literal' in b)
                return { literal: literalAs(b.literal, params.some((p) => p.name === name) ? dtype : 'int64', ct) };
              // An operand is converted first: a wide zero-dimensional one wraps beside narrow elements.
              return bound(info.conditions.includes(name) ? lCvt(b.value, 'b') : lStoreAs(b.value, dtype));
            },
            ct,
          );
        },
        n,
      );
      this.values.set(o, view);
    });
  }

  private reduction(n: Node, info: ReductionInfo): void {
    const a = new Attrs(n, info);
    const self = n.inputs[0]!;
    if (self.kind !== 'value') throw new Error(`${n.op}: its operand must be a tensor`);
    const given = this.viewOf(self.value);
    const dims = a.ints('dim');
    const rank = given.shape.length;
    const which = new Set(
      (dims === null || dims.length === 0 ? given.shape.map((_, d) => d) : dims).map((d) => wrapAxis(d, rank)),
    );
    const shape = this.refined.get(self.value);
    const v = shape ? reshaped(given, shape) : given;
    const outs = n.outputs.map((o) => ({ shape: o.type.shape, dtype: o.type.dtype }));
    const dtype = a.get('dtype');
    const from: DType = typeof dtype === 'string' ? (dtype as DType) : v.dtype;
    let ct = computeType(from);
    if (info.rule === 'int-to-int64' && !isFloat(ct)) ct = 'i64';
    else if (info.rule === 'bool') ct = 'b';
    else if (info.rule === 'float-only' && !isFloat(ct)) ct = 'f32';
    else if (ct === 'b') ct = 'i32';
    // A refined operand has its rows first.
    const rows = given.shape.filter((e, d) => !which.has(d) && !sameDim(e, 1)).length;
    const reduced = v.shape.map((_, d) => (shape ? d >= rows : which.has(d)));
    const count = productOf(v.shape.filter((_, d) => reduced[d]));
    const results =
      n.op === 'var'
        ? variance(this, n, a, v, reduced, count, ct, outs)
        : fold(this, n, info, a, v, reduced, count, ct, outs);
    n.outputs.forEach((o, k) => this.values.set(o, this.view(results[k]!)));
  }

  private scan(n: Node, info: ScanInfo): boolean {
    const self = n.inputs[0];
    if (self?.kind !== 'value') return false;
    const views = scanned(this, n, info, new Attrs(n, info), this.viewOf(self.value));
    views?.forEach((v, k) => this.values.set(n.outputs[k]!, v));
    return views !== null;
  }

  /** Nothing else walks the operand. */
  isAlone(i: Input): boolean {
    return i.kind === 'value' && (this.graph.inputs.includes(i.value) || this.useCount(i.value) <= 1);
  }

  sum(
    name: string,
    inShape: readonly Dim[],
    reduced: readonly boolean[],
    elem: (idx: readonly Index[]) => LExpr,
    ct: ComputeType,
    finish: (s: LExpr) => LExpr,
    out: { shape: readonly Dim[]; dtype: DType },
    node?: Node,
  ): Def[] {
    return this.reduce(
      name,
      {
        inShape,
        reduced,
        elem,
        sum: true,
        usesIndex: false,
        states: [{ name: 'acc', init: 0, type: ct }],
        combine: ([acc], x) => [lOp('add', [acc!, x], ct)],
        join: ([p], [q]) => [lOp('add', [p!, q!], ct)],
        finish: ([acc]) => [lStoreAs(finish(acc!), out.dtype)],
      },
      [out],
      node,
    );
  }

  /** A call of the runtime by op name, with relu fused where the library can. */
  library(n: Node, reason: string): void {
    const touched = [...n.inputs.flatMap(inputValues), ...n.outputs];
    const blocks = n.op === 'convolution' && touched.some((v) => this.blocked.has(v));
    const inputs = n.inputs.map((i): StepInput => {
      if (i.kind === 'none') return null;
      if (i.kind === 'const') return { c: i.value };
      if (i.kind === 'live') return { live: i.slot };
      if (i.kind === 'list') return i.values.map((v) => this.stepTensor(this.viewOf(v)));
      // Only convolutions take blocks.
      const v = this.viewOf(i.value);
      return blocks ? this.denseTensor(this.blocked.has(i.value) ? blocksOf(v) : v) : this.stepTensor(v);
    });
    const relu = EPILOGUES.has(n.op) && n.outputs.length === 1 ? this.soleRelu(n.outputs[0]!) : null;
    // Other ops write the image itself, and what wants blocks converts it.
    const inBlocks = (v: Value): boolean => blocks && this.blocked.has(v);
    const outs = n.outputs.map((o) => ({
      shape: inBlocks(o) ? blockedShape(o.type.shape) : o.type.shape,
      dtype: o.type.dtype,
    }));
    const results = this.step(n, n.op, inputs, n.attrs, outs, reason, relu ? [relu] : []);
    n.outputs.forEach((o, k) => {
      const view = this.view(results[k]!);
      this.values.set(o, inBlocks(o) ? imageOf(view, o.type.shape) : view);
    });
    if (relu) this.fusedAway.set(relu, this.viewOf(n.outputs[0]!));
  }
  private soleRelu(v: Value): Node | null {
    const uses = this.uses.get(v);
    const only = uses?.length === 1 && !this.roots.has(v) ? uses[0]! : null;
    return only?.op === 'relu' ? only : null;
  }

  /** Draws `count` numbers: the first counter of the stream. */
  draw(count: Dim): Dim {
    const first = this.random;
    this.random = addDims(this.random, count);
    return first;
  }
  error(message: string): number {
    const at = this.errors.indexOf(message);
    return at >= 0 ? at : this.errors.push(message) - 1;
  }

  // ---- results and writes ----

  private finish(): Lowered {
    const g = this.graph;
    const slotOf = new Map<Value, number>();
    [...g.inputs, ...g.captures].forEach((v, slot) => slotOf.has(v) || slotOf.set(v, slot));
    const outputs: Def[] = [];
    const taken = new Set<Def>();
    const written = new Map<Value, number>(g.writes.map((w) => [w.value, slotOf.get(w.target)!]));
    /** The def of a value that can be stored in a place of its own. */
    const own = (v: Value, name: string): Def => {
      const view = this.viewOf(v);
      const e = view.at(view.shape.map((d, k) => ixAxis(newAxis(`o${k}`, d))));
      if (e.k === 'read') {
        const d = e.src as Def;
        const whole = d.how.k !== 'input' && sameShapeDims(d.shape, view.shape) && isIdentity(e.idx, d.shape);
        if (whole && !taken.has(d)) {
          taken.add(d);
          d.required = true;
          return d;
        }
      }
      const copy = this.map(name, view.shape, view.dtype, view.at);
      copy.required = true;
      taken.add(copy);
      return copy;
    };
    const writes: { slot: number; def: Def }[] = [];
    // Writes first: a new parameter goes straight into its tensor, and a result that returns it as well is a copy.
    for (const w of g.writes) {
      const slot = slotOf.get(w.target)!;
      if (slotOf.get(w.value) === slot) continue;
      writes.push({ slot, def: own(w.value, w.target.name ?? 'write') });
    }
    const results = g.outputs.map((v) => {
      const slot = slotOf.get(v);
      if (slot !== undefined) return { input: slot };
      if (written.has(v)) return { input: written.get(v)! };
      outputs.push(own(v, v.name ?? 'result'));
      return { output: outputs.length - 1 };
    });
    const gradOutputs = g.gradWrites.map((w) => {
      if (w.value === null) return null;
      outputs.push(own(w.value, `${w.leaf.name ?? 'leaf'}.grad`));
      return outputs.length - 1;
    });
    return {
      inputs: this.inputs,
      defs: this.defs,
      steps: this.steps,
      outputs,
      results,
      gradOutputs,
      writes,
      random: this.random,
      errors: this.errors,
    };
  }
}

/** Whole numbers that are not zero as any integer type. */
const isDivisor = (x: unknown): boolean =>
  typeof x === 'number' && Number.isInteger(x) && x !== 0 && Math.abs(x) <= 127;
