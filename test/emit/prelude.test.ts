// The vector prelude's accuracy and memory tests (test/native/prelude_math_test.cc) at every vector width, and what a kernel costs to compile.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { emitProgram } from '../../src/emit/program.js';
import { work } from './support/harness.js';

const test = fileURLToPath(new URL('../native/prelude_math_test.cc', import.meta.url));
const flags = [
  '-std=c++20',
  '-O3',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-psabi',
];
const cpu = readFileSync('/proc/cpuinfo', 'utf8');

describe('prelude', () => {
  for (const [march, feature] of [
    ['x86-64-v2', 'sse4_2'],
    ['x86-64-v3', 'avx2'],
    ['x86-64-v4', 'avx512vl'],
  ] as const) {
    it.skipIf(!cpu.includes(feature))(`math, loads and stores built for ${march} (needs ${feature})`, () => {
      const exe = join(work, march);
      execFileSync('g++', [...flags, `-march=${march}`, '-o', exe, test], { stdio: ['ignore', 'inherit', 'inherit'] });
      expect(execFileSync(exe, ['--quick'], { encoding: 'utf8' })).toMatch(/\nok\n$/);
    });
  }
  it('comparisons and selects stay in mask registers with AVX-512', () => {
    const b = new GraphBuilder();
    const x = b.input('float32', [4096]);
    b.output(
      b.op('where', [
        b.op('logicalAnd', [b.op('gt', [x, 0]), b.op('lt', [x, 2])]),
        x,
        b.op('sqrt', [b.op('abs', [x])]),
      ]),
    );
    const file = join(work, 'mask.cc');
    writeFileSync(file, emitProgram(b.graph, { target: 'cpp' }).source);
    const asm = execFileSync(
      'g++',
      [...flags.filter((f) => f !== '-Werror'), '-w', '-march=x86-64-v4', '-S', '-o', '-', file],
      { encoding: 'utf8' },
    );
    expect(asm).toMatch(/vcmpps.*%k\d\{%k\d\}|kand/);
    expect(asm).not.toMatch(/vpmovm2d|vpternlogd.*\{%k/);
    expect(asm).toMatch(/vsqrtps.*%zmm/);
  });
});
