// The public functions: autograd on top of the layer below, and composites.
import { edgeParams, type Op } from '../load.js';
import { selfIndex, type Signature } from '../schema.js';
import { argList, isListType, isOperandLike, paramList, returnType } from './cpp_types.js';
import { nodeSetup, needsNode } from './cpp_autograd.js';
import { hasKernel, inplaceSig } from './cpp_variants.js';
import { TensorLowering } from '../lower/tensor.js';

export function emitPublic(op: Op, byName: ReadonlyMap<string, Signature>): string[] {
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
