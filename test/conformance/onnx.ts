// Runs ONNX's own backend tests through fb.onnx.load. See onnx/README.md in the data directory for the format.
//   npm run -s conformance:onnx -- [--data DIR] [--only REGEX] [--compiled | --onnx [--opset N]] [--json] [--verbose]
// With --onnx every model is imported, exported again and run in onnxruntime.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { exportModel } from '../../src/onnx/export.js';
import { tensorOf } from '../../src/onnx/import/tensors.js';
import { schema } from '../../src/onnx/schema/load.js';
import { checkModel, type Runner } from './exported.js';
import { messageOf, readOptions, Report } from './runner.js';

interface Case {
  readonly kind: string;
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly data_sets: number;
  readonly rtol: number;
  readonly atol: number;
  readonly random?: boolean;
}

const options = readOptions('onnx');
const report = new Report('onnx', options);
const manifest = JSON.parse(readFileSync(join(options.data, 'manifest.json'), 'utf8')) as { tests: Case[] };
const runners: Record<Runner, number> = { onnxruntime: 0, importer: 0 };
let withConstants = 0;
const kinds: Record<string, { passed: number; all: number }> = {};

for (const c of manifest.tests) {
  const id = `${c.kind}/${c.name}`;
  if (options.only && !options.only.test(id)) continue;
  const kind = (kinds[c.kind] ??= { passed: 0, all: 0 });
  kind.all++;
  try {
    await runCase(c);
    report.pass();
    kind.passed++;
  } catch (error) {
    report.fail(id, messageOf(error));
    if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
  }
}
report.note('kinds', kinds);
if (options.onnx) report.note('exported', { ...runners, withConstants });
report.finish();

async function runCase(c: Case): Promise<void> {
  const folder = join(options.data, c.kind, c.name);
  const model = fb.onnx.load(join(folder, 'model.onnx'));
  model.eval();
  for (let set = 0; set < c.data_sets; set++) {
    const data = join(folder, `test_data_set_${set}`);
    const inputs = read(data, 'input', c.inputs);
    const expected = read(data, 'output', c.outputs);
    const byName = inputs.every((i) => model.inputNames.includes(i.name));
    const args: unknown[] = byName
      ? model.inputNames.map((name) => inputs.find((i) => i.name === name)?.tensor)
      : inputs.map((i) => i.tensor);
    if (options.onnx) {
      try {
        await reexport(model, args as Tensor[], expected, c);
      } catch (error) {
        if (!/needs a value on the host/.test((error as Error).message) || !byName) throw error;
        // Shapes and axes that are inputs: a graph is exported for the ones at hand.
        const settings = inputs.filter((i) => !i.tensor.isFloatingPoint());
        const constants = Object.fromEntries(settings.map((i) => [i.name, i.tensor]));
        const specialised = fb.onnx.load(join(folder, 'model.onnx'), { constants });
        const rest = specialised.inputNames.map((name) => inputs.find((i) => i.name === name)!.tensor);
        await reexport(specialised.eval(), rest, expected, c);
        withConstants++;
      }
      continue;
    }
    const run = (): (Tensor | Tensor[])[] => [fb.noGrad(() => model.forward(...args))];
    compareAll(run()[0]!, expected, c, '');
    if (options.compiled) {
      const f = fb.compile((...xs: Tensor[]) => model.forward(...xs) as Tensor);
      // A model whose course depends on values stays eager.
      for (let i = 0; i < 5 && !(await f.ready()); i++) fb.noGrad(() => f(...(args as Tensor[])));
      const got = fb.noGrad(() => f(...(args as Tensor[])));
      compareAll(got, expected, c, 'compiled ');
    }
  }
}

/** File, module, file: the second model gives what the first one must. */
async function reexport(
  model: fb.onnx.OnnxModule,
  args: readonly Tensor[],
  expected: readonly { tensor: Tensor }[],
  c: Case,
): Promise<void> {
  const { inputNames, outputNames } = model;
  const bytes = exportModel(model, args, null, { inputNames, outputNames, opsetVersion: options.opset });
  if (c.random) return;
  const want = expected.map((e) => e.tensor);
  runners[await checkModel(bytes, inputNames, args, outputNames, want, 10)]++;
}

function read(folder: string, what: string, count: number): { name: string; tensor: Tensor; wide?: string }[] {
  return Array.from({ length: count }, (_, i) => {
    const file = join(folder, `${what}_${i}.pb`);
    if (!existsSync(file)) throw new Error(`no ${what} ${i}`);
    const proto = schema().fromBinary(schema().pb.TensorProtoSchema, readFileSync(file));
    return { name: proto.name, ...tensorOf(proto, file, null) };
  });
}

function compareAll(
  got: Tensor | readonly Tensor[],
  expected: readonly { tensor: Tensor }[],
  c: Case,
  where: string,
): void {
  const list = Array.isArray(got) ? (got as Tensor[]) : [got as Tensor];
  if (list.length !== expected.length) throw new Error(`${where}${list.length} outputs, expected ${expected.length}`);
  list.forEach((g, i) => compare(g, expected[i]!.tensor, c, `${where}output ${i}`));
}

/** As numpy.testing.assert_allclose: |got - expected| <= atol + rtol |expected|, NaN equals NaN. */
function compare(got: Tensor, expected: Tensor, c: Case, where: string): void {
  if (got.shape.join() !== expected.shape.join())
    throw new Error(`${where}: shape [${got.shape}], expected [${expected.shape}]`);
  if (got.dtype !== expected.dtype) throw new Error(`${where}: ${got.dtype}, expected ${expected.dtype}`);
  if (c.random) return;
  const a = got.detach().double().flatten().toTypedArray() as Float64Array;
  const b = expected.double().flatten().toTypedArray() as Float64Array;
  let bad = 0;
  let first = -1;
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    const equal =
      Object.is(x, y) || x === y || (Number.isFinite(y) && Math.abs(x - y) <= c.atol + c.rtol * Math.abs(y));
    if (equal) continue;
    bad++;
    if (first < 0) first = i;
  }
  if (bad > 0)
    throw new Error(
      `${where}: ${bad} of ${b.length} elements differ; element ${first} is ${a[first]}, expected ${b[first]} (rtol ${c.rtol}, atol ${c.atol})`,
    );
}
