// One direction of a recurrent layer as a single op, whatever the length: what recordings of fb.compile hold, so that one program serves
// sequences of every length. Eager code, exporters and graphs for GPUs run step by step.
import { Function as AutogradFunction, type FunctionCtx } from '../autograd/function.js';
import { grad } from '../autograd/grad.js';
import { enableGrad } from '../autograd/modes.js';
import { native } from '../native.js';
import { wrap, type Tensor } from '../tensor/handle.js';
import type { CellKind } from './recurrent_cell.js';

let wanted = false;
/** Whether recordings from now on hold sequences as ops; gives back what held before. Internal. */
export function sequencesAsOps(on: boolean): boolean {
  const before = wanted;
  wanted = on;
  return before;
}

export interface DirectionCall {
  readonly mode: CellKind;
  readonly reverse: boolean;
  /** The inputs' part of the gates, [T, B, G * H]. */
  readonly gates: Tensor;
  /** h, or h and c: [B, H]. */
  readonly states: readonly Tensor[];
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}
/** [T, B, H] and the final states. */
export type DirectionResult = [output: Tensor, states: Tensor[]];
/** The same, step by step. */
export type Unrolled = (call: DirectionCall) => DirectionResult;

/** True where `sequence` is to take the place of the steps. */
export const isSequenceOp = ({ gates }: DirectionCall): boolean =>
  wanted &&
  native.traceActive() &&
  (gates.dtype === 'float32' || gates.dtype === 'float64') &&
  gates.shape[0]! > 0 &&
  gates.shape[1]! > 0;

/** Output, final h, final c (of LSTMs, else empty) and, when it is to be kept, what the gradient needs. */
function run(c: DirectionCall, keep: boolean): [Tensor, Tensor, Tensor, Tensor] {
  const [hidden, cell] = c.states as [Tensor, Tensor?];
  return native.ops
    .recurrentSequence(
      c.gates._h,
      hidden._h,
      cell?._h ?? null,
      c.weight._h,
      c.bias?._h ?? null,
      c.mode,
      c.reverse,
      keep,
    )
    .map(wrap) as [Tensor, Tensor, Tensor, Tensor];
}

class RecurrentSequence extends AutogradFunction {
  static override forward(
    ctx: FunctionCtx,
    mode: CellKind,
    reverse: boolean,
    unrolled: Unrolled,
    gates: Tensor,
    weight: Tensor,
    bias: Tensor | null,
    hidden: Tensor,
    cell: Tensor | null,
  ): Tensor[] {
    const call = { mode, reverse, gates, states: cell === null ? [hidden] : [hidden, cell], weight, bias };
    const [output, hn, cn, reserve] = run(call, true);
    ctx.setMaterializeGrads(false);
    ctx['call'] = { mode, reverse, unrolled };
    ctx.saveForBackward(gates, weight, bias, hidden, cell, output, reserve);
    return cell === null ? [output, hn] : [output, hn, cn];
  }
  static override backward(ctx: FunctionCtx, ...grads: (Tensor | null)[]): (Tensor | null)[] {
    const { mode, reverse, unrolled } = ctx['call'] as { mode: CellKind; reverse: boolean; unrolled: Unrolled };
    const [gates, weight, bias, hidden, cell, output, reserve] = ctx.savedTensors as [
      Tensor,
      Tensor,
      Tensor | null,
      Tensor,
      Tensor | null,
      Tensor,
      Tensor,
    ];
    const none = [null, null, null];
    if (native.gradEnabled()) {
      // To be differentiated again: through the steps.
      return enableGrad(() => {
        const states = cell === null ? [hidden] : [hidden, cell];
        const [y, finals] = unrolled({ mode, reverse, gates, states, weight, bias });
        const roots = [y, ...finals].flatMap((t, k) => (grads[k] ? [[t, grads[k]] as const] : []));
        const leaves = [gates, weight, bias, hidden, cell];
        const by = leaves.filter((t): t is Tensor => t !== null && t.requiresGrad);
        const found = grad(
          roots.map(([t]) => t),
          by,
          { gradOutputs: roots.map(([, g]) => g), createGraph: true, allowUnused: true },
        );
        return [...none, ...leaves.map((t) => (t === null || !by.includes(t) ? null : found[by.indexOf(t)]!))];
      });
    }
    const handle = (t: Tensor | null | undefined) => t?._h ?? null;
    const [dgates, dhidden, dcell, dweight, dbias] = native.ops
      .recurrentSequenceBackward(
        handle(grads[0]),
        handle(grads[1]),
        handle(grads[2]),
        gates._h,
        hidden._h,
        handle(cell),
        weight._h,
        output._h,
        reserve._h,
        mode,
        reverse,
      )
      .map(wrap) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return [...none, dgates, dweight, bias && dbias, dhidden, cell && dcell];
  }
}

/** Runs a direction as one op; `unrolled` serves derivatives of its derivative. */
export function sequence(call: DirectionCall, unrolled: Unrolled): DirectionResult {
  const [hidden, cell = null] = call.states as [Tensor, Tensor?];
  const { mode, reverse, gates, weight, bias } = call;
  const differentiable = [gates, weight, bias, hidden, cell].some((t) => t?.requiresGrad);
  if (!native.gradEnabled() || !differentiable) {
    const [output, hn, cn] = run(call, false);
    return [output, cell === null ? [hn] : [hn, cn]];
  }
  const [output, ...finals] = RecurrentSequence.apply(
    mode,
    reverse,
    unrolled,
    gates,
    weight,
    bias,
    hidden,
    cell,
  ) as Tensor[];
  return [output!, finals];
}
