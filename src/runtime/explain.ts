// What f.explain() gives: what was compiled into what, what it costs, what was not compiled or fused, and why.
import type { ApartReport, PartReport, ScheduleReport } from '../emit/schedule.js';
import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import type { MachineLimits } from './machine_limits.js';
import type { PassReport } from './pass_report.js';

/** One program of a graph: the whole, or its forward or backward part. */
export interface ProgramReport extends ScheduleReport {
  readonly name: string;
  /** The optimised graph that it computes; `PartReport.nodes` are indices into its nodes. */
  readonly graph: Graph;
  /** The whole generated source. */
  readonly source: string;
  /** Median microseconds of each part in the first runs, where they were measured. */
  readonly kernelTimes: readonly number[] | null;
}

export interface GraphReport {
  /** Arguments it serves: 'float32[64, 1, 28, 28], int64[64]'. */
  readonly signature: string;
  readonly state: 'recorded' | 'building' | 'ready' | 'compiled' | 'failed';
  readonly ops: number;
  readonly kernels: number;
  readonly libraryCalls: number;
  readonly guards: readonly string[];
  /** Milliseconds by stage: record, graph, passes, schedule, emit, build, load. Without schedule: emitted before, and found in the cache. */
  readonly milliseconds: Readonly<Record<string, number>>;
  /** Bytes at the fullest moment beside arguments and captured tensors, at the recorded sizes; null where ops run one by one. */
  readonly memory: { readonly compiled: number; readonly eager: number } | null;
  readonly cacheHit: boolean;
  readonly runs: number;
  /** The scheduler's decisions as text. */
  readonly schedule: string;
  /** The graph as it was recorded, and what each pass made of it. */
  readonly recorded: string;
  readonly passes: readonly PassReport[];
  /** Kernels and library calls; empty until they are made. */
  readonly programs: readonly ProgramReport[];
  readonly error?: string;
}

/** The report on a compiled function; `String(report)` prints it, `JSON.stringify(report)` gives all of it. */
export class Explanation {
  constructor(
    readonly name: string,
    readonly calls: { readonly compiled: number; readonly eager: number },
    readonly graphs: readonly GraphReport[],
    /** Why something was recorded again, in order. */
    readonly recompiles: readonly string[],
    /** Why calls stay eager. */
    readonly reasons: readonly string[],
    /** What the machine reaches; null where nobody asked for it. */
    readonly limits: MachineLimits | null = null,
  ) {}

  /** True when the latest signature is served by a program. */
  get compiled(): boolean {
    return this.graphs.some((g) => g.state === 'compiled' || g.state === 'ready');
  }

  toString(): string {
    const lines = [
      `${this.name}: ${this.calls.compiled} compiled and ${this.calls.eager} eager calls, ${this.graphs.length} graph${this.graphs.length === 1 ? '' : 's'}`,
    ];
    for (const g of this.graphs) {
      lines.push(
        `  graph (${g.signature}): ${g.state}, ${g.ops} ops, ${g.kernels} kernels, ${g.libraryCalls} library calls, ${g.runs} runs${g.cacheHit ? ', from the cache' : ''}`,
      );
      const times = Object.entries(g.milliseconds).map(([k, v]) => `${k} ${v.toFixed(1)} ms`);
      if (times.length > 0) lines.push(`    times: ${times.join(', ')}`);
      if (g.memory !== null)
        lines.push(
          `    memory: ${bytesText(g.memory.compiled)} at its fullest; eager code ${bytesText(g.memory.eager)}`,
        );
      for (const guard of g.guards) lines.push(`    guard: ${guard}`);
      for (const place of new Set(g.passes.map((p) => p.place))) {
        const passes = g.passes.filter((p) => p.place === place).map((p) => `${p.pass} ${p.opsBefore} → ${p.opsAfter}`);
        lines.push(`    passes (ops)${place === '' ? '' : ` in ${place}`}: ${passes.join(', ')}`);
      }
      if (g.error !== undefined) lines.push(`    error: ${g.error}`);
      for (const p of g.programs) {
        if (g.programs.length > 1) lines.push(`    ${p.name}:`);
        for (const line of programLines(p, this.limits)) lines.push(`    ${line}`);
      }
    }
    for (const r of this.recompiles) lines.push(`  recorded again: ${r}`);
    for (const r of this.reasons) lines.push(`  eager: ${r}`);
    return lines.join('\n');
  }

