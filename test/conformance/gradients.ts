// What the runners of operators and modules share: pairing outputs with their recorded gradients, and telling an error that the
// library raises from an accident.
import type { Tensor } from '../../src/index.js';
import { compareTensor, type Rules } from './compare.js';
import { isTensor, isTensorValue, type Decoder, type TensorValue } from './values.js';

/** Appends the differentiable tensors of `output` and the gradients that are fed into them. */
export function collect(output: unknown, grad: unknown, decoder: Decoder, outputs: Tensor[], grads: Tensor[]): void {
  if (isTensorValue(grad) && isTensor(output)) {
    if (!output.requiresGrad) return;
    outputs.push(output);
    grads.push(decoder.tensor(grad));
    return;
  }
  const list =
    typeof grad === 'object' && grad !== null
      ? ((grad as { list?: unknown[] }).list ?? (grad as { tuple?: unknown[] }).tuple)
      : undefined;
  const items = Array.isArray(output)
    ? output
    : typeof output === 'object' && output !== null && !isTensor(output)
      ? Object.values(output)
      : [];
  list?.forEach((g, i) => collect(items[i], g, decoder, outputs, grads));
}

/** A gradient that is recorded as null may also be zeros. */
export function compareGradient(
  got: Tensor | null,
  want: TensorValue | null,
  decoder: Decoder,
  rules: Rules,
  name: string,
): void {
  if (want === null) {
    if (got && got.ne(0).any().item()) throw new Error(`${name}: expected none, got a gradient that is not zero`);
    return;
  }
  if (!got) {
    if (decoder.numbers(want).some((x) => Number(x) !== 0)) throw new Error(`${name}: there is none`);
    return;
  }
  compareTensor(got, want, decoder, { ...rules, gradient: true, mask: null, typeOnly: false }, name);
}

/** An error by accident (a missing method, a property of undefined) is no answer to a bad input. */
export function checkOwnError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (
    !(error instanceof Error) ||
    /is not a function|is not iterable|Cannot read properties|is not defined|^Invalid argument$|there is no '/.test(
      message,
    )
  ) {
    throw new Error(`failed by accident: ${message}`);
  }
}
