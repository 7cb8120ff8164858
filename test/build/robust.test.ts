// Compilers that are killed, that fail half way, and disks that fill: an error or a build elsewhere, and never half a program in
// the cache. The compilers here are shell scripts that end as the real one would.
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { build, startBuild, type Build } from '../../src/build/build.js';
import { ProgramCache } from '../../src/build/cache.js';
import { findCompiler } from '../../src/build/compiler.js';

const SOURCE = 'extern "C" int fb_graph_abi(void) { return 1; }\n';
const MB = 2 ** 20;
const real = findCompiler().path;
let dir: string;
let cache: ProgramCache;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fb-robust-test-'));
  cache = new ProgramCache(join(dir, 'cache'), 64 * MB);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** An environment whose compiler answers `--version` as the real one and otherwise runs `body`. */
function compiler(body: string): NodeJS.ProcessEnv {
  const path = join(dir, 'cxx.sh');
  writeFileSync(path, `#!/bin/sh\nif [ "$1" = --version ]; then exec '${real}' --version; fi\n${body}\n`);
  chmodSync(path, 0o755);
  return { PATH: process.env['PATH'], CXX: path };
}

/** Waits as a synchronous loop does: the event loop never runs. */
function spin(b: Build): ReturnType<Build['poll']> {
  const until = Date.now() + 20_000;
  while (b.poll().kind === 'running' && Date.now() < until);
  return b.poll();
}

function expectNothingLeft(): void {
  expect(cache.list()).toEqual([]);
  expect(readdirSync(join(dir, 'cache'))).toEqual(['tmp']);
  expect(readdirSync(join(dir, 'cache', 'tmp'))).toEqual([]);
}

const HALF = `printf '\\177ELF half a program' > program.so`;

describe('compilers that do not end well', () => {
  test.each([
    ['killed', `${HALF}; kill -KILL $$`, /was ended by SIGKILL while it built a generated program/],
    ['out of memory', `${HALF}; kill -SEGV $$`, /was ended by SIGSEGV/],
    ['failed after it wrote', `${HALF}; echo 'ld: internal error' >&2; exit 1`, /failed on a generated program:\nld: internal error/],
    ['silent', 'exit 3', /failed on a generated program$/],
  ])('%s: an error, awaited or polled, and nothing in the cache', async (_, body, message) => {
    const env = compiler(body);
    await expect(build(SOURCE, { cache, env })).rejects.toThrow(message);
    expectNothingLeft();
    const state = spin(startBuild(`${SOURCE}// polled`, { cache, env }));
    expect(state).toMatchObject({ kind: 'failed', error: { code: 'ERR_FLAMBEAU_BUILD' } });
    expect(state.kind === 'failed' && state.error.message).toMatch(message);
    expectNothingLeft();
  });

  test('one that says it succeeded and wrote nothing', async () => {
    const env = compiler('exit 0');
    await expect(build(SOURCE, { cache, env })).rejects.toThrow(/ended well but wrote no program/);
    expectNothingLeft();
  });

  test('temporary files of a killed compiler go with its workspace', async () => {
    const env = compiler('echo "$TMPDIR" > ../../tmpdir.txt; touch "$TMPDIR/cc123.s"; kill -KILL $$');
    await expect(build(SOURCE, { cache, env })).rejects.toThrow(/SIGKILL/);
    rmSync(join(dir, 'cache', 'tmpdir.txt'));
    expectNothingLeft();
  });

  test('the next build with a sound compiler succeeds', async () => {
    await expect(build(SOURCE, { cache, env: compiler(`${HALF}; kill -KILL $$`) })).rejects.toThrow(/SIGKILL/);
    const built = await build(SOURCE, { cache });
    expect(built.cached).toBe(false);
    expect(cache.lookup(built.key)).toBe(built.path);
  });

  test.each([['awaited'], ['polled']])('a disk that fills while the compiler writes: built in a temporary directory (%s)', async (how) => {
    // In the cache the linker runs out of space; anywhere else it works.
    const full = `case "$PWD" in '${dir}'/*) ${HALF}; echo 'ld: final link failed: No space left on device' >&2; exit 1;; esac`;
    const b = startBuild(SOURCE, { cache, env: compiler(`${full}\nexec '${real}' "$@"`) });
    b.ref();
    const state = how === 'polled' ? spin(b) : { kind: 'done' as const, built: await b.done };
    if (state.kind !== 'done') throw new Error(`the build is ${state.kind}`);
    expect(existsSync(state.built.path)).toBe(true);
    expect(state.built.path.startsWith(dir)).toBe(false);
    expectNothingLeft();
    rmSync(dirname(dirname(state.built.path)), { recursive: true, force: true });
  });

  test('threads of one process that build the same program at once share its entry', async () => {
    const module = new URL('../../src/build/build.ts', import.meta.url).href;
    const script = join(dir, 'thread.mjs');
    writeFileSync(
      script,
      `import { parentPort } from 'node:worker_threads';
import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))};
register();
const { build } = await import(${JSON.stringify(module)});
parentPort.postMessage(await build(${JSON.stringify(SOURCE)}));
`,
    );
    const run = (): Promise<{ path: string; key: string }> =>
      new Promise((ok, fail) => {
        const worker = new Worker(script, { env: { ...process.env, FLAMBEAU_CACHE_DIR: cache.dir }, execArgv: [] });
        worker.once('message', ok);
        worker.once('error', fail);
      });
    const [a, ...others] = await Promise.all([run(), run(), run()]);
    for (const o of others) expect(o.path).toBe(a.path);
    expect(cache.lookup(a.key)).toBe(a.path);
    expect(readdirSync(join(dir, 'cache', 'tmp'))).toEqual([]);
  });
});
