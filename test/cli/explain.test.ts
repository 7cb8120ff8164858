// `flambeau explain`: runs scripts as they are, TypeScript and JavaScript, and reports as text, JSON and a page; also when they fail, end the
// process or compile nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const flambeau = JSON.stringify(join(root, 'src/index.ts'));
let dir: string;
beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'flambeau-explain-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function explain(name: string, source: string, options: string[] = [], args: string[] = []): ReturnType<typeof run> {
  const script = join(dir, name);
  writeFileSync(script, source);
  return run(...options, script, ...args);
}
function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const argv = ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'explain', ...args];
  const env = { ...process.env, FLAMBEAU_CACHE_DIR: join(dir, 'cache') };
  return spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8', env });
}

const STEP = `
import * as fb from ${flambeau};
const net = new fb.nn.Sequential(new fb.nn.Linear(20, 30), new fb.nn.Tanh());
const evil = { ['</script><script>alert(1)</script>']: (x: fb.Tensor) => fb.noGrad(() => net(x).softmax(-1).sum(0)) };
const f = fb.compile(Object.values(evil)[0]!);
const never = fb.compile(function neverCalled(x: fb.Tensor) { return x; });
const x = fb.randn([64, 20]);
console.log('arguments', process.argv.slice(2));
export const done = (async () => {
  for (let i = 0; i < 3; i++) { f(x); await f.ready(); }
  for (let i = 0; i < 5; i++) f(x);
  void never;
})();
`;

test('a TypeScript script: text and page, its output first, its arguments its own', () => {
  const page = join(dir, 'report.html');
  const { status, stdout, stderr } = explain('step.mts', STEP, ['--html', page], ['--json', '--help']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^arguments \[ '--json', '--help' \]\nthis machine: [\d.]+ GB\/s .*, [\d.]+ Gflop\/s/);
  expect(stdout).toContain('</script><script>alert(1)</script>: 6 compiled and 2 eager calls, 1 graph');
  expect(stdout).toMatch(/kernel0: .*\n +reads .*flop; took [\d.]+ µs, at least [\d.]+ µs \((memory|arithmetic)\)/);
  expect(stdout).not.toContain('neverCalled');
  const html = readFileSync(page, 'utf8');
  expect(html).toMatch(/^<!DOCTYPE html>/);
  expect(html).toContain("default-src 'none'");
  expect(html).not.toMatch(/(?:src|href)\s*=\s*["']?\s*(?:https?:|\/\/)/);
  expect(html).not.toContain('<script>alert');
  // Graph, loop nest and source of the kernels.
  expect(html).toContain('static void kernel0(');
  expect(html).toMatch(/for i0 &#60; 64/);
  expect(html).toMatch(/class="node library/);
  for (const [, script] of html.matchAll(/<script>([\s\S]*?)<\/script>/g)) expect(() => new Function(script!)).not.toThrow(); // prettier-ignore
}, 60_000);

test('--json: only JSON on standard output', () => {
  const { status, stdout, stderr } = explain('step.mts', STEP, ['--json']);
  expect(status).toBe(0);
  expect(stderr).toContain('arguments []');
  const report = JSON.parse(stdout) as {
    script: string;
    functions: { graphs: { programs: { parts: object[] }[] }[] }[];
  };
  expect(report.script).toBe('step.mts');
  expect(report.functions.length).toBe(1);
  expect(report.functions[0]!.graphs[0]!.programs[0]!.parts.length).toBeGreaterThan(1);
}, 60_000);

test('a JavaScript script that ends the process itself, and one that throws, are reported as far as they came', () => {
  const body = `import * as fb from ${flambeau};\nconst f = fb.compile(function early(x) { return x.exp(); });\nf(fb.ones(3));\n`;
  const exits = explain('exits.mjs', `${body}process.exit(3);`);
  expect(exits.status).toBe(3);
  expect(exits.stdout).toMatch(/early: 0 compiled and 1 eager calls, 1 graph\n {2}graph \(float32\[3\]\): recorded/);
  const throws = explain('throws.mjs', `${body}throw new Error('the script is wrong');`);
  expect(throws.status).toBe(1);
  expect(throws.stderr).toMatch(/the script ended with an error: Error: the script is wrong\n +at .*throws\.mjs:4/);
  expect(throws.stdout).toContain('early: ');
}, 60_000);

test('nothing compiled, no script, no file', () => {
  expect(explain('nothing.mjs', 'export {};').stdout).toBe('no compiled function was called\n');
  expect(run('--json')).toMatchObject({ status: 2, stderr: expect.stringContaining('expected a script') as string });
  expect(run('absent.ts').stderr).toContain('no such file: absent.ts');
  expect(run('--hmtl', 'x', 'absent.ts').stderr).toContain("Unknown option '--hmtl'");
}, 60_000);

test('bodies of branches and loops: kernels, sources, passes', () => {
  const page = join(dir, 'flow.html');
  const source = `
import * as fb from ${flambeau};
const f = fb.jit.script(function grow(x: fb.Tensor, n: number) {
  for (let i = 0; i < n; i++) x = x.sum().item() > 9 ? x.mul(0.5) : x.exp().add(x.exp());
  return x;
});
const x = fb.rand([4, 5]);
export const done = (async () => {
  f(x, 2);
  await f.ready();
  for (let i = 0; i < 5; i++) f(x, 5);
})();
`;
  const { status, stdout, stderr } = explain('flow.mts', source, ['--html', page]);
  expect([stderr, status]).toEqual(['', 0]);
  expect(stdout).toMatch(/grow: 5 compiled and 1 eager calls, 1 graph\n {2}graph \(float32\[4,5\],int\): compiled/);
  expect(stdout).toMatch(/ {4}loop 1, if 1 else:\n {4}kernel0: .*\n +reads .*; took [\d.]+ µs/);
  expect(stdout).toMatch(/passes \(ops\) in loop 1, if 1 else: .*commonSubexpressions/);
  const html = readFileSync(page, 'utf8');
  expect(html).toContain('loop 1, if 1 then');
  expect(html).toContain('commonSubexpressions in loop 1, if 1 else');
  expect(html.match(/static void kernel0\(/g)!.length).toBeGreaterThan(3);
});
