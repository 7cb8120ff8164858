// The source of functions as syntax trees (ts-morph), and errors that show the code they are about.
import { createRequire } from 'node:module';
import type * as TsMorph from 'ts-morph';

/** A construct that scalar code may not contain; the message has a code frame. */
export class ScalarSyntaxError extends SyntaxError {
  readonly code = 'ERR_FLAMBEAU_SCRIPT';
}

/** Code that jit.script cannot turn into a graph: where it stands, why, and what to write instead. */
export class ScriptError extends SyntaxError {
  override readonly name = 'ScriptError';
  readonly code = 'ERR_FLAMBEAU_SCRIPT';
}

let morph: typeof TsMorph | undefined;
let project: TsMorph.Project | undefined;
export const tsMorph = (): typeof TsMorph => (morph ??= createRequire(import.meta.url)('ts-morph') as typeof TsMorph);

export type FunctionNode = TsMorph.ArrowFunction | TsMorph.FunctionExpression;

/** Parses one function expression or method from its source text. The nodes live until the next call with the same `file`. */
export function parseFunction(source: string, file = 'scalar'): FunctionNode {
  const { Project, Node } = tsMorph();
  project ??= new Project({ useInMemoryFileSystem: true, compilerOptions: { allowJs: true } });
  const text = /^(async\s|function\b|\(|[\w$]+\s*=>)/.test(source) ? source : `function ${source}`;
  const parsed = project.createSourceFile(`${file}.ts`, `const f = (${text});`, { overwrite: true });
  const init = parsed.getVariableDeclarationOrThrow('f').getInitializerOrThrow();
  const fn = Node.isParenthesizedExpression(init) ? init.getExpression() : init;
  if (Node.isArrowFunction(fn) || Node.isFunctionExpression(fn)) return fn;
  throw new ScalarSyntaxError(`expected a function, got: ${source.slice(0, 80)}`);
}

const AROUND = 2;

/** The lines around a node, its place marked. Lines count from the function's first. */
export function codeFrame(node: TsMorph.Node): string {
  const file = node.getSourceFile();
  const lines = file
    .getFullText()
    .replace(/^const f = \((?:function (?=\w+\())?/, '')
    .replace(/\);$/, '')
    .split('\n');
  const shift = file.getFullText().split('\n')[0]!.length - lines[0]!.length - (lines.length === 1 ? 2 : 0);
  const { line, column } = file.getLineAndColumnAtPos(node.getStart());
  const at = line === 1 ? column - shift : column;
  const width = Math.max(1, Math.min(node.getText().split('\n')[0]!.length, lines[line - 1]!.length - at + 1));
  const first = Math.max(1, line - AROUND);
  const gutter = String(Math.min(lines.length, line + AROUND)).length;
  return lines
    .slice(first - 1, line + AROUND)
    .flatMap((text, i) => {
      const number = String(first + i).padStart(gutter);
      const plain = text.replaceAll('\t', '  ');
      const before = text.slice(0, at - 1).replaceAll('\t', '  ').length;
      const shown = `${first + i === line ? '>' : ' '} ${number} | ${plain}`;
      return first + i === line
        ? [shown, `  ${' '.repeat(gutter)} | ${' '.repeat(before)}${'^'.repeat(width)}`]
        : [shown];
    })
    .join('\n');
}

/** @throws ScriptError with a code frame; `instead` is a suggestion */
export function fail(node: TsMorph.Node, why: string, instead?: string, cause?: unknown): never {
  const { line, column } = node.getSourceFile().getLineAndColumnAtPos(node.getStart());
  const hint = instead === undefined ? '' : `\nInstead: ${instead}`;
  throw new ScriptError(`jit.script: ${why} (line ${line}, column ${column})\n${codeFrame(node)}${hint}`, { cause });
}
