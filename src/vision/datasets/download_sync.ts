// Downloads for constructors, which cannot await: a second process does the work, this one waits.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FileError } from '../../tensor/errors.js';
import type { RemoteFile } from './download.js';

/** Fetches (and unpacks) the files. Throws FileError with the first file's reason. */
export function downloadSync(files: readonly RemoteFile[]): void {
  const js = fileURLToPath(new URL('./download_main.js', import.meta.url));
  // From TypeScript sources (development, tests) the program has to be loaded by tsx.
  const command = existsSync(js)
    ? [js]
    : [
        '--import',
        pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
        fileURLToPath(new URL('./download_main.ts', import.meta.url)),
      ];
  const done = spawnSync(process.execPath, [...command, JSON.stringify(files)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (done.status !== 0)
    throw new FileError(
      done.stdout !== '' ? done.stdout : `download failed: ${done.error?.message ?? `exit code ${done.status}`}`,
    );
}
