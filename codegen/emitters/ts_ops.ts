// Emits the TypeScript side: the op table (ops.ts), the addon's typed functions (native-ops.ts), Tensor methods (methods.ts, one
// ts-morph structure printed once) and free functions (functions.ts).
import {
  IndentationText,
  Project,
  StructureKind,
  type MethodDeclarationStructure,
  type OptionalKind,
  type FunctionDeclarationStructure,
} from 'ts-morph';
import type { OpInfo, Param, ParamType } from '../../src/ir/opinfo.js';
import { render, writeGenerated } from '../render.js';
import type { Op } from '../load.js';
import { selfIndex, type Signature } from '../schema.js';
import { inplaceSig, traceName, variants } from './cpp_variants.js';
import { isListType } from './cpp_types.js';
import { overloadsOf } from '../overloads.js';
import { emitOverloads, signatures } from './ts_overloads.js';

const ORIGIN = 'codegen/ops';

export function emitTs(ops: readonly Op[]): void {
  emitTable(ops);
  emitNative(ops);
  emitMethods(ops);
  emitFunctions(ops);
  emitOverloads(ops);
}

// ---- table ----

function emitTable(ops: readonly Op[]): void {
  const all = [...ops].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entry = (o: Op): string => `  ${quoteKey(info(o).name)}: ${literal(info(o))},`;
  writeGenerated(
    'ts/ops.ts',
    render('ts/module.ts', {
      origin: ORIGIN,
      imports: ["import type { OpInfo } from '../../src/ir/opinfo.js';"],
      body: [
        '/** Every declared op and every derivative kernel, by name. */',
        'export const OPS: Readonly<Record<string, OpInfo>> = {',
        ...all.map(entry),
        '};',
      ].join('\n'),
    }),
  );
}
/** The table goes by the names that traces use. */
const info = (o: Op): OpInfo => ({ ...o.info, name: traceName(o) });
const quoteKey = (k: string): string => (/^\w+$/.test(k) ? k : `'${k}'`);
function literal(v: unknown): string {
  if (typeof v === 'number')
    return Number.isFinite(v)
      ? Object.is(v, -0)
        ? '-0'
        : String(v)
      : Number.isNaN(v)
        ? 'NaN'
        : v > 0
          ? 'Infinity'
          : '-Infinity';
  if (typeof v === 'string') return `'${v.replaceAll("'", "\\'")}'`;
  if (Array.isArray(v)) return `[${v.map(literal).join(', ')}]`;
  if (v !== null && typeof v === 'object')
    return `{ ${Object.entries(v)
      .filter(([, x]) => x !== undefined)
      .map(([k, x]) => `${k}: ${literal(x)}`)
      .join(', ')} }`;
  return String(v);
}

// ---- native functions ----

const NATIVE_TYPE: Readonly<Record<ParamType, string>> = {
  Tensor: 'H',
  'Tensor?': 'H | null',
  'Tensor[]': 'readonly H[]',
  'Tensor?[]': 'readonly (H | null)[]',
  Operand: 'H | NumberArg',
  'Operand?': 'H | NumberArg | null',
  Scalar: 'NumberArg',
  'Scalar?': 'NumberArg | null',
  int: 'number',
  'int?': 'number | null',
  float: 'number',
  'float?': 'number | null',
  bool: 'boolean',
  'bool?': 'boolean | null',
  string: 'string',
  'string?': 'string | null',
  dtype: 'number',
  'dtype?': 'number | null',
  'int[]': 'readonly number[]',
  'int[]?': 'readonly number[] | null',
  'float[]': 'readonly number[]',
  'float[]?': 'readonly number[] | null',
  'Generator?': 'H | null',
};
const nativeResult = (s: Signature): string => ({ tensor: 'H', list: 'H[]', tuple: 'H[]', self: 'void' })[s.returns];

function emitNative(ops: readonly Op[]): void {
  // A trailing run of optional parameters may be left out in hand-written calls; the addon reads them as null.
  const lines = ops
    .flatMap((o) => variants(o))
    .map(
      (s) =>
        `  ${s.name}(${s.params.map((p, i) => `${p.name}${s.params.slice(i).every((q) => q.default === null) ? '?' : ''}: ${NATIVE_TYPE[p.type]}`).join(', ')}): ${nativeResult(s)};`,
    );
  writeGenerated(
    'ts/native-ops.ts',
    render('ts/module.ts', {
      origin: ORIGIN,
      imports: ["import type { Handle as H } from '../../src/tensor/handle.js';"],
      body: [
        '/** A number for the addon: a JavaScript number, or a live scalar of the trace being recorded. */',
        'export type NumberArg = number | boolean | bigint | { readonly value: number; readonly slot?: number; readonly float?: boolean };',
        '',
        "/** The addon's op functions: positional arguments only, in schema order. */",
        'export interface NativeOps {',
        ...lines,
        '}',
      ].join('\n'),
    }),
  );
}

