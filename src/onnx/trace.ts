// What the exporter records: the model's calls at one or several sizes, the names of its tensors.
import { noGrad } from '../autograd/modes.js';
import { cat } from '../../generated/ts/functions.js';
import { fromTrace } from '../frontend/trace/from_trace.js';
import { unify, UnifyError } from '../frontend/trace/unify.js';
import type { Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { Module } from '../nn/module.js';
import { record } from '../runtime/recorder.js';
import { tensorToBytes } from '../serialization/tensors.js';
import { isTensor, unwrap, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { fillNames, type DynamicAxis, type ExportOptions } from './options.js';
import { RecurrentWatch } from './recurrent.js';
import { OnnxExportError } from './types.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a function of any tensors
export type AnyFunction = (...inputs: any[]) => unknown;

export interface Recording {
  readonly graph: Graph;
  readonly captures: readonly Handle[];
  readonly outputNames: readonly string[];
}

/**
 * Runs `body` with the module and its submodules in eval (or training) mode and without gradients. The modes come back, and what
 * running in training mode did to buffers is undone.
 */
export function inMode<T>(model: AnyFunction, training: boolean, body: () => T): T {
  const modules = model instanceof Module ? [...model.modules()] : [];
  const before = modules.map((m) => m.training);
  const buffers = training && model instanceof Module ? [...model.namedBuffers()].map(([, t]) => t) : [];
  const kept = noGrad(() => buffers.map((t) => t.clone()));
  try {
    for (const m of modules) m.training = training;
    return noGrad(body);
  } finally {
    modules.forEach((m, i) => (m.training = before[i]!));
    noGrad(() => buffers.forEach((t, i) => t.copy_(kept[i]!)));
  }
}

/** The model's graph; its sizes along the dynamic axes are symbols. @throws OnnxExportError where one was specialised */
export function recordModel(
  model: AnyFunction,
  inputs: readonly Tensor[],
  axes: readonly DynamicAxis[],
  options: ExportOptions,
): Recording {
  if (axes.length === 0) return withLayers(trace(model, inputs, options));
  const traces = [0, 1, 2].map((round) => trace(model, resized(inputs, axes, round), options));
  const graph = unified(
    traces.map((t) => t.graph),
    axes,
  );
  return withLayers({ ...traces[0]!, graph });
}

/** Graphs at several sizes as one whose sizes are symbols. @throws OnnxExportError where they are not one graph */
export function unified(graphs: readonly Graph[], axes: readonly DynamicAxis[]): Graph {
  if (graphs.length === 1) return graphs[0]!;
  try {
    return unify(graphs, true);
  } catch (error) {
    if (!(error instanceof UnifyError)) throw error;
    const names = [...new Set(axes.map((a) => `'${a.label}'`))].join(', ');
    throw new OnnxExportError(
      `the model does not keep its dynamic axes (${names}): it does something else at another size. ${error.message}`,
    );
  }
}

const withLayers = ({ layers, ...r }: Recording & { layers: RecurrentWatch }): Recording => ({
  ...r,
  ...layers.insert(r.graph, r.captures),
});

function trace(
  model: AnyFunction,
  inputs: readonly Tensor[],
  options: ExportOptions,
): Recording & { layers: RecurrentWatch } {
  const layers = new RecurrentWatch();
  let result: ReturnType<typeof flatten> | undefined;
  const call = (): readonly Tensor[] => (result = flatten(model(...inputs))).tensors;
  const epilogue = (): Handle[] => layers.operands();
  const { recording } = layers.run(() => record(call, inputs, { tolerant: false, copyAliases: true, epilogue }));
  if ('interrupted' in recording) throw new OnnxExportError(`the model could not be traced: ${recording.interrupted}`);
  const { tensors, names } = result!;
  return {
    layers,
    graph: fromTrace(recording.trace),
    captures: recording.captures,
    outputNames: fillNames(options.outputNames ?? names, tensors.length, 'output'),
  };
}

/** The tensors of a result: one, an array, or an object, whose keys are the outputs' default names. */
export function flatten(result: unknown): { tensors: Tensor[]; names: string[] | undefined } {
  if (isTensor(result)) return { tensors: [result], names: undefined };
  if (Array.isArray(result)) return { tensors: result.flatMap((r: unknown) => flatten(r).tensors), names: undefined };
  if (typeof result === 'object' && result !== null) {
    const entries = Object.entries(result).filter(([, v]) => isTensor(v)) as [string, Tensor][];
    if (entries.length > 0) return { tensors: entries.map(([, t]) => t), names: entries.map(([k]) => k) };
  }
  throw new OnnxExportError(`the model must return tensors, got ${result === null ? 'null' : typeof result}`);
}

/**
 * The example inputs at other sizes along the dynamic axes, a different one each round. Axes of one name share a size; different
 * names get different sizes, none of them 0 or 1, which broadcast.
 */
export function resized(inputs: readonly Tensor[], axes: readonly DynamicAxis[], round: number): Tensor[] {
  const labels = [...new Set(axes.map((a) => a.label))];
  return inputs.map((input, index) =>
    axes
      .filter((a) => a.index === index)
      .reduce((t, { axis, label }) => {
        const k = labels.indexOf(label);
        const first = axes.find((a) => a.label === label)!;
        const base = Math.max(2, inputs[first.index]!.shape[first.axis]!);
        // Even and odd ones, at growing distances.
        return resize(t, axis, base + k + round * (k + 1) + (round * (round - 1)) / 2);
      }, input),
  );
}

/** The tensor repeated or cut along an axis to a size, so that its values stay valid ones (indices, say). */
function resize(t: Tensor, axis: number, size: number): Tensor {
  const have = t.shape[axis]!;
  if (have === size) return t;
  if (have === 0) throw new OnnxExportError(`an example input has size 0 along its dynamic axis ${axis}`);
  const copies = new Array<Tensor>(Math.ceil(size / have)).fill(t.detach());
  return cat(copies, axis).narrow(axis, 0, size).contiguous();
}

/** State-dict names for the captured tensors (by storage and place in it); others are called constant_0, ... */
export function nameCaptures(
  captures: readonly Handle[],
  model: unknown,
  taken: readonly string[],
): { name: string; bytes: () => Uint8Array }[] {
  const known = new Map<string, string>();
  if (model instanceof Module) {
    for (const [name, t] of [...model.namedParameters(), ...model.namedBuffers()]) {
      const key = placeOf(unwrap(t));
      if (!known.has(key)) known.set(key, name);
    }
  }
  const used = new Set([...taken, ...known.values()]);
  let next = 0;
  return captures.map((h) => {
    let name = known.get(placeOf(h));
    if (name === undefined) {
      do name = `constant_${next++}`;
      while (used.has(name));
    }
    return { name, bytes: () => noGrad(() => tensorToBytes(wrap(h)).data) };
  });
}

const placeOf = (h: Handle): string =>
  `${native.storageId(h)}:${native.offset(h)}:${native.shape(h).join(',')}:${native.strides(h).join(',')}`;
