// Gradients as users ask for them: backward, grad, modes, hooks, functional derivatives, own functions.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const leaf = (data: number[] | number[][] | number): Tensor => fb.tensor(data, { requiresGrad: true });

describe('backward', () => {
  test('accumulates and takes a gradient', () => {
    const x = leaf([1, 2, 3]);
    const y = x.mul(2);
    y.backward(fb.tensor([1, 0.1, 0.01]), { retainGraph: true });
    y.backward({ gradient: fb.ones(3) });
    expect(x.grad!.allclose(fb.tensor([4, 2.2, 2.02]))).toBe(true);
    expect(y.gradFn?.name).toBe('MulBackward0');
    expect([y.isLeaf, x.isLeaf, y.grad]).toEqual([false, true, null]);
  });
  test("PyTorch's errors", () => {
    expect(() => leaf([1, 2]).mul(2).backward()).toThrow('grad can be implicitly created only for scalar outputs');
    expect(() => fb.ones(1).backward()).toThrow('does not require grad and does not have a grad_fn');
    const y = leaf([1]).mul(2).sum();
    y.backward();
    expect(() => y.backward()).not.toThrow(); // mul by a number saves nothing
    const z = leaf([1]).exp().sum();
    z.backward();
    expect(() => z.backward()).toThrow(/Trying to backward through the graph a second time/);
    const w = leaf([1]);
    expect(() => w.add_(1)).toThrow(/a leaf Variable that requires grad is being used in an in-place operation/);
    expect(() => fb.tensor([1], { dtype: 'int64', requiresGrad: true })).toThrow(/[Oo]nly Tensors of floating point/);
  });
  test('inputs limits the accumulation', () => {
    const [a, b] = [leaf(2), leaf(3)];
    a.mul(b).backward({ inputs: [a] });
    expect([a.grad!.item(), b.grad]).toEqual([3, null]);
  });
  test('grad can be assigned and cleared', () => {
    const x = leaf([1, 2]);
    x.grad = fb.ones(2);
    expect(x.grad!.tolist()).toEqual([1, 1]);
    expect(() => (x.grad = fb.ones(3))).toThrow(/different size/);
    x.grad = null;
    expect(x.grad).toBe(null);
  });
  test('hooks change gradients and can be removed', () => {
    const x = leaf([1, 2]);
    const y = x.mul(3);
    const seen: unknown[] = [];
    const h = y.registerHook((g) => {
      seen.push(g.tolist());
      return g.mul(10);
    });
    y.retainGrad();
    y.sum().backward();
    expect([seen, x.grad!.tolist()]).toEqual([[[1, 1]], [30, 30]]);
    h.remove();
    x.grad = null;
    x.mul(3).sum().backward();
    expect(x.grad!.tolist()).toEqual([3, 3]);
  });
});

describe('grad', () => {
  test('higher derivatives', () => {
    const a = leaf(2);
    let f = a.pow(3);
    const found: number[] = [];
    for (let n = 0; n < 3; n++) {
      [f] = fb.autograd.grad(f, [a], { createGraph: true }) as [Tensor];
      found.push(f.item());
    }
    expect(found).toEqual([12, 12, 6]);
  });
  test('unused inputs', () => {
    const [a, b] = [leaf(1), leaf(1)];
    expect(() => fb.autograd.grad(a.mul(2), [b])).toThrow(/appears to not have been used in the graph/);
    expect(fb.autograd.grad(a.mul(2), [b], { allowUnused: true })).toEqual([null]);
  });
});

