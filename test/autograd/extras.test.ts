// Node hooks, checkpointing, forward-mode derivatives, once-differentiable functions, gradgradcheck.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const leaf = (data: number[] | number[][]): Tensor => fb.tensor(data, { dtype: 'float64', requiresGrad: true });
const { autograd } = fb;
const { checkpoint, checkpointSequential } = fb.utils.checkpoint;

describe('hooks', () => {
  test('of a node see and replace gradients, until removed', () => {
    const x = leaf([1, 2]);
    const seen: number[][] = [];
    const make = (): Tensor => x.mul(3);
    const y = make();
    const after = y.gradFn!.registerHook(([g, none], [out]) => {
      seen.push(g!.tolist() as number[], out!.tolist() as number[]);
      return [g!.mul(10), none!];
    });
    y.gradFn!.registerPrehook(([g]) => [g!.add(1)]);
    y.sum().backward({ retainGraph: true });
    expect(seen).toEqual([
      [6, 6],
      [2, 2],
    ]);
    expect(x.grad!.tolist()).toEqual([60, 60]);
    after.remove();
    x.grad = null;
    y.sum().backward();
    expect(x.grad!.tolist()).toEqual([6, 6]);
    const z = make();
    z.gradFn!.registerHook(() => []);
    expect(() => z.sum().backward()).toThrow('must return nothing or an array of 2 gradients');
  });
  test('after accumulation see the gradient in the leaf', () => {
    const x = leaf([1, 2]);
    const sums: number[] = [];
    const hook = x.registerPostAccumulateGradHook((p) => sums.push(p.grad!.sum().item()));
    x.mul(2).sum().backward();
    x.mul(2).sum().backward();
    hook.remove();
    x.mul(2).sum().backward();
    expect(sums).toEqual([4, 8]);
    expect(() => x.mul(2).registerPostAccumulateGradHook(() => {})).toThrow('non-leaf');
  });
  test('facts of a tensor in the graph', () => {
    const x = leaf([3, 1, 2]);
    const [values] = x.sort();
    expect([x.retainsGrad, values.retainsGrad, values.outputNr, x.outputNr]).toEqual([false, false, 0, 0]);
    values.retainGrad();
    expect(values.retainsGrad).toBe(true);
    const edge = autograd.graph.getGradientEdge(x);
    expect(edge.node.name).toMatch(/^AccumulateGrad/);
    expect(edge.node).toBeInstanceOf(autograd.graph.Node);
  });
});

describe('checkpoint', () => {
  test('gives the gradients of the plain call, to captured leaves too', () => {
    const w = leaf([[0.5, -1], [2, 0.25]]); // prettier-ignore
    const f = (x: Tensor, scale: number): Tensor => x.matmul(w).tanh().mul(scale);
    const grads = (run: (x: Tensor) => Tensor): unknown[] => {
      const x = leaf([[1, 2], [3, -4]]); // prettier-ignore
      w.grad = null;
      run(x).pow(2).sum().backward();
      return [x.grad!.tolist(), w.grad!.tolist()];
    };
    let calls = 0;
    const counted = (x: Tensor, s: number): Tensor => (calls++, f(x, s));
    expect(grads((x) => checkpoint(counted, x, 3))).toEqual(grads((x) => f(x, 3)));
    expect(calls).toBe(2);
    expect(grads((x) => checkpointSequential([(y) => f(y, 1), (y) => y.exp(), (y) => f(y, 2)], 2, x))).toEqual(
      grads((x) => f(f(x, 1).exp(), 2)),
    );
    const plain = fb.tensor([[1, 2]], { dtype: 'float64' });
    w.grad = null;
    checkpoint(f, plain, 1).sum().backward();
    expect(w.grad).not.toBeNull();
  });
  test('drops the same elements again', () => {
    const x = fb.ones(1000, { requiresGrad: true });
    const y = checkpoint((t: Tensor) => fb.nn.functional.dropout(t, 0.5), x);
    y.sum().backward();
    expect(x.grad!.equal(y.detach())).toBe(true);
  });
  test('without grad mode is the plain call', () => {
    const x = leaf([1]);
    expect(fb.noGrad(() => checkpoint((t: Tensor) => t.exp(), x)).requiresGrad).toBe(false);
    expect(() => checkpointSequential([], 2, x)).toThrow('segments');
  });
});

describe('forward mode', () => {
  test('tangents are directional derivatives', () => {
    using _ = autograd.forwardAd.dualLevel();
    const x = fb.tensor([0.3, -0.7], { dtype: 'float64' });
    const t = fb.tensor([2, 1], { dtype: 'float64' });
    const { primal, tangent } = autograd.forwardAd.unpackDual(autograd.forwardAd.makeDual(x, t).sin().mul(x));
    expect(primal.allclose(x.sin().mul(x))).toBe(true);
    expect(tangent!.allclose(x.cos().mul(t).mul(x))).toBe(true);
    expect(autograd.forwardAd.unpackDual(x.exp()).tangent).toBeNull();
  });
  test('needs a level', () => {
    const x = fb.ones(2);
    expect(() => autograd.forwardAd.makeDual(x, x)).toThrow('no level exists');
    expect(() => autograd.forwardAd.dualLevel(() => autograd.forwardAd.makeDual(x, fb.ones(3)))).toThrow('same shape');
  });
});

