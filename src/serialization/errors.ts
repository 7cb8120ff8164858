// Errors of file formats: which file, what is wrong, where.

/** A file that cannot be read: damaged, not of the format, or using a part of it that is not supported. */
export class FileFormatError extends Error {
  readonly code = 'ERR_FLAMBEAU_FILE_FORMAT';
  constructor(
    readonly file: string,
    readonly reason: string,
  ) {
    super(`${file}: ${reason}`);
    this.name = 'FileFormatError';
  }
}
