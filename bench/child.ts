// Runs one case in a process of its own and prints one JSON line last. `--benny` adds a benny suite before the timing.
import { parseArgs } from 'node:util';
import * as fb from '../src/index.js';
import { CASES, type Mode } from './cases.js';
import { BYTES } from './goals.js';
import { measure, median } from './measure.js';

const { values } = parseArgs({
  options: {
    case: { type: 'string' },
    mode: { type: 'string', default: 'eager' },
    threads: { type: 'string', default: '1' },
    'min-time': { type: 'string', default: '0.2' },
    benny: { type: 'boolean', default: false },
  },
});
const found = CASES.find((c) => c.name === values.case);
if (!found) throw new Error(`no case '${values.case}'`);
fb.setNumThreads(Number(values.threads));
fb.manualSeed(0);
const run = await found.make(values.mode as Mode);
if (values.benny) {
  const { default: benny } = await import('benny');
  const label = `${found.name} (${values.mode}, ${values.threads} thread${values.threads === '1' ? '' : 's'})`;
  await benny.suite(
    label,
    benny.add(found.name, () => void run(), { minSamples: 5, maxTime: 0.5 }),
    benny.cycle(),
  );
}
/** A warm copy that moves as many bytes as the case must, in turns with it: the machine's speed changes from second to second. */
const bytes = BYTES[found.name];
function withCopy(): { timing: ReturnType<typeof measure>; copyUs?: number } {
  if (bytes === undefined) return { timing: measure(run, Number(values['min-time'])) };
  const n = Math.floor(bytes / 8);
  const [from, to] = [fb.ones(n), fb.zeros(n)];
  const turns = [0, 1, 2].map(() => [
    measure(run, Number(values['min-time']) / 2, 3),
    measure(() => to.copy_(from), Number(values['min-time']) / 2, 3),
  ]);
  const us = turns.map((t) => t[0]!.us);
  return { timing: { us: median(us), repeats: us }, copyUs: median(turns.map((t) => t[1]!.us)) };
}
const { timing, copyUs } = withCopy();
const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
const line = {
  case: found.name,
  mode: values.mode,
  threads: Number(values.threads),
  us: timing.us,
  repeats: timing.repeats,
  rssMB: rss,
  ...(copyUs === undefined ? {} : { copyUs }),
};
process.stdout.write(`\n${JSON.stringify(line)}\n`);
process.exit(0); // a build still under way must not hold the process