describe('functions of their own', () => {
  class Cube extends autograd.Function {
    static override forward(ctx: fb.autograd.FunctionCtx, x: Tensor): Tensor {
      ctx.saveForBackward(x);
      return x.pow(3);
    }
    static override backward = autograd.onceDifferentiable((ctx: fb.autograd.FunctionCtx, g: Tensor) => {
      const [x] = ctx.savedTensors;
      return g.mul(x!.pow(2)).mul(3);
    });
  }
  test('that are differentiable once say so', () => {
    const x = leaf([2]);
    const [g] = autograd.grad(Cube.apply(x), [x], { createGraph: true, gradOutputs: leaf([1]) });
    expect(g!.item()).toBe(12);
    expect(() => g!.sum().backward()).toThrow('differentiate twice');
    const y = leaf([2]);
    Cube.apply(y).backward();
    expect(y.grad!.item()).toBe(12);
  });
  test('define vjp instead of backward', () => {
    class Twice extends autograd.Function {
      static override forward(_ctx: fb.autograd.FunctionCtx, x: Tensor): Tensor {
        return x.mul(2);
      }
      static override vjp(_ctx: fb.autograd.FunctionCtx, g: Tensor): Tensor {
        return g.mul(2);
      }
    }
    const x = leaf([1]);
    Twice.apply(x).backward();
    expect(x.grad!.item()).toBe(2);
  });
});

describe('gradcheck', () => {
  class Wrong extends autograd.Function {
    static override forward(ctx: fb.autograd.FunctionCtx, x: Tensor): Tensor {
      ctx.saveForBackward(x);
      return x.exp();
    }
    static override backward(ctx: fb.autograd.FunctionCtx, g: Tensor): Tensor {
      // The first derivative is right, the second is not: the saved tensor is taken out of the graph.
      return g.mul(ctx.savedTensors[0]!.detach().exp());
    }
  }
  for (const fastMode of [false, true]) {
    test(`finds right and wrong derivatives (fastMode: ${fastMode})`, () => {
      const x = leaf([0.3, -0.4, 0.9]);
      const w = leaf([1.5, 0.2, -2]);
      const f = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b).sin(), a.div(b.exp()).sum()];
      expect(autograd.gradcheck(f, [x, w], { fastMode })).toBe(true);
      expect(autograd.gradgradcheck(f, [x, w], null, { fastMode })).toBe(true);
      expect(autograd.gradcheck((a: Tensor) => Wrong.apply(a), x, { fastMode })).toBe(true);
      expect(() => autograd.gradgradcheck((a: Tensor) => Wrong.apply(a), x, null, { fastMode })).toThrow(
        'Jacobian mismatch',
      );
      const off = (a: Tensor): Tensor => a.mul(a.detach());
      expect(autograd.gradcheck(off, x, { fastMode, raiseException: false })).toBe(false);
    });
  }
  test('needs float64 inputs that require grad', () => {
    expect(() => autograd.gradcheck((a: Tensor) => a, fb.ones(2))).toThrow('at least one input');
    expect(() => autograd.gradcheck((a: Tensor) => a, fb.ones(2, { requiresGrad: true }))).toThrow('must be float64');
  });
});

describe('second derivatives', () => {
  const F = fb.nn.functional;
  const at = (fn: (x: fb.Tensor) => fb.Tensor, value: number): [number, number] => {
    const x = fb.tensor([value], { dtype: 'float64', requiresGrad: true });
    const [g] = fb.autograd.grad(fn(x).sum(), [x], { createGraph: true });
    const [h] = g!.requiresGrad ? fb.autograd.grad(g!.sum(), [x], { allowUnused: true }) : [null];
    return [g!.item() as number, (h?.item() as number | undefined) ?? 0];
  };
  test.each(['elu', 'celu', 'selu', 'logsigmoid', 'mish', 'silu', 'softplus', 'sigmoid', 'gelu'] as const)(
    '%s is finite where the side that is not taken overflows',
    (name) => {
      for (const x of [-1e4, -1000, 1000, 1e4])
        expect(at(F[name] as (x: fb.Tensor) => fb.Tensor, x)[1], `at ${x}`).toBeCloseTo(0, 12);
    },
  );
  test('numbers in formulas are doubles', () => {
    expect(at(F.selu, 1)[0]).toBe(1.0507009873554805);
    expect(at(F.logsigmoid, 0)).toEqual([0.5, -0.25]);
    expect(at(F.silu, 0)).toEqual([0.5, 0.5]);
    expect(at((x) => F.leakyRelu(x, 0.1), -1)[0]).toBe(0.1);
  });
});
