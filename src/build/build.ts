// Builds a program's source into a shared object, in a child process and without a shell. A build makes progress and can be
// seen to have ended while JavaScript runs a synchronous loop: `poll` asks the operating system, not the event loop.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { FlambeauError } from '../tensor/errors.js';
import { log } from '../debug/log.js';
import { cacheKey, openCache, temporaryCache, type ProgramCache } from './cache.js';
import { cpuModel, findCompiler, FLAGS, type Compiler } from './compiler.js';

/** The compiler ran and refused the source, or could not write. */
export class BuildFailed extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_BUILD', message);
  }
}

export interface Built {
  /** The shared object. */
  readonly path: string;
  readonly key: string;
  readonly cached: boolean;
  readonly seconds: number;
}

export type BuildState = { readonly kind: 'running' } | { readonly kind: 'done'; readonly built: Built } | { readonly kind: 'failed'; readonly error: Error };

const running = new Map<ChildProcess, string>();
process.once('exit', () => {
  for (const [child, workspace] of running) {
    child.kill('SIGKILL');
    try {
      // The driver's own children may still be writing files while they are removed.
      rmSync(workspace, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    } catch {
      // Eviction removes it later.
    }
  }
});

/** One build. `poll()` is cheap and never blocks; `done` settles when the event loop gets to it. */
export class Build {
  private state: BuildState = { kind: 'running' };
  private readonly started = performance.now();
  private child: ChildProcess | undefined;
  private workspace = '';
  /** A program that is done does not wait for its builds, unless somebody awaits one. */
  private awaited = false;
  private resolve!: (b: Built) => void;
  private reject!: (e: Error) => void;
  readonly done: Promise<Built>;

  constructor(
    private readonly source: string,
    private cache: ProgramCache,
    private readonly compiler: Compiler,
    private readonly flags: readonly string[],
    private readonly key: string,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => undefined); // nobody has to listen
    const path = cache.lookup(key);
    if (path !== null) this.settle({ kind: 'done', built: { path, key, cached: true, seconds: this.seconds() } });
    else this.start();
  }

  private seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  private settle(state: BuildState): void {
    if (this.state.kind !== 'running') return;
    this.state = state;
    if (this.child) running.delete(this.child);
    if (state.kind === 'done') this.resolve(state.built);
    else if (state.kind === 'failed') this.reject(state.error);
  }

  private start(): void {
    try {
      this.workspace = this.cache.workspace();
      writeFileSync(join(this.workspace, 'source.cpp'), this.source);
    } catch (e) {
      this.fail(e as Error);
      return;
    }
    // Files, not pipes: nobody has to read while the child runs.
    const err = openSync(join(this.workspace, 'stderr.txt'), 'w');
    // Temporary files go with the workspace, also when the compiler is killed; a full disk is told by the message in English.
    const env = { ...process.env, TMPDIR: this.workspace, LC_ALL: 'C' };
    const child = spawn(this.compiler.path, [...this.flags, 'source.cpp', '-o', 'program.so'], {
      cwd: this.workspace, stdio: ['ignore', 'ignore', err], shell: false, env,
    });
    closeSync(err);
    this.child = child;
    running.set(child, this.workspace);
    if (!this.awaited) child.unref();
    child.once('error', (e) => this.fail(new BuildFailed(`cannot run ${this.compiler.path}: ${e.message}`)));
    child.once('exit', (code, signal) => {
      // The child of an earlier try, in a cache that could not be written, has been heard already.
      if (child === this.child) this.finish(code === 0, signal);
    });
  }

  /** Keeps the process alive until the build ends (somebody awaits it). */
  ref(): void {
    this.awaited = true;
    this.child?.ref();
  }

  private finish(ok: boolean, signal: NodeJS.Signals | null = null): void {
    if (this.state.kind !== 'running') return;
    try {
      if (!ok) throw new BuildFailed(this.complaint(signal));
      if (!existsSync(join(this.workspace, 'program.so'))) throw new BuildFailed(`the C++ compiler '${this.compiler.path}' ended well but wrote no program`);
      rmSync(join(this.workspace, 'stderr.txt'), { force: true });
      const path = this.cache.commit(this.key, this.workspace);
      log('build', () => `built ${this.key} in ${this.seconds().toFixed(3)} s`);
      this.settle({ kind: 'done', built: { path, key: this.key, cached: false, seconds: this.seconds() } });
    } catch (e) {
      this.fail(e as Error);
    }
  }

  /** Nothing half made stays behind; then once more elsewhere, or the end. */
  private fail(e: Error): void {
    if (this.state.kind !== 'running') return;
    try {
      if (this.workspace !== '') rmSync(this.workspace, { recursive: true, force: true, maxRetries: 3 });
    } catch (left) {
      // What a killed compiler's own children still write: eviction removes it later.
      log('build', () => `cannot remove ${this.workspace}: ${(left as Error).message}`);
    }
    if (this.retryElsewhere(e)) return;
    const error = e instanceof BuildFailed ? e : new BuildFailed(`a generated program cannot be built in '${this.cache.dir}': ${e.message}`);
    this.settle({ kind: 'failed', error });
  }

  private complaint(signal: NodeJS.Signals | null): string {
    let text = '';
    try {
      text = readFileSync(join(this.workspace, 'stderr.txt'), 'utf8').trim();
    } catch {
      // The message below says enough.
    }
    const how = signal === null ? 'failed on' : `was ended by ${signal} while it built`;
    return `the C++ compiler ${how} a generated program${text === '' ? '' : `:\n${text.slice(0, 4000)}`}`;
  }

  /** A full or read-only disk: once more, in a temporary directory. */
  private retryElsewhere(e: Error): boolean {
    const code = (e as NodeJS.ErrnoException).code ?? '';
    const full = ['ENOSPC', 'EROFS', 'EACCES', 'EPERM', 'EDQUOT', 'ENOTDIR', 'ENOENT', 'EIO'].includes(code) || /No space left|Read-only file system|Permission denied/.test(e.message);
    if (!full || this.cache.temporary) return false;
    try {
      this.cache = temporaryCache(`the program cache '${this.cache.dir}' cannot be written (${e.message.split('\n').at(-1)})`, this.cache.maxBytes);
    } catch {
      return false;
    }
    this.child = undefined;
    this.start();
    return true;
  }

  /** The state now, also when the event loop has not run since the compiler ended. */
  poll(): BuildState {
    const end = this.state.kind === 'running' && this.child?.pid !== undefined ? exitOf(this.child) : null;
    if (end !== null) this.finish(end.code === 0, end.signal);
    return this.state;
  }

  cancel(): void {
    if (this.state.kind !== 'running') return;
    const workspace = this.workspace;
    this.child?.once('exit', () => rmSync(workspace, { recursive: true, force: true }));
    this.settle({ kind: 'failed', error: new BuildFailed('the build was cancelled') });
    this.child?.kill('SIGKILL');
  }
}