  toJSON(): object {
    return {
      name: this.name,
      calls: this.calls,
      recompiles: this.recompiles,
      reasons: this.reasons,
      limits: this.limits,
      graphs: this.graphs.map((g) => ({
        ...g,
        programs: g.programs.map((p) => ({
          ...p,
          graph: printGraph(p.graph),
          parts: p.parts.map((part, k) => ({ ...part, ...costOf(part, p.kernelTimes?.[k] ?? null, this.limits) })),
        })),
      })),
    };
  }
}

function programLines(p: ProgramReport, limits: MachineLimits | null): string[] {
  const of = (k: number): string => p.parts[k]!.name;
  return [
    ...p.parts.flatMap((part, k) => {
      const [head, ...nest] = part.loops.split('\n');
      const why = part.reason === null ? '' : `  library call: ${part.reason}`;
      return [`${head!}${why}`, `  ${costText(part, p.kernelTimes?.[k] ?? null, limits)}`, ...nest];
    }),
    // The lines of library calls have told why those are calls.
    ...p.apart
      .filter((a) => p.parts[a.from]!.kind === 'kernel' && p.parts[a.to]!.kind === 'kernel')
      .map((a) => apartText(a, of)),
  ];
}

/** 'not fused: sum (kernel1) into exp (kernel0): it reduces over other dimensions'. */
export const apartText = (a: ApartReport, nameOf: (part: number) => string): string =>
  `not fused: ${a.consumer} (${nameOf(a.to)}) into ${a.producer} (${nameOf(a.from)}): ${a.reason}`;

export interface Cost {
  /** Median of the measured runs; null where none was measured. */
  readonly microseconds: number | null;
  /** The least that this machine needs for the part's bytes and operations, by the larger of the two; null without the machine's limits. */
  readonly leastMicroseconds: number | null;
  readonly bound: 'memory' | 'arithmetic' | null;
}

/** What a part took, beside what its bytes and operations take at least. Below the least: its data stayed in the cache. */
export function costOf(part: PartReport, microseconds: number | null, limits: MachineLimits | null): Cost {
  if (limits === null) return { microseconds, leastMicroseconds: null, bound: null };
  const memory = ((part.bytesRead + part.bytesWritten) / limits.bytesPerSecond) * 1e6;
  const arithmetic = ((part.flops ?? 0) / limits.flopsPerSecond) * 1e6;
  return {
    microseconds,
    leastMicroseconds: Math.max(memory, arithmetic),
    bound: memory >= arithmetic ? 'memory' : 'arithmetic',
  };
}

/** 'reads 10 kB, writes 5 kB, 3.1 Mflop; took 12 µs, at least 9.5 µs (memory)'. */
export function costText(part: PartReport, microseconds: number | null, limits: MachineLimits | null): string {
  const cost = costOf(part, microseconds, limits);
  const work = [
    `reads ${bytesText(part.bytesRead)}`,
    `writes ${bytesText(part.bytesWritten)}`,
    part.flops === null ? 'operations not counted' : `${countText(part.flops)}flop`,
  ].join(', ');
  const time = [
    ...(cost.microseconds === null ? [] : [`took ${timeText(cost.microseconds)}`]),
    ...(cost.leastMicroseconds === null ? [] : [`at least ${timeText(cost.leastMicroseconds)} (${cost.bound})`]),
  ].join(', ');
  return time === '' ? work : `${work}; ${time}`;
}

const digits = (v: number): string => String(Number(v.toPrecision(v >= 100 ? Math.ceil(Math.log10(v + 1)) : 2)));
const timeText = (us: number): string => (us >= 1e4 ? `${digits(us / 1e3)} ms` : `${digits(us)} µs`);
const countText = (n: number): string =>
  n >= 1e10 ? `${digits(n / 1e9)} G` : n >= 1e7 ? `${digits(n / 1e6)} M` : n >= 1e4 ? `${digits(n / 1e3)} k` : `${n} `;
export const bytesText = (n: number): string =>
  n < 1e4 ? `${n} bytes` : n < 1e7 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(0)} MB`;
/** '12 GB/s by a copy, 170 Gflop/s by a matrix product, 2 threads'. */
export const limitsText = (l: MachineLimits): string =>
  `${digits(l.bytesPerSecond / 1e9)} GB/s (warm copy), ${digits(l.flopsPerSecond / 1e9)} Gflop/s (matrix product), ${l.threads} threads`;
