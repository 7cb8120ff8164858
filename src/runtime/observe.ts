// Who wants to know of every compiled function, and of the times of its kernels: `flambeau explain`. It stands on globalThis, because a script
// may load this package in another form (through require, or its sources) than the command did.
import type { Explanation } from './explain.js';

/** What an observer sees of a compiled function. */
export interface Explained {
  ready(): Promise<boolean>;
  explain(options?: { readonly limits?: boolean }): Explanation;
}
export interface CompileObserver {
  /** Called for each function when it is given to `compile`. */
  compiled(f: Explained): void;
}

const KEY = Symbol.for('flambeau.compile-observer');
type Holder = Record<symbol, CompileObserver | undefined>;

/** The observer; undefined: nobody looks on. */
export const compileObserver = (): CompileObserver | undefined => (globalThis as unknown as Holder)[KEY];
/** Lets somebody see functions that are compiled, and programs that are made, from now on. */
export function observeCompile(observer: CompileObserver | undefined): void {
  (globalThis as unknown as Holder)[KEY] = observer;
}
