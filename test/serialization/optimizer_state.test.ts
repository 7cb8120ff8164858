// State dicts of optimizers as safetensors: what is written comes back, damaged descriptions are errors.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim } from '../../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'flambeau-optimizer-state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'state.safetensors');

const make = (net: nn.Linear): optim.Adam =>
  new optim.Adam([{ params: [net.weight], lr: 0.2 }, { params: [net.bias!] }], { lr: 0.1, amsgrad: true });

test('groups, options and state come back', () => {
  const net = new nn.Linear(3, 2);
  const o = make(net);
  net(fb.ones(4, 3)).sum().backward();
  o.step();
  fb.save(o.stateDict(), path, { metadata: { epoch: '3' } });
  expect(fb.serialization.readMetadata(path)['epoch']).toBe('3');
  const dict = fb.load(path) as optim.OptimizerStateDict;
  expect(dict.param_groups).toEqual(o.stateDict().param_groups);
  const other = make(net);
  other.loadStateDict(dict);
  expect(other.state.get(net.weight)!['exp_avg']!.equal(o.state.get(net.weight)!['exp_avg']!)).toBe(true);
  expect(other.state.get(net.bias!)!['step']!.item()).toBe(1);
});

test('numbers that JSON has not', () => {
  const dict = {
    state: { 0: { d: [NaN, Infinity, -Infinity, 1] } },
    param_groups: [{ params: [0], eps: [null, 1e-3] }],
  };
  fb.save(dict, path);
  expect(fb.load(path)).toEqual({ state: { '0': dict.state[0] }, param_groups: dict.param_groups });
});

test.each([
  ['nonsense', 'is no JSON'],
  ['{}', 'lacks its fields'],
  ['{"state":{},"param_groups":3}', 'lacks its fields'],
  ['{"state":{"0":{"step":{"tensor":"missing"}}},"param_groups":[]}', "names the tensor 'missing'"],
  [`{"state":${'['.repeat(20)}${']'.repeat(20)},"param_groups":[]}`, 'nested too deeply'],
])('a damaged description is an error: %s', (text, message) => {
  fb.save({ a: fb.ones(1) }, path, { metadata: { optimizer: text } });
  expect(() => fb.load(path)).toThrow(message);
});
