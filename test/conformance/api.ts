// Walks the list of public PyTorch names (API-SURFACE.md in the data) over this package's exports.
//   npm run -s conformance:api -- [--data FILE] [--group REGEX] [--json]
// Present means: the path exists on the root export. Missing names are listed by group and tier; exits non-zero when a name
// is missing that is not in known/api.json.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as root from '../../src/index.js';

interface Entry {
  readonly torch: string;
  readonly js: string;
  readonly tier: 1 | 2 | 3;
  readonly kind: string;
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    group: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const file = values.data ?? fileURLToPath(new URL('../../../shared/conformance/api-surface.json', import.meta.url));
const surface = JSON.parse(readFileSync(file, 'utf8')) as { groups: Record<string, Entry[]> };
const knownPath = fileURLToPath(new URL('known/api.json', import.meta.url));
/** Group → why its missing names are accepted for now, by tier. */
const known = existsSync(knownPath)
  ? (JSON.parse(readFileSync(knownPath, 'utf8')) as { name: string; reason: string }[])
  : [];

/** Whether the path leads somewhere. The last step is not read: a prototype's getter would throw. */
function has(path: string): boolean {
  const parts = path.replace(/\[Symbol\.(\w+)\]/g, '.@@$1').split('.');
  let at: unknown = root;
  for (const [i, part] of parts.entries()) {
    const key = part.startsWith('@@') ? (Symbol as unknown as Record<string, symbol>)[part.slice(2)]! : part;
    if (at === null || at === undefined || !(key in Object(at))) return false;
    if (i < parts.length - 1) at = (at as Record<string | symbol, unknown>)[key];
  }
  return true;
}

const group = new RegExp(values.group);
const missing: { id: string; tier: number; reason: string | null }[] = [];
const rows: Record<string, string> = {};
let total = 0;
for (const [name, entries] of Object.entries(surface.groups)) {
  if (!group.test(name)) continue;
  const counts = [1, 2, 3].map((tier) => {
    const mine = entries.filter((e) => e.tier === tier && e.kind !== 'cli');
    const absent = mine.filter((e) => !has(e.js));
    total += mine.length;
    for (const e of absent) {
      const id = `${name}/${e.js}`;
      missing.push({ id, tier, reason: known.find((k) => new RegExp(`^(?:${k.name})$`).test(id))?.reason ?? null });
    }
    return `${mine.length - absent.length}/${mine.length}`;
  });
  rows[name] = counts.join('  ');
}
const unexpected = missing.filter((m) => m.reason === null);
if (!values.json) {
  for (const [name, counts] of Object.entries(rows)) process.stdout.write(`${name.padEnd(18)} ${counts}\n`);
  for (const m of missing) process.stdout.write(`tier ${m.tier} ${m.id}${m.reason ? ` [${m.reason}]` : ''}\n`);
}
process.stdout.write(
  `${JSON.stringify({
    total,
    passed: total - missing.length,
    unexpected: unexpected.length,
    failed: missing.map((m) => ({ id: m.id, reason: m.reason ?? `tier ${m.tier}: no such export` })),
    skipped: [],
    groups: rows,
  })}\n`,
);
process.exitCode = unexpected.length > 0 ? 1 : 0;