// ---- methods and functions ----

export const TS_TYPE: Readonly<Record<ParamType, string>> = {
  Tensor: 'TensorBase',
  'Tensor?': 'TensorBase | null',
  'Tensor[]': 'readonly TensorBase[]',
  'Tensor?[]': 'readonly (TensorBase | null)[]',
  Operand: 'TensorBase | NumberArg',
  'Operand?': 'TensorBase | NumberArg | null',
  Scalar: 'NumberArg',
  'Scalar?': 'NumberArg | null',
  int: 'number',
  'int?': 'number | null',
  float: 'number',
  'float?': 'number | null',
  bool: 'boolean',
  'bool?': 'boolean | null',
  string: 'string',
  'string?': 'string | null',
  dtype: 'DType',
  'dtype?': 'DType | null',
  'int[]': 'number | readonly number[]',
  'int[]?': 'number | readonly number[] | null',
  'float[]': 'number | readonly number[]',
  'float[]?': 'number | readonly number[] | null',
  'Generator?': 'GeneratorArg | null',
};

/** Converts an argument to what the addon takes. */
function toNative(p: Param, code: string): string {
  switch (p.type) {
    case 'Tensor':
      return `handleOf(${code})`;
    case 'Tensor?':
      return `optHandleOf(${code})`;
    case 'Tensor[]':
      return `handlesOf(${code})`;
    case 'Tensor?[]':
      return `optHandlesOf(${code})`;
    case 'Operand':
      return `operandOf(${code})`;
    case 'Operand?':
      return `optOperandOf(${code})`;
    case 'int[]':
    case 'float[]':
      return `intsOf(${code})`;
    case 'int[]?':
    case 'float[]?':
      return `optIntsOf(${code})`;
    case 'dtype':
      return `dtypeCode(${code})`;
    case 'dtype?':
      return `optDtypeCode(${code})`;
    case 'Generator?':
      return `generatorOf(${code})`;
    default:
      return code;
  }
}
const tsDefault = (p: Param): string =>
  Array.isArray(p.default)
    ? `[${p.default.join(', ')}]`
    : typeof p.default === 'string'
      ? `'${p.default}'`
      : String(p.default);

export interface Callable {
  readonly name: string;
  readonly parameters: { name: string; type: string; hasQuestionToken?: boolean; isRestParameter?: boolean }[];
  readonly statements: string[];
  readonly returnType: string;
  readonly docs: string[];
}

