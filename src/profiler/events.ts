// What a profile consists of, and its sums. Source of names and columns: https://docs.pytorch.org/docs/stable/profiler.html
export type Category = 'op' | 'user' | 'backward' | 'program' | 'kernel' | 'library' | 'step';

/** One thing that took time. Times in microseconds since the profile's start. */
export interface ProfilerEvent {
  readonly name: string;
  readonly category: Category;
  readonly start: number;
  readonly end: number;
  readonly thread: number;
  /** Shapes of the tensors among the arguments, with `recordShapes`. */
  readonly inputShapes?: readonly (readonly number[])[];
  /** Bytes that the call left allocated (negative: freed), with `profileMemory`. */
  readonly memory?: number;
  /** Where it was called, with `withStack`. */
  readonly stack?: string;
}

/** Sums over the events of one name. Times in microseconds. */
export interface EventAverage {
  readonly key: string;
  readonly category: Category;
  readonly count: number;
  readonly cpuTimeTotal: number;
  /** Without what happened inside of other events. */
  readonly selfCpuTimeTotal: number;
  /** Mean of one event. */
  readonly cpuTime: number;
  readonly memory: number;
  readonly inputShapes: string;
}

/** Time of each event that lies in none of those it contains: events of one thread nest. */
export function selfTimes(events: readonly ProfilerEvent[]): Map<ProfilerEvent, number> {
  const self = new Map(events.map((e) => [e, e.end - e.start] as const));
  for (const thread of new Set(events.map((e) => e.thread))) {
    const open: ProfilerEvent[] = [];
    const sorted = events.filter((e) => e.thread === thread).sort((a, b) => a.start - b.start || b.end - a.end);
    for (const e of sorted) {
      while (open.length > 0 && open.at(-1)!.end <= e.start) open.pop();
      const parent = open.at(-1);
      if (parent !== undefined) self.set(parent, self.get(parent)! - (Math.min(e.end, parent.end) - e.start));
      open.push(e);
    }
  }
  return self;
}

export type SortKey = 'cpuTimeTotal' | 'selfCpuTimeTotal' | 'cpuTime' | 'count' | 'memory';

/** The averages of a profile: an array of rows that prints as a table. */
export class EventList extends Array<EventAverage> {
  static ofRows(rows: readonly EventAverage[]): EventList {
    const list = new EventList();
    list.push(...rows);
    return list;
  }
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
  /** Sum of all self times, µs. */
  get selfCpuTimeTotal(): number {
    return this.reduce((n, r) => n + r.selfCpuTimeTotal, 0);
  }
  /** Text columns as PyTorch prints them. */
  table({ sortBy = 'selfCpuTimeTotal', rowLimit = 100 }: { sortBy?: SortKey; rowLimit?: number } = {}): string {
    const total = this.selfCpuTimeTotal;
    const percent = (t: number): string => (total > 0 ? `${((100 * t) / total).toFixed(2)}%` : '-');
    const shapes = this.some((r) => r.inputShapes !== '');
    const memory = this.some((r) => r.memory !== 0);
    type Column = readonly [title: string, cell: (r: EventAverage) => string];
    const columns: readonly Column[] = (
      [
        ['Name', (r): string => (r.key.length > 55 ? `${r.key.slice(0, 52)}...` : r.key)],
        ['Self CPU %', (r): string => percent(r.selfCpuTimeTotal)],
        ['Self CPU', (r): string => time(r.selfCpuTimeTotal)],
        ['CPU total %', (r): string => percent(r.cpuTimeTotal)],
        ['CPU total', (r): string => time(r.cpuTimeTotal)],
        ['CPU time avg', (r): string => time(r.cpuTime)],
        ['CPU Mem', (r): string => bytes(r.memory)],
        ['# of Calls', (r): string => String(r.count)],
        ['Input Shapes', (r): string => r.inputShapes],
      ] satisfies Column[]
    ).filter(([title]) => (title !== 'CPU Mem' || memory) && (title !== 'Input Shapes' || shapes));
    const rows = [...this].sort((a, b) => b[sortBy] - a[sortBy]).slice(0, rowLimit);
    const cells = [columns.map(([title]) => title), ...rows.map((r) => columns.map(([, cell]) => cell(r)))];
    const widths = columns.map((_, c) => Math.max(...cells.map((row) => row[c]!.length)));
    const line = widths.map((w) => '-'.repeat(w)).join('  ');
    const text = cells.map((row) =>
      row.map((x, c) => (c === 0 ? x.padEnd(widths[c]!) : x.padStart(widths[c]!))).join('  '),
    );
    return [line, text[0]!, line, ...text.slice(1), line, `Self CPU time total: ${time(total)}`, ''].join('\n');
  }
  override toString(): string {
    return this.table();
  }
}

