// The library installed elsewhere, and projects that know only its prefix.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Installs the built library under `folder`/prefix. */
export function install(folder: string): void {
  execFileSync('cmake', ['--install', join(root, 'build', 'native'), '--prefix', join(folder, 'prefix')], {
    stdio: 'pipe',
  });
}
/** Builds a copy of a project against it; the folder that its programs are in. */
export function buildProject(folder: string, source: string, type: 'Release' | 'Debug' = 'Release'): string {
  const project = join(folder, 'project');
  mkdirSync(project);
  cpSync(source, project, { recursive: true });
  const env = { ...process.env, CMAKE_PREFIX_PATH: join(folder, 'prefix') };
  const build = join(project, 'build');
  execFileSync('cmake', ['-S', project, '-B', build, `-DCMAKE_BUILD_TYPE=${type}`], { stdio: 'pipe', env });
  execFileSync('cmake', ['--build', build, '--parallel', '2'], { stdio: 'pipe', env });
  return build;
}
