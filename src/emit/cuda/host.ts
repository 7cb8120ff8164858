// A CUDA program as one source for nvcc that the CPU runtime can load: the program, the GPU library where it calls it, and the code that
// moves tensors between host and device (native/cuda/host.cuh).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDim, productOf } from '../../ir/dim.js';
import { type Dim } from '../../ir/graph.js';
import { ixDim, printIndex } from '../../schedule/indexing.js';
import { byteSize } from '../../schedule/dtype.js';
import { packageRoot } from '../../package_root.js';
import { type MetaDim, type TensorMeta } from '../meta.js';
import { type Program } from '../program.js';
import { runtimeDeclarations } from '../cpp/prelude.js';
import { libraryStep, type LibraryOptions } from './library.js';

/** A file of native/cuda without what only separate files need. */
const part = (name: string): string =>
  readFileSync(join(packageRoot(), 'native', 'cuda', name), 'utf8').replace(/^#(pragma once|include ".*")\n/gm, '');

/** What programs with library steps contain, in the order of their includes. */
const LIBRARY = [
  'choice',
  'product',
  'blas',
  'window',
  'direct',
  'implicit_gemm',
  'pooling',
  'windows',
  'cudnn',
  'convolve',
  'library',
].map((name) => `${name}.cuh`);

/** A program calls a step that has no GPU kernel. */
export class NoGpuKernel extends Error {
  override readonly name = 'NoGpuKernel';
  readonly code = 'ERR_FLAMBEAU_COMPILE';
}

const dimOf = (d: MetaDim): Dim => (typeof d === 'number' ? d : parseDim(d));

/** @throws NoGpuKernel naming the op of a library step that native/cuda does not have */
export function printHosted({ source, meta }: Pick<Program, 'source' | 'meta'>, options: LibraryOptions = {}): string {
  const steps = meta.steps.map((s) => {
    const line = libraryStep(s, options);
    if (line === null)
      throw new NoGpuKernel(
        `'${s.op}' has no GPU kernel for these operands (${s.outputs.map((t) => t.dtype).join(', ')})`,
      );
    return line;
  });
  const size = (d: Dim): string =>
    printIndex(ixDim(d), {
      axis: (a) => a.name,
      symbol: (s) => `dims[${meta.symbols.findIndex((x) => x.name === s)}]`,
      dyn: () => '0',
    });
  const bytes = (t: TensorMeta): string => `(size_t)(${size(productOf(t.shape.map(dimOf)))}) * ${byteSize(t.dtype)}`;
  const slots = [...meta.inputs, ...meta.captures];
  const inputs = slots.map(bytes);
  const written = meta.writes.map((w) => inputs['input' in w ? w.input : meta.inputs.length + w.capture]!);
  const outputs = [...meta.outputs.flatMap((o) => ('alias' in o ? [] : [bytes(o)])), ...written];
  const library = meta.steps.length > 0;
  return `#define fb_graph_run fb_cuda_graph_run
${source}
#undef fb_graph_run
${runtimeDeclarations()}
${part('host.cuh')}
${library ? LIBRARY.map(part).join('\n') : ''}
static flambeau::cuda::Host host;
static flambeau::cuda::Extents extents(const fb_int* dims) {
  (void)dims;
  return {{${inputs.join(', ')}}, {${outputs.join(', ')}}, (size_t)(${size(dimOf(meta.arena))})};
}
extern "C" int fb_graph_abi() { return FB_RUNTIME_ABI; }
extern "C" int fb_graph_run(const fb_run_args* a) {
${
  library
    ? `  static flambeau::cuda::OwnLibrary library({${steps.map((s) => `"${s}"`).join(', ')}});
  if (!library.works()) return flambeau::cuda::kCudaFailed;
  return host.run(a, extents(a->dims), fb_cuda_graph_run, flambeau::cuda::Library::call, library.get());`
    : '  return host.run(a, extents(a->dims), fb_cuda_graph_run, nullptr, nullptr);'
}
}
`;
}
