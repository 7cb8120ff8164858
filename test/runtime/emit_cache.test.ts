// Emitted programs come from the cache, whatever the call sites and the values of live scalars; a damaged entry is emitted again.
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import type { Graph } from '../../src/ir/graph.js';
import { emitCached } from '../../src/runtime/emit_cache.js';

const dir = mkdtempSync(join(tmpdir(), 'fb-emit-test-'));
beforeAll(() => void (process.env['FLAMBEAU_CACHE_DIR'] = dir));
afterAll(() => {
  delete process.env['FLAMBEAU_CACHE_DIR'];
  rmSync(dir, { recursive: true, force: true });
});
const entries = (): string[] => readdirSync(dir).filter((n) => n !== 'tmp');
function graph(site: string, lr: number, factor = 2): Graph {
  const b = new GraphBuilder();
  const y = b.op('mul', [b.op('mul', [b.input('float32', [4]), factor]), b.live(lr)]);
  b.output(y);
  b.graph.nodes.forEach((n) => (n.site = site));
  return b.graph;
}

test('one entry per graph', () => {
  const { times, ...first } = emitCached(graph('a.ts:1:1', 0.1));
  expect(times?.schedule).toBeGreaterThan(0);
  expect(entries().length).toBe(1);
  expect(emitCached(graph('b.ts:2:2', 0.2))).toStrictEqual(first);
  expect(entries().length).toBe(1);
  expect(emitCached(graph('a.ts:1:1', 0.1, 3)).source).not.toBe(first.source);
  expect(entries().length).toBe(2);
});

test('a damaged entry is emitted again', () => {
  const good = emitCached(graph('a.ts:1:1', 0.1));
  for (const e of entries()) truncateSync(join(dir, e, 'emitted.json'), 20);
  const { times, ...again } = emitCached(graph('a.ts:1:1', 0.1));
  expect(times).toBeDefined();
  expect(again).toEqual(good);
});
