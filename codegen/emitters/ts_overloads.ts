// Emits generated/ts/overloads.ts: functions of several forms (records with `overloadOf`), each form a function of its own and a
// table by which src/tensor/overload.ts chooses.
import type { FunctionDeclarationStructure, OptionalKind } from 'ts-morph';
import type { Op } from '../load.js';
import { callable, print, TS_TYPE, withImports, type Callable } from './ts_ops.js';

/** The forms of every overloaded name, the one with the most required parameters first. */
export function overloadGroups(ops: readonly Op[]): Map<string, Op[]> {
  const groups = new Map<string, Op[]>();
  const declared = ops.filter((o) => !o.derived);
  for (const op of declared) {
    const name = op.record.overloadOf;
    if (name !== undefined) groups.set(name, [...(groups.get(name) ?? []), op]);
  }
  const required = (o: Op): number => o.sig.params.filter((p) => p.default === undefined).length;
  for (const [name, forms] of groups) {
    forms.push(...declared.filter((o) => o.name === name));
    groups.set(
      name,
      forms.sort((a, b) => required(b) - required(a)),
    );
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** True for the plain form of an overloaded name. */
export const isForm = (op: Op, ops: readonly Op[]): boolean => ops.some((o) => o.record.overloadOf === op.name);

type Signature = Pick<Callable, 'parameters' | 'returnType' | 'docs'>;

/** What TypeScript may call: the form's own parameters, and all of them by name where some are required. */
export function signatures(op: Op, self: { code: string; index: number } | undefined, name: string): Signature[] {
  const { parameters, returnType, docs } = callable(op, op.sig, self, name);
  const named = op.sig.params.slice(1);
  if (!named.some((p) => p.default === undefined)) return [{ parameters, returnType, docs }];
  const fields = named.map((p) => `${p.name}${p.default === undefined ? '' : '?'}: ${TS_TYPE[p.type]}`);
  const options = { name: 'options', type: `{ ${fields.join('; ')} }` };
  return [
    { parameters, returnType, docs },
    { parameters: [...(self ? [] : parameters.slice(0, 1)), options], returnType, docs },
  ];
}

export function emitOverloads(ops: readonly Op[]): void {
  const functions: OptionalKind<FunctionDeclarationStructure>[] = [];
  const tables: string[] = [];
  for (const [name, forms] of overloadGroups(ops)) {
    const rows: string[] = [];
    const overloads: OptionalKind<FunctionDeclarationStructure>['overloads'] = [];
    for (const op of forms) {
      const c = callable(op, op.sig, undefined, `${name}_${op.name}`);
      functions.push({
        name: c.name,
        parameters: c.parameters,
        statements: c.statements,
        returnType: c.returnType,
      });
      const params = op.sig.params
        .slice(1)
        .map(
          (p) =>
            `['${p.name}', '${p.type}', '${p.keywordOnly ? 'keyword' : p.default === undefined ? 'required' : 'optional'}']`,
        );
      rows.push(`    { call: ${c.name}, params: [${params.join(', ')}] },`);
      overloads.push(...signatures(op, undefined, c.name));
    }
    tables.push(`  ${name}: [`, ...rows, '  ],');
    functions.push({
      name,
      isExported: true,
      parameters: [
        { name: 'self', type: 'TensorBase' },
        { name: 'args', type: 'unknown[]', isRestParameter: true },
      ],
      statements: [`return callForm('${name}', FORMS.${name}!, self, args);`],
      returnType: 'unknown',
      overloads,
    });
  }
  print('ts/overloads.ts', (project) => {
    const source = project.createSourceFile('overloads.ts');
    source.addFunctions(functions);
    const table = [
      '/** Forms by function name, in the order in which they are tried. */',
      'export const FORMS: Readonly<Record<string, readonly Form[]>> = {',
      ...tables,
      '};',
    ];
    return withImports(`${source.getFullText()}\n${table.join('\n')}\n`, 'overloads');
  });
}
