// Random programs over tensors of all dtypes, odd sizes and strides, with views, writes, shared memory and state from outside: compiled code
// gives what eager code gives, in results, arguments, state and gradients. Longer: `npm run -s fuzz:graphs`.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { check, programs } from '../fuzz/graph_program.js';

const RUNS = Number(process.env['FLAMBEAU_FUZZ'] ?? 60);

test.each([
  ['interpret', RUNS * 2],
  ['cpp', RUNS],
])(
  'compiled (%s) equals eager',
  async (backend, numRuns) => {
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    let compiled = 0;
    await fc.assert(
      fc.asyncProperty(programs, async (p) => void (compiled += (await check(p, backend)).compiled ? 1 : 0)),
      { numRuns },
    );
    expect(compiled).toBeGreaterThan(numRuns / 2);
  },
  600_000,
);
