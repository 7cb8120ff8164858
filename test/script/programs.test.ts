// Programs as users write them: scripted, they give what they give as they are written, in values, in gradients and as ONNX models.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

fb.manualSeed(12);
type Fn = (...args: never[]) => unknown;
interface Program {
  readonly f: Fn | nn.Module;
  readonly calls: readonly (readonly unknown[])[];
  readonly globals?: fb.jit.ScriptOptions['globals'];
  /** Not exported: its arguments or results are no values of a model. */
  readonly noModel?: boolean;
}

const a = fb.randn(3, 4);
const b = fb.randn(3, 4);

class Encoder extends nn.Module {
  layers = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4), new nn.Linear(4, 4)]);
  norm = new nn.LayerNorm(4);
  scale = 0.5;
  options = { residual: true, depth: 2 };
  private mix(x: Tensor, y: Tensor, weight = this.scale): Tensor {
    return x.mul(weight).add(y.mul(1 - weight));
  }
  forward(x: Tensor, threshold: number, mode = 'mix'): Tensor {
    const { residual, depth } = this.options;
    let h = x;
    let k = 0;
    for (const layer of this.layers) {
      if (k++ > depth) break;
      const next = fb.relu(layer(h) as Tensor);
      if (next.max().item() > threshold) h = mode === 'mix' ? this.mix(h, next) : next;
      else if (residual) h = h.add(next);
    }
    return this.norm(h);
  }
}

class Cell extends nn.Module {
  gates = new nn.Linear(8, 16);
  forward(xs: Tensor, h0: Tensor): { out: Tensor; state: [Tensor, Tensor] } {
    let [h, c] = [h0, fb.zerosLike(h0)];
    const outs: Tensor[] = [];
    for (const x of xs) {
      const [i, f, g, o] = this.gates(fb.cat([x, h], 1)).chunk(4, 1) as [Tensor, Tensor, Tensor, Tensor];
      c = c.mul(f.sigmoid()).add(i.sigmoid().mul(g.tanh()));
      h = o.sigmoid().mul(c.tanh());
      outs.push(h);
    }
    return { out: fb.stack(outs), state: [h, c] };
  }
}

