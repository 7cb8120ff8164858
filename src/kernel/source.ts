// What users write for kernels and reductions: scalar functions, whose source text is read.
import { type HelperSource } from '../frontend/script/scalar.js';

/** One element inside a kernel: a number, or a boolean where it is compared. */
export type Scalar = number;
export type ScalarResult = number | boolean;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- users' functions have parameters of their own
export type AnyScalarFunction = (...args: any[]) => ScalarResult | readonly ScalarResult[];
export type Functions = Readonly<Record<string, AnyScalarFunction>>;

/** Sources of the functions that a body may call by name. */
export const helperSource =
  (helpers: Functions | undefined): HelperSource =>
  (name) =>
    helpers !== undefined && Object.hasOwn(helpers, name) ? String(helpers[name]) : undefined;
