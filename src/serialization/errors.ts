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

/** Ends reading with a `FileFormatError` about one file. */
export type Fail = (reason: string) => never;

/** The `Fail` of a file. */
export const failer =
  (file: string): Fail =>
  (reason) => {
    throw new FileFormatError(file, reason);
  };

/** A name from a file as it may stand in a message: escaped and short. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}...` : name);
}
