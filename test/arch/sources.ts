// Reads the sources of the repository for the architecture tests: files, sizes, imports, includes.
import { readdirSync, readFileSync, statSync, existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** All files below a folder of the repository with one of the endings, as paths from its root. */
export function files(folder: string, ...endings: string[]): string[] {
  const dir = join(root, folder);
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((f) => endings.some((e) => f.endsWith(e)) && statSync(join(dir, f)).isFile())
    .map((f) => join(folder, f))
    .sort();
}

export const read = (file: string): string => readFileSync(join(root, file), 'utf8');
export const lineCount = (file: string): number => read(file).trimEnd().split('\n').length;

export interface Import {
  readonly from: string;
  /** A file of the repository, or a package's name. */
  readonly to: string;
  /** Erased when compiled: `import type`, or every name marked `type`. */
  readonly typeOnly: boolean;
}

const STATEMENT =
  /^\s*(?:import|export)\s+(type\s+)?((?:[\w*$]+(?:\s+as\s+\w+)?\s*,?\s*)?(?:\{[^}]*\})?)\s*from\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

/** The imports and re-exports of a TypeScript file. */
export function importsOf(file: string): Import[] {
  const text = read(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
  return [...text.matchAll(STATEMENT)].map(([, type, names, from, bare, dynamic]) => {
    const specifier = from ?? bare ?? dynamic!;
    const list = /^\{([^}]*)\}$/
      .exec((names ?? '').trim())?.[1]
      ?.split(',')
      .map((s) => s.trim())
      .filter(Boolean);
    const typeOnly =
      type !== undefined || (list !== undefined && list.length > 0 && list.every((s) => s.startsWith('type ')));
    return { from: file, to: specifier.startsWith('.') ? target(file, specifier) : specifier, typeOnly };
  });
}

function target(file: string, specifier: string): string {
  const path = resolve(root, dirname(file), specifier);
  return relative(root, path.replace(/\.js$/, '.ts'));
}

/** The strongly connected parts with more than one file, over imports that survive compilation. */
export function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (v: string): void => {
    index.set(v, index.size);
    low.set(v, index.get(v)!);
    stack.push(v);
    for (const w of graph.get(v) ?? []) {
      if (!index.has(w)) {
        visit(w);
        low.set(v, Math.min(low.get(v)!, low.get(w)!));
      } else if (stack.includes(w)) {
        low.set(v, Math.min(low.get(v)!, index.get(w)!));
      }
    }
    if (low.get(v) !== index.get(v)) return;
    const part = stack.splice(stack.indexOf(v));
    if (part.length > 1) found.push(part.sort());
  };
  for (const v of graph.keys()) if (!index.has(v)) visit(v);
  return found;
}
