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
/** A matrix that an algorithm cannot work with: singular, not positive-definite, no convergence. */
export class LinAlgError extends FlambeauError {
  constructor(message: string) {
    super('ERR_FLAMBEAU_LINALG', message);
  }

  /** The native core's errors of this kind count too: they are plain Errors with the same code. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && (value as { code?: unknown }).code === 'ERR_FLAMBEAU_LINALG';
  }
}
