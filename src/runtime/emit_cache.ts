// Emitted programs by graph: emitting a training step takes some 0.2 s of this thread, finding it again a few milliseconds. The
// key is the graph's text (without call sites and the present values of live scalars) and the code of the emitter itself.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCache, sha256 } from '../build/cache.js';
import { preludeText } from '../emit/cpp/prelude.js';
import { emitProgram, type Program } from '../emit/program.js';
import type { ScheduleReport } from '../emit/schedule.js';
import type { ProgramMeta } from '../emit/meta.js';
import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import { native } from '../native.js';

export interface Emitted {
  readonly source: string;
  readonly meta: ProgramMeta;
  readonly schedule: string;
  readonly report: ScheduleReport;
  readonly kernels: number;
  readonly steps: number;
  /** Absent: it was found in the cache. */
  readonly times?: { readonly schedule: number; readonly emit: number };
}

const FILE = 'emitted.json';
/** Folders beside this one whose code decides what is emitted. */
const EMITTER = ['../emit', '../emit/cpp', '../loop', '../schedule', '../ir', '../../generated/ts'];

let identity: string | null | undefined;
/** A hash of the emitter's code; null when it cannot be read (a bundle): then nothing is cached. */
function emitterIdentity(): string | null {
  if (identity !== undefined) return identity;
  try {
    const hash = createHash('sha256');
    for (const folder of EMITTER) {
      const dir = fileURLToPath(new URL(folder, import.meta.url));
      const names = readdirSync(dir)
        .filter((n) => /(?<!\.d)\.(ts|js)$/.test(n))
        .sort();
      if (names.length === 0) throw new Error(`no code in ${dir}`);
      for (const n of names)
        hash
          .update(n)
          .update('\0')
          .update(readFileSync(join(dir, n)));
    }
    hash.update(preludeText());
    identity = hash.digest('hex');
  } catch {
    identity = null;
  }
  return identity;
}

/** What decides the program: neither where ops were called nor what live scalars are now. */
const essence = (g: Graph): string =>
  printGraph({
    ...g,
    nodes: g.nodes.map(({ site: _site, scope: _scope, ...n }) => n),
    regions: [],
    liveScalars: g.liveScalars.map(() => 0),
  });

/** How programs for this machine are emitted: oneDNN computes in blocks of 16 channels where registers hold 16 numbers. */
export function emitOptions(): { readonly target: 'cpp'; readonly blocks: boolean } {
  const { isa, oneDNN } = native.info();
  return { target: 'cpp', blocks: isa === 'avx512' && oneDNN !== null };
}

/** `emitProgram` for C++, from the cache where it was emitted before. */
export function emitCached(graph: Graph): Emitted {
  const emitter = emitterIdentity();
  if (emitter === null) return emit(graph);
  const cache = openCache();
  const key = sha256(`flambeau-emitted-3\0${emitter}\0${JSON.stringify(emitOptions())}\0${essence(graph)}`).slice(
    0,
    40,
  );
  const have = cache.lookup(key, FILE);
  if (have !== null) {
    try {
      return JSON.parse(readFileSync(have, 'utf8')) as Emitted;
    } catch {
      cache.remove(key);
    }
  }
  const made = emit(graph);
  let workspace: string | null = null;
  try {
    workspace = cache.workspace();
    const { times: _times, ...kept } = made;
    writeFileSync(join(workspace, FILE), JSON.stringify(kept));
    cache.commit(key, workspace, FILE);
  } catch {
    // A cache that cannot be written costs time only; the build says so when it meets the same.
    if (workspace !== null) rmSync(workspace, { recursive: true, force: true });
  }
  return made;
}

/** A program as it is kept. */
export const asEmitted = ({ source, meta, schedule, report, times }: Program): Emitted => ({
  source,
  meta,
  schedule: String(schedule),
  report,
  kernels: schedule.kernels.length,
  steps: schedule.steps.length,
  times,
});

function emit(graph: Graph): Emitted {
  return asEmitted(emitProgram(graph, emitOptions()));
}
