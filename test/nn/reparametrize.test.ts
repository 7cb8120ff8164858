// Parametrizations, weight and spectral norm, pruning, fusion: what is learned, what is computed, and the way back.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
const { parametrize, parametrizations, prune } = nn.utils;

class Symmetric extends nn.Module {
  override forward(x: Tensor): Tensor {
    const up = x.triu();
    return up.add(up.t()).sub(x.mul(fb.eye(x.size(0))));
  }
  rightInverse(x: Tensor): Tensor {
    return x.triu();
  }
}

describe('parametrize', () => {
  test('the tensor is computed, the original is learned and saved', () => {
    const m = parametrize.registerParametrization(new nn.Linear(3, 3), 'weight', new Symmetric());
    expect(m.weight.allclose(m.weight.t())).toBe(true);
    expect(Object.keys(m.stateDict())).toEqual(['bias', 'parametrizations.weight.original']);
    expect([m instanceof nn.Linear, m.constructor.name, parametrize.isParametrized(m, 'weight')]).toEqual([
      true,
      'ParametrizedLinear',
      true,
    ]);
    m(fb.ones(1, 3)).sum().backward();
    expect(m.namedParameters().every(([, p]) => p.grad !== null)).toBe(true);
    const wanted = fb.eye(3);
    (m as { weight: Tensor }).weight = wanted;
    expect(m.weight.allclose(wanted)).toBe(true);
    expect(m.clone().weight.allclose(wanted)).toBe(true);
  });
  test('cached computes once; removing leaves the value as a parameter of the ordinary class', () => {
    const m = parametrize.registerParametrization(new nn.Linear(2, 2), 'weight', new Symmetric());
    const twice = (): boolean => m.weight === m.weight;
    expect(twice()).toBe(false);
    expect(parametrize.cached(twice)).toBe(true);
    const value = m.weight.detach();
    parametrize.removeParametrizations(m, 'weight');
    expect([m.constructor, m.weight.equal(value), m.namedParameters().map(([n]) => n)]).toEqual([
      nn.Linear,
      true,
      ['bias', 'weight'],
    ]);
    expect(() => parametrize.removeParametrizations(m, 'weight')).toThrow('does not have a parametrization on weight');
  });
  test('a change of shape is refused', () => {
    class First extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.index(0);
      }
    }
    expect(() => parametrize.registerParametrization(new nn.Linear(2, 2), 'weight', new First())).toThrow(
      'may not change the shape',
    );
    expect(() => parametrize.registerParametrization(new nn.Linear(2, 2), 'nothing', new Symmetric())).toThrow(
      "with name 'nothing'",
    );
  });
  test('weightNorm and spectralNorm in both forms agree', () => {
    fb.manualSeed(0);
    const make = (): nn.Linear => {
      fb.manualSeed(1);
      return new nn.Linear(4, 3);
    };
    const x = fb.randn(2, 4);
    const old = nn.utils.weightNorm(make());
    const now = parametrizations.weightNorm(make());
    expect(old(x).allclose(now(x))).toBe(true);
    expect(old(x).allclose(make()(x))).toBe(true);
    expect(Object.keys(old.stateDict())).toEqual(['bias', 'weight_g', 'weight_v']);
    expect(
      nn.utils
        .removeWeightNorm(old)
        .namedParameters()
        .map(([n]) => n),
    ).toEqual(['bias', 'weight']);
    expect(() => nn.utils.removeWeightNorm(old)).toThrow("weight_norm of 'weight' not found in Linear");
    const spectral = parametrizations.spectralNorm(make(), { nPowerIterations: 30 });
    spectral(x);
    // Its largest singular value is 1: no vector grows, and power iteration finds one that keeps its length.
    let v = fb.randn(4);
    const w = spectral.eval().weight.detach();
    for (let i = 0; i < 100; i++) v = w.t().mv(w.mv(v)).div(v.norm());
    expect(Math.abs(v.norm().item() - 1)).toBeLessThan(1e-3);
  });
});

describe('prune', () => {
  test('masks the smallest elements, adds up, and becomes permanent', () => {
    const m = new nn.Linear(4, 1);
    m.weight.data = fb.tensor([[1, -4, 3, -2]]);
    prune.l1Unstructured(m, 'weight', 0.5);
    expect([m.weight.abs().tolist(), prune.isPruned(m)]).toEqual([[[0, 4, 3, 0]], true]);
    prune.l1Unstructured(m, 'weight', 1);
    expect(m.weight.abs().tolist()).toEqual([[0, 4, 0, 0]]);
    m(fb.ones(1, 4)).sum().backward();
    expect((m as unknown as { weight_orig: Tensor }).weight_orig.grad!.tolist()).toEqual([[0, 1, 0, 0]]);
    prune.remove(m, 'weight');
    expect([m.weight.abs().tolist(), m.weight instanceof nn.Parameter, prune.isPruned(m)]).toEqual([
      [[0, 4, 0, 0]],
      true,
      false,
    ]);
    expect(() => prune.l1Unstructured(m, 'weight', 9)).toThrow('should be smaller than the number of parameters');
  });
  test('structured and global', () => {
    const m = new nn.Linear(2, 3);
    m.weight.data = fb.tensor([
      [1, 1],
      [5, 5],
      [3, 3],
    ]);
    prune.lnStructured(m, 'weight', 1, 2, 0);
    expect(m.weight.tolist()).toEqual([
      [0, 0],
      [5, 5],
      [3, 3],
    ]);
    const [a, b] = [new nn.Linear(2, 1), new nn.Linear(2, 1)];
    a.weight.data = fb.tensor([[1, 2]]);
    b.weight.data = fb.tensor([[3, 4]]);
    prune.globalUnstructured(
      [
        [a, 'weight'],
        [b, 'weight'],
      ],
      'l1Unstructured',
      { amount: 3 },
    );
    expect([a.weight.tolist(), b.weight.tolist()]).toEqual([[[0, 0]], [[0, 4]]]);
  });
});

test('fuseConvBnEval gives one convolution', () => {
  const [conv, bn] = [new nn.Conv2d(2, 3, 3), new nn.BatchNorm2d(3)];
  bn(fb.randn(4, 3, 5, 5).mul(2).add(1));
  conv.eval();
  bn.eval();
  const x = fb.randn(1, 2, 6, 6);
  expect(
    nn.utils
      .fuseConvBnEval(
        conv,
        bn,
      )(x)
      .allclose(bn(conv(x)), { atol: 1e-5 }),
  ).toBe(true);
});
