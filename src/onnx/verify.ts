// Runs an exported model in onnxruntime-node and compares the results. The runtime works asynchronously and the exporter does
// not, so the model runs in a process of its own; the tensors travel as files.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tensorToBytes } from '../serialization/tensors.js';
import { isFloatingDtype } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/handle.js';
import { OnnxExportError } from './types.js';

const RTOL = 1e-3;
const ATOL = 1e-5;

// Plain JavaScript for `node -e`: reads [runtime, folder] from the command line, writes results.json and one file per output.
const CHILD = `
const { readFileSync, writeFileSync } = require('node:fs');
const [runtime, dir] = process.argv.slice(1);
const ort = require(runtime);
(async () => {
  const session = await ort.InferenceSession.create(dir + '/model.onnx', { logSeverityLevel: 3 });
  const inputs = JSON.parse(readFileSync(dir + '/inputs.json', 'utf8'));
  const arrays = { float32: Float32Array, float64: Float64Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
    int64: BigInt64Array, uint8: Uint8Array, bool: Uint8Array, float16: Uint16Array };
  const feeds = {};
  for (const { name, dtype, shape, file } of inputs) {
    const bytes = readFileSync(file);
    const data = new arrays[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    feeds[name] = new ort.Tensor(dtype, data, shape);
  }
  const results = await session.run(feeds);
  const list = Object.entries(results).map(([name, t]) => ({ name, dtype: t.type, shape: t.dims, data: Array.from(t.data, String) }));
  writeFileSync(dir + '/results.json', JSON.stringify(list));
})().catch((e) => { process.stderr.write(String(e.message)); process.exit(1); });
`;

interface RuntimeResult {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** Throws OnnxExportError when onnxruntime-node is missing, refuses the model, or computes something else. */
export function verifyModel(
  model: Uint8Array,
  inputNames: readonly string[],
  inputs: readonly Tensor[],
  outputNames: readonly string[],
  expected: readonly Tensor[],
): void {
  const dir = mkdtempSync(join(tmpdir(), 'flambeau-onnx-'));
  try {
    writeFileSync(join(dir, 'model.onnx'), model);
    const list = inputs.map((t, i) => {
      const file = join(dir, `input${i}.bin`);
      writeFileSync(file, tensorToBytes(t).data);
      return { name: inputNames[i], dtype: t.dtype, shape: t.shape, file };
    });
    writeFileSync(join(dir, 'inputs.json'), JSON.stringify(list));
    const child = spawnSync(process.execPath, ['-e', CHILD, runtimePath(), dir], { encoding: 'utf8' });
    if (child.status !== 0)
      throw new OnnxExportError(`verify: onnxruntime refused the model: ${child.stderr.trim().split('\n')[0]}`);
    const results = JSON.parse(readFileSync(join(dir, 'results.json'), 'utf8')) as RuntimeResult[];
    expected.forEach((want, i) => {
      const got = results.find((r) => r.name === outputNames[i]);
      if (!got) throw new OnnxExportError(`verify: the model has no output '${outputNames[i]}'`);
      compare(got, want);
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function compare(got: RuntimeResult, want: Tensor): void {
  if (String(got.shape) !== String(want.shape)) {
    throw new OnnxExportError(
      `verify: output '${got.name}' has shape [${got.shape.join(', ')}], expected [${want.shape.join(', ')}]`,
    );
  }
  const values = want.detach().toTypedArray();
  const float = isFloatingDtype(want.dtype);
  got.data.forEach((text, i) => {
    const w = values[i]!;
    const g = text === 'true' ? 1 : text === 'false' ? 0 : Number(text);
    const same = float
      ? Math.abs(g - Number(w)) <= ATOL + RTOL * Math.abs(Number(w)) || Object.is(g, Number(w))
      : typeof w === 'bigint'
        ? text === String(w)
        : g === w;
    if (!same) throw new OnnxExportError(`verify: output '${got.name}', element ${i} is ${text}, expected ${w}`);
  });
}

/** onnxruntime-node as the program that exports sees it. */
function runtimePath(): string {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve('onnxruntime-node');
    } catch {
      // Not there: try the next place.
    }
  }
  throw new OnnxExportError("verify needs the package 'onnxruntime-node' (npm install onnxruntime-node)");
}
