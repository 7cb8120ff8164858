// The layer below autograd: the call of a back end, recorded where a trace is active.
import { type Op } from '../load.js';
import { type Signature } from '../schema.js';
import { argList, isListType, isOperandLike, paramList, returnType } from './cpp_types.js';
import { inplaceSig, traceName } from './cpp_variants.js';

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

export function emitBelow(op: Op): string[] {
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

/** Zero divisors of integers. Examples that a recording makes up for other sizes are not looked at: its replay checks them. */
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

/** What other layers may call of an op in `flambeau::below`. */
export const belowSigs = (op: Op): Signature[] =>
  op.derived ? [op.sig] : op.info.kind === 'pointwise' && op.inplace ? [op.sig, inplaceSig(op.sig)] : [op.sig];
