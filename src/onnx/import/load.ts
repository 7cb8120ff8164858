// fb.onnx.load.
import { readFileSync } from 'node:fs';
import { FileError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import { decodeModel } from './model.js';
import { OnnxModule } from './module.js';
import { folderOf } from './tensors.js';

export interface LoadOptions {
  /** How errors name a model that comes as bytes. Default: 'model'. */
  readonly name?: string;
  /**
   * Inputs that always have these values, by name: they are inputs no more. A model whose shapes or axes are inputs compiles
   * and exports with them.
   */
  readonly constants?: Readonly<Record<string, Tensor>>;
}

/**
 * Reads an ONNX model: opsets 7 to 28, opset 6 where its operators are the same. The module that it gives runs the graph on our
 * ops: call it with the inputs in order or by name; `fb.compile` it; train it (float weights are parameters under their names).
 * External data are read from the model's folder only; a model given as bytes has none.
 * @throws OnnxImportError for a damaged model or one that uses what is not supported, FileError when it cannot be read
 */
export function load(model: string | Uint8Array, options: LoadOptions = {}): OnnxModule {
  if (typeof model !== 'string')
    return new OnnxModule(decodeModel(model, options.name ?? 'model'), null, options.constants);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(model);
  } catch (error) {
    throw new FileError(`${model}: ${(error as Error).message}`);
  }
  return new OnnxModule(decodeModel(bytes, model), folderOf(model), options.constants);
}
