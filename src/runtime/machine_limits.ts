// What this machine reaches: bytes by a warm copy of a large tensor, operations by a large matrix product. Measured once for each
// processor, number of threads and instruction set, and kept in the program cache.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCache, sha256 } from '../build/cache.js';
import { cpuModel } from '../build/compiler.js';
import { native } from '../native.js';
import { dtypeCode } from '../tensor/dtype.js';
import type { Handle } from '../tensor/handle.js';

export interface MachineLimits {
  /** Read and written, by a float32 copy of 64 MB. */
  readonly bytesPerSecond: number;
  /** By a float32 product of 1024 x 1024 matrices. */
  readonly flopsPerSecond: number;
  readonly threads: number;
}

const FILE = 'limits.json';
const COPY = 1 << 24;
const SIDE = 1024;
const known = new Map<string, MachineLimits>();

/** The limits at the present number of threads; takes some 0.5 s the first time. */
export function machineLimits(): MachineLimits {
  const { isa } = native.info();
  const threads = native.numThreads();
  const key = sha256(['flambeau-limits-1', cpuModel(), isa, threads].join('\0')).slice(0, 40);
  const have = known.get(key) ?? load(key);
  if (have !== null) {
    known.set(key, have);
    return have;
  }
  const limits = { ...measure(), threads };
  known.set(key, limits);
  keep(key, limits);
  return limits;
}

function measure(): Omit<MachineLimits, 'threads'> {
  const float = dtypeCode('float32');
  const make = (...shape: number[]): Handle => native.ops.full(shape, 0.5, float);
  const before = native.gradEnabled();
  native.setGradEnabled(false);
  try {
    const [from, to] = [make(COPY), make(COPY)];
    const copy = best(() => native.ops.copy_(to, from));
    const [a, b] = [make(SIDE, SIDE), make(SIDE, SIDE)];
    const product = best(() => native.ops.mm(a, b));
    return { bytesPerSecond: (2 * 4 * COPY) / copy, flopsPerSecond: (2 * SIDE ** 3) / product };
  } finally {
    native.setGradEnabled(before);
  }
}

/** Seconds of the fastest of several runs after a first one: a limit is what nothing disturbs. */
function best(run: () => unknown): number {
  run();
  let least = Infinity;
  for (let i = 0; i < 15; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least / 1000;
}

function load(key: string): MachineLimits | null {
  const file = openCache().lookup(key, FILE);
  if (file === null) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as MachineLimits;
  } catch {
    return null;
  }
}

function keep(key: string, limits: MachineLimits): void {
  try {
    const cache = openCache();
    const workspace = cache.workspace();
    writeFileSync(join(workspace, FILE), JSON.stringify(limits));
    cache.commit(key, workspace, FILE);
  } catch {
    // Measured again next time.
  }
}
