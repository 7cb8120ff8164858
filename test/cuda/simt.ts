// CUDA programs on the CPU: a backend of fb.compile whose kernels are the CUDA printer's, run by the SIMT shim. Library calls are the
// CPU runtime's.
import { readFileSync } from 'node:fs';
import { emitProgram } from '../../src/emit/program.js';
import { startBuild } from '../../src/build/build.js';
import { registerBackend } from '../../src/runtime/backend.js';
import { toolchainBackend } from '../../src/runtime/cpp_backend.js';
import { asEmitted } from '../../src/runtime/emit_cache.js';

const text = (name: string): string =>
  readFileSync(new URL(name, import.meta.url), 'utf8').replace(/^#pragma once$/m, '');

/** Light optimisation: the shim is slow because of its fibers, not of its arithmetic. */
export const SIMT_FLAGS = ['-O1', '-std=c++20', '-ffp-contract=off', '-fPIC', '-shared', '-w', '-x', 'c++'];

/** One C++ source: the shim, the CUDA program, and the CPU runtime's ABI around it. */
export function simtSource(program: string): string {
  const abi = text('../../native/include/flambeau/runtime.h').replace('typedef long long fb_int;', '');
  return [
    text('./simt/simt.h'),
    '#define fb_graph_run fb_cuda_graph_run',
    program,
    '#undef fb_graph_run',
    abi,
    text('./simt/run.cc'),
  ].join('\n');
}

/** Sees every program that the backend builds. */
export const emitted: { listener: ((source: string) => void) | null } = { listener: null };

export const simtBackend = toolchainBackend('simt', {
  emit: (graph) => {
    const program = asEmitted(emitProgram(graph, { target: 'cuda' }));
    emitted.listener?.(program.source);
    return program;
  },
  build: (source) => startBuild(simtSource(source), { flags: SIMT_FLAGS }),
});
registerBackend(simtBackend);
