// Device code of generated programs for the architectures that we support, by nvcc: many programs in one file, because starting the
// compiler takes longer than a kernel.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { devicePrelude } from '../../src/emit/cuda/prelude.js';

const ARCHITECTURES = [80, 90];
/** Programs of one file. */
const TOGETHER = 24;

export const haveNvcc = spawnSync('nvcc', ['--version']).status === 0;

/** Compiles source for all architectures. @throws Error with nvcc's messages */
export async function compileForDevice(source: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'flambeau-nvcc-'));
  try {
    const file = join(work, 'program.cu');
    writeFileSync(file, source);
    const codes = ARCHITECTURES.flatMap((a) => ['-gencode', `arch=compute_${a},code=sm_${a}`]);
    const flags = ['-std=c++17', '-fmad=false', '-fatbin', '-diag-suppress', '177'];
    await promisify(execFile)('nvcc', [...codes, ...flags, '-o', join(work, 'program.fatbin'), file]);
  } catch (error) {
    const messages = String((error as { stderr?: string }).stderr ?? error);
    throw new Error(`nvcc: ${messages.split('\n').find((l) => l.includes('error')) ?? messages}`, { cause: error });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const KERNEL = /^extern "C" (__global__[\s\S]*?\n\}\n)/gm;

/** Collects programs and compiles the kernels of several at once; host code is left out. */
export class DeviceBuilds {
  /** Kernels so far. */
  kernels = 0;
  private readonly waiting: { readonly id: string; readonly text: string }[] = [];
  private readonly failed: string[] = [];
  private readonly seen = new Set<string>();
  private running: Promise<void> = Promise.resolve();

  add(id: string, source: string): void {
    const kernels = [...source.matchAll(KERNEL)].map((m) => m[1]!);
    const text = kernels.join('\n');
    if (kernels.length === 0 || this.seen.has(text)) return;
    this.seen.add(text);
    this.kernels += kernels.length;
    this.waiting.push({ id, text });
    if (this.waiting.length >= TOGETHER) this.flush();
  }
  /** Waits for all of them. @returns what failed, with the programs of the file */
  async finish(): Promise<readonly string[]> {
    this.flush();
    await this.running;
    return this.failed;
  }
  private flush(): void {
    const programs = this.waiting.splice(0);
    if (programs.length === 0 || !haveNvcc) return;
    const text = programs.map((p, k) => `namespace program${k} {  // ${p.id}\n${p.text}}\n`).join('\n');
    this.running = this.running.then(() =>
      compileForDevice(`${devicePrelude(text)}\n${text}`).catch((error: unknown) => {
        this.failed.push(`${programs.map((p) => p.id).join(', ')}: ${(error as Error).message}`);
      }),
    );
  }
}
