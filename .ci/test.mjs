// All checks and tests, one after the other; a failing step does not hide the next one. Ends with "N passed, N failed".
//   npm test                       everything
//   npm test -- --only lint,unit   some steps
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const out = join('build', 'test');
mkdirSync(out, { recursive: true });
const { values } = parseArgs({ options: { only: { type: 'string' } } });
const quiet = { OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '0' };
const shared = process.env.FLAMBEAU_CONFORMANCE ?? join(root, '..', 'shared', 'conformance');

/** Runs a command; its output is shown. @returns true on exit code 0 */
function run(command, args, env = {}) {
  const done = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...quiet, ...env } });
  return done.status === 0;
}
const npx = (...args) => run('npx', ['--no-install', ...args]);
/** A step that is one check. */
const single = (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1 });
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

function listing(dir) {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((f) => statSync(join(dir, f)).isFile())
    .sort();
}
function hashOf(dir) {
  const hash = createHash('sha256');
  for (const f of listing(dir))
    hash
      .update(f)
      .update('\0')
      .update(readFileSync(join(dir, f)))
      .update('\0');
  return hash.digest('hex');
}

/** Generating again must change nothing. */
function drift() {
  const before = hashOf('generated');
  const ok = run('npm', ['run', '-s', 'codegen']) && hashOf('generated') === before;
  if (!ok) console.error('generated/ differs from what `npm run codegen` writes: commit its output');
  return single(ok);
}

function format() {
  const ok = npx('prettier', '--check', '--log-level', 'warn', '.');
  if (!has('clang-format')) {
    console.log('clang-format is not installed: C++ formatting not checked');
    return single(ok);
  }
  const sources = ['native', 'test/native', 'test/cuda'].flatMap((dir) =>
    existsSync(dir)
      ? listing(dir)
          .filter((f) => /\.(cc|h)$/.test(f))
          .map((f) => join(dir, f))
      : [],
  );
  return single(run('clang-format', ['--dry-run', '-Werror', ...sources]) && ok);
}

function unit() {
  const file = join(out, 'vitest.json');
  rmSync(file, { force: true });
  const ok = npx('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`);
  if (!existsSync(file)) return single(false);
  const json = JSON.parse(readFileSync(file, 'utf8'));
  // A file that cannot be loaded counts as one failure.
  const failed =
    json.numFailedTests +
    (json.testResults ?? []).filter((f) => f.status === 'failed' && f.assertionResults.length === 0).length;
  return { passed: json.numPassedTests, failed: failed || (ok ? 0 : 1) };
}

function native() {
  const build = join('build', 'sanitize');
  const generator = has('ninja') ? ['-G', 'Ninja'] : [];
  // Baseline kernels only: the other builds share their source.
  const options = ['-DFLAMBEAU_SANITIZE=ON', '-DFLAMBEAU_TESTS=ON', '-DFLAMBEAU_ADDON=ON', '-DFLAMBEAU_ISAS='];
  if (!run('cmake', ['-S', 'native', '-B', build, ...generator, ...options])) return single(false);
  if (!run('cmake', ['--build', build])) return single(false);
  const file = join(root, out, 'ctest.xml');
  rmSync(file, { force: true });
  const ok = run('ctest', ['--test-dir', build, '--output-on-failure', '--output-junit', file]);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const count = (name) => Number(new RegExp(`<testsuite[^>]*\\b${name}="(\\d+)"`).exec(text)?.[1] ?? 0);
  const failed = count('failures');
  return { passed: count('tests') - failed - count('skipped') - count('disabled'), failed: failed || (ok ? 0 : 1) };
}

/** The totals that a fuzz runner prints last. */
function fuzzed(...args) {
  const done = spawnSync('npm', ['run', '-s', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
    env: { ...process.env, ...quiet },
  });
  console.log(done.stdout.trim());
  const m = /(\d+) passed, (\d+) failed$/.exec(done.stdout.trim());
  return m && done.status !== null ? { passed: Number(m[1]), failed: Number(m[2]) } : single(false);
}

/**
 * Every op with random arguments, good and bad, in the sanitizer build that `native` makes (alone: in the ordinary build), and damaged
 * files of every format, and ONNX models of one operator beside onnxruntime.
 */
function fuzz() {
  const addon = join(root, 'build', 'sanitize', 'flambeau.node');
  if (!existsSync(addon)) console.log('no sanitizer build: the ordinary one is used');
  const ops = fuzzed('fuzz:ops', '--', '--runs', '25', ...(existsSync(addon) ? ['--addon', addon] : []));
  const files = fuzzed('fuzz:files', '--', '--runs', '300');
  const onnx = fuzzed('fuzz:onnx', '--', '--runs', '8');
  return { passed: ops.passed + files.passed + onnx.passed, failed: ops.failed + files.failed + onnx.failed };
}

function conformance(name, folder = name, ...options) {
  const data = join(shared, folder);
  if (!existsSync(data)) {
    console.log(`no conformance data in ${data}: not run`);
    return { passed: 0, failed: 0 };
  }
  const done = spawnSync('npm', ['run', '-s', `conformance:${name}`, '--', '--data', data, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
    env: { ...process.env, ...quiet },
  });
  const lines = done.stdout.trim().split('\n');
  try {
    const { total, passed, failed, unexpected } = JSON.parse(lines.at(-1));
    console.log(
      `conformance:${[name, ...options].join(' ')}: ${passed} of ${total} passed, ${unexpected} unexpected and ${failed.length - unexpected} known failures`,
    );
    return { passed, failed: unexpected };
  } catch {
    console.log(done.stdout);
    return single(false);
  }
}

const sum = (results) => ({
  passed: results.reduce((n, r) => n + r.passed, 0),
  failed: results.reduce((n, r) => n + r.failed, 0),
});

const STEPS = {
  codegen: drift,
  types: () => single(npx('tsc', '-p', 'test/tsconfig.json')),
  lint: () => single(npx('eslint', '.', '--max-warnings', '0')),
  format,
  unit,
  native,
  fuzz,
  programs: () => conformance('programs'),
  opinfo: () => conformance('opinfo'),
  // Every operator recorded, lowered through the passes and run op by op: the compiler's front half.
  recorded: () => conformance('opinfo', 'opinfo', '--compiled', '--backend', 'interpret'),
  // ONNX models of operators and modules, and imported models written again, in onnxruntime.
  exported: () => sum(['opinfo', 'kernelbench', 'onnx'].map((name) => conformance(name, name, '--onnx'))),
  second: () => conformance('opinfo', 'opinfo', '--second-order'),
  files: () => conformance('files', '.'),
  modules: () => conformance('modules'),
  onnx: () => conformance('onnx'),
  kernelbench: () => conformance('kernelbench'),
  // CUDA programs on the CPU, through the SIMT shim.
  cuda: () => conformance('cuda', 'kernelbench'),
  simt: () => conformance('kernelbench', 'kernelbench', '--backend', 'simt'),
};

const wanted = values.only?.split(',') ?? Object.keys(STEPS);
let passed = 0;
let failed = 0;
const rows = [];
for (const name of wanted) {
  if (!Object.hasOwn(STEPS, name)) throw new Error(`no step '${name}' (one of ${Object.keys(STEPS).join(', ')})`);
  console.log(`\n== ${name}`);
  const start = Date.now();
  const result = STEPS[name]();
  rows.push(
    `${name.padEnd(10)} ${String(result.passed).padStart(6)} passed ${String(result.failed).padStart(5)} failed  ${((Date.now() - start) / 1000).toFixed(1)} s`,
  );
  passed += result.passed;
  failed += result.failed;
}
console.log(`\n${rows.join('\n')}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
