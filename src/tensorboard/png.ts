// PNG files from bytes, still and animated, and WAV files from samples: what TensorBoard shows in its image and audio pages.
// Sources: https://www.w3.org/TR/png-3 (with APNG), RFC 2361
import { deflateSync } from 'node:zlib';
import { crc32 } from '../serialization/crc.js';

/** Pixels row by row, 1, 2, 3 or 4 bytes each (gray, gray and alpha, RGB, RGBA). */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.byteLength);
  out.writeUInt32BE(data.byteLength, 0);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.byteLength)), 8 + data.byteLength);
  return out;
}
function numbers(...values: (readonly [value: number, bytes: 1 | 2 | 4])[]): Buffer {
  const out = Buffer.alloc(values.reduce((n, [, bytes]) => n + bytes, 0));
  let at = 0;
  for (const [value, bytes] of values) at = out.writeUIntBE(value, at, bytes);
  return out;
}

const COLOR_TYPES: Readonly<Record<number, number>> = { 1: 0, 2: 4, 3: 2, 4: 6 };

/** Rows without a filter, compressed. */
function compressed({ width, height, channels, data }: Pixels): Buffer {
  const row = width * channels;
  const raw = Buffer.alloc(height * (row + 1));
  for (let y = 0; y < height; y++) raw.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return deflateSync(raw);
}

/** One image, or several that are shown `fps` a second, again and again. */
export function png(frames: readonly Pixels[], fps = 4): Uint8Array {
  const first = frames[0]!;
  const color = COLOR_TYPES[first.channels];
  if (color === undefined) throw new RangeError(`an image has 1 to 4 channels, got ${first.channels}`);
  const size = [
    [first.width, 4],
    [first.height, 4],
  ] as const;
  const parts = [
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', numbers(...size, [8, 1], [color, 1], [0, 1], [0, 1], [0, 1])),
  ];
  if (frames.length > 1) parts.push(chunk('acTL', numbers([frames.length, 4], [0, 4])));
  let sequence = 0;
  frames.forEach((frame, i) => {
    if (frames.length > 1) {
      const delay = [
        [1000, 2],
        [Math.round(1000 * fps), 2],
      ] as const;
      parts.push(chunk('fcTL', numbers([sequence++, 4], ...size, [0, 4], [0, 4], ...delay, [0, 1], [0, 1])));
    }
    const data = compressed(frame);
    parts.push(i === 0 ? chunk('IDAT', data) : chunk('fdAT', Buffer.concat([numbers([sequence++, 4]), data])));
  });
  parts.push(chunk('IEND', new Uint8Array(0)));
  return Buffer.concat(parts);
}

/** One channel of samples in [-1, 1], 16 bits each. */
export function wav(samples: Float32Array, sampleRate: number): Uint8Array {
  const out = Buffer.alloc(44 + samples.length * 2);
  out.write('RIFF', 0, 'latin1');
  out.writeUInt32LE(36 + samples.length * 2, 4);
  out.write('WAVEfmt ', 8, 'latin1');
  out.writeUInt32LE(16, 16);
  out.writeUInt16LE(1, 20); // PCM
  out.writeUInt16LE(1, 22); // channels
  out.writeUInt32LE(sampleRate, 24);
  out.writeUInt32LE(sampleRate * 2, 28);
  out.writeUInt16LE(2, 32);
  out.writeUInt16LE(16, 34);
  out.write('data', 36, 'latin1');
  out.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((s, i) => out.writeInt16LE(Math.round(Math.max(-1, Math.min(1, s)) * 32767), 44 + i * 2));
  return out;
}