/** One method or function. `self`: the receiver's handle expression, with the parameter it stands for already removed. */
export function callable(
  op: Op,
  s: Signature,
  self: { code: string; index: number } | undefined,
  name: string,
): Callable {
  const params = s.params.filter((_, i) => i !== self?.index);
  const required = params.filter((p) => p.default === undefined && !p.keywordOnly);
  const optional = params.filter((p) => p.default !== undefined && !p.keywordOnly);
  const keyword = params.filter((p) => p.keywordOnly);
  const rest =
    self && required.length === 1 && required[0]!.type === 'int[]' && optional.length === 0 && keyword.length === 0;
  const codes = new Map<string, string>();
  const parameters: Callable['parameters'] = [];
  const statements: string[] = [];
  const variadic = !self && op.record.variadic === true;
  for (const p of required) {
    if (variadic) {
      codes.set(p.name, toNative(p, p.name));
    } else if (rest) {
      parameters.push({ name: p.name, type: '(number | readonly number[])[]', isRestParameter: true });
      codes.set(p.name, `sizesOf(${p.name})`);
    } else {
      const number = self === undefined && s === op.sig && op.record.numberFirst === true && p === s.params[0];
      parameters.push({ name: p.name, type: TS_TYPE[number ? 'Operand' : p.type] });
      codes.set(p.name, number ? `firstOperandOf('${s.name}', ${p.name}, ${s.params[1]!.name})` : toNative(p, p.name));
    }
  }
  const named = [...optional, ...keyword];
  const out = self === undefined && s === op.sig && takesOut(op);
  const optionsType = `{ ${[
    ...named.map((p) => `${p.name}${p.default === undefined ? '' : '?'}: ${TS_TYPE[p.type]}`),
    ...(out ? [`out?: ${s.returns === 'tuple' ? 'readonly TensorBase[]' : 'TensorBase'}`] : []),
  ].join('; ')} }`;
  const hasOptions = keyword.length > 0 || out;
  const given = optional.length || variadic ? 'o?.out' : 'options?.out';
  // Kernels written by hand want the very dtype; the others convert.
  const exact = op.info.kind === 'extern' || s.returns === 'tuple';
  if (variadic) {
    const list = required[0]!.name;
    if (required.length !== 1 || required[0]!.type !== 'Tensor[]')
      throw new Error(`${op.name}: variadic functions take one list of tensors`);
    parameters.push({ name: 'args', type: `TensorListArgs<${optionsType}>`, isRestParameter: true });
    statements.push(
      `const ${named.length || out ? `[${list}, o]` : `[${list}]`} = tensorListArgs<${optionsType}>(args);`,
    );
    for (const p of named) codes.set(p.name, toNative(p, `(o?.${p.name} ?? ${tsDefault(p)})`));
    return finished();
  }
  for (const p of optional)
    parameters.push({ name: p.name, type: `${TS_TYPE[p.type]} | ${optionsType}`, hasQuestionToken: true });
  /** The code of a parameter that only the options object has. */
  const fromOptions = (p: Param, o: string): string =>
    toNative(p, p.default === undefined ? `${o}!.${p.name}` : `(${o}?.${p.name} ?? ${tsDefault(p)})`);
  if (hasOptions)
    parameters.push({
      name: 'options',
      type: optionsType,
      hasQuestionToken: optional.length > 0 || keyword.every((p) => p.default !== undefined),
    });
  if (optional.length) {
    statements.push(
      `const o = optionsAmong(${[...optional.map((p) => p.name), ...(hasOptions ? ['options'] : [])].join(', ')}) as ${optionsType} | undefined;`,
    );
    for (const p of optional)
      codes.set(
        p.name,
        toNative(
          p,
          `((${p.name} === undefined || (${p.name} as unknown) === o ? o?.${p.name} : (${p.name} as ${TS_TYPE[p.type]})) ?? ${tsDefault(p)})`,
        ),
      );
    for (const p of keyword) codes.set(p.name, fromOptions(p, 'o'));
  } else for (const p of keyword) codes.set(p.name, fromOptions(p, 'options'));
  return finished();

  /** The result in the caller's tensor where there is one. */
  function delivered(call: string): string {
    return `deliver('${s.name}', ${given}, ${call}, ${exact})`;
  }
  function finished(): Callable {
    if (out && op.record.out === 'apart') {
      const operands = s.params.filter((p) => p.type === 'Tensor').map((p) => p.name);
      statements.push(`checkApart(${given}, [${operands.join(', ')}]);`);
    }
    const args = s.params.map((p, i) => (i === self?.index ? self.code : codes.get(p.name)!)).join(', ');
    const adopts = op.info.kind === 'view' && s.returns === 'self';
    const call = `native.ops.${adopts ? op.name : s.name}(${args})`;
    const returnsThis = s.returns === 'self' && self;
    if (adopts) statements.push(`this._adopt(${call});`, 'return this;');
    else if (returnsThis) statements.push(`${call};`, 'return this;');
    else if (s.returns === 'self')
      statements.push(`${call};`, ...(isListType(s.params[0]!.type) ? [] : [`return ${s.params[0]!.name} as Tensor;`]));
    else if (out && s.returns === 'tensor') statements.push(`return ${delivered(call)};`);
    else if (out)
      statements.push(
        `const result = ${call};`,
        `return namedResults([${s.results.map((r) => `'${r}'`).join(', ')}], ${given} ? intoOuts('${s.name}', ${given}, result, ${exact}) : result) as unknown as ${tupleType(s)};`,
      );
    else if (s.returns === 'tensor') statements.push(`return wrap(${call});`);
    else if (s.returns === 'list') statements.push(`return wrapAll(${call});`);
    else
      statements.push(
        `return namedResults([${s.results.map((r) => `'${r}'`).join(', ')}], ${call}) as unknown as ${tupleType(s)};`,
      );
    const returnType = returnsThis
      ? 'this'
      : s.returns === 'self'
        ? isListType(s.params[0]!.type)
          ? 'void'
          : 'Tensor'
        : s.returns === 'tensor'
          ? 'Tensor'
          : s.returns === 'list'
            ? 'Tensor[]'
            : tupleType(s);
    return { name, parameters, statements, returnType, docs: [docOf(op, s)] };
  }
}
/** Whether the free functions of an op can write into a tensor of the caller. */
export function takesOut(op: Op): boolean {
  if (op.sig.returns !== 'tensor' && op.sig.returns !== 'tuple') return false;
  if (op.record.out !== undefined) return op.record.out !== false;
  const own = op.info.kind === 'composite' ? op.inplace : op.info.kind !== 'view';
  return own && (op.record.exports ?? ['']).some((path) => !path.startsWith('nn.'));
}
const tupleType = (s: Signature): string =>
  `[${s.results.map(() => 'Tensor').join(', ')}] & { ${s.results.map((r) => `readonly ${r}: Tensor`).join('; ')} }`;
