// Emits generated/native/include/flambeau/ops.h and ops_FAMILY.cc: per op the backend call with its trace record (`below`)
// and the public function with the autograd layer on top.
import { render, writeGenerated } from '../render.js';
import { edgeParams, type Op } from '../load.js';
import { selfIndex, type Signature } from '../schema.js';
import { argList, intsName, isListType, isOperandLike, paramList, returnType } from './cpp_types.js';
import { emitNode, kernelBackward, nodeSetup, needsNode } from './cpp_autograd.js';
import { TensorLowering } from '../lower/tensor.js';

export const inplaceSig = (s: Signature): Signature => ({ ...s, name: `${s.name}_`, returns: 'self', results: [] });
/** The name an op has in traces: in-place externs go by their plain name ('copy_' as 'copy') unless that is another op. */
export const traceName = (op: Op): string => {
  const plain = op.name.replace(/_$/, '');
  return op.info.kind === 'extern' && op.sig.returns === 'self' && !declared.has(plain) ? plain : op.name;
};
const declared = new Set<string>();

/** The C++ functions of an op: [signature, is in place]. */
export function variants(op: Op): Signature[] {
  if (op.derived) return [];
  const out = [op.sig];
  if (op.inplace) out.push(inplaceSig(op.sig));
  return out;
}

