// fb.save and fb.load: state dicts in files, the format by the extension.
import { extname } from 'node:path';
import { DTypeError, FileError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { readSafetensorsFile, writeSafetensorsFile } from './safetensors.js';
import { tensorFromBytes, tensorToBytes } from './tensors.js';

const FORMATS = ['.safetensors'];

function checkFormat(path: string): void {
  const extension = extname(path).toLowerCase();
  if (FORMATS.includes(extension)) return;
  throw new FileError(`${path}: files of type '${extension}' are not supported (supported: ${FORMATS.join(', ')})`);
}

/**
 * Writes named tensors (a state dict) to a file, in their order; `.safetensors` is the format there is. The file appears
 * whole or not at all. Throws FileError for another extension, DTypeError for values that are no tensors.
 * @example fb.save(net.stateDict(), 'net.safetensors')
 */
export function save(
  tensors: Readonly<Record<string, Tensor>>,
  path: string,
  options: { readonly metadata?: Readonly<Record<string, string>> } = {},
): void {
  checkFormat(path);
  const list = Object.entries(tensors);
  for (const [name, t] of list) {
    if (!isTensor(t))
      throw new DTypeError(
        `save(): the value of '${name}' is no tensor; only named tensors can be stored in this format`,
      );
  }
  writeSafetensorsFile(
    path,
    list.map(([name, t]) => [name, tensorToBytes(t)] as const),
    Object.entries(options.metadata ?? {}),
  );
}

/**
 * Reads named tensors from a file. Throws FileError when it is missing, damaged or of another type.
 * @example net.loadStateDict(fb.load('net.safetensors'))
 */
export function load(path: string): Record<string, Tensor> {
  checkFormat(path);
  // fromEntries makes own properties of all names, `__proto__` included.
  return Object.fromEntries(
    [...readSafetensorsFile(path).tensors].map(([name, bytes]) => [name, tensorFromBytes(bytes)]),
  );
}
