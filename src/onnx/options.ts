// The options of onnx.export, checked: names, dynamic axes, opset.
import { OPSETS } from './builder.js';
import { OnnxExportError } from './types.js';

export interface ExportOptions {
  /** Names of the inputs, in order. Default: 'input', or 'input_0', 'input_1', ... */
  readonly inputNames?: readonly string[];
  /** Names of the outputs, in order. Default: 'output', or 'output_0', ... */
  readonly outputNames?: readonly string[];
  /**
   * Axes whose size may change, by input (or output) name: `{ image: { 0: 'batch' } }`, or `{ image: [0] }` with made-up names.
   * Axes of one name always have one size.
   */
  readonly dynamicAxes?: Readonly<Record<string, Readonly<Record<number, string>> | readonly number[]>>;
  /** Operator set, 17 to 20. Default: 17. */
  readonly opsetVersion?: number;
  /** Run the model in onnxruntime-node (if installed) and compare it with the original; throws when they differ. */
  readonly verify?: boolean;
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
  for (const [name, spec] of Object.entries(options.dynamicAxes ?? {})) {
    const index = inputNames.indexOf(name);
    if (index < 0) others.push(name);
    else inputAxes.push(...axesOf(name, spec, index, ranks[index]!));
  }
  return { inputNames, opset, inputAxes, others };
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
    return axesOf(name, options.dynamicAxes![name]!, index, ranks[index]!);
  });
}

function axesOf(
  name: string,
  spec: NonNullable<ExportOptions['dynamicAxes']>[string],
  index: number,
  rank: number,
): DynamicAxis[] {
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
