// npm run bench -- [--only REGEX] [--threads 1,2] [--modes eager,compiled] [--min-time S] [--no-benny] [--save]
import { parseArgs } from 'node:util';
import { CASES } from './cases.js';
import { runOurs, saveResults, type Result } from './children.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: '1,2' },
    modes: { type: 'string', default: 'eager,compiled' },
    'min-time': { type: 'string', default: '0.2' },
    'no-benny': { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});
const only = new RegExp(values.only);
const results: Result[] = [];
let failed = 0;
for (const c of CASES.filter((x) => only.test(x.name))) {
  for (const mode of c.modes.filter((m) => values.modes.split(',').includes(m))) {
    for (const threads of values.threads.split(',').map(Number)) {
      try {
        const result = runOurs(c.name, mode, threads, Number(values['min-time']), !values['no-benny']);
        results.push(result);
        process.stdout.write(
          `${c.name.padEnd(24)} ${mode.padEnd(9)} ${threads} thread(s) ${result.us.toFixed(2).padStart(12)} us  ${result.rssMB} MB\n`,
        );
      } catch (error) {
        failed++;
        process.stdout.write(
          `${c.name.padEnd(24)} ${mode.padEnd(9)} ${threads} thread(s) failed: ${(error as Error).message.split('\n')[0]}\n`,
        );
      }
    }
  }
}
if (values.save) process.stdout.write(`written: ${saveResults('ours', { results })}\n`);
process.exitCode = failed > 0 ? 1 : 0;
