// `flambeau bench MODEL`: how long one run of an ONNX model or a saved graph takes, op by op and compiled, and in onnxruntime where
// that package is installed. All sides get the same inputs; a side whose results differ is marked, because its time says nothing.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { noGrad } from '../autograd/modes.js';
import { runtimePath } from '../onnx/verify.js';
import { manualSeed } from '../random.js';
import { compile } from '../runtime/compile.js';
import { TYPED_ARRAYS } from '../tensor/dtype.js';
import { getNumThreads, setNumThreads } from '../tensor/backend.js';
import type { Tensor } from '../tensor/handle.js';
import { flat, inputsOf, open, type GivenInput, type Runnable } from './model.js';

interface Timing {
  readonly side: string;
  /** Median and fastest of the repeats' mean times of one run, in microseconds. */
  readonly us: number;
  readonly fastest: number;
  /** Largest |result - op by op| / max(1, |op by op|) over all outputs. */
  readonly error: number;
}
type Numbers = ArrayLike<number | bigint>;
interface Side {
  readonly name: string;
  /** One run. */
  run(): unknown;
  /** The numbers of a run's outputs. */
  values(): Promise<readonly Numbers[]>;
}

const REPEATS = 7;
/** Results further apart than this are not the same computation. */
const TOLERANCE = 1e-2;

/**
 * Prints a line for each side: median and fastest time, times faster than op by op, largest difference of the results.
 * @throws on unknown options, inputs and sizes, as `run` does
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      input: { type: 'string', multiple: true, default: [] },
      size: { type: 'string', multiple: true, default: [] },
      threads: { type: 'string' },
      time: { type: 'string', default: '0.2' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new Error('bench: expected one model (.onnx or .fbg)');
  const seconds = Number(values.time);
  if (!(seconds > 0 && seconds <= 60)) throw new Error(`bench: --time expects seconds up to 60, got '${values.time}'`);
  const threads = values.threads === undefined ? getNumThreads() : Number(values.threads);
  if (!Number.isInteger(threads) || threads < 1)
    throw new Error(`bench: --threads expects a positive whole number, got '${values.threads}'`);
  setNumThreads(threads);
  manualSeed(0);
  const model = open(file);
  const inputs = inputsOf(model, values.input, values.size);
  const tensors = inputs.map((i) => i.tensor);

  const eager = ours('op by op', () => model.run(tensors));
  const fused = await compiled(model, tensors);
  const ort = file.endsWith('.onnx') ? await onnxruntime(file, inputs, threads) : null;
  const expected = await eager.values();
  const rows: Timing[] = [];
  for (const side of [eager, fused, ort])
    if (side)
      rows.push({ side: side.name, ...(await time(side, seconds)), error: difference(await side.values(), expected) });
  if (values.json) process.stdout.write(`${JSON.stringify({ model: file, threads, rows })}\n`);
  else report(rows, threads, fused !== null);
}

const ours = (name: string, run: () => unknown): Side => ({
  name,
  run: () => noGrad(run),
  values: () => Promise.resolve(flat(noGrad(run)).map((t) => t.to('float64').toTypedArray())),
});

/** The compiled model; null where it stays op by op (a notice says why). */
async function compiled(model: Runnable, inputs: readonly Tensor[]): Promise<Side | null> {
  const f = compile((...xs: Tensor[]) => model.run(xs));
  for (let calls = 0; calls < 3; calls++) {
    noGrad(() => f(...inputs));
    if (await f.ready()) return ours('compiled', () => f(...inputs));
  }
  return null;
}

/** Of onnxruntime-node, which users install themselves, what is used here. */
interface Runtime {
  readonly InferenceSession: { create(path: string, options: object): Promise<Session> };
  readonly Tensor: new (dtype: string, data: unknown, shape: readonly number[]) => unknown;
}
interface Session {
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, { readonly data: Numbers }>>>;
}

/** The model in onnxruntime-node; null where that is not installed. @throws what the runtime says of a model that it refuses */
async function onnxruntime(file: string, inputs: readonly GivenInput[], threads: number): Promise<Side | null> {
  let path: string;
  try {
    path = runtimePath();
  } catch {
    return null;
  }
  const ort = createRequire(path)(path) as Runtime;
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(file, options);
  const feeds = Object.fromEntries(
    inputs.map(({ name, tensor }) => {
      if (TYPED_ARRAYS[tensor.dtype] === null)
        throw new Error(`inputs of ${tensor.dtype} cannot be given to onnxruntime: Node has no array for them`);
      return [name, new ort.Tensor(tensor.dtype, tensor.toTypedArray(), tensor.shape)];
    }),
  );
  return {
    name: 'onnxruntime',
    run: () => session.run(feeds),
    values: async () => {
      const got = await session.run(feeds);
      return session.outputNames.map((name) => got[name]!.data);
    },
  };
}

async function time(side: Side, seconds: number): Promise<{ us: number; fastest: number }> {
  const batch = async (n: number): Promise<number> => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < n; i++) {
      // A promise costs a turn of the event loop, so only sides that give one wait for it.
      const r = side.run();
      if (r instanceof Promise) await r;
    }
    return Number(process.hrtime.bigint() - start) / 1e9;
  };
  await batch(3);
  let n = 1;
  for (let t = await batch(n); t < seconds / REPEATS; t = await batch(n))
    n = Math.max(2 * n, Math.floor((n * seconds) / REPEATS / Math.max(t, 1e-9)));
  const us: number[] = [];
  for (let i = 0; i < REPEATS; i++) us.push(((await batch(n)) / n) * 1e6);
  us.sort((a, b) => a - b);
  return { us: us[REPEATS >> 1]!, fastest: us[0]! };
}

function difference(got: readonly Numbers[], expected: readonly Numbers[]): number {
  let worst = 0;
  expected.forEach((list, k) => {
    const other = got[k];
    if (other?.length !== list.length) worst = Infinity;
    else
      for (let i = 0; i < list.length; i++) {
        const [a, b] = [Number(other[i]), Number(list[i])];
        if (a !== b && !(Number.isNaN(a) && Number.isNaN(b)))
          worst = Math.max(worst, Math.abs(a - b) / Math.max(1, Math.abs(b)) || Infinity);
      }
  });
  return worst;
}

function report(rows: readonly Timing[], threads: number, compiles: boolean): void {
  const base = rows[0]!.us;
  const lines = rows.map(({ side, us, fastest, error }) => {
    const wrong = error <= TOLERANCE ? '' : '  RESULTS DIFFER';
    const faster = `${(base / us).toFixed(2)}x`;
    return `${side.padEnd(12)} ${short(us).padStart(10)} ${short(fastest).padStart(10)} ${faster.padStart(8)} ${error.toExponential(1).padStart(9)}${wrong}`;
  });
  const head = `${'us per run'.padEnd(12)} ${'median'.padStart(10)} ${'fastest'.padStart(10)} ${'speed'.padStart(8)} ${'error'.padStart(9)}`;
  process.stdout.write(`threads: ${threads}\n${head}\n${lines.join('\n')}\n`);
  if (!compiles) process.stdout.write('not compiled: it stays op by op\n');
}
const short = (us: number): string => (us < 100 ? us.toFixed(2) : us.toFixed(0));
