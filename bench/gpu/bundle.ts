// Writes what a GPU machine without Node needs to run our CUDA programs: sources, descriptions of their tensors, expected results.
//   npm run -s bench:gpu -- --out DIR     then, on that machine:  bash DIR/run.sh RESULT.json
// Tensors are described, not stored: both sides compute the same pseudo-random contents. Expected results are a few thousand elements of
// every output, computed op by op on the CPU.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as fb from '../../src/index.js';
import { emitProgram, type Program } from '../../src/emit/program.js';
import { printHosted } from '../../src/emit/cuda/host.js';
import { libraryStep } from '../../src/emit/cuda/library.js';
import type { TensorMeta } from '../../src/emit/meta.js';
import type { Graph, Value } from '../../src/ir/graph.js';
import { native } from '../../src/native.js';
import { registerBackend, type Prepared, type ProgramContext } from '../../src/runtime/backend.js';
import { interpretNative } from '../../src/runtime/execute.js';
import { sameTensor } from '../../src/runtime/variant.js';
import { byteSize } from '../../src/schedule/dtype.js';
import { dtypeName } from '../../src/tensor/dtype.js';
import type { Handle } from '../../src/tensor/handle.js';
import { makeCases } from '../cases.js';
import { generate, readCases } from '../../test/conformance/kernelbench/data.js';
import { CaseModule } from '../../test/conformance/kernelbench/module.js';

const { values } = parseArgs({
  options: { out: { type: 'string' }, kernelbench: { type: 'string' }, only: { type: 'string' } },
});
const out = values.out ?? 'build/gpu';
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

/** What the driver is built with beside its own files. */
const SHARED = [
  ...[
    'abi',
    'blas',
    'choice',
    'convolve',
    'cudnn',
    'library',
    'product',
    'window',
    'windows',
    'direct',
    'implicit_gemm',
    'pooling',
  ].map((f) => `../../native/cuda/${f}.cuh`),
  '../../native/include/flambeau/runtime.h',
];
/** Elements of each output that are compared. */
const SAMPLES = 4096;
/** Tensors up to this size are written as they are. */
const LITERAL = 64;

/** Uniform in [0, 1), a function of the position and the tensor's number: bench/gpu/driver.cu computes the same. */
export function noise(index: number, seed: number): number {
  let h = (Math.imul(index, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) >>> 0;
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39) >>> 0;
  return ((h ^ (h >>> 15)) >>> 8) / 16777216;
}

const numbers = (h: Handle): ArrayLike<number | bigint> =>
  native.toTypedArray(native.ops.contiguous(native.ops.detach(h)));
const copyOf = (h: Handle): Handle => native.ops.clone(native.ops.contiguous(native.ops.detach(h)));
const dtypeOf = (h: Handle): string => dtypeName(native.dtype(h));

/** Gives a tensor reproducible contents like its present ones. @returns how the driver makes them */
function describe(h: Handle, seed: number): string {
  const dtype = dtypeOf(h);
  const n = native.numel(h);
  const now = numbers(h);
  let [lo, hi] = [Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    const v = Number(now[i]);
    lo = Math.min(lo, v);
    hi = Math.max(hi, v);
  }
  if (n <= LITERAL || (dtype !== 'float32' && dtype !== 'int64'))
    return `literal ${Array.from({ length: n }, (_, i) => String(Number(now[i]))).join(' ')}`;
  if (lo === hi) return `uniform ${lo} ${lo}`;
  if (dtype === 'float32' && lo < 0) [lo, hi] = [-Math.fround(Math.min(hi, 2)), Math.fround(Math.min(hi, 2))];
  else if (dtype === 'int64') hi += 1;
  const data = dtype === 'float32' ? new Float32Array(n) : new BigInt64Array(n);
  for (let i = 0; i < n; i++) {
    const v = lo + noise(i, seed) * (hi - lo);
    if (data instanceof Float32Array) data[i] = v;
    else data[i] = BigInt(Math.floor(v));
  }
  const t = fb.fromTypedArray(data, native.shape(h));
  const before = native.gradEnabled();
  native.setGradEnabled(false);
  native.ops.copy_(native.ops.detach(h), t._h);
  native.setGradEnabled(before);
  return `${dtype === 'float32' ? 'uniform' : 'integers'} ${lo} ${hi}`;
}

let count = 0;
const skipped: string[] = [];

