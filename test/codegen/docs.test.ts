// The examples of the generated pages print what they say.
import { readdirSync, readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const dir = new URL('../../generated/docs/', import.meta.url);
const squash = (s: string): string => s.replace(/\s+/g, ' ').trim();

/** Turns `expression; // => text` into a call of `check`; the text may go on in comment lines below. */
function instrument(code: string): { code: string; checks: number } {
  const lines = code.split('\n');
  let checks = 0;
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const m = /^(.*?);?\s*\/\/ => (.*)$/.exec(lines[i]!);
    if (!m) {
      out.push(lines[i]!);
      continue;
    }
    const said = [m[2]!];
    while (/^\/\/ {4}/.test(lines[i + 1] ?? '')) said.push(lines[++i]!.slice(2));
    checks++;
    out.push(`check(() => (${m[1]!}), ${JSON.stringify(said.join(' '))});`);
  }
  return { code: out.join('\n'), checks };
}

describe('generated/docs', () => {
  for (const file of readdirSync(dir).filter((f) => f.endsWith('.md') && f !== 'README.md')) {
    test(`${file}: the example holds`, () => {
      const blocks = [...readFileSync(new URL(file, dir), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)];
      expect(blocks).not.toHaveLength(0);
      for (const [, source] of blocks) {
        const { code, checks } = instrument(source!);
        expect(checks).toBeGreaterThan(0);
        const check = (value: () => unknown, said: string): void => {
          let got: string;
          try {
            const v = value();
            got = typeof v === 'string' ? v : inspect(v);
          } catch (e) {
            got = `throws ${(e as Error).message}`;
          }
          expect(squash(got)).toBe(squash(said));
        };

        new Function('fb', 'nn', 'F', 'check', code)(fb, fb.nn, fb.nn.functional, check);
      }
    });
  }
});