const programs: Readonly<Record<string, Program>> = {
  'closures that count and write variables around them': {
    f: (x: Tensor, n: number) => {
      let [y, steps] = [x, 0];
      const advance = (by: number): void => {
        y = y.add(by);
        steps++;
      };
      for (let i = 0; i < n; i++) {
        if (y.sum().item() < 5) advance(0.5);
        else {
          advance(-1);
          steps += 2;
        }
      }
      return { y, steps };
    },
    calls: [[a, 0], [a, 9], [a.abs(), 4]], // prettier-ignore
  },
  'writes in parts of expressions and before an early return': {
    f: (x: Tensor, n: number) => {
      let [y, steps, found] = [x, 0, -1];
      const visit = (i: number): number => {
        steps++;
        if (y.sum().item() > 3) {
          y = y.mul(0.5);
          return i;
        }
        y = y.add(1);
        return -1;
      };
      const twice = (f: (i: number) => number, i: number): number => (i % 2 === 0 ? f(i) : f(i) + f(i));
      for (let i = 0; i < n; i++) {
        const k = twice(visit, i);
        // eslint-disable-next-line @typescript-eslint/no-unused-expressions -- such code is the subject
        k > 0 && (found = k);
        // eslint-disable-next-line @typescript-eslint/no-unused-expressions -- such code is the subject
        y.max().item() > 4 ? (steps += 10) : steps--;
      }
      return { y, steps, found };
    },
    calls: [[a, 0], [a, 5], [b, 8]], // prettier-ignore
  },
  'an alternative where a number is zero': {
    f: (x: Tensor, n: number) => {
      const rounds = n || 3;
      const floor = n && n - 1;
      for (let i = 0; i < rounds; i++) x = x.mul(0.5).add(floor);
      return x;
    },
    calls: [[a, 0], [a, 1], [a, 5]], // prettier-ignore
  },
  'arrays that are turned round and filled where they are': {
    f: (x: Tensor, n: number) => {
      const list = [x, x.exp(), x.neg()];
      const counts = [1, 2, 3];
      if (n > 1) {
        list.reverse();
        counts.fill(n, 1);
      }
      const last = [x.sin(), x.cos()].reverse()[0]!;
      return [list[0]!.mul(counts[2]!).add(last), counts[0]];
    },
    calls: [[a, 0], [a, 2], [b, 3]], // prettier-ignore
  },
  'patterns with defaults and the rest': {
    f: (x: Tensor, n: number) => {
      const [first, second = x, ...more] = [x.neg(), undefined, x.exp(), x.abs()];
      const {
        p = 2,
        q: scale = 3,
        ...others
      } = { p: n, r: x.sin(), s: 1 } as { p?: number; q?: number; r: Tensor; s: number };
      return [first!.add(second!).mul(p), more.length, more[1]!, scale, others.s];
    },
    calls: [[a, 2], [b, 3]], // prettier-ignore
  },
  'all forms of assignment': {
    f: (x: Tensor, n: number, limit?: number) => {
      let k = n;
      let best: number | null = null;
      limit ??= 4;
      best ??= k;
      k **= 2;
      k -= limit;
      k *= 3;
      k %= 7;
      k /= 2;
      let flag = k > 0;
      flag &&= best > 1;
      flag ||= x.sum().item() > 100;
      let bits = 6;
      bits |= 1;
      bits <<= 1;
      return { y: flag ? x.mul(k) : x.sub(k), k, bits, best };
    },
    calls: [[a, 3], [a, 1], [a, 2, 1]], // prettier-ignore
    noModel: true,
  },
  'the usual methods of arrays': {
    f: (x: Tensor) => {
      const parts = x.unbind(0);
      const size = x.shape.reduce((p, s) => p * s, 1);
      const even = parts.filter((_, i) => i % 2 === 0);
      let sum = fb.zeros(4);
      even.forEach((p, i) => (sum = sum.add(p.mul(i + 1))));
      for (const [i, p] of parts.entries()) if (p.sum().item() > 0) sum = sum.add(i);
      const last = parts.pop()!;
      const powers = Array.from({ length: 3 }, (_, i) => last.pow(i));
      const total = powers.reduce((p, q) => p.add(q));
      const [lo, hi] = [Math.min(...x.shape), Math.max(...x.shape, 2)];
      return [sum, total, size, parts.length, lo, hi, even.some((p) => p.dim() > 1), x.shape.indexOf(4)];
    },
    calls: [[a], [b]],
  },
  'fields of an object that are written': {
    f: (x: Tensor, n: number) => {
      const state = { h: x, count: 0, seen: [0, 0] };
      for (let i = 0; i < n; i++) {
        state.h = state.h.tanh().add(0.1);
        if (state.h.mean().item() > 0.2) state.count++;
        state.seen[1] = i;
      }
      const copy = { ...state, extra: x.neg() };
      return copy;
    },
    calls: [[a, 0], [a, 6]], // prettier-ignore
  },
  'a switch over a text and over a number of the graph': {
    f: (x: Tensor, mode: string, n: number) => {
      let y = x;
      switch (mode.toLowerCase()) {
        case 'relu':
        case 'positive':
          y = x.relu();
          break;
        case 'tanh':
          return x.tanh();
        default:
          y = x.neg();
      }
      switch (n % 3) {
        case 0:
          return y.add(1);
        case 1:
          y = y.mul(2);
          break;
        default:
          y = y.mul(3);
          break;
      }
      return y;
    },
    calls: [[a, 'ReLU', 0], [a, 'ReLU', 1], [a, 'positive', 2], [a, 'tanh', 2], [a, 'none', 4]], // prettier-ignore
    noModel: true,
  },
  'functions declared inside, called before they stand': {
    f: (x: Tensor, n: number) => {
      let y = twice(x);
      for (let i = 0; i < n; i++) y = clamp(y, i);
      function twice(t: Tensor): Tensor {
        return t.mul(2);
      }
      function clamp(t: Tensor, i: number): Tensor {
        if (t.abs().max().item() > 1) return t.div(2 + i);
        return t.add(0.1);
      }
      return y;
    },
    calls: [[a, 0], [a, 4]], // prettier-ignore
  },
  'functions of Math': {
    f: (x: Tensor, n: number) => {
      const s = x.sum().item();
      const m = Math.max(s, n, 1);
      const r = Math.round(s * 2) + Math.hypot(s, n) + Math.atan2(s, 2) + Math.cbrt(n);
      const scale = Math.sqrt(m) * Math.PI + Math.min(m, 2, n);
      const finite = Number.isFinite(s / (n - 2)) && !Number.isNaN(s);
      return [x.mul(scale), m, finite ? r : 0, Math.abs(-s), Math.sign(s)];
    },
    calls: [[a, 2], [a, 3], [b.neg(), 5]], // prettier-ignore
    noModel: true, // onnxruntime has no Atan of doubles
  },
  'a module with a list of layers, options and an optional text': {
    f: new Encoder().eval(),
    calls: [[a, 0.2], [a, 5], [b, 0.2, 'last'], [b, -1, 'mix']], // prettier-ignore
    noModel: true,
  },
  'a recurrent cell over a sequence': {
    f: new Cell().eval(),
    calls: [[fb.randn(5, 2, 4), fb.randn(2, 4)]],
  },
  'greedy steps until the end sign': {
    f: (logits: Tensor, eos: number, limit: number) => {
      let token = 0;
      let score = fb.zeros(1);
      let length = 0;
      while (length < limit) {
        const row = fb.logSoftmax(logits.select(0, token), 0);
        token = row.argmax().item();
        score = score.add(row.max());
        length++;
        if (token === eos) break;
      }
      return { score, length, token, mean: score.div(length > 0 ? length : 1) };
    },
    calls: [[fb.randn(6, 6), 2, 8], [fb.randn(6, 6), 5, 3], [fb.eye(6).flip([1]), 5, 4], [fb.eye(6), 1, 0]], // prettier-ignore
  },
  'a search for the first row, with continue and an early return': {
    f: (x: Tensor, threshold: number) => {
      for (let i = 0; i < x.shape[0]!; i++) {
        const row = x.select(0, i);
        if (row.min().item() < -threshold) continue;
        if (row.max().item() > threshold) return { row, index: i };
      }
      return { row: fb.zeros(4), index: -1 };
    },
    calls: [[a, 0.5], [b, 0.5], [a, 1.5], [a, 99.5]], // prettier-ignore
  },
  "Newton's method with a tolerance": {
    f: (x: Tensor, tolerance: number, limit: number) => {
      let y = x.abs().add(1);
      let error = Infinity;
      let i = 0;
      do {
        const next = y.add(x.abs().div(y)).mul(0.5);
        error = next.sub(y).abs().max().item();
        y = next;
      } while (error > tolerance && ++i < limit);
      return [y, i];
    },
    calls: [[a, 1e-3, 50], [a, 1e-5, 2], [b, 0.5, 50]], // prettier-ignore
  },
  'optional tensors and fields that may be missing': {
    f: (x: Tensor, mask?: Tensor | null, options?: { scale?: number }) => {
      const scale = options?.scale ?? 2;
      let y = x.mul(scale);
      if (mask !== undefined && mask !== null) y = y.mul(mask);
      if (typeof mask === 'undefined') y = y.add(1);
      const count = mask?.sum().item() ?? -1;
      return { y, count };
    },
    calls: [[a], [a, null], [a, b.gt(0).float()]], // prettier-ignore
    noModel: true,
  },
  'ternaries in ternaries, negations, both conditions': {
    f: (x: Tensor, n: number) => {
      const s = x.sum().item();
      const k = n > 4 ? 2 : n > 2 ? (s > 0 ? 1 : -1) : 0;
      const inside = !(s > 3) && s > -3;
      const either = n === 1 || (inside && n !== 3);
      return either ? x.add(k) : inside ? x.sub(k) : x.mul(k);
    },
    calls: [1, 2, 3, 4, 5].flatMap((n) => [a, b, a.abs()].map((t) => [t, n])),
  },
  'arrays in a computed loop, exchanged': {
    f: (x: Tensor, n: number) => {
      let [p, q] = [x, x.neg()];
      const ring = [p, q, p.add(q)];
      for (let i = 0; i < n; i++) {
        [p, q] = [q, p.add(1)];
        ring[0] = p;
        ring[2] = ring[2]!.add(q);
      }
      return ring;
    },
    calls: [[a, 0], [a, 1], [a, 5]], // prettier-ignore
  },
  'given functions and constants': {
    f: (x: Tensor, n: number) => {
      for (let i = 0; i < n; i++) x = damp(x, RATES[1]!);
      return [x, `${NAME}-${RATES.length}`];
    },
    globals: {
      NAME: 'run',
      RATES: [0.1, 0.5],
      damp: (x: Tensor, rate: number) => (x.abs().mean().item() > rate ? x.mul(rate) : x.add(rate)),
    },
    calls: [[a, 0], [a, 7]], // prettier-ignore
  },
  'tensors of several dtypes and a bool of the graph': {
    f: (x: Tensor, index: Tensor) => {
      const chosen = x.indexSelect(1, index);
      const any = index.gt(2).any().item() as unknown as boolean;
      let count = 0;
      for (const i of index) if ((i.item() as number) % 2 === 0) count += 1;
      return { chosen: any ? chosen.neg() : chosen, any, count };
    },
    calls: [[a, fb.tensor([0, 1], { dtype: 'int64' })], [a, fb.tensor([3, 2], { dtype: 'int64' })]], // prettier-ignore
  },
  'gradual growth of a number that becomes a fraction': {
    f: (x: Tensor, n: number) => {
      let rate = 1;
      let total = 0;
      for (let i = n; i > 0; i--) {
        rate = rate * 0.5;
        total += rate * i;
        if (total > 3) break;
      }
      return [x.mul(rate), total];
    },
    calls: [[a, 0], [a, 3], [a, 40]], // prettier-ignore
  },
};
declare const damp: (x: Tensor, rate: number) => Tensor;
declare const RATES: number[];
declare const NAME: string;

