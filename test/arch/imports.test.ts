// Arrows point one way: which part may use which, no cycles, and the places where Node's headers may be seen.
import { describe, expect, test } from 'vitest';
import { cycles, files, importsOf, read } from './sources.js';

/** What each part of src/ may import, besides itself, packages and Node's modules. Nothing imports src/index.ts. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'package_root.ts': [],
  'young_garbage.ts': [],
  'native.ts': ['young_garbage.ts'],
  'random.ts': ['native.ts'],
  'utils.ts': ['data', 'autograd', 'tensorboard'],
  'progress.ts': ['progress'],
  'hub.ts': ['serialization', 'tensor'],
  'amp.ts': ['optim', 'tensor', 'native.ts'],
  'testing.ts': ['tensor', 'native.ts', 'random.ts'],
  'settings.ts': ['tensor', 'native.ts'],
  progress: [],
  tensor: ['native.ts', 'random.ts', 'generated'],
  'fft.ts': ['tensor', 'generated'],
  'linalg.ts': ['tensor', 'native.ts', 'generated'],
  'masked.ts': ['tensor', 'generated'],
  'special.ts': ['tensor', 'generated'],
  autograd: ['tensor', 'native.ts', 'random.ts', 'generated'],
  func: ['nn', 'autograd', 'tensor', 'native.ts', 'generated'],
  nn: ['autograd', 'tensor', 'native.ts', 'random.ts', 'generated'],
  optim: ['nn', 'autograd', 'tensor', 'native.ts', 'generated', 'runtime/live.ts'],
  data: ['optim', 'nn', 'autograd', 'tensor', 'native.ts', 'random.ts', 'generated'],
  vision: ['data', 'nn', 'autograd', 'serialization', 'tensor', 'native.ts', 'random.ts', 'generated'],
  // The compiler, lowest first. The IR is data: it knows neither tensors nor the addon.
  ir: ['generated'],
  debug: [],
  passes: ['ir', 'debug'],
  'frontend/trace': ['ir', 'debug', 'passes', 'tensor', 'native.ts'],
  'frontend/script': ['ir', 'debug'],
  schedule: ['ir', 'passes', 'debug', 'generated'],
  loop: ['schedule', 'ir', 'debug'],
  emit: ['loop', 'schedule', 'ir', 'debug', 'generated'],
  build: ['debug'],
  serialization: ['ir', 'nn', 'tensor', 'native.ts'],
  runtime: [
    'build',
    'emit',
    'loop',
    'schedule',
    'frontend/trace',
    'passes',
    'ir',
    'debug',
    'profiler',
    'serialization',
    'nn',
    'autograd',
    'tensor',
    'native.ts',
    'random.ts',
    'generated',
  ],
  profiler: ['tensor', 'native.ts'],
  deploy: ['runtime', 'emit', 'frontend/trace', 'passes', 'ir', 'serialization', 'tensor', 'package_root.ts'],
  script: [
    'serialization',
    'runtime',
    'build',
    'frontend/trace',
    'frontend/script',
    'passes',
    'ir',
    'debug',
    'nn',
    'autograd',
    'tensor',
    'native.ts',
    'random.ts',
    'generated',
  ],
  'jit.ts': ['runtime', 'script'],
  onnx: [
    'script',
    'runtime',
    'frontend/trace',
    'passes',
    'ir',
    'nn',
    'autograd',
    'tensor',
    'native.ts',
    'generated',
    'debug',
    'serialization',
  ],
  // 'schedule': the dtypes of a user's reduction follow the rules of generated code.
  kernel: ['runtime', 'schedule', 'frontend/script', 'ir', 'autograd', 'tensor', 'native.ts', 'generated'],
  legacy: ['nn', 'autograd', 'tensor', 'generated'],
  viz: ['vision', 'nn', 'autograd', 'tensor', 'ir'],
  tensorboard: ['runtime', 'serialization', 'nn', 'ir', 'tensor'],
  cli: [
    'deploy',
    'onnx',
    'viz',
    'runtime',
    'serialization',
    'autograd',
    'tensor',
    'build',
    'debug',
    'native.ts',
    'random.ts',
  ],
};
/** Low-level files that both sides of the house share; they import nothing of it. */
const SHARED = ['runtime/live.ts', 'tensor/errors.ts', 'package_root.ts'];

