// Emits the by-name table of ops (boxed.cc) and the Node bindings (node/bindings_FAMILY.cc): two views of the same signatures.
import { render, writeGenerated } from '../render.js';
import type { Op } from '../load.js';
import { selfIndex, type Signature } from '../schema.js';
import type { Param } from '../../src/ir/opinfo.js';
import { ARGS_METHOD, cppDefault, isOperandLike } from './cpp_types.js';
import { variants } from './cpp_variants.js';

export function emitBoxed(ops: readonly Op[]): void {
  const entries: { name: string; code: string }[] = [];
  for (const op of ops) {
    const namespace = op.derived ? 'below' : 'ops';
    for (const s of op.derived ? [op.sig] : variants(op)) {
      if (s.params.some((p) => p.type === 'float[]?')) continue;
      entries.push({ name: s.name, code: boxedCall(namespace, s) });
    }
  }
  writeGenerated(
    'native/boxed.cc',
    render('native/boxed.cc', { entries }).replace(
      '#include "boxed_args.h"',
      '#include "below.h"\n#include "boxed_args.h"',
    ),
  );
  writeGenerated('native/include/flambeau/boxed.h', render('native/boxed.h', {}));
  writeGenerated('native/boxed_args.h', render('native/boxed_args.h', {}));
}

function boxedCall(namespace: string, s: Signature): string {
  let operand = 0;
  const args = s.params.map((p) =>
    isOperandLike(p.type) || p.type === 'Operand?' ? boxedOperand(p, operand++) : boxedAttr(p),
  );
  const call = `${namespace}::${s.name}(${args.join(', ')})`;
  switch (s.returns) {
    case 'tensor':
      return `return {${call}};`;
    case 'list':
      return `return ${call};`;
    case 'self':
      return selfIndex(s) >= 0 ? `return {${call}};` : `${call}; return {};`;
    case 'tuple':
      return `auto r = ${call}; return {${s.results.map((_, i) => `std::get<${i}>(r)`).join(', ')}};`;
  }
}
function boxedOperand(p: Param, i: number): string {
  return `a.${{ Tensor: 'tensor', 'Tensor?': 'optTensor', 'Tensor[]': 'tensors', 'Tensor?[]': 'tensors', Operand: 'operand', 'Operand?': 'optOperand' }[p.type as string]}(${i})`;
}
function boxedAttr(p: Param): string {
  if (p.type === 'Generator?') return 'nullptr';
  const base = p.type.replace('?', '');
  const method = {
    Scalar: 'scalar',
    int: 'integer',
    float: 'floating',
    bool: 'boolean',
    string: 'string',
    dtype: 'dtype',
    'int[]': 'ints',
    'float[]': 'floats',
  }[base]!;
  const get = `a.${method}("${p.name}")`;
  if (p.type.endsWith('?')) {
    const type = {
      Scalar: 'Scalar',
      int: 'int64_t',
      float: 'double',
      bool: 'bool',
      string: 'std::string_view',
      dtype: 'DType',
      'int[]': 'IntSpan',
    }[base]!;
    return `a.find("${p.name}") ? std::optional<${type}>(${get}) : std::nullopt`;
  }
  if (p.default !== undefined) return `a.find("${p.name}") ? ${get} : ${cppDefault(p)}`;
  return get;
}

export function emitBindings(ops: readonly Op[]): void {
  const families = [...new Set(ops.map((o) => o.family))];
  for (const family of families) {
    const functions: { name: string; names: string; count: number; body: string }[] = [];
    for (const op of ops.filter((o) => o.family === family && !o.derived)) {
      for (const s of variants(op)) {
        const args = s.params.map((p, i) => `args.${ARGS_METHOD[p.type]}(${i})`);
        const call = `ops::${s.name}(${args.join(', ')})`;
        functions.push({
          name: s.name,
          names: s.params.map((p) => `"${p.name}"`).join(', ') || 'nullptr',
          count: s.params.length,
          body: s.returns === 'self' ? `${call};\n    return nullptr;` : `return wrap(env, ${call});`,
        });
      }
    }
    writeGenerated(`native/node/bindings_${family}.cc`, render('native/bindings.cc', { family, functions }));
  }
  writeGenerated('native/node/bindings.cc', render('native/bindings_all.cc', { families }));
  writeGenerated('native/bindings.h', render('native/bindings.h', {}));
}
