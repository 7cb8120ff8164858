// Function transforms: against closed forms, and nested.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const { func } = fb;
const t = (data: number[] | number[][] | number): Tensor => fb.tensor(data, { dtype: 'float64' });
const close = (a: Tensor, b: Tensor): void => {
  expect(a.shape).toEqual(b.shape);
  expect(a.allclose(b, { rtol: 1e-9, atol: 1e-12 })).toBe(true);
};
const x = t([0.5, -1, 2]);

describe('grad', () => {
  test('of a scalar function, several arguments, aux', () => {
    close(func.grad((a: Tensor) => a.pow(3).sum())(x), x.pow(2).mul(3));
    const [gx, gy] = func.grad((a: Tensor, b: Tensor) => a.mul(b).sum(), { argnums: [0, 1] })(x, x.exp());
    close(gx!, x.exp());
    close(gy!, x);
    const [g, [value, aux]] = func.gradAndValue((a: Tensor) => [a.sum(), 'aux'] as const, { hasAux: true })(x) as [
      Tensor,
      [Tensor, string],
    ];
    close(g, fb.onesLike(x));
    expect([value.item(), aux]).toEqual([1.5, 'aux']);
  });
  test('nests', () => {
    const sin = (a: Tensor): Tensor => a.sin();
    const third = func.grad(func.grad(func.grad(sin)));
    close(third(t(0.3)), t(0.3).cos().neg());
    expect(() => func.grad(sin)(x)).toThrow('to return a scalar tensor');
  });
});

describe('products and Jacobians', () => {
  const f = (a: Tensor): Tensor => a.outer(a.sin());
  test('vjp, jvp and linearize agree with the Jacobian', () => {
    const J = func.jacrev(f)(x) as Tensor;
    close(func.jacfwd(f)(x) as Tensor, J);
    const v = t([1, -2, 0.5]);
    const [value, back] = func.vjp(f, x);
    close(value, f(x));
    close(back(fb.onesLike(value)) as Tensor, J.sum([0, 1]));
    close(func.jvp(f, [x], [v])[1], J.matmul(v));
    const [, push] = func.linearize(f, x);
    close(push(v.mul(2)), J.matmul(v).mul(2));
    expect(() => func.jvp(f, [x], [t([1])])).toThrow('tangent 0 has shape [1]');
  });
  test('Hessian of a quadratic and of a function with a constant derivative', () => {
    const A = t([[2, 1, 0], [1, 3, 0], [0, 0, -1]]); // prettier-ignore
    close(func.hessian((a: Tensor) => a.dot(A.mv(a)).mul(0.5))(x), A);
    close(func.hessian((a: Tensor) => a.sum())(x), fb.zeros([3, 3], { dtype: 'float64' }));
  });
});

describe('vmap', () => {
  const X = t([[1, 2, 3], [4, 5, 6]]); // prettier-ignore
  test('maps over dimensions of its arguments', () => {
    close(func.vmap((a: Tensor) => a.dot(a))(X), X.mul(X).sum(1));
    close(func.vmap((a: Tensor, w: Tensor) => a.mul(w.sum()), { inDims: [1, null], outDims: 1 })(X, x), X.mul(1.5));
    const [low, high] = func.vmap((a: Tensor): Tensor[] => [a.amin(), a.amax()])(X);
    close(low!, X.amin([1]));
    close(high!, X.amax([1]));
  });
  test('per-example gradients', () => {
    const loss = (w: Tensor, a: Tensor): Tensor => w.mul(a).sum().pow(2);
    const grads = func.vmap(func.grad(loss), { inDims: [null, 0] })(x, X);
    close(grads, X.mul(X.mv(x).mul(2).unsqueeze(1)));
  });
  test('bad dimensions', () => {
    expect(() => func.vmap((a: Tensor) => a)(t(1))).toThrow('in_dim=0 for an input of dimensionality 0');
    expect(() => func.vmap((a: Tensor, b: Tensor) => a.add(b))(X, x)).toThrow('same size in the mapped dimension');
    expect(() => func.vmap((a: number) => t(a))(1)).toThrow('at least one');
  });
});

describe('modules', () => {
  test('an ensemble by vmap over functionalCall equals its members', () => {
    const nets = [0, 1, 2].map(() => new fb.nn.Linear(3, 2));
    const [params, buffers] = func.stackModuleState(nets);
    expect(Object.keys(params)).toEqual(['weight', 'bias']);
    expect(buffers).toEqual({});
    const input = fb.randn(5, 3);
    const run = func.vmap((weight: Tensor, bias: Tensor) => func.functionalCall(nets[0]!, { weight, bias }, [input]));
    const out = run(params.weight!, params.bias!);
    nets.forEach((net, i) => expect(out.select(0, i).allclose(net(input))).toBe(true));
    out.sum().backward();
    expect(params.weight!.grad!.shape).toEqual([3, 2, 3]);
    expect(() => func.stackModuleState([])).toThrow('at least one model');
    expect(() => func.stackModuleState([nets[0]!, new fb.nn.ReLU()])).toThrow('same class');
  });
});