function partOf(file: string): string | null {
  if (file.startsWith('generated/')) return 'generated';
  if (!file.startsWith('src/')) return null;
  const path = file.slice(4);
  const keys = Object.keys(ALLOWED).filter((k) => path === k || path.startsWith(`${k}/`));
  return keys.sort((a, b) => b.length - a.length)[0] ?? path;
}

const sources = files('src', '.ts').filter((f) => !f.includes('onnx_pb.'));

describe('src', () => {
  test('every part is in the plan', () => {
    const parts = new Set(sources.map(partOf));
    parts.delete('index.ts');
    expect([...parts].filter((p) => !Object.hasOwn(ALLOWED, p!))).toEqual([]);
  });

  test('imports follow the arrows', () => {
    const wrong: string[] = [];
    for (const file of sources.filter((f) => f !== 'src/index.ts')) {
      const part = partOf(file)!;
      for (const { to, typeOnly } of importsOf(file)) {
        const target = partOf(to);
        // Types of a lower or a higher part are erased; still nobody takes them from index.ts or the generator.
        if (to.startsWith('codegen/') || to === 'src/index.ts') wrong.push(`${file} -> ${to}`);
        if (target === null || target === part || typeOnly) continue;
        const allowed = ALLOWED[part] ?? [];
        if (!allowed.includes(target) && !SHARED.some((s) => to === `src/${s}`)) wrong.push(`${file} -> ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('there are no import cycles', () => {
    const all = [...sources, ...files('generated/ts', '.ts')];
    const graph = new Map(
      all.map((f) => [
        f,
        importsOf(f)
          .filter((i) => !i.typeOnly && all.includes(i.to))
          .map((i) => i.to),
      ]),
    );
    expect(cycles(graph)).toEqual([]);
  });
});

describe('codegen', () => {
  test('is a program of its own: it uses the shared types of src/ir, the emitters and the lowering, nothing that runs tensors', () => {
    const wrong = files('codegen', '.ts').flatMap((f) =>
      importsOf(f)
        .filter(
          (i) =>
            i.to.startsWith('src/') &&
            !i.typeOnly &&
            !/^src\/(ir|emit|schedule|loop|passes|frontend\/script)\//.test(i.to),
        )
        .map((i) => `${f} -> ${i.to}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('native', () => {
  const includes = (f: string): string[] =>
    [...read(f).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)].map((m) => m[1]!);
  const sourcesOf = (folder: string): string[] => files(folder, '.cc', '.h');

  test("only native/node sees Node's headers", () => {
    const wrong = sourcesOf('native').filter(
      (f) => !f.startsWith('native/node/') && includes(f).some((i) => /napi|node_api|^v8|^node\.h/.test(i)),
    );
    expect(wrong).toEqual([]);
  });
  test('only native/cpu/onednn uses oneDNN', () => {
    const wrong = sourcesOf('native').filter(
      (f) =>
        !f.startsWith('native/cpu/onednn/') && includes(f).some((i) => /^(oneapi\/dnnl\/)?dnnl(?!_version)/.test(i)),
    );
    expect(wrong).toEqual([]);
  });
  test('the core knows neither autograd, trace, kernels nor the graph runtime', () => {
    const wrong = sourcesOf('native/core').filter((f) =>
      includes(f).some((i) => /^(?:\.\.\/)?(autograd|trace|runtime|node|optim)\//.test(i)),
    );
    expect(wrong).toEqual([]);
  });
  test('the parts of the vector prelude include nothing', () => {
    const parts = includes('native/kernels/prelude.h');
    expect(parts.length).toBeGreaterThan(1);
    for (const part of [...parts, 'programs.h', 'special.h']) expect(includes(`native/kernels/${part}`)).toEqual([]);
  });
});
