// fb.onnx.export: traces a module or function (at several sizes when axes are dynamic) and writes it as an ONNX model.
import { OPS } from '../../generated/ts/ops.js';
import { noGrad } from '../autograd/modes.js';
import { fromTrace } from '../frontend/trace/from_trace.js';
import { unify } from '../frontend/trace/unify.js';
import type { Dim, Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { Module } from '../nn/module.js';
import { packageVersion } from '../package_root.js';
import { record } from '../runtime/recorder.js';
import { writeFileAtomic } from '../serialization/bytes.js';
import { tensorToBytes } from '../serialization/tensors.js';
import { isTensor, unwrap, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { cat } from '../../generated/ts/functions.js';
import { lowerGraph } from './lower.js';
import {
  checkOptions,
  fillNames,
  outputAxes,
  type CheckedOptions,
  type DynamicAxis,
  type ExportOptions,
} from './options.js';
import { OnnxExportError } from './types.js';
import { verifyModel } from './verify.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a function of any tensors
type AnyFunction = (...inputs: any[]) => unknown;

/**
 * Writes a module (in eval mode, put back afterwards) or a function of tensors as an ONNX model and returns the model's bytes.
 * `path` null: no file. Initializers have the state dict's names; nodes are named by module path ('/fc1/Gemm').
 * @example fb.onnx.export(net, [fb.rand(1, 1, 28, 28)], 'lenet.onnx', { inputNames: ['image'], dynamicAxes: { image: { 0: 'batch' } } })
 * @throws OnnxExportError for ops without an ONNX form (with module path and source line), unknown names or axes, wrong opsets.
 */
export function exportModel(
  model: AnyFunction,
  inputs: readonly Tensor[],
  path: string | null,
  options: ExportOptions = {},
): Uint8Array {
  if (!Array.isArray(inputs) || !inputs.every(isTensor)) {
    throw new OnnxExportError('the example inputs must be an array of tensors');
  }
  const checked = checkOptions(
    options,
    inputs.map((t) => t.shape.length),
  );
  const run = inEvalMode(model, () => {
    const traces = exampleSets(inputs, checked.inputAxes).map((set) => trace(model, set));
    return { traces, expected: options.verify ? flatten(model(...inputs)).tensors : null };
  });
  const first = run.traces[0]!;
  const graph = run.traces.length > 1 ? unify(run.traces.map((t) => t.graph)) : first.graph;
  const bytes = lower(graph, first, model, options, checked);
  if (run.expected) verifyModel(bytes, checked.inputNames, inputs, first.outputNames(options), run.expected);
  if (path !== null) writeFileAtomic(path, bytes);
  return bytes;
}

/** Runs `body` with the module and its submodules in eval mode and without gradients. */
function inEvalMode<T>(model: AnyFunction, body: () => T): T {
  const modules = model instanceof Module ? [...model.modules()] : [];
  const before = modules.map((m) => m.training);
  try {
    for (const m of modules) m.training = false;
    return noGrad(body);
  } finally {
    modules.forEach((m, i) => (m.training = before[i]!));
  }
}

interface Recording {
  readonly graph: Graph;
  readonly captures: readonly Handle[];
  readonly outputNames: (options: ExportOptions) => string[];
}

function trace(model: AnyFunction, inputs: readonly Tensor[]): Recording {
  let result: ReturnType<typeof flatten> | undefined;
  const call = (): readonly Tensor[] => (result = flatten(model(...inputs))).tensors;
  const { recording } = record(call, inputs, { tolerant: false, copyAliases: true });
  if ('interrupted' in recording) throw new OnnxExportError(`the model could not be traced: ${recording.interrupted}`);
  const { tensors, names } = result!;
  const outputNames = (o: ExportOptions): string[] => fillNames(o.outputNames ?? names, tensors.length, 'output');
  return { graph: fromTrace(recording.trace), captures: recording.captures, outputNames };
}

/** The tensors of a result: one, an array, or an object, whose keys are the outputs' default names. */
function flatten(result: unknown): { tensors: Tensor[]; names: string[] | undefined } {
  if (isTensor(result)) return { tensors: [result], names: undefined };
  if (Array.isArray(result)) return { tensors: result.flatMap((r: unknown) => flatten(r).tensors), names: undefined };
  if (typeof result === 'object' && result !== null) {
    const entries = Object.entries(result).filter(([, v]) => isTensor(v)) as [string, Tensor][];
    if (entries.length > 0) return { tensors: entries.map(([, t]) => t), names: entries.map(([k]) => k) };
  }
  throw new OnnxExportError(`the model must return tensors, got ${result === null ? 'null' : typeof result}`);
}

/**
 * The inputs to trace with: the examples, or three sets of other sizes along the dynamic axes. Axes of one name share a size;
 * different names get different sizes, none of them 0 or 1, which broadcast.
 */
function exampleSets(inputs: readonly Tensor[], axes: readonly DynamicAxis[]): Tensor[][] {
  if (axes.length === 0) return [[...inputs]];
  const labels = [...new Set(axes.map((a) => a.label))];
  return [0, 1, 2].map((round) =>
    inputs.map((input, index) =>
      axes
        .filter((a) => a.index === index)
        .reduce((t, { axis, label }) => {
          const k = labels.indexOf(label);
          const first = axes.find((a) => a.label === label)!;
          const base = Math.max(2, inputs[first.index]!.shape[first.axis]!);
          return resize(t, axis, base + k + round * (k + 1 + round));
        }, input),
    ),
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

function lower(
  graph: Graph,
  first: Recording,
  model: AnyFunction,
  options: ExportOptions,
  checked: CheckedOptions,
): Uint8Array {
  const outputNames = first.outputNames(options);
  const ranks = graph.outputs.map((v) => v.type.shape.length);
  const outputs = outputAxes(options, checked.others, checked.inputNames, outputNames, ranks);
  const symbolNames = new Map<string, string>();
  for (const { index, axis, label } of checked.inputAxes) {
    const dim = graph.inputs[index]!.type.shape[axis]!;
    if (typeof dim !== 'number') symbolNames.set(dim.terms[0]!.symbols[0]!, label);
  }
  for (const { index, axis, label } of outputs) {
    const dim: Dim = graph.outputs[index]!.type.shape[axis]!;
    if (typeof dim === 'number') {
      throw new OnnxExportError(
        `dynamicAxes: axis ${axis} of output '${outputNames[index]}' always has size ${dim} (${label})`,
      );
    }
  }
  return lowerGraph(graph, {
    ops: OPS,
    captures: nameCaptures(first.captures, model, [...checked.inputNames, ...outputNames]),
    inputNames: checked.inputNames,
    outputNames,
    symbolNames,
    opset: checked.opset,
    graphName: model instanceof Module ? model.constructor.name : model.name || 'main',
    producerVersion: packageVersion(),
  });
}

/** State-dict names for the captured tensors (by storage and place in it); others are called constant_0, ... */
function nameCaptures(
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
