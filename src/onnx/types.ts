// Dtypes, dimensions and errors as the exporter needs them.
import { canonical, printDim } from '../ir/dim.js';
import type { Dim, DType, TensorType } from '../ir/graph.js';
import { FlambeauError } from '../tensor/errors.js';
import type { TensorProto_DataType } from './schema/onnx_pb.cjs';
import { schema } from './schema/load.js';

/** Something that has no ONNX form. Names the op, and the module path and source line where they are known. */
export class OnnxExportError extends FlambeauError {
  /** The message without the place. */
  readonly reason: string;
  readonly located: boolean;
  constructor(message: string, where?: { readonly scope?: string | undefined; readonly site?: string | undefined }) {
    const module = where?.scope ? ` in module '${where.scope}'` : '';
    const site = where?.site ? ` at ${where.site}` : '';
    super('ERR_FLAMBEAU_ONNX', `onnx.export: ${message}${module}${site}`);
    this.reason = message;
    this.located = where !== undefined;
  }
}

const ELEMENT: Record<DType, { readonly onnx: keyof typeof TensorProto_DataType; readonly bytes: number }> = {
  float32: { onnx: 'FLOAT', bytes: 4 },
  float64: { onnx: 'DOUBLE', bytes: 8 },
  float16: { onnx: 'FLOAT16', bytes: 2 },
  bfloat16: { onnx: 'BFLOAT16', bytes: 2 },
  int8: { onnx: 'INT8', bytes: 1 },
  int16: { onnx: 'INT16', bytes: 2 },
  int32: { onnx: 'INT32', bytes: 4 },
  int64: { onnx: 'INT64', bytes: 8 },
  uint8: { onnx: 'UINT8', bytes: 1 },
  bool: { onnx: 'BOOL', bytes: 1 },
};

export const onnxType = (dtype: DType): TensorProto_DataType => schema().pb.TensorProto_DataType[ELEMENT[dtype].onnx];
export const isDType = (s: unknown): s is DType => typeof s === 'string' && Object.hasOwn(ELEMENT, s);

/** Bytes of a tensor of fixed sizes. */
export const byteLength = ({ dtype, shape }: TensorType): number =>
  shape.reduce<number>((n, d) => n * (d as number), ELEMENT[dtype].bytes);

/** Little-endian bytes of numbers in a dtype. Sixteen-bit floats are rounded to nearest, ties to even. */
export function encodeNumbers(values: readonly (number | boolean)[], dtype: DType): Uint8Array {
  const size = ELEMENT[dtype].bytes;
  const out = new Uint8Array(values.length * size);
  const view = new DataView(out.buffer);
  values.forEach((value, i) => {
    const x = Number(value);
    const at = i * size;
    switch (dtype) {
      case 'float64':
        return view.setFloat64(at, x, true);
      case 'float32':
        return view.setFloat32(at, x, true);
      case 'float16':
        return view.setUint16(at, halfBits(x), true);
      case 'bfloat16':
        return view.setUint16(at, bfloat16Bits(x), true);
      case 'int64':
        // The largest int64 is no number of JavaScript; 2^63 stands for it.
        return view.setBigInt64(at, x >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(Math.trunc(x)), true);
      case 'int32':
        return view.setInt32(at, x, true);
      case 'int16':
        return view.setInt16(at, x, true);
      case 'int8':
        return view.setInt8(at, x);
      case 'uint8':
        return view.setUint8(at, x);
      case 'bool':
        return view.setUint8(at, x === 0 ? 0 : 1);
      default:
        return dtype satisfies never;
    }
  });
  return out;
}

function bfloat16Bits(x: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  const bits = view.getUint32(0);
  if (Number.isNaN(x)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function halfBits(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (a >= 65520) return sign | 0x7c00;
  // Subnormals are multiples of 2^-24; normals have 10 bits below the leading one.
  const exponent = a < 2 ** -14 ? -14 : Math.floor(Math.log2(a));
  const step = 2 ** (exponent - 10);
  const scaled = a / step;
  let n = Math.floor(scaled);
  const rest = scaled - n;
  if (rest > 0.5 || (rest === 0.5 && n % 2 === 1)) n++;
  return sign | (a < 2 ** -14 ? n : ((exponent + 14) << 10) + n);
}

/** A dimension in text ('64', 'batch', '2*batch+1'), its symbols under the names they have in the model. */
export function dimText(dim: Dim, names: ReadonlyMap<string, string> = new Map()): string {
  if (typeof dim === 'number') return String(dim);
  const terms = dim.terms.map((t) => ({ ...t, symbols: t.symbols.map((s) => names.get(s) ?? s) }));
  return printDim(canonical({ terms }));
}
