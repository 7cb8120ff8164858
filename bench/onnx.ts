// Networks from ONNX files, compiled, paired with onnxruntime-node in one run.
//   npm run bench:onnx -- [--data DIR] [--only REGEX] [--threads 1,2] [--rounds 3] [--min-time S]
// DIR has ONNX's test format (default ../shared/conformance/onnx, or FLAMBEAU_CONFORMANCE/onnx); its folders `light` and
// `torch-export` are run. Goal: the geometric mean of ours / onnxruntime is at most 1.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { here, quiet, saveResults } from './children.js';
import { ORT_GOAL } from './goals.js';
import { median } from './measure.js';

const shared = process.env.FLAMBEAU_CONFORMANCE ?? join(here, '../../shared/conformance');
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: join(shared, 'onnx') },
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
    'min-time': { type: 'string', default: '0.2' },
  },
});
const data = resolve(values.data);
const only = new RegExp(values.only);
const rounds = Number(values.rounds);
const models = ['light', 'torch-export'].flatMap((kind) =>
  existsSync(join(data, kind)) ? readdirSync(join(data, kind)).map((name) => `${kind}/${name}`) : [],
);
if (models.length === 0) throw new Error(`no models in '${data}'; give ONNX's test data with --data DIR`);

interface Side {
  readonly us: number;
  readonly error: number;
  readonly compiled?: boolean;
  readonly probe: readonly number[];
}
interface Row {
  readonly model: string;
  readonly threads: number;
  readonly ours: number;
  readonly onnxruntime: number;
  /** Median over the rounds of the ratio within a round. */
  readonly ratio: number;
  readonly compiled: boolean;
  readonly errors: { readonly ours: number; readonly onnxruntime: number };
}
/** Outputs may differ by this much from the expected ones, relatively; a wrong result has no speed. */
const TOLERANCE = 1e-2;

function run(model: string, side: 'ours' | 'onnxruntime', threads: number): Side {
  const options = ['--model', join(data, model), '--side', side, '--threads', String(threads)];
  const args = ['--import', 'tsx', join(here, 'onnx_child.ts'), ...options, '--min-time', values['min-time']];
  const text = execFileSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, ...quiet, OMP_NUM_THREADS: String(threads) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = JSON.parse(text.trim().split('\n').at(-1)!) as Side;
  if (!(line.error <= TOLERANCE))
    throw new Error(`${model}: ${side} gives wrong results (relative error ${line.error})`);
  return line;
}

/** Throws unless the two sides agree on inputs that no file has the results of. */
function checkAgreement(model: string, a: Side, b: Side): void {
  const worst = Math.max(...a.probe.map((x, i) => Math.abs(x - b.probe[i]!) / (Math.abs(x) + 1e-3)));
  if (a.probe.length !== b.probe.length || !(worst <= TOLERANCE))
    throw new Error(`${model}: the sides differ on other inputs (relative error ${worst})`);
}

const rows: Row[] = [];
const means: Record<string, number> = {};
const misses: string[] = [];
for (const threads of values.threads.split(',').map(Number)) {
  for (const model of models.filter((m) => only.test(m))) {
    try {
      const pairs = Array.from({ length: rounds }, () => [run(model, 'onnxruntime', threads), run(model, 'ours', threads)] as const); // prettier-ignore
      for (const [theirs, ours] of pairs) checkAgreement(model, theirs, ours);
      const row: Row = {
        model,
        threads,
        ours: median(pairs.map(([, o]) => o.us)),
        onnxruntime: median(pairs.map(([r]) => r.us)),
        ratio: round3(median(pairs.map(([r, o]) => o.us / r.us))),
        compiled: pairs.every(([, o]) => o.compiled === true),
        errors: { ours: pairs[0]![1].error, onnxruntime: pairs[0]![0].error },
      };
      rows.push(row);
      process.stdout.write(
        `${model.padEnd(34)} ${threads} thr  ours ${row.ours.toFixed(1).padStart(10)} us  onnxruntime ${row.onnxruntime.toFixed(1).padStart(10)} us  ratio ${row.ratio.toFixed(3)}${row.compiled ? '' : '  (not compiled)'}\n`,
      );
    } catch (error) {
      misses.push(`${model} on ${threads} threads: ${(error as Error).message.split('\n')[0]}`);
      process.stdout.write(`${model.padEnd(34)} ${threads} thr  failed: ${(error as Error).message}\n`);
    }
  }
  const ratios = rows.filter((r) => r.threads === threads).map((r) => r.ratio);
  if (ratios.length === 0) continue;
  const mean = round3(Math.exp(ratios.reduce((s, r) => s + Math.log(r), 0) / ratios.length));
  means[threads] = mean;
  if (mean > ORT_GOAL) misses.push(`geometric mean on ${threads} threads ${mean}`);
  process.stdout.write(
    `geometric mean, ${threads} thr: ${mean}  ${mean <= ORT_GOAL ? 'ok' : 'MISSED'} (<= ${ORT_GOAL})\n`,
  );
}
const path = saveResults('onnx', { goal: ORT_GOAL, rounds, rows, means, misses });
process.stdout.write(`${misses.length === 0 ? 'goal reached' : `missed: ${misses.join('; ')}`}\nwritten: ${path}\n`);

function round3(x: number): number {
  return Math.round(x * 1000) / 1000;
}
