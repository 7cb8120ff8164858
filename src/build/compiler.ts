// Finds the C++ compiler and describes it and this CPU: both are part of every cache key.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { FlambeauError } from '../tensor/errors.js';

/** No usable C++ compiler: programs run op by op on the prebuilt kernels instead. */
export class CompilerMissing extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_COMPILER', message);
  }
}

export interface Compiler {
  readonly path: string;
  /** First line of `--version`. */
  readonly version: string;
}

/** For run-time programs: made for the machine they run on. No fast math: NaN, infinities and zeros behave as in PyTorch. */
export const FLAGS: readonly string[] = [
  '-O3', '-march=native', '-fno-math-errno', '-fno-trapping-math', '-ffp-contract=off', '-fPIC', '-shared', '-std=c++20',
  '-fno-exceptions', '-fno-rtti', '-Wno-psabi', '-x', 'c++',
];

const CANDIDATES = ['c++', 'g++', 'clang++'];

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function onPath(name: string, path: string): string | null {
  if (isAbsolute(name) || name.includes('/')) return executable(name) ? name : null;
  for (const dir of path.split(delimiter)) {
    if (dir !== '' && executable(join(dir, name))) return join(dir, name);
  }
  return null;
}

const known = new Map<string, Compiler | CompilerMissing>();

/**
 * The compiler: $CXX when set, else the first of c++, g++ and clang++ on the PATH. Asked once per process and setting.
 * @throws CompilerMissing when there is none or it does not run.
 */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): Compiler {
  const key = `${env['CXX'] ?? ''}\n${env['PATH'] ?? ''}`;
  const have = known.get(key) ?? look(env);
  known.set(key, have);
  if (have instanceof CompilerMissing) throw have;
  return have;
}

function look(env: NodeJS.ProcessEnv): Compiler | CompilerMissing {
  const asked = env['CXX'];
  const names = asked ? [asked] : CANDIDATES;
  const path = names.map((n) => onPath(n, env['PATH'] ?? '')).find((p) => p !== null);
  if (path === undefined || path === null) {
    return new CompilerMissing(
      asked ? `the C++ compiler '${asked}' (from CXX) was not found` : `no C++ compiler was found (looked for ${CANDIDATES.join(', ')} on the PATH; install g++ or set CXX)`,
    );
  }
  const r = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  if (r.status !== 0) return new CompilerMissing(`the C++ compiler '${path}' does not run: ${r.error?.message ?? r.stderr.trim()}`);
  return { path, version: r.stdout.split('\n')[0]!.trim() };
}

let cpu: string | undefined;
/** What `-march=native` depends on: the model and its features. */
export function cpuModel(): string {
  if (cpu !== undefined) return cpu;
  try {
    const info = readFileSync('/proc/cpuinfo', 'utf8');
    const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(info)?.[1] ?? '';
    cpu = `${field('model name')}|${field('flags')}`;
  } catch {
    cpu = `${cpus()[0]?.model ?? 'unknown'}|${process.arch}`;
  }
  return cpu;
}
