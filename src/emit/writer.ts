// Lines with nesting. A block is written into a list of its own and attached when it is complete, so that values found to be
// independent of a loop can still be written in front of it.
export type Lines = (string | Lines)[];

export function renderLines(lines: Lines, pad = ''): string {
  return lines.map((l) => (typeof l === 'string' ? (l === '' ? '' : pad + l) : renderLines(l, `${pad}  `))).join('\n');
}

/** Text that may stand in a // comment: one printable line. */
export const comment = (s: string): string =>
  s
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/\\/g, '/')
    .slice(0, 200);
