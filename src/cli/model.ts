// A model named on the command line, and the inputs it is run with: for `run` and `bench`.
import { load as loadOnnx } from '../onnx/import/load.js';
import { load as loadGraph } from '../runtime/jit.js';
import { load } from '../serialization/save.js';
import { rand, randint, zeros } from '../tensor/create.js';
import { isFloatingDtype, type DType } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/handle.js';

export interface Input {
  readonly name: string;
  readonly dtype: DType;
  /** A number, or the name of a size that is free. */
  readonly shape: readonly (number | string)[];
}
export interface Runnable {
  readonly inputs: readonly Input[];
  readonly outputs: readonly string[] | null;
  run(inputs: readonly Tensor[]): unknown;
}

/** @throws where the file is neither an ONNX model nor a saved graph */
export function open(file: string): Runnable {
  if (file.endsWith('.fbg')) {
    const module = loadGraph(file);
    return {
      inputs: module.graph.ir.inputs.map((v, i) => ({
        name: v.name ?? `input ${i}`,
        dtype: v.type.dtype,
        shape: v.type.shape as number[],
      })),
      outputs: null,
      run: (inputs) => module(...inputs),
    };
  }
  const module = loadOnnx(file);
  return { inputs: module.inputTypes, outputs: module.outputNames, run: (inputs) => module.forward(...inputs) };
}

const pair = (text: string, expected: string): [string, string] => {
  const at = text.lastIndexOf('=');
  if (at <= 0) throw new Error(`expected ${expected}, got '${text}'`);
  return [text.slice(0, at), text.slice(at + 1)];
};
const free = (inputs: readonly Input[]): string[] => [
  ...new Set(inputs.flatMap((i) => i.shape.filter((d): d is string => typeof d === 'string'))),
];

export interface GivenInput {
  readonly name: string;
  readonly tensor: Tensor;
  readonly random: boolean;
}

/**
 * The inputs in the model's order: those of `files` (`NAME=x.npy`, or a file of several), the others random.
 * @param sizes `NAME=NUMBER` for sizes that are free; 1 where none is given
 */
export function inputsOf(model: Runnable, files: readonly string[], sizes: readonly string[]): GivenInput[] {
  const given = givenInputs(files, model.inputs);
  const named = new Map(sizes.map((s) => pair(s, '--size NAME=NUMBER')));
  for (const name of named.keys())
    if (!model.inputs.some((i) => i.shape.includes(name)))
      throw new Error(`no size is called '${name}' (there are: ${free(model.inputs).join(', ') || 'none'})`);
  return model.inputs.map((i) => {
    const tensor = given.get(i.name);
    return { name: i.name, tensor: tensor ?? randomInput(i, named), random: tensor === undefined };
  });
}

/** The tensors of a result: one, a list or an object of them. */
export function flat(x: unknown): Tensor[] {
  if (isTensor(x)) return [x];
  if (Array.isArray(x)) return x.flatMap(flat);
  return typeof x === 'object' && x !== null ? Object.values(x).flatMap(flat) : [];
}

/** Tensors from files: NAME=x.npy, or a file of several (.npz, .safetensors, .pt) whose keys are names. */
function givenInputs(list: readonly string[], inputs: readonly Input[]): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  const add = (name: string, t: Tensor): void => {
    if (!inputs.some((i) => i.name === name))
      throw new Error(`the model has no input '${name}' (its inputs: ${inputs.map((i) => i.name).join(', ')})`);
    out.set(name, t);
  };
  for (const text of list) {
    const named = /^([^=]+)=(.+)$/.exec(text);
    const loaded: unknown = load(named ? named[2]! : text);
    if (isTensor(loaded)) {
      const name = named?.[1] ?? (inputs.length === 1 ? inputs[0]!.name : undefined);
      if (name === undefined) throw new Error(`name the input of '${text}': --input NAME=${text}`);
      add(name, loaded);
    } else if (named) throw new Error(`'${named[2]}' holds several tensors; give it without a name`);
    else for (const [name, t] of Object.entries(loaded as Record<string, unknown>)) if (isTensor(t)) add(name, t);
  }
  return out;
}

function randomInput(i: Input, sizes: ReadonlyMap<string, string>): Tensor {
  const shape = i.shape.map((d) => {
    if (typeof d === 'number') return d;
    const n = Number(sizes.get(d) ?? 1);
    if (!Number.isInteger(n) || n < 0) throw new Error(`--size ${d} expects a whole number`);
    return n;
  });
  if (isFloatingDtype(i.dtype)) return rand(shape).to(i.dtype);
  // Indices and masks: small numbers that are good for most uses.
  return i.dtype === 'bool' ? zeros(shape, { dtype: 'bool' }) : randint(0, 2, shape).to(i.dtype);
}
