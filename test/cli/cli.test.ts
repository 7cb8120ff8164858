// The command line: what it prints, what it refuses, and that it clears only the cache it is told to.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let cache: string;
beforeEach(() => (cache = mkdtempSync(join(tmpdir(), 'flambeau-cli-'))));
afterEach(() => rmSync(cache, { recursive: true, force: true }));

function cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const argv = ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...args];
  return spawnSync(process.execPath, argv, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, FLAMBEAU_CACHE_DIR: cache },
  });
}

test('info names version, processor, instruction set, libraries, threads, compiler and cache', () => {
  const { status, stdout } = cli('info');
  expect(status).toBe(0);
  for (const key of ['flambeau', 'node', 'processor', 'threads', 'compiler', 'cache'])
    expect(stdout).toMatch(new RegExp(`^${key} +\\S`, 'm'));
  expect(stdout).toMatch(/avx512|avx2|baseline/i);
  expect(stdout).toMatch(/oneDNN|generated kernels/i);
  expect(stdout).toContain(cache);
});

test('cache clear empties the cache and says how much it removed', () => {
  const entry = join(cache, 'a'.repeat(40));
  mkdirSync(entry);
  writeFileSync(join(entry, 'entry.json'), '{}');
  writeFileSync(join(entry, 'program.so'), 'x'.repeat(100));
  const { status, stdout } = cli('cache', 'clear');
  expect(status).toBe(0);
  expect(stdout).toContain('removed 1 programs');
  expect(existsSync(entry)).toBe(false);
});

test('unknown commands are errors with the usage', () => {
  const { status, stderr } = cli('fly');
  expect(status).toBe(2);
  expect(stderr).toContain("unknown command 'fly'");
  expect(stderr).toContain('flambeau info');
});

test('without a command the usage; --version the version', () => {
  expect(cli().stdout).toContain('usage:');
  expect(cli('--version').stdout).toMatch(/^\d+\.\d+\.\d+/);
});