describe('modes', () => {
  test('callbacks, using, nesting', () => {
    const x = leaf([1]);
    expect(fb.noGrad(() => x.mul(2)).requiresGrad).toBe(false);
    {
      using _ = fb.noGrad();
      expect(x.mul(2).requiresGrad).toBe(false);
      expect(fb.enableGrad(() => x.mul(2)).requiresGrad).toBe(true);
    }
    expect(fb.isGradEnabled()).toBe(true);
    expect(() =>
      fb.noGrad(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(fb.isGradEnabled()).toBe(true);
    expect(() => fb.noGrad(async () => 1)).toThrow(/synchronous callback/);
    expect(fb.isGradEnabled()).toBe(true);
    expect(fb.inferenceMode(() => x.mul(2)).requiresGrad).toBe(false);
  });
});

describe('functional', () => {
  test('jacobian and hessian', () => {
    const at = fb.tensor([1, 2, 3]);
    expect(fb.autograd.functional.jacobian((x: Tensor) => x.pow(2).mul(x.sum()), at).tolist()).toEqual([
      [13, 1, 1],
      [4, 28, 4],
      [9, 9, 45],
    ]);
    expect(fb.autograd.functional.hessian((x: Tensor) => x.pow(3).sum(), at).tolist()).toEqual([
      [6, 0, 0],
      [0, 12, 0],
      [0, 0, 18],
    ]);
  });
  test('products agree with the matrices', () => {
    const at = fb.tensor([1, 2, 3]);
    const f = (x: Tensor): Tensor => x.pow(2).mul(x.sum());
    const v = fb.tensor([1, -1, 2]);
    const J = fb.autograd.functional.jacobian(f, at);
    expect(fb.autograd.functional.vjp(f, at, v)[1].allclose(v.matmul(J))).toBe(true);
    expect(fb.autograd.functional.jvp(f, at, v)[1].allclose(J.matmul(v))).toBe(true);
    const g = (x: Tensor): Tensor => x.pow(3).sum().mul(x.select(0, 0));
    const H = fb.autograd.functional.hessian(g, at);
    expect(fb.autograd.functional.hvp(g, at, v)[1].allclose(H.matmul(v))).toBe(true);
  });
});

describe('Function', () => {
  class Cube extends fb.autograd.Function {
    static override forward(ctx: fb.autograd.FunctionCtx, x: Tensor, scale: number): Tensor {
      ctx.saveForBackward(x);
      ctx.scale = scale;
      return x.pow(3).mul(scale);
    }
    static override backward(ctx: fb.autograd.FunctionCtx, g: Tensor): [Tensor | null, null] {
      const [x] = ctx.savedTensors as [Tensor];
      return [ctx.needsInputGrad[0] ? g.mul(x.square()).mul(3 * (ctx.scale as number)) : null, null];
    }
  }
  test('forward and backward run, twice differentiable', () => {
    const x = leaf([2, 3]);
    const y = Cube.apply(x, 2);
    expect([y.tolist(), y.gradFn?.name]).toEqual([[16, 54], 'CubeBackward']);
    const [g] = fb.autograd.grad(y.sum(), [x], { createGraph: true }) as [Tensor];
    expect(g.tolist()).toEqual([24, 54]);
    expect(fb.autograd.grad(g.sum(), [x])[0]!.tolist()).toEqual([24, 36]);
  });
  test('without gradients nothing is recorded', () => {
    expect(Cube.apply(fb.ones(1), 1).requiresGrad).toBe(false);
    expect(fb.noGrad(() => Cube.apply(leaf([1]), 1)).requiresGrad).toBe(false);
  });
  test('gradcheck finds right and wrong derivatives', () => {
    const x = fb.rand(3, { dtype: 'float64', requiresGrad: true });
    expect(fb.autograd.gradcheck((t) => Cube.apply(t, 0.5), x)).toBe(true);
    class Wrong extends Cube {
      static override backward(_ctx: fb.autograd.FunctionCtx, g: Tensor): [Tensor, null] {
        return [g, null];
      }
    }
    expect(() => fb.autograd.gradcheck((t) => Wrong.apply(t, 0.5), x)).toThrow(/Jacobian mismatch/);
  });
  test('errors name the function', () => {
    class Few extends Cube {
      static override backward(): never {
        return [] as never;
      }
    }
    expect(() =>
      Few.apply(leaf([1]), 1)
        .sum()
        .backward(),
    ).toThrow(/Few/);
  });
});
