// `flambeau run MODEL`: one run of an ONNX model or a saved graph, on given or random inputs; prints or writes the outputs.
import { parseArgs } from 'node:util';
import { noGrad } from '../autograd/modes.js';
import { manualSeed } from '../random.js';
import { compile } from '../runtime/compile.js';
import { save } from '../serialization/save.js';
import type { Tensor } from '../tensor/handle.js';
import { flat, inputsOf, open, type Runnable } from './model.js';

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
  if (!/^\d+$/.test(values.seed)) throw new Error(`run: --seed expects a whole number, got '${values.seed}'`);
  manualSeed(Number(values.seed));
  const inputs = inputsOf(model, values.input, values.size);
  for (const { name, tensor, random } of inputs) print(`${name}${random ? ' (random)' : ''}`, tensor, false);
  const tensors = inputs.map((i) => i.tensor);
  const outputs = flat(await result(model, tensors, values.compile));
  const names = outputs.map((_, k) => model.outputs?.[k] ?? `output ${k}`);
  outputs.forEach((t, k) => print(names[k]!, t, values.out === undefined));
  if (values.out !== undefined) save(Object.fromEntries(outputs.map((t, k) => [names[k]!, t])), values.out);
}

/** What the model gives, as it stands or compiled. */
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

function print(name: string, t: Tensor, values: boolean): void {
  const numbers = t.numel() > 0 && t.dtype !== 'bool' ? t.detach().to('float64') : null;
  const stats =
    numbers === null
      ? ''
      : `  min ${short(numbers.min().item())}  mean ${short(numbers.mean().item())}  max ${short(numbers.max().item())}`;
  process.stdout.write(`${name}: ${t.dtype}[${t.shape.join(', ')}]${stats}\n${values ? `${String(t)}\n` : ''}`);
}
const short = (v: unknown): string => Number(Number(v).toPrecision(6)).toString();
