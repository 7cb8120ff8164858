// How long the kernels and library calls of a program take: the first runs of programs that are made while somebody looks on
// (observe.ts) are profiled. Otherwise a run pays one branch.
import { profile, profiling } from '../profiler/index.js';
import { compileObserver } from './observe.js';

const RUNS = 20;

/** Times of one program's parts. */
export class KernelTimes {
  private left = compileObserver() === undefined ? 0 : RUNS;
  private readonly runs: (readonly number[])[] = [];

  /** Runs the program, and notes how long its parts took. */
  around<R>(run: () => R): R {
    if (this.left === 0 || profiling()) return run();
    this.left--;
    let result: R;
    const { eventList } = profile({}, () => void (result = run()));
    this.runs.push(
      eventList.flatMap((e) => (e.category === 'kernel' || e.category === 'library' ? [e.end - e.start] : [])),
    );
    return result!;
  }

  /** The median of each part in microseconds, without runs that a guard ended; null when nothing was measured. */
  medians(parts: number): number[] | null {
    const whole = this.runs.filter((r) => r.length === parts);
    if (whole.length === 0 || parts === 0) return null;
    return Array.from({ length: parts }, (_, k) => whole.map((r) => r[k]!).sort((a, b) => a - b)[whole.length >> 1]!);
  }
}
