// Pairs our cases with PyTorch's in one run, case by case, and prints the ratios beside the goals.
//   npm run bench:peers -- [--peers DIR] [--only REGEX] [--threads 1,2] [--rounds 3] [--min-time S] [--goals] [--busy] [--jit]
// Installs nothing: needs Debian's python3-torch and the folder with torch_bench.py and torch_env.sh (default
// ../shared/peers, or FLAMBEAU_PEERS). `--goals`: only the cases that have a goal. `--busy`: also beside a busy process.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES, type Mode } from './cases.js';
import {
  busyNeighbour,
  buildTimes,
  here,
  runOneDnn,
  runOnnxRuntime,
  runOurs,
  runTorch,
  saveResults,
} from './children.js';
import { BUILD_GOALS, COPY_GOAL, GOALS, ONEDNN_GOAL, ORT_GOAL, SCALING } from './goals.js';
import { median } from './measure.js';

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: process.env.FLAMBEAU_PEERS ?? join(here, '../../shared/peers') },
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    'min-time': { type: 'string', default: '0.2' },
    goals: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    jit: { type: 'boolean', default: false },
  },
});
const peers = resolve(values.peers);
if (!existsSync(join(peers, 'torch_bench.py')))
  throw new Error(`no torch_bench.py in '${peers}'; give its folder with --peers DIR`);
const only = new RegExp(values.only);
const minTime = Number(values['min-time']);
const rounds = Number(values.rounds);

interface Row {
  readonly case: string;
  readonly threads: number;
  readonly torch: number;
  readonly ours: Partial<Record<Mode, number>>;
  /** Median over the rounds of the ratio within a round: noise that hits a whole round cancels. */
  readonly ratio: Partial<Record<Mode, number>>;
  /** Median ratio of the compiled time to a copy of the bytes that the case must move. */
  readonly copies?: number;
  readonly errors: Partial<Record<Mode, string>>;
}
const rows: Row[] = [];
const misses: string[] = [];

for (const threads of values.threads.split(',').map(Number)) {
  for (const c of CASES.filter((x) => only.test(x.name) && (!values.goals || x.name in GOALS))) {
    const row = pair(c.name, c.modes, threads);
    rows.push(row);
    for (const mode of c.modes) print(row, mode);
  }
}
const scaling = compareThreads();
const onednn = values.threads.split(',').includes('1') && only.test('matmul_1024') ? compareOneDnn() : null;
const ort = values.threads.split(',').includes('1') && only.test('lenet_infer_b1') ? compareOrt() : null;
const builds = only.test('lenet_step_b64') ? compareBuilds() : null;
const twoThreads = threadCheck(false);
const busy = values.busy ? threadCheck(true) : null;
const path = saveResults('peers', {
  goals: { torch: GOALS, copy: COPY_GOAL, ort: ORT_GOAL, builds: BUILD_GOALS, scaling: SCALING },
  rounds,
  minTime,
  rows,
  scaling,
  onednn,
  ort,
  builds,
  twoThreads,
  busy,
  misses,
});
process.stdout.write(
  `${misses.length === 0 ? 'all goals reached' : `missed: ${misses.join('; ')}`}\nwritten: ${path}\n`,
);

function pair(name: string, modes: readonly Mode[], threads: number): Row {
  const torch: number[] = [];
  const ours: Record<Mode, number[]> = { eager: [], compiled: [] };
  const ratio: Record<Mode, number[]> = { eager: [], compiled: [] };
  const copies: number[] = [];
  const errors: Partial<Record<Mode, string>> = {};
  for (let round = 0; round < rounds; round++) {
    const t = runTorch(peers, name, threads, minTime, values.jit).us;
    torch.push(t);
    for (const mode of modes) {
      if (errors[mode]) continue;
      try {
        const { us, copyUs } = runOurs(name, mode, threads, minTime, false);
        if (mode === 'compiled' && copyUs !== undefined) copies.push(us / copyUs);
        ours[mode].push(us);
        ratio[mode].push(us / t);
      } catch (error) {
        errors[mode] = (error as Error).message.split('\n')[0]!;
      }
    }
  }
  const middle = (lists: Record<Mode, number[]>): Partial<Record<Mode, number>> =>
    Object.fromEntries(
      Object.entries(lists)
        .filter(([, l]) => l.length > 0)
        .map(([k, l]) => [k, round3(median(l))]),
    );
  return {
    case: name,
    threads,
    torch: median(torch),
    ours: middle(ours),
    ratio: middle(ratio),
    ...(copies.length > 0 ? { copies: round3(median(copies)) } : {}),
    errors,
  };
}

function print(row: Row, mode: Mode): void {
  const ratio = row.ratio[mode];
  const ours = row.ours[mode] === undefined ? 'failed' : row.ours[mode].toFixed(2);
  const judged = [row.threads === 1 ? judge(`${row.case} ${mode}`, ratio, GOALS[row.case]?.[mode]) : ''];
  if (mode === 'compiled' && row.copies !== undefined)
    judged.push(
      `copy ${row.copies.toFixed(2)} ${row.threads === 1 ? judge(`${row.case} against a copy`, row.copies, COPY_GOAL) : ''}`,
    );
  process.stdout.write(
    `${row.case.padEnd(24)} ${mode.padEnd(9)} ${row.threads} thr  ours ${ours.padStart(11)} us  torch ${row.torch.toFixed(2).padStart(11)} us  ratio ${(ratio ?? NaN).toFixed(3)}  ${judged.join('  ')}${row.errors[mode] ?? ''}\n`,
  );
}

