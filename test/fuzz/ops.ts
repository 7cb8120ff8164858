// Calls every op of the addon with random arguments, good and bad: the answer is a result whose memory can be read and whose
// gradient can be computed, or an error that says something. Meant for the sanitizer build:
//   npm run -s fuzz:ops -- [--only REGEX] [--runs 40] [--seed N] [--addon PATH]
// The ops run in a child process; when it dies, the last call is printed.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Tensor } from '../../src/index.js';
import type { ArgSpec as Spec } from './arguments.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    addon: { type: 'string' },
    child: { type: 'string' },
  },
});

if (values.child === undefined) parent();
else await child(values.child, new RegExp(values.only), Number(values.runs), Number(values.seed));

/** Where AddressSanitizer's runtime is: an instrumented addon needs it loaded before everything else. */
function sanitizer(): string | null {
  const found = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const path = found.stdout.trim();
  return found.status === 0 && path.includes('/') ? path : null;
}

function parent(): void {
  const dir = mkdtempSync(join(tmpdir(), 'flambeau-fuzz-'));
  const last = join(dir, 'last');
  const runtime = values.addon === undefined ? null : sanitizer();
  const done = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), '--child', last, ...process.argv.slice(2)],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...(values.addon === undefined ? {} : { FLAMBEAU_ADDON: values.addon, FLAMBEAU_ISA: 'baseline' }),
        ...(runtime === null ? {} : { LD_PRELOAD: runtime }),
        // Node itself leaks at exit; allocations beyond the limit fail as they would on a full machine.
        ASAN_OPTIONS:
          'detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=1024:detect_container_overflow=0',
        UBSAN_OPTIONS: 'print_stacktrace=1',
      },
    },
  );
  process.stdout.write(done.stdout);
  // Without the line of totals it died, whatever its exit code: Fortran's STOP ends a process with 0.
  const died = !/\d+ passed, \d+ failed$/.test(done.stdout.trim());
  if (died) {
    process.stdout.write(
      `the process ended with ${done.signal ?? done.status} in: ${readFileSync(last, 'utf8').split('\0')[0]}\n`,
    );
    process.stdout.write('0 passed, 1 failed\n');
  }
  rmSync(dir, { recursive: true, force: true });
  process.exitCode = died || done.status !== 0 ? 1 : 0;
}

async function child(lastPath: string, only: RegExp, runs: number, seed: number): Promise<void> {
  const { default: fc } = await import('fast-check');
  const fb = await import('../../src/index.js');
  const { native } = await import('../../src/native.js');
  const { OPS } = await import('../../generated/ts/ops.js');
  const { argumentsOf, build } = await import('./arguments.js');
  const { wrap } = await import('../../src/tensor/handle.js');

  const fd = openSync(lastPath, 'w');
  const functions = native.ops as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  const note = (name: string, specs: readonly Spec[]): void => {
    const text = JSON.stringify(specs, (_, v: unknown) =>
      typeof v === 'bigint' ? `${v}n` : typeof v === 'number' && !Number.isFinite(v) ? String(v) : v,
    );
    writeSync(fd, `${name} ${text}\0`, 0);
  };
  const toNative = (a: Spec): unknown => {
    if ('tensor' in a) return build(a.tensor)._h;
    if ('tensors' in a) return a.tensors.map((t) => (t === null ? null : build(t)._h));
    if ('generator' in a) return new fb.Generator()._g;
    return a.value;
  };
  /** Reads every element, so that memory that is not there is noticed. */
  const read = (result: unknown): Tensor[] => {
    const list = Array.isArray(result) ? result : result === undefined || result === null ? [] : [result];
    const tensors = list.filter((h) => native.isTensorHandle(h)).map((h) => wrap(h as object));
    for (const t of tensors) if (t.numel() <= 1e6) t.detach().contiguous().toTypedArray();
    return tensors;
  };
  const check = (name: string, specs: readonly Spec[]): void => {
    note(name, specs);
    try {
      const outs = read(functions[name]!(...specs.map(toNative)));
      for (const out of outs)
        if (out.requiresGrad && out.numel() <= 1e4) out.backward(fb.onesLike(out), { retainGraph: true });
    } catch (error) {
      if (
        !(error instanceof Error) ||
        error.message.length < 8 ||
        /^(Invalid argument|std::|basic_string|vector::)/.test(error.message)
      )
        throw new Error(`${name}: no answer for a user: ${String(error)}`, { cause: error });
    }
  };

  let passed = 0;
  let failed = 0;
  for (const [name, op] of Object.entries(OPS)) {
    if (!only.test(name)) continue;
    for (const form of [name, `${name}_`]) {
      if (functions[form] === undefined) continue;
      try {
        fc.assert(
          fc.property(argumentsOf(op), (specs) => check(form, specs)),
          { numRuns: runs, seed },
        );
        passed++;
      } catch (error) {
        failed++;
        process.stdout.write(`FAILED ${form}: ${(error as Error).message.slice(0, 2000)}\n`);
      }
    }
  }
  closeSync(fd);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
