// The boundary between JavaScript and the native core: handles, memory, errors, threads, callbacks.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { native } from '../../src/native.js';

const here = dirname(fileURLToPath(import.meta.url));
const loader = join(here, '..', '..', 'src', 'native.ts');
const F32 = 0;
const vec = (...v: number[]): object => native.fromTypedArray(Float32Array.from(v), [v.length], F32, false);
const leaf = (...v: number[]): object => {
  const h = vec(...v);
  native.setRequiresGrad(h, true);
  return h;
};
const values = (h: object | null): number[] => [...(native.toTypedArray(h!) as Float32Array)];
const sum = (h: object): object => native.ops.sum(h, null, false, null);
const run = (root: object, retain = false): unknown => native.backward([root], [null], null, retain, false, false);

/** Runs a script in a process of its own and gives what it printed. */
function script(body: string, args: string[] = []): { stdout: string; status: number | null } {
  const text = `import { native } from ${JSON.stringify(loader)};\n${body}`;
  const r = spawnSync(process.execPath, ['--import', 'tsx', ...args, '--input-type=module', '-e', text], { encoding: 'utf8', cwd: join(here, '..', '..') });
  return { stdout: r.stdout + r.stderr, status: r.status };
}
function failure(f: () => unknown): Error & { code?: string } {
  try {
    f();
  } catch (e) {
    return e as Error & { code?: string };
  }
  throw new Error('nothing was thrown');
}

describe('arguments', () => {
  test('wrong ones name the function, the parameter and its position', () => {
    const x = vec(1);
    const bad = native.ops as unknown as Record<string, (...a: unknown[]) => unknown>;
    expect(failure(() => bad['add']!(x, 'a', 1))).toMatchObject({ name: 'TypeError', code: 'ERR_FLAMBEAU_TYPE', message: "add(): argument 'other' (position 2) must be Tensor or number, not string" });
    expect(failure(() => bad['neg']!())).toMatchObject({ message: "neg(): argument 'self' (position 1) must be Tensor, not undefined" });
    expect(failure(() => bad['permute']!(x, [0.5])).message).toContain("argument 'dims' (position 2) must be array of ints, but found element of type float at pos 0");
    expect(failure(() => bad['cat']!([x, 3], 0)).message).toContain('must be array of Tensors, but found element of type number at pos 1');
    expect(failure(() => bad['select']!(x, 0, NaN)).message).toContain("argument 'index' (position 3) must be int, not float");
  });
  test('a foreign External and a generator are no tensors', () => {
    expect(failure(() => native.ops.neg(native.generator(1))).message).toBe("neg(): argument 'self' (position 1) must be Tensor, not Generator");
    expect(failure(() => native.shape({})).message).toContain('must be Tensor, not Object');
    expect(native.isTensorHandle(vec(1))).toBe(true);
    expect(native.isTensorHandle(native.generator(1))).toBe(false);
  });
  test('whole numbers keep integer tensors integers', () => {
    const i = native.fromTypedArray(new Int32Array([1, 2]), [2], 6, false);
    expect(native.dtype(native.ops.mul(i, 2))).toBe(6);
    expect(native.dtype(native.ops.mul(i, 2.5))).toBe(F32);
    expect(native.dtype(native.ops.mul(i, { value: 2, float: true }))).toBe(F32);
  });
});

describe('handles', () => {
  test('dispose empties a handle for good', () => {
    const x = vec(1, 2);
    native.dispose(x);
    native.dispose(x);
    expect(native.isDisposed(x)).toBe(true);
    expect(failure(() => native.ops.neg(x)).message).toBe("neg(): argument 'self' (position 1): tensor has been disposed");
  });
  test('a synchronous loop of 4,000 one-megabyte additions stays under 300 MB', () => {
    const { stdout } = script(`
      const x = native.fromTypedArray(new Float32Array(262144), [262144], 0, false);
      let y;
      for (let i = 0; i < 4000; i++) y = native.ops.add(x, x, 1);
      console.log(process.resourceUsage().maxRSS / 1024);`);
    expect(Number(stdout)).toBeLessThan(300);
  });
  test('what died young comes back soon; what is held stays', () => {
    const { stdout } = script(`
      const x = native.fromTypedArray(new Float32Array(1 << 20), [1 << 20], 0, false);
      const kept = [];
      for (let i = 0; i < 400; i++) {
        const y = native.ops.add(native.ops.mul(x, i), 1, 1);
        if (i % 40 === 0) kept.push(y);
      }
      const right = kept.every((y, k) => native.toTypedArray(y)[k] === 1);
      console.log(JSON.stringify([right, typeof globalThis.gc, native.memoryStats().allocatedPeak / 2 ** 20]));`);
    const [right, gc, peak] = JSON.parse(stdout) as [boolean, string, number];
    expect([right, gc]).toEqual([true, 'undefined']);
    // 3,200 MiB pass through; ten tensors of 4 MiB are held.
    expect(peak).toBeLessThan(150);
  });
  test('everything is freed, and V8 has been told the exact total', () => {
    const { stdout } = script(
      `
      const make = () => { for (let i = 0; i < 3000; i++) native.ops.add(native.fromTypedArray(new Float32Array(5000), [5000], 0, false), 1, 1); };
      make();
      for (let i = 0; i < 4; i++) { globalThis.gc(); await new Promise(setImmediate); }
      const s = native.memoryStats();
      console.log(JSON.stringify([s.liveHandles, s.allocatedBytes, s.externalBytes]));`,
      ['--expose-gc'],
    );
    expect(JSON.parse(stdout)).toEqual([0, 0, 0]);
  });
});

