// Random programs, compiled against eager: `npm run -s fuzz:graphs -- --runs 2000 --seed 7 [--backend interpret]`.
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { check, programs } from './graph_program.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string' },
    backend: { type: 'string', default: 'cpp' },
  },
});
const counts = { compiled: 0, eager: 0 };
const reasons = new Map<string, number>();
process.stderr.write = () => true; // notices of functions that stay eager
const result = await fc.check(
  fc.asyncProperty(programs, async (p) => {
    const { compiled, reason } = await check(p, values.backend);
    counts[compiled ? 'compiled' : 'eager']++;
    const kind = reason?.replace(/\[[^\]]*\]|'\w+'|\b(float|int|uint|bfloat)\d+\b/g, '...').slice(-90);
    if (kind !== undefined) reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
  }),
  {
    numRuns: Number(values.runs),
    ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
    endOnFailure: false,
  },
);
const { failed, seed, counterexample, errorInstance } = result;
if (failed)
  console.log(`seed ${seed}: ${JSON.stringify(counterexample)}\n${(errorInstance as Error | null)?.message ?? ''}`);
console.log(JSON.stringify({ runs: result.numRuns, seed, failed, ...counts, reasons: Object.fromEntries(reasons) }));
process.exitCode = failed ? 1 : 0;
