// `flambeau cache clear`
import { openCache } from '../build/cache.js';

/** Removes every built kernel. Programs that run keep the ones they have loaded. */
export function cacheClear(args: readonly string[]): void {
  if (args.length !== 1 || args[0] !== 'clear') throw new Error(`cache: expected 'clear', got '${args.join(' ')}'`);
  const cache = openCache();
  const entries = cache.list();
  for (const { key } of entries) cache.remove(key);
  const bytes = entries.reduce((n, e) => n + e.bytes, 0);
  process.stdout.write(`removed ${entries.length} programs, ${(bytes / 2 ** 20).toFixed(1)} MB, from ${cache.dir}\n`);
}