export function emitOps(ops: readonly Op[]): void {
  for (const o of ops) declared.add(o.name);
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
const hasKernel = (op: Op): boolean => op.record.kind === 'composite' && op.record.kernel === true;

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
const belowSigs = (op: Op): Signature[] =>
  op.derived ? [op.sig] : op.info.kind === 'pointwise' && op.inplace ? [op.sig, inplaceSig(op.sig)] : [op.sig];

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

// ---- below ----

const record = (s: Signature): string[] =>
  s.params
    .filter((p) => p.type !== 'Generator?')
    .map((p) =>
      isListType(p.type)
        ? `  call.inputs(${p.name});`
        : isOperandLike(p.type)
          ? `  call.input(${p.name});`
          : `  call.attr(support::attr("${p.name}", ${p.name}));`,
    );

function emitBelow(op: Op): string[] {
  switch (op.info.kind) {
    case 'pointwise':
      return belowPointwise(op);
    case 'reduction':
      return [belowReduction(op)];
    case 'scan':
      return [belowScan(op)];
    case 'view':
      return [belowView(op)];
    case 'extern':
      return [belowExtern(op)];
    case 'composite':
      return [];
  }
}

/** Arrays of operands and attributes for a pointwise driver call. */
function pointwiseArgs(op: Op): string[] {
  const operands = op.sig.params.filter((p) => isOperandLike(p.type)).map((p) => p.name);
  const attrs = op.sig.params
    .filter((p) => !isOperandLike(p.type))
    .map((p) => (p.type === 'Scalar' ? `${p.name}.toDouble()` : `static_cast<double>(${p.name})`));
  return [
    `  const BorrowedOperands inputs(${operands.join(', ')});`,
    attrs.length ? `  const double attrs[] = {${attrs.join(', ')}};` : '  constexpr std::span<const double> attrs;',
  ];
}

/** Zero divisors of integers. The numbers of tensors are unknown while a function is recorded: its replay checks them. */
function divisorCheck(op: Op): string[] {
  const by = op.info.kind === 'pointwise' && !op.derived ? op.info.divisor : undefined;
  const self = op.sig.params[0]!.name;
  if (by === undefined) return [];
  return [
    `  if (!isFloating(${self}.dtype()) && ${self}.numel() > 0 && !support::isFloatResult(${self}, ${by}))`,
    `    support::checkedDivisor(${by});`,
  ];
}

function belowPointwise(op: Op): string[] {
  const { sig } = op;
  const args = [...divisorCheck(op), ...pointwiseArgs(op)];
  const out: string[] = [];
  const mutates = op.record.kind === 'pointwise' ? op.record.mutates : undefined;
  if (mutates && !op.derived) {
    out.push(
      `${returnType(sig)} ${sig.name}(${paramList(sig)}) {`,
      ...args,
      `  const Tensor outs[] = {${mutates.join(', ')}};`,
      `  if (!trace::active()) {`,
      `    cpu::pointwiseInto(kernels::${sig.name}, inputs, attrs, outs, false);`,
      `    return ${mutates[0]};`,
      `  }`,
      `  trace::Call call("${sig.name}");`,
      ...record(sig),
      `  cpu::pointwiseInto(kernels::${sig.name}, inputs, attrs, outs, false);`,
      ...mutates.map((m) => `  call.mutated(${m});`),
      `  call.finish();`,
      `  return ${mutates[0]};`,
      `}`,
    );
    return [out.join('\n')];
  }
  out.push(
    `Tensor ${sig.name}(${paramList(sig)}) {`,
    ...args,
    `  if (!trace::active()) return cpu::pointwise(kernels::${sig.name}, inputs, attrs);`,
    `  trace::Call call("${sig.name}");`,
    ...record(sig),
    `  Tensor result = cpu::pointwise(kernels::${sig.name}, inputs, attrs);`,
    `  call.output(result);`,
    `  call.finish();`,
    `  return result;`,
    `}`,
  );
  if (op.inplace) {
    const s = inplaceSig(sig);
    const self = sig.params[0]!.name;
    out.push(
      `const Tensor& ${s.name}(${paramList(s)}) {`,
      ...args,
      `  const TensorSpan outs(&${self}, 1);`,
      `  if (!trace::active()) {`,
      `    cpu::pointwiseInto(kernels::${sig.name}, inputs, attrs, outs, false);`,
      `    return ${self};`,
      `  }`,
      `  trace::Call call("${sig.name}");`,
      ...record(sig),
      `  cpu::pointwiseInto(kernels::${sig.name}, inputs, attrs, outs, false);`,
      `  call.mutated(${self});`,
      `  call.finish();`,
      `  return ${self};`,
      `}`,
    );
  }
  return [out.join('\n')];
}

function belowReduction(op: Op): string {
  const { sig } = op;
  const named = new Set(['self', 'dim', 'keepdim', 'dtype']);
  const has = (n: string): boolean => sig.params.some((p) => p.name === n);
  const attrs = sig.params.filter((p) => !named.has(p.name)).map((p) => `static_cast<double>(${p.name})`);
  const dim = sig.params.find((p) => p.name === 'dim')!;
  const dims =
    dim.type === 'int[]?'
      ? 'dim'
      : dim.type === 'int[]'
        ? 'std::optional<IntSpan>(dim)'
        : 'std::optional<IntSpan>(IntSpan(&dim, 1))';
  const n = sig.results.length;
  const body = [
    attrs.length ? `  const double attrs[] = {${attrs.join(', ')}};` : '  constexpr std::span<const double> attrs;',
    `  Tensor outs[${n}];`,
    ...(dim.type === 'int?'
      ? [
          '  const int64_t one = dim.value_or(0);',
          '  const auto dims = dim ? std::optional<IntSpan>(IntSpan(&one, 1)) : std::nullopt;',
        ]
      : [`  const std::optional<IntSpan> dims = ${dims};`]),
    `  auto run = [&] { cpu::reduce(kernels::${sig.name}, self, dims, ${has('keepdim') ? 'keepdim' : 'false'}, ${has('dtype') ? 'dtype' : 'std::nullopt'}, attrs, outs); };`,
    ...runRecorded(sig),
  ];
  return [`${returnType(sig)} ${sig.name}(${paramList(sig)}) {`, ...body, '}'].join('\n');
}

/** `run()` fills `outs`; recorded when a trace is active. */
const runRecorded = (sig: Signature): string[] => [
  `  if (trace::active()) {`,
  `    trace::Call call("${sig.name}");`,
  ...record(sig).map((l) => `  ${l}`),
  `    run();`,
  ...sig.results.map((_, i) => `    call.output(outs[${i}]);`),
  `    call.finish();`,
  `  } else {`,
  `    run();`,
  `  }`,
  sig.results.length === 1 ? '  return outs[0];' : `  return {${sig.results.map((_, i) => `outs[${i}]`).join(', ')}};`,
];

function belowScan(op: Op): string {
  const { sig } = op;
  const dtype = sig.params.some((p) => p.name === 'dtype') ? 'dtype' : 'std::nullopt';
  return [
    `${returnType(sig)} ${sig.name}(${paramList(sig)}) {`,
    `  Tensor outs[${sig.results.length}];`,
    `  auto run = [&] { cpu::scan(kernels::${sig.name}, self, dim, ${dtype}, outs); };`,
    ...runRecorded(sig),
    '}',
  ].join('\n');
}

function belowView(op: Op): string {
  const { sig, record: r } = op;
  if (r.kind !== 'view') throw new Error('not a view');
  return [
    `Tensor ${sig.name}(${paramList(sig)}) {`,
    `  Geometry g = ${r.geometry}(${argList(sig)});`,
    `  if (!trace::active()) return aliasTensor(self, std::move(g.sizes), std::move(g.strides), g.offset);`,
    `  trace::Call call("${sig.name}");`,
    ...record(sig),
    `  Tensor out = aliasTensor(self, std::move(g.sizes), std::move(g.strides), g.offset);`,
    `  call.view(out, self);`,
    `  call.finish();`,
    `  return out;`,
    `}`,
  ].join('\n');
}

function belowExtern(op: Op): string {
  const { sig } = op;
  const mutates = op.record.kind === 'extern' ? (op.record.mutates ?? []) : [];
  const call = `cpu::${op.name}(${argList(sig)})`;
  const finish =
    sig.returns === 'self'
      ? [`  ${call};`, ...mutates.map((m) => `  call.mutated(${m});`), '  call.finish();', `  return ${mutates[0]};`]
      : [
          `  auto out = ${call};`,
          ...(sig.returns === 'tuple'
            ? sig.results.map((_, i) => `  call.output(std::get<${i}>(out));`)
            : sig.returns === 'list'
              ? ['  call.outputs(out);']
              : ['  call.output(out);']),
          '  call.finish();',
          '  return out;',
        ];
  return [
    `${returnType(sig)} ${sig.name}(${paramList(sig)}) {`,
    `  if (!trace::active()) return ${call};`,
    `  trace::Call call("${traceName(op)}");`,
    ...record(sig),
    ...finish,
    `}`,
  ].join('\n');
}

// ---- public ----

function emitPublic(op: Op, byName: ReadonlyMap<string, Signature>): string[] {
  const { sig } = op;
  const out: string[] = [];
  if (op.info.kind === 'composite') out.push(...publicComposite(op, byName));
  else if (needsNode(op)) out.push(publicWithNode(op));
  else out.push(publicPlain(op));
  if (op.inplace)
    out.push(op.info.kind === 'pointwise' ? publicInplacePointwise(op) : publicInplaceByCopy(inplaceSig(sig), sig));
  return out;
}

const mutated = (op: Op): readonly string[] =>
  op.record.kind === 'extern' || op.record.kind === 'pointwise' ? (op.record.mutates ?? []) : [];
const detached = (op: Op): string[] =>
  mutated(op)
    .slice(0, 1)
    .map((m) => `  autograd::checkInplace(${m}, "${op.name}");`);

function publicPlain(op: Op): string {
  return [
    `${returnType(op.sig)} ${op.name}(${paramList(op.sig)}) {`,
    ...detached(op),
    `  return below::${op.name}(${argList(op.sig)});`,
    '}',
  ].join('\n');
}

function anyRequires(op: Op): string {
  const params = edgeParams(op).map((p) => (isListType(p.type) ? `TensorSpan(${p.name})` : p.name));
  const lists = edgeParams(op).some((p) => isListType(p.type));
  return lists
    ? `autograd::gradEnabled() && (${params.map((p) => `autograd::needsGrad(${p})`).join(' || ')})`
    : `autograd::anyRequiresGrad(${params.join(', ')})`;
}

function publicWithNode(op: Op): string {
  const { sig } = op;
  const isView = op.info.kind === 'view';
  const mutates = op.record.kind === 'extern' ? op.record.mutates?.[0] : undefined;
  const below = `below::${op.name}(${argList(sig)})`;
  const lines = [`${returnType(sig)} ${op.name}(${paramList(sig)}) {`];
  if (mutates) lines.push(`  autograd::checkInplace(${mutates}, "${op.name}");`);
  lines.push(`  if (!(${anyRequires(op)})) {`);
  if (isView)
    lines.push(
      `    Tensor out = ${below};`,
      '    if (autograd::gradEnabled() || self.requiresGrad()) autograd::setView(out, self);',
      '    return out;',
    );
  else lines.push(`    return ${below};`);
  lines.push('  }');
  lines.push(...nodeSetup(op, mutates !== undefined));
  if (mutates) lines.push(`  ${below};`, `  autograd::rebaseHistory(${mutates}, node);`, `  return ${mutates};`, '}');
  else {
    lines.push(`  auto out = ${below};`);
    if (isView) lines.push('  autograd::setView(out, self);');
    lines.push(...attachHistory(op), '  return out;', '}');
  }
  return lines.join('\n');
}

/** Links the outputs to the node and saves those that the formulas read. */
function attachHistory(op: Op): string[] {
  const { sig } = op;
  if (sig.returns === 'list')
    return [
      '  node->numOutputs = static_cast<uint32_t>(out.size());',
      '  for (size_t i = 0; i < out.size(); ++i) autograd::setHistory(out[i], node, static_cast<uint32_t>(i));',
    ];
  if (sig.returns === 'tuple')
    return [
      ...sig.results.map(
        (_, i) =>
          `  if (isFloating(std::get<${i}>(out).dtype())) autograd::setHistory(std::get<${i}>(out), node, ${i});`,
      ),
      '  node->saveOutputs(out);',
    ];
  return ['  autograd::setHistory(out, node);', '  node->saveOutputs(out);'];
}

function publicInplacePointwise(op: Op): string {
  const s = inplaceSig(op.sig);
  const self = op.sig.params[0]!.name;
  const lines = [`const Tensor& ${s.name}(${paramList(s)}) {`, `  autograd::checkInplace(${self}, "${s.name}");`];
  if (needsNode(op)) {
    lines.push(
      `  if (${anyRequires(op)}) {`,
      ...nodeSetup(op, true).map((l) => `  ${l}`),
      `    below::${s.name}(${argList(s)});`,
      `    autograd::rebaseHistory(${self}, node);`,
      `    node->saveOutputs(${self});`,
      `    return ${self};`,
      '  }',
    );
  }
  lines.push(`  return below::${s.name}(${argList(s)});`, '}');
  return lines.join('\n');
}

/** NAME_ of an op without a kernel that writes in place: the result is copied back. */
function publicInplaceByCopy(s: Signature, plain: Signature): string {
  const self = s.params[selfIndex(s)]!.name;
  return [
    `const Tensor& ${s.name}(${paramList(s)}) {`,
    `  autograd::checkInplace(${self}, "${s.name}");`,
    `  return copy_(${self}, ${plain.name}(${argList(plain)}));`,
    '}',
  ].join('\n');
}

function publicComposite(op: Op, byName: ReadonlyMap<string, Signature>): string[] {
  const { sig, record: r } = op;
  if (r.kind !== 'composite') throw new Error('not a composite');
  const lines = [`${returnType(sig)} ${op.name}(${paramList(sig)}) {`];
  if (typeof r.body === 'string') {
    const call = `${r.body}(${argList(sig)})`;
    if (!needsNode(op)) return [[...lines, `  return ${call};`, '}'].join('\n')];
    return [[...lines, ...compositeWithNode(op, call, []), '}'].join('\n')];
  }
  const lowering = new TensorLowering(
    byName,
    {
      value: (n) => {
        const p = sig.params.find((q) => q.name === n);
        return p && { code: n, type: p.type };
      },
      meta: (n, what) => {
        const p = sig.params.find((q) => q.name === n);
        if (!p || !isOperandLike(p.type)) return undefined;
        return what === 'dtype' ? `${n}.dtype()` : what === 'sizes' ? `Dims(${n}.sizes())` : `support::shapesOf(${n})`;
      },
    },
    `${op.name}: body`,
    undefined,
    sig.returns === 'tuple',
  );
  const inner = lowering.lower(op.body(['body'])!, '    ');
  const kernel = hasKernel(op)
    ? [
        `    if (!trace::active())`,
        `      if (Tensor fast = cpu::${op.name}Kernel(${argList(sig)}); fast.defined()) return fast;`,
      ]
    : [];
  lines.push(`  trace::Region region("${op.name}");`);
  lines.push('  if (trace::active()) {');
  for (const p of sig.params) {
    if (p.type === 'Generator?') continue;
    if (isListType(p.type)) lines.push(`    for (const Tensor& one : ${p.name}) region.input(one);`);
    else if (isOperandLike(p.type)) lines.push(`    region.input(${p.name});`);
    else if (p.type === 'Operand?')
      lines.push(`    if (${p.name}) region.input(*${p.name}); else region.input(Tensor());`);
    else lines.push(`    region.attr(support::attr("${p.name}", ${p.name}));`);
  }
  lines.push('    region.begin();', '  }');
  const type = returnType(sig);
  lines.push(`  auto body = [&]() -> ${type} {`, ...kernel, inner.code, '  };');
  const end =
    sig.returns === 'tensor'
      ? ['  if (trace::active()) region.output(out);']
      : sig.returns === 'tuple'
        ? [`  if (trace::active()) {`, ...sig.results.map((_, i) => `    region.output(std::get<${i}>(out));`), '  }']
        : ['  if (trace::active()) for (const Tensor& one : out) region.output(one);'];
  if (needsNode(op)) lines.push(...compositeWithNode(op, 'body()', end), '}');
  else lines.push(`  ${type} out = body();`, ...end, '  return out;', '}');
  return [lines.join('\n')];
}

/** A composite with a derivative of its own: its parts are not differentiated. `end` follows the call. */
function compositeWithNode(op: Op, call: string, end: readonly string[]): string[] {
  return [
    `  if (!(${anyRequires(op)})) {`,
    `    ${returnType(op.sig)} out = ${call};`,
    ...end.map((l) => `  ${l}`),
    '    return out;',
    '  }',
    ...nodeSetup(op, false),
    `  ${returnType(op.sig)} out;`,
    '  {',
    '    autograd::GradGuard off(false);',
    `    out = ${call};`,
    '  }',
    ...end,
    ...attachHistory(op),
    '  return out;',
  ];
}
