// The process that loads files for the runner: one file a message, and an answer, or no answer at all, which the runner counts
// as a crash or a hang. Measures how much memory a file added at its peak.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from '../../../src/index.js';
import { FlambeauError } from '../../../src/index.js';
import { readSafetensorsFile, type TensorBytes } from '../../../src/serialization/safetensors.js';
import { tensorFromBytes } from '../../../src/serialization/tensors.js';
import { Comparison } from './compare.js';
import { resume, run } from './models.js';

export interface FileCase {
  readonly file: string;
  readonly kind: string;
  readonly expect: 'loads' | 'either' | 'error';
  readonly options?: { readonly mapLocation?: string };
  readonly content?: unknown;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly run?: unknown;
  readonly resume?: unknown;
}
export interface Request {
  readonly dir: string;
  readonly case: FileCase;
}
export interface Answer {
  /** What is wrong; null: nothing. */
  readonly problem: string | null;
  /** Of running the model or resuming the training of a checkpoint; null: not asked. */
  readonly extra: { readonly id: string; readonly problem: string | null; readonly skip?: boolean } | null;
  readonly peakMB: number;
  readonly seconds: number;
}

const status = (field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024;
/** Sets the peak that the kernel counts back to what is in use. Not everywhere allowed. */
function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // the peak then counts from the start of the process: stricter
  }
}

const expected = new Map<string, ReadonlyMap<string, TensorBytes>>();
function expectedOf(dir: string): ReadonlyMap<string, TensorBytes> {
  if (!expected.has(dir)) expected.set(dir, readSafetensorsFile(join(dir, 'expected.safetensors')).tensors);
  return expected.get(dir)!;
}

/** Loads a model and, where the case has inputs, runs it: its outputs by name. */
function runModel(path: string, c: FileCase, wanted: ReadonlyMap<string, TensorBytes>): ReadonlyMap<string, unknown> {
  const model = fb.onnx.load(path);
  if (c.run === undefined) return new Map();
  const { inputs } = c.run as { inputs: Readonly<Record<string, { tensor: string }>> };
  const given = Object.entries(inputs).map(([name, v]) => [name, tensorFromBytes(wanted.get(v.tensor)!)] as const);
  const out = fb.noGrad(() => model.forward(new Map(given)));
  const list = Array.isArray(out) ? out : [out];
  // Read, so that a result that is not there is noticed.
  for (const t of list) t.contiguous().toTypedArray();
  return new Map(model.outputNames.map((name, i) => [name, list[i]]));
}

function answer({ dir, case: c }: Request): Answer {
  const path = join(dir, c.file);
  const wanted = expectedOf(dir);
  (globalThis as { gc?: () => void }).gc?.();
  resetPeak();
  const before = status('VmRSS');
  const from = performance.now();
  let value: unknown;
  let error: unknown;
  try {
    value = c.kind === 'onnx' ? runModel(path, c, wanted) : fb.load(path, c.options ?? {});
  } catch (e) {
    error = e ?? new Error('null was thrown');
  }
  const seconds = (performance.now() - from) / 1000;
  const peakMB = status('VmHWM') - before;
  const done = (problem: string | null, extra: Answer['extra'] = null): Answer => ({ problem, extra, peakMB, seconds });
  if (({} as { polluted?: unknown }).polluted !== undefined) return done('({}).polluted is set');
  if (error !== undefined) {
    if (!(error instanceof FlambeauError)) return done(`threw ${String(error)}, which is no error of the library`);
    if (!error.message.includes(c.file)) return done(`the error does not name the file: ${error.message}`);
    return done(c.expect === 'loads' ? `did not load: ${error.message}` : null);
  }
  if (c.expect === 'error') return done('it loaded, and should have been refused');
  try {
    const outputs = (c.run as { outputs?: Readonly<Record<string, unknown>> } | undefined)?.outputs;
    if (c.kind === 'onnx' && outputs !== undefined)
      for (const [name, want] of Object.entries(outputs))
        new Comparison(wanted).check(want, (value as Map<string, unknown>).get(name), `output ${name}`);
    if (c.content !== undefined) new Comparison(wanted).check(c.content, value);
    if (c.metadata !== undefined)
      new Comparison(wanted).check({ dict: c.metadata }, fb.serialization.readMetadata(path));
  } catch (e) {
    return done((e as Error).message);
  }
  if (c.kind === 'onnx') return done(null);
  if (c.run !== undefined) return done(null, { id: `${c.file}:run`, ...run(c.run, value, wanted) });
  if (c.resume !== undefined) return done(null, { id: `${c.file}:resume`, ...resume(c.resume, value, wanted) });
  return done(null);
}

process.on('message', (request: Request) => {
  const files = readdirSync(request.dir).length;
  const result = answer(request);
  const written = readdirSync(request.dir).length !== files;
  process.send!(written ? { ...result, problem: 'a file was written beside it' } : result);
});