describe('numbers in and out', () => {
  test('typed arrays are converted, shared or refused', () => {
    expect(values(native.fromTypedArray(new Float64Array([1.5, 2]), [2, 1], F32, false))).toEqual([1.5, 2]);
    const data = new Float32Array([1, 2, 3]);
    const shared = native.fromTypedArray(data, [3], F32, true);
    native.ops.mul_(shared, 2);
    expect([...data]).toEqual([2, 4, 6]);
    expect(failure(() => native.fromTypedArray(data, [2], F32, false)).message).toBe("shape '[2]' is invalid for input of size 3");
    expect(failure(() => native.fromTypedArray(data, [3], 1, true)).code).toBe('ERR_FLAMBEAU_TYPE');
    expect(native.toTypedArray(native.fromTypedArray(new BigInt64Array([5n]), [1], 7, false))).toEqual(new BigInt64Array([5n]));
    expect(native.dtype(native.fromTypedArray(new Uint16Array([0x3c00]), [1], 2, false))).toBe(2);
    expect(values(native.fromTypedArray(new Uint16Array([0x3c00]), [1], 2, false))).toEqual([1]);
    expect(values(native.fromTypedArray(data.buffer, [3], F32, false))).toEqual([2, 4, 6]);
  });
  test('buffer() shares the storage and is found again', () => {
    const x = vec(1, 2, 3);
    const b = native.buffer(x);
    expect(native.buffer(native.ops.detach(x))).toBe(b);
    new Float32Array(b, 0, 3)[1] = 9;
    expect(values(x)).toEqual([1, 9, 3]);
  });
  test('item gives a number, a bigint or a boolean', () => {
    expect(native.item(vec(2.5))).toBe(2.5);
    expect(native.item(native.fromTypedArray(new BigInt64Array([2n ** 60n]), [1], 7, false))).toBe(2n ** 60n);
    expect(native.item(native.ops.eq(vec(1), 1))).toBe(true);
    expect(failure(() => native.item(vec(1, 2))).message).toBe('a Tensor with 2 elements cannot be converted to Scalar');
  });
});

describe('autograd', () => {
  test('backward, hooks and their removal', () => {
    const x = leaf(1, 2);
    const y = native.ops.mul(x, 3);
    const seen: number[][] = [];
    const remove = native.registerHook(y, (g) => {
      seen.push(values(g));
      return native.ops.mul(g, 10);
    });
    run(sum(y), true);
    expect(seen).toEqual([[1, 1]]);
    expect(values(native.grad(x))).toEqual([30, 30]);
    remove();
    remove();
    native.setGrad(x, null);
    run(sum(y));
    expect(values(native.grad(x))).toEqual([3, 3]);
    expect(native.nodeName(native.gradFn(y)!)).toBe('MulBackward0');
    expect(native.nodeNext(native.gradFn(y)!).map((n) => n && native.nodeName(n[0]))[0]).toBe('AccumulateGrad');
  });
  test('an exception in a hook comes out of backward unchanged', () => {
    const x = leaf(1);
    const boom = new RangeError('boom');
    native.registerHook(x, () => {
      throw boom;
    });
    expect(failure(() => run(native.ops.mul(x, 2)))).toBe(boom);
    expect(failure(() => native.registerHook(vec(1), () => null)).message).toBe("cannot register a hook on a tensor that doesn't require gradient");
  });
  test('a function whose derivative is JavaScript', () => {
    const x = leaf(1, 2);
    native.setGradEnabled(false);
    const y = native.ops.exp(x);
    native.setGradEnabled(true);
    native.customFunction([x], [y], ([g], [saved]) => [native.ops.mul(g!, saved!)], 'ExpBackward', [y]);
    expect(native.nodeName(native.gradFn(y)!)).toBe('ExpBackward');
    run(sum(y), true);
    expect(values(native.grad(x))[1]).toBeCloseTo(Math.exp(2), 5);
    native.ops.add_(native.ops.detach(y), 1, 1);
    expect(failure(() => run(sum(y))).message).toContain('has been modified by an inplace operation: [torch.FloatTensor [2]], which is output 0 of ExpBackward, is at version 1; expected version 0');
  });
  test('a saved output does not keep its graph alive', () => {
    const { stdout } = script(
      `
      const make = () => { for (let i = 0; i < 100; i++) {
        const x = native.fromTypedArray(new Float32Array(1000), [1000], 0, false); native.setRequiresGrad(x, true);
        native.setGradEnabled(false); const y = native.ops.exp(x); native.setGradEnabled(true);
        native.customFunction([x], [y], ([g], [s]) => [native.ops.mul(g, s)], 'E', [y]); } };
      make();
      for (let i = 0; i < 6; i++) { globalThis.gc(); await new Promise(setImmediate); }
      console.log(native.memoryStats().allocatedBytes);`,
      ['--expose-gc'],
    );
    expect(Number(stdout)).toBe(0);
  });
  test('gradients of inputs, without touching .grad', () => {
    const x = leaf(2), other = leaf(1);
    const y = native.ops.mul(x, x);
    expect(values(native.backward([y], [null], [x], true, false, false)[0]!)).toEqual([4]);
    expect(native.grad(x)).toBeNull();
    expect(failure(() => native.backward([y], [null], [other], true, false, false)).message).toContain('appears to not have been used in the graph');
    expect(native.backward([y], [null], [other], true, false, true)).toEqual([null]);
  });
});

