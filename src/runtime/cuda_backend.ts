// The CUDA backend of fb.compile: graph → CUDA source → nvcc, for the GPU of this machine → shared object (cached) → loaded program. Tensors
// stay on the host; each run copies them. Nothing here loads before a graph asks for it: machines without a GPU are not concerned.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { CompilerMissing } from '../build/compiler.js';
import { startBuild } from '../build/build.js';
import { emitProgram } from '../emit/program.js';
import { printHosted } from '../emit/cuda/host.js';
import type { Graph } from '../ir/graph.js';
import { getFloat32MatmulPrecision } from '../tensor/precision.js';
import { registerBackend } from './backend.js';
import { toolchainBackend } from './cpp_backend.js';
import { asEmitted, type Emitted } from './emit_cache.js';

/** The source of a program that runs on the GPU, with the flags that its libraries need in a comment of its own. */
export function emitHosted(graph: Graph): Emitted {
  const program = emitProgram(graph, { target: 'cuda' });
  const tf32 = getFloat32MatmulPrecision() !== 'highest';
  return { ...asEmitted(program), source: printHosted(program, { tf32 }) };
}

const NVCC = ['nvcc', '/usr/local/cuda/bin/nvcc'];

/** nvcc: $FLAMBEAU_NVCC, or the one on the PATH, or the one of the usual place. */
function findNvcc(): string {
  const asked = process.env['FLAMBEAU_NVCC'];
  const path = (asked === undefined ? NVCC : [asked]).find((p) => spawnSync(p, ['--version']).status === 0);
  if (path === undefined)
    throw new CompilerMissing(
      asked === undefined
        ? `no CUDA compiler was found (looked for ${NVCC.join(' and ')}; install the CUDA toolkit or set FLAMBEAU_NVCC)`
        : `the CUDA compiler '${asked}' (from FLAMBEAU_NVCC) does not run`,
    );
  return path;
}

let target: { readonly nvcc: string; readonly architecture: string } | null = null;
/** The compiler and the first GPU's architecture, asked for once. @throws CompilerMissing where there is no GPU or no compiler */
function findTarget(): { readonly nvcc: string; readonly architecture: string } {
  if (target !== null) return target;
  const r = spawnSync('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'], { encoding: 'utf8' });
  const version = /^(\d+)\.(\d+)/.exec(r.stdout ?? '');
  if (r.status !== 0 || version === null || !existsSync('/dev/nvidia0'))
    throw new CompilerMissing("the backend 'cuda' needs an NVIDIA GPU: nvidia-smi names none on this machine");
  return (target = { nvcc: findNvcc(), architecture: `sm_${version[1]}${version[2]}` });
}

/** -fmad=false: products and sums round separately, as on the CPU. */
const flags = (architecture: string, library: boolean): string[] => [
  '-O3',
  '-std=c++17',
  '-fmad=false',
  `-arch=${architecture}`,
  '-shared',
  '-Xcompiler',
  '-fPIC',
  '-diag-suppress',
  '177',
  '-x',
  'cu',
  ...(library ? ['-Xlinker', '--no-as-needed', '-lcublas', '-lcublasLt', '-ldl'] : []),
];

registerBackend(
  toolchainBackend('cuda', {
    emit: (graph) => {
      findTarget();
      return emitHosted(graph);
    },
    build: (source) => {
      const { nvcc, architecture } = findTarget();
      return startBuild(source, {
        flags: flags(architecture, source.includes('OwnLibrary library(')),
        env: { ...process.env, CXX: nvcc },
      });
    },
  }),
);
