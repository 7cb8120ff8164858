// Errors of the importer.
import { FlambeauError } from '../../tensor/errors.js';
import { quote } from '../../serialization/errors.js';

/** A model that cannot be read or run: damaged, against the format, or using what is not supported. Names the file and the node. */
export class OnnxImportError extends FlambeauError {
  constructor(
    readonly file: string,
    readonly reason: string,
  ) {
    super('ERR_FLAMBEAU_ONNX', `${file}: ${reason}`);
  }
}
export { quote };
