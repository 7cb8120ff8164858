// The namespace `hub`: files and models from the web. Source: torch.hub. Loading a model runs code of its repository, so it needs
// the user's word for it; loading a state dict runs none.
import { createHash, randomBytes } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { openSource } from './serialization/bytes.js';
import { load as loadFile } from './serialization/save.js';
import type { MapLocation } from './serialization/devices.js';
import { ZipReader } from './serialization/zip.js';
import { FileError, ValueError } from './tensor/errors.js';
import type { Tensor } from './tensor/handle.js';

let chosen: string | null = null;

/** Where downloads are kept: set by `setDir`, else FLAMBEAU_HOME/hub, else below the user's cache folder. */
export function getDir(): string {
  if (chosen !== null) return chosen;
  const home =
    process.env['FLAMBEAU_HOME'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'flambeau');
  return join(home, 'hub');
}
export function setDir(d: string): void {
  chosen = d;
}

export interface DownloadOptions {
  /** The beginning of the file's SHA-256. */
  hashPrefix?: string | null;
  /** Show progress when the error output is a terminal. */
  progress?: boolean;
}

/** Downloads a file; it appears whole or not at all. Throws FileError when it cannot be had or has another checksum. */
export async function downloadUrlToFile(url: string, dst: string, options: DownloadOptions = {}): Promise<void> {
  const { hashPrefix = null, progress = true } = options;
  const response = await fetch(url).catch((e: unknown) => {
    throw new FileError(`cannot download ${url}: ${(e as Error).message}`);
  });
  if (!response.ok || response.body === null) throw new FileError(`cannot download ${url}: status ${response.status}`);
  mkdirSync(dirname(resolve(dst)), { recursive: true });
  const temporary = `${dst}.${randomBytes(4).toString('hex')}.partial`;
  const hash = createHash('sha256');
  const total = Number(response.headers.get('content-length') ?? 0);
  const show = progress && process.stderr.isTTY;
  let seen = 0;
  try {
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
    body.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      seen += chunk.length;
      if (show)
        process.stderr.write(
          `\r${basename(dst)} ${total > 0 ? `${Math.floor((100 * seen) / total)} %` : `${seen} bytes`}`,
        );
    });
    await pipeline(body, createWriteStream(temporary));
    if (show) process.stderr.write('\n');
    const digest = hash.digest('hex');
    if (hashPrefix !== null && !digest.startsWith(hashPrefix))
      throw new FileError(`invalid hash value (expected "${hashPrefix}", got "${digest}")`);
    renameSync(temporary, dst);
  } finally {
    rmSync(temporary, { force: true });
  }
}

export interface LoadStateDictOptions {
  /** Where the file is kept; below `getDir()` when absent. */
  modelDir?: string | null;
  mapLocation?: MapLocation | null;
  progress?: boolean;
  /** The name ends in the beginning of the file's SHA-256 (`resnet18-f37072fd.pth`): compare it. */
  checkHash?: boolean;
  fileName?: string | null;
}

/** Loads a checkpoint from the web, the first time by downloading it. */
export async function loadStateDictFromUrl<T = Record<string, Tensor>>(
  url: string,
  options: LoadStateDictOptions = {},
): Promise<T> {
  const { modelDir = null, mapLocation = null, progress = true, checkHash = false, fileName = null } = options;
  const name = fileName ?? basename(new URL(url).pathname);
  if (name === '' || name !== basename(name)) throw new ValueError(`loadStateDictFromUrl(): no file name in ${url}`);
  const path = join(modelDir ?? join(getDir(), 'checkpoints'), name);
  if (!existsSync(path)) {
    const hashPrefix = checkHash ? (/-([a-f0-9]{4,})\./.exec(name)?.[1] ?? null) : null;
    await downloadUrlToFile(url, path, { hashPrefix, progress });
  }
  return loadFile<T>(path, { mapLocation });
}

// ---- models of repositories ----

export interface HubOptions {
  /** 'github': `owner/name` or `owner/name:branch`; 'local': a folder. */
  source?: 'github' | 'local';
  /** Code of a GitHub repository runs in this process: true allows it. */
  trustRepo?: boolean | null;
  /** Download again. */
  forceReload?: boolean;
  verbose?: boolean;
  skipValidation?: boolean;
}
type EntryPoint = ((...args: unknown[]) => unknown) & { readonly doc?: string };

const CONFIGS = ['hubconf.js', 'hubconf.mjs', 'hubconf.cjs', 'hubconf.ts'];

