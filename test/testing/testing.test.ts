// assertClose says what differs and where; makeTensor keeps its bounds; global settings answer what was set.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
const { assertClose, makeTensor } = fb.testing;

describe('assertClose', () => {
  test('passes what is close for the dtype', () => {
    assertClose(fb.tensor([1, 2]), fb.tensor([1, 2 + 1e-6]));
    assertClose({ a: [1, fb.ones(2)] }, { a: [1, fb.ones(2)] });
    assertClose(fb.tensor([NaN, Infinity]), fb.tensor([NaN, Infinity]), { equalNan: true });
    assertClose(fb.tensor(2n ** 60n), fb.tensor(2n ** 60n));
    assertClose(fb.zeros(0), fb.zeros(0));
  });
  test('describes the greatest differences', () => {
    const message = (a: unknown, b: unknown, o: fb.testing.AssertCloseOptions = {}): string => {
      try {
        assertClose(a, b, o);
        return 'passed';
      } catch (e) {
        return (e as Error).message;
      }
    };
    const text = message(
      fb.tensor([
        [1, 2],
        [3, 4],
      ]),
      fb.tensor([
        [1, 2],
        [3, 5],
      ]),
      { rtol: 0, atol: 0.5 },
    );
    expect(text).toContain('Tensor-likes are not close!');
    expect(text).toContain('Mismatched elements: 1 / 4 (25.0%)');
    expect(text).toContain('Greatest absolute difference: 1 at index (1, 1) (up to 0.5 allowed)');
    expect(message(fb.tensor(2n ** 60n), fb.tensor(2n ** 60n + 1n))).toContain('not equal');
    expect(message([1, 2], [1, 3])).toContain('The failure occurred for item [1]');
    expect(message(fb.ones(2), fb.ones(3))).toBe("The values for attribute 'shape' do not match: [2] != [3].");
    expect(message(fb.ones(2), fb.ones(2).double())).toContain("attribute 'dtype' do not match: float32 != float64");
    expect(message(fb.ones(2), fb.ones(2).double(), { checkDtype: false })).toBe('passed');
    expect(message(fb.tensor(NaN), fb.tensor(NaN))).toContain('not close');
    expect(message(1, 2, { msg: 'mine' })).toBe('mine');
    expect(message(fb.ones(1), fb.ones(1), { rtol: 1 })).toContain('must both be specified');
  });
});

test.each(fb.DTYPES)('makeTensor of %s', (dtype) => {
  const t = makeTensor([3, 4], { dtype, noncontiguous: true, excludeZero: true });
  expect([t.dtype, t.shape, t.isContiguous()]).toEqual([dtype, [3, 4], false]);
  expect(t.eq(0).any().item()).toBe(false);
  const values = t.double().tolist() as number[][];
  expect(values.flat().every((v) => v >= -9 && v <= 10)).toBe(true);
});

test('settings', () => {
  expect(fb.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(fb.config.show()).toContain(fb.version);
  fb.useDeterministicAlgorithms(true);
  expect(fb.areDeterministicAlgorithmsEnabled()).toBe(true);
  fb.useDeterministicAlgorithms(false);
  expect(() => fb.setFloat32MatmulPrecision('low' as never)).toThrow(/'highest', 'high', or 'medium'/);
  expect(() => fb.setDefaultDevice('cuda')).toThrow(/not available/);
  fb.setDefaultTensorType('torch.DoubleTensor');
  expect(fb.zeros(1).dtype).toBe('float64');
  fb.setDefaultTensorType('FloatTensor');
  expect(fb.getDevice(fb.ones(1))).toBe('cpu');
});
