// Scripted functions give what the same code gives when it runs as it is written, for every course through it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
import { parseGraph } from '../../src/ir/parse.js';
import { printGraph } from '../../src/ir/print.js';

const F = nn.functional;
fb.manualSeed(5);
type Fn = (...args: never[]) => unknown;

const plain = (x: unknown): unknown =>
  x instanceof fb.Tensor
    ? { dtype: x.dtype, shape: x.shape, values: x.double().reshape(-1).tolist() }
    : Array.isArray(x)
      ? x.map(plain)
      : typeof x === 'object' && x !== null
        ? Object.fromEntries(Object.entries(x).map(([k, v]) => [k, plain(v)]))
        : x;

/** Runs all calls as they are written, then scripted and built. */
async function same(
  f: Fn,
  calls: readonly (readonly unknown[])[],
  globals: fb.jit.ScriptOptions['globals'] = {},
): Promise<string> {
  const run = f as (...a: unknown[]) => unknown;
  const expected = calls.map((args) => plain(fb.noGrad(() => run(...args))));
  const scripted = fb.jit.script(run, { globals });
  for (const args of calls) fb.noGrad(() => scripted(...args));
  expect(scripted.reason).toBe('');
  expect(await scripted.ready()).toBe(true);
  calls.forEach((args, k) => {
    const got = plain(fb.noGrad(() => scripted(...args)));
    expect(JSON.stringify(rounded(got))).toBe(JSON.stringify(rounded(expected[k])));
  });
  const text = printGraph(scripted.graph.ir);
  expect(printGraph(parseGraph(text))).toBe(text);
  return text;
}
const rounded = (x: unknown): unknown =>
  typeof x === 'number' && !Number.isInteger(x)
    ? Number(x.toPrecision(5))
    : Array.isArray(x)
      ? x.map(rounded)
      : typeof x === 'object' && x !== null
        ? Object.fromEntries(Object.entries(x).map(([k, v]) => [k, rounded(v)]))
        : x;

const pos = fb.rand(3, 4);
const neg = pos.neg();

