// The peers' cases at small sizes as CUDA programs: compiled by nvcc for two architectures (where it is installed), run on the CPU
// through the SIMT shim, every result compared with the graph's meaning op by op.
//   npm run -s conformance:cuda -- [--only REGEX] [--json]
// KernelBench's cases run the same way: npm run -s conformance:kernelbench -- --backend simt
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeCases } from '../../bench/cases.js';
import { emitProgram } from '../../src/emit/program.js';
import type { Graph } from '../../src/ir/graph.js';
import type { Backend } from '../../src/runtime/backend.js';
import { registerBackend } from '../../src/runtime/backend.js';
import { checked, checkedBackend } from '../cuda/checked.js';
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

const nvcc = spawnSync('nvcc', ['--version']).status === 0;
if (!nvcc) report.note('nvcc', 'not installed: programs were not compiled for a GPU');
const work = mkdtempSync(join(tmpdir(), 'flambeau-cuda-'));
let programs = 0;
/** One file of machine code for both architectures. */
async function compileForDevice(graph: Graph): Promise<void> {
  const file = join(work, `p${programs++}.cu`);
  writeFileSync(file, emitProgram(graph, { target: 'cuda' }).source);
  const codes = [80, 90].flatMap((arch) => ['-gencode', `arch=compute_${arch},code=sm_${arch}`]);
  await promisify(execFile)('nvcc', [
    ...codes,
    '-fmad=false',
    '-fatbin',
    '-diag-suppress',
    '177',
    '-o',
    `${file}.bin`,
    file,
  ]);
}

for (const c of makeCases({ small: true, backend: 'checked-simt' })) {
  if (!c.modes.includes('compiled') || (options.only && !options.only.test(c.name))) continue;
  graphs.length = 0;
  const before = checked.runs;
  try {
    const run = await c.make('compiled');
    for (let k = 0; k < 2; k++) run();
    if (checked.runs === before) throw new Error('no program ran');
    if (nvcc) await Promise.all(graphs.map(compileForDevice));
    report.pass();
  } catch (error) {
    report.fail(c.name, messageOf(error));
    if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
  }
}
rmSync(work, { recursive: true, force: true });
report.note('programs', programs);
report.note('compared', checked.runs);
report.finish();
