// `flambeau info`: what this installation uses. The first thing to ask for in a bug report.
import { cpus } from 'node:os';
import { openCache } from '../build/cache.js';
import { findCompiler } from '../build/compiler.js';
import { native } from '../native.js';
import { packageVersion } from '../package_root.js';

/** Prints one fact per line. */
export function info(args: readonly string[]): void {
  const version = packageVersion();
  if (args.includes('--version')) {
    process.stdout.write(`${version}\n`);
    return;
  }
  if (args.length > 0) throw new Error(`info: unknown argument '${args[0]}'`);
  const { isa, oneDNN, threads } = native.info();
  const facts: [string, string][] = [
    ['flambeau', version],
    ['node', `${process.version} (${process.platform} ${process.arch})`],
    ['processor', cpus()[0]?.model ?? 'unknown'],
    ['kernels', isa],
    ['matrices', oneDNN === null ? 'generated kernels (oneDNN is not installed: see the README)' : `oneDNN ${oneDNN}`],
    ['threads', String(threads)],
    ['compiler', compiler()],
    ['cache', cache()],
  ];
  const width = Math.max(...facts.map(([key]) => key.length));
  for (const [key, value] of facts) process.stdout.write(`${key.padEnd(width)}  ${value}\n`);
}

function compiler(): string {
  try {
    const { path, version } = findCompiler();
    return `${path} (${version})`;
  } catch (error) {
    return `none: ${(error as Error).message}; compiled graphs run op by op`;
  }
}

function cache(): string {
  const store = openCache();
  const entries = store.list();
  const mb = entries.reduce((n, e) => n + e.bytes, 0) / 2 ** 20;
  return `${store.dir} (${entries.length} programs, ${mb.toFixed(1)} of ${(store.maxBytes / 2 ** 20).toFixed(0)} MB)`;
}