function write(
  name: string,
  graph: Graph,
  program: Program,
  context: ProgramContext,
  inputs: readonly Handle[],
  scalars: readonly number[],
): void {
  const { meta } = program;
  const steps = meta.steps.map((s) => libraryStep(s, { tf32 }));
  const missing = steps.findIndex((s) => s === null);
  if (missing >= 0) {
    skipped.push(`${name}: '${meta.steps[missing]!.op}' is a library call that the driver does not have`);
    return;
  }
  const tensors = [...inputs, ...context.captures];
  const lines: string[] = [`name ${name}`];
  const first = (h: Handle): number => tensors.findIndex((x) => sameTensor(x, h));
  tensors.forEach((h, i) =>
    lines.push(
      `tensor ${dtypeOf(h)} ${native.numel(h) * byteSize(dtypeOf(h) as never)} ${first(h) < i ? `same ${first(h)}` : describe(h, i + 1)}`,
    ),
  );
  const want = interpretNative(graph, inputs.map(copyOf), context.captures.map(copyOf), scalars);
  const sizeOf = (t: TensorMeta): number => t.shape.reduce((n: number, d) => n * Number(d), 1) * byteSize(t.dtype);
  const fresh = meta.outputs.flatMap((o) => ('alias' in o ? [] : [o]));
  fresh.forEach((o) => lines.push(`output ${sizeOf(o)}`));
  meta.writes.forEach((w) => lines.push(`write ${'input' in w ? w.input : inputs.length + w.capture}`));
  lines.push(`arena ${String(meta.arena)}`, `scalars ${scalars.join(' ')}`);
  steps.forEach((s) => lines.push(s!));
  // Expected: fresh results in order (aliases are inputs), new gradients, written tensors.
  const slots: { readonly slot: number; readonly h: Handle }[] = [];
  let next = 0;
  meta.outputs.forEach((o, k) => {
    if ('alias' in o) return;
    const h = k < meta.results ? want.outputs[k]! : null;
    if (h) slots.push({ slot: next, h });
    next++;
  });
  graph.gradWrites.forEach((_, k) => {
    const at = meta.gradWrites[k]!.output;
    const h = want.gradWrites[k];
    if (at !== null && h) slots.push({ slot: meta.outputs.slice(0, at).filter((o) => !('alias' in o)).length, h });
  });
  graph.writes.forEach((_, k) => slots.push({ slot: fresh.length + k, h: want.writes[k]! }));
  const expected: number[] = [];
  for (const { slot, h } of slots) {
    const data = numbers(h);
    const step = Math.max(1, Math.floor(data.length / SAMPLES)) | 1;
    const taken: number[] = [];
    for (let i = 0; i < data.length; i += step) taken.push(Number(data[i]));
    lines.push(`expect ${slot} ${dtypeOf(h)} ${taken.length} ${step}`);
    expected.push(...taken);
  }
  const folder = join(out, 'cases', String(count++).padStart(3, '0'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'case.txt'), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, 'expected.bin'), Buffer.from(Float64Array.from(expected).buffer));
  writeFileSync(join(folder, 'program.cu'), program.source);
  // The small cases also as the backend 'cuda' builds them: they take tensors of the host.
  if (name.endsWith(':small') && !name.startsWith('L')) writeFileSync(join(folder, 'hosted.cu'), printHosted(program));
}

let current = '';
/**
 * Cases that convolutions or products decide are written once more as `NAME:tf32`. Not LeNet's step: Adam's first step divides gradients
 * by their own size, so where one is nearly 0 its rounding decides the sign of the step.
 */
const TF32_CASES = /^(conv|matmul_|linear_gelu|bmm|resnet|lenet_infer|lstm|transformer)/;
let tf32 = false;
registerBackend({
  name: 'bundle',
  prepare(graph, context): Prepared {
    const program = emitProgram(graph, { target: 'cuda' });
    const name = current;
    let written = false;
    return {
      poll: () => 'done',
      wait: () => Promise.resolve(),
      error: null,
      info: {
        kernels: 0,
        steps: 0,
        schedule: '',
        report: program.report,
        kernelTimes: null,
        source: program.source,
        cached: false,
        times: {},
        bytes: null,
      },
      runAsync: () => Promise.reject(new Error('the bundle is written by synchronous calls')),
      run(inputs, scalars) {
        if (!written) write(name, graph, program, context, inputs, scalars);
        written = true;
        const r = interpretNative(graph, inputs, context.captures, scalars);
        // The step's writes do not matter here, but a gradient that the next call expects does.
        graph.gradWrites.forEach((w, k) =>
          native.setGrad(leafHandle(graph, w.leaf, inputs, context), r.gradWrites[k]!),
        );
        return r.outputs;
      },
    };
  },
});
function leafHandle(graph: Graph, leaf: Value, inputs: readonly Handle[], context: ProgramContext): Handle {
  const at = graph.inputs.indexOf(leaf);
  return at >= 0 ? inputs[at]! : context.captures[graph.captures.indexOf(leaf)]!;
}

async function makeAll(): Promise<void> {
  const only = values.only === undefined ? null : new RegExp(values.only);
  for (const small of [true, false]) {
    for (const c of makeCases({ small, backend: 'bundle' })) {
      current = small ? `${c.name}:small` : c.name;
      if (!c.modes.includes('compiled') || (only && !only.test(current))) continue;
      (await c.make('compiled'))();
    }
  }
  tf32 = true;
  for (const c of makeCases({ small: false, backend: 'bundle' })) {
    current = `${c.name}:tf32`;
    if (TF32_CASES.test(c.name) && c.modes.includes('compiled') && (!only || only.test(current)))
      (await c.make('compiled'))();
  }
  tf32 = false;
  if (values.kernelbench === undefined) return;
  for (const c of readCases(values.kernelbench)) {
    current = `${c.id}:small`;
    if (only && !only.test(current)) continue;
    const size = c.sizes.tiny;
    const module = new CaseModule(size);
    module.loadStateDict(Object.fromEntries(size.params.map((p) => [p.name, generate(`${c.id}/${p.name}`, p)])));
    module.eval();
    const inputs = size.inputs.map((d, i) => generate(`${c.id}/input.${i}`, d));
    const call = fb.compile((...xs: fb.Tensor[]) => module(...xs), { backend: 'bundle' });
    for (let tries = 0; tries < 4; tries++) {
      fb.noGrad(() => call(...inputs));
      await call.ready();
    }
  }
}
await makeAll();
for (const file of ['driver.cu', 'torch_gpu.py', 'run.sh', 'join.py', ...SHARED])
  copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(out, basename(file)));
writeFileSync(join(out, 'skipped.txt'), skipped.map((s) => `${s}\n`).join(''));
console.log(`${count} programs in ${out}, ${skipped.length} left out (skipped.txt)`);
