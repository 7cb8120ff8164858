// The build driver and its cache: what must hold when entries are damaged, builders race, disks fill or compilers are missing.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { build, BuildFailed, startBuild } from '../../src/build/build.js';
import { cacheKey, openCache, ProgramCache } from '../../src/build/cache.js';
import { CompilerMissing, findCompiler } from '../../src/build/compiler.js';

const SOURCE = 'extern "C" int fb_graph_abi(void) { return 1; }\n';
const MB = 2 ** 20;
let dir: string;
let cache: ProgramCache;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fb-cache-test-'));
  cache = new ProgramCache(dir, 64 * MB);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('build and cache', () => {
  test('builds once, then serves the entry', async () => {
    const first = await build(SOURCE, { cache });
    expect(first.cached).toBe(false);
    expect(readFileSync(first.path).subarray(1, 4).toString()).toBe('ELF');
    const second = await build(SOURCE, { cache });
    expect(second).toMatchObject({ cached: true, path: first.path, key: first.key });
    expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
  });

  test.each([
    ['truncated', (so: string) => truncateSync(so, 100)],
    ['changed', (so: string) => writeFileSync(so, Buffer.alloc(readFileSync(so).length, 7))],
    ['emptied', (so: string) => truncateSync(so, 0)],
    ['removed', (so: string) => rmSync(so)],
    ['without a readable record', (so: string) => writeFileSync(join(so, '..', 'entry.json'), '{')],
    ['without any record', (so: string) => rmSync(join(so, '..', 'entry.json'))],
  ])('an entry that was %s is built again', async (_, damage) => {
    const first = await build(SOURCE, { cache });
    const good = readFileSync(first.path);
    damage(first.path);
    const again = await build(SOURCE, { cache });
    expect(again.cached).toBe(false);
    expect(readFileSync(again.path).equals(good)).toBe(true);
    expect(cache.lookup(again.key)).toBe(again.path);
  });

  test('the key depends on source, flags, compiler and CPU', () => {
    const base = ['src', ['-O3'], 'g++ 12', 'cpu'] as const;
    const keys = [cacheKey(...base), cacheKey('src2', base[1], base[2], base[3]), cacheKey('src', ['-O2'], base[2], base[3]), cacheKey('src', base[1], 'g++ 13', base[3]), cacheKey('src', base[1], base[2], 'cpu2')];
    expect(new Set(keys).size).toBe(5);
  });

  test('a build is seen to end inside a synchronous loop', () => {
    const b = startBuild(SOURCE, { cache });
    const until = Date.now() + 20_000;
    while (b.poll().kind === 'running' && Date.now() < until); // no await: the event loop never runs
    expect(b.poll().kind).toBe('done');
  });

  test('a source that does not compile fails with the compiler text, and leaves nothing behind', async () => {
    await expect(build('this is no C++', { cache })).rejects.toThrow(BuildFailed);
    await expect(build('int f() { return undefined_name; }', { cache })).rejects.toThrow(/undefined_name/);
    const b = startBuild('int g() { return undefined_name; }', { cache });
    while (b.poll().kind === 'running');
    expect(b.poll()).toMatchObject({ kind: 'failed', error: { code: 'ERR_FLAMBEAU_BUILD' } });
    expect(readdirSync(dir)).toEqual(['tmp']);
    expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
  });

  test('two processes that build the same program at once both get it', async () => {
    const script = join(dir, 'worker.mts');
    const modulePath = resolve('src/build/build.ts');
    writeFileSync(script, `import { build } from ${JSON.stringify(modulePath)};\nconst b = await build(${JSON.stringify(SOURCE)});\nconsole.log(JSON.stringify(b));\n`);
    const run = (): Promise<{ path: string; key: string }> =>
      new Promise((ok, fail) => {
        const child = spawn(process.execPath, ['--import', 'tsx', script], { env: { ...process.env, FLAMBEAU_CACHE_DIR: join(dir, 'shared') }, stdio: ['ignore', 'pipe', 'inherit'] });
        let text = '';
        child.stdout.on('data', (d: Buffer) => (text += d.toString()));
        child.on('exit', (code) => (code === 0 ? ok(JSON.parse(text) as { path: string; key: string }) : fail(new Error(`exit ${code}`))));
      });
    const [a, b] = await Promise.all([run(), run()]);
    expect(a.path).toBe(b.path);
    const shared = new ProgramCache(join(dir, 'shared'), MB);
    expect(shared.lookup(a.key)).toBe(a.path);
    expect(readdirSync(join(dir, 'shared', 'tmp'))).toEqual([]);
  });

  test('the size is bounded: the least recently used entries go, stale workspaces too', async () => {
    const made = [];
    for (let i = 0; i < 4; i++) {
      const b = await build(`${SOURCE}int v${i} = ${i};`, { cache });
      const when = new Date(Date.now() - (10 - i) * 60_000);
      utimesSync(join(b.path, '..', 'entry.json'), when, when);
      made.push(b);
    }
    cache.lookup(made[0]!.key); // used just now
    const one = cache.list()[0]!.bytes;
    const old = join(dir, 'tmp', 'left-behind');
    mkdirSync(old);
    utimesSync(old, new Date(0), new Date(0));
    new ProgramCache(dir, one * 2 + 100).evict();
    const left = cache.list().map((e) => e.key);
    expect(left.sort()).toEqual([made[0]!.key, made[3]!.key].sort());
    expect(existsSync(old)).toBe(false);
  });

  test('no compiler is a typed error that says what to do', () => {
    expect(() => findCompiler({ PATH: '/nonexistent' })).toThrow(CompilerMissing);
    expect(() => findCompiler({ PATH: '/nonexistent' })).toThrow(/install g\+\+ or set CXX/);
    expect(() => findCompiler({ PATH: process.env['PATH'], CXX: 'no-such-compiler' })).toThrow(/'no-such-compiler' \(from CXX\) was not found/);
    expect(() => startBuild(SOURCE, { cache, env: { PATH: '/nonexistent' } })).toThrow(expect.objectContaining({ code: 'ERR_FLAMBEAU_COMPILER' }) as Error);
  });

  test('an unwritable cache falls back to a temporary directory', async () => {
    const blocked = join(dir, 'file');
    writeFileSync(blocked, 'not a directory');
    const fallback = openCache({ FLAMBEAU_CACHE_DIR: join(blocked, 'cache') });
    expect(fallback.temporary).toBe(true);
    expect((await build(SOURCE, { cache: fallback })).path.startsWith(fallback.dir)).toBe(true);
    // A cache that becomes unwritable later is noticed when the build starts.
    const later = new ProgramCache(join(dir, 'later'), MB);
    writeFileSync(join(dir, 'later'), '');
    const built = await build(SOURCE, { cache: later });
    expect(existsSync(built.path)).toBe(true);
    rmSync(fallback.dir, { recursive: true, force: true });
    rmSync(join(built.path, '..', '..'), { recursive: true, force: true });
  });
});
