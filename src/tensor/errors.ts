// Errors that TypeScript code raises. Errors of the native core arrive as Error objects with the same `code` values.

/** Base of all errors of this package; `code` says which kind ('ERR_FLAMBEAU_SHAPE', ...). */
export class FlambeauError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A value that an operation cannot take. */
export class ValueError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_VALUE', message);
  }
}
/** A wrong type or dtype. */
export class DTypeError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_TYPE', message);
  }
}
/** Shapes that do not fit. */
export class ShapeError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_SHAPE', message);
  }
}
/** An index or dimension out of range. */
export class IndexError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_INDEX', message);
  }
}
/** An unknown or absent device. */
export class DeviceError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_DEVICE', message);
  }
}
/** A wrong use of differentiation. */
export class AutogradError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_AUTOGRAD', message);
  }
}
/** A file that is missing, damaged or of another format. */
export class FileError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_FILE', message);
  }
}
