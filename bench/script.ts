// jit.script beside torch.jit.script, case by case in one run: npm run bench:script [-- --peers DIR] [--only REGEX] [--threads 1] [--save]
// Needs Debian's python3-torch and the folder with torch_env.sh (default ../shared/peers, or FLAMBEAU_PEERS). Each row has the time of the
// compiled graph, of the function as it is written (eager), and PyTorch's; sums of the results must agree.
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import * as fb from '../src/index.js';
import type { Tensor } from '../src/index.js';
import { here, quiet, saveResults } from './children.js';
import { measure } from './measure.js';
import { SCRIPT_CASES } from './script_cases.js';

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: process.env.FLAMBEAU_PEERS ?? join(here, '../../shared/peers') },
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: '1' },
    'min-time': { type: 'string', default: '0.2' },
    save: { type: 'boolean', default: false },
    child: { type: 'string' },
  },
});
const minTime = Number(values['min-time']);

interface Ours {
  readonly compiled: number;
  readonly eager: number;
  readonly sum: number;
}
interface Row extends Ours {
  readonly case: string;
  readonly torch: number;
}

/** Our side, in a process of its own. */
async function child(name: string): Promise<Ours> {
  fb.setNumThreads(Number(values.threads));
  const { f, args } = SCRIPT_CASES[name]!();
  const call = f as unknown as (...a: readonly unknown[]) => Tensor;
  const run = (): Tensor => fb.noGrad(() => call(...args));
  // Until its programs are built, a call runs the function as it is written.
  const first = run().to('float64').sum().item();
  const eager = measure(() => fb.noGrad(() => asWritten(f, args)), minTime).us;
  if (!(await f.ready())) throw new Error(`${name}: no program: ${f.reason}`);
  const sum = run().to('float64').sum().item();
  if (Math.abs(sum - first) > 1e-3 * (1 + Math.abs(first))) throw new Error(`${name}: ${sum} compiled, ${first} eager`);
  return { compiled: measure(run, minTime).us, eager, sum };
}
/** The function behind a scripted one. */
function asWritten(f: unknown, args: readonly unknown[]): unknown {
  const plain = f as fb.nn.Module & { readonly [key: symbol]: { fn: (...a: unknown[]) => unknown; self: unknown } };
  const source = Object.getOwnPropertySymbols(plain)
    .map((k) => plain[k])
    .find((v) => typeof v === 'object' && v !== null && 'fn' in v)!;
  return source.fn.apply(source.self, [...args]);
}

function ours(name: string): Ours {
  const args = ['--import', 'tsx', join(here, 'script.ts'), '--child', name, '--threads', values.threads];
  const text = execFileSync(process.execPath, [...args, '--min-time', values['min-time']], {
    encoding: 'utf8',
    env: { ...process.env, ...quiet, OMP_NUM_THREADS: values.threads },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(text.trim().split('\n').at(-1)!) as Ours;
}
function torch(name: string): { readonly us: number; readonly sum: number; readonly torch: string } {
  const command =
    '. "$0/torch_env.sh"; OMP_NUM_THREADS=$3 exec /usr/bin/python3 "$1" --only "^$2\\$" --threads "$3" --min-time "$4"';
  const args = [resolve(values.peers), join(here, 'script_torch.py'), name, values.threads, values['min-time']];
  const text = execFileSync('bash', ['-c', command, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(text.trim().split('\n').at(-1)!) as { us: number; sum: number; torch: string };
}

function compare(): void {
  const only = new RegExp(values.only);
  const rows: Row[] = [];
  let version = '';
  for (const name of Object.keys(SCRIPT_CASES).filter((n) => only.test(n))) {
    const [mine, peer] = [ours(name), torch(name)];
    version = peer.torch;
    const apart = Math.abs(mine.sum - peer.sum) / (1 + Math.abs(peer.sum));
    rows.push({ case: name, ...mine, torch: peer.us });
    process.stdout.write(
      `${name.padEnd(16)} compiled ${mine.compiled.toFixed(2).padStart(9)} us  eager ${mine.eager.toFixed(2).padStart(9)} us  torch.jit.script ${peer.us.toFixed(2).padStart(9)} us  ratio ${(mine.compiled / peer.us).toFixed(3)}${apart > 1e-3 ? `  RESULTS DIFFER: ${mine.sum}, ${peer.sum}` : ''}\n`,
    );
  }
  if (values.save) saveResults('script', { torch: version, threads: Number(values.threads), minTime, rows });
}

if (values.child === undefined) compare();
else process.stdout.write(`${JSON.stringify(await child(values.child))}\n`);
