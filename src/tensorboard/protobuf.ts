// The part of Protocol Buffers' wire format that event files need: fields written in order, and messages read back as fields.
// Source: https://protobuf.dev/programming-guides/encoding

/** Writes the fields of one message. Values that are the default (0, '', false) are written too: they may mean something. */
export class Message {
  private readonly parts: Uint8Array[] = [];

  private tag(field: number, wire: number): void {
    this.parts.push(varint(BigInt(field * 8 + wire)));
  }
  /** int32, int64, bool, enumerations. */
  int(field: number, value: number | bigint | boolean): this {
    this.tag(field, 0);
    this.parts.push(varint(BigInt.asUintN(64, BigInt(value))));
    return this;
  }
  double(field: number, value: number): this {
    this.tag(field, 1);
    this.parts.push(new Uint8Array(Float64Array.of(value).buffer));
    return this;
  }
  float(field: number, value: number): this {
    this.tag(field, 5);
    this.parts.push(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }
  bytes(field: number, value: Uint8Array | string | Message): this {
    const data =
      typeof value === 'string' ? new TextEncoder().encode(value) : value instanceof Message ? value.done() : value;
    this.tag(field, 2);
    this.parts.push(varint(BigInt(data.byteLength)), data);
    return this;
  }
  /** A packed list of doubles, floats or 32-bit integers. */
  packed(field: number, values: Float64Array | Float32Array): this {
    return this.bytes(field, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  packedInts(field: number, values: readonly number[]): this {
    const list = new Message();
    for (const v of values) list.parts.push(varint(BigInt.asUintN(64, BigInt(v))));
    return this.bytes(field, list);
  }
  done(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

function varint(value: bigint): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

/** A field as it was read: a varint, or the bytes of a fixed or delimited value. */
export interface Field {
  readonly field: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message, in order. Throws RangeError for bytes that are none. */
export function readFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = bytes[at++];
      if (b === undefined || shift > 63n) throw new RangeError('not a Protocol Buffers message');
      value |= BigInt(b & 127) << shift;
      if (b < 128) return value;
    }
  };
  const take = (n: number): Uint8Array => {
    if (n > bytes.length - at) throw new RangeError('a Protocol Buffers message is cut off');
    at += n;
    return bytes.subarray(at - n, at);
  };
  while (at < bytes.length) {
    const tag = Number(number());
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        fields.push({ field, value: number() });
        break;
      case 1:
        fields.push({ field, value: take(8) });
        break;
      case 2:
        fields.push({ field, value: take(Number(number())) });
        break;
      case 5:
        fields.push({ field, value: take(4) });
        break;
      default:
        throw new RangeError(`a Protocol Buffers message with wire type ${tag % 8}`);
    }
  }
  return fields;
}