describe('branches', () => {
  test('both ways, variables written in one or both', async () => {
    const text = await same(
      (x: Tensor) => {
        let y = x;
        let k = 1;
        if (x.sum().item() > 0) {
          y = x.mul(2);
          k = 3;
        } else k = 0.5;
        return [y, y.add(k)];
      },
      [[pos], [neg]],
    );
    expect(text).toMatch(/= if\(/);
  });
  test('early return, else if, nested', async () => {
    await same(
      (x: Tensor, n: number) => {
        if (n > 10) return x.mul(10);
        else if (n > 5) {
          if (x.sum().item() > 0) return x.mul(5);
          x = x.abs();
        }
        if (n < 0) x = x.neg();
        return x.add(n);
      },
      [
        [pos, 11],
        [pos, 7],
        [neg, 7],
        [neg, -2],
        [pos, 3],
      ],
    );
  });
  test('conditions of parts are evaluated when they are reached', async () => {
    await same(
      (x: Tensor, i: number) => (i < 3 && x.index(i).sum().item() > 0 ? x.mul(2) : i === 7 || i < 1 ? x : x.neg()),
      [
        [pos, 0],
        [neg, 0],
        [pos, 5],
        [pos, 7],
      ],
    );
  });
  test('a condition that is known is no branch of the graph', async () => {
    const text = await same((x: Tensor, flag: boolean) => (flag && x.shape[0] === 3 ? x.neg() : x), [[pos, true]]);
    expect(text).not.toMatch(/= if\(/);
  });
});

describe('loops', () => {
  test('a counted loop over an argument', async () => {
    const text = await same(
      (x: Tensor, n: number) => {
        for (let i = 0; i < n; i++) x = x.mul(0.5).add(i);
        return x;
      },
      [
        [pos, 0],
        [pos, 1],
        [pos, 6],
      ],
    );
    expect(text.match(/= loop\(/g)).toHaveLength(1);
  });
  test('while, break and continue', async () => {
    await same(
      (x: Tensor, n: number) => {
        let total = x.mul(0);
        let i = 0;
        while (true) {
          i++;
          if (i > n) break;
          if (i % 3 === 1) continue;
          total = total.add(x.mul(i));
          if (total.sum().item() > 40) break;
        }
        return [total, i];
      },
      [
        [pos, 0],
        [pos, 4],
        [pos, 50],
        [neg, 9],
      ],
    );
  });
  test('a return inside a loop', async () => {
    await same(
      (x: Tensor, n: number) => {
        for (let i = 0; i < n; i++) {
          x = x.add(1);
          if (x.sum().item() > 30) return [x.neg(), i];
        }
        return [x, -1];
      },
      [
        [pos, 0],
        [pos, 2],
        [pos, 10],
      ],
    );
  });
  test('loops in loops; do while; a whole number that becomes a fraction', async () => {
    await same(
      (n: number) => {
        let sum = 0;
        let half = 1;
        for (let i = 0; i < n; i++) {
          for (let j = i; j < n; j += 2) sum += i * j;
          half = half / 2;
        }
        do sum -= 7;
        while (sum > 20);
        return [sum, half, Math.floor(sum / 4), Math.max(sum, 2)];
      },
      [[0], [3], [6]],
    );
  });
  test('a position that the graph computes', async () => {
    await same(
      (x: Tensor) => {
        let best = 0;
        for (let i = 1; i < x.size(0); i++) if (x.index(i).sum().item() > x.index(best).sum().item()) best = i;
        return [x.select(0, best), best];
      },
      [
        [
          fb.tensor([
            [1, 2],
            [5, 6],
            [3, 4],
          ]),
        ],
        [
          fb.tensor([
            [9, 2],
            [5, 6],
            [3, 4],
          ]),
        ],
      ],
    );
  });
  test('fibonacci numbers, exact beyond 2^32', async () => {
    await same(
      (n: number) => {
        let [a, b] = [0, 1];
        for (let i = 0; i < n; i++) [a, b] = [b, a + b];
        return a;
      },
      [[0], [10], [70]],
    );
  });
  test('fractions that reach one variable after another; remainders by zero; numbers beyond 2^53', async () => {
    await same(
      (n: number) => {
        let [a, b, c] = [1, 1, 1];
        for (let i = 0; i < n; i++) [a, b, c] = [b, c, c / 2];
        return [a, b, c];
      },
      [[0], [1], [5]],
    );
    await same((n: number, m: number) => (n % m === 0 ? n : n % 4), [[6, 3], [7, 3], [-7, 3], [6, 0]]); // prettier-ignore
    await same((n: number) => (n > 5 ? n / 2 : n + 1), [[1e20], [7], [2]]);
    await same((x: Tensor, n: number | null) => (n === null ? x : x.add(n)), [[pos, 0], [pos, 2]]); // prettier-ignore
  });
  test('greedy decoding', async () => {
    const table = fb.tensor([
      [0, 1, 0.5],
      [0.25, 0.125, 3],
      [5, 1, 2],
    ]);
    await same(
      (scores: Tensor, n: number) => {
        let token = 0;
        let [total, steps] = [0, 0];
        while (steps < n) {
          const row = scores.index(token);
          const next = row.argmax().item();
          if (next === token) break;
          total += row.max().item();
          token = next;
          steps++;
        }
        return [token, total, steps];
      },
      [
        [table, 7],
        [table, 0],
        [table.T, 7],
      ],
    );
  });
  test('known rounds are written out', async () => {
    const text = await same(
      (x: Tensor) => {
        const parts: Tensor[] = [];
        for (let i = 0; i < 3; i++) parts.push(x.mul(i));
        for (const p of parts) x = x.add(p);
        return x;
      },
      [[pos]],
    );
    expect(text).not.toMatch(/= loop\(/);
  });
});

describe('functions and modules', () => {
  const scale = 0.25;
  const square = (x: Tensor): Tensor => x.mul(x);
  const clip = fb.jit.script((x: Tensor) => (x.max().item() > 0.5 ? x.clamp({ max: 0.5 }) : x));
  test('given functions, scripted functions and arrow functions inside', async () => {
    await same(
      (x: Tensor, n: number) => {
        const twice = (y: Tensor): Tensor => clip(y).add(scale);
        for (let i = 0; i < n; i++) x = twice(square(x));
        return F.relu(x);
      },
      [
        [pos, 0],
        [pos, 3],
        [neg, 2],
      ],
      { square, clip, scale, F },
    );
  });

  class Cell extends nn.Module {
    inner = new nn.Linear(4, 4);
    gate = new nn.Sequential(new nn.Linear(4, 4), new nn.Sigmoid());
    layers = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4)]);
    step(h: Tensor): Tensor {
      return h.mul(this.gate(h)).add(fb.tanh(this.inner(h)));
    }
    forward(h: Tensor, n: number): Tensor {
      for (let i = 0; i < n; i++) {
        h = this.step(h);
        if (h.norm().item() > 3) break;
      }
      for (const layer of this.layers) h = layer(h);
      return h;
    }
  }
  test('a module with layers, methods and a list of modules', async () => {
    const m = new Cell().eval();
    const calls = [0, 2, 9].map((n) => [pos, n] as const);
    const expected = calls.map(([x, n]) => fb.noGrad(() => m(x, n)).clone());
    const scripted = fb.jit.script(m);
    for (const [x, n] of calls) fb.noGrad(() => scripted(x, n));
    expect(scripted.reason).toBe('');
    expect(await scripted.ready()).toBe(true);
    calls.forEach(([x, n], k) => expect(fb.noGrad(() => scripted(x, n)).allclose(expected[k]!)).toBe(true));
    expect(scripted.graph.ir.captures.map((v) => v.name)).toContain('gate.0.weight');
    // Parameters are read in every run.
    fb.noGrad(() => m.inner.weight.zero_());
    const now = fb.noGrad(() => scripted(pos, 2));
    expect(now.allclose(expected[1]!)).toBe(false);
    // Gradients: the call runs as it is written.
    scripted(pos, 2).sum().backward();
    expect(m.inner.bias!.grad).not.toBeNull();
  });
  test('a traced module inside, a scripted one in compile and trace', async () => {
    const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 4)).eval();
    const traced = fb.jit.trace(net, [pos]);
    await same(
      (x: Tensor, n: number) => {
        for (let i = 0; i < n; i++) x = traced(x);
        return x;
      },
      [
        [pos, 0],
        [pos, 2],
      ],
      { traced },
    );
    const known = fb.jit.script((x: Tensor) => (x.size(0) > 2 ? x.mul(3) : x));
    expect(
      fb.jit
        .trace(
          (x: Tensor) => known(x).add(1),
          [pos],
        )(pos)
        .allclose(pos.mul(3).add(1)),
    ).toBe(true);
  });
  test('save and load', async () => {
    const f = fb.jit.script((x: Tensor, n: number) => {
      let k = 0;
      for (; k < n; k++)
        if (x.sum().item() > 20) x = x.mul(0.25);
        else x = x.add(1);
      return { x, k };
    });
    const expected = fb.noGrad(() => f(pos, 5));
    const path = join(mkdtempSync(join(tmpdir(), 'flambeau-script-')), 'f.fbg');
    f.save(path);
    const loaded = fb.jit.load(path);
    const run = (): { x: Tensor; k: Tensor } =>
      loaded(pos, fb.tensor(5, { dtype: 'int64' })) as unknown as { x: Tensor; k: Tensor };
    for (const built of [false, true]) {
      if (built) expect(await loaded.ready()).toBe(true);
      expect(run().x.allclose(expected.x)).toBe(true);
      expect(run().k.item()).toBe(expected.k);
    }
    rmSync(path);
  });
  test('a number that decides a shape is part of the kind', async () => {
    await same((x: Tensor, n: number) => (x.sum().item() > 0 ? x.reshape(n, -1) : x.neg().reshape(n, -1)).sum(0), [[pos, 2], [pos, 6], [neg, 3]]); // prettier-ignore
  });
});

