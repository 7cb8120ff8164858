// Files stay readable: one topic each, of a size that one reads in one go, with a head that says what they are for.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { files, lineCount, read, root } from './sources.js';

const LIMIT = 600;
const written = ['codegen', 'src', 'native', 'test', 'bench', 'examples', 'templates']
  .flatMap((f) => files(f, '.ts', '.cc', '.h', '.hbs'))
  .filter((f) => !f.includes('onnx_pb.') && !f.includes('node_modules'));

describe('files written by hand', () => {
  test(`have at most ${LIMIT} lines`, () => {
    expect(written.map((f) => `${f}: ${lineCount(f)}`).filter((s) => Number(s.split(': ')[1]) > LIMIT)).toEqual([]);
  });
  test('have a median of at most 250 lines', () => {
    const sizes = written.map(lineCount).sort((a, b) => a - b);
    expect(sizes[sizes.length >> 1]).toBeLessThanOrEqual(250);
  });
  test('templates stay frames: under 80 lines', () => {
    expect(files('templates', '.hbs').filter((f) => lineCount(f) >= 80)).toEqual([]);
  });
  test('begin with a comment that says what they are for', () => {
    const bare = written.filter((f) => /\.(ts|cc|h)$/.test(f) && !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(read(f)));
    expect(bare).toEqual([]);
  });
});

describe('generated files', () => {
  test('say that they are generated', () => {
    const silent = files('generated', '.ts', '.cc', '.h').filter((f) => !/generated/i.test(read(f).slice(0, 400)));
    expect(silent).toEqual([]);
  });
});

test('no committed file holds a path of the machine it was written on', () => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
  const text = tracked.filter(
    (f) => /\.(ts|cc|h|js|json|md|hbs|txt|cmake|yml)$|^\.ci\//.test(f) && !f.startsWith('package-lock'),
  );
  // Written in two parts, so that this file does not contain what it looks for.
  const pattern = new RegExp(['/wo' + 'rk/', '/ro' + 'ot/', '/home' + '/\\w+'].join('|'));
  expect(text.filter((f) => pattern.test(read(f)))).toEqual([]);
});
