// fb.compile: whatever is compiled gives the results of the eager function, and what cannot be compiled stays eager with a reason.
import { beforeEach, describe, expect, test, vi } from 'vitest';
import * as F from '../../src/nn/functional.js';
import * as nn from '../../src/nn/index.js';
import * as optim from '../../src/optim/index.js';
import { noGrad } from '../../src/autograd/modes.js';
import { manualSeed } from '../../src/random.js';
import { compile, type CompiledFunction } from '../../src/runtime/compile.js';
import { live } from '../../src/runtime/live.js';
import { randn, tensor, zeros } from '../../src/tensor/create.js';
import type { Tensor } from '../../src/tensor/tensor.js';

beforeEach(() => {
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});

/** Calls until the program serves. */
async function warm<A extends readonly unknown[], R>(f: CompiledFunction<A, R>, ...args: A): Promise<void> {
  for (let i = 0; i < 6; i++) {
    f(...args);
    if (await f.ready()) return;
  }
  throw new Error(String(f.explain()));
}
const numbers = (t: Tensor): number[] => Array.from(t.detach().reshape([-1]).toArray() as ArrayLike<number>);
const close = (a: Tensor, b: Tensor): void => {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [numbers(a), numbers(b)];
  x.forEach((v, i) => expect(Math.abs(v - y[i]!)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(y[i]!))));
};

