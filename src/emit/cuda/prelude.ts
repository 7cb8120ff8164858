// The scalar prelude as part of generated CUDA source, and those sections of special.h that the kernels use: the same text as in C++, its
// builtins replaced by the device's functions.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../package_root.js';
import { specialFor } from '../cpp/prelude.js';

let text: string | null = null;
function common(): string {
  text ??= [
    ['cuda', 'abi.cuh'],
    ['kernels', 'cuda_prelude.h'],
  ]
    .map((file) =>
      readFileSync(join(packageRoot(), 'native', ...file), 'utf8')
        .replace(/^#(pragma once|(ifndef|define) FLAMBEAU_CUDA_PRELUDE_H)\n/gm, '')
        .replace(/#endif\n$/, '')
        .replace(/^\/\/.*\n/gm, ''),
    )
    .join('');
  return text;
}

const device = (source: string): string =>
  source
    .replace(/\bFB_FN\b/g, 'FB_D')
    .replace(/\bstatic __attribute__\(\(unused\)\)/g, 'static __device__')
    .replace(/__builtin_nan\(""\)/g, '(double)fb_nan()')
    .replace(/__builtin_inf\(\)/g, '(double)fb_inf()')
    .replace(/__builtin_isinf\(/g, 'fb_isinf(')
    .replace(/__builtin_(\w+)/g, '$1');

/** Prelude text for kernels that use these names. */
export function devicePrelude(kernels: string): string {
  const special = specialFor(kernels);
  return special === '' ? common() : `${common()}\n${device(special)}`;
}
