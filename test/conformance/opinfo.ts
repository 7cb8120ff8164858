// Runs PyTorch's own operator samples. See opinfo/README.md in the data directory for the format.
//   npm run -s conformance:opinfo -- [--data DIR] [--only REGEX] [--json] [--compiled [--backend NAME] | --second-order | --onnx [--opset N]] [--verbose]
// A sample passes when its function form, its method and in-place forms (where PyTorch has them) and its gradients do.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { resolve, resolveMethod, type Callable } from './calls.js';
import {
  compareTensor,
  compareTiedIndices,
  compareValue,
  type Defaults,
  type Rules,
  type Tolerance,
} from './compare.js';
import { checkExport, type Runner } from './exported.js';
import { compareFactors, compareLike, definedPart, through } from './factors.js';
import { checkOwnError, collect, compareGradient } from './gradients.js';
import { messageOf, readOptions, Report } from './runner.js';
import { checkSecondOrder } from './second_order.js';
import { Decoder, isTensor, isTensorValue, type Numbers, type TensorValue } from './values.js';

interface Sample {
  readonly id: string;
  readonly dtype: string;
  readonly source?: string;
  readonly input: unknown;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly output?: unknown;
  readonly mutated?: Readonly<Record<string, unknown>>;
  readonly gradOutput?: unknown;
  readonly grads?: Readonly<Record<string, TensorValue | null>>;
  readonly random?: boolean;
  readonly broadcastsInput?: boolean;
  readonly tolerance?: Tolerance;
  readonly ties?: boolean;
  readonly unordered?: boolean;
  readonly platformDefined?: boolean;
  readonly sensitive?: boolean;
  readonly outputMask?: TensorValue;
  readonly gradThrough?: string;
  readonly gradSymmetric?: unknown;
  readonly gradTriangular?: unknown;
  readonly error?: { readonly type: string; readonly regex: string; readonly message: string };
}
interface Manifest {
  readonly op: string;
  readonly variant: string;
  readonly call: string;
  readonly method: boolean;
  readonly inplace: boolean;
  readonly nonUnique?: string | null;
  readonly samples: readonly Sample[];
}
interface Index {
  readonly defaultTolerance: Defaults;
  readonly ops: readonly {
    readonly name: string;
    readonly file: string;
    readonly tier: number;
    readonly samples: number;
    readonly errors: number;
  }[];
}

