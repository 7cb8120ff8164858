// One ONNX model on one side, in a process of its own: prints one JSON line last.
//   onnx_child.ts --model DIR --side ours|onnxruntime --threads N --min-time S
// DIR is a test of ONNX's format (model.onnx, test_data_set_0): its inputs are run and its outputs checked. Calls take turns between
// these inputs and others made from them, whose results the parent compares between the sides: nothing can be kept from call to call.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import * as fb from '../src/index.js';
import type { Tensor } from '../src/index.js';
import { tensorOf } from '../src/onnx/import/tensors.js';
import { schema } from '../src/onnx/schema/load.js';
import { measure, median } from './measure.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    side: { type: 'string' },
    threads: { type: 'string', default: '1' },
    'min-time': { type: 'string', default: '0.2' },
  },
});
const folder = values.model ?? '';
const path = join(folder, 'model.onnx');
const threads = Number(values.threads);
const minTime = Number(values['min-time']);
const data = { inputs: read('input'), outputs: read('output') };
/** The same inputs with other numbers; indices stay. */
const others: Named[] = data.inputs.map(({ name, tensor }) => ({
  name,
  tensor: tensor.dtype.startsWith('float') ? tensor.mul(0.75).add(0.03125) : tensor.clone(),
}));
const result = values.side === 'onnxruntime' ? await runOrt() : await runOurs();
process.stdout.write(`\n${JSON.stringify({ ...result, threads })}\n`);
process.exit(0);

interface Named {
  readonly name: string;
  readonly tensor: Tensor;
}
interface Line {
  readonly us: number;
  readonly repeats: readonly number[];
  /** Largest |got - expected| / (|expected| + 1e-3) over all outputs. */
  readonly error: number;
  readonly compiled?: boolean;
  /** Results for the other inputs: up to 200 elements of each. */
  readonly probe: readonly number[];
}
function probeOf(outputs: readonly ArrayLike<number | bigint>[]): number[] {
  return outputs.flatMap((o) => {
    const n = Math.min(200, o.length);
    return Array.from({ length: n }, (_, i) => Number(o[Math.floor((i * o.length) / n)]));
  });
}

function read(what: string): Named[] {
  const list: Named[] = [];
  for (let i = 0; ; i++) {
    const file = join(folder, 'test_data_set_0', `${what}_${i}.pb`);
    if (!existsSync(file)) return list;
    const proto = schema().fromBinary(schema().pb.TensorProtoSchema, readFileSync(file));
    list.push({ name: proto.name, tensor: tensorOf(proto, file, null).tensor });
  }
}

function errorOf(got: readonly { readonly values: ArrayLike<number | bigint> }[]): number {
  let worst = 0;
  data.outputs.forEach(({ tensor }, k) => {
    const expected = tensor.double().flatten().tolist() as number[];
    const list = got[k]!.values;
    if (list.length !== expected.length) throw new Error(`output ${k}: ${list.length} elements, expected ${expected.length}`); // prettier-ignore
    expected.forEach((e, i) => (worst = Math.max(worst, Math.abs(Number(list[i]) - e) / (Math.abs(e) + 1e-3))));
  });
  return worst;
}

async function runOurs(): Promise<Line> {
  fb.setNumThreads(threads);
  const model = fb.onnx.load(path);
  model.eval();
  const named = data.inputs.every((i) => model.inputNames.includes(i.name));
  const argsOf = (list: readonly Named[]): Tensor[] =>
    named ? model.inputNames.map((name) => list.find((i) => i.name === name)!.tensor) : list.map((i) => i.tensor);
  const turns = [argsOf(data.inputs), argsOf(others)];
  let turn = 0;
  const f = fb.compile((...xs: Tensor[]) => model.forward(...xs) as Tensor | Tensor[]);
  const run = (args = turns[turn++ & 1]!): Tensor | Tensor[] => fb.noGrad(() => f(...args));
  const values = (args: Tensor[]): number[][] =>
    [run(args)].flat().map((t) => t.double().flatten().tolist() as number[]);
  let compiled = false;
  for (let i = 0; i < 6 && !compiled; i++) {
    run();
    compiled = await f.ready();
  }
  const error = errorOf(values(turns[0]!).map((list) => ({ values: list })));
  const probe = probeOf(values(turns[1]!));
  return { ...measure(() => run(), minTime), error, compiled, probe };
}

async function runOrt(): Promise<Line> {
  const ort = await import('onnxruntime-node');
  const session: InferenceSession = await ort.InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feedsOf = (list: readonly Named[]): Record<string, OrtTensor> =>
    Object.fromEntries(
      list.map(({ name, tensor }, i) => [
        session.inputNames.includes(name) ? name : session.inputNames[i]!,
        new ort.Tensor(tensor.dtype as 'float32', tensor.toTypedArray() as Float32Array, [...tensor.shape]),
      ]),
    );
  const turns = [feedsOf(data.inputs), feedsOf(others)];
  let turn = 0;
  const valuesOf = async (feeds: Record<string, OrtTensor>): Promise<Float32Array[]> => {
    const got = await session.run(feeds);
    return session.outputNames.map((n) => got[n]!.data as Float32Array);
  };
  const error = errorOf((await valuesOf(turns[0]!)).map((values) => ({ values })));
  const probe = probeOf(await valuesOf(turns[1]!));
  // As measure.ts does it, for calls that give promises.
  const time = async (k: number): Promise<number> => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < k; i++) await session.run(turns[turn++ & 1]!);
    return Number(process.hrtime.bigint() - start) / 1e9;
  };
  await time(3);
  let k = 1;
  let t = await time(k);
  while (t < minTime) {
    k = Math.max(2 * k, Math.floor((k * minTime) / Math.max(t, 1e-9)));
    t = await time(k);
  }
  const repeats = [t / k];
  while (repeats.length < 5) repeats.push((await time(k)) / k);
  const us = repeats.map((s) => Math.round(s * 1e9) / 1e3);
  return { us: median(us), repeats: us, error, probe };
}
