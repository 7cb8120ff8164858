// fb.profiler: where the time goes. Source of the interface: torch.profiler.
import { writeFileSync } from 'node:fs';
import { FileError, ValueError } from '../tensor/errors.js';
import { average, chromeTrace, type EventList, type ProfilerEvent } from './events.js';
import { Recording, type RecordingOptions } from './recording.js';

export { EventList, type Category, type EventAverage, type ProfilerEvent, type SortKey } from './events.js';

/** What happens in a step: nothing, a run-in whose events are dropped, recording, recording whose end hands the trace over. */
export type ProfilerAction = 'none' | 'warmup' | 'record' | 'recordAndSave';

export interface ScheduleOptions {
  /** Steps of each cycle without profiling. */
  wait: number;
  /** Steps whose events are dropped. */
  warmup: number;
  /** Steps that are recorded. */
  active: number;
  /** Cycles; 0: without end. */
  repeat?: number;
  /** Steps before the first cycle. */
  skipFirst?: number;
}

/** The action of each step: `skipFirst` steps of nothing, then cycles of wait, warmup and active steps. @throws ValueError for bad numbers */
export function schedule({
  wait,
  warmup,
  active,
  repeat = 0,
  skipFirst = 0,
}: ScheduleOptions): (step: number) => ProfilerAction {
  if (
    ![wait, warmup, repeat, skipFirst].every((n) => Number.isInteger(n) && n >= 0) ||
    !Number.isInteger(active) ||
    active <= 0
  )
    throw new ValueError('Invalid profiler schedule arguments');
  return (step) => {
    const at = step - skipFirst;
    const cycle = wait + warmup + active;
    if (at < 0 || (repeat > 0 && at >= repeat * cycle)) return 'none';
    const place = at % cycle;
    if (place < wait) return 'none';
    if (place < wait + warmup) return 'warmup';
    return place < cycle - 1 ? 'record' : 'recordAndSave';
  };
}

export interface ProfileOptions extends Partial<RecordingOptions> {
  /** Only 'cpu' is there. */
  activities?: readonly 'cpu'[];
  /** What each step does; `step()` moves on. Without one everything is recorded. */
  schedule?: ((step: number) => ProfilerAction) | null;
  /** Called when a recording ends. */
  onTraceReady?: ((p: Profile) => void) | null;
  /** Shapes of tensor arguments with every op. */
  recordShapes?: boolean;
  /** Bytes allocated and freed by every op. */
  profileMemory?: boolean;
  /** The place of every call outside of this package. */
  withStack?: boolean;
}

let running: Profile | null = null;
let recording: Recording | null = null;

/** True while a profile runs. */
export const profiling = (): boolean => running !== null;

/** A profile that is running or has run. */
export class Profile {
  /** Number of `step()` calls so far. */
  stepNumber = 0;
  private events: readonly ProfilerEvent[] = [];
  private action: ProfilerAction = 'none';

  constructor(private readonly options: ProfileOptions = {}) {
    if (options.activities?.some((a) => a !== 'cpu'))
      throw new ValueError("profile: only the activity 'cpu' is supported");
  }

  /** @throws ValueError while another profile runs */
  start(): this {
    if (running !== null) throw new ValueError('profile: another profile is running');
    running = this;
    this.turn(this.actionAt(0));
    return this;
  }
  /** The next step of the schedule. */
  step(): void {
    if (running !== this) throw new ValueError('profile: step() of a profile that does not run');
    if (this.action === 'recordAndSave') this.finish(true);
    this.stepNumber++;
    this.turn(this.actionAt(this.stepNumber));
  }
  stop(): this {
    if (running !== this) return this;
    running = null;
    this.finish(this.action === 'record' || this.action === 'recordAndSave');
    this.action = 'none';
    return this;
  }
  [Symbol.dispose](): void {
    this.stop();
  }

  private actionAt(step: number): ProfilerAction {
    return this.options.schedule ? this.options.schedule(step) : 'record';
  }
  private turn(next: ProfilerAction): void {
    // What a run-in recorded is dropped.
    if (this.action === 'warmup' && next !== 'warmup') this.finish(false);
    this.action = next;
    if (next !== 'none' && recording === null) {
      const { recordShapes = false, profileMemory = false, withStack = false } = this.options;
      recording = new Recording({ recordShapes, profileMemory, withStack });
    }
  }
  private finish(keep: boolean): void {
    if (recording === null) return;
    recording.stop();
    const { events } = recording;
    recording = null;
    if (!keep) return;
    this.events = events;
    this.options.onTraceReady?.(this);
  }

  /** All events of the last recording, by start. */
  get eventList(): readonly ProfilerEvent[] {
    return this.events;
  }
  /** Sums by name. */
  keyAverages({ groupByInputShape = false }: { groupByInputShape?: boolean } = {}): EventList {
    return average(this.events, groupByInputShape);
  }
  /** Writes Chrome's trace format: open it in chrome://tracing or https://ui.perfetto.dev. @throws FileError */
  exportChromeTrace(path: string): void {
    try {
      writeFileSync(path, chromeTrace(this.events));
    } catch (e) {
      throw new FileError(`cannot write the trace '${path}': ${(e as Error).message}`);
    }
  }
}

/**
 * Profiles what follows (`using p = profile(); ...`, or `p.stop()`), or a function, which may be asynchronous.
 *
 * Seen: every op called from JavaScript, the nodes of backward, compiled programs with each kernel and library step, and
 * `recordFunction`. Off, nothing is slower.
 *
 * @example const p = fb.profiler.profile({ recordShapes: true }, () => net(x)); console.log(p.keyAverages().table({ rowLimit: 10 }));
 * @throws ValueError while another profile runs
 */
export function profile(options?: ProfileOptions): Profile;
export function profile(options: ProfileOptions, fn: (p: Profile) => Promise<unknown>): Promise<Profile>;
export function profile(options: ProfileOptions, fn: (p: Profile) => unknown): Profile;
export function profile(options: ProfileOptions = {}, fn?: (p: Profile) => unknown): Profile | Promise<Profile> {
  const p = new Profile(options).start();
  if (fn === undefined) return p;
  let result: unknown;
  try {
    result = fn(p);
  } catch (e) {
    p.stop();
    throw e;
  }
  if (result instanceof Promise) return result.finally(() => p.stop()).then(() => p);
  return p.stop();
}

/** Runs `fn` under a name of its own in profiles; plainly when none runs. */
export function recordFunction<R>(name: string, fn: () => R): R {
  return recording === null ? fn() : recording.timed(name, 'user', [], fn);
}
