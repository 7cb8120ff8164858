// Downloads are whole or not there, checked by their hash, kept; code of repositories runs only with the user's word.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { extract } from '../../src/hub.js';
import { concatBytes } from '../../src/serialization/bytes.js';
import { zipChunks } from '../../src/serialization/zip.js';
const { hub } = fb;

const weights = fb.serialization.serialize({ w: fb.arange(4).float() }, { format: 'pytorch' });
const hash = createHash('sha256').update(weights).digest('hex');
let dir: string;
let server: Server;
let url: string;
let requests = 0;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'flambeau-hub-test-'));
  hub.setDir(dir);
  server = createServer((request, response) => {
    requests++;
    if (request.url!.endsWith('.pth')) response.end(weights);
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

test('a state dict is downloaded once', async () => {
  expect(hub.getDir()).toBe(dir);
  const from = `${url}/net-${hash.slice(0, 8)}.pth`;
  for (let i = 0; i < 2; i++) {
    const state = await hub.loadStateDictFromUrl(from, { progress: false, checkHash: true });
    expect(state['w']!.tolist()).toEqual([0, 1, 2, 3]);
  }
  expect(requests).toBe(1);
  expect(readdirSync(join(dir, 'checkpoints'))).toEqual([`net-${hash.slice(0, 8)}.pth`]);
});

test('what is missing or has another hash leaves nothing behind', async () => {
  const dst = join(dir, 'other.pth');
  await expect(hub.downloadUrlToFile(`${url}/none`, dst)).rejects.toThrow(/status 404/);
  await expect(hub.downloadUrlToFile(`${url}/x.pth`, dst, { hashPrefix: '0000', progress: false })).rejects.toThrow(
    /invalid hash value \(expected "0000"/,
  );
  expect(existsSync(dst)).toBe(false);
  expect(readdirSync(dir).filter((f) => f.includes('partial'))).toEqual([]);
});

test('models of a folder: names, help, calls', async () => {
  const repo = mkdtempSync(join(dir, 'repo-'));
  writeFileSync(
    join(repo, 'hubconf.mjs'),
    '// Adds one.\nexport function plus(x) { return x + 1; }\nexport function _hidden() {}\n',
  );
  const options = { source: 'local' } as const;
  expect(await hub.list(repo, options)).toEqual(['plus']);
  expect(await hub.help(repo, 'plus', options)).toBe('Adds one.');
  expect(await hub.load(repo, 'plus', [2], options)).toBe(3);
  await expect(hub.load(repo, 'minus', [], options)).rejects.toThrow('Cannot find callable minus in hubconf');
});

test('code of the web runs only where it is trusted', async () => {
  await expect(hub.load('someone/something', 'model')).rejects.toThrow(/pass \{ trustRepo: true \}/);
  await expect(hub.load('../x/y', 'model', [], { trustRepo: true })).rejects.toThrow(/is no repository/);
});

test('an archive is unpacked inside its folder only', () => {
  const archive = join(dir, 'a.zip');
  const zip = (name: string): void =>
    writeFileSync(archive, concatBytes(zipChunks([{ name, data: new Uint8Array([65]), deflate: true }])));
  zip('repo-main/src/file.txt');
  extract(archive, join(dir, 'out'));
  expect(readFileSync(join(dir, 'out', 'src', 'file.txt'), 'utf8')).toBe('A');
  zip('repo-main/../../evil.txt');
  expect(() => extract(archive, join(dir, 'out'))).toThrow(/lies outside/);
  expect(existsSync(join(dir, 'evil.txt'))).toBe(false);
});
