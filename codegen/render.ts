// The one place that touches handlebars and the file system. Templates own files; emitters own nesting.
import { mkdirSync, readFileSync, writeFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const compiled = new Map<string, Handlebars.TemplateDelegate>();

/** Renders templates/NAME.hbs. noEscape: C++ is not HTML; strict: a missing name is an error, not an empty string. */
export function render(name: string, data: Record<string, unknown>): string {
  let template = compiled.get(name);
  if (!template) {
    template = Handlebars.compile(readFileSync(path.join(ROOT, 'templates', `${name}.hbs`), 'utf8'), {
      noEscape: true,
      strict: true,
    });
    compiled.set(name, template);
  }
  return template(data);
}

const written = new Set<string>();

/** Writes generated/FILE unless it already has this text, so that C++ builds stay incremental. */
export function writeGenerated(file: string, text: string): void {
  const target = path.join(ROOT, 'generated', file);
  written.add(target);
  const final = text.endsWith('\n') ? text : `${text}\n`;
  if (existsSync(target) && readFileSync(target, 'utf8') === final) return;
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, final);
}

/** Removes files of an earlier run that this one did not write. */
export function removeStale(): void {
  for (const entry of readdirSync(path.join(ROOT, 'generated'), { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile() && !written.has(file)) rmSync(file);
  }
}
