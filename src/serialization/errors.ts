// Errors of file formats: which file, what is wrong, where.
import { FileError } from '../tensor/errors.js';

/** A file that cannot be read: damaged, not of the format, or using a part of it that is not supported. */
export class FileFormatError extends FileError {
  constructor(
    readonly file: string,
    readonly reason: string,
  ) {
    super(`${file}: ${reason}`);
  }
}
