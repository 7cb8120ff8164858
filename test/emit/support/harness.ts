// Compiles an emitted program and runs it through the C driver: what the tests compare with the float64 reference.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DType, type Graph } from '../../../src/ir/graph.js';
import { evalDim, parseDim } from '../../../src/ir/dim.js';
import { type EmitOptions, type Program, emitProgram } from '../../../src/emit/program.js';
import { type MetaDim } from '../../../src/emit/meta.js';
import { SIMT_FLAGS, simtSource } from '../../cuda/simt.js';

export const work = mkdtempSync(join(tmpdir(), 'flambeau-emit-'));
let serial = 0;
let driver: string | null = null;

export const FLAGS = [
  '-O3',
  '-march=native',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fPIC',
  '-shared',
  '-std=c++20',
  '-Wall',
  '-Wextra',
  '-Wno-psabi',
  '-Wno-unused',
];

export function buildDriver(): string {
  if (driver && existsSync(driver)) return driver;
  driver = join(work, 'driver');
  execFileSync('gcc', ['-O1', '-o', driver, fileURLToPath(new URL('./driver.c', import.meta.url)), '-ldl']);
  return driver;
}

const BYTES: Record<DType, number> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

export function encode(dtype: DType, values: readonly number[]): Buffer {
  const b = Buffer.alloc(values.length * BYTES[dtype]);
  values.forEach((v, i) => {
    switch (dtype) {
      case 'float32':
        b.writeFloatLE(v, i * 4);
        break;
      case 'float64':
        b.writeDoubleLE(v, i * 8);
        break;
      case 'int64':
        b.writeBigInt64LE(BigInt(v), i * 8);
        break;
      case 'int32':
        b.writeInt32LE(v, i * 4);
        break;
      case 'int16':
        b.writeInt16LE(v, i * 2);
        break;
      case 'int8':
        b.writeInt8(v, i);
        break;
      case 'uint8':
        b.writeUInt8(v, i);
        break;
      case 'bool':
        b.writeUInt8(v ? 1 : 0, i);
        break;
      default:
        throw new Error(`the harness does not encode ${dtype}`);
    }
  });
  return b;
}
function decode(dtype: DType, b: Buffer): number[] {
  const n = b.length / BYTES[dtype];
  return Array.from({ length: n }, (_, i) => {
    switch (dtype) {
      case 'float32':
        return b.readFloatLE(i * 4);
      case 'float64':
        return b.readDoubleLE(i * 8);
      case 'int64':
        return Number(b.readBigInt64LE(i * 8));
      case 'int32':
        return b.readInt32LE(i * 4);
      case 'int16':
        return b.readInt16LE(i * 2);
      case 'int8':
        return b.readInt8(i);
      case 'uint8':
      case 'bool':
        return b.readUInt8(i);
      default:
        throw new Error(`the harness does not decode ${dtype}`);
    }
  });
}

export interface RunResult {
  readonly code: number;
  readonly outputs: number[][];
  readonly writes: number[][];
  readonly ns: number;
}
export interface RunOptions {
  readonly repeats?: number;
  readonly live?: readonly number[];
  readonly dims?: readonly number[];
  readonly whole?: boolean;
}

export function compileProgram(p: Program, flags: readonly string[] = FLAGS): string {
  const base = join(work, `p${serial++}`);
  writeFileSync(`${base}.cc`, p.source);
  execFileSync('g++', [...flags, '-o', `${base}.so`, `${base}.cc`], { stdio: ['ignore', 'inherit', 'inherit'] });
  return `${base}.so`;
}

/** A CUDA program, run on the CPU through the SIMT shim. */
export const compileSimt = (p: Program): string => compileProgram({ ...p, source: simtSource(p.source) }, SIMT_FLAGS);

/** Runs a compiled program on tensor values (inputs, then captures). */
export function runProgram(
  so: string,
  g: Graph,
  p: Program,
  data: readonly (readonly number[])[],
  o: RunOptions = {},
): RunResult {
  const symbols = new Map(p.meta.symbols.map((s, k) => [s.name, o.dims?.[k] ?? 0]));
  const size = (d: MetaDim): number => (typeof d === 'number' ? d : evalDim(parseDim(d), symbols));
  const parts: Buffer[] = [];
  const int = (v: number): void => {
    const b = Buffer.alloc(8);
    b.writeBigInt64LE(BigInt(v));
    parts.push(b);
  };
  const tensors = [...g.inputs, ...g.captures];
  int(tensors.length);
  tensors.forEach((t, i) => {
    const b = encode(t.type.dtype, data[i]!);
    int(b.length);
    parts.push(b);
  });
  const fresh = p.meta.outputs.flatMap((x) => ('alias' in x ? [] : [x]));
  const sizes = fresh.map((x) => x.shape.reduce((n: number, d) => n * size(d), 1) * BYTES[x.dtype]);
  const targets = p.meta.writes.map((w) => ('input' in w ? w.input : g.inputs.length + w.capture));
  int(fresh.length + targets.length);
  sizes.forEach(int);
  targets.forEach((t) => int(-t - 1));
  const live = o.live ?? g.liveScalars;
  int(live.length);
  for (const v of live) {
    const b = Buffer.alloc(8);
    b.writeDoubleLE(v);
    parts.push(b);
  }
  int(p.meta.symbols.length);
  p.meta.symbols.forEach((s) => int(symbols.get(s.name)!));
  int(size(p.meta.arena) + 64);
  const base = so.replace(/\.so$/, '');
  writeFileSync(`${base}.in`, Buffer.concat(parts));
  const text = execFileSync(buildDriver(), [so, `${base}.in`, `${base}.out`, String(o.repeats ?? 0)], {
    encoding: 'utf8',
    env: { ...process.env, ...(o.whole ? { FB_WHOLE: '1' } : {}) },
  });
  const failed = /^code (\d+)/.exec(text);
  if (failed) return { code: Number(failed[1]), outputs: [], writes: [], ns: 0 };
  const bytes = readFileSync(`${base}.out`);
  let at = 0;
  const take = (dtype: DType, n: number): number[] => {
    const part = bytes.subarray(at, at + n);
    at += n;
    return decode(dtype, part);
  };
  const outputs = fresh.map((x, k) => take(x.dtype, sizes[k]!));
  const writes = targets.map((t) => take(tensors[t]!.type.dtype, data[t]!.length * BYTES[tensors[t]!.type.dtype]));
  return { code: 0, outputs, writes, ns: Number(text) };
}

export function compileAndRun(
  g: Graph,
  data: readonly (readonly number[])[],
  o: RunOptions & Partial<EmitOptions> = {},
): RunResult & { program: Program } {
  const program = emitProgram(g, { target: 'cpp', ...o });
  const so = compileProgram(program);
  return { ...runProgram(so, g, program, data, o), program };
}
