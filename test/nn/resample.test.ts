// Images at another size: every output against the definition, and gradients as the adjoint.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
const { interpolate } = fb.nn.functional;

/** Weights of `from` inputs on `to` outputs, as a matrix: linear interpolation between pixel centres, or the nearest pixel. */
function weights(from: number, to: number, linear: boolean): Tensor {
  const m = Array.from({ length: to }, () => new Array<number>(from).fill(0));
  for (let o = 0; o < to; o++) {
    if (linear) {
      // Places are computed in float32, as PyTorch's are.
      const at = Math.max(0, Math.fround(Math.fround(Math.fround(from / to) * (o + 0.5)) - 0.5));
      const low = Math.min(Math.floor(at), from - 1);
      m[o]![low]! += 1 - (at - low);
      m[o]![Math.min(low + 1, from - 1)]! += at - low;
    } else m[o]![Math.floor((o * from) / to)]! += 1;
  }
  return fb.tensor(m, { dtype: 'float64' });
}
const SIZES = [
  { from: [5, 7], to: [10, 14] },
  { from: [6, 33], to: [12, 66] },
  { from: [6, 40], to: [18, 120] },
  { from: [9, 20], to: [9, 7] },
  { from: [4, 16], to: [7, 37] },
] as const;

test.each(SIZES.flatMap((s) => (['nearest', 'bilinear'] as const).map((mode) => ({ ...s, mode }))))(
  '$mode, $from to $to',
  ({ from, to, mode }) => {
    fb.manualSeed(14);
    const x = fb.randn([2, 3, ...from], { requiresGrad: true });
    const y = interpolate(x, { size: [...to], mode });
    const [down, along] = [0, 1].map((d) => weights(from[d]!, to[d]!, mode === 'bilinear'));
    const off = (a: Tensor, b: Tensor): number => a.detach().double().sub(b).abs().max().item() as number;
    expect(off(y, down!.matmul(x.detach().double()).matmul(along!.t()))).toBeLessThan(2e-6);
    const g = fb.randn(y.shape);
    y.backward(g);
    expect(off(x.grad!, down!.t().matmul(g.double()).matmul(along!))).toBeLessThan(1e-5);
    // 16-bit floats and bytes pass through float32.
    const half = interpolate(x.detach().bfloat16(), { size: [...to], mode });
    expect(off(half, interpolate(x.detach().bfloat16().float(), { size: [...to], mode }).double())).toBeLessThan(0.02);
  },
);
