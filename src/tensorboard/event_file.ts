// An event file: TFRecord frames (length, its checksum, data, their checksum) around Event messages.
// Source: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '../serialization/crc.js';
import { Message } from './protobuf.js';

/** The checksum of a frame: rotated and shifted, so that a checksum of data with checksums stays one. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One TFRecord. */
export function frame(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(16 + data.byteLength);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.byteLength), true);
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.byteLength, maskedCrc(data), true);
  return out;
}

/** What an event carries: field numbers of Event. */
export const EVENT = { fileVersion: 3, graphDef: 4, summary: 5, sessionLog: 7 } as const;

export interface EventFileOptions {
  /** Events that are kept back before they are written. */
  readonly maxQueue: number;
  /** Seconds after which they are written anyway. */
  readonly flushSecs: number;
  readonly suffix: string;
}

let files = 0;

/** Appends events to a new file in `dir`. */
export class EventFile {
  readonly path: string;
  private readonly fd: number;
  private queue: Uint8Array[] = [];
  private timer: NodeJS.Timeout | null = null;
  private open = true;

  constructor(
    readonly dir: string,
    private readonly options: EventFileOptions,
  ) {
    mkdirSync(dir, { recursive: true });
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${files++}${options.suffix}`;
    this.path = join(dir, name);
    this.fd = openSync(this.path, 'ax');
    this.add(EVENT.fileVersion, 'brain.Event:2');
    this.flush();
  }
  /** Adds an event; `walltime` in seconds. */
  add(field: number, value: Uint8Array | string | Message, step: number | null = null, walltime?: number | null): void {
    if (!this.open) throw new Error(`the event file ${this.path} is closed`);
    const event = new Message().double(1, walltime ?? Date.now() / 1000);
    if (step !== null) event.int(2, Math.trunc(step));
    this.queue.push(frame(event.bytes(field, value).done()));
    if (this.queue.length > this.options.maxQueue) this.flush();
    else if (this.timer === null) {
      this.timer = setTimeout(() => this.flush(), this.options.flushSecs * 1000);
      this.timer.unref();
    }
  }
  flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.queue.length === 0) return;
    const bytes = Buffer.concat(this.queue);
    this.queue = [];
    for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at);
  }
  close(): void {
    if (!this.open) return;
    this.flush();
    this.open = false;
    fsyncSync(this.fd);
    closeSync(this.fd);
  }
}
