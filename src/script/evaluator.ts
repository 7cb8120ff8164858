// What evaluates a script, as the parts of the evaluation see it.
import type * as TsMorph from 'ts-morph';
import { fail } from '../frontend/script/syntax.js';
import type { Guards } from './guards.js';
import type { Region, ScriptScalar } from './region.js';
import type { Inlined, Scope } from './scope.js';

/** Values of names that a function takes from around it. */
export type Globals = Readonly<Record<string, unknown>>;

export interface Evaluator {
  region: Region;
  scope: Scope;
  self: unknown;
  /** Names that were given to the function being evaluated. */
  globals: Globals;
  readonly guards: Guards;
  /** Runs a function's body; statements.ts. */
  callInlined(f: Inlined, args: readonly unknown[], at: TsMorph.Node): unknown;
  /** Calls a module or function that is not the library's. */
  callUser(f: unknown, args: readonly unknown[], self: unknown, at: TsMorph.Node): unknown;
  /** A value that depends on a condition that the graph computes. */
  choose(condition: ScriptScalar, yes: () => unknown, no: () => unknown, at: TsMorph.Node): unknown;
  // expressions.ts:
  evaluate(node: TsMorph.Node): unknown;
  assign(target: TsMorph.Node, value: unknown): void;
  /** Puts a changed array or object in the place of `was`. */
  replace(place: TsMorph.Node, was: object, by: unknown): void;
  /** Calls what was given as a function. */
  callFunction(f: unknown, args: readonly unknown[], node: TsMorph.CallExpression): unknown;
}

/** Runs `f`, naming the code where it goes wrong. */
export function at<T>(node: TsMorph.Node, f: () => T): T {
  try {
    return f();
  } catch (e) {
    if (e instanceof SyntaxError) throw e;
    const message = e instanceof Error ? e.message : String(e);
    return fail(node, message, undefined, e);
  }
}
