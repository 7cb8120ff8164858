// Emits generated/native/include/flambeau/ops.h and ops_FAMILY.cc: per op the backend call with its trace record (`below`)
// and the public function with the autograd layer on top.
import { render, writeGenerated } from '../render.js';
import { type Op } from '../load.js';
import { type Signature } from '../schema.js';
import { intsName, paramList, returnType } from './cpp_types.js';
import { emitNode, kernelBackward, needsNode } from './cpp_autograd.js';
import { belowSigs, emitBelow } from './cpp_below.js';
import { emitPublic } from './cpp_public.js';
import { declareNames, hasKernel, variants } from './cpp_variants.js';

export function emitOps(ops: readonly Op[]): void {
  declareNames(ops);
  const byName = new Map<string, Signature>(ops.filter((o) => !o.derived).map((o) => [o.name, o.sig]));
  emitHeader(ops);
  for (const family of new Set(ops.map((o) => o.family))) {
    const mine = ops.filter((o) => o.family === family);
    const parts: string[] = ['namespace flambeau {'];
    const nodes = mine.filter((o) => !o.derived && needsNode(o)).map((o) => emitNode(o, byName));
    parts.push('namespace below {', ...mine.flatMap((o) => emitBelow(o)), '}  // namespace below\n');
    if (nodes.length) parts.push('namespace {', ...nodes, '}  // namespace\n');
    parts.push(
      'namespace ops {',
      ...mine.filter((o) => !o.derived).flatMap((o) => emitPublic(o, byName)),
      '}  // namespace ops',
      '}  // namespace flambeau',
    );
    writeGenerated(
      `native/ops_${family}.cc`,
      render('native/source.cc', {
        origin: `codegen/ops/${family}.ts`,
        includes: [
          '"flambeau/ops.h"',
          '"support.h"',
          '"optim/steps.h"',
          '"below.h"',
          '"term.h"',
          '"kernels.h"',
          '"extern_kernels.h"',
          ...(mine.some(hasKernel) ? ['"composite_kernels.h"'] : []),
          '"core/views.h"',
          '"cpu/drivers.h"',
          '<limits>',
        ],
        body: parts.join('\n'),
      }),
    );
  }
  emitBelowHeader(ops);
  emitExternHeader(ops);
  emitCompositeKernels(ops, byName);
}
const ORIGIN = 'codegen/ops';

function emitHeader(ops: readonly Op[]): void {
  const ints = new Map<string, readonly number[]>();
  for (const o of ops)
    for (const p of o.sig.params)
      if (Array.isArray(p.default) && p.default.length)
        ints.set(intsName(p.default as number[]), p.default as number[]);
  const constants = [...ints].sort().map(([n, v]) => `inline constexpr int64_t kInts_${n}[] = {${v.join(', ')}};`);
  const decls = ops
    .filter((o) => !o.derived)
    .flatMap((o) => [
      `/// ${o.record.doc.split('\n')[0]}`,
      ...variants(o).map((s) => `FB_API ${returnType(s)} ${s.name}(${paramList(s, true)});`),
    ]);
  writeGenerated(
    'native/include/flambeau/ops.h',
    render('native/header.h', {
      origin: ORIGIN,
      includes: [
        '<limits>',
        '<optional>',
        '<span>',
        '<string_view>',
        '<tuple>',
        '',
        '"flambeau/generator.h"',
        '"flambeau/tensor.h"',
      ].filter(Boolean),
      body: [
        '#ifndef FB_API',
        '#define FB_API __attribute__((visibility("default")))',
        '#endif',
        '',
        'namespace flambeau::ops {',
        '',
        ...constants,
        '',
        ...decls,
        '',
        '}  // namespace flambeau::ops',
      ].join('\n'),
    }),
  );
}

/** Functions under the autograd layer: what derivative formulas call when no graph is being built. */
function emitBelowHeader(ops: readonly Op[]): void {
  const decls = ops
    .filter((o) => o.info.kind !== 'composite')
    .flatMap((o) => belowSigs(o).map((s) => `${returnType(s)} ${s.name}(${paramList(s)});`));
  writeGenerated(
    'native/below.h',
    render('native/header.h', {
      origin: ORIGIN,
      includes: ['"flambeau/ops.h"'],
      body: ['namespace flambeau::below {', '', ...decls, '', '}  // namespace flambeau::below'].join('\n'),
    }),
  );
}
function emitExternHeader(ops: readonly Op[]): void {
  const decls = ops
    .filter((o) => o.info.kind === 'extern')
    .flatMap((o) => [`${returnType(o.sig)} ${o.name}(${paramList(o.sig)});`]);
  writeGenerated(
    'native/extern_kernels.h',
    render('native/header.h', {
      origin: ORIGIN,
      includes: ['<optional>', '<span>', '<string_view>', '<tuple>', '"flambeau/generator.h"', '"flambeau/tensor.h"'],
      body: [
        '// Kernels written by hand in native/cpu: one definition each, or the library does not link.',
        'namespace flambeau::cpu {',
        '',
        ...decls,
        '',
        '}  // namespace flambeau::cpu',
      ].join('\n'),
    }),
  );
}

/** Eager kernels of composites: see CompositeRecord.kernel. */
function emitCompositeKernels(ops: readonly Op[], byName: ReadonlyMap<string, Signature>): void {
  writeGenerated(
    'native/composite_kernels.h',
    render('native/header.h', {
      origin: ORIGIN,
      includes: ['<array>', '<optional>', '"flambeau/tensor.h"'],
      body: [
        '// Kernels written by hand in native/cpu. An undefined result, or an empty list, means: not a call that they take.',
        'namespace flambeau::cpu {',
        '',
        ...ops
          .filter(hasKernel)
          .flatMap((o) => [
            `${returnType(o.sig)} ${o.name}Kernel(${paramList(o.sig)});`,
            `TensorList ${kernelBackward(o, byName).declaration};`,
          ]),
        '',
        '}  // namespace flambeau::cpu',
      ].join('\n'),
    }),
  );
}
