// Builds KernelBench's cases as ordinary modules, eager and compiled, and compares them with reference data. Format:
// kernelbench/SPEC.md in the data directory.
//   npm run -s conformance:kernelbench -- [--data DIR] [--only REGEX] [--json] [--verbose] [--backend simt | --onnx [--opset N]]
// With the backend simt the CUDA programs run on the CPU (test/cuda), and nvcc compiles them for two architectures.
// With --onnx the outputs of the exported modules in onnxruntime are compared.
// A case passes when outputs, gradients and (with batch norm) a step in training mode agree, in eager code and compiled.
import { join } from 'node:path';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { exportModel } from '../../src/onnx/export.js';
import { difference, generate, readCases, type Case } from './kernelbench/data.js';
import { CaseModule } from './kernelbench/module.js';
import { DeviceBuilds, haveNvcc } from '../cuda/nvcc.js';
import { emitted } from '../cuda/simt.js';
import { checkModel } from './exported.js';
import { messageOf, readOptions, Report } from './runner.js';
import { Decoder } from './values.js';

const options = readOptions('kernelbench');
const cases = readCases(options.data).filter((c) => !options.only || options.only.test(`${c.id} ${c.name}`));

/** The tensors of a reference file by their keys. */
type Reference = (key: string) => Tensor | null;
type Call = (...inputs: Tensor[]) => Tensor | Tensor[];
type Step = (...inputs: Tensor[]) => (Tensor | null)[];
/** Makes the form of a function that is checked: itself, or compiled and ready. */
type Prepare = <R>(
  f: (...inputs: Tensor[]) => R,
  inputs: readonly Tensor[],
  grad: boolean,
) => Promise<(...inputs: Tensor[]) => R>;

const eager: Prepare = (f) => Promise.resolve(f);
const compiled: Prepare = async (f, inputs, grad) => {
  const made = fb.compile(f, options.backend === undefined ? {} : { backend: options.backend });
  const call = (): unknown => (grad ? made(...inputs) : fb.noGrad(() => made(...inputs)));
  call();
  for (let tries = 0; !(await made.ready()); tries++) {
    if (tries === 10) throw new Error(`stays eager: ${made.explain().reasons.join('; ')}`);
    call();
  }
  return made;
};

const asList = (r: Tensor | Tensor[]): Tensor[] => (r instanceof fb.Tensor ? [r] : r);

function openReference(c: Case): Reference {
  const decoder = new Decoder(join(options.data, c.sizes.tiny.file!));
  return (key) => decoder.find(key);
}

class Check {
  private readonly problems: string[] = [];
  constructor(
    private readonly c: Case,
    private readonly reference: Reference,
  ) {}

  async run(): Promise<string | null> {
    if (options.onnx) return this.exported();
    const forms = [
      ['eager', eager],
      ['compiled', compiled],
    ] as const;
    // Eager results are the same whatever the backend.
    for (const [form, prepare] of options.backend === undefined ? forms : forms.slice(1)) {
      for (const part of [this.outputs, this.gradients, this.training]) {
        try {
          await part.call(this, form, prepare);
        } catch (error) {
          this.problems.push(`${form} ${part.name}: ${messageOf(error)}`);
          if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
        }
      }
    }
    return this.problems.length === 0 ? null : this.problems.join('; ');
  }

  private compare(what: string, got: Tensor | null, want: Tensor | null, factor = 1): void {
    if (want === null) return;
    if (got === null) return void this.problems.push(`${what}: there is none`);
    const problem = difference(got, want, this.c.tolerance.rel_to_max_abs * factor);
    if (problem !== null) this.problems.push(`${what}: ${problem}`);
  }

  /** The module in eval mode with the reference's parameters, and the inputs. */
  private build(): { module: CaseModule; inputs: Tensor[] } {
    const size = this.c.sizes.tiny;
    const module = new CaseModule(size);
    const take = (key: string, name: string, d: (typeof size.inputs)[number]): Tensor =>
      this.reference(key) ?? generate(`${this.c.id}/${name}`, d);
    module.loadStateDict(Object.fromEntries(size.params.map((p) => [p.name, take(`param.${p.name}`, p.name, p)])));
    module.eval();
    return { module, inputs: size.inputs.map((d, i) => take(`input.${i}`, `input.${i}`, d)) };
  }

  private async outputs(form: string, prepare: Prepare): Promise<void> {
    const { module, inputs } = this.build();
    const call = await prepare(module as Call, inputs, false);
    const results = asList(fb.noGrad(() => call(...inputs)));
    results.forEach((y, i) => this.compare(`${form} output ${i}`, y, this.reference(`output.${i}`)));
    this.c.sizes.tiny.expect?.forEach((e, i) => this.sampled(`${form} output ${i}`, results[i]!, e));
  }