test('a name that stands for something else: the first call sees it', () => {
  const F = { relu: (x: Tensor): Tensor => x.neg() };
  const scripted = fb.jit.script((x: Tensor) => F.relu(x));
  expect(fb.noGrad(() => scripted(pos)).allclose(pos.neg())).toBe(true);
  expect(scripted.reason).toMatch(/does not give what the function gives: the result has other numbers/);
  expect(fb.noGrad(() => scripted(pos)).allclose(pos.neg())).toBe(true);
});

describe('what is not part of script', () => {
  const refuse = (f: Fn, what: RegExp, frame: RegExp): void => {
    expect(() => fb.jit.script(f)).toThrow(what);
    expect(() => fb.jit.script(f)).toThrow(frame);
  };
  test('syntax is refused at once, with the code and a suggestion', () => {
    refuse((x: Tensor) => { try { return x; } catch { return x; } }, /try and catch are not part of script/, /> 2 \| +try \{\n +\| +\^/); // prettier-ignore
    refuse((x: Tensor) => { for (const k in { x }) return k; }, /Instead: for\.\.\.of/, /\^\^\^/); // prettier-ignore
    expect(() => fb.jit.script(Math.max)).toThrow(/has no source/);
  });
  test.each<[string, Fn, RegExp]>([
    [
      'a tensor as a condition',
      (x: Tensor) => (x ? x : fb.neg(x)),
      /always true in JavaScript[\s\S]*Instead: x\w*\.item\(\)/,
    ],
    ['arithmetic on tensors', (x: Tensor) => (x as unknown as number) + 1, /does not work on tensors[\s\S]*\.add\(1\)/],
    ['other shapes on both ways', (x: Tensor) => { let y = x; if (x.sum().item() > 0) y = x.sum(0); return y; }, /is a tensor float32\[4\] on one way and a tensor float32\[3, 4\]/], // prettier-ignore
    [
      'a name from around',
      (x: Tensor) => x.mul(unknownName),
      /'unknownName' is not known here[\s\S]*globals: \{ unknownName \}/,
    ],
    ['a tensor of the caller changed in place', (x: Tensor) => { if (x.sum().item() > 0) x.add_(1); return x; }, /changed in place/], // prettier-ignore
    ['an array that grows in a computed loop', (x: Tensor, n: number) => { const a: Tensor[] = []; for (let i = 0; i < n; i++) a.push(x); return a; }, /an array of 0 on one way and an array of 1/], // prettier-ignore
  ])('%s: the call runs as it is written, and the reason says why', (_, f, reason) => {
    const scripted = fb.jit.script(f as (...a: unknown[]) => unknown);
    try {
      fb.noGrad(() => scripted(pos.clone(), 2));
    } catch (e) {
      expect(e).not.toBeInstanceOf(fb.jit.ScriptError);
    }
    expect(scripted.reason).toMatch(reason);
    expect(scripted.reason).toMatch(/line \d+, column \d+\)\n[\s\S]*\^/);
  });
});
declare const unknownName: number;
