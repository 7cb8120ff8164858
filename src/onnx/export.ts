// fb.onnx.export: traces a module or function (at several sizes when axes are dynamic) and writes it as an ONNX model.
import { OPS } from '../../generated/ts/ops.js';
import type { Dim, Graph } from '../ir/graph.js';
import { Module } from '../nn/module.js';
import { unreadResults } from '../passes/dead_code.js';
import { packageVersion } from '../package_root.js';
import { interpretNative } from '../runtime/execute.js';
import { difference } from '../script/agree.js';
import { isInput, isScripted, isWhole, scriptGraph, sourceBehind, type ScriptGraph } from '../script/script.js';
import { full } from '../tensor/create.js';
import { isTensor, unwrap, wrap, type Tensor } from '../tensor/handle.js';
import { checkSizes } from './check_sizes.js';
import type { EncodedModel } from './encode.js';
import { writeModel } from './files.js';
import { lowerGraph } from './lower.js';
import { checkOptions, fillNames, outputAxes, type CheckedOptions, type ExportOptions } from './options.js';
import { RECURRENT, RECURRENT_OP } from './recurrent.js';
import {
  flatten,
  inMode,
  nameCaptures,
  recordModel,
  resized,
  unified,
  type AnyFunction,
  type Recording,
} from './trace.js';
import { dimText, OnnxExportError } from './types.js';
import { reportVerified, type Case } from './verify.js';

/**
 * Writes a module (in eval mode, put back afterwards) or a function of tensors as an ONNX model and returns the model's bytes.
 * `path` null: no file. Initializers have the state dict's names; nodes are named by module path ('/fc1/Gemm').
 * Dynamic axes are checked by running the written model on our ops at a size that was not traced.
 * @example fb.onnx.export(net, [fb.rand(1, 1, 28, 28)], 'lenet.onnx', { inputNames: ['image'], dynamicAxes: { image: { 0: 'batch' } } })
 * @throws OnnxExportError for ops without an ONNX form (with module path and source line), unknown names or axes, wrong opsets,
 * axes that do not stay dynamic, a model that computes something else (`verify`).
 */
export function exportModel(
  model: AnyFunction,
  inputs: readonly (Tensor | number)[],
  path: string | null,
  options: ExportOptions = {},
): Uint8Array {
  if (isScripted(model) && Array.isArray(inputs)) return exportScripted(model, inputs, path, options);
  if (!Array.isArray(inputs) || !inputs.every(isTensor)) {
    throw new OnnxExportError('the example inputs must be an array of tensors');
  }
  return exportTraced(model, inputs as readonly Tensor[], path, options);
}

function exportTraced(
  model: AnyFunction,
  inputs: readonly Tensor[],
  path: string | null,
  options: ExportOptions,
): Uint8Array {
  const training = options.training === true;
  if (training && options.verify)
    throw new OnnxExportError('verify compares numbers; in training mode they are random');
  if (options.externalData && path === null)
    throw new OnnxExportError('externalData needs a path: it is a second file');
  const checked = checkOptions(
    options,
    inputs.map((t) => t.shape.length),
  );
  const axes = checked.inputAxes;
  const recording = inMode(model, training, () => recordModel(model, inputs, axes, options));
  const encoded = lower(recording, model, options, checked, path);
  const run = (set: readonly Tensor[]): Case => ({
    inputs: set,
    expected: inMode(model, false, () => flatten(model(...set)).tensors),
  });
  // Sizes that were not traced.
  const other = !training && axes.length > 0 ? run(resized(inputs, axes, 3)) : null;
  if (other && encoded.weights === null) checkSizes(encoded.bytes, checked.inputNames, other);
  const cases = options.verify ? [run(inputs), ...(other ? [other] : [])] : [];
  const names = { inputs: checked.inputNames, outputs: recording.outputNames };
  const report = writeModel(encoded, path, names, cases);
  if (report) reportVerified(report, options.verify);
  return encoded.bytes;
}

