// `out`: results go into the caller's tensor, with PyTorch's rules for its shape, dtype, memory and gradient.
import { expect, test, vi } from 'vitest';
import * as fb from '../../src/index.js';

test('the result is the very tensor, with values converted to its dtype', () => {
  const out = fb.zeros(2, { dtype: 'float64' });
  expect(fb.add(fb.ones(2), 0.5, { out })).toBe(out);
  expect(out.tolist()).toEqual([1.5, 1.5]);
});

test('an empty tensor takes the shape silently, one with elements with a warning', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const fresh = fb.empty([0]);
  fb.exp(fb.zeros(2, 3), { out: fresh });
  expect(fresh.shape).toEqual([2, 3]);
  expect(warn).not.toHaveBeenCalled();
  const small = fb.zeros(2);
  fb.exp(fb.zeros(3), { out: small });
  expect(small.tolist()).toEqual([1, 1, 1]);
  expect(String(warn.mock.calls[0]![0])).toMatch(/was resized since it had shape \[2\]/);
  warn.mockRestore();
});

test('what PyTorch refuses is refused in its words', () => {
  const x = fb.ones(3);
  expect(() => fb.mul(x, 0.5, { out: fb.zeros(3, { dtype: 'int64' }) })).toThrow(
    "result type Float can't be cast to the desired output type Long",
  );
  expect(() => fb.exp(fb.ones(3, { requiresGrad: true }), { out: fb.zeros(3) })).toThrow(
    "functions with out=... arguments don't support automatic differentiation",
  );
  expect(() => fb.exp(x, { out: fb.zeros(1).expand(3) })).toThrow('unsupported operation: more than one element');
});

test('several results take several tensors', () => {
  const out = [fb.empty([0]), fb.empty([0], { dtype: 'int64' })] as const;
  fb.sort(fb.tensor([3, 1, 2]), { out });
  expect(out.map((t) => t.tolist())).toEqual([
    [1, 2, 3],
    [1, 2, 0],
  ]);
});
