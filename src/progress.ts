// Progress of a loop: a bar on a terminal, plain lines elsewhere (logs, pipes).
import { createRequire } from 'node:module';

export interface ProgressOptions {
  /** Text before the bar. */
  desc?: string;
  /** Number of items; taken from `length` or `size` of the iterable when absent. */
  total?: number | null;
  /** Text after the counts, asked for at every update. */
  postfix?: () => string;
  /** Seconds between plain lines (not on a terminal). */
  interval?: number;
  /** Where to write; default: standard error, as tqdm. */
  stream?: NodeJS.WriteStream;
  /** No output at all. */
  disable?: boolean;
}
interface Bar {
  update(n: number): void;
  stop(): void;
}

const rate = (n: number, since: number): string => {
  const perSecond = (n * 1000) / Math.max(1, performance.now() - since);
  return `${perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(2)} it/s`;
};

function plainBar(o: ProgressOptions, total: number | null, stream: NodeJS.WriteStream): Bar {
  const start = performance.now();
  const every = (o.interval ?? 10) * 1000;
  let last = start;
  let count = 0;
  const line = (): void => {
    const part =
      total === null ? `${count}` : `${count}/${total} (${total === 0 ? 100 : Math.floor((100 * count) / total)}%)`;
    const extra = o.postfix === undefined ? '' : ` ${o.postfix()}`;
    stream.write(
      `${o.desc === undefined ? '' : `${o.desc}: `}${part} ${((performance.now() - start) / 1000).toFixed(1)}s ${rate(count, start)}${extra}\n`,
    );
  };
  return {
    update(n) {
      count = n;
      if (performance.now() - last < every) return;
      last = performance.now();
      line();
    },
    stop: line,
  };
}

interface CliProgress {
  SingleBar: new (
    options: object,
    preset: object,
  ) => {
    start(total: number, value: number, payload: object): void;
    update(value: number, payload: object): void;
    stop(): void;
  };
  Presets: { shades_classic: object };
}

function terminalBar(o: ProgressOptions, total: number | null, stream: NodeJS.WriteStream): Bar {
  const { SingleBar, Presets } = createRequire(import.meta.url)('cli-progress') as CliProgress;
  const format = `${o.desc === undefined ? '' : '{desc} '}${total === null ? '{value}' : '{bar} {percentage}% | {value}/{total} | ETA {eta_formatted}'} | {rate} {extra}`;
  const bar = new SingleBar({ format, stream, hideCursor: true, etaBuffer: 50, fps: 10 }, Presets.shades_classic);
  const start = performance.now();
  const payload = (n: number): object => ({ desc: o.desc ?? '', rate: rate(n, start), extra: o.postfix?.() ?? '' });
  bar.start(total ?? 0, 0, payload(0));
  let count = 0;
  let last = 0;
  return {
    update(n) {
      count = n;
      // The text of an update is not free: at most 20 a second.
      const now = performance.now();
      if (now - last < 50) return;
      last = now;
      bar.update(n, payload(n));
    },
    stop() {
      bar.update(count, payload(count));
      bar.stop();
    },
  };
}

function totalOf(items: unknown, o: ProgressOptions): number | null {
  if (o.total !== undefined) return o.total;
  const { length, size } = items as { length?: unknown; size?: unknown };
  return typeof length === 'number' ? length : typeof size === 'number' ? size : null;
}
function makeBar(items: unknown, o: ProgressOptions): Bar {
  if (o.disable === true) return { update() {}, stop() {} };
  const stream = o.stream ?? process.stderr;
  return (stream.isTTY ? terminalBar : plainBar)(o, totalOf(items, o), stream);
}

/** What `progress` gives: iterable as its source is. */
export type Progress<T> = (T extends Iterable<infer U> ? Iterable<U> : unknown) &
  (T extends AsyncIterable<infer V> ? AsyncIterable<V> : unknown);

/**
 * Passes the items of a sync or async iterable through and shows how far the loop is.
 *
 *     for await (const [x, t] of progress(loader, { desc: 'epoch 1' })) ...
 */
export function progress<T extends Iterable<unknown> | AsyncIterable<unknown>>(
  items: T,
  options: ProgressOptions = {},
): Progress<T> {
  const sync = items as Iterable<unknown>;
  const async = items as AsyncIterable<unknown>;
  return {
    *[Symbol.iterator](): Iterator<unknown> {
      const it = sync[Symbol.iterator]();
      const bar = makeBar(items, options);
      try {
        let n = 0;
        for (const item of { [Symbol.iterator]: () => it }) {
          yield item;
          bar.update(++n);
        }
      } finally {
        bar.stop();
      }
    },
    async *[Symbol.asyncIterator](): AsyncIterator<unknown> {
      const bar = makeBar(items, options);
      try {
        let n = 0;
        for await (const item of typeof async[Symbol.asyncIterator] === 'function' ? async : sync) {
          yield item;
          bar.update(++n);
        }
      } finally {
        bar.stop();
      }
    },
  } as unknown as Progress<T>;
}
