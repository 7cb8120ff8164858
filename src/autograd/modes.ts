// Modes of differentiation: each takes a callback, or is held by `using` until the end of the block.
import { native } from '../native.js';

/** What a mode returns when it is called without a callback: `using _ = noGrad()`. */
export interface ModeGuard extends Disposable {
  /** Ends the mode now. */
  end(): void;
}

function scoped<T>(
  name: string,
  get: () => boolean,
  set: (on: boolean) => void,
  on: boolean,
  body?: () => T,
): T | ModeGuard {
  const before = get();
  set(on);
  if (body === undefined) {
    let ended = false;
    const end = (): void => {
      if (!ended) set(before);
      ended = true;
    };
    return { end, [Symbol.dispose]: end };
  }
  let result: T;
  try {
    result = body();
  } finally {
    set(before);
  }
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TypeError(
      `${name}() takes a synchronous callback; in async code hold it: { using _ = ${name}(); ... } without awaits inside`,
    );
  }
  return result;
}

const grad = [() => native.gradEnabled(), (on: boolean) => native.setGradEnabled(on)] as const;

/** Operations inside build no graph. */
export function noGrad(): ModeGuard;
export function noGrad<T>(body: () => T): T;
export function noGrad<T>(body?: () => T): T | ModeGuard {
  return scoped('noGrad', ...grad, false, body);
}
/** Operations inside build a graph again (within noGrad). */
export function enableGrad(): ModeGuard;
export function enableGrad<T>(body: () => T): T;
export function enableGrad<T>(body?: () => T): T | ModeGuard {
  return scoped('enableGrad', ...grad, true, body);
}
/** noGrad or enableGrad by a flag. Without a callback and unheld it stays in force, as in PyTorch. */
export function setGradEnabled(on: boolean): ModeGuard;
export function setGradEnabled<T>(on: boolean, body: () => T): T;
export function setGradEnabled<T>(on: boolean, body?: () => T): T | ModeGuard {
  return scoped('setGradEnabled', ...grad, on, body);
}
export const isGradEnabled = (): boolean => native.gradEnabled();

/** Like noGrad, and the tensors made inside can never take part in a graph: the least work per operation. */
export function inferenceMode(mode?: boolean): ModeGuard;
export function inferenceMode<T>(body: () => T): T;
export function inferenceMode<T>(mode: boolean, body: () => T): T;
export function inferenceMode<T>(a: boolean | (() => T) = true, b?: () => T): T | ModeGuard {
  const body = typeof a === 'function' ? a : b;
  return scoped(
    'inferenceMode',
    () => native.inferenceEnabled(),
    (on) => native.setInferenceEnabled(on),
    typeof a === 'function' ? true : a,
    body,
  );
}
export const isInferenceModeEnabled = (): boolean => native.inferenceEnabled();

const anomaly = [() => native.anomalyEnabled(), (on: boolean) => native.setAnomalyEnabled(on)] as const;
/** Backward passes inside say which forward call made a NaN. Slow: for debugging. */
export function detectAnomaly(): ModeGuard;
export function detectAnomaly<T>(body: () => T): T;
export function detectAnomaly<T>(body?: () => T): T | ModeGuard {
  return scoped('detectAnomaly', ...anomaly, true, body);
}
export function setDetectAnomaly(on: boolean): ModeGuard;
export function setDetectAnomaly<T>(on: boolean, body: () => T): T;
export function setDetectAnomaly<T>(on: boolean, body?: () => T): T | ModeGuard {
  return scoped('setDetectAnomaly', ...anomaly, on, body);
}
export const isAnomalyEnabled = (): boolean => native.anomalyEnabled();