/** "ok" or "MISSED" with the goal; a miss is counted. */
function judge(what: string, value: number | undefined, goal: number | undefined): string {
  if (goal === undefined) return '';
  if (value !== undefined && value <= goal) return `ok (<= ${round3(goal)})`;
  misses.push(`${what} ${value ?? 'failed'}`);
  return `MISSED (<= ${round3(goal)})`;
}

/** Where both were measured: compiled on two threads against one. */
function compareThreads(): Record<string, number> {
  const result: Record<string, number> = {};
  for (const two of rows.filter((r) => r.threads === 2)) {
    const one = rows.find((r) => r.case === two.case && r.threads === 1)?.ours.compiled;
    const both = two.ours.compiled;
    if (one === undefined || both === undefined) continue;
    const ratio = (result[two.case] = round3(both / one));
    const goal = one > SCALING.from ? 1 / SCALING.gain : 1;
    process.stdout.write(
      `${two.case.padEnd(24)} two threads / one ${ratio}  ${judge(`${two.case} two threads / one`, ratio, goal)}\n`,
    );
  }
  return result;
}

function compareOrt(): { ort: number; ours: number; ratio: number } | null {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const ort = runOnnxRuntime(peers, 1);
    if (ort === null) return null;
    theirs.push(ort);
    ours.push(runOurs('lenet_infer_b1', 'compiled', 1, minTime, false).us);
  }
  const ratio = round3(median(ours.map((t, i) => t / theirs[i]!)));
  process.stdout.write(
    `lenet_infer_b1 compiled against onnxruntime: ${median(ours).toFixed(1)} us / ${median(theirs).toFixed(1)} us = ${ratio}  ${judge('lenet_infer_b1 against onnxruntime', ratio, ORT_GOAL)}\n`,
  );
  return { ort: median(theirs), ours: median(ours), ratio };
}

function compareBuilds(): Record<string, number> {
  const { cold, cached } = buildTimes(rounds);
  process.stdout.write(
    `LeNet step after tracing: built in ${cold.toFixed(0)} ms ${judge('cold build, ms', cold, BUILD_GOALS.cold)}, from the cache in ${cached.toFixed(0)} ms ${judge('cached build, ms', cached, BUILD_GOALS.cached)}\n`,
  );
  return { cold, cached };
}

function compareOneDnn(): { direct: number; ours: number; ratio: number } | null {
  const directs: number[] = [];
  const ours: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const direct = runOneDnn(1024, 1);
    if (direct === null) return null;
    directs.push(direct);
    ours.push(runOurs('matmul_1024', 'eager', 1, minTime, false).us);
  }
  const ratio = round3(median(ours.map((t, i) => t / directs[i]!)));
  const verdict = ratio <= ONEDNN_GOAL ? `ok (<= ${ONEDNN_GOAL})` : `MISSED (<= ${ONEDNN_GOAL})`;
  if (ratio > ONEDNN_GOAL) misses.push(`matmul_1024 against oneDNN ${ratio}`);
  process.stdout.write(
    `matmul_1024 eager against oneDNN directly: ${median(ours).toFixed(1)} us / ${median(directs).toFixed(1)} us = ${ratio}  ${verdict}\n`,
  );
  return { direct: median(directs), ours: median(ours), ratio };
}

/** lenet_step_b64 on two threads must not be slower than on one; beside a busy process by at most a tenth. */
function threadCheck(busy: boolean): Record<string, number> | null {
  if (!only.test('lenet_step_b64')) return null;
  const neighbour = busy ? busyNeighbour() : null;
  const result: Record<string, number> = {};
  try {
    for (const mode of ['eager', 'compiled'] as const) {
      const ratios: number[] = [];
      for (let i = 0; i < rounds; i++) {
        const one = runOurs('lenet_step_b64', mode, 1, minTime, false).us;
        ratios.push(runOurs('lenet_step_b64', mode, 2, minTime, false).us / one);
      }
      result[mode] = round3(median(ratios));
      const limit = busy ? 1.1 : 1;
      const verdict = result[mode] <= limit ? 'ok' : 'MISSED';
      if (verdict === 'MISSED')
        misses.push(`lenet_step_b64 ${mode} two threads / one ${busy ? '(busy machine) ' : ''}${result[mode]}`);
      process.stdout.write(
        `lenet_step_b64 ${mode}, two threads / one${busy ? ', beside a busy process' : ''}: ${result[mode]}  ${verdict} (<= ${limit})\n`,
      );
    }
  } catch (error) {
    misses.push(`thread check: ${(error as Error).message.split('\n')[0]}`);
  } finally {
    neighbour?.kill();
  }
  return result;
}

function round3(x: number): number {
  return Math.round(x * 1000) / 1000;
}
