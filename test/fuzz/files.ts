// Damaged and hostile files: ONNX, .fbg, safetensors, .pt, .npy, .npz. Each is a valid file that a few random changes were made to. A
// reader may take it or refuse it with an error of the library; it must not crash, run on, or take memory by what the file claims.
//   npm run -s fuzz:files -- [--only REGEX] [--runs 200] [--seed N]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { someNode } from '../../src/ir/control.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
  },
});
/** Memory that reading a file of some kilobytes may take at most, bytes; and time, milliseconds. */
const MOST_MEMORY = 768 * 2 ** 20;
const MOST_TIME = 10_000;

const folder = mkdtempSync(join(tmpdir(), 'flambeau-fuzz-files-'));

// ---- the files ----

fb.manualSeed(1);
const net = new nn.Sequential(
  new nn.Conv2d(1, 2, 3),
  new nn.BatchNorm2d(2),
  new nn.ReLU(),
  new nn.Flatten(),
  new nn.Linear(2 * 6 * 6, 3),
).eval();
const example = fb.rand(2, 1, 8, 8);
const policy = fb.jit.script((x: Tensor, n: number) => {
  for (let i = 0; i < n; i++) x = x.sum().item() > 1 ? x.mul(0.5) : x.add(1);
  return x.mean().item() > 0 ? x : x.neg();
});
const state = { a: fb.rand(3, 4), b: fb.arange(5), c: fb.tensor([true, false]), scalar: fb.tensor(2.5) };

interface Format {
  readonly extension: string;
  make(path: string): void;
  /** Reads a file and uses what it holds. */
  use(path: string): void;
}
const touch = (x: unknown): void => {
  if (fb.isTensor(x)) void (x as Tensor).to('float64').sum().item();
  else if (Array.isArray(x)) x.forEach(touch);
  else if (typeof x === 'object' && x !== null) Object.values(x).forEach(touch);
};
const FORMATS: Readonly<Record<string, Format>> = {
  safetensors: { extension: 'safetensors', make: (p) => fb.save(state, p), use: (p) => touch(fb.load(p)) },
  pt: { extension: 'pt', make: (p) => fb.save({ state, list: [1, 'two', null] }, p), use: (p) => touch(fb.load(p)) },
  npy: { extension: 'npy', make: (p) => fb.save(state.a, p), use: (p) => touch(fb.load(p)) },
  npz: { extension: 'npz', make: (p) => fb.save(state, p), use: (p) => touch(fb.load(p)) },
  fbg: {
    extension: 'fbg',
    make: (p) => fb.jit.trace(net, [example]).save(p),
    use: (p) => {
      const module = fb.jit.load(p);
      void module.code; // generated, not built
      const inputs = module.graph.ir.inputs.map((v) => fb.zeros(v.type.shape as number[], { dtype: v.type.dtype }));
      if (inputs.every((t) => t.numel() < 1e6)) touch(module(...inputs));
    },
  },
  // Branches and loops. A damaged condition may hold for ever: loops are read and generated, not run.
  flow: {
    extension: 'fbg',
    make: (p) => {
      fb.noGrad(() => void policy(state.a, 2));
      policy.save(p, { dynamic: [{ 0: 'rows' }] });
    },
    use: (p) => {
      const module = fb.jit.load(p);
      void module.code;
      const { ir } = module.graph;
      if (someNode(ir, (n) => n.op === 'loop')) return;
      const inputs = ir.inputs.map((v) => fb.zeros(v.type.shape as number[], { dtype: v.type.dtype }));
      if (inputs.every((t) => t.numel() < 1e6)) touch(module(...inputs));
    },
  },
  onnx: {
    extension: 'onnx',
    make: (p) => fb.onnx.export(net, [example], p),
    use: (p) => {
      const module = fb.onnx.load(p);
      const inputs = module.inputTypes.map((i) =>
        fb.zeros(
          i.shape.map((d) => (typeof d === 'number' ? d : 2)),
          { dtype: i.dtype },
        ),
      );
      if (inputs.every((t) => t.numel() < 1e6)) touch(fb.noGrad(() => module.forward(...inputs)));
    },
  },
};

