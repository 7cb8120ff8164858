// Live scalars: JavaScript numbers that may change between calls of a compiled function without a new compilation
// (learning rates, step counts). The graph reads them from a slot; every replay asks the thunk again.
import { native } from '../native.js';

/** A number that a recorder watches: what op bindings take in place of a plain number. */
export interface LiveScalar {
  readonly value: number;
  readonly slot: number;
}

let recording: (() => number)[] | null = null;

/**
 * The number that `thunk` gives. While a function is being compiled, a scalar input of the graph: later runs call `thunk`
 * again instead of baking the number in. The thunk must only look: a run that is not carried out may ask it too.
 *
 * @example const lr = live(() => group.lr);  param.sub_(grad.mul(lr));
 * @throws TypeError when the thunk does not give a number.
 */
export function live(thunk: () => number): number | LiveScalar {
  const value = thunk();
  if (typeof value !== 'number') throw new TypeError(`live(): the thunk must give a number, got ${typeof value}`);
  if (recording === null || !native.traceActive()) return value;
  const slot = native.liveScalar(value);
  recording[slot] = thunk;
  return { value, slot };
}

/** Starts collecting thunks for a trace; gives back what was collected before (null: nothing). Internal. */
export function collectLive(into: (() => number)[] | null): (() => number)[] | null {
  const before = recording;
  recording = into;
  return before;
}
