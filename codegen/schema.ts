// Parses the signatures of the declarations: 'clamp(self: Tensor, min: Scalar? = null, *, dtype: dtype? = null): Tensor'.
import type { DefaultValue, Param, ParamType } from '../src/ir/opinfo.js';

export interface Signature {
  readonly name: string;
  readonly params: readonly Param[];
  readonly results: readonly string[];
  readonly returns: 'tensor' | 'tuple' | 'list' | 'self';
}

const TYPES: ReadonlySet<string> = new Set<ParamType>([
  'Tensor',
  'Tensor?',
  'Tensor[]',
  'Tensor?[]',
  'Operand',
  'Operand?',
  'Scalar',
  'Scalar?',
  'int',
  'int?',
  'float',
  'float?',
  'bool',
  'bool?',
  'string',
  'string?',
  'dtype',
  'dtype?',
  'int[]',
  'int[]?',
  'float[]',
  'float[]?',
  'Generator?',
]);

/** The parameter a method is called on: the tensor named self, else a first one of another name; -1: none. */
export function selfIndex(s: Signature): number {
  const named = s.params.findIndex((p) => p.name === 'self' && p.type === 'Tensor');
  return named >= 0 ? named : s.params[0]?.type === 'Tensor' ? 0 : -1;
}

/** Splits at top-level commas. */
function splitList(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '[' || c === '(') depth++;
    else if (c === ']' || c === ')') depth--;
    else if (i === text.length || (c === ',' && depth === 0)) {
      out.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return out.filter((s) => s !== '');
}

function parseDefault(text: string, where: string): DefaultValue {
  if (/^'.*'$/.test(text)) return text.slice(1, -1);
  try {
    return JSON.parse(text) as DefaultValue;
  } catch {
    throw new Error(`${where}: bad default '${text}'`);
  }
}

/** @throws Error naming the schema and the part that does not parse. */
export function parseSchema(schema: string): Signature {
  const m = /^(\w+)\((.*)\): (.+)$/s.exec(schema.trim());
  if (!m) throw new Error(`bad schema '${schema}'`);
  const [, name, list, result] = m as unknown as [string, string, string, string];
  let keywordOnly = false;
  const params: Param[] = [];
  for (const item of splitList(list)) {
    if (item === '*') {
      keywordOnly = true;
      continue;
    }
    const p = /^(\w+): (\S+)(?: = (.+))?$/.exec(item);
    if (!p || !TYPES.has(p[2]!)) throw new Error(`${schema}: bad parameter '${item}'`);
    params.push({
      name: p[1]!,
      type: p[2] as ParamType,
      ...(p[3] !== undefined ? { default: parseDefault(p[3], schema) } : {}),
      ...(keywordOnly ? { keywordOnly: true as const } : {}),
    });
  }
  if (result === 'Tensor') return { name, params, results: ['out'], returns: 'tensor' };
  if (result === 'Tensor[]') return { name, params, results: ['out'], returns: 'list' };
  if (result === 'self') return { name, params, results: [], returns: 'self' };
  const results = splitList(result.replace(/^\(|\)$/g, '')).map((r) => r.split(':')[0]!);
  return { name, params, results, returns: 'tuple' };
}
