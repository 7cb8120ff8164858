// `flambeau run MODEL`: one run of an ONNX model or a saved graph, on given or random inputs; prints or writes the outputs.
import { parseArgs } from 'node:util';
import { noGrad } from '../autograd/modes.js';
import { load as loadOnnx } from '../onnx/import/load.js';
import { manualSeed } from '../random.js';
import { compile } from '../runtime/compile.js';
import { load as loadGraph } from '../runtime/jit.js';
import { load, save } from '../serialization/save.js';
import { rand, randint, zeros } from '../tensor/create.js';
import { isFloatingDtype, type DType } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/handle.js';

interface Input {
  readonly name: string;
  readonly dtype: DType;
  /** A number, or the name of a size that is free. */
  readonly shape: readonly (number | string)[];
}
interface Runnable {
  readonly inputs: readonly Input[];
  readonly outputs: readonly string[] | null;
  run(inputs: Tensor[]): unknown;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      input: { type: 'string', multiple: true, default: [] },
      size: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string', default: '0' },
      out: { type: 'string' },
      compile: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new Error('run: expected one model (.onnx or .fbg)');
  const model = open(file);
  const given = givenInputs(values.input, model.inputs);
  const sizes = new Map(values.size.map((s) => pair(s, '--size NAME=NUMBER')));
  for (const name of sizes.keys())
    if (!model.inputs.some((i) => i.shape.includes(name)))
      throw new Error(`run: no size is called '${name}' (there are: ${free(model.inputs).join(', ') || 'none'})`);
  if (!/^\d+$/.test(values.seed)) throw new Error(`run: --seed expects a whole number, got '${values.seed}'`);
  manualSeed(Number(values.seed));
  const inputs = model.inputs.map((i) => given.get(i.name) ?? randomInput(i, sizes));
  model.inputs.forEach((i, k) => print(`${i.name}${given.has(i.name) ? '' : ' (random)'}`, inputs[k]!, false));
  const outputs = flat(await result(model, inputs, values.compile));
  const names = outputs.map((_, k) => model.outputs?.[k] ?? `output ${k}`);
  outputs.forEach((t, k) => print(names[k]!, t, values.out === undefined));
  if (values.out !== undefined) save(Object.fromEntries(outputs.map((t, k) => [names[k]!, t])), values.out);
}

function open(file: string): Runnable {
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

async function result(model: Runnable, inputs: Tensor[], compiled: boolean): Promise<unknown> {
  if (!compiled) return noGrad(() => model.run(inputs));
  const f = compile((...xs: Tensor[]) => model.run(xs));
  // A model that cannot be compiled stays eager, after a notice.
  for (let calls = 0; calls < 3; calls++) {
    noGrad(() => f(...inputs));
    if (await f.ready()) break;
  }
  return noGrad(() => f(...inputs));
}

const pair = (text: string, expected: string): [string, string] => {
  const at = text.lastIndexOf('=');
  if (at <= 0) throw new Error(`run: expected ${expected}, got '${text}'`);
  return [text.slice(0, at), text.slice(at + 1)];
};
const free = (inputs: readonly Input[]): string[] => [
  ...new Set(inputs.flatMap((i) => i.shape.filter((d): d is string => typeof d === 'string'))),
];

/** Tensors from files: NAME=x.npy, or a file of several (.npz, .safetensors, .pt) whose keys are names. */
function givenInputs(list: readonly string[], inputs: readonly Input[]): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  const add = (name: string, t: Tensor): void => {
    if (!inputs.some((i) => i.name === name))
      throw new Error(`run: the model has no input '${name}' (its inputs: ${inputs.map((i) => i.name).join(', ')})`);
    out.set(name, t);
  };
  for (const text of list) {
    const named = /^([^=]+)=(.+)$/.exec(text);
    const loaded: unknown = load(named ? named[2]! : text);
    if (isTensor(loaded)) {
      const name = named?.[1] ?? (inputs.length === 1 ? inputs[0]!.name : undefined);
      if (name === undefined) throw new Error(`run: name the input of '${text}': --input NAME=${text}`);
      add(name, loaded);
    } else if (named) throw new Error(`run: '${named[2]}' holds several tensors; give it without a name`);
    else for (const [name, t] of Object.entries(loaded as Record<string, unknown>)) if (isTensor(t)) add(name, t);
  }
  return out;
}

function randomInput(i: Input, sizes: ReadonlyMap<string, string>): Tensor {
  const shape = i.shape.map((d) => {
    if (typeof d === 'number') return d;
    const n = Number(sizes.get(d) ?? 1);
    if (!Number.isInteger(n) || n < 0) throw new Error(`run: --size ${d} expects a whole number`);
    return n;
  });
  if (isFloatingDtype(i.dtype)) return rand(shape).to(i.dtype);
  // Indices and masks: small numbers that are good for most uses.
  return i.dtype === 'bool' ? zeros(shape, { dtype: 'bool' }) : randint(0, 2, shape).to(i.dtype);
}

function flat(x: unknown): Tensor[] {
  if (isTensor(x)) return [x];
  if (Array.isArray(x)) return x.flatMap(flat);
  return typeof x === 'object' && x !== null ? Object.values(x).flatMap(flat) : [];
}

function print(name: string, t: Tensor, values: boolean): void {
  const numbers = t.numel() > 0 && t.dtype !== 'bool' ? t.detach().to('float64') : null;
  const stats =
    numbers === null
      ? ''
      : `  min ${short(numbers.min().item())}  mean ${short(numbers.mean().item())}  max ${short(numbers.max().item())}`;
  process.stdout.write(`${name}: ${t.dtype}[${t.shape.join(', ')}]${stats}\n${values ? `${String(t)}\n` : ''}`);
}
const short = (v: unknown): string => Number(Number(v).toPrecision(6)).toString();