describe.each(['interpret', 'cpp'])('backend %s', (backend) => {
  test.each([
    ['2d', F.convTranspose2d, [2, 3, 5, 6], [3, 4, 3, 2]],
    ['3d', F.convTranspose3d, [2, 3, 4, 5, 6], [3, 4, 2, 3, 2]],
    ['without a batch', F.convTranspose2d, [3, 5, 6], [3, 4, 3, 2]],
  ] as const)('a transposed convolution and its bias, %s', async (_name, conv, input, weight) => {
    const fn = (x: Tensor, w: Tensor, b: Tensor): Tensor =>
      noGrad(() =>
        (conv as typeof F.convTranspose2d)(x, w, { bias: b, stride: 2, padding: 1, outputPadding: 1 }).tanh(),
      );
    const f = compile(fn, { backend });
    const [x, w, b] = [randn(input), randn(weight), randn([4])];
    await warm(f, x, w, b);
    const y = randn(input);
    close(f(y, w, b), fn(y, w, b));
    expect(f.explain().calls.compiled).toBe(1);
  });
  test.each([
    ['max 2x2', (x: Tensor) => F.maxPool2d(x.mul(2), 2).tanh()],
    ['max 3x3, overlapping, dilated', (x: Tensor) => F.maxPool2d(x, 3, { stride: [2, 1], dilation: [1, 2] })],
    ['max with padding', (x: Tensor) => F.maxPool2d(x, 3, { stride: 2, padding: 1 }).add(1)],
    ['max, rounded up', (x: Tensor) => F.maxPool2d(x, 2, { stride: 2, ceilMode: true })],
    ['max of rows', (x: Tensor) => F.maxPool1d(x.reshape(6, 9, 11), [5], { stride: [3] })],
    ['max and its places', (x: Tensor) => F.maxPool2dWithIndices(x, 2)[0].add(F.maxPool2dWithIndices(x, 2)[1])],
    ['average, overlapping', (x: Tensor) => F.avgPool2d(x.exp(), 3, { stride: 1 })],
    ['average of long rows', (x: Tensor) => F.avgPool2d(x, [1, 11])],
    ['average with padding', (x: Tensor) => F.avgPool2d(x, 2, { padding: 1 })],
    ['two, one after the other', (x: Tensor) => F.avgPool2d(F.maxPool2d(x.softmax(1), 2), 2)],
  ] as const)('pooling: %s', async (_name, pool) => {
    const fn = (x: Tensor): Tensor => noGrad(() => pool(x));
    const f = compile(fn, { backend });
    await warm(f, randn([2, 3, 9, 11]));
    const x = randn([2, 3, 9, 11]);
    close(f(x), fn(x));
    expect(f.explain().calls.compiled).toBe(1);
  });
  test('a chain of ops', async () => {
    const fn = (a: Tensor, b: Tensor): Tensor => a.mul(b).add(1).relu().sum([1]).exp();
    const f = compile(fn, { backend });
    const [a, b] = [randn([3, 5]), randn([3, 5])];
    await warm(f, a, b);
    const [c, d] = [randn([3, 5]), randn([3, 5])];
    close(f(c, d), fn(c, d));
    expect(f.explain().calls.compiled).toBe(1);
    expect(f.explain().compiled).toBe(true);
  });

  test('structured arguments and results; numbers and texts select the program', async () => {
    const fn = (
      o: { x: Tensor; list: Tensor[] },
      scale: number,
      mode: string | null,
    ): { y: Tensor; parts: [Tensor, number, null] } => {
      const s = o.list.reduce((p, q) => p.add(q), o.x);
      return { y: mode === 'neg' ? s.neg() : s, parts: [s.mul(scale), scale, null] };
    };
    const f = compile(fn, { backend });
    const o = { x: randn([4]), list: [randn([4]), randn([4])] };
    await warm(f, o, 2, 'neg');
    await warm(f, o, 3, null);
    for (const [scale, mode] of [
      [2, 'neg'],
      [3, null],
    ] as const) {
      const [got, want] = [f(o, scale, mode), fn(o, scale, mode)];
      close(got.y, want.y);
      close(got.parts[0], want.parts[0]);
      expect(got.parts.slice(1)).toEqual([scale, null]);
    }
    expect(f.explain().graphs.length).toBe(2);
  });

  test('several shapes, dtypes and layouts each get what they need', async () => {
    const fn = (x: Tensor): Tensor => x.mul(2).sum([0]);
    const f = compile(fn, { backend });
    for (const x of [
      randn([2, 3]),
      randn([4, 3]),
      randn([4, 3]).t(),
      randn([2, 3]).double(),
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { dtype: 'int64' },
      ),
    ]) {
      await warm(f, x);
      close(f(x), fn(x));
      expect(f(x).dtype).toBe(fn(x).dtype);
    }
  });

  test('in-place changes of arguments and of captured tensors happen', async () => {
    const total = zeros([3]);
    const fn = (x: Tensor): Tensor => {
      total.add_(x);
      x.mul_(2);
      return total.mul(1);
    };
    const f = compile(fn, { backend });
    const x = tensor([1, 2, 3]);
    await warm(f, x);
    const before = numbers(total);
    const y = tensor([10, 20, 30]);
    const out = f(y);
    expect(numbers(total)).toEqual(before.map((v, i) => v + [10, 20, 30][i]!));
    expect(numbers(y)).toEqual([20, 40, 60]);
    expect(numbers(out)).toEqual(numbers(total));
  });

  test('a result that is an argument or a captured tensor is that tensor', async () => {
    const total = zeros([2]);
    const f = compile((x: Tensor) => ({ x: x.add_(1), total: total.add_(x), fresh: x.mul(2), again: [x] }), {
      backend,
    });
    await warm(f, zeros([2]));
    const x = tensor([1, 2]);
    const r = f(x);
    expect(f.explain().calls.compiled).toBe(1);
    expect(r.x).toBe(x);
    expect(r.again[0]).toBe(x);
    expect(r.total).toBe(total);
    expect(numbers(r.fresh)).toEqual([4, 6]);
    expect(numbers(x)).toEqual([2, 3]);
  });

  test('a training step: forward, loss, backward and optimizer in one graph, with a learning rate that changes', async () => {
    class Net extends nn.Module {
      conv = new nn.Conv2d(1, 4, 3);
      fc = new nn.Linear(4 * 3 * 3, 5);
      forward(x: Tensor): Tensor {
        return this.fc(F.relu(F.maxPool2d(this.conv(x), 2)).flatten(1)) as Tensor;
      }
    }
    for (const make of [
      (p: Tensor[]) => new optim.SGD(p, { lr: 0.1 }),
      (p: Tensor[]) => new optim.SGD(p, { lr: 0.1, momentum: 0.9 }),
      (p: Tensor[]) => new optim.Adam(p, { lr: 0.01 }),
      (p: Tensor[]) => new optim.RMSprop(p, { lr: 0.01 }),
    ]) {
      const run = async (compiled: boolean): Promise<number[]> => {
        manualSeed(7);
        const net = new Net();
        const opt = make(net.parameters());
        const fn = (x: Tensor, t: Tensor): Tensor => {
          const loss = F.crossEntropy(net(x) as Tensor, t);
          opt.zeroGrad();
          loss.backward();
          opt.step();
          return loss;
        };
        const step = compiled ? compile(fn, { backend }) : null;
        const losses: number[] = [];
        for (let i = 0; i < 9; i++) {
          if (i === 6) opt.paramGroups[0]!.lr *= 0.5;
          const [x, t] = [randn([6, 1, 8, 8]), tensor([0, 1, 2, 3, 4, 0], { dtype: 'int64' })];
          losses.push((step ?? fn)(x, t).item() as number);
          if (step) await step.ready();
        }
        if (step) expect(step.explain().calls.compiled, String(step.explain())).toBeGreaterThanOrEqual(5);
        losses.push(...net.parameters().flatMap(numbers), ...net.parameters().flatMap((p) => numbers(p.grad!)));
        return losses;
      };
      const [want, got] = [await run(false), await run(true)];
      got.forEach((v, i) => expect(Math.abs(v - want[i]!)).toBeLessThanOrEqual(1e-4 * (1e-2 + Math.abs(want[i]!))));
    }
  });

  test('results that require grad: forward and backward are two programs', async () => {
    const w = randn([3, 4], { requiresGrad: true });
    const fn = (x: Tensor): Tensor[] => {
      const h = x.matmul(w).tanh();
      return [h.sum([1]), h.mul(h)];
    };
    const f = compile(fn, { backend });
    const run = (g: (x: Tensor) => Tensor[], x: Tensor): (Tensor | null)[] => {
      w.grad = null;
      x.grad = null;
      const [a, b] = g(x) as [Tensor, Tensor];
      a.sum().add(b.mul(3).sum()).backward();
      return [a, b, w.grad, x.grad];
    };
    const leaf = (): Tensor => randn([2, 3]).requiresGrad_();
    for (let i = 0; i < 5; i++) {
      run(f, leaf());
      await f.ready();
    }
    const x = leaf();
    const want = run(fn, x).map((t) => t!.detach().clone());
    const compiledBefore = f.explain().calls.compiled;
    const got = run(f, x);
    expect(f.explain().calls.compiled, String(f.explain())).toBe(compiledBefore + 1);
    got.forEach((t, i) => close(t!, want[i]!));
    // Only one of the results is used.
    w.grad = null;
    f(x)[0]!.sum().backward();
    const one = w.grad!.clone();
    w.grad = null;
    fn(x)[0]!.sum().backward();
    close(one, w.grad!);
  });
});

