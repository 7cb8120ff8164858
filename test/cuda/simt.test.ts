// CUDA programs behind fb.compile, on the CPU through the SIMT shim: special functions, every dtype, users' own kernels; compared with the
// graph's meaning on the prebuilt kernels (test/cuda/checked.ts). And the window kernels of the GPU library.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { emitProgram } from '../../src/emit/program.js';
import type { Graph } from '../../src/ir/graph.js';
import { registerBackend } from '../../src/runtime/backend.js';
import { checked, checkedBackend } from './checked.js';
import { compileForDevice, haveNvcc } from './nvcc.js';
import { simtBackend } from './simt.js';

const graphs: Graph[] = [];
registerBackend(
  checkedBackend('checked-simt-test', {
    name: 'recording',
    prepare: (graph, context) => {
      graphs.push(graph);
      return simtBackend.prepare(graph, context);
    },
  }),
);
const work = mkdtempSync(join(tmpdir(), 'flambeau-cuda-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs a function as a CUDA program, whose results are compared; returns them, and the program's source. */
async function run(f: (...xs: Tensor[]) => Tensor[], ...xs: Tensor[]): Promise<{ results: Tensor[]; source: string }> {
  graphs.length = 0;
  const before = checked.runs;
  const call = fb.compile(f, { backend: 'checked-simt-test' });
  let results: Tensor[] = [];
  fb.noGrad(() => {
    results = call(...xs);
  });
  for (let tries = 0; !(await call.ready()) && tries < 4; tries++) fb.noGrad(() => call(...xs));
  fb.noGrad(() => {
    results = call(...xs);
  });
  expect(call.explain().reasons).toEqual([]);
  expect(checked.runs).toBeGreaterThan(before);
  return { results, source: emitProgram(graphs[graphs.length - 1]!, { target: 'cuda' }).source };
}
const { special } = fb;
const unit = fb.linspace(-0.95, 0.95, 57, { dtype: 'float64' });
const wide = fb.linspace(-12, 30, 85, { dtype: 'float64' });
const positive = fb.linspace(0.3, 25, 61, { dtype: 'float64' });
const families: Record<string, (x: Tensor) => Tensor[]> = {
  errors: (x) => [
    special.erfinv(x),
    special.ndtri(x.abs()),
    special.erfcx(x.mul(9)),
    special.logNdtr(x.mul(20)),
    special.entr(x.abs()),
  ],
  bessel: (x) => [
    special.i0(x.mul(30)),
    special.i0e(x.mul(30)),
    special.i1(x.mul(30)),
    special.i1e(x.mul(30)),
    special.besselJ0(x.mul(40)),
    special.besselJ1(x.mul(40)),
    special.besselY0(x.abs().mul(40)),
    special.besselY1(x.abs().mul(40)),
    special.modifiedBesselK0(x.abs()),
    special.scaledModifiedBesselK1(x.abs()),
    special.airyAi(x.mul(15)),
    special.sphericalBesselJ0(x.mul(9)),
  ],
  gamma: (x) => [
    special.gammainc(x.abs().mul(60), x.abs().mul(50)),
    special.gammaincc(x.abs().mul(6), x.abs().mul(9)),
    special.polygamma(2, x.mul(9.01)),
    special.polygamma(1, x.mul(3.01)),
    special.zeta(x.abs().add(1.5), x.abs()),
    special.digamma(x.mul(8.3)),
    special.gammaln(x.mul(8.3)),
  ],
  polynomials: (x) => [
    ...[
      special.chebyshevPolynomialT,
      special.chebyshevPolynomialU,
      special.chebyshevPolynomialV,
      special.chebyshevPolynomialW,
    ].map((p) => p(x, 9)),
    ...[special.hermitePolynomialH, special.hermitePolynomialHe, special.laguerrePolynomialL].map((p) => p(x, 5)),
    special.legendrePolynomialP(x, 6),
  ],
};

describe('special functions in device code', () => {
  for (const [name, f] of Object.entries(families))
    test(
      name,
      async () => {
        const { source } = await run(f, unit);
        expect(source).not.toMatch(/__builtin_|__attribute__/);
        if (haveNvcc) await compileForDevice(source);
        else console.log('nvcc is not installed: not compiled for a GPU');
      },
      60_000,
    );
  test('whole numbers and parts of floats', async () => {
    const [a, b] = [fb.arange(-30, 34), fb.arange(64).sub(7)];
    await run((x, y) => [fb.gcd(x, y), fb.lcm(x, y), ...fb.frexp(x.double().mul(0.37))], a, b);
  });
  test('of single precision', async () => {
    await run((x) => families['errors']!(x), unit.float());
    await run((x, y) => [special.i0e(x), special.besselJ1(y), special.gammainc(y, y)], wide.float(), positive.float());
  });
});

describe('storage types', () => {
  for (const dtype of ['float64', 'float16', 'bfloat16', 'int8', 'uint8', 'int16', 'int32', 'int64', 'bool'] as const) {
    // Sizes with and without whole packs, one row and several; a view that starts at an odd element.
    for (const shape of [[301], [6, 40], [3, 7, 5]])
      test(`${dtype} of [${shape.join(', ')}]`, async () => {
        const n = shape.reduce((p, q) => p * q, 1);
        const x = fb
          .arange(n + 3)
          .remainder(11)
          .sub(4)
          .to(dtype);
        const y = fb.arange(n).remainder(7).to(dtype).reshape(shape);
        await run(
          (a, b) => {
            const v = a.narrow(0, 3, n).reshape(shape);
            return [v.add(b), v.mul(b).sum(-1), b.flip(0), fb.where(v.eq(b), b, v), fb.cat([v, b], -1), v.amax(0)];
          },
          x,
          y,
        );
      });
  }
  test('an operand that starts at an odd element is read one by one', async () => {
    const x = fb.arange(4097, { dtype: 'float32' });
    const { results, source } = await run((a) => [a.mul(2)], x.narrow(0, 1, 4096));
    expect(source).toContain('fb_load_pack<4>');
    expect(results[0]!.sum().item()).toBe(2 * ((4096 * 4097) / 2));
  });
});

describe("users' kernels", () => {
  test('are device code like any other op', async () => {
    const swish = fb.kernel((x: fb.Scalar, beta: fb.Scalar) => x / (1 + Math.exp(-beta * x)));
    const parts = fb.kernel((x: fb.Scalar, low: fb.Scalar) => {
      if (x < low) return [low, 0];
      return [Math.min(x, 10), 1];
    });
    const { source } = await run(
      (x, b) => [swish(x, b) as Tensor, ...(parts(x, b) as Tensor[])],
      fb.linspace(-5, 20, 66).reshape([6, 11]),
      fb.linspace(0.1, 2, 11),
    );
    expect(source.match(/__global__/g)).toHaveLength(1);
  });
  test('fold rows and columns, with joins and in order, fused with their neighbours', async () => {
    const rms = fb.reduction({ init: 0, combine: (acc, x) => acc + x * x, finish: (acc, n) => Math.sqrt(acc / n) });
    const argmax = fb.reduction({
      init: [-Infinity, -1],
      combine: ([best, at], x, index) => (x > best ? [x, index] : [best, at]),
      join: ([a, i], [b, j]) => (b > a || (b === a && j < i && j >= 0) ? [b, j] : [a, i]),
    });
    const horner = fb.reduction({ init: 0, combine: (acc, x, y) => acc * 0.5 + x * y });
    const inOrder = fb.reduction({
      init: [0, 1],
      combine: ([acc, last], x, y) => [acc * 0.5 + x * last, y],
      finish: ([acc]) => acc,
    });
    const { source } = await run(
      (x, y) => [
        rms(x.add(1), 1, true).mul(x),
        rms(x, 0),
        rms(x),
        ...argmax(x, 1),
        ...argmax(x, 0),
        horner(x, y, 1),
        inOrder(x, y, 0),
        inOrder(x, y),
      ],
      fb
        .linspace(-5, 20, 35 * 70)
        .sin()
        .reshape([35, 70]),
      fb.linspace(0.1, 2, 70),
    );
    expect(source).toContain('fb_shuffle');
  });
});

test('window kernels of the GPU library', () => {
  const file = fileURLToPath(new URL('./simt/window_test.cc', import.meta.url));
  const exe = join(work, 'window');
  execFileSync('g++', ['-O1', '-std=c++20', '-ffp-contract=off', '-w', '-o', exe, file], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  expect(execFileSync(exe, { encoding: 'utf8' })).toBe('ok\n');
}, 60_000);