interface Decoded {
  readonly input: unknown;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

const options = readOptions('opinfo');
const report = new Report('opinfo', options);
const index = JSON.parse(readFileSync(join(options.data, 'index.json'), 'utf8')) as Index;
const messages = { compared: 0, matching: 0 };
const exported: Record<Runner, number> = { onnxruntime: 0, importer: 0 };
const present: string[] = [];
/** Forms of the operator at hand that the library does not have. */
const missing = new Set<string>();

for (const entry of index.ops) {
  if (options.only ? !options.only.test(entry.name) : (options.secondOrder || options.onnx) && entry.tier > 1) continue;
  const manifest = JSON.parse(readFileSync(join(options.data, `${entry.file}.json`), 'utf8')) as Manifest;
  const call = resolve(manifest.call, manifest.op);
  if (!call) {
    report.skip(entry.name, 'operator not in the foundation', manifest.samples.length);
    continue;
  }
  present.push(entry.name);
  const decoder = new Decoder(join(options.data, `${entry.file}.safetensors`));
  missing.clear();
  for (const sample of manifest.samples) {
    const id = `${entry.name}/${sample.id}`;
    const skip = skipReason(sample);
    if (skip) {
      report.skip(id, skip);
      continue;
    }
    try {
      fb.manualSeed(0);
      if (sample.error) runError(call, sample, decoder);
      else if (options.onnx) {
        const runner = await runExported(call, sample, decoder);
        if (runner === null) {
          report.skip(id, 'gives no tensors');
          continue;
        }
        exported[runner]++;
      } else if (options.secondOrder) {
        const decoded = decode(sample, decoder);
        if (!checkSecondOrder(call, decoded, decoded.tensors)) {
          report.skip(id, 'no result that is differentiable twice');
          continue;
        }
      } else if (options.compiled) {
        const eager = await runCompiled(manifest, call, sample, decoder);
        if (eager !== null) {
          report.skip(id, `runs eagerly: ${eager}`);
          continue;
        }
      } else runSample(manifest, call, sample, decoder);
      report.pass();
    } catch (error) {
      report.fail(id, messageOf(error));
      if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
    }
  }
  for (const form of missing) report.skip(`${entry.name}: ${form}`, 'not in the foundation; the function form was run');
}
report.note('operators', { present: present.length, all: index.ops.length });
report.note('errorMessages', messages);
if (options.onnx) report.note('exported', exported);
report.finish();

function skipReason(s: Sample): string | null {
  if (s.unordered) return 'the order of the result is not defined';
  if (options.compiled && s.error) return 'error inputs run eagerly';
  if (options.onnx && s.error) return 'inputs that must fail are not exported';
  if (options.onnx && s.mutated) return 'changes its inputs, which a model cannot';
  if (options.onnx && (s.random || s.platformDefined)) return 'the result is random or not defined';
  if (options.secondOrder && (!s.grads || s.random || s.mutated || s.dtype !== 'float64' || s.error))
    return 'not a float64 sample with gradients';
  // Differences say nothing beside poles and at numbers of 1e100.
  if (options.secondOrder && s.source === 'reference') return 'reference inputs hold extreme values';
  return null;
}

function decode(s: Sample, decoder: Decoder): Decoded {
  const tensors = new Map<string, Tensor>();
  const met = (path: string, t: Tensor): void => void tensors.set(path, t);
  return {
    input: decoder.decode(s.input, 'input', met),
    args: s.args.map((a, i) => decoder.decode(a, `args.${i}`, met)),
    kwargs: Object.fromEntries(Object.entries(s.kwargs).map(([k, v]) => [k, decoder.decode(v, `kwargs.${k}`, met)])),
    tensors,
  };
}

function rulesOf(s: Sample, decoder: Decoder): Rules {
  return {
    defaults: index.defaultTolerance,
    tolerance: s.tolerance,
    typeOnly: s.random === true || s.platformDefined === true,
    sensitive: s.sensitive === true,
    mask: s.outputMask ? (decoder.numbers(s.outputMask) as Numbers) : null,
  };
}

function runSample(manifest: Manifest, call: Callable, s: Sample, decoder: Decoder): void {
  const decoded = decode(s, decoder);
  const output = call(decoded);
  const rules = rulesOf(s, decoder);
  compareOutput(manifest, output, s, decoder, rules);
  for (const [path, value] of Object.entries(s.mutated ?? {})) {
    compareValue(decoded.tensors.get(path), value, decoder, rules, `${path} after the call`);
  }
  if (s.grads && !s.random) compareGradients(output, decoded, s, decoder, rules);
  if (s.random || s.mutated) return;
  fb.noGrad(() => {
    if (manifest.method && !manifest.op.startsWith('__') && isTensor(decoded.input))
      runMethod(manifest, s, decoder, rules);
    if (manifest.inplace && isTensor(decoded.input)) runInplace(manifest, s, decoder, rules);
  });
}

function runMethod(manifest: Manifest, s: Sample, decoder: Decoder, rules: Rules): void {
  const call = resolveMethod(manifest.op, false);
  if (!call) return void missing.add('method');
  // `where`'s method has its arguments in another order than the call that is recorded.
  if (manifest.call.startsWith('torch.where')) {
    const d = decode(s, decoder);
    return compareOutput(manifest, call({ input: d.input, args: d.args, kwargs: d.kwargs }), s, decoder, rules);
  }
  compareOutput(manifest, call(decode(s, decoder)), s, decoder, rules);
}

function runInplace(manifest: Manifest, s: Sample, decoder: Decoder, rules: Rules): void {
  if (manifest.op.endsWith('_') || manifest.op.includes('.')) return; // in place already; nn.functional's `inplace` option
  if (!isTensorValue(s.input) || overlaps(s.input)) return; // writing overlapping elements is an error of its own
  const call = resolveMethod(manifest.op, true);
  if (!call) return void missing.add('in-place form');
  const decoded = decode(s, decoder);
  const input = (decoded.input as Tensor).detach();
  const run = (): unknown => call({ ...decoded, input });
  const want = s.output as TensorValue;
  const broadcast = isTensorValue(want) && String(want.shape) !== String(s.input.shape);
  if (s.broadcastsInput && broadcast) return mustThrow(run, `${manifest.op}_ must not broadcast its input`);
  if (!isTensorValue(want) || want.dtype !== input.dtype || String(want.shape) !== String(input.shape)) return;
  const result = run();
  if (isTensor(result)) compareTensor(result, want, decoder, rules, `result of ${manifest.op}_`);
  compareTensor(input, want, decoder, rules, `${manifest.op}_`);
}

/** Some element is in memory twice. */
function overlaps({ shape, strides }: TensorValue): boolean {
  if (!strides || shape.includes(0)) return false;
  let reach = 0;
  const dims = shape.map((size, i) => ({ size, stride: strides[i]! })).filter((d) => d.size > 1);
  for (const { size, stride } of dims.sort((a, b) => a.stride - b.stride)) {
    if (stride <= reach) return true;
    reach += (size - 1) * stride;
  }
  return false;
}

function mustThrow(run: () => unknown, what: string): void {
  try {
    run();
  } catch (error) {
    checkOwnError(error);
    return;
  }
  throw new Error(what);
}

function compareOutput(
  manifest: Manifest,
  output: unknown,
  s: Sample,
  decoder: Decoder,
  rules: Rules,
  what = 'output',
): void {
  if (manifest.nonUnique) return compareFactors(manifest.nonUnique, output, s.output, decoder, rules);
  if (!s.ties) return compareValue(output, s.output, decoder, rules, what);
  const wants = isTensorValue(s.output) ? [s.output] : ((s.output as { tuple?: TensorValue[] }).tuple ?? []);
  const gots = Array.isArray(output) ? (output as Tensor[]) : [output as Tensor];
  const source = s.input as TensorValue;
  const dims = [...s.args, s.kwargs.dim].filter((v) => typeof v === 'number') as number[];
  const dim = manifest.op === 'topk' || manifest.op === 'kthvalue' ? (dims[1] ?? -1) : (dims[0] ?? -1);
  wants.forEach((want, i) => {
    if (want.dtype === 'int64' && (i > 0 || wants.length === 1)) {
      return compareTiedIndices(gots[i]!, want, source, dim, s.kwargs.keepdim === true, decoder);
    }
    compareTensor(gots[i]!, want, decoder, rules, `${what}[${i}]`);
  });
}

function compareGradients(output: unknown, decoded: Decoded, s: Sample, decoder: Decoder, rules: Rules): void {
  const outputs: Tensor[] = [];
  const gradOutputs: Tensor[] = [];
  const targets = s.gradThrough === undefined ? output : through(s.gradThrough, output);
  const isOne = isTensorValue(s.gradOutput) && Array.isArray(targets);
  collect(isOne ? (targets as Tensor[])[0] : targets, s.gradOutput, decoder, outputs, gradOutputs);
  const wanted = Object.entries(s.grads!).filter(([path]) => decoded.tensors.get(path)?.requiresGrad);
  const inputs = wanted.map(([path]) => decoded.tensors.get(path)!);
  if (outputs.length === 0 || inputs.length === 0) return;
  if (outputs.every((o) => !o.requiresGrad)) {
    if (wanted.every(([, w]) => w === null)) return;
    throw new Error('the output does not require grad');
  }
  const grads = fb.autograd.grad(outputs, inputs, { gradOutputs, allowUnused: true });
  wanted.forEach(([path, want], i) => {
    const part = definedPart(s, path);
    if (!part || !want) return compareGradient(grads[i] ?? null, want, decoder, rules, `gradient of ${path}`);
    const recorded = decoder.tensor(want);
    const got = grads[i] ?? fb.zerosLike(recorded);
    compareLike(part(got), part(recorded), { ...rules, gradient: true, mask: null }, `defined gradient of ${path}`);
  });
}

function runError(call: Callable, s: Sample, decoder: Decoder): void {
  try {
    call(decode(s, decoder));
  } catch (error) {
    checkOwnError(error);
    messages.compared++;
    if (new RegExp(pythonRegex(s.error!.regex)).test((error as Error).message)) messages.matching++;
    else if (options.verbose)
      process.stderr.write(`message: ${(error as Error).message}\n   PyTorch: ${s.error!.message}\n`);
    return;
  }
  throw new Error(`must fail like PyTorch: ${s.error!.message}`);
}

function pythonRegex(text: string): string {
  return text
    .replace(/^\(\?[a-z]+\)/, '')
    .replaceAll('\\Z', '$')
    .replaceAll('(?P<', '(?<');
}

/** The call as a function of its tensors. */
function asFunction(call: Callable, decoded: Decoded): { f: (...tensors: Tensor[]) => unknown; list: Tensor[] } {
  const paths = [...decoded.tensors.keys()];
  const list = paths.map((p) => decoded.tensors.get(p)!.detach());
  const rebuild = (value: unknown, tensors: readonly Tensor[]): unknown => {
    if (isTensor(value)) return tensors[paths.findIndex((p) => decoded.tensors.get(p) === value)];
    return Array.isArray(value) ? value.map((v) => rebuild(v, tensors)) : value;
  };
  const f = (...tensors: Tensor[]): unknown =>
    call({
      input: rebuild(decoded.input, tensors),
      args: decoded.args.map((a) => rebuild(a, tensors)),
      kwargs: Object.fromEntries(Object.entries(decoded.kwargs).map(([k, v]) => [k, rebuild(v, tensors)])),
    });
  return { f, list };
}

/** The call as an ONNX model. Returns what ran it, or null where there is nothing to run. */
async function runExported(call: Callable, s: Sample, decoder: Decoder): Promise<Runner | null> {
  const { f, list } = asFunction(call, decode(s, decoder));
  const result = fb.noGrad(() => f(...list));
  const items = Array.isArray(result) ? (result as unknown[]) : [result];
  if (items.length === 0 || !items.every(isTensor)) return null;
  return checkExport(f, list, { opsetVersion: options.opset });
}

/** The same call through compile(). Returns why it stays eager, or null. */
async function runCompiled(manifest: Manifest, call: Callable, s: Sample, decoder: Decoder): Promise<string | null> {
  const { f: plain, list } = asFunction(call, decode(s, decoder));
  const f = fb.compile(
    (...tensors: Tensor[]) => plain(...tensors) as Tensor,
    options.backend === undefined ? {} : { backend: options.backend },
  );
  // A second recording confirms the first; then the program serves.
  f(...list);
  for (let tries = 0; !(await f.ready()); tries++) {
    if (tries === 3) return f.explain().reasons.join('; ') || 'was not compiled';
    f(...list);
  }
  const rules = rulesOf(s, decoder);
  const output = f(...list);
  compareOutput(manifest, output, s, decoder, rules, 'compiled output');
  return null;
}
