// KernelBench's cases at their bench size, compiled, against PyTorch eager and torch.jit (traced, frozen) in one run.
//   npm run -s bench:kernelbench -- [--data DIR] [--peers DIR] [--only REGEX] [--threads 1,2] [--rounds 3] [--min-time S] [--eager]
// Needs Debian's python3-torch and the peers' torch_env.sh. The three take turns within a round; a case's figure is the
// median over the rounds of min(eager, jit) / ours. Both sides' outputs are checked against the values in cases.json.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { loadavg } from 'node:os';
import { readCases, type Case } from '../test/conformance/kernelbench/data.js';
import { here, quiet, saveResults } from './children.js';
import { KERNELBENCH_GOALS as GOALS } from './goals.js';
import { median } from './measure.js';

const shared = join(here, '../../shared');
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: process.env.FLAMBEAU_KERNELBENCH ?? join(shared, 'conformance/kernelbench') },
    peers: { type: 'string', default: process.env.FLAMBEAU_PEERS ?? join(shared, 'peers') },
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
    'min-time': { type: 'string', default: '0.1' },
    eager: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(`npm run -s bench:kernelbench -- [options]
  --data DIR      KernelBench's cases (default ../shared/conformance/kernelbench)
  --peers DIR     where torch_env.sh lies (default ../shared/peers)
  --only REGEX    cases whose id, family or name match
  --threads LIST  1,2 by default
  --rounds N      times that the three sides take turns; a figure is the median (default 3)
  --min-time S    seconds of one measurement (default 0.1)
  --eager         our eager time as well
`);
  process.exit(0);
}
const data = resolve(values.data);
const env = join(resolve(values.peers), 'torch_env.sh');
for (const file of [join(data, 'cases.json'), env])
  if (!existsSync(file)) throw new Error(`bench:kernelbench: no '${file}'; give its folder with --data or --peers`);
const only = new RegExp(values.only);
const cases = readCases(data).filter((c) => only.test(`${c.id} ${c.family} ${c.name}`));

interface Answer {
  readonly us?: number;
  readonly samples?: readonly (readonly number[])[];
  readonly error?: string;
  readonly torch?: string;
}
/** A process that answers one JSON line per request. */
class Side {
  private readonly child;
  private readonly lines: AsyncIterator<string>;
  constructor(command: string, args: readonly string[], more: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...more } });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }
  async ask(request: object): Promise<Answer> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`bench:kernelbench: a side ended after ${JSON.stringify(request)}`);
    return JSON.parse(value) as Answer;
  }
  close(): void {
    this.child.stdin.end();
  }
}

interface Row {
  readonly case: string;
  readonly level: number;
  readonly family: string;
  readonly flags: readonly string[];
  readonly threads: number;
  /** Median microseconds. */
  readonly compiled?: number;
  readonly oursEager?: number;
  readonly torchEager?: number;
  readonly torchJit?: number;
  /** Median over the rounds of min(torchEager, torchJit) / compiled; above one: we are faster. */
  readonly speedup?: number;
  readonly problem?: string;
}
const rows: Row[] = [];
const misses: string[] = [];
const loads = [loadavg()[0]!];
let torchVersion = '';

for (const threads of values.threads.split(',').map(Number)) {
  const common = ['--threads', String(threads), '--min-time', values['min-time']];
  const threadEnv = { OMP_NUM_THREADS: String(threads) };
  const ours = new Side(
    process.execPath,
    ['--import', 'tsx', join(here, 'kernelbench_child.ts'), '--data', data, ...common],
    {
      ...quiet,
      ...threadEnv,
    },
  );
  const start = '. "$0"; exec /usr/bin/python3 "$@"';
  const torch = new Side(
    'bash',
    ['-c', start, env, join(here, 'kernelbench_torch.py'), join(data, 'cases.json'), ...common],
    threadEnv,
  );
  for (const c of cases) {
    const row = await pair(c, threads, ours, torch);
    rows.push(row);
    print(row);
  }
  ours.close();
  torch.close();
  summarize(threads);
}
loads.push(loadavg()[0]!);
const summary = Object.fromEntries(values.threads.split(',').map((t) => [t, means(Number(t))]));
const path = saveResults('kernelbench', {
  torch: torchVersion,
  goals: GOALS,
  rounds: Number(values.rounds),
  minTime: Number(values['min-time']),
  loadAverage: loads,
  summary,
  rows,
  scaling: scaling(),
  misses,
});
process.stdout.write(
  `${misses.length === 0 ? 'all goals reached' : `missed: ${misses.join('; ')}`}\nwritten: ${path}\n`,
);

