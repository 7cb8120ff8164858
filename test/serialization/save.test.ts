// fb.save and fb.load: state dicts come back bit by bit, in every dtype, whatever their strides and names.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { load, save } from '../../src/serialization/save.js';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'flambeau-save-'))));
afterEach(() => rmSync(dir, { recursive: true }));

test('a state dict goes through a file into another module', () => {
  const make = (): fb.nn.Module => new fb.nn.Sequential(new fb.nn.Linear(3, 4), new fb.nn.BatchNorm1d(4));
  const [a, b] = [make(), make()];
  save(a.stateDict(), join(dir, 'net.safetensors'));
  b.loadStateDict(load(join(dir, 'net.safetensors')));
  expect(Object.keys(b.stateDict())).toEqual(Object.keys(a.stateDict()));
  for (const [key, t] of Object.entries(a.stateDict())) expect(b.stateDict()[key]!.equal(t), key).toBe(true);
});

test.each(fb.DTYPES)('%s keeps its bits', (dtype) => {
  const t = fb.tensor([0, 1, 2, 3, 1, 0], { dtype }).reshape(2, 3).t();
  const path = join(dir, 'x.safetensors');
  save({ x: t, ['__proto__']: t.select(0, 1) }, path);
  const back = load(path);
  expect(Object.keys(back)).toEqual(['x', '__proto__']);
  expect(back.x!.dtype).toBe(dtype);
  expect(back.x!.shape).toEqual([3, 2]);
  expect(back.x!.equal(t)).toBe(true);
});

test('errors name the file or the value', () => {
  expect(() => save({}, join(dir, 'net.xyz'))).toThrow(
    "files of type '.xyz' are not supported (supported: .safetensors, .pt,",
  );
  writeFileSync(join(dir, 'net.xyz'), 'some text');
  expect(() => load(join(dir, 'net.xyz'))).toThrow('not supported');
  expect(() => load(join(dir, 'none.safetensors'))).toThrow('none.safetensors');
  expect(() => save({ epoch: 3 as unknown as fb.Tensor }, join(dir, 'a.safetensors'))).toThrow(
    "the value of 'epoch' is no tensor",
  );
});
