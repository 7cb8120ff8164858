// The libraries behind a deployed model: libflambeau and what it links, LAPACK only where a step factors matrices.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FileError } from '../tensor/errors.js';

/** Libraries that every Linux has: part of the C library. */
const SYSTEM = /^(ld-linux.*|linux-vdso|lib(c|m|dl|pthread|rt))\.so/;

/** The ops of the linear-algebra families, and the one besides that inverts a matrix. */
const FACTORS =
  /^(linalg|matrix(Exp|Power)$|geqrf$|ormqr$|reflectorProduct$|lu[A-Z]|ldl|lstsq|solve|detCofactors$|(cholesky|det|inverse|logdet|slogdet|orgqr|pinverse|qr|svd|symeig|triangularSolve|pinvBackward|qrBackward|svdBackward)($|[A-Z]))/;
/** Whether a library step of this op calls LAPACK. */
export const factorsMatrices = (op: string): boolean => FACTORS.test(op);

/**
 * Copies the runtime library and those behind it to `dist`, so that the folder stands alone; `steps` are the ops of the programs' library
 * steps. Names of functions for debuggers, a tenth of libflambeau, are taken out where strip is installed.
 * @throws FileError when the runtime library is missing, Error when ldd cannot read it
 */
export function copyLibraries(runtime: string, dist: string, steps: readonly string[]): void {
  if (!existsSync(runtime)) throw new FileError(`the runtime library is missing: ${runtime} (npm run build makes it)`);
  const copied = new Set<string>();
  const copy = (path: string, name: string): void => {
    if (copied.has(name)) return;
    copyFileSync(realpathSync(path), join(dist, name));
    copied.add(name);
  };
  // libflambeau looks for LAPACK's library beside itself. One built without has none: then the op says so.
  const lapack = join(dirname(runtime), 'libflambeau_lapack.so');
  for (const library of steps.some(factorsMatrices) && existsSync(lapack) ? [runtime, lapack] : [runtime]) {
    copy(library, basename(library));
    for (const [name, path] of librariesBehind(library)) copy(path, name);
  }
  spawnSync('strip', ['--strip-unneeded', ...[...copied].map((name) => join(dist, name))], { stdio: 'ignore' });
}

/** [name that is looked up, file] of the shared libraries that a library needs, directly or not. */
function librariesBehind(library: string): [string, string][] {
  const listed = spawnSync('ldd', [library], { encoding: 'utf8' });
  if (listed.status !== 0) throw new Error(`build: ldd cannot read ${library}: ${listed.stderr.trim()}`);
  return [...listed.stdout.matchAll(/^\s*(\S+) => (\/\S+)/gm)]
    .map((m): [string, string] => [basename(m[1]!), m[2]!])
    .filter(([name]) => !SYSTEM.test(name));
}
