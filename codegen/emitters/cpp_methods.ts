// Emits the public C++ API: methods of Tensor and functions of namespace flambeau, under PyTorch's C++ names (log_softmax, max_pool2d),
// as thin calls of flambeau::ops. Several forms of one function are overloads.
import type { Param } from '../../src/ir/opinfo.js';
import { render, writeGenerated } from '../render.js';
import type { Op } from '../load.js';
import { overloadsOf } from '../overloads.js';
import { selfIndex, type Signature } from '../schema.js';
import { cppDefault, PARAM_TYPE, returnType } from './cpp_types.js';
import { variants } from './cpp_variants.js';

/** logSoftmax → log_softmax; digits stay where they are. */
export const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (c, at: number) => `${at > 0 ? '_' : ''}${c.toLowerCase()}`);

/** What Tensor has under these names itself (native/include/flambeau/tensor.h), or what C++ does not allow. */
const TAKEN = new Set([
  'size',
  'sizes',
  'stride',
  'strides',
  'dim',
  'numel',
  'data',
  'grad',
  'is',
  'dtype',
  'device',
  'version',
  'defined',
  'ptr',
  'item',
  'backward',
  'to',
]);
const KEYWORDS = new Set([
  'and',
  'or',
  'xor',
  'not',
  'new',
  'delete',
  'default',
  'union',
  'double',
  'float',
  'int',
  'long',
  'short',
  'char',
  'bool',
]);

/** Namespaces of functions, by the path before the last dot of an export. */
const NAMESPACES: Readonly<Record<string, string>> = {
  '': 'flambeau',
  'nn.functional': 'flambeau::nn::functional',
  linalg: 'flambeau::linalg',
  special: 'flambeau::special',
  fft: 'flambeau::fft',
};

/** Families whose functions torch.nn.functional has as well. */
const FUNCTIONAL = new Set([
  'activation',
  'attention',
  'conv',
  'distance',
  'dropout',
  'embedding',
  'loss',
  'margin',
  'nn',
  'pad',
  'pool',
  'resample',
]);

const paramType = (p: Param): string =>
  p.type === 'int[]' ? 'IntList' : p.type === 'int[]?' ? 'OptionalIntList' : PARAM_TYPE[p.type];
const declared = (params: readonly Param[], defaults: boolean): string =>
  params
    .map((p) => `${paramType(p)} ${snake(p.name)}${defaults && p.default !== undefined ? ` = ${defaultOf(p)}` : ''}`)
    .join(', ');
/** Lists are written out: the constants of ops.h are not visible inside the class. */
const defaultOf = (p: Param): string =>
  Array.isArray(p.default) && p.type.startsWith('int') && p.default.length > 0
    ? `{${p.default.join(', ')}}`
    : cppDefault(p);
const passed = (p: Param): string => (p.type === 'int[]?' ? `${snake(p.name)}.value()` : snake(p.name));

/** Defaults of operands need the complete type, which follows class Tensor: methods leave them, and those before them, out. */
function methodParams(params: readonly Param[]): Param[] {
  const last = params.findLastIndex((p) => p.type.startsWith('Operand') && p.default !== undefined);
  return params.map((p, i) => {
    if (i > last) return p;
    const { default: _default, ...rest } = p;
    return rest as Param;
  });
}

/** A namespace of its own at link time: inner functions of the library have some of these names, too. */
const opened = (space: string): string[] => [`namespace ${space} {`, 'inline namespace api {'];
const closed = (space: string): string[] => ['}  // namespace api', `}  // namespace ${space}`];

interface Entry {
  readonly name: string;
  readonly doc: string;
  readonly sig: Signature;
}

/** Drops a later form that C++ could not tell from an earlier one. */
function distinct(entries: readonly Entry[], params: (s: Signature) => readonly Param[]): Entry[] {
  const seen = new Set<string>();
  return entries.filter((e) => {
    const key = `${e.name}(${params(e.sig).map(paramType).join()})`;
    return !seen.has(key) && seen.add(key);
  });
}

const others = (s: Signature): Param[] => methodParams(s.params.filter((_, i) => i !== selfIndex(s)));

/** A form of `max` is called `max`, and by its own name where it has functions of its own. */
function methodsOf(ops: readonly Op[]): Entry[] {
  const groups = overloadsOf(ops);
  return ops.flatMap((op) => {
    if (op.derived || selfIndex(op.sig) < 0) return [];
    return variants(op).flatMap((sig) => {
      const place = sig.name.endsWith('_') ? '_' : '';
      const own = op.record.method === false ? [] : [op.name.replace(/_$/, ''), ...(op.record.aliases ?? [])];
      const group = groups.find((g) => g.method && g.name === op.record.overloadOf);
      return [...(group ? [group.name] : []), ...own]
        .map((n) => snake(n) + place)
        .filter((n) => !TAKEN.has(n) && !KEYWORDS.has(n))
        .map((name) => ({ name, doc: op.record.doc.split('\n')[0]!, sig }));
    });
  });
}

