// Emits generated/ts/overloads.ts: functions of several forms (codegen/overloads.ts), each form a function of its own and a table by
// which src/tensor/overload.ts chooses.
import type { FunctionDeclarationStructure, OptionalKind } from 'ts-morph';
import type { Param } from '../../src/ir/opinfo.js';
import type { Op } from '../load.js';
import { overloadsOf, type Overload } from '../overloads.js';
import { callable, print, takesOut, TS_TYPE, withImports, type Callable } from './ts_ops.js';

type Declared = Pick<Callable, 'parameters' | 'returnType' | 'docs'>;
type Form = Overload['forms'][number];

/** What TypeScript may call: the form's own parameters, and all of them by name where some are required. */
export function signatures(
  { op, sig }: Form,
  self: { code: string; index: number } | undefined,
  name: string,
): Declared[] {
  const { parameters, returnType, docs } = callable(op, sig, self, name);
  const named = sig.params.slice(1);
  if (!named.some((p) => p.default === undefined)) return [{ parameters, returnType, docs }];
  const fields = named.map((p) => `${p.name}${p.default === undefined ? '' : '?'}: ${TS_TYPE[p.type]}`);
  const options = { name: 'options', type: `{ ${fields.join('; ')} }` };
  return [
    { parameters, returnType, docs },
    { parameters: [...(self ? [] : parameters.slice(0, 1)), options], returnType, docs },
  ];
}

/** A parameter as the table has it: name, type, and whether a call must give it. */
function paramRow(p: Param): string {
  const need = p.default === undefined ? 'required' : 'optional';
  return `['${p.name}', '${p.type}', '${p.keywordOnly ? `${need}-by-name` : need}']`;
}

/** The `out` option, where the form's function has one. */
function outRow({ op, sig }: Form): string[] {
  if (sig !== op.sig || !takesOut(op)) return [];
  return [`['out', '${sig.returns === 'tuple' ? 'Tensor[]' : 'Tensor'}', 'optional-by-name']`];
}

export function emitOverloads(ops: readonly Op[]): void {
  const functions: OptionalKind<FunctionDeclarationStructure>[] = [];
  const tables: string[] = [];
  for (const overload of overloadsOf(ops)) {
    const { name, forms } = overload;
    const rows: string[] = [];
    const overloads: OptionalKind<FunctionDeclarationStructure>['overloads'] = [];
    for (const form of forms) {
      const { op, sig } = form;
      const c = callable(op, sig, undefined, `${name}_${sig.name}`);
      functions.push({
        name: c.name,
        parameters: c.parameters,
        statements: c.statements,
        returnType: c.returnType,
      });
      rows.push(
        `    { call: ${c.name}, params: [${[...sig.params.slice(1).map(paramRow), ...outRow(form)].join(', ')}] },`,
      );
      if (overload.function) overloads.push(...signatures(form, undefined, c.name));
    }
    tables.push(`  ${name}: [`, ...rows, '  ],');
    if (!overload.function) continue;
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