/** One row for each name (and, when asked, each list of shapes). */
export function average(events: readonly ProfilerEvent[], byShape: boolean): EventList {
  const self = selfTimes(events);
  const groups = new Map<string, ProfilerEvent[]>();
  const shapesOf = (e: ProfilerEvent): string => (byShape && e.inputShapes ? JSON.stringify(e.inputShapes) : '');
  for (const e of events) {
    const key = `${e.category}|${e.name}|${shapesOf(e)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [e]);
    else group.push(e);
  }
  const sum = (list: readonly ProfilerEvent[], f: (e: ProfilerEvent) => number): number =>
    list.reduce((n, e) => n + f(e), 0);
  return EventList.ofRows(
    [...groups.values()].map((list) => {
      const total = sum(list, (e) => e.end - e.start);
      return {
        key: list[0]!.name,
        category: list[0]!.category,
        count: list.length,
        cpuTimeTotal: total,
        selfCpuTimeTotal: sum(list, (e) => self.get(e)!),
        cpuTime: total / list.length,
        memory: sum(list, (e) => e.memory ?? 0),
        inputShapes: shapesOf(list[0]!),
      };
    }),
  );
}

const time = (us: number): string =>
  us >= 1e6 ? `${(us / 1e6).toFixed(3)}s` : us >= 1e3 ? `${(us / 1e3).toFixed(3)}ms` : `${us.toFixed(3)}us`;
const bytes = (n: number): string => {
  const size = Math.abs(n);
  return size >= 2 ** 20
    ? `${(n / 2 ** 20).toFixed(2)} Mb`
    : size >= 2 ** 10
      ? `${(n / 2 ** 10).toFixed(2)} Kb`
      : `${n} b`;
};

/** Chrome's trace format (chrome://tracing, https://ui.perfetto.dev): one complete event each, a counter of memory. */
export function chromeTrace(events: readonly ProfilerEvent[]): string {
  const pid = process.pid;
  const threads = [...new Set(events.map((e) => e.thread))];
  let held = 0;
  return JSON.stringify({
    displayTimeUnit: 'ms',
    traceEvents: [
      { ph: 'M', name: 'process_name', pid, args: { name: 'flambeau' } },
      ...threads.map((tid) => ({
        ph: 'M',
        name: 'thread_name',
        pid,
        tid,
        args: { name: tid === pid ? 'main' : `thread ${tid}` },
      })),
      ...events.map((e) => ({
        ph: 'X',
        name: e.name,
        cat: e.category,
        pid,
        tid: e.thread,
        ts: e.start,
        dur: e.end - e.start,
        args: {
          ...(e.inputShapes ? { 'Input Dims': e.inputShapes } : {}),
          ...(e.stack === undefined ? {} : { 'Call stack': e.stack }),
        },
      })),
      ...events
        .filter((e) => e.memory)
        .sort((a, b) => a.end - b.end)
        .map((e) => ({ ph: 'C', name: 'memory', pid, ts: e.end, args: { bytes: (held += e.memory!) } })),
    ],
  });
}
