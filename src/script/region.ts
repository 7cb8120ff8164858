// The graph that is being written: one region for the function, one for each body of control flow. Straight-line code is not
// interpreted: each call runs on example tensors under the recorder, and what was recorded is put into the region at hand.
import { noGrad } from '../autograd/modes.js';
import { fromTrace } from '../frontend/trace/from_trace.js';
import { emptyGraph } from '../ir/build.js';
import type { Graph, Value } from '../ir/graph.js';
import { inlineGraph } from '../ir/inline.js';
import { native } from '../native.js';
import { record } from '../runtime/recorder.js';
import { dtypeName } from '../tensor/dtype.js';
import { isTensor, wrap, type Handle, type Tensor } from '../tensor/handle.js';

/** What cannot go into the graph; the evaluator says where it stands. */
export class RegionError extends Error {}

/** Numbers that the graph holds as int64; others, -0 and what is beyond 2^53 among them, as float64. */
export const isWhole = (x: unknown): boolean => Number.isSafeInteger(x) && !Object.is(x, -0);

/** A number that the graph computes: a 0-d int64, float64 or bool tensor. */
export class ScriptScalar {
  constructor(readonly tensor: Tensor) {}
  get kind(): 'int' | 'float' | 'bool' {
    const t = this.tensor.dtype;
    return t === 'bool' ? 'bool' : t === 'int64' ? 'int' : 'float';
  }
}

/** Tensors from outside that the function uses, and the ids of all its values. */
export class Outside {
  private id = 0;
  readonly captures: { readonly tensor: Tensor; readonly value: Value }[] = [];

  value(t: Tensor): Value {
    return { id: this.id++, type: { dtype: t.dtype, shape: [...t.shape] } };
  }
  copy(v: Value): Value {
    return { ...v, id: this.id++ };
  }
  /** The capture of a tensor; the same for every handle of it. */
  capture(t: Tensor): Value {
    const have = this.captures.find((c) => native.isSame(c.tensor._h, t._h));
    if (have !== undefined) return have.value;
    const value = this.value(t);
    this.captures.push({ tensor: t, value });
    return value;
  }
}

export class Region {
  readonly graph: Graph = emptyGraph();
  private readonly values = new Map<Tensor, Value>();
  /** Tensors of the regions around this one that it reads, in the order of the inputs after the declared ones. */
  readonly free: Tensor[] = [];

  constructor(
    readonly outside: Outside,
    readonly parent: Region | null,
  ) {}

  /** Declares an input whose example is `t`. */
  input(t: Tensor, name?: string): void {
    const v = this.outside.value(t);
    if (name !== undefined) v.name = name;
    this.graph.inputs.push(v);
    this.values.set(t, v);
  }
  set(t: Tensor, v: Value): void {
    this.values.set(t, v);
  }
  private knows(t: Tensor): boolean {
    return this.values.has(t) || (this.parent?.knows(t) ?? false);
  }
  /** The value of a tensor; one from a region around this becomes an input. */
  valueOf(t: Tensor): Value {
    const have = this.values.get(t);
    if (have !== undefined) return have;
    if (this.parent === null) return this.outside.capture(t);
    // Handles of one captured tensor are one input.
    const known = this.parent.knows(t) ? undefined : this.free.find((f) => native.isSame(f._h, t._h));
    if (known !== undefined) return this.values.get(known)!;
    this.input(t);
    this.free.push(t);
    return this.values.get(t)!;
  }

  /** Runs a call of library code on examples and records it here. */
  emit<T>(call: () => T, operands: readonly Tensor[]): T {
    const inputs = [...new Set(operands)];
    const { value, recording } = noGrad(() => record(call, inputs, { copyAliases: true, tolerant: false }));
    if ('interrupted' in recording) throw new RegionError(recording.interrupted);
    const g = fromTrace(recording.trace);
    const captures = recording.captures.map((h) => wrap(h));
    const outsideTensors = [...inputs, ...captures];
    const values = this.inline(
      g,
      outsideTensors.map((t) => this.valueOf(t)),
    );
    const outside = [...g.inputs, ...g.captures];
    for (const w of g.writes) this.write(outsideTensors[outside.indexOf(w.target)]!, values(w.value));
    if (g.gradWrites.length > 0) throw new RegionError('gradients cannot be computed inside a scripted function');
    g.outputs.forEach((v, i) => this.values.set(recording.outputs[i]!, values(v)));
    return value as T;
  }

  /** Puts the nodes of a closed graph here; gives what its values have become. */
  inline(g: Graph, operands: readonly Value[]): (v: Value) => Value {
    const { nodes, regions, of } = inlineGraph(g, operands, (v) => this.outside.copy(v), this.graph.regions.length);
    this.graph.nodes.push(...nodes);
    this.graph.regions.push(...regions);
    return of;
  }

  /** A local tensor was changed in place: from now on it is another value. */
  private write(t: Tensor, v: Value): void {
    const local = this.values.has(t) && !this.graph.inputs.includes(this.values.get(t)!);
    if (!local)
      throw new RegionError(
        'a tensor from outside (an argument, a parameter, or a variable from before this block) is changed in place',
      );
    for (const other of this.values.keys())
      if (other !== t && native.sharesStorage(other._h, t._h) && !native.isSame(other._h, t._h))
        throw new RegionError('a tensor is changed in place of which there are views');
    for (const other of this.values.keys()) if (native.isSame(other._h, t._h)) this.values.set(other, v);
  }
}

/** A tensor of its own with the contents of another, as the example of a new value. */
export const example = (t: Tensor): Tensor =>
  noGrad(() => wrap(native.ops.clone(native.ops.contiguous(native.ops.detach(t._h)))));

/** All tensors in a structure of arguments. */
export function tensorsIn(x: unknown): Tensor[] {
  if (isTensor(x)) return [x];
  if (Array.isArray(x)) return x.flatMap(tensorsIn);
  return typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype
    ? Object.values(x).flatMap(tensorsIn)
    : [];
}
export const dtypeOf = (h: Handle): string => dtypeName(native.dtype(h));
