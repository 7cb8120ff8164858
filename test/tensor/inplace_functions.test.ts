// Functions of the root that write over their first argument; expected numbers: PyTorch 1.13 with the same seed.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const seeded = <T>(f: () => T): T => {
  fb.manualSeed(3);
  return f();
};

describe('in-place functions', () => {
  test('generated ones change and return their argument', () => {
    const x = fb.tensor([-1.5, 0.25, 4]);
    expect(fb.relu_(x)).toBe(x);
    expect(fb.sqrt_(x).toArray()).toEqual([0, 0.5, 2]);
    expect(fb.clamp_(x, 0.25, 1).toArray()).toEqual([0.25, 0.5, 1]);
    expect(fb.clamp_(x, fb.tensor([1, 1, 1])).toArray()).toEqual([1, 1, 1]);
    expect(fb.xlogy_(fb.tensor([0, 2]), 1).toArray()).toEqual([0, 0]);
    expect(fb.negative_(x).toArray()).toEqual([-1, -1, -1]);
  });
  test('fill_, zero_, asStrided_ and detach_', () => {
    const x = fb.ones(2, 3);
    expect(fb.fill_(x, 4)).toBe(x);
    expect(fb.asStrided_(x, [3, 2], [1, 3]).toArray()).toEqual([[4, 4], [4, 4], [4, 4]]); // prettier-ignore
    expect(fb.zero_(x).sum().item()).toBe(0);
    const y = fb.ones(2, { requiresGrad: true }).mul(2);
    expect(fb.detach_(y).requiresGrad).toBe(false);
  });
  test('dropout_, rrelu_ and featureAlphaDropout_ draw PyTorch’s stream', () => {
    const x = fb.ones(6);
    expect(seeded(() => fb.dropout_(x, 0.5, true))).toBe(x);
    expect(x.toArray()).toEqual([2, 2, 0, 2, 0, 0]);
    expect(fb.dropout_(x, 0.5, false).toArray()).toEqual([2, 2, 0, 2, 0, 0]);
    const slopes = seeded(() => fb.rrelu_(fb.ones(3).neg(), 0.1, 0.3, true));
    expect(fb.allclose(slopes, fb.tensor([-0.10682164, -0.15734805, -0.254583]))).toBe(true);
    const maps = seeded(() => fb.featureAlphaDropout_(fb.ones(1, 3, 2), 0.5, true));
    expect(fb.allclose(maps.flatten(), fb.tensor([1.66559887, 1.66559887, 1.66559887, 1.66559887, -0.77919394, -0.77919394]))).toBe(true); // prettier-ignore
    expect(() => fb.dropout_(x, 1.5, true)).toThrow('dropout probability has to be between 0 and 1, but got 1.5');
  });
  test('embeddingRenorm_ scales the named rows only', () => {
    const w = fb.tensor([[3, 4], [6, 8], [0, 1]]); // prettier-ignore
    expect(fb.embeddingRenorm_(w, fb.tensor([0, 2]), 1, 2)).toBe(w);
    expect(fb.allclose(w, fb.tensor([[0.6, 0.8], [6, 8], [0, 1]]), { atol: 1e-4 })).toBe(true); // prettier-ignore
  });
});
