// Repeats the reference programs of PyTorch and compares what they print. See programs/README.md in the data directory.
//   npm run -s conformance:programs -- [--data DIR] [--only REGEX] [--json]
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { autogradPrograms } from './programs/autograd.js';
import { dataLoader } from './programs/data_loader.js';
import { fourOptimizers } from './programs/four_optimizers.js';
import { lenetMse } from './programs/lenet_mse.js';
import { optimizersSchedulers } from './programs/optimizers_schedulers.js';
import { randomStreams } from './programs/random_streams.js';
import { recurrent } from './programs/recurrent.js';
import type { Program } from './programs/common.js';
import { messageOf, readOptions, Report } from './runner.js';

const PROGRAMS: Readonly<Record<string, Program>> = {
  autograd: autogradPrograms,
  data_loader: dataLoader,
  four_optimizers: fourOptimizers,
  lenet_mse: lenetMse,
  optimizers_schedulers: optimizersSchedulers,
  random_streams: randomStreams,
  recurrent,
};
const options = readOptions('programs');
const report = new Report('programs', options);
for (const file of readdirSync(options.data)
  .filter((f) => f.endsWith('.json'))
  .sort()) {
  const name = file.slice(0, -'.json'.length);
  if (options.only && !options.only.test(name)) continue;
  const program = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (!program) {
    report.skip(name, 'no such program here');
    continue;
  }
  const data = JSON.parse(readFileSync(join(options.data, file), 'utf8')) as unknown;
  const check = (id: string, run: () => void): void => {
    try {
      run();
      report.pass();
    } catch (error) {
      report.fail(`${name}/${id}`, messageOf(error));
      if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
    }
  };
  try {
    program(data as never, check);
  } catch (error) {
    report.fail(name, `the program stopped: ${messageOf(error)}`);
    if (options.verbose) process.stderr.write(`${(error as Error).stack}\n`);
  }
}
for (const name of Object.keys(PROGRAMS)) {
  const wanted = !options.only || options.only.test(name);
  if (wanted && !existsSync(join(options.data, `${name}.json`)))
    report.skip(name, 'the data directory has no such file');
}
report.finish();