  /** The module as an ONNX model in onnxruntime, against the reference. */
  private async exported(): Promise<string | null> {
    const { module, inputs } = this.build();
    const want = this.c.sizes.tiny.outputs.map((_, i) => this.reference(`output.${i}`));
    const inputNames = inputs.map((_, i) => `input_${i}`);
    const outputNames = want.map((_, i) => `output_${i}`);
    const bytes = exportModel(module as Call, inputs, null, { inputNames, outputNames, opsetVersion: options.opset });
    const expected = asList(fb.noGrad(() => (module as Call)(...inputs)));
    expected.forEach((y, i) => this.compare(`eager output ${i}`, y, want[i] ?? null));
    // Against eager results element by element, where those agree with the reference.
    await checkModel(bytes, inputNames, inputs, outputNames, expected, 10);
    return this.problems.length === 0 ? null : this.problems.join('; ');
  }

  /** What cases.json itself says of an output: sampled elements. */
  private sampled(what: string, y: Tensor, e: NonNullable<Case['sizes']['tiny']['expect']>[number]): void {
    const flat = y.detach().reshape(-1).toTypedArray() as ArrayLike<number | bigint>;
    const limit = Math.max(this.c.tolerance.rel_to_max_abs * e.max_abs, 1e-6);
    for (const [i, value] of e.samples) {
      if (Math.abs(Number(flat[i]) - value) <= limit * 2) continue; // samples are rounded to eight digits
      return void this.problems.push(`${what}: sample ${i} is ${String(flat[i])}, expected ${value}`);
    }
  }

  private async gradients(form: string, prepare: Prepare): Promise<void> {
    const cotangents = this.c.sizes.tiny.outputs.map((_, i) => this.reference(`cotangent.${i}`));
    if (cotangents.every((t) => t === null)) return;
    const { module, inputs } = this.build();
    const wanted = [
      ...inputs.map((t, i) => ({ key: `grad.input.${i}`, t })),
      ...module.namedParameters().map(([name, t]) => ({ key: `grad.param.${name}`, t: t as Tensor })),
    ].filter(({ key }) => this.reference(key) !== null);
    for (const { t } of wanted) t.requiresGrad = true;
    const step: Step = (...xs) => {
      const results = asList(module(...xs));
      const used = results.map((y, i) => [y, cotangents[i]!] as const).filter(([y, g]) => g !== null && y.requiresGrad);
      return fb.autograd.grad(
        used.map(([y]) => y),
        wanted.map(({ t }) => t),
        { gradOutputs: used.map(([, g]) => g), allowUnused: true },
      );
    };
    const grads = (await prepare(step, inputs, true))(...inputs);
    wanted.forEach(({ key }, i) => this.compare(`${form} ${key}`, grads[i] ?? null, this.reference(key), 10));
  }

  private async training(form: string, prepare: Prepare): Promise<void> {
    if (this.reference('train.output.0') === null) return;
    const { module, inputs } = this.build();
    module.train();
    const before = new Map([...module.namedBuffers()].map(([name, t]) => [name, t.clone()] as const));
    const call = await prepare(module as Call, inputs, false);
    // Calls that recorded and built have moved the running statistics.
    for (const [name, t] of module.namedBuffers()) fb.noGrad(() => t.copy_(before.get(name)!));
    const results = asList(fb.noGrad(() => call(...inputs)));
    results.forEach((y, i) => this.compare(`${form} training output ${i}`, y, this.reference(`train.output.${i}`)));
    for (const [name, t] of module.namedBuffers())
      this.compare(`${form} buffer ${name}`, t, this.reference(`train.buffer.${name}`));
  }
}

const report = new Report('kernelbench', options);
// A few at a time: while the compiler builds one case, the next one is recorded.
const queue = [...cases];
const work = async (): Promise<void> => {
  for (let c = queue.shift(); c !== undefined; c = queue.shift()) {
    let problem: string | null;
    try {
      problem = await new Check(c, openReference(c)).run();
    } catch (error) {
      problem = messageOf(error);
    }
    if (problem === null) report.pass();
    else report.fail(`${c.id} ${c.name}`, problem);
  }
};
const builds = new DeviceBuilds();
if (options.backend === 'simt') {
  if (!haveNvcc) report.note('nvcc', 'not installed: programs were not compiled for a GPU');
  emitted.listener = (source) => builds.add(`program ${builds.kernels}`, source);
}
await Promise.all(Array.from({ length: 4 }, work));
for (const problem of await builds.finish()) report.fail('device code', problem);
if (options.backend === 'simt') report.note('deviceKernels', builds.kernels);
report.finish();
