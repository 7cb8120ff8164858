// The peers' cases at small sizes as CUDA programs: compiled by nvcc for two architectures (where it is installed), run on the CPU
// through the SIMT shim, every result compared with the graph's meaning op by op.
//   npm run -s conformance:cuda -- [--only REGEX] [--json]
// KernelBench's cases run the same way: npm run -s conformance:kernelbench -- --backend simt
import { makeCases } from '../../bench/cases.js';
import { emitProgram } from '../../src/emit/program.js';
import type { Graph } from '../../src/ir/graph.js';
import type { Backend } from '../../src/runtime/backend.js';
import { registerBackend } from '../../src/runtime/backend.js';
import { TOLERANCES, checked, checkedBackend } from '../cuda/checked.js';
import { compileForDevice, haveNvcc } from '../cuda/nvcc.js';
import { simtBackend } from '../cuda/simt.js';
import { messageOf, readOptions, Report } from './runner.js';

const options = readOptions('kernelbench');
const report = new Report('cuda', options);
const graphs: Graph[] = [];
const recording: Backend = {
  name: 'recording',
  prepare: (graph, context) => {
    graphs.push(graph);
    return simtBackend.prepare(graph, context);
  },
};
registerBackend(checkedBackend('checked-simt', recording));

/** Cases with a tolerance of their own, and why. */
const WIDER: Readonly<Record<string, { readonly float32: number; readonly reason: string }>> = {
  transformer_block_step: {
    float32: 1e-4,
    reason:
      "AdamW's first step is g / (|g| + eps): rounding of a gradient of eps' size moves the parameter by as much as the step",
  },
};
for (const [name, { float32 }] of Object.entries(WIDER))
  registerBackend(checkedBackend(`checked-simt-${name}`, recording, { ...TOLERANCES, float32 }));

if (!haveNvcc) report.note('nvcc', 'not installed: programs were not compiled for a GPU');
let programs = 0;

const cases = makeCases({ small: true, backend: 'checked-simt' }).map(
  (c) =>
    (c.name in WIDER && makeCases({ small: true, backend: `checked-simt-${c.name}` }).find((w) => w.name === c.name)) ||
    c,
);
for (const c of cases) {
  if (!c.modes.includes('compiled') || (options.only && !options.only.test(c.name))) continue;
  graphs.length = 0;
  const before = checked.runs;
  try {
    const run = await c.make('compiled');
    for (let k = 0; k < 2; k++) run();
    if (checked.runs === before) throw new Error('no program ran');
    programs += graphs.length;
    const sources = graphs.map((g) => emitProgram(g, { target: 'cuda' }).source);
    if (haveNvcc) await Promise.all(sources.map(compileForDevice));
    report.pass();
  } catch (error) {
    report.fail(c.name, messageOf(error));
    if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
  }
}
report.note('programs', programs);
report.note('compared', checked.runs);
report.finish();
