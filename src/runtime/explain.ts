// What f.explain() gives: what was compiled, what was not, and why.
import type { ProgramInfo } from './backend.js';

export interface GraphReport {
  /** Arguments it serves: 'float32[64, 1, 28, 28], int64[64]'. */
  readonly signature: string;
  readonly state: 'recorded' | 'building' | 'ready' | 'compiled' | 'failed';
  readonly ops: number;
  readonly kernels: number;
  readonly libraryCalls: number;
  readonly guards: readonly string[];
  /** Milliseconds by stage: record, graph, passes, emit, build, load. */
  readonly milliseconds: Readonly<Record<string, number>>;
  /** Bytes at the fullest moment beside arguments and captured tensors, at the recorded sizes; null where ops run one by one. */
  readonly memory: { readonly compiled: number; readonly eager: number } | null;
  readonly cacheHit: boolean;
  readonly runs: number;
  readonly schedule: string;
  readonly error?: string;
}

/** The report on a compiled function; `String(report)` prints it. */
export class Explanation {
  constructor(
    readonly name: string,
    readonly calls: { readonly compiled: number; readonly eager: number },
    readonly graphs: readonly GraphReport[],
    /** Why something was recorded again, in order. */
    readonly recompiles: readonly string[],
    /** Why calls stay eager. */
    readonly reasons: readonly string[],
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
      if (g.error !== undefined) lines.push(`    error: ${g.error}`);
      for (const line of g.schedule.split('\n')) if (line.trim() !== '') lines.push(`    ${line}`);
    }
    for (const r of this.recompiles) lines.push(`  recorded again: ${r}`);
    for (const r of this.reasons) lines.push(`  eager: ${r}`);
    return lines.join('\n');
  }
}

const bytesText = (n: number): string =>
  n < 1e4 ? `${n} bytes` : n < 1e7 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(0)} MB`;

/** Sums of the stages of a program's parts. */
export function totalTimes(parts: readonly ProgramInfo[]): Record<string, number> {
  const out: Record<string, number> = {};
  const shared = new Set(['record', 'graph', 'passes']);
  parts.forEach((p, i) => {
    for (const [k, v] of Object.entries(p.times)) if (i === 0 || !shared.has(k)) out[k] = (out[k] ?? 0) + v;
  });
  return out;
}
