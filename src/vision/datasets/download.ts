// Fetching the files of data sets: checked by MD5, resumed after an interruption, shown while it runs, from the original
// place or from a mirror. Only `download: true` starts any of this.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { FileError } from '../../tensor/errors.js';

/** A file to have: where it is fetched from, where it goes, what it must be. */
export interface RemoteFile {
  readonly url: string;
  readonly path: string;
  readonly md5?: string | null;
  /** A folder that a .tar, .tar.gz or .tgz file is unpacked into. */
  readonly extractTo?: string | null;
}
export interface DownloadOptions {
  /** Lines on standard error (default: yes). */
  progress?: boolean;
}

/** MD5 of a file, in hexadecimal. */
export async function md5Of(path: string): Promise<string> {
  const hash = createHash('md5');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
/** Whether the file is there and, when an MD5 is given, intact. */
export async function checkIntegrity(path: string, md5: string | null = null): Promise<boolean> {
  return existsSync(path) && (md5 === null || (await md5Of(path)) === md5);
}

const mb = (n: number): string => `${(n / 1e6).toFixed(1)} MB`;

/**
 * Fetches one file unless it is there already. An interrupted file (`.part`) is continued where the server allows it; the
 * file appears under its name only whole and checked. Throws FileError with the address and the reason.
 */
export async function downloadUrl(file: RemoteFile, options: DownloadOptions = {}): Promise<void> {
  const { url, path, md5 = null } = file;
  if (await checkIntegrity(path, md5)) return;
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.part`;
  const show = options.progress ?? true;
  let have = existsSync(part) ? statSync(part).size : 0;
  let response: Response;
  try {
    response = await fetch(url, have > 0 ? { headers: { Range: `bytes=${have}-` } } : {});
    if (response.status === 416) {
      // Nothing follows what is here, or it is not the same file: the check below decides.
      await response.body?.cancel();
      if (md5 !== null && (await md5Of(part)) === md5) return renameSync(part, path);
      unlinkSync(part);
      have = 0;
      response = await fetch(url);
    }
  } catch (e) {
    const cause = (e as { cause?: Error }).cause;
    throw new FileError(`${url}: cannot be fetched: ${cause?.message ?? (e as Error).message}`);
  }
  if (!response.ok || response.body === null)
    throw new FileError(`${url}: the server answered ${response.status} ${response.statusText}`);
  if (response.status !== 206) have = 0; // the server sends everything again
  const rest = Number(response.headers.get('content-length') ?? NaN);
  const total = have + rest;
  const out = await open(part, have > 0 ? 'a' : 'w');
  let shown = Date.now();
  try {
    for await (const chunk of response.body) {
      await out.writeFile(chunk);
      have += chunk.length;
      if (show && Date.now() - shown > 2000) {
        shown = Date.now();
        const of = Number.isNaN(total) ? '' : ` of ${mb(total)} (${Math.floor((100 * have) / total)}%)`;
        process.stderr.write(`${url}: ${mb(have)}${of}\n`);
      }
    }
  } catch (e) {
    throw new FileError(
      `${url}: interrupted after ${mb(have)}: ${(e as Error).message}; the next attempt continues there`,
    );
  } finally {
    await out.close();
  }
  if (!Number.isNaN(total) && have !== total)
    throw new FileError(`${url}: interrupted after ${have} of ${total} bytes; the next attempt continues there`);
  if (md5 !== null) {
    const got = await md5Of(part);
    if (got !== md5) {
      unlinkSync(part);
      throw new FileError(`${url}: the file is damaged: its MD5 is ${got}, expected ${md5}`);
    }
  }
  renameSync(part, path);
  if (show) process.stderr.write(`${url}: ${mb(have)}, done\n`);
}

/** Unpacks a tar archive (gzipped or not) of files and folders; entries that point out of the folder are refused. */
export async function extractTar(archive: string, folder: string): Promise<void> {
  const { extract } = await import('tar-stream');
  const unpack = extract();
  const root = resolve(folder);
  const source = createReadStream(archive);
  const zipped = /\.(gz|tgz)$/.test(archive);
  const feeding = zipped ? pipeline(source, createGunzip(), unpack) : pipeline(source, unpack);
  feeding.catch(() => {}); // reported below
  try {
    for await (const entry of unpack) {
      const { name, type } = entry.header;
      const path = resolve(root, name);
      if (path !== root && !path.startsWith(root + sep))
        throw new FileError(`${archive}: entry '${name}' leaves the folder`);
      if (type === 'directory') {
        mkdirSync(path, { recursive: true });
        entry.resume();
      } else if (type === 'file') {
        mkdirSync(dirname(path), { recursive: true });
        const out = await open(path, 'w');
        try {
          for await (const chunk of entry) await out.writeFile(chunk as Uint8Array);
        } finally {
          await out.close();
        }
      } else entry.resume(); // links are not followed and not made
    }
    await feeding;
  } catch (e) {
    throw e instanceof FileError ? e : new FileError(`${archive}: cannot be unpacked: ${(e as Error).message}`);
  }
}

/** Fetches and unpacks. */
export async function downloadAll(files: readonly RemoteFile[], options: DownloadOptions = {}): Promise<void> {
  for (const file of files) {
    await downloadUrl(file, options);
    if (file.extractTo != null) await extractTar(file.path, file.extractTo);
  }
}

/** Base address of a data set's files: the option, else FLAMBEAU_DATASETS_MIRROR/<set>/, else the original. */
export function baseUrl(set: string, original: string, mirror: string | null | undefined): string {
  const env = process.env['FLAMBEAU_DATASETS_MIRROR'];
  const base = mirror ?? (env === undefined || env === '' ? original : `${env.replace(/\/$/, '')}/${set}/`);
  return base.endsWith('/') ? base : `${base}/`;
}
/** `name` below `base`, in `folder`. */
export const remote = (
  base: string,
  folder: string,
  name: string,
  md5: string | null,
  extractTo?: string,
): RemoteFile => ({
  url: base + name,
  path: join(folder, name),
  md5,
  extractTo: extractTo ?? null,
});
