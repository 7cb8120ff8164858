// GradScaler: a scaled step equals a plain one, an overflow skips the step and lowers the scale.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';

test('steps equal plain ones, overflows are skipped', () => {
  const make = (): [fb.Tensor, fb.optim.SGD] => {
    const w = fb.tensor([1, -2], { requiresGrad: true });
    return [w, new fb.optim.SGD([w], 0.1)];
  };
  const [[a, plain], [b, scaled]] = [make(), make()];
  const scaler = new fb.amp.GradScaler({ initScale: 1024, growthInterval: 2 });
  for (let i = 0; i < 2; i++) {
    plain.zeroGrad();
    a.pow(2).sum().backward();
    plain.step();
    scaled.zeroGrad();
    scaler.scale(b.pow(2).sum()).backward();
    scaler.step(scaled);
    expect(() => scaler.step(scaled)).toThrow(/already been called/);
    scaler.update();
  }
  expect(b.equal(a)).toBe(true);
  expect(scaler.getScale()).toBe(2048);
  b.grad = fb.tensor([Infinity, 1]);
  scaler.step(scaled);
  scaler.update();
  expect(b.equal(a)).toBe(true);
  const state = scaler.stateDict();
  expect(state).toMatchObject({ scale: 1024, growth_factor: 2, _growth_tracker: 0 });
  const other = new fb.amp.GradScaler();
  other.loadStateDict(state);
  expect(other.getScale()).toBe(1024);
  const off = new fb.amp.GradScaler({ enabled: false });
  expect(off.scale(a)).toBe(a);
  expect(off.getScale()).toBe(1);
});
