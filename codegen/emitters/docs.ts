// Emits generated/docs: one page per family, with what its ops have in common, an example that a test runs, and each op's
// signature, description, dtypes, derivative and ONNX mapping.
import { printExpr } from '../../src/ir/scalar.js';
import type { DTypeRule, Page, ReduceRule } from '../model.js';
import { render, writeGenerated } from '../render.js';
import type { Op } from '../load.js';
import { overloadsOf } from '../overloads.js';
import { selfIndex } from '../schema.js';

export function emitDocs(ops: readonly Op[], pages: ReadonlyMap<string, Page>): void {
  const families = [...pages.keys()];
  const calls = callsOf(ops);
  for (const family of families) {
    const entries = ops
      .filter((o) => o.family === family && !o.derived)
      .map((o) => ({
        name: o.name,
        schema: o.record.schema,
        doc: o.record.doc,
        facts: facts(o, calls.get(o.name) ?? [])
          .map((f) => `- ${f}`)
          .join('\n'),
      }));
    writeGenerated(`docs/${family}.md`, render('docs/family.md', { ...pages.get(family)!, entries }));
  }
  writeGenerated(
    'docs/README.md',
    render('docs/index.md', {
      families: families.map((f) => ({
        family: f,
        title: pages.get(f)!.title,
        ops: ops
          .filter((o) => o.family === f && !o.derived)
          .map((o) => `\`${o.name}\``)
          .join(', '),
      })),
    }),
  );
}

/** For the forms of an overloaded function, how each is called: `max(dim, keepdim)`. */
function callsOf(ops: readonly Op[]): Map<string, string[]> {
  const calls = new Map<string, string[]>();
  for (const { name, forms } of overloadsOf(ops))
    for (const { op, sig } of forms) {
      const at = selfIndex(sig);
      const params = sig.params.filter((_, i) => i !== at);
      const places = params.flatMap((p) => (p.keywordOnly ? [] : [p.name]));
      const named = params.flatMap((p) => (p.keywordOnly && p.default === undefined ? [p.name] : []));
      const args = [...places, ...(named.length ? [`{ ${named.join(', ')} }`] : [])];
      calls.set(op.name, [...(calls.get(op.name) ?? []), `${name}(${args.join(', ')})`]);
    }
  return calls;
}

const POINTWISE_DTYPES: Readonly<Record<DTypeRule, string>> = {
  same: 'all; operands are promoted, the result has their dtype',
  'int-to-float': 'all; integers and bool give the default float dtype',
  bool: 'all; the result is bool',
  'float-only': 'floating ones',
  'numeric-only': 'all but bool',
  'integral-only': 'integers and bool',
};
const REDUCTION_DTYPES: Readonly<Record<ReduceRule, string>> = {
  same: 'all; the result has the same',
  'int-to-int64': 'all; integers and bool give int64',
  'float-only': 'floating ones',
  bool: 'all; the result is bool',
  index: 'all; the result is int64',
};

function facts(o: Op, called: readonly string[]): string[] {
  const out = [`kind: ${o.info.kind}${o.inplace ? `, in place: \`${o.name}_\`` : ''}`];
  const names = o.record.exports ?? (o.record.aliases ? [o.name, ...o.record.aliases] : []);
  if (called.length > 0) out.push(`called by: ${called.map((n) => `\`${n}\``).join(', ')}`);
  if (names.length > 0) out.push(`names: ${names.map((n) => `\`fb.${n}\``).join(', ')}`);
  if (o.info.kind === 'pointwise') {
    out.push(`dtypes: ${POINTWISE_DTYPES[o.info.rule]}`, `value: \`${o.info.forward.join(', ')}\``);
  } else if (o.info.kind === 'reduction') out.push(`dtypes: ${REDUCTION_DTYPES[o.info.rule]}`);
  if (o.record.nondifferentiable) out.push(`no derivative: ${o.record.nondifferentiable}`);
  for (const g of o.gradients ?? []) out.push(`gradient of ${g.param}: \`${printExpr(g.expr)}\``);
  const onnx = o.record.onnx;
  out.push(
    'op' in onnx
      ? `ONNX: ${onnx.op} (opset ${onnx.since})`
      : 'symbolic' in onnx
        ? `ONNX: by the symbolic \`${onnx.symbolic}\``
        : `ONNX: none (${onnx.none})`,
  );
  return out;
}
