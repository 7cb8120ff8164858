// Emits generated/docs: one page per family, with each op's signature, description, derivative and ONNX mapping.
import { printExpr } from '../../src/ir/scalar.js';
import { render, writeGenerated } from '../render.js';
import type { Op } from '../load.js';

export function emitDocs(ops: readonly Op[]): void {
  const families = [...new Set(ops.map((o) => o.family))];
  for (const family of families) {
    const entries = ops
      .filter((o) => o.family === family && !o.derived)
      .map((o) => ({
        name: o.name,
        schema: o.record.schema,
        doc: o.record.doc,
        facts: facts(o)
          .map((f) => `- ${f}`)
          .join('\n'),
      }));
    writeGenerated(`docs/${family}.md`, render('docs/family.md', { family, entries }));
  }
  writeGenerated(
    'docs/index.md',
    render('docs/index.md', {
      families: families.map((f) => ({
        family: f,
        ops: ops
          .filter((o) => o.family === f && !o.derived)
          .map((o) => `\`${o.name}\``)
          .join(', '),
      })),
    }),
  );
}

function facts(o: Op): string[] {
  const out = [`kind: ${o.info.kind}${o.inplace ? `, in place: \`${o.name}_\`` : ''}`];
  if (o.info.kind === 'pointwise') out.push(`value: \`${o.info.forward.join(', ')}\`; dtypes: ${o.info.rule}`);
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