function functionsOf(ops: readonly Op[], path: string): Entry[] {
  const groups = overloadsOf(ops);
  return ops.flatMap((op) => {
    if (op.derived) return [];
    const own = op.record.function === false ? [] : (op.record.exports ?? [op.name, ...(op.record.aliases ?? [])]);
    const group = groups.find((g) => g.function && g.name === op.record.overloadOf);
    const mine = [...(group ? [group.name] : []), ...own]
      .filter((x) => x.slice(0, Math.max(0, x.lastIndexOf('.'))) === path)
      .map((x) => snake(x.slice(x.lastIndexOf('.') + 1)));
    return mine
      .filter((n) => !KEYWORDS.has(n))
      .map((name) => ({ name, doc: op.record.doc.split('\n')[0]!, sig: op.sig }));
  });
}

const call = (s: Signature, self: string | null): string => {
  const at = self === null ? -1 : selfIndex(s);
  const args = s.params.map((p, i) => (i === at ? self! : passed(p))).join(', ');
  return `${s.returns === 'self' && selfIndex(s) < 0 ? '' : 'return '}ops::${s.name}(${args});`;
};

interface Functions {
  readonly space: string;
  /** Functions defined here. */
  readonly entries: readonly Entry[];
  /** Names that are the root's functions. */
  readonly shared: readonly string[];
}

/** The functions of every namespace. One that the root has under the same name, in the same forms, is the root's. */
function functionTable(ops: readonly Op[]): Functions[] {
  const formsOf = (entries: readonly Entry[], name: string): string =>
    entries.flatMap((e) => (e.name === name ? [e.sig.name] : [])).join();
  const root = distinct(functionsOf(ops, ''), (s) => s.params);
  return Object.entries(NAMESPACES).map(([path, space]) => {
    if (path === '') return { space, entries: root, shared: [] };
    const all = distinct(functionsOf(ops, path), (s) => s.params);
    const names = new Set(all.map((e) => e.name));
    const shared = new Set([...names].filter((name) => formsOf(all, name) === formsOf(root, name)));
    if (path === 'nn.functional') {
      const families = ops.filter((op) => FUNCTIONAL.has(op.family) || op.name === 'linear');
      for (const e of functionsOf(families, '')) if (!names.has(e.name)) shared.add(e.name);
    }
    return { space, entries: all.filter((e) => !shared.has(e.name)), shared: [...shared] };
  });
}

export function emitMethods(ops: readonly Op[]): void {
  const methods = distinct(methodsOf(ops), others);
  writeGenerated(
    'native/include/flambeau/tensor_methods.h',
    [
      '// Generated by `npm run codegen` from codegen/ops. Do not edit. Part of class Tensor.',
      ...methods.flatMap((m) => [
        `/// ${m.doc}`,
        `${returnType(m.sig)} ${m.name}(${declared(others(m.sig), true)}) const;`,
      ]),
    ].join('\n'),
  );
  const functions = functionTable(ops);
  writeGenerated(
    'native/include/flambeau/functions.h',
    render('native/header.h', {
      origin: 'codegen/ops',
      includes: ['"flambeau/lists.h"', '"flambeau/ops.h"'],
      body: functions
        .flatMap(({ space, entries, shared }) => [
          ...opened(space),
          '',
          ...entries.flatMap((f) => [
            `/// ${f.doc}`,
            `FB_API ${returnType(f.sig)} ${f.name}(${declared(f.sig.params, true)});`,
          ]),
          ...shared.map((name) => `using ${NAMESPACES['']}::${name};`),
          '',
          ...closed(space),
          '',
        ])
        .join('\n'),
    }),
  );
  emitBodies('methods', [
    'namespace flambeau {',
    '',
    ...methods.map(
      (m) =>
        `${returnType(m.sig)} Tensor::${m.name}(${declared(others(m.sig), false)}) const { ${call(m.sig, '*this')} }`,
    ),
    '',
    '}  // namespace flambeau',
  ]);
  emitBodies(
    'functions',
    functions.flatMap(({ space, entries }) => [
      ...opened(space),
      ...entries.map(
        (f) => `${returnType(f.sig)} ${f.name}(${declared(f.sig.params, false)}) { ${call(f.sig, null)} }`,
      ),
      ...closed(space),
      '',
    ]),
  );
}

function emitBodies(name: string, lines: readonly string[]): void {
  writeGenerated(
    `native/public_${name}.cc`,
    render('native/source.cc', {
      origin: 'codegen/ops',
      includes: ['"flambeau/functions.h"', '"flambeau/tensor.h"'],
      body: lines.join('\n'),
    }),
  );
}
