// Runs PyTorch's own module samples. See modules/README.md in the data directory for the format.
//   npm run -s conformance:modules -- [--data DIR] [--only REGEX] [--json] [--verbose]
// A sample passes when the module can be built with PyTorch's initial values, takes PyTorch's state dict (same names, same
// order), and gives PyTorch's output, changed state, changed inputs and gradients.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from '../../src/index.js';
import { type nn, type Tensor } from '../../src/index.js';
import { compareTensor, compareValue, type Defaults, type Rules, type Tolerance } from './compare.js';
import { argumentsFor, callPython, lookUp } from './construct.js';
import { checkOwnError, collect, compareGradient } from './gradients.js';
import { messageOf, readOptions, Report } from './runner.js';
import { Decoder, isTensor, type TensorValue } from './values.js';

interface Sample {
  readonly id: string;
  readonly dtype: fb.DType;
  readonly module: {
    readonly call: string;
    readonly args: readonly unknown[];
    readonly kwargs: Readonly<Record<string, unknown>>;
  };
  readonly repr?: string;
  readonly training?: boolean;
  readonly state?: Readonly<Record<string, TensorValue>>;
  readonly parameters?: readonly string[];
  readonly seed?: number;
  readonly redrawn?: readonly string[];
  readonly becomes?: string;
  readonly forward?: false;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly output?: unknown;
  readonly stateAfter?: Readonly<Record<string, TensorValue>>;
  readonly mutated?: Readonly<Record<string, unknown>>;
  readonly gradOutput?: unknown;
  readonly grads?: Readonly<Record<string, TensorValue | null>>;
  readonly paramGrads?: Readonly<Record<string, TensorValue | null>>;
  readonly random?: boolean;
  readonly tolerance?: Tolerance;
  readonly sensitive?: boolean;
  readonly error?: { readonly type: string; readonly stage: 'construct' | 'forward'; readonly message: string };
}
interface Index {
  readonly defaultTolerance: Defaults;
  readonly classes: readonly { readonly name: string; readonly file: string }[];
}

const options = readOptions('modules');
const report = new Report('modules', options);
const index = JSON.parse(readFileSync(join(options.data, 'index.json'), 'utf8')) as Index;
/** How many modules print as in PyTorch. For information: a difference is no failure. */
const prints = { compared: 0, equal: 0 };

for (const { name, file } of index.classes) {
  if (options.only && !options.only.test(name)) continue;
  const manifest = JSON.parse(readFileSync(join(options.data, `${file}.json`), 'utf8')) as { samples: Sample[] };
  const decoder = new Decoder(join(options.data, `${file}.safetensors`), { call: callPython, find: lookUp });
  for (const sample of manifest.samples) {
    const id = `${name}/${sample.id}`;
    try {
      if (sample.error) runError(sample, decoder);
      else runSample(sample, decoder);
      report.pass();
    } catch (error) {
      report.fail(id, messageOf(error));
      if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
    }
  }
}
report.note('prints', prints);
report.finish();

/** The module of a sample, in its dtype, with its state and mode. */
function build(s: Sample, decoder: Decoder): nn.Module {
  if (s.seed !== undefined) fb.manualSeed(s.seed);
  const m = decoder.decode(s.module, 'module') as nn.Module;
  comparePrint(m, s);
  m.to(s.dtype);
  if (s.state) {
    if (s.seed !== undefined) compareInitial(m, s, decoder);
    const names = Object.keys(m.stateDict());
    const wanted = Object.keys(s.state);
    if (String(names) !== String(wanted)) throw new Error(`state dict: expected ${wanted.join()}, got ${names.join()}`);
    const state = Object.fromEntries(Object.entries(s.state).map(([k, v]) => [k, decoder.tensor(v)]));
    m.loadStateDict(state, { strict: true });
  }
  if (s.parameters) {
    const names = m.namedParameters().map(([n]) => n);
    if (String(names) !== String(s.parameters))
      throw new Error(`parameters: expected ${s.parameters.join()}, got ${names.join()}`);
  }
  return m.train(s.training ?? true);
}

function comparePrint(m: nn.Module, s: Sample): void {
  if (s.repr === undefined) return;
  prints.compared++;
  if (String(m) === s.repr) prints.equal++;
  else if (options.verbose) process.stderr.write(`prints ${String(m)}\n  PyTorch: ${s.repr}\n`);
}

