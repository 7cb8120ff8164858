// Checksums: CRC-32 (zip archives) and CRC-32C (TFRecord files of TensorBoard).
import * as zlib from 'node:zlib';

/** Table of a reflected polynomial, one entry per byte value. */
function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? polynomial ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
}

function update(table: Uint32Array, bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

let table32: Uint32Array | undefined;
let table32c: Uint32Array | undefined;
/** Node has a fast one since 20.15 and 22.2. */
const fast = (zlib as { crc32?: (data: Uint8Array, value?: number) => number }).crc32;

export function crc32(bytes: Uint8Array): number {
  if (fast !== undefined) return fast(bytes);
  return update((table32 ??= tableOf(0xedb88320)), bytes);
}

export function crc32c(bytes: Uint8Array): number {
  return update((table32c ??= tableOf(0x82f63b78)), bytes);
}