/** The exported functions of a repository's hubconf file. */
async function entryPoints(repo: string, options: HubOptions): Promise<Map<string, EntryPoint>> {
  const { source = 'github' } = options;
  if (source !== 'github' && source !== 'local')
    throw new ValueError(`Unknown source: "${String(source)}". Allowed values: "github" | "local".`);
  const dir = source === 'local' ? resolve(repo) : await repository(repo, options);
  const file = CONFIGS.map((c) => join(dir, c)).find((f) => existsSync(f));
  if (file === undefined) throw new FileError(`${dir} has none of ${CONFIGS.join(', ')}`);
  const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  return new Map(
    Object.entries(exported).filter(
      (e): e is [string, EntryPoint] => typeof e[1] === 'function' && !e[0].startsWith('_') && e[0] !== 'default',
    ),
  );
}

/** The folder of a GitHub repository, downloaded when it is not there. */
async function repository(repo: string, options: HubOptions): Promise<string> {
  const parsed = /^([A-Za-z0-9][\w.-]*)\/([\w.-]+)(?::([\w.-]+(?:\/[\w.-]+)*))?$/.exec(repo);
  if (!parsed || repo.includes('..'))
    throw new ValueError(`'${repo}' is no repository: expected owner/name or owner/name:branch`);
  const [, owner, name, ref = 'main'] = parsed as unknown as [string, string, string, string | undefined];
  if (options.trustRepo !== true) {
    throw new ValueError(
      `loading from ${owner}/${name} runs its code in this process; if you trust it, pass { trustRepo: true }`,
    );
  }
  const dir = join(getDir(), `${owner}_${name}_${ref.replaceAll('/', '_')}`);
  if (existsSync(dir) && options.forceReload !== true) return dir;
  const temporary = mkdtempSync(join(tmpdir(), 'flambeau-hub-'));
  try {
    const archive = join(temporary, 'repository.zip');
    await downloadUrlToFile(`https://github.com/${owner}/${name}/archive/${ref}.zip`, archive, {
      progress: options.verbose ?? true,
    });
    rmSync(dir, { recursive: true, force: true });
    extract(archive, dir);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return dir;
}

/** Unpacks an archive without its outermost folder. Members that would lie outside are refused. */
export function extract(archive: string, dir: string): void {
  const source = openSource(archive);
  try {
    const zip = new ZipReader(source);
    for (const entry of zip.entries.values()) {
      const inner = entry.name.split('/').slice(1).join('/');
      if (inner === '' || inner.endsWith('/')) continue;
      const target = resolve(dir, inner);
      if (!target.startsWith(resolve(dir) + sep))
        throw new FileError(`${archive}: the member '${entry.name}' lies outside`);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, zip.read(entry));
    }
  } finally {
    source.close();
  }
}

/** Names of the models that a repository offers. */
export async function list(repoOrDir: string, options: HubOptions = {}): Promise<string[]> {
  return [...(await entryPoints(repoOrDir, options)).keys()];
}
/** What a repository says about a model: the entry point's `doc`, else the comment above it in the file. */
export async function help(repoOrDir: string, model: string, options: HubOptions = {}): Promise<string> {
  return (await entryPoint(repoOrDir, model, options)).doc ?? (await comment(repoOrDir, model, options));
}
/** Calls an entry point of a repository's hubconf file, which gives a model. */
export async function load<T = unknown>(
  repoOrDir: string,
  model: string,
  args: readonly unknown[] = [],
  options: HubOptions = {},
): Promise<T> {
  return (await entryPoint(repoOrDir, model, options))(...args) as T;
}

async function entryPoint(repo: string, model: string, options: HubOptions): Promise<EntryPoint> {
  const found = (await entryPoints(repo, options)).get(model);
  if (found === undefined) throw new ValueError(`Cannot find callable ${model} in hubconf`);
  return found;
}
async function comment(repo: string, model: string, options: HubOptions): Promise<string> {
  const dir = options.source === 'local' ? resolve(repo) : await repository(repo, options);
  const text = readFileSync(
    CONFIGS.map((c) => join(dir, c)).find((f) => existsSync(f))!,
    'utf8',
  );
  const above = /((?:\/\*\*[\s\S]*?\*\/|(?:\/\/.*\n)+))\s*export (?:async )?(?:function|const) (\w+)/g;
  for (const [, block, name] of text.matchAll(above))
    if (name === model)
      return block!
        .replace(/^\s*(?:\/\*\*|\*\/|\*|\/\/) ?/gm, '')
        .replace(/\*\/\s*$/, '')
        .trim();
  return '';
}