const values = (x: unknown): unknown =>
  x instanceof fb.Tensor
    ? { dtype: x.dtype, shape: x.shape, values: values(x.detach().double().reshape(-1).tolist()) }
    : typeof x === 'number' && !Number.isInteger(x)
      ? Number(x.toPrecision(4))
      : Array.isArray(x)
        ? x.map(values)
        : typeof x === 'object' && x !== null
          ? Object.fromEntries(Object.entries(x).map(([k, v]) => [k, values(v)]))
          : x;
const firstFloat = (x: unknown): Tensor | undefined =>
  x instanceof fb.Tensor
    ? x.isFloatingPoint() ? x : undefined
    : typeof x === 'object' && x !== null ? Object.values(x).map(firstFloat).find((t) => t !== undefined) : undefined; // prettier-ignore

test.each(Object.entries(programs))('%s', async (_, { f, calls, globals = {}, noModel }) => {
  const given = (args: readonly unknown[]): unknown[] => args.map((x) => (x instanceof fb.Tensor ? x.clone() : x));
  const source = f instanceof nn.Module ? (f as unknown as { forward: Fn }).forward : f;
  Object.assign(globalThis, globals);
  const plain = (...args: unknown[]): unknown => (source as (...x: unknown[]) => unknown).apply(f, given(args));
  const want = calls.map((args) => values(fb.noGrad(() => plain(...args))));
  const gradient = (call: (...x: unknown[]) => unknown, args: readonly unknown[]): unknown => {
    const leaf = (args[0] as Tensor).clone().requiresGrad_();
    const y = firstFloat(call(leaf, ...args.slice(1)))!;
    return y.requiresGrad ? values(fb.autograd.grad(y.sum(), [leaf])[0]) : null;
  };
  const wantGradients = calls.map((args) => gradient((...x) => (source as (...x: unknown[]) => unknown).apply(f, x), args)); // prettier-ignore
  const scripted = fb.jit.script(f as (...x: unknown[]) => unknown, { globals });
  for (const args of calls) {
    fb.noGrad(() => scripted(...given(args)));
    expect(scripted.reason).toBe('');
  }
  expect(await scripted.ready()).toBe(true);
  expect(calls.map((args) => values(fb.noGrad(() => scripted(...given(args)))))).toEqual(want);
  expect(calls.map((args) => gradient(scripted, args))).toEqual(wantGradients);
  if (noModel !== true)
    for (const args of calls.slice(0, 2)) fb.onnx.export(scripted as never, args as never, null, { verify: true });
});

