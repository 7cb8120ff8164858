// The options of onnx.export, checked: names, dynamic axes, opset.
import { OnnxExportError } from './types.js';
import { OPSETS } from './versions.js';
import type { VerifyReport } from './verify.js';

/** Axes by number with their names, or numbers alone: their names are made up. */
export type AxesSpec = Readonly<Record<number, string>> | readonly number[];

export interface ExportOptions {
  /** Names of the inputs, in order. Default: 'input', or 'input_0', 'input_1', ... */
  readonly inputNames?: readonly string[];
  /** Names of the outputs, in order. Default: 'output', or 'output_0', ... */
  readonly outputNames?: readonly string[];
  /**
   * Axes whose size may change, by input (or output) name: `{ image: { 0: 'batch' } }`, or `{ image: [0] }` with made-up names.
   * Axes of one name always have one size.
   */
  readonly dynamicAxes?: Readonly<Record<string, AxesSpec>>;
  /** The same by the inputs' names, or one entry per input in order (null: fixed). Give one of the two. */
  readonly dynamicShapes?: Readonly<Record<string, AxesSpec>> | readonly (AxesSpec | null)[];
  /** Operator set, 13 to 23. Default: 17. */
  readonly opsetVersion?: number;
  /**
   * Export the module as it trains: Dropout draws, BatchNormalization uses the batch. Buffers that a call changes (running
   * statistics) become outputs NAME.updated. Default: false, the module in eval mode.
   */
  readonly training?: boolean;
  /** Weights in one file `PATH.data` beside the model. Default: where they exceed what a model holds, 2 GiB. */
  readonly externalData?: boolean;
  /**
   * Run the written model in onnxruntime-node at the example's sizes and, with dynamic axes, at others; throws when the results
   * differ. Reports the largest error on stderr, or to a function.
   */
  readonly verify?: boolean | ((report: VerifyReport) => void);
}

/** One dynamic axis of an input or output. */
export interface DynamicAxis {
  readonly index: number;
  readonly axis: number;
  readonly label: string;
}

export interface CheckedOptions {
  readonly inputNames: readonly string[];
  readonly opset: number;
  readonly inputAxes: readonly DynamicAxis[];
  /** Entries of `dynamicAxes` that name no input: they must name outputs, which are known after tracing. */
  readonly others: readonly string[];
}

/** Checks what can be checked before tracing. `ranks` are the ranks of the example inputs. */
export function checkOptions(options: ExportOptions, ranks: readonly number[]): CheckedOptions {
  const inputNames = fillNames(options.inputNames, ranks.length, 'input');
  const opset = options.opsetVersion ?? 17;
  if (!OPSETS.includes(opset)) {
    throw new OnnxExportError(`opset version ${opset} is not supported; supported: ${OPSETS.join(', ')}`);
  }
  const inputAxes: DynamicAxis[] = [];
  const others: string[] = [];
  for (const [name, spec] of Object.entries(axesByName(options, inputNames))) {
    const index = inputNames.indexOf(name);
    if (index < 0) others.push(name);
    else inputAxes.push(...axesOf(name, spec, index, ranks[index]!));
  }
  return { inputNames, opset, inputAxes, others };
}

/** `dynamicAxes` or `dynamicShapes`, by name. */
function axesByName(options: ExportOptions, inputNames: readonly string[]): Readonly<Record<string, AxesSpec>> {
  const { dynamicAxes, dynamicShapes } = options;
  if (dynamicShapes === undefined) return dynamicAxes ?? {};
  if (dynamicAxes !== undefined) throw new OnnxExportError('give dynamicAxes or dynamicShapes, not both');
  if (!Array.isArray(dynamicShapes)) return dynamicShapes as Readonly<Record<string, AxesSpec>>;
  const list = dynamicShapes as readonly (AxesSpec | null)[];
  if (list.length !== inputNames.length)
    throw new OnnxExportError(`dynamicShapes has ${list.length} entries for ${inputNames.length} inputs`);
  return Object.fromEntries(list.flatMap((spec, i) => (spec === null ? [] : [[inputNames[i]!, spec]])));
}

/** The dynamic axes that are given for outputs, once their names and ranks are known. */
export function outputAxes(
  options: ExportOptions,
  others: readonly string[],
  inputNames: readonly string[],
  outputNames: readonly string[],
  ranks: readonly number[],
): DynamicAxis[] {
  return others.flatMap((name) => {
    const index = outputNames.indexOf(name);
    if (index < 0) {
      throw new OnnxExportError(
        `dynamicAxes names '${name}', which is neither an input (${inputNames.join(', ')}) nor an output (${outputNames.join(', ')})`,
      );
    }
    return axesOf(name, axesByName(options, inputNames)[name]!, index, ranks[index]!);
  });
}

function axesOf(name: string, spec: AxesSpec, index: number, rank: number): DynamicAxis[] {
  const pairs: [number, string][] = Array.isArray(spec)
    ? (spec as readonly number[]).map((axis) => [axis, `${name}_dynamic_axes_${axis}`])
    : Object.entries(spec).map(([axis, label]) => [Number(axis), label as string]);
  const seen = new Set<number>();
  return pairs.map(([given, label]) => {
    if (!Number.isInteger(given) || given < -rank || given >= rank) {
      throw new OnnxExportError(`dynamicAxes: axis ${given} of '${name}' is out of range for its ${rank} dimensions`);
    }
    const axis = given < 0 ? given + rank : given;
    if (seen.has(axis)) throw new OnnxExportError(`dynamicAxes: axis ${axis} of '${name}' is given twice`);
    seen.add(axis);
    if (typeof label !== 'string' || label === '')
      throw new OnnxExportError(`dynamicAxes: axis ${given} of '${name}' needs a name`);
    return { index, axis, label };
  });
}

/** The given names and made-up ones for the rest. Throws for too many, empty or equal ones. */
export function fillNames(given: readonly string[] | undefined, count: number, base: string): string[] {
  const names = given ?? [];
  if (names.length > count)
    throw new OnnxExportError(
      `${base}Names has ${names.length} names, the model has ${count} ${base}${count === 1 ? '' : 's'}`,
    );
  names.forEach((n, i) => {
    if (typeof n !== 'string' || n === '')
      throw new OnnxExportError(`${base}Names[${i}] must be a name, got ${JSON.stringify(n)}`);
    if (names.indexOf(n) !== i) throw new OnnxExportError(`${base}Names has '${n}' twice`);
  });
  return Array.from({ length: count }, (_, i) => names[i] ?? (count === 1 ? base : `${base}_${i}`));
}
