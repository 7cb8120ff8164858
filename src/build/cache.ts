// The content-addressed cache of built programs. An entry is a directory named by its key:
//   KEY/program.so, KEY/source.cpp, KEY/entry.json (hash and size of program.so; its time says when it was last used)
// Emitted programs are entries too (emitted.json in place of program.so): see runtime/emit_cache.ts.
// It is written under tmp/ and renamed as a whole, so that readers see all of it or nothing and builders need no locks: the
// first rename wins, the others find an entry. A damaged entry is set aside and built again.
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { log, notice } from '../debug/log.js';

const PROGRAM = 'program.so';
const STALE_MS = 60 * 60 * 1000;
const DEFAULT_MAX_MB = 1024;
/** The cache may be larger than its limit by this part. */
const EVICT_PART = 16;

interface Entry {
  readonly version: 1;
  readonly sha256: string;
  readonly bytes: number;
}

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The key of a program: everything that its machine code depends on. */
export const cacheKey = (source: string, flags: readonly string[], compilerVersion: string, cpuModel: string): string =>
  sha256(['flambeau-program-1', flags.join('\0'), compilerVersion, cpuModel, source].join('\0\0')).slice(0, 40);

export class ProgramCache {
  constructor(
    readonly dir: string,
    readonly maxBytes: number,
    /** Ends with the process: there is nowhere else to go when it cannot be written. */
    readonly temporary = false,
  ) {}

  private entry(key: string): string {
    return join(this.dir, key);
  }

  /** The path of an intact entry's file, or null. Marks it as used now; damaged entries are removed. */
  lookup(key: string, file = PROGRAM): string | null {
    const dir = this.entry(key);
    let text: string;
    try {
      text = readFileSync(join(dir, 'entry.json'), 'utf8');
    } catch {
      return null;
    }
    const so = join(dir, file);
    try {
      const entry = JSON.parse(text) as Partial<Entry>;
      const bytes = readFileSync(so);
      if (entry.version === 1 && entry.bytes === bytes.length && entry.sha256 === sha256(bytes)) {
        const now = new Date();
        try {
          utimesSync(join(dir, 'entry.json'), now, now);
        } catch {
          // A read-only cache still serves.
        }
        return so;
      }
    } catch {
      // Unreadable: as damaged as a wrong hash.
    }
    log('build', () => `cache entry ${key} is damaged: building it again`);
    this.remove(key);
    return null;
  }

  /** A fresh directory to build in. @throws when the cache cannot be written. */
  workspace(): string {
    const dir = join(this.dir, 'tmp', `${process.pid}-${randomBytes(6).toString('hex')}`);
    mkdirSync(dir, { recursive: true });
    return dir;
  }

  /** Turns a workspace that holds the file into the entry; the path of the file that everybody uses from now on. */
  commit(key: string, workspace: string, file = PROGRAM): string {
    const bytes = readFileSync(join(workspace, file));
    const entry: Entry = { version: 1, sha256: sha256(bytes), bytes: bytes.length };
    writeFileSync(join(workspace, 'entry.json'), JSON.stringify(entry));
    for (let attempt = 0; ; attempt++) {
      try {
        renameSync(workspace, this.entry(key));
        break;
      } catch (e) {
        // Somebody else was first: theirs is as good, unless it is damaged (then lookup has removed it).
        const theirs = this.lookup(key, file);
        if (theirs !== null) {
          rmSync(workspace, { recursive: true, force: true });
          return theirs;
        }
        if (attempt === 3) throw e;
        // A directory without entry.json (a crashed rename on a poor file system) would block the name for ever.
        this.remove(key);
      }
    }
    this.grown(bytes.length);
    return join(this.entry(key), file);
  }

  /** Looking at every entry takes a while in a large cache: once in a process, when it has time, and whenever it may have grown much. */
  private grown(bytes: number): void {
    this.added += bytes;
    if (this.added * EVICT_PART >= this.maxBytes) {
      this.added = 0;
      this.evict();
    } else if (!this.looked) setImmediate(() => this.tryEvict());
    this.looked = true;
  }
  private tryEvict(): void {
    try {
      this.evict();
    } catch (e) {
      log('build', () => `cannot evict from ${this.dir}: ${(e as Error).message}`);
    }
  }
  private added = 0;
  private looked = false;

  remove(key: string): void {
    // Rename first: a reader must not see half a directory.
    const aside = join(this.dir, 'tmp', `dead-${process.pid}-${randomBytes(6).toString('hex')}`);
    try {
      mkdirSync(join(this.dir, 'tmp'), { recursive: true });
      renameSync(this.entry(key), aside);
      rmSync(aside, { recursive: true, force: true });
    } catch {
      rmSync(this.entry(key), { recursive: true, force: true });
    }
  }

  /** Removes the least recently used entries above the size limit, and workspaces that a dead process left. */
  evict(now = Date.now()): void {
    const entries = this.list();
    let total = entries.reduce((sum, e) => sum + e.bytes, 0);
    for (const e of entries.sort((a, b) => a.used - b.used)) {
      if (total <= this.maxBytes) break;
      this.remove(e.key);
      total -= e.bytes;
    }
    const tmp = join(this.dir, 'tmp');
    for (const name of safeList(tmp)) {
      const path = join(tmp, name);
      try {
        if (now - statSync(path).mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
      } catch {
        // Another process was faster.
      }
    }
  }

  /** All entries: key, size of their files, when they were last used. */
  list(): { key: string; bytes: number; used: number }[] {
    return safeList(this.dir).flatMap((key) => {
      if (key === 'tmp') return [];
      try {
        const dir = join(this.dir, key);
        const bytes = safeList(dir).reduce((sum, f) => sum + statSync(join(dir, f)).size, 0);
        return [{ key, bytes, used: statSync(join(dir, 'entry.json')).mtimeMs }];
      } catch {
        return [];
      }
    });
  }
}

function safeList(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

const open = new Map<string, ProgramCache>();

/**
 * The cache of this process: $FLAMBEAU_CACHE_DIR, else ~/.cache/flambeau. When that cannot be written, a temporary
 * directory of this process, with one notice. $FLAMBEAU_CACHE_MB bounds it (default 1024).
 */
export function openCache(env: NodeJS.ProcessEnv = process.env): ProgramCache {
  const wanted = env['FLAMBEAU_CACHE_DIR'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'flambeau');
  const limit = Number(env['FLAMBEAU_CACHE_MB'] ?? DEFAULT_MAX_MB);
  const maxBytes = (Number.isFinite(limit) && limit >= 0 ? limit : DEFAULT_MAX_MB) * 2 ** 20;
  const have = open.get(wanted);
  if (have !== undefined && have.maxBytes === maxBytes) return have;
  let cache: ProgramCache;
  try {
    mkdirSync(join(wanted, 'tmp'), { recursive: true });
    accessSync(join(wanted, 'tmp'), constants.W_OK);
    cache = new ProgramCache(wanted, maxBytes);
  } catch (e) {
    cache = temporaryCache(`the program cache '${wanted}' cannot be written (${(e as Error).message})`, maxBytes);
  }
  open.set(wanted, cache);
  return cache;
}

/** A cache that ends with the process. Prints `why` once. */
export function temporaryCache(why: string, maxBytes = DEFAULT_MAX_MB * 2 ** 20): ProgramCache {
  const dir = mkdtempSync(join(tmpdir(), 'flambeau-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  notice(`${why}: programs of this run are built in a temporary directory`, 'cache-unwritable');
  return new ProgramCache(dir, maxBytes, true);
}
