// The namespace `nn.attention`: attention with a function of the scores, and the choice of a backend.
import { softmax } from '../../generated/ts/functions.js';
import type { ModeGuard } from '../autograd/modes.js';
import { arange } from '../tensor/create.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';

/** Changes the scores [B, H, L, S]; the indices of batch, head, query and key broadcast against them. */
export type ScoreMod = (score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) => Tensor;

/**
 * Attention of query [B, H, L, E] over key [B, H, S, E] and value [B, H, S, V] with `scoreMod` between the product and the softmax:
 * a causal mask is `(s, b, h, q, k) => s.maskedFill(k.gt(q), -Infinity)`. `enableGqa`: several query heads share a key head.
 */
export function flexAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: { scoreMod?: ScoreMod | null; scale?: number | null; enableGqa?: boolean } = {},
): Tensor {
  const { scoreMod = null, scale = null, enableGqa = false } = options;
  if (query.ndim !== 4 || key.ndim !== 4 || value.ndim !== 4)
    throw new ShapeError(
      `flexAttention(): expected 4-D query, key and value, got ${query.ndim}-D, ${key.ndim}-D, ${value.ndim}-D`,
    );
  const [batch, heads, queries, size] = query.shape as [number, number, number, number];
  const [, keyHeads, keys] = key.shape as [number, number, number];
  if (heads !== keyHeads && (!enableGqa || heads % keyHeads !== 0))
    throw new ShapeError(`flexAttention(): ${heads} query heads do not fit ${keyHeads} key heads`);
  const share = (t: Tensor): Tensor => {
    if (heads === keyHeads) return t;
    const times = heads / keyHeads;
    const last = t.shape[3]!;
    return t.unsqueeze(2).expand([batch, keyHeads, times, keys, last]).reshape([batch, heads, keys, last]);
  };
  let scores = query.matmul(share(key).transpose(-2, -1)).mul(scale ?? 1 / Math.sqrt(size));
  if (scoreMod !== null) {
    const index = (n: number, dim: number): Tensor => arange(n).reshape([0, 1, 2, 3].map((d) => (d === dim ? n : 1)));
    scores = scoreMod(scores, index(batch, 0), index(heads, 1), index(queries, 2), index(keys, 3));
  }
  return softmax(scores, -1).matmul(share(value));
}

/** Implementations of scaledDotProductAttention by name. One exists here. */
export const SDPBackend = { MATH: 'MATH' } as const;
/** Inside, scaledDotProductAttention uses one of the named backends. Throws ValueError when none of them exists. */
export function sdpaKernel(backends: string | readonly string[]): ModeGuard;
export function sdpaKernel<T>(backends: string | readonly string[], body: () => T): T;
export function sdpaKernel<T>(backends: string | readonly string[], body?: () => T): T | ModeGuard {
  const wanted = typeof backends === 'string' ? [backends] : backends;
  if (!wanted.includes(SDPBackend.MATH))
    throw new ValueError(`sdpaKernel(): no such backend here: ${wanted.join(', ')} (there is MATH)`);
  if (body !== undefined) return body();
  const end = (): void => undefined;
  return { end, [Symbol.dispose]: end };
}
