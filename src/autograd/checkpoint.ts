// Activation checkpointing: what lies between the inputs and the outputs of a function is not kept for backward but computed again.
// Source: torch.utils.checkpoint; "Training Deep Nets with Sublinear Memory Cost", https://arxiv.org/abs/1604.06174
import { native } from '../native.js';
import { getRngState, setRngState } from '../random.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { backward } from './grad.js';
import { Function, type FunctionCtx } from './function.js';
import { enableGrad } from './modes.js';

export interface CheckpointOptions {
  /** Put the random generator into the state of the forward call when computing again, so that dropout drops the same. Default: true. */
  preserveRngState?: boolean;
  /** Accepted for PyTorch's sake: there is one implementation, which reaches captured leaves as PyTorch's non-reentrant one does. */
  useReentrant?: boolean;
}

class Checkpoint extends Function {
  static override forward(
    ctx: FunctionCtx,
    run: (...args: unknown[]) => unknown,
    o: CheckpointOptions,
    ...args: unknown[]
  ): unknown {
    ctx.run = run;
    ctx.rngState = (o.preserveRngState ?? true) ? getRngState() : null;
    ctx.others = args.map((a) => (isTensor(a) ? null : a));
    ctx.isTensor = args.map(isTensor);
    ctx.saveForBackward(...args.map((a) => (isTensor(a) ? a : null)));
    return run(...args);
  }
  static override backward(ctx: FunctionCtx, ...grads: (Tensor | null)[]): unknown[] {
    const saved = ctx.savedTensors;
    const args = (ctx.others as unknown[]).map((other, i) => {
      const t = saved[i] ?? null;
      return t === null ? other : t.detach().requiresGrad_(t.requiresGrad);
    });
    const now = getRngState();
    let outputs: unknown;
    try {
      if (ctx.rngState !== null) setRngState(ctx.rngState as ReturnType<typeof getRngState>);
      outputs = enableGrad(() => (ctx.run as (...a: unknown[]) => unknown)(...args));
    } finally {
      if (ctx.rngState !== null) setRngState(now);
    }
    const roots: Tensor[] = [];
    const given: (Tensor | null)[] = [];
    (Array.isArray(outputs) ? outputs : [outputs]).forEach((out: unknown, i) => {
      if (!isTensor(out) || !out.requiresGrad || grads[i] == null) return;
      roots.push(out);
      given.push(grads[i]);
    });
    if (roots.length > 0) enableGrad(() => backward(roots, given));
    return [null, null, ...args.map((a) => (isTensor(a) && a.requiresGrad ? a.grad : null))];
  }
}

/**
 * `fn(...args)` without keeping its intermediate results: backward calls `fn` again. Saves memory for about a third more time.
 * `fn` must give the same results for the same arguments. Gradients reach tensor arguments and the leaves that `fn` uses.
 */
export function checkpoint<A extends readonly unknown[], R>(fn: (...args: A) => R, ...args: A): R;
export function checkpoint<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  ...rest: [...A, CheckpointOptions]
): R;
export function checkpoint(fn: (...args: unknown[]) => unknown, ...rest: unknown[]): unknown {
  const last = rest.at(-1);
  const isOptions =
    typeof last === 'object' &&
    last !== null &&
    !isTensor(last) &&
    (Object.hasOwn(last, 'preserveRngState') || Object.hasOwn(last, 'useReentrant'));
  const args = isOptions ? rest.slice(0, -1) : rest;
  if (!native.gradEnabled()) return fn(...args);
  const options = isOptions ? (last as CheckpointOptions) : {};
  return runCheckpoint(fn, options, args);
}

function runCheckpoint(
  fn: (...args: unknown[]) => unknown,
  options: CheckpointOptions,
  args: readonly unknown[],
): unknown {
  // Leaves that `fn` captures get their gradients in backward's second call, which needs a node even if no argument requires grad.
  if (!args.some((a) => isTensor(a) && a.requiresGrad)) {
    const first = args.findIndex((a) => isTensor(a) && a.isFloatingPoint());
    if (first < 0) return fn(...args);
    args = args.map((a, i) => (i === first ? (a as Tensor).detach().requiresGrad_() : a));
  }
  return (Checkpoint.apply as (...a: unknown[]) => unknown).call(Checkpoint, fn, options, ...args);
}

/** Runs `functions` one after the other, in `segments` checkpointed groups; the last group is run as it is. */
export function checkpointSequential(
  functions: Iterable<(x: Tensor) => Tensor>,
  segments: number,
  input: Tensor,
  options: CheckpointOptions = {},
): Tensor {
  const list = [...functions];
  if (!Number.isInteger(segments) || segments < 1 || segments > Math.max(list.length, 1))
    throw new RangeError(`checkpointSequential: segments must be between 1 and ${list.length}, got ${segments}`);
  const size = Math.floor(list.length / segments);
  const run = (from: number, to: number) => (x: Tensor) => list.slice(from, to).reduce((y, f) => f(y), x);
  let x = input;
  for (let s = 0; s < segments - 1; s++)
    x = native.gradEnabled()
      ? (runCheckpoint(run(s * size, (s + 1) * size) as (...a: unknown[]) => unknown, options, [x]) as Tensor)
      : run(s * size, (s + 1) * size)(x);
  return run((segments - 1) * size, list.length)(x);
}
