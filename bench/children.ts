// Starts the processes of a benchmark: ours, PyTorch's, a busy neighbour, oneDNN alone; and describes the machine.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { Mode } from './cases.js';
import { median } from './measure.js';

export const here = fileURLToPath(new URL('.', import.meta.url));

export interface Result {
  readonly case: string;
  readonly us: number;
  readonly threads: number;
  readonly mode?: Mode;
  readonly rssMB?: number;
  readonly torch?: string;
  /** Time of a warm copy of the bytes that the case must move. */
  readonly copyUs?: number;
}

/** The settings that every process of ours runs with: waiting threads do not spin (see the README). */
export const quiet = { OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '0' };

function lastLine(text: string): Result {
  return JSON.parse(text.trim().split('\n').at(-1)!) as Result;
}

export function runOurs(name: string, mode: Mode, threads: number, minTime: number, benny: boolean): Result {
  const args = [
    '--import',
    'tsx',
    join(here, 'child.ts'),
    '--case',
    name,
    '--mode',
    mode,
    '--threads',
    String(threads),
    '--min-time',
    String(minTime),
  ];
  const out = execFileSync(process.execPath, [...args, ...(benny ? ['--benny'] : [])], {
    encoding: 'utf8',
    env: { ...process.env, ...quiet, OMP_NUM_THREADS: String(threads) },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
  });
  if (benny) process.stdout.write(`${out.trim().split('\n').slice(0, -1).join('\n')}\n`);
  return lastLine(out);
}

/** PyTorch with the settings of torch_env.sh. */
export function runTorch(peers: string, name: string, threads: number, minTime: number, jit: boolean): Result {
  const script =
    '. "$0/torch_env.sh"; OMP_NUM_THREADS=$2 exec /usr/bin/python3 "$0/torch_bench.py" --only "^$1\\$" --threads "$2" --min-time "$3" $4';
  const out = execFileSync('bash', ['-c', script, peers, name, String(threads), String(minTime), jit ? '--jit' : ''], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return lastLine(out);
}

/** A process that keeps one core busy until it is stopped. */
export function busyNeighbour(): ChildProcess {
  return spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
}

/** Median microseconds of oneDNN's own matmul primitive (n x n, one thread); null where it cannot be built. */
export function runOneDnn(n: number, threads: number): number | null {
  if (!existsSync('/usr/include/dnnl.hpp') && !existsSync('/usr/include/oneapi/dnnl/dnnl.hpp')) return null;
  const out = join(here, 'out');
  mkdirSync(out, { recursive: true });
  const program = join(out, 'onednn_matmul');
  execFileSync('g++', ['-std=c++20', '-O2', join(here, 'onednn_matmul.cc'), '-ldnnl', '-o', program], {
    stdio: 'inherit',
  });
  const text = execFileSync(program, [String(n)], {
    encoding: 'utf8',
    env: { ...process.env, ...quiet, OMP_NUM_THREADS: String(threads) },
  });
  return Number(text.trim());
}

/** Median microseconds of onnxruntime on the LeNet of the benchmark, one image; null where it is not installed. */
export function runOnnxRuntime(peers: string, threads: number): number | null {
  const modules = join(here, '../node_modules');
  const script = join(peers, 'onnxruntime_bench.mjs');
  if (!existsSync(join(modules, 'onnxruntime-node')) || !existsSync(script)) return null;
  const out = join(here, 'out');
  mkdirSync(out, { recursive: true });
  const model = join(out, 'lenet.onnx');
  execFileSync(process.execPath, ['--import', 'tsx', join(here, 'export_child.ts'), model], { stdio: 'inherit' });
  // Modules are found from the script's own folder.
  const local = join(out, 'onnxruntime_bench.mjs');
  copyFileSync(script, local);
  const text = execFileSync(process.execPath, [local, model, String(threads), '1x1x28x28'], { encoding: 'utf8' });
  return lastLine(text).us;
}

/** Milliseconds after tracing until the LeNet step is loaded: with an empty cache, and again with what that run left; medians. */
export function buildTimes(rounds: number): { cold: number; cached: number } {
  const cold: number[] = [];
  const cached: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const cache = mkdtempSync(join(tmpdir(), 'flambeau-bench-'));
    const run = (): number => {
      const text = execFileSync(process.execPath, ['--import', 'tsx', join(here, 'build_child.ts')], {
        encoding: 'utf8',
        env: { ...process.env, ...quiet, FLAMBEAU_CACHE_DIR: cache },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return (JSON.parse(text.trim().split('\n').at(-1)!) as { ms: number }).ms;
    };
    try {
      cold.push(run());
      cached.push(run());
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  }
  return { cold: median(cold), cached: median(cached) };
}

const output = (file: string, args: readonly string[]): string | null => {
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n')[0]!;
  } catch {
    return null;
  }
};

export function machine(): Record<string, unknown> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    compiler: output('g++', ['--version']),
    onednn: output('dpkg-query', ['-W', '-f', '${Version}', 'libdnnl-dev']),
    commit: output('git', ['-C', here, 'rev-parse', '--short', 'HEAD']),
  };
}

/** Writes `results/<date>-<cpu>[-tag].json` and returns its path. */
export function saveResults(tag: string, data: object): string {
  const cpu = (cpus()[0]?.model ?? 'unknown')
    .replace(/\(R\)|\(TM\)|CPU|@.*$/g, '')
    .trim()
    .replace(/[^\w]+/g, '-')
    .toLowerCase();
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(join(here, 'results'), { recursive: true });
  const path = join(here, 'results', `${date}-${cpu}-${tag}.json`);
  writeFileSync(path, `${JSON.stringify({ date: new Date().toISOString(), machine: machine(), ...data }, null, 2)}\n`);
  return path;
}
