// Codes that generated programs return.
/** Return code of a failed run-time check: this plus the index of its message in ProgramMeta.errors. */
export const ERROR_BASE = 1000;
