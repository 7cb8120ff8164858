// Runs an exported model in onnxruntime-node and compares the results. The runtime works asynchronously and the exporter does
// not, so the model runs in a process of its own; the tensors travel as files.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { tensorToBytes } from '../serialization/tensors.js';
import { isFloatingDtype } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/handle.js';
import { OnnxExportError } from './types.js';

/** Inputs, and what the original gives for them. */
export interface Case {
  readonly inputs: readonly Tensor[];
  readonly expected: readonly Tensor[];
}

/** What a comparison found: the largest |onnxruntime - original|, and the largest of it over max(1, |original|). */
export interface VerifyReport {
  readonly runtime: string;
  readonly maxAbsoluteError: number;
  readonly maxRelativeError: number;
  /** The output with the largest relative error. */
  readonly output: string;
  /** The sizes of the inputs of every run. */
  readonly sizes: readonly (readonly (readonly number[])[])[];
}

const RTOL = 1e-3;
const ATOL = 1e-5;
/** Of sixteen-bit floats: 8 to 11 bits. */
const HALF_TOL = 1e-2;

// Plain JavaScript for `node -e`: reads [runtime, model, folder] from the command line, writes results.json.
const CHILD = `
const { readFileSync, writeFileSync } = require('node:fs');
const [runtime, model, dir] = process.argv.slice(1);
const ort = require(runtime);
// Node before 24 has no Float16Array: the runtime gives the bits.
const half = (h) => {
  const [e, m] = [(h >> 10) & 31, h & 1023];
  const a = e === 31 ? (m ? NaN : Infinity) : e === 0 ? m * 2 ** -24 : (1024 + m) * 2 ** (e - 25);
  return h & 0x8000 ? -a : a;
};
(async () => {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  const cases = JSON.parse(readFileSync(dir + '/inputs.json', 'utf8'));
  const arrays = { float32: Float32Array, float64: Float64Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
    int64: BigInt64Array, uint8: Uint8Array, bool: Uint8Array, float16: Uint16Array };
  const out = [];
  for (const inputs of cases) {
    const feeds = {};
    for (const { name, dtype, shape, file } of inputs) {
      const bytes = readFileSync(file);
      const data = new arrays[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      feeds[name] = new ort.Tensor(dtype, data, shape);
    }
    const results = await session.run(feeds);
    out.push(Object.entries(results).map(([name, t]) => {
      const bits = t.type === 'float16' && t.data instanceof Uint16Array;
      return { name, dtype: t.type, shape: t.dims, data: Array.from(t.data, (v) => String(bits ? half(v) : v)) };
    }));
  }
  writeFileSync(dir + '/results.json', JSON.stringify(out));
})().catch((e) => { process.stderr.write(String(e.message)); process.exit(1); });
`;

interface RuntimeResult {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** Throws OnnxExportError when onnxruntime-node is missing, refuses the model, or computes something else. */
export function verifyModel(
  model: string,
  inputNames: readonly string[],
  outputNames: readonly string[],
  cases: readonly Case[],
): VerifyReport {
  const runtime = runtimePath();
  const dir = mkdtempSync(join(tmpdir(), 'flambeau-onnx-'));
  try {
    const list = cases.map(({ inputs }, k) =>
      inputs.map((t, i) => {
        const file = join(dir, `input${k}_${i}.bin`);
        writeFileSync(file, tensorToBytes(t).data);
        return { name: inputNames[i], dtype: t.dtype, shape: t.shape, file };
      }),
    );
    writeFileSync(join(dir, 'inputs.json'), JSON.stringify(list));
    const child = spawnSync(process.execPath, ['-e', CHILD, runtime, resolve(model), dir], { encoding: 'utf8' });
    if (child.status !== 0)
      throw new OnnxExportError(`verify: onnxruntime refused the model: ${child.stderr.trim().split('\n')[0]}`);
    const results = JSON.parse(readFileSync(join(dir, 'results.json'), 'utf8')) as RuntimeResult[][];
    const worst = { maxAbsoluteError: 0, maxRelativeError: 0, output: outputNames[0] ?? '' };
    cases.forEach(({ expected }, k) =>
      expected.forEach((want, i) => {
        const got = results[k]!.find((r) => r.name === outputNames[i]);
        if (!got) throw new OnnxExportError(`verify: the model has no output '${outputNames[i]}'`);
        const error = compare(got, want);
        worst.maxAbsoluteError = Math.max(worst.maxAbsoluteError, error.absolute);
        if (error.relative <= worst.maxRelativeError) return;
        worst.maxRelativeError = error.relative;
        worst.output = got.name;
      }),
    );
    return {
      runtime: `onnxruntime-node ${runtimeVersion(runtime)}`,
      ...worst,
      sizes: cases.map((c) => c.inputs.map((t) => [...t.shape])),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Tells of a verification: the caller's function, or one line on stderr. */
export function reportVerified(report: VerifyReport, to: boolean | ((r: VerifyReport) => void) | undefined): void {
  if (typeof to === 'function') return to(report);
  const sizes = report.sizes.map((s) => s.map((dims) => `[${dims.join(', ')}]`).join(' ')).join(' and ');
  process.stderr.write(
    `onnx.export: verified in ${report.runtime} at ${sizes}: largest error ${report.maxAbsoluteError.toExponential(2)}` +
      ` (relative ${report.maxRelativeError.toExponential(2)}, output '${report.output}')\n`,
  );
}

const TYPE_NAMES: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' };

function compare(got: RuntimeResult, want: Tensor): { absolute: number; relative: number } {
  const fail = (why: string): never => {
    throw new OnnxExportError(`verify: output '${got.name}'${why}`);
  };
  if (String(got.shape) !== String(want.shape))
    fail(` has shape [${got.shape.join(', ')}], expected [${want.shape.join(', ')}]`);
  if ((TYPE_NAMES[got.dtype] ?? got.dtype) !== want.dtype) fail(` is ${got.dtype}, expected ${want.dtype}`);
  const values = want.detach().toTypedArray();
  const error = { absolute: 0, relative: 0 };
  const [rtol, atol] = want.dtype === 'float16' ? [HALF_TOL, HALF_TOL] : [RTOL, ATOL];
  got.data.forEach((text, i) => {
    const w = values[i]!;
    const g = text === 'true' ? 1 : text === 'false' ? 0 : Number(text);
    if (!isFloatingDtype(want.dtype)) {
      if (typeof w === 'bigint' ? text !== String(w) : g !== w) fail(`, element ${i} is ${text}, expected ${w}`);
      return;
    }
    const [a, b] = [g, Number(w)];
    if (Object.is(a, b) || a === b) return;
    const distance = Math.abs(a - b);
    if (!(distance <= atol + rtol * Math.abs(b)) || !Number.isFinite(b))
      fail(`, element ${i} is ${text}, expected ${w}`);
    error.absolute = Math.max(error.absolute, distance);
    error.relative = Math.max(error.relative, distance / Math.max(1, Math.abs(b)));
  });
  return error;
}

/** onnxruntime-node as the program that exports sees it. */
export function runtimePath(): string {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve('onnxruntime-node');
    } catch {
      // Not there: try the next place.
    }
  }
  throw new OnnxExportError("verify needs the package 'onnxruntime-node' (npm install onnxruntime-node)");
}

function runtimeVersion(path: string): string {
  const root = /^.*node_modules[\\/]onnxruntime-node/.exec(path)?.[0];
  if (root === undefined) return '';
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}
