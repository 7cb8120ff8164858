// Window functions: one period of a smooth bump, for spectra of pieces of a signal.
// Source: https://pytorch.org/docs/stable/torch.html#spectral-ops
import { composite, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Window functions',
  intro: `\`periodic\` windows leave out the last point of the symmetric window that is one longer. Floating dtypes only.`,
  example: `fb.hannWindow(4); // => tensor([0.0000, 0.5000, 1.0000, 0.5000])
fb.bartlettWindow(5, { periodic: false }); // => tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
fb.hannWindow(4, { dtype: 'int64' }); // => throws hann_window expects floating point dtypes, got: Long`,
};
export const hammingWindow = composite({
  doc: 'alpha - beta cos(2 pi i / n).',
  schema:
    'hammingWindow(windowLength: int, periodic: bool = true, alpha: float = 0.54, beta: float = 0.46, *, dtype: dtype? = null): Tensor',
  body: (windowLength: A, periodic: A, alpha: A, beta: A, dtype: A) => {
    const x = h.windowPlaces(windowLength, periodic, dtype, 6.283185307179586, 'hamming_window');
    return windowLength === 1 ? t.onesLike(x) : t.add(t.mul(t.cos(x), -beta), alpha);
  },
  onnx: { symbolic: 'region' },
});
export const hannWindow = composite({
  doc: '1/2 - cos(2 pi i / n) / 2.',
  schema: 'hannWindow(windowLength: int, periodic: bool = true, *, dtype: dtype? = null): Tensor',
  body: (windowLength: A, periodic: A, dtype: A) => {
    const x = h.windowPlaces(windowLength, periodic, dtype, 6.283185307179586, 'hann_window');
    return windowLength === 1 ? t.onesLike(x) : t.add(t.mul(t.cos(x), -0.5), 0.5);
  },
  onnx: { symbolic: 'region' },
});
export const bartlettWindow = composite({
  doc: 'A triangle: 2 i / n up to the middle, 2 - 2 i / n behind it.',
  schema: 'bartlettWindow(windowLength: int, periodic: bool = true, *, dtype: dtype? = null): Tensor',
  body: (windowLength: A, periodic: A, dtype: A) => {
    const x = h.windowPlaces(windowLength, periodic, dtype, 2.0, 'bartlett_window');
    return windowLength === 1 ? t.onesLike(x) : t.where(t.gt(x, 1), t.rsub(x, 2), x);
  },
  onnx: { symbolic: 'region' },
});
export const blackmanWindow = composite({
  doc: '0.42 - cos(2 pi i / n) / 2 + 0.08 cos(4 pi i / n).',
  schema: 'blackmanWindow(windowLength: int, periodic: bool = true, *, dtype: dtype? = null): Tensor',
  body: (windowLength: A, periodic: A, dtype: A) => {
    const x = h.windowPlaces(windowLength, periodic, dtype, 3.141592653589793, 'blackman_window');
    const fine = t.mul(t.cos(t.mul(x, 4)), 0.08);
    return windowLength === 1 ? t.onesLike(x) : t.add(t.sub(fine, t.mul(t.cos(t.mul(x, 2)), 0.5)), 0.42);
  },
  onnx: { symbolic: 'region' },
});