// ---- changes ----

type Change = (bytes: Buffer, at: number, value: number) => Buffer;
const CHANGES: Readonly<Record<string, Change>> = {
  flip: (b, at, v) => ((b[at] = b[at]! ^ (1 << (v % 8))), b),
  byte: (b, at, v) => ((b[at] = v & 255), b),
  truncate: (b, at) => b.subarray(0, at),
  drop: (b, at, v) => Buffer.concat([b.subarray(0, at), b.subarray(Math.min(b.length, at + 1 + (v % 40)))]),
  repeat: (b, at, v) => Buffer.concat([b.subarray(0, at), b.subarray(Math.max(0, at - (v % 200)))]),
  insert: (b, at, v) => Buffer.concat([b.subarray(0, at), Buffer.alloc(1 + (v % 16), v & 255), b.subarray(at)]),
  /** A length that is far too large, or negative. */
  length: (b, at, v) => {
    const width = v % 2 === 0 ? 4 : 8;
    const sizes = [0xff, 0x7f, 0x80, 0x01];
    for (let k = 0; k < width && at + k < b.length; k++)
      b[at + k] = k === width - 1 ? sizes[v % 4]! : v % 3 === 0 ? 0xff : 0;
    return b;
  },
  /** The next number in a text becomes another one. */
  number: (b, at, v) => {
    for (let i = at; i < b.length; i++) {
      if (b[i]! < 0x30 || b[i]! > 0x39) continue;
      const text = ['0', '9', '-1', '4294967296', '99999999999999999999', '1e9', '0.5'][v % 7]!;
      return Buffer.concat([b.subarray(0, i), Buffer.from(text), b.subarray(i + 1)]);
    }
    return b;
  },
  /** A piece of the file in another place. */
  splice: (b, at, v) => {
    const from = v % b.length;
    return Buffer.concat([b.subarray(0, at), b.subarray(from, from + 64), b.subarray(at)]);
  },
};
const change = fc.record({
  kind: fc.constantFrom(...Object.keys(CHANGES)),
  // Headers are at one end.
  where: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 0.05, noNaN: true })),
  value: fc.nat(1 << 20),
});

let [passed, failed, read] = [0, 0, 0];
for (const [name, format] of Object.entries(FORMATS)) {
  if (!new RegExp(values.only).test(name)) continue;
  const original = join(folder, `original.${format.extension}`);
  format.make(original);
  format.use(original);
  const valid = readFileSync(original);
  const path = join(folder, `changed.${format.extension}`);
  const result = fc.check(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let bytes: Buffer = Buffer.from(valid);
      for (const c of changes)
        if (bytes.length > 0)
          bytes = CHANGES[c.kind]!(
            Buffer.from(bytes),
            Math.min(bytes.length - 1, Math.floor(c.where * bytes.length)),
            c.value,
          );
      writeFileSync(path, bytes);
      const [memory, start] = [process.memoryUsage().rss, performance.now()];
      try {
        format.use(path);
        read++;
      } catch (e) {
        const code = (e as { code?: unknown }).code;
        if (typeof code !== 'string' || !code.startsWith('ERR_FLAMBEAU'))
          throw new Error(`an error that is none of the library's: ${(e as Error).stack ?? String(e)}`, { cause: e });
      }
      if (process.memoryUsage().rss - memory > MOST_MEMORY) throw new Error('reading took too much memory');
      if (performance.now() - start > MOST_TIME) throw new Error('reading took too long');
    }),
    { seed: Number(values.seed), numRuns: Number(values.runs) },
  );
  if (!result.failed) passed++;
  else {
    failed++;
    const reason = (result.errorInstance as Error | null)?.message ?? 'failed';
    process.stdout.write(
      `${name}: ${reason}\n  after ${JSON.stringify(result.counterexample)} (seed ${result.seed})\n`,
    );
  }
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${read} changed files were still readable\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
