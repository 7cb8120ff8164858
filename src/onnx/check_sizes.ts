// Dynamic axes stay dynamic: the written model runs on our ops at a size that was not traced and gives what the original gives.
import { noGrad } from '../autograd/modes.js';
import { isFloatingDtype } from '../tensor/dtype.js';
import { OnnxImportError } from './import/errors.js';
import { load } from './import/load.js';
import type { OnnxModule } from './import/module.js';
import { OnnxExportError } from './types.js';
import type { Case } from './verify.js';

/** @throws OnnxExportError where the model specialised a dynamic axis */
export function checkSizes(bytes: Uint8Array, inputNames: readonly string[], { inputs, expected }: Case): void {
  const sizes = inputs.map((t, i) => `${inputNames[i]} [${t.shape.join(', ')}]`).join(', ');
  const fail = (why: string): never => {
    throw new OnnxExportError(`dynamicAxes: the model does not stay dynamic; at ${sizes} ${why}`);
  };
  let model: OnnxModule;
  try {
    model = load(bytes, { name: 'the exported model' });
  } catch (error) {
    throw new OnnxExportError(`the written model cannot be read: ${(error as Error).message}`);
  }
  let results: ReturnType<OnnxModule['forward']>;
  try {
    results = noGrad(() => model.forward(...inputs));
  } catch (error) {
    return error instanceof OnnxImportError ? fail(error.message) : fail((error as Error).message);
  }
  const list = Array.isArray(results) ? results : [results];
  expected.forEach((want, i) => {
    const got = list[i]!;
    if (String(got.shape) !== String(want.shape))
      fail(`output ${i} has shape [${got.shape.join(', ')}], expected [${want.shape.join(', ')}]`);
    const float = isFloatingDtype(want.dtype);
    const same = noGrad(() =>
      float
        ? got.double().isclose(want.double(), { rtol: 1e-2, atol: 1e-3, equalNan: true }).all().item()
        : got.eq(want).all().item(),
    );
    if (!same) fail(`output ${i} differs from the original's`);
  });
}
