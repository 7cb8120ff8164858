// Sizes and start-up times: npm run bench:startup [-- --save]
//   import 'flambeau' in a fresh process (median of 9), the first compiled LeNet step after its trace, the same from the cache,
//   the size of the installed package without development dependencies, and a deployed LeNet (`flambeau build`): a C program and the
//   Node addon up to their first result, and the size of what is shipped. Needs a build (npm run build).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { here, saveResults } from './children.js';
import { deployedTimes } from './deployed.js';
import { median } from './measure.js';

const root = join(here, '..');

function importTime(): number {
  const code = `const s = process.hrtime.bigint(); await import('flambeau'); console.log(Number(process.hrtime.bigint() - s) / 1e6)`;
  const run = (): number =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root, encoding: 'utf8' }));
  run();
  return median(Array.from({ length: 9 }, run));
}

/** Milliseconds that the kernels of the LeNet step take after its first (recording) call. */
function compileTime(cache: string): number {
  const child = spawnSync(process.execPath, ['--import', 'tsx', join(here, 'startup_child.ts')], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, FLAMBEAU_CACHE_DIR: cache },
  });
  if (child.status !== 0) throw new Error(child.stderr);
  return Number(child.stdout.trim().split('\n').at(-1));
}

/** Bytes of a folder, links not followed. */
function folderSize(dir: string): number {
  return readdirSync(dir, { withFileTypes: true }).reduce((n, e) => {
    const path = join(dir, e.name);
    return n + (e.isDirectory() ? folderSize(path) : e.isFile() ? statSync(path).size : 0);
  }, 0);
}

/** What a user's node_modules holds: this package as npm packs it, built, and its dependencies. */
function installedSize(): { package: number; dependencies: number } {
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
  ) as { unpackedSize: number; files: { path: string }[] }[];
  const own = packed[0]!.unpackedSize;
  if (!packed[0]!.files.some((f) => f.path.endsWith('flambeau.node')))
    throw new Error('the addon is not built: npm run build');
  const tree = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n');
  const dependencies = tree
    .filter((d) => d !== root.replace(/\/$/, '') && d.includes('node_modules'))
    .reduce((n, d) => n + folderSize(d), 0);
  return { package: own, dependencies };
}

const cache = mkdtempSync(join(tmpdir(), 'flambeau-startup-'));
try {
  const importMs = importTime();
  const firstMs = compileTime(cache);
  const cachedMs = compileTime(cache);
  const size = installedSize();
  const deployed = deployedTimes(cache);
  const mb = (n: number): number => Math.round((n / 1e6) * 10) / 10;
  const rows: [string, number, number, string][] = [
    ["import 'flambeau'", importMs, 100, 'ms'],
    ['first compiled LeNet step', firstMs, 1500, 'ms'],
    ['the same from the cache', cachedMs, 100, 'ms'],
    ['installed package', mb(size.package + size.dependencies), 30, 'MB'],
    ['deployed C program, in all', deployed.programMs, 20, 'ms'],
    ['deployed addon, first run', deployed.addonMs, 20, 'ms'],
    ['deployed folder', mb(deployed.bytes), 70, 'MB'],
  ];
  for (const [name, value, limit, unit] of rows) {
    process.stdout.write(
      `${name.padEnd(28)} ${value.toFixed(1).padStart(8)} ${unit}  ${value <= limit ? 'ok' : 'MISSED'} (<= ${limit})\n`,
    );
  }
  if (process.argv.includes('--save')) {
    const data = {
      importMs,
      firstMs,
      cachedMs,
      packageMB: mb(size.package),
      dependenciesMB: mb(size.dependencies),
      deployedProgramMs: deployed.programMs,
      deployedAddonMs: deployed.addonMs,
      deployedMB: mb(deployed.bytes),
    };
    process.stdout.write(`written: ${saveResults('startup', data)}\n`);
  }
} finally {
  rmSync(cache, { recursive: true, force: true });
}