test('objects and arrays from outside are not changed unseen', () => {
  const outside = { h: 1, list: [1, 2] };
  for (const f of [
    (x: Tensor) => ((o: typeof settings) => (o.list[0] = 3))(settings) && x,
    (x: Tensor) => settings.list.push(1) && x,
  ]) {
    const scripted = fb.jit.script(f, { globals: { settings: outside } });
    Object.assign(globalThis, { settings: outside });
    fb.noGrad(() => scripted(a));
    expect(scripted.reason).toMatch(/an array or object from outside is changed[\s\S]*Instead: make a new one/);
  }
  expect(outside.list).toEqual([3, 2, 1]);
});
declare const settings: { list: number[] };

test('integers divided by a constant stay in the kernels of the loop', async () => {
  const f = fb.jit.script((x: Tensor, n: number) => {
    let k = 0;
    while (n !== 1) {
      n = n % 2 === 0 ? Math.floor(n / 2) : 3 * n + 1;
      k++;
    }
    return x.add(k);
  });
  const x = fb.rand(2);
  fb.noGrad(() => void f(x, 6));
  expect(await f.ready()).toBe(true);
  expect(fb.noGrad(() => f(x, 27)).allclose(x.add(111))).toBe(true);
  expect(f.explain().graphs[0]!.libraryCalls).toBe(0);
  // The choice between two numbers is no branch in the programs: a round of the loop is one of them.
  expect(f.explain().graphs[0]!.programs.map((p) => p.name)).toEqual(['main', 'loop 1', 'main (2)']);
  expect(String(f.graph)).toContain('= if(');
});
