// Random ops in compiled programs draw from the program's own stream: the same distributions as eager ones, other numbers.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
const F = fb.nn.functional;

const N = 20_000;
/** What is drawn, and its mean and standard deviation, from p = 0.9 everywhere. */
const DRAWS: Readonly<Record<string, readonly [f: (p: Tensor) => Tensor, mean: number, std: number]>> = {
  bernoulli: [(p) => fb.bernoulli(p), 0.9, 0.3],
  'bernoulli_ of a number': [(p) => p.clone().bernoulli_(0.1), 0.1, 0.3],
  'bernoulli_ of a tensor': [(p) => fb.zeros(p.shape).bernoulli_(p), 0.9, 0.3],
  dropout: [(p) => F.dropout(p, 0.9, { training: true }).gt(0).to('float32'), 0.1, 0.3],
  uniform: [(p) => p.clone().uniform_(2, 4), 3, 2 / Math.sqrt(12)],
  normal: [(p) => fb.normal(p, 0.1), 0.9, 0.1],
  exponential: [(p) => p.clone().exponential_(4), 0.25, 0.25],
  geometric: [(p) => p.clone().geometric_(0.5), 2, Math.SQRT2],
  rrelu: [(p) => F.rrelu(p.neg(), { lower: 0.1, upper: 0.3, training: true }), -0.18, (0.9 * 0.2) / Math.sqrt(12)],
};

test.each(Object.keys(DRAWS))('%s', async (name) => {
  const [f, mean, std] = DRAWS[name]!;
  const p = fb.full([N], 0.9);
  const program = fb.compile(f, { fullgraph: true });
  program(p);
  program(p);
  expect(await program.ready(), program.explain().reasons.join('; ')).toBe(true);
  const y = program(p);
  // Six standard errors.
  expect(Math.abs((y.mean().item() as number) - mean)).toBeLessThan((6 * std) / Math.sqrt(N));
  expect(Math.abs((y.std().item() as number) / std - 1)).toBeLessThan(0.08);
  expect(program(p).equal(y)).toBe(false);
});
