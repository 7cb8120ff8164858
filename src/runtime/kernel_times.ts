// How long the kernels and library calls of a program take: the first runs of programs that are made while somebody looks on
// (observe.ts) are profiled. Otherwise a run pays one branch.
import { profile, profiling } from '../profiler/index.js';
import { compileObserver } from './observe.js';

const RUNS = 20;

/** Times of one program's parts, run by run. */
class Runs {
  private readonly runs: (readonly number[])[] = [];
  add(run: readonly number[]): void {
    this.runs.push(run);
  }
  /** The median of each part in microseconds, without runs that a guard ended; null when nothing was measured. */
  medians(parts: number): number[] | null {
    const whole = this.runs.filter((r) => r.length === parts);
    if (whole.length === 0 || parts === 0) return null;
    return Array.from({ length: parts }, (_, k) => whole.map((r) => r[k]!).sort((a, b) => a - b)[whole.length >> 1]!);
  }
}

type Events = ReturnType<typeof profile>['eventList'];
const times = (events: Events): number[] =>
  events.flatMap((e) => (e.category === 'kernel' || e.category === 'library' ? [e.end - e.start] : []));

class Watch {
  private left = compileObserver() === undefined ? 0 : RUNS;

  /** Runs the program and hands on what happened in it, in the first runs. */
  around<R>(run: () => R, seen: (events: Events) => void): R {
    if (this.left === 0 || profiling()) return run();
    this.left--;
    let result: R;
    const { eventList } = profile({}, () => void (result = run()));
    seen(eventList);
    return result!;
  }
}

/** Times of one program's parts. */
export class KernelTimes {
  private readonly watch = new Watch();
  private readonly runs = new Runs();

  /** Runs the program, and notes how long its parts took. */
  around<R>(run: () => R): R {
    return this.watch.around(run, (events) => this.runs.add(times(events)));
  }
  medians(parts: number): number[] | null {
    return this.runs.medians(parts);
  }
}

/** Times of the programs of a graph with branches and loops: each run of it runs some of them, some of those often. */
export class FlowTimes {
  private readonly watch = new Watch();
  private readonly runs: ReadonlyMap<string, Runs>;

  /** `names`: what a profiler calls the programs. */
  constructor(private readonly names: readonly string[]) {
    this.runs = new Map(names.map((n) => [n, new Runs()]));
  }
  around<R>(run: () => R): R {
    return this.watch.around(run, (events) => {
      for (const p of events) {
        if (p.category !== 'program') continue;
        const inside = events.filter((e) => e.start >= p.start && e.end <= p.end);
        this.runs.get(p.name)?.add(times(inside));
      }
    });
  }
  medians(program: number, parts: number): number[] | null {
    return this.runs.get(this.names[program]!)!.medians(parts);
  }
}
