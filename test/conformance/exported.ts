// Exports a function of tensors, runs the model and compares it with the function: in onnxruntime, or on our importer for what
// onnxruntime has no kernels for (8-bit sums, bfloat16).
import { createRequire } from 'node:module';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { exportModel } from '../../src/onnx/export.js';
import type { ExportOptions } from '../../src/onnx/options.js';
import { flatten } from '../../src/onnx/trace.js';
import { tensorFromBytes, tensorToBytes } from '../../src/serialization/tensors.js';

interface OrtTensor {
  readonly data: Uint8Array | BigInt64Array | Float32Array;
  readonly dims: readonly number[];
  readonly type: string;
}
interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}
interface Ort {
  Tensor: new (type: string, data: ArrayBufferView, dims: readonly number[]) => OrtTensor;
  InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
}
const ort = createRequire(import.meta.url)('onnxruntime-node') as Ort;

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;
type OrtType = keyof typeof ARRAYS;

/** How an exported model was run. */
export type Runner = 'onnxruntime' | 'importer';

/** onnxruntime has no kernel for the dtype, or does not take the type at all; the model itself is valid. */
const NO_KERNEL =
  /NOT_IMPLEMENTED|Could not find an implementation|not a registered function\/op|Unsupported data type/;

export async function runInOnnxruntime(
  bytes: Uint8Array,
  names: readonly string[],
  inputs: readonly Tensor[],
): Promise<Map<string, Tensor>> {
  const session = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const feeds = inputs.map((t, i) => {
      const data = tensorToBytes(t).data;
      const array = new ARRAYS[t.dtype as OrtType](new Uint8Array(data).buffer);
      return [names[i]!, new ort.Tensor(t.dtype, array, t.shape)] as const;
    });
    const results = await session.run(Object.fromEntries(feeds));
    return new Map(
      Object.entries(results).map(([name, r]) => {
        const { buffer, byteOffset, byteLength } = r.data;
        const data = new Uint8Array(buffer, byteOffset, byteLength).slice();
        return [name, tensorFromBytes({ dtype: r.type as OrtType, shape: [...r.dims], data })];
      }),
    );
  } finally {
    await session.release();
  }
}

/** Exports `f`, runs the model on `inputs` and compares with what `f` gives. Returns what ran it. @throws where they differ */
export async function checkExport(
  f: (...inputs: Tensor[]) => unknown,
  inputs: readonly Tensor[],
  options: ExportOptions = {},
  tolerance = 1,
): Promise<Runner> {
  const bytes = exportModel(f, inputs, null, options);
  const expected = fb.noGrad(() => flatten(f(...inputs)).tensors);
  const inputNames = options.inputNames ?? inputs.map((_, i) => (inputs.length === 1 ? 'input' : `input_${i}`));
  const outputNames = options.outputNames ?? expected.map((_, i) => (expected.length === 1 ? 'output' : `output_${i}`));
  return checkModel(bytes, inputNames, inputs, outputNames, expected, tolerance);
}

/** Runs a model and compares. `tolerance`: a factor on the usual one. */
export async function checkModel(
  bytes: Uint8Array,
  inputNames: readonly string[],
  inputs: readonly Tensor[],
  outputNames: readonly string[],
  expected: readonly Tensor[],
  tolerance = 1,
): Promise<Runner> {
  let got: Map<string, Tensor>;
  let runner: Runner = 'onnxruntime';
  try {
    // onnxruntime's JavaScript knows no bfloat16 tensors.
    if ([...inputs, ...expected].some((t) => t.dtype === 'bfloat16')) throw new Error('Unsupported data type bfloat16');
    got = await runInOnnxruntime(bytes, inputNames, inputs);
  } catch (error) {
    if (!NO_KERNEL.test((error as Error).message)) throw error;
    runner = 'importer';
    const model = fb.onnx.load(bytes);
    const results = fb.noGrad(() => model.forward(...inputs));
    const list = Array.isArray(results) ? results : [results];
    got = new Map(model.outputNames.map((name, i) => [name, list[i]!]));
  }
  expected.forEach((want, i) => {
    const result = got.get(outputNames[i]!);
    if (!result) throw new Error(`the model has no output '${outputNames[i]}'`);
    const problem = difference(result, want, tolerance);
    if (problem !== null) throw new Error(`${outputNames[i]} (${runner}): ${problem}`);
  });
  return runner;
}

/** Relative to the element and to the largest one: sums are added in another order, and attributes (epsilon, 1 / 6) are float32. */
const RTOL: Readonly<Record<string, readonly [number, number]>> = {
  float64: [2e-5, 1e-7],
  float32: [2e-4, 2e-5],
  float16: [1e-2, 4e-3],
  bfloat16: [4e-2, 2e-2],
};

function difference(got: Tensor, want: Tensor, factor: number): string | null {
  if (String(got.shape) !== String(want.shape)) return `shape [${got.shape}], expected [${want.shape}]`;
  if (got.dtype !== want.dtype) return `${got.dtype}, expected ${want.dtype}`;
  const [a, b] = [got, want].map((t) =>
    (t.dtype === 'int64' ? t : t.double()).detach().flatten().toTypedArray(),
  ) as unknown as [ArrayLike<number | bigint>, ArrayLike<number | bigint>];
  const tol = RTOL[want.dtype];
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const v = Math.abs(Number(b[i]));
    if (Number.isFinite(v) && v > largest) largest = v;
  }
  for (let i = 0; i < b.length; i++) {
    if (a[i] === b[i] || Object.is(a[i], b[i])) continue;
    const [x, y] = [Number(a[i]), Number(b[i])];
    const near = tol && Math.abs(x - y) <= factor * (tol[0] * Math.abs(y) + tol[1] * Math.min(1, largest || 1));
    if (!near || !Number.isFinite(y)) return `element ${i} is ${String(a[i])}, expected ${String(b[i])}`;
  }
  return null;
}
