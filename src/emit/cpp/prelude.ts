// The vector prelude as part of generated source: only the sections that the kernels use.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../package_root.js';

/** What kernels that are generated at build time include, as parts of native/kernels; each uses the ones before it. */
const VECTORS = ['vectors.h', 'arithmetic.h', 'functions.h'];
const PARTS = [...VECTORS, 'programs.h', 'special.h'];

interface Section {
  readonly name: string;
  readonly needs: readonly string[];
  readonly text: string;
  readonly names: ReadonlySet<string>;
  /** Of special.h, which device code has too. */
  readonly special: boolean;
}

let sections: Section[] | null = null;
let runtimeText: string | null = null;

const read = (path: string): string => readFileSync(join(packageRoot(), 'native', path), 'utf8');
/** All that generated source may hold, so that a change of it can be told. */
export const preludeText = (): string => PARTS.map((file) => read(`kernels/${file}`)).join('') + runtimeDeclarations();
const namesIn = (text: string): Set<string> => new Set(text.match(/\bfb_\w+/g) ?? []);

function load(): Section[] {
  if (sections) return sections;
  const out: Section[] = [];
  const base = new Set<string>();
  const parts = PARTS.flatMap((file) =>
    read(`kernels/${file}`)
      .split(/^\/\/@section /m)
      .slice(1)
      .map((part) => ({ part, special: file === 'special.h' })),
  );
  for (const { part, special } of parts) {
    const head = /^(\w+)(?: needs ([\w ]+))?\n/.exec(part)!;
    if (head[1] === 'end') continue;
    const body = part
      .slice(head[0].length)
      .replace(/\n\s*\/\/[^\n]*/g, '')
      .trimEnd();
    const names = namesIn(body);
    if (head[1] === 'base') for (const n of names) base.add(n);
    out.push({
      name: head[1]!,
      needs: head[2]?.split(' ') ?? [],
      text: body,
      names: new Set([...names].filter((n) => head[1] === 'base' || !base.has(n))),
      special,
    });
  }
  return (sections = out);
}

/** Whether source uses a function of special.h. */
export function usesSpecial(source: string): boolean {
  const own = namesIn(read('kernels/special.h'));
  for (const file of VECTORS) for (const n of namesIn(read(`kernels/${file}`))) own.delete(n);
  return [...namesIn(source)].some((n) => own.has(n));
}

/** Prelude text for source that uses these names. */
export const preludeFor = (source: string): string => sectionsFor(source, load());
/** The same of special.h alone. */
export const specialFor = (source: string): string =>
  sectionsFor(
    source,
    load().filter((s) => s.special),
  );

function sectionsFor(source: string, all: readonly Section[]): string {
  const used = namesIn(source);
  const wanted = new Set<string>(['base']);
  const want = (name: string): void => {
    wanted.add(name);
    for (const n of all.find((s) => s.name === name)?.needs ?? []) want(n);
  };
  for (const s of all) {
    // A section counts as used by the functions that only it defines.
    const own = [...s.names].filter((n) => !all.some((o) => o !== s && o.names.has(n) && s.needs.includes(o.name)));
    if (own.some((n) => used.has(n))) want(s.name);
  }
  return all
    .filter((s) => wanted.has(s.name))
    .map((s) => s.text)
    .join('\n');
}

/** The C ABI of the runtime, without comments and guards. */
export function runtimeDeclarations(): string {
  if (runtimeText === null) {
    runtimeText = read('include/flambeau/runtime.h')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .split('\n')
      .filter((l) => l.trim() !== '' && !/^#(ifndef|ifdef|endif)|FLAMBEAU_RUNTIME_H|^extern "C" \{|^\}$/.test(l))
      .join('\n');
  }
  return runtimeText;
}