interface Exit {
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

/** Field 52 of /proc/PID/stat, counted from the state (field 3). */
const EXIT_STATUS = 52 - 3;

/**
 * How a child ended, whether or not the event loop has noticed; null while it runs. On Linux a child that waits to be reaped tells
 * its wait status in /proc/PID/stat: without it, what a killed linker had written so far would pass for a program.
 */
function exitOf(child: ChildProcess): Exit | null {
  if (child.exitCode !== null || child.signalCode !== null) return { code: child.exitCode ?? -1, signal: child.signalCode };
  try {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).trim().split(' ');
    if (fields[0] !== 'Z') return null;
    const status = Number(fields[EXIT_STATUS] ?? 0);
    const number = status & 0x7f;
    const name = Object.entries(constants.signals).find(([, n]) => n === number)?.[0] as NodeJS.Signals | undefined;
    return number === 0 ? { code: status >> 8, signal: null } : { code: -1, signal: name ?? null };
  } catch {
    return null; // no /proc: wait for the event loop
  }
}

export interface BuildOptions {
  readonly cache?: ProgramCache;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const inFlight = new Map<string, Build>();

/** Starts a build, or finds its result in the cache. Builds of the same program are one. @throws CompilerMissing. */
export function startBuild(source: string, options: BuildOptions = {}): Build {
  const compiler = findCompiler(options.env);
  const flags = options.flags ?? FLAGS;
  const cache = options.cache ?? openCache(options.env);
  const key = cacheKey(source, flags, compiler.version, cpuModel());
  const id = `${cache.dir}\0${key}`;
  const have = inFlight.get(id);
  if (have !== undefined && have.poll().kind === 'running') return have;
  const build = new Build(source, cache, compiler, flags, key);
  inFlight.set(id, build);
  const forget = (): void => {
    if (inFlight.get(id) === build) inFlight.delete(id);
  };
  build.done.then(forget, forget);
  return build;
}

/** Builds and waits. @throws CompilerMissing, BuildFailed. */
export async function build(source: string, options: BuildOptions = {}): Promise<Built> {
  const b = startBuild(source, options);
  b.ref();
  return b.done;
}
