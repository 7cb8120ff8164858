// Our side of bench:kernelbench: one process per thread count. Requests and answers as in kernelbench_torch.py.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as fb from '../src/index.js';
import type { Tensor } from '../src/index.js';
import { generate, readCases } from '../test/conformance/kernelbench/data.js';
import { CaseModule } from '../test/conformance/kernelbench/module.js';
import { measure } from './measure.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    threads: { type: 'string', default: '1' },
    'min-time': { type: 'string', default: '0.1' },
  },
});
fb.setNumThreads(Number(values.threads));
const cases = new Map(readCases(values.data!).map((c) => [c.id, c]));

type Forms = Readonly<Record<string, () => Tensor | Tensor[]>>;
let forms: Forms = {};

/** Builds a case at its bench size, compiles it and returns what it gives at the sampled elements. */
async function load(id: string): Promise<object> {
  const c = cases.get(id);
  if (!c) throw new Error(`no case '${id}'`);
  const size = c.sizes.bench;
  const module = new CaseModule(size);
  module.loadStateDict(Object.fromEntries(size.params.map((p) => [p.name, generate(`${id}/${p.name}`, p)])));
  module.eval();
  const inputs = size.inputs.map((d, i) => generate(`${id}/input.${i}`, d));
  const compiled = fb.compile(module as (...inputs: Tensor[]) => Tensor | Tensor[]);
  const run = (): Tensor | Tensor[] => fb.noGrad(() => compiled(...inputs));
  run();
  for (let tries = 0; !(await compiled.ready()); tries++) {
    if (tries === 10) throw new Error(`stays eager: ${compiled.explain().reasons.join('; ')}`);
    run();
  }
  forms = { compiled: run, eager: () => fb.noGrad(() => module(...inputs)) as Tensor | Tensor[] };
  const results = [run()].flat();
  return {
    samples: results.map((y, k) => {
      const flat = y.detach().reshape(-1).toTypedArray() as ArrayLike<number | bigint>;
      return size.expect?.[k]?.samples.map(([i]) => Number(flat[i])) ?? [];
    }),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer: object;
  try {
    const request = JSON.parse(line) as { load?: string; time?: string };
    if (request.load !== undefined) {
      forms = {};
      answer = await load(request.load);
    } else {
      // Results go after each call, as PyTorch's do: fresh memory for every result would be timed instead.
      const form = forms[request.time!]!;
      const once = (): void => fb.tidy(() => void form());
      answer = { us: measure(once, Number(values['min-time']) / 3, 3).us };
    }
  } catch (error) {
    answer = { error: (error as Error).message.split('\n')[0] };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0); // a build still under way must not hold the process