async function pair(c: Case, threads: number, ours: Side, torch: Side): Promise<Row> {
  const row = { case: c.id, level: c.level, family: c.family, flags: c.flags, threads };
  const times: Record<'compiled' | 'oursEager' | 'torchEager' | 'torchJit' | 'speedup', number[]> = {
    compiled: [],
    oursEager: [],
    torchEager: [],
    torchJit: [],
    speedup: [],
  };
  try {
    const theirs = await torch.ask({ load: c.id });
    torchVersion ||= theirs.torch ?? '';
    check(c, 'PyTorch', theirs);
    check(c, 'ours', await ours.ask({ load: c.id }));
    const time = async (side: Side, form: string): Promise<number> => {
      const { us, error } = await side.ask({ time: form });
      if (us === undefined) throw new Error(error);
      return us;
    };
    for (let round = 0; round < Number(values.rounds); round++) {
      const [e, o, j] = [await time(torch, 'eager'), await time(ours, 'compiled'), await time(torch, 'jit')];
      times.torchEager.push(e);
      times.compiled.push(o);
      times.torchJit.push(j);
      times.speedup.push(Math.min(e, j) / o);
      if (values.eager) times.oursEager.push(await time(ours, 'eager'));
    }
  } catch (error) {
    return { ...row, problem: (error as Error).message };
  }
  const medians = Object.entries(times).filter(([, list]) => list.length > 0);
  return { ...row, ...Object.fromEntries(medians.map(([k, list]) => [k, round3(median(list))])) };
}

/** The sampled elements of the outputs; throws on the first that is off. */
function check(c: Case, side: string, answer: Answer): void {
  if (answer.error !== undefined) throw new Error(`${side}: ${answer.error}`);
  c.sizes.bench.expect?.forEach((e, k) => {
    // The samples in the file are rounded to eight digits, and sums at this size are longer than at the tiny one.
    const limit = Math.max(c.tolerance.rel_to_max_abs * e.max_abs * 2, 1e-6);
    e.samples.forEach(([i, want], n) => {
      const got = answer.samples?.[k]?.[n];
      if (got === undefined || !(Math.abs(got - want) <= limit))
        throw new Error(`${side}: element ${i} of output ${k} is ${got}, expected ${want}`);
    });
  });
}

function print(r: Row): void {
  const us = (v: number | undefined): string => (v ?? NaN).toFixed(1).padStart(10);
  const eager = values.eager ? `  (eager ${us(r.oursEager)})` : '';
  const slow = r.level === 2 && !r.flags.includes('collapsible') && (r.speedup ?? 0) < GOALS.least;
  if (slow) misses.push(`${r.case} ${r.threads} thr ${r.speedup ?? r.problem}`);
  process.stdout.write(
    `${r.case} ${r.family.padEnd(16)} ${r.threads} thr  ours ${us(r.compiled)} us${eager}  torch ${us(r.torchEager)}  jit ${us(r.torchJit)}  speedup ${(r.speedup ?? NaN).toFixed(3)}` +
      `${r.flags.includes('collapsible') ? '  collapsible' : ''}${slow ? `  MISSED (>= ${GOALS.least})` : ''}${r.problem ? `  ${r.problem}` : ''}\n`,
  );
}

/** Geometric means: per level, and per family of level 2. Collapsible cases apart; a case without a figure counts as none. */
function means(threads: number): Record<string, { readonly mean: number; readonly cases: number }> {
  const groups = new Map<string, number[]>();
  const add = (key: string, x: number): void => void groups.set(key, [...(groups.get(key) ?? []), x]);
  for (const r of rows) {
    if (r.threads !== threads || r.speedup === undefined) continue;
    if (r.flags.includes('collapsible')) add('collapsible', r.speedup);
    else {
      add(`level ${r.level}`, r.speedup);
      if (r.level === 2) add(r.family, r.speedup);
    }
  }
  return Object.fromEntries(
    [...groups].map(([key, list]) => {
      const mean = Math.exp(list.reduce((s, x) => s + Math.log(x), 0) / list.length);
      return [key, { mean: round3(mean), cases: list.length }];
    }),
  );
}

function summarize(threads: number): void {
  for (const [key, { mean, cases: n }] of Object.entries(means(threads))) {
    const goal = GOALS.means[key];
    const verdict = goal === undefined ? '' : mean >= goal ? `ok (>= ${goal})` : `MISSED (>= ${goal})`;
    if (goal !== undefined && mean < goal) misses.push(`${key} ${threads} thr ${mean}`);
    process.stdout.write(`${threads} thr  ${key.padEnd(16)} ${String(n).padStart(3)} cases  ${mean}  ${verdict}\n`);
  }
}

/** Our time on one thread over that on two, where both were measured and one takes more than a millisecond. */
function scaling(): Record<string, number> {
  const found: Record<string, number> = {};
  for (const two of rows.filter((r) => r.threads === 2 && r.compiled !== undefined)) {
    const one = rows.find((r) => r.case === two.case && r.threads === 1)?.compiled;
    if (one !== undefined && one > 1000) found[two.case] = round3(one / two.compiled!);
  }
  return found;
}

function round3(x: number): number {
  return Math.round(x * 1000) / 1000;
}
