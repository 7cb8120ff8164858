// How events come about: while a profile runs, the addon's ops are replaced by versions that take the time; native code reports nodes of
// backward, compiled programs and their kernels itself. Nothing of it is there otherwise.
import { native } from '../native.js';
import { isTensor } from '../tensor/handle.js';
import { type Category, type ProfilerEvent } from './events.js';

export interface RecordingOptions {
  readonly recordShapes: boolean;
  readonly profileMemory: boolean;
  readonly withStack: boolean;
}

type Call = (...args: unknown[]) => unknown;
const KINDS: readonly Category[] = ['backward', 'program', 'kernel', 'library'];

/** Microseconds of the clock that native events carry. */
const now = (): number => Number(process.hrtime.bigint()) / 1e3;

export class Recording {
  readonly events: ProfilerEvent[] = [];
  private readonly zero = now();
  private readonly originals = new Map<string, Call>();
  private readonly thread = process.pid;
  private stopped = false;

  constructor(private readonly options: RecordingOptions) {
    const table = native.ops as unknown as Record<string, Call>;
    for (const [name, f] of Object.entries(table)) {
      if (typeof f !== 'function') continue;
      this.originals.set(name, f);
      table[name] = (...args) => this.timed(name, 'op', args, () => f(...args));
    }
    native.profileStart();
  }

  /** Runs `body` as one event. */
  timed<R>(name: string, category: Category, args: readonly unknown[], body: () => R): R {
    const { recordShapes, profileMemory, withStack } = this.options;
    const held = profileMemory ? native.memoryStats().allocatedBytes : 0;
    const start = now();
    const done = (): void => {
      if (this.stopped) return;
      const end = now();
      this.events.push({
        name,
        category,
        start: start - this.zero,
        end: end - this.zero,
        thread: this.thread,
        ...(recordShapes ? { inputShapes: args.flatMap(shapesOf) } : {}),
        ...(profileMemory ? { memory: Number(native.memoryStats().allocatedBytes) - Number(held) } : {}),
        ...(withStack ? { stack: callSite() } : {}),
      });
    };
    let result: R;
    try {
      result = body();
    } catch (e) {
      done();
      throw e;
    }
    if (result instanceof Promise) return result.finally(done) as R;
    done();
    return result;
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    native.profileStop();
    Object.assign(native.ops, Object.fromEntries(this.originals));
    for (const [name, kind, start, end, thread] of native.profileTake())
      this.events.push({ name, category: KINDS[kind]!, start: start - this.zero, end: end - this.zero, thread });
    this.events.sort((a, b) => a.start - b.start || b.end - a.end);
  }
}

/** Shapes of handles and of lists of handles among a native call's arguments. */
function shapesOf(x: unknown): (readonly number[])[] {
  if (isTensor(x)) return [x.shape];
  if (Array.isArray(x)) return typeof x[0] === 'object' ? x.flatMap(shapesOf) : [];
  if (typeof x !== 'object' || x === null) return [];
  try {
    return [native.shape(x as never)];
  } catch {
    return []; // a generator
  }
}

/** The first frame outside of this package. */
function callSite(): string {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const outside = frames.find((f) => !/[\\/](src|dist|generated)[\\/]|node:internal/.test(f));
  return (outside ?? frames.at(-1) ?? '').trim().replace(/^at /, '');
}