const docOf = (op: Op, s: Signature): string =>
  (s.name === op.name ? op.record.doc : `In place: ${op.record.doc}`) + `\n\n\`${op.record.schema}\``;

const IMPORTS = [
  "import { native } from '../../src/native.js';",
  "import { dtypeCode, type DType } from '../../src/tensor/dtype.js';",
  "import { TensorBase, wrap, type Tensor } from '../../src/tensor/handle.js';",
  "import { checkApart, deliver, firstOperandOf, generatorOf, handleOf, handlesOf, intoOuts, intsOf, namedResults, operandOf, optDtypeCode, optOperandOf, optHandleOf, optHandlesOf, optIntsOf, optionsAmong, sizesOf, tensorListArgs, wrapAll, type GeneratorArg, type TensorListArgs } from '../../src/tensor/args.js';",
  "import { callForm, type Form } from '../../src/tensor/overload.js';",
  "import { FORMS } from './overloads.js';",
  "import type { NumberArg } from './native-ops.js';",
];

export function print(file: string, build: (project: Project) => string): void {
  const text = build(
    new Project({ useInMemoryFileSystem: true, manipulationSettings: { indentationText: IndentationText.TwoSpaces } }),
  );
  writeGenerated(file, text);
}
/** Keeps only the imports that the text uses. */
export function withImports(body: string, self = ''): string {
  const lines = IMPORTS.filter((line) => !line.endsWith(`'./${self}.js';`))
    .map((line) => {
      const m = /^import (type )?\{ (.*) \} from (.*)$/.exec(line)!;
      const used = m[2]!.split(', ').filter((n) => new RegExp(`\\b${n.replace('type ', '')}\\b`).test(body));
      return used.length ? `import ${m[1] ?? ''}{ ${used.join(', ')} } from ${m[3]}` : '';
    })
    .filter(Boolean);
  return [
    `// Generated by \`npm run codegen\` from ${ORIGIN}. Do not edit.`,
    '/* eslint-disable */',
    ...lines,
    '',
    body,
  ].join('\n');
}

function emitMethods(ops: readonly Op[]): void {
  const methods: OptionalKind<MethodDeclarationStructure>[] = [];
  const overloads = overloadsOf(ops).filter((o) => o.method);
  const overloaded = new Set(overloads.map((o) => o.name));
  const add = (c: Callable): void => {
    if (overloaded.has(c.name)) return;
    methods.push({
      name: c.name,
      parameters: c.parameters,
      statements: c.statements,
      returnType: c.returnType,
      docs: c.docs,
    });
  };
  for (const op of [...ops].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (op.derived || op.record.method === false || selfIndex(op.sig) < 0) continue;
    const inplace = op.inplace || (op.record.kind === 'view' && op.record.inplace === true);
    for (const s of [op.sig, ...(inplace ? [inplaceSig(op.sig)] : [])]) {
      add(callable(op, s, { code: 'this._h', index: selfIndex(s) }, s.name));
      for (const alias of op.record.aliases ?? [])
        add(
          callable(
            op,
            s,
            { code: 'this._h', index: selfIndex(s) },
            s.name.endsWith('_') && !op.name.endsWith('_') ? `${alias}_` : alias,
          ),
        );
    }
  }
  for (const { name, forms } of overloads)
    methods.push({
      name,
      parameters: [{ name: 'args', type: 'unknown[]', isRestParameter: true }],
      statements: [`return callForm('${name}', FORMS.${name}!, this, args);`],
      returnType: 'unknown',
      overloads: forms.flatMap((f) => signatures(f, { code: 'this._h', index: 0 }, name)),
    });
  print('ts/methods.ts', (project) => {
    const file = project.createSourceFile('methods.ts', {
      statements: [
        {
          kind: StructureKind.Class,
          name: 'TensorMethods',
          isAbstract: true,
          isExported: true,
          extends: 'TensorBase',
          docs: ['One method per declared op. Tensor (src/tensor/tensor.ts) extends it.'],
          methods,
        },
      ],
    });
    return withImports(file.getFullText());
  });
}