describe('what must not be frozen', () => {
  test('a number from outside that varies is noticed, named, and not baked in', async () => {
    let k = 1;
    const f = compile((x: Tensor) => x.mul(k));
    const x = tensor([1, 2]);
    for (let i = 0; i < 5; i++) {
      k = i + 1;
      expect(numbers(f(x))).toEqual([k, 2 * k]);
      await f.ready();
    }
    expect(f.explain().reasons.join()).toMatch(
      /a number varies between calls: 'mul' at compile\.test\.ts:\d+:\d+, operand 1: 1, then 2; wrap it as fb\.live/,
    );
  });
  test('a live number is asked again in every run', async () => {
    let k = 1;
    const f = compile((x: Tensor) => x.mul(live(() => k) as number));
    const x = tensor([1, 2]);
    await warm(f, x);
    for (k = 5; k < 8; k++) expect(numbers(f(x))).toEqual([k, 2 * k]);
    expect(f.explain().calls.compiled).toBe(3);
  });
  test('a tensor made from JavaScript data that varies is noticed', async () => {
    let k = 0;
    const f = compile((x: Tensor) => x.add(tensor([++k, 0])));
    const x = tensor([1, 2]);
    for (let i = 1; i <= 5; i++) {
      expect(numbers(f(x))).toEqual([1 + i, 2]);
      await f.ready();
    }
    expect(f.explain().reasons.join()).toMatch(
      /a captured \[2\] tensor is another one in every call \(first used by 'add' at/,
    );
  });
  test('a constant tensor made anew from equal data is a constant', async () => {
    const f = compile((x: Tensor) => x.add(tensor([3, 4])));
    await warm(f, tensor([1, 2]));
    expect(numbers(f(tensor([5, 6])))).toEqual([8, 10]);
  });
  test('branches that change later are seen as other courses, not replayed', async () => {
    let flip = false;
    const f = compile((x: Tensor) => (flip ? x.exp() : x.neg()));
    const x = tensor([1]);
    f(x);
    flip = true;
    expect(numbers(f(x))[0]).toBeCloseTo(Math.E, 5);
    await f.ready();
    expect(numbers(f(x))[0]).toBeCloseTo(Math.E, 5);
    expect(f.explain().recompiles.join()).toMatch(/the call took another course: op 0 'neg'.* is now 'exp'/);
  });
  test('train and eval mode of the modules inside are guards', async () => {
    const net = new nn.Dropout(0.5);
    const f = compile((x: Tensor) => net(x) as Tensor);
    net.eval();
    const x = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    await warm(f, x);
    expect(numbers(f(x))).toEqual(numbers(x));
    net.train();
    const seen = new Set(Array.from({ length: 6 }, () => numbers(f(x)).join()));
    expect(seen.size).toBeGreaterThan(1);
  });
  test('arguments that share memory are not mistaken for ones that do not', async () => {
    const fn = (a: Tensor, b: Tensor): Tensor => {
      a.mul_(2);
      return a.add(b);
    };
    const f = compile(fn);
    for (let i = 0; i < 4; i++) {
      f(tensor([1, 2]), tensor([3, 4]));
      await f.ready();
    }
    // The recorder cannot express this write: such calls stay eager.
    const shared = (): Tensor => {
      const whole = tensor([1, 2, 3]);
      return f(whole.narrow(0, 0, 2), whole.narrow(0, 1, 2));
    };
    for (let i = 0; i < 3; i++) {
      expect(numbers(shared())).toEqual([6, 7]);
      await f.ready();
      expect(numbers(f(tensor([1, 2]), tensor([3, 4])))).toEqual([5, 8]);
    }
    expect(f.explain().reasons.join()).toMatch(
      /cannot record this write: the tensor shares memory with another argument .* \(at compile\.test\.ts/,
    );
    // Nothing is done twice or left out where the recording ends in the middle.
    const whole = tensor([1, 2, 3]);
    const strict = compile(fn, { fullgraph: true });
    expect(() => strict(whole.narrow(0, 0, 2), whole.narrow(0, 1, 2))).toThrow(/cannot record this write/);
  });
  test('writes into an expanded argument, whose elements are one place, stay eager', async () => {
    for (const backend of ['interpret', 'cpp']) {
      const fn = (x: Tensor): Tensor => {
        x.narrow(0, 0, 1).mul_(2);
        return x.add(1);
      };
      const f = compile(fn, { backend });
      for (let i = 0; i < 4; i++) {
        const [mine, theirs] = [tensor([[1, 2]]).expand(3, 2), tensor([[1, 2]]).expand(3, 2)];
        expect(numbers(f(mine))).toEqual(numbers(fn(theirs)));
        expect(numbers(mine)).toEqual(numbers(theirs));
        await f.ready();
      }
      expect(f.explain().reasons.join()).toContain('elements of the tensor from outside share memory');
    }
  });
  test('gradients that accumulate from call to call do', async () => {
    const w = tensor([1, 2], { requiresGrad: true });
    const f = compile((x: Tensor) => {
      const loss = x.mul(w).sum();
      loss.backward();
      return loss;
    });
    for (let i = 1; i <= 8; i++) {
      f(tensor([1, 10]));
      expect(numbers(w.grad!)).toEqual([i, 10 * i]);
      await f.ready();
    }
    w.grad = null;
    f(tensor([1, 10]));
    expect(numbers(w.grad!)).toEqual([1, 10]);
  });
  test('a parameter that is replaced, or frozen, is not the recorded one', async () => {
    const net = new nn.Linear(2, 1, { bias: false });
    const opt = new optim.SGD(net.parameters(), { lr: 0.5 });
    const f = compile((x: Tensor) => {
      const loss = (net(x) as Tensor).sum();
      opt.zeroGrad();
      loss.backward();
      opt.step();
      return loss;
    });
    const x = tensor([[1, 2]]);
    await warm(f, x);
    f(x);
    const other = new nn.Parameter(tensor([[10, 10]]));
    const g = compile((v: Tensor) => noGrad(() => net(v) as Tensor));
    await warm(g, x);
    net.weight = other;
    expect(numbers(g(x))).toEqual([30]);
    await warm(g, x);
    expect(numbers(g(x))).toEqual([30]);
    expect(g.explain().reasons).toEqual([]);
    expect(g.explain().graphs.length).toBe(2);
    const frozen = new nn.Linear(2, 1, { bias: false });
    const o = new optim.SGD(frozen.parameters(), { lr: 0.5 });
    const step = compile((v: Tensor) => {
      o.zeroGrad();
      const loss = (frozen(v) as Tensor).sum();
      if (loss.requiresGrad) loss.backward();
      o.step();
      return loss;
    });
    await warm(step, x);
    step(x);
    frozen.weight.requiresGrad_(false);
    const before = numbers(frozen.weight);
    step(x);
    expect(numbers(frozen.weight)).toEqual(before);
  });
  test('grad mode is a guard', async () => {
    const w = tensor([2], { requiresGrad: true });
    const f = compile((x: Tensor) => x.mul(w));
    for (let i = 0; i < 3; i++) {
      noGrad(() => f(tensor([3])));
      await f.ready();
    }
    expect(f.explain().calls.compiled).toBe(1);
    const y = f(tensor([3]));
    expect(y.requiresGrad).toBe(true);
  });
});

describe('falling back', () => {
  test('a value needed on the host ends the recording, once, without running anything twice', () => {
    let calls = 0;
    const f = compile((x: Tensor) => {
      calls++;
      return (x.sum().item() as number) > 0 ? x.neg() : x;
    });
    for (let i = 1; i <= 3; i++) {
      expect(numbers(f(tensor([1, 2])))).toEqual([-1, -2]);
      expect(calls).toBe(i);
    }
    expect(f.explain().reasons.join()).toMatch(/needs a value on the host \(item\(\) at compile\.test\.ts:\d+:\d+\)/);
  });
  test('fullgraph throws instead, with the place', () => {
    const f = compile((x: Tensor) => x.mul(x.sum().item() as number), { fullgraph: true });
    expect(() => f(tensor([1, 2]))).toThrow(/item/);
    expect(tensor([1]).add(1).item()).toBe(2); // no trace is left running
  });
  test('an exception inside leaves no trace behind and reaches the caller', async () => {
    let bad = true;
    const f = compile((x: Tensor) => {
      const y = x.mul(2);
      if (bad) throw new RangeError('from the function');
      return y;
    });
    expect(() => f(tensor([1]))).toThrow(new RangeError('from the function'));
    bad = false;
    await warm(f, tensor([1]));
    expect(numbers(f(tensor([4])))).toEqual([8]);
  });
  test('a captured leaf as a result stays itself', async () => {
    const w = randn([2], { requiresGrad: true });
    const f = compile((x: Tensor) => [w, x.mul(w)]);
    for (let i = 0; i < 5; i++) {
      const [same, y] = f(randn([2])) as [Tensor, Tensor];
      expect(same.isLeaf).toBe(true);
      y.sum().backward();
      await f.ready();
    }
    const [same] = f(randn([2])) as [Tensor, Tensor];
    expect(same).toBe(w);
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
  });
  test('a result that is a view of an argument stays one', async () => {
    const f = compile((x: Tensor) => x.t());
    const x = randn([2, 3]);
    for (let i = 0; i < 4; i++) {
      expect(f(x).mul_(1).shape).toEqual([3, 2]);
      await f.ready();
    }
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
    const y = f(x);
    y.fill_(7);
    expect(x.eq(7).all().item()).toBe(true);
    expect(y.stride()).toEqual([1, 3]);
  });
  test('a shape that depends on values is a guard', async () => {
    const f = compile((x: Tensor) => x.nonzero().mul(2));
    const same = tensor([1, 0, 2]);
    for (let i = 0; i < 3; i++) {
      f(same);
      await f.ready();
    }
    expect(numbers(f(same))).toEqual([0, 4]);
    expect(f.explain().calls.compiled).toBeGreaterThan(0);
    expect(numbers(f(tensor([1, 1, 2])))).toEqual([0, 2, 4]);
    const writes = compile((x: Tensor) => x.add_(x.nonzero().sum()));
    for (let i = 0; i < 3; i++) {
      writes(tensor([1, 0, 2]));
      await writes.ready();
    }
    expect(writes.explain().reasons.join()).toMatch(/'nonzero' depends on values/);
  });
  test('views of written arguments and of tensors from outside', async () => {
    const w = randn([4]);
    const f = compile((x: Tensor) => {
      x.add_(1);
      return [x.narrow(0, 1, 2), w.view(2, 2), x.mul(2), x.detach().view(-1)];
    });
    const x = tensor([1, 2, 3]).requiresGrad_(false);
    for (let i = 0; i < 4; i++) {
      f(x);
      await f.ready();
    }
    const before = f.explain().calls.compiled;
    const [part, square, twice, flat] = f(x) as Tensor[];
    expect(f.explain().calls.compiled).toBe(before + 1);
    expect([numbers(part!), numbers(twice!), numbers(flat!)]).toEqual([
      [7, 8],
      [12, 14, 16],
      [6, 7, 8],
    ]);
    part!.zero_();
    expect(numbers(x)).toEqual([6, 0, 0]);
    square!.zero_();
    expect(numbers(w)).toEqual([0, 0, 0, 0]);
  });
  test('nested compiled functions become part of the outer one', async () => {
    const inner = compile((x: Tensor) => x.add(1));
    const outer = compile((x: Tensor) => inner(x).mul(inner(x)));
    await warm(inner, tensor([1]));
    await warm(outer, tensor([1]));
    expect(numbers(outer(tensor([2])))).toEqual([9]);
    expect(outer.explain().graphs[0]!.ops).toBe(2); // add once, mul
  });
  test('too many signatures: new ones run eagerly, with a notice', () => {
    const f = compile((x: Tensor, k: number) => x.mul(k));
    for (let k = 0; k < 20; k++) expect(numbers(f(tensor([1]), k))).toEqual([k]);
    expect(f.explain().graphs.length).toBeLessThanOrEqual(16);
    expect(f.explain().recompiles.join()).toMatch(/more than 16 different signatures/);
  });
  test('no compiler: one notice, and the function works', async () => {
    const before = process.env['CXX'];
    process.env['CXX'] = 'no-such-compiler';
    try {
      const f = compile((x: Tensor) => x.mul(2).add(7));
      for (let i = 0; i < 4; i++) {
        expect(numbers(f(tensor([i])))).toEqual([2 * i + 7]);
        expect(await f.ready()).toBe(false);
      }
      expect(f.explain().reasons.join()).toMatch(/'no-such-compiler' \(from CXX\) was not found/);
    } finally {
      if (before === undefined) delete process.env['CXX'];
      else process.env['CXX'] = before;
    }
  });
  test('unknown backends are named', () => {
    expect(() => compile((x: Tensor) => x, { backend: 'tpu' })).toThrow(
      /unknown backend 'tpu' \(known: interpret, cpp, cuda\)/,
    );
  });
});

test('a size that keeps changing becomes symbolic: one program for all of them', async () => {
  const w = randn([5, 4]);
  const fn = (x: Tensor): Tensor => x.matmul(w).relu().softmax(1).reshape([-1]).mul(2);
  const f = compile(fn);
  for (const n of [3, 4]) {
    f(randn([n, 5]));
    await f.ready();
  }
  expect(await f.ready()).toBe(true);
  const before = f.explain().graphs.length;
  for (const n of [2, 10, 33, 100, 3]) {
    const x = randn([n, 5]);
    close(f(x), fn(x));
  }
  const e = f.explain();
  expect(e.graphs.length, String(e)).toBe(before);
  expect(e.graphs.at(-1)).toMatchObject({ signature: 'float32[s0, 5]', runs: 5 });
  // Size 1 broadcasts: it gets a program of its own.
  const one = randn([1, 5]);
  close(f(one), fn(one));
  expect(f.explain().graphs.length).toBe(before + 1);
});

test('sizes that enter as numbers are specialised, with a reason', async () => {
  const fn = (x: Tensor): Tensor => x.div(x.shape[0]! * 1.5);
  const f = compile(fn);
  for (const n of [2, 3, 4, 5]) await warm(f, randn([n]));
  const x = randn([5]);
  close(f(x), fn(x));
  expect(f.explain().recompiles.join()).toMatch(
    /each gets its own program: node 0 'trueDivide' .* a number computed from a size cannot be symbolic/,
  );
});

test('a synchronous loop switches to the program without the event loop', () => {
  const f = compile((x: Tensor) => x.mul(x).add(Math.PI).sqrt().log());
  const x = randn([100]);
  const until = Date.now() + 30_000;
  while (f.explain().calls.compiled === 0 && Date.now() < until) f(x);
  expect(f.explain().calls.compiled).toBeGreaterThan(0);
});