describe('tracing', () => {
  test('records ops with their call sites', () => {
    const x = vec(1, 2);
    native.setSiteProvider(() => 'model.ts:3:4');
    native.traceBegin([x]);
    const y = native.ops.add(x, { value: 0.5, slot: native.liveScalar(0.5) }, 1);
    expect(failure(() => native.item(sum(y))).message).toContain('(at model.ts:3:4)');
    const { json } = native.traceEnd([y]);
    native.setSiteProvider(null);
    const g = JSON.parse(json) as { nodes: { op: string; site: string; in: unknown[] }[] };
    expect(g.nodes[0]).toMatchObject({ op: 'add', site: 'model.ts:3:4', in: [0, { live: 0, c: 0.5 }] });
    expect(native.traceActive()).toBe(false);
  });
});

describe('threads', () => {
  test('a tensor goes to a worker and back without a copy; each token works once', async () => {
    const x = vec(1, 2, 3);
    const worker = new Worker(
      `import('tsx/esm/api').then(async ({ register }) => { register();
         const { parentPort, workerData } = await import('node:worker_threads');
         const { native } = await import(${JSON.stringify(loader)});
         const h = native.importHandle(workerData);
         native.ops.mul_(h, 2);
         parentPort.postMessage(native.exportHandle(native.ops.add(h, 1, 1)));
       });`,
      { eval: true, workerData: native.exportHandle(x) },
    );
    const token = await new Promise<bigint>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    expect(values(x)).toEqual([2, 4, 6]);
    expect(values(native.importHandle(token))).toEqual([3, 5, 7]);
    expect(failure(() => native.importHandle(token)).message).toContain('each token can be used once');
    expect(failure(() => native.exportHandle(native.ops.mul(leaf(1), 2))).code).toBe('ERR_FLAMBEAU_AUTOGRAD');
  });
  test('workers that end with live tensors, hooks and builds leave quietly', () => {
    const { stdout, status } = script(`
      const { Worker, isMainThread } = await import('node:worker_threads');
      const body = \`import('tsx/esm/api').then(async ({ register }) => { register();
        const { native } = await import(${JSON.stringify(loader)});
        globalThis.keep = [];
        for (let i = 0; i < 1000; i++) { const x = native.fromTypedArray(new Float32Array(100), [100], 0, false); native.setRequiresGrad(x, true);
          native.registerHook(x, () => null); keep.push(native.ops.mul(x, x), native.buffer(x)); }
        native.buildAsync(['sleep', '30'], null);
      });\`;
      await Promise.all([1, 2, 3].map(() => new Promise((r, j) => new Worker(body, { eval: true }).once('exit', r).once('error', j))));
      console.log('done');`);
    expect([stdout.trim(), status]).toEqual(['done', 0]);
  });
});

describe('builds', () => {
  test('report code, output and time; a missing program is an error', async () => {
    native.keepBuildsAlive(true);
    const r = await native.buildAsync(['sh', '-c', 'echo out; echo err >&2; pwd; exit 3'], '/');
    native.keepBuildsAlive(false);
    expect(r).toMatchObject({ code: 3, stderr: 'out\nerr\n/\n' });
    expect(r.seconds).toBeGreaterThan(0);
    expect(failure(() => native.buildAsync(['no-such-program-here'])).message).toContain('cannot start no-such-program-here');
  });
  test('do not keep the process alive, and end with it', () => {
    const start = performance.now();
    const { status } = script(`native.buildAsync(['sleep', '30']).then(() => {});`);
    expect(status).toBe(0);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