/** The numbers that the constructor drew. */
function compareInitial(m: nn.Module, s: Sample, decoder: Decoder): void {
  const rules = { defaults: index.defaultTolerance, tolerance: { rtol: 2e-6, atol: 1e-6 } };
  for (const [name, t] of Object.entries(m.stateDict())) {
    const want = s.state![name];
    if (want && !s.redrawn?.includes(name)) compareTensor(t, want, decoder, rules, `initial ${name}`);
  }
}

interface Inputs {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** By path, as decoded: the leaves that gradients are asked of. */
  readonly leaves: ReadonlyMap<string, Tensor>;
  /** By path, as the module gets them. */
  readonly passed: ReadonlyMap<string, Tensor>;
}
function decodeInputs(s: Sample, decoder: Decoder): Inputs {
  const leaves = new Map<string, Tensor>();
  const passed = new Map<string, Tensor>();
  const met = (path: string, t: Tensor): Tensor => {
    leaves.set(path, t);
    // A leaf that requires a gradient must not be changed in place.
    const given = s.mutated && t.requiresGrad ? t.clone() : t;
    passed.set(path, given);
    return given;
  };
  return {
    args: (s.args ?? []).map((a, i) => decoder.decode(a, `args.${i}`, met)),
    kwargs: Object.fromEntries(
      Object.entries(s.kwargs ?? {}).map(([k, v]) => [k, decoder.decode(v, `kwargs.${k}`, met)]),
    ),
    leaves,
    passed,
  };
}

function callModule(m: nn.Module, inputs: Inputs): unknown {
  const list = argumentsFor(m.forward as (...xs: unknown[]) => unknown, inputs.args, inputs.kwargs);
  return (m as unknown as (...xs: unknown[]) => unknown)(...list);
}

function runSample(s: Sample, decoder: Decoder): void {
  const m = build(s, decoder);
  if (s.forward === false) return;
  const inputs = decodeInputs(s, decoder);
  const rules: Rules = {
    defaults: index.defaultTolerance,
    tolerance: s.tolerance,
    typeOnly: s.random === true,
    sensitive: s.sensitive === true,
  };
  const output = callModule(m, inputs);
  compareValue(output, s.output, decoder, rules);
  for (const [path, want] of Object.entries(s.mutated ?? {}))
    compareValue(inputs.passed.get(path), want, decoder, rules, `${path} after the call`);
  if (s.becomes !== undefined && m.constructor !== lookUp(s.becomes))
    throw new Error(`the module is a ${m.constructor.name} after the call, expected ${s.becomes}`);
  const state = m.stateDict();
  for (const [name, want] of Object.entries({ ...s.state, ...s.stateAfter }))
    compareValue(state[name], want, decoder, rules, `state ${name} after the call`);
  if (s.grads && !s.random) compareGradients(m, output, inputs, s, decoder, rules);
}

function compareGradients(
  m: nn.Module,
  output: unknown,
  inputs: Inputs,
  s: Sample,
  decoder: Decoder,
  rules: Rules,
): void {
  const outputs: Tensor[] = [];
  const gradOutputs: Tensor[] = [];
  collect(output, s.gradOutput, decoder, outputs, gradOutputs);
  const parameters = new Map<string, Tensor>(m.namedParameters());
  const wanted = [
    ...Object.entries(s.grads ?? {}).map(([path, want]) => ({ name: path, t: inputs.leaves.get(path), want })),
    ...Object.entries(s.paramGrads ?? {}).map(([name, want]) => ({ name, t: parameters.get(name), want })),
  ].filter(({ t }) => t === undefined || t.requiresGrad);
  const lost = wanted.find(({ t }) => t === undefined);
  if (lost) throw new Error(`there is no tensor '${lost.name}' to ask the gradient of`);
  if (outputs.length === 0 || wanted.length === 0) {
    if (wanted.every(({ want }) => want === null)) return;
    throw new Error('the output does not require grad');
  }
  const grads = fb.autograd.grad(
    outputs,
    wanted.map(({ t }) => t!),
    { gradOutputs, allowUnused: true },
  );
  wanted.forEach(({ name, want }, i) => compareGradient(grads[i] ?? null, want, decoder, rules, `gradient of ${name}`));
}

function runError(s: Sample, decoder: Decoder): void {
  let m: nn.Module;
  try {
    m = build(s, decoder);
  } catch (error) {
    return checkOwnError(error);
  }
  if (s.error!.stage === 'construct') throw new Error(`must fail in the constructor: ${s.error!.message}`);
  const inputs = decodeInputs(s, decoder);
  try {
    const output = callModule(m, inputs);
    if (isTensor(output)) output.toTypedArray();
  } catch (error) {
    return checkOwnError(error);
  }
  throw new Error(`must fail like PyTorch: ${s.error!.message}`);
}
