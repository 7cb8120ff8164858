// Random number generators: PyTorch's mt19937, one default per process and as many of one's own as wanted.
import { native } from './native.js';

/** A source of random numbers with a state of its own. */
export class Generator {
  /** The native generator. Internal. */
  readonly _g: object;

  constructor(_device: 'cpu' = 'cpu', handle: object = native.generator(67280421310721)) {
    this._g = handle;
  }
  get device(): 'cpu' {
    return 'cpu';
  }
  /** Starts the stream that belongs to `seed`. */
  manualSeed(seed: number | bigint): this {
    native.manualSeed(seed, this._g);
    return this;
  }
  /** Starts a stream that differs every time; returns its seed. */
  seed(): bigint {
    return BigInt(native.seed(this._g));
  }
  initialSeed(): bigint {
    return BigInt(native.initialSeed(this._g));
  }
  /** The whole state, for setState. */
  getState(): Uint8Array {
    return native.rngState(this._g);
  }
  setState(state: Uint8Array): this {
    native.setRngState(state, this._g);
    return this;
  }
}

let shared: Generator | undefined;
/** The generator that random functions use when none is given. */
export function defaultGenerator(): Generator {
  return (shared ??= new Generator('cpu', native.defaultGenerator()));
}
export const defaultGeneratorHandle = (g: Generator): object => g._g;

/** Seeds the default generator: the same seed gives the same numbers as PyTorch's CPU generator. */
export function manualSeed(seed: number | bigint): Generator {
  return defaultGenerator().manualSeed(seed);
}
export const seed = (): bigint => defaultGenerator().seed();
export const initialSeed = (): bigint => defaultGenerator().initialSeed();
export const getRngState = (): Uint8Array => defaultGenerator().getState();
export function setRngState(state: Uint8Array): void {
  defaultGenerator().setState(state);
}

/** Holds a state of the default generator to be put back: `using _ = forkRng()`. */
export class ForkedRng implements Disposable {
  readonly #state: Uint8Array | null;
  constructor(enabled: boolean) {
    this.#state = enabled ? getRngState() : null;
  }
  [Symbol.dispose](): void {
    if (this.#state !== null) setRngState(this.#state);
  }
}
/**
 * Runs `body` and puts the default generator's state back afterwards, also when it throws; an async body until it settles. Without
 * a body the result holds the state: `using _ = forkRng()`.
 */
export function forkRng(options?: { enabled?: boolean }): ForkedRng;
export function forkRng<T>(body: () => T, options?: { enabled?: boolean }): T;
export function forkRng<T>(
  body: (() => T) | { enabled?: boolean } = {},
  options: { enabled?: boolean } = {},
): T | ForkedRng {
  if (typeof body !== 'function') return new ForkedRng(body.enabled ?? true);
  const held = new ForkedRng(options.enabled ?? true);
  let pending = false;
  try {
    const value = body();
    if (value instanceof Promise) {
      pending = true;
      return value.finally(() => held[Symbol.dispose]()) as T;
    }
    return value;
  } finally {
    if (!pending) held[Symbol.dispose]();
  }
}

/** What PyTorch's `torch.empty((), dtype=int64).random_().item()` draws: 63 bits. DataLoader seeds its streams with it. */
export function drawSeed(g: Generator = defaultGenerator()): bigint {
  const h = native.ops.empty([], INT64);
  native.ops.randint_(h, ...INT63, g._g);
  return (native.toTypedArray(h) as BigInt64Array)[0]! + 2n ** 62n;
}
const INT64 = 7;
/** 2^63 values between ends that an int64 holds; the addon takes bigints where it takes integers. */
export const INT63 = [-(2n ** 62n), 2n ** 62n] as unknown as readonly [number, number];