/** Namespaces of free functions and the generated file of each; src/ re-exports them (src/special.ts, src/nn/functional.ts). */
const NAMESPACES: Readonly<Record<string, string>> = {
  fft: 'fft',
  linalg: 'linalg',
  special: 'special',
  masked: 'masked',
  'nn.functional': 'nn_functional',
};

const hasFunction = (op: Op): boolean =>
  !op.derived && op.record.function !== false && !(op.name.endsWith('_') && op.info.kind === 'extern');

/** An op's function names on the root (namespace '') or in a namespace. */
function exportsOf(op: Op, namespace: string): string[] {
  if (!hasFunction(op)) return [];
  const all = op.record.exports ?? [op.name, ...(op.record.aliases ?? [])];
  return all.flatMap((path) => {
    const dot = path.lastIndexOf('.');
    const [space, name] = [path.slice(0, Math.max(dot, 0)), path.slice(dot + 1)];
    if (space !== '' && !(space in NAMESPACES)) throw new Error(`${op.name}: no namespace '${space}'`);
    return space === namespace ? [name] : [];
  });
}

/**
 * Functions of the root that change their first argument in place: those that PyTorch has as functions, too. Written by hand in
 * src/tensor/inplace_functions.ts are those whose method is.
 */
const ROOT_INPLACE: ReadonlySet<string> = new Set(
  `abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil celu clamp clampMax clampMin clip
  conjPhysical cos cosh deg2rad erf erfc exp exp2 expm1 fix floor frac gcd i0 lcm ldexp log log10 log1p log2 logit nanToNum neg
  negative rad2deg reciprocal relu round rrelu rsqrt selu sigmoid sin sinc sinh sqrt square tan tanh threshold trunc xlogy`.split(
    /\s+/,
  ),
);

function emitFunctions(ops: readonly Op[]): void {
  emitNamespace('functions', '', ops);
  for (const [namespace, file] of Object.entries(NAMESPACES)) emitNamespace(file, namespace, ops);
}

/** Names that cannot be declared: exported under an alias. */
const RESERVED: ReadonlySet<string> = new Set(['var']);

const functionOf = (c: Callable): OptionalKind<FunctionDeclarationStructure> => ({
  name: c.name,
  parameters: c.parameters,
  statements: c.statements,
  returnType: c.returnType,
  docs: c.docs,
});

function emitNamespace(file: string, namespace: string, ops: readonly Op[]): void {
  const functions: OptionalKind<FunctionDeclarationStructure>[] = [];
  const renamed: string[] = [];
  const fromRoot: string[] = [];
  const groups = namespace === '' ? overloadsOf(ops).flatMap((o) => (o.function ? [o.name] : [])) : [];
  for (const op of [...ops].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const root = namespace === '' ? [] : exportsOf(op, '');
    for (const name of exportsOf(op, namespace)) {
      if (op.inplace && (namespace === 'nn.functional' || (namespace === '' && ROOT_INPLACE.has(name))))
        functions.push({ ...functionOf(callable(op, inplaceSig(op.sig), undefined, `${name}_`)), isExported: true });
      if (groups.includes(name)) continue;
      if (root.length) {
        fromRoot.push(root[0] === name ? name : `${root[0]!} as ${name}`);
        continue;
      }
      const safe = RESERVED.has(name) ? `${name}_` : name;
      if (safe !== name) renamed.push(`export { ${safe} as ${name} };`);
      functions.push({ ...functionOf(callable(op, op.sig, undefined, safe)), isExported: safe === name });
    }
  }
  print(`ts/${file}.ts`, (project) => {
    const source = project.createSourceFile(`${file}.ts`);
    source.addFunctions(functions);
    const tail = [
      ...renamed,
      ...(groups.length ? [`export { ${groups.join(', ')} } from './overloads.js';`] : []),
      ...(fromRoot.length ? [`export { ${fromRoot.join(', ')} } from './functions.js';`] : []),
      ...(functions.length + fromRoot.length === 0 ? ['export {};'] : []),
    ];
    return withImports(`${source.getFullText()}\n${tail.join('\n')}`);
  });
}
