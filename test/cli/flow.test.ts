// The commands on a saved graph with branches and loops (a fixture of the C++ readers' tests).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const model = join(root, 'test/native/fixtures/rounds.fbg');
const dir = mkdtempSync(join(tmpdir(), 'flambeau-cli-flow-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
function flambeau(...args: string[]): string {
  const argv = ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8' });
  expect([stderr, status]).toEqual(['', 0]);
  return stdout;
}

test('run and bench', () => {
  expect(flambeau('run', model)).toMatch(/^x \(random\): float32\[2, 3\][\s\S]*n \(random\): int64\[\][\s\S]*output 1: int64\[\]/); // prettier-ignore
  expect(flambeau('bench', model)).toMatch(/op by op .*\ncompiled .*0\.0e\+0/);
});
test('view: the bodies are with their node', () => {
  const page = join(dir, 'rounds.html');
  flambeau('view', model, '--out', page);
  const facts = /<script type="application\/json">([\s\S]*?)<\/script>/.exec(readFileSync(page, 'utf8'))![1]!;
  const { nodes } = JSON.parse(facts) as { nodes: { label: string; attributes: [string, string][] }[] };
  const loop = new Map(nodes.find((n) => n.label.startsWith('loop'))!.attributes);
  expect(loop.get('carried')).toMatch(/^\d$/);
  expect(loop.get('round')).toMatch(/^graph\([\s\S]*= if\([\s\S]*graph\(/);
});
