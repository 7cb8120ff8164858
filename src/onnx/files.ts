// Puts a model and its weights into place: written and, where asked, verified beside their place, then moved there, so that a
// failure leaves nothing and readers see whole files only.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { writeFileAtomic } from '../serialization/bytes.js';
import { FileError } from '../tensor/errors.js';
import { weightsFile, type EncodedModel } from './encode.js';
import { verifyModel, type Case, type VerifyReport } from './verify.js';

/** Writes the files, after `cases` ran as expected in onnxruntime. Returns what that found, null without cases. */
export function writeModel(
  model: EncodedModel,
  path: string | null,
  names: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  cases: readonly Case[],
): VerifyReport | null {
  if (path === null && cases.length === 0) return null;
  if (path !== null && cases.length === 0 && model.weights === null) {
    writeFileAtomic(path, model.bytes);
    return null;
  }
  const folder = path === null ? tmpdir() : dirname(path);
  const file = path === null ? 'model.onnx' : basename(path);
  const staging = stage(folder, path);
  try {
    writeFileSync(join(staging, file), model.bytes);
    if (model.weights) writeFileAtomic(join(staging, weightsFile(file)), model.weights);
    const report = cases.length > 0 ? verifyModel(join(staging, file), names.inputs, names.outputs, cases) : null;
    if (path !== null) {
      // The weights first: a model without them cannot be read.
      if (model.weights) renameSync(join(staging, weightsFile(file)), join(folder, weightsFile(file)));
      renameSync(join(staging, file), path);
    }
    return report;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function stage(folder: string, path: string | null): string {
  try {
    return mkdtempSync(join(folder, '.flambeau-onnx-'));
  } catch (error) {
    throw new FileError(`cannot write '${path ?? folder}': ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
