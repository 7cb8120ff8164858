// Start-up of a deployed LeNet: a C program as a process of its own, and the addon in a fresh Node; both up to the first result.
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from '../src/index.js';
import { buildDeployment } from '../src/deploy/build.js';
import { here } from './children.js';
import { median } from './measure.js';
import { LeNet } from './models.js';

export interface Deployed {
  /** From the start of the process to its end: the loader, the model, one image. Milliseconds. */
  readonly programMs: number;
  /** `require` of the addon and the first `run`. Milliseconds. */
  readonly addonMs: number;
  /** Everything in `dist`, bytes. */
  readonly bytes: number;
}

/** Builds LeNet below `folder` and starts it `runs` times each way. */
export function deployedTimes(folder: string, runs = 11): Deployed {
  fb.manualSeed(0);
  const net = new LeNet();
  net.eval();
  const file = join(folder, 'lenet.fbg');
  fb.jit.trace(net, [fb.rand(1, 1, 28, 28)]).save(file);
  const out = join(folder, 'lenet');
  buildDeployment(file, { out, name: 'lenet' });
  const dist = join(out, 'dist');
  const program = join(dist, 'classify');
  const source = join(here, '..', 'examples', 'deploy', 'classify.cc');
  const link = [
    `-I${join(out, 'include')}`,
    `-L${dist}`,
    '-llenet',
    '-Wl,--allow-shlib-undefined',
    '-Wl,-rpath,$ORIGIN',
  ];
  execFileSync('g++', ['-std=c++20', '-O2', source, ...link, '-o', program]);
  const bytes = readdirSync(dist)
    .filter((f) => f !== 'classify')
    .reduce((n, f) => n + statSync(join(dist, f)).size, 0);
  const input = Buffer.alloc(784 * 4);
  const start = (): number => {
    const before = process.hrtime.bigint();
    const done = spawnSync(program, { input });
    if (done.status !== 0) throw new Error(`the deployed program failed: ${done.stderr.toString()}`);
    return Number(process.hrtime.bigint() - before) / 1e6;
  };
  const code = `const s = process.hrtime.bigint(); const m = require(${JSON.stringify(join(dist, 'lenet.node'))});
    m.run([{ data: new Float32Array(784), shape: [1, 1, 28, 28] }]); console.log(Number(process.hrtime.bigint() - s) / 1e6)`;
  const addon = (): number => Number(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }));
  const times = (run: () => number): number => {
    run(); // the files come into memory
    return median(Array.from({ length: runs }, run));
  };
  return { programMs: times(start), addonMs: times(addon), bytes };
}