/** A scripted function or module: its branches and loops become If and Loop. Numbers among the inputs are scalars of the model. */
function exportScripted(
  model: AnyFunction,
  inputs: readonly (Tensor | number)[],
  path: string | null,
  options: ExportOptions,
): Uint8Array {
  if (options.training) throw new OnnxExportError('scripted models are exported in eval mode');
  const source = sourceBehind(model);
  const graphOf = (given: readonly (Tensor | number)[]): ScriptGraph =>
    inMode(model, false, () => scriptGraph(source, given));
  const scripted = graphOf(inputs);
  const feedsOf = (given: readonly (Tensor | number)[]): Tensor[] =>
    given.filter((x) => isInput(x, scripted.fixed)).map((x) => (isTensor(x) ? x : scalarTensor(x)));
  const feeds = feedsOf(inputs);
  const checked = checkOptions(
    options,
    feeds.map((t) => t.shape.length),
  );
  const axes = checked.inputAxes;
  const atRound = (round: number): (Tensor | number)[] => {
    const sized = resized(feeds, axes, round);
    let next = 0;
    return inputs.map((x) => {
      if (!isInput(x, scripted.fixed)) return x;
      const t = sized[next++]!;
      return isTensor(x) ? t : x;
    });
  };
  const graphs = axes.length === 0 ? [scripted] : [0, 1, 2].map(atRound).map(graphOf);
  const recording: Recording = {
    graph: unified(
      graphs.map((g) => g.graph),
      axes,
    ),
    captures: graphs[0]!.captures.map((t) => t._h),
    outputNames: fillNames(options.outputNames, scripted.graph.outputs.length, 'output'),
  };
  const encoded = lower(recording, model, options, checked, path);
  const run = (given: readonly (Tensor | number)[]): Case => ({
    inputs: feedsOf(given),
    expected: inMode(model, false, () => leavesOf((source.fn as AnyFunction).apply(source.self, [...given]))),
  });
  const first = run(inputs);
  const given = interpretNative(scripted.graph, feeds.map(unwrap), scripted.captures.map(unwrap)).outputs.map(wrap);
  const differs = difference(given, first.expected);
  if (differs !== null)
    throw new OnnxExportError(`the scripted graph does not give what the function gives: ${differs}`);
  const other = axes.length > 0 ? run(atRound(3)) : null;
  if (other && encoded.weights === null) checkSizes(encoded.bytes, checked.inputNames, other);
  const names = { inputs: checked.inputNames, outputs: recording.outputNames };
  const report = writeModel(encoded, path, names, options.verify ? [first, ...(other ? [other] : [])] : []);
  if (report) reportVerified(report, options.verify);
  return encoded.bytes;
}

const scalarTensor = (x: number): Tensor => full([], x, { dtype: isWhole(x) ? 'int64' : 'float64' });
/** The tensors and numbers of a result, as a scripted model gives them. */
function leavesOf(x: unknown): Tensor[] {
  if (isTensor(x)) return [x];
  if (typeof x === 'number') return [scalarTensor(x)];
  if (typeof x === 'boolean') return [full([], Number(x), { dtype: 'bool' })];
  return typeof x === 'object' && x !== null ? Object.values(x).flatMap(leavesOf) : [];
}

function lower(
  recording: Recording,
  model: AnyFunction,
  options: ExportOptions,
  checked: CheckedOptions,
  path: string | null,
): EncodedModel {
  const { outputNames } = recording;
  const graph = unreadResults(recording.graph);
  const graphName = model instanceof Module ? model.constructor.name : model.name || 'main';
  return lowerGraph(graph, {
    ops: { ...OPS, [RECURRENT]: RECURRENT_OP },
    captures: nameCaptures(recording.captures, model, [...checked.inputNames, ...outputNames]),
    inputNames: checked.inputNames,
    outputNames,
    symbolNames: symbolNames(graph, outputNames, options, checked),
    opset: checked.opset,
    training: options.training === true,
    graphName,
    producerVersion: packageVersion(),
    ...(path === null ? {} : { path }),
    ...(options.externalData === undefined ? {} : { externalData: options.externalData }),
  });
}

/** The names of symbolic sizes; what is said of outputs must fit what the model gives. */
function symbolNames(
  graph: Graph,
  outputNames: readonly string[],
  options: ExportOptions,
  checked: CheckedOptions,
): Map<string, string> {
  const names = new Map<string, string>();
  for (const { index, axis, label } of checked.inputAxes) {
    const dim = graph.inputs[index]!.type.shape[axis]!;
    if (typeof dim !== 'number') names.set(dim.terms[0]!.symbols[0]!, label);
  }
  const labels = new Set(names.values());
  const ranks = graph.outputs.map((v) => v.type.shape.length);
  for (const { index, axis, label } of outputAxes(options, checked.others, checked.inputNames, outputNames, ranks)) {
    const dim: Dim = graph.outputs[index]!.type.shape[axis]!;
    const what = `dynamicAxes: axis ${axis} of output '${outputNames[index]}'`;
    if (typeof dim === 'number') throw new OnnxExportError(`${what} always has size ${dim} (${label})`);
    if (labels.has(label) && dimText(dim, names) !== label)
      throw new OnnxExportError(`${what} is ${dimText(dim, names)}, not ${label}`);
  }
  return names;
}
