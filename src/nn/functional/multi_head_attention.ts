// Attention with several heads: projections, masks, the product, the output projection.
import { maskedScores, extend, checkedMask, type Mask } from './attention_masks.js';
import { cat, linear, softmax } from '../../../generated/ts/functions.js';
import { zeros } from '../../tensor/create.js';
import { ShapeError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { dropout } from './dropout.js';

export interface MultiHeadAttentionOptions {
  training?: boolean;
  /** [B, S] (or [S]): bool, true where a key is masked out; floating: added to the scores. */
  keyPaddingMask?: Tensor | null;
  /** Also return the weights. */
  needWeights?: boolean;
  /** [L, S] or [B * heads, L, S]: bool, true where a pair is masked out; floating: added to the scores. */
  attnMask?: Tensor | null;
  useSeparateProjWeight?: boolean;
  qProjWeight?: Tensor | null;
  kProjWeight?: Tensor | null;
  vProjWeight?: Tensor | null;
  /** Keys and values [B * heads, S, head size] to use instead of the projected ones. */
  staticK?: Tensor | null;
  staticV?: Tensor | null;
  /** The mean of the weights over the heads instead of those of each head. */
  averageAttnWeights?: boolean;
  /** Says that attnMask is the causal mask; without a mask it is made. */
  isCausal?: boolean;
}

const size = (t: Tensor): string => `torch.Size([${t.shape.join(', ')}])`;

/**
 * Attention of query [L, B, E] (or [L, E]) over key and value [S, B, ...]: [output, weights or null].
 * `inProjWeight` [3 E, E] holds the three projections unless `useSeparateProjWeight` is set.
 * Source: https://arxiv.org/abs/1706.03762
 */
export function multiHeadAttentionForward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  embedDimToCheck: number,
  numHeads: number,
  inProjWeight: Tensor | null,
  inProjBias: Tensor | null,
  biasK: Tensor | null,
  biasV: Tensor | null,
  addZeroAttn: boolean,
  dropoutP: number,
  outProjWeight: Tensor,
  outProjBias: Tensor | null,
  options: MultiHeadAttentionOptions = {},
): [Tensor, Tensor | null] {
  const { training = true, needWeights = true, averageAttnWeights = true } = options;
  const batched = checkShapes(query, key, value, embedDimToCheck, options.useSeparateProjWeight ?? false);
  const lift = (t: Tensor): Tensor => (batched ? t : t.unsqueeze(1));
  let [q, k, v] = project(lift(query), lift(key), lift(value), inProjWeight, inProjBias, options);
  const [targets, batch, embed] = q.shape as [number, number, number];
  if (embed % numHeads !== 0) throw new ShapeError(`embed_dim ${embed} not divisible by num_heads ${numHeads}`);
  const headSize = embed / numHeads;
  const rows = batch * numHeads;

  let sources = k.shape[0]!;
  let mask = attentionMask(options, batched, numHeads, targets, sources, rows);
  let padding = checkedMask('key_padding_mask', options.keyPaddingMask ?? null);
  if (padding !== null && !batched && padding.ndim === 1) padding = padding.unsqueeze(0);
  if (padding !== null && (padding.ndim !== 2 || padding.shape[0] !== batch || padding.shape[1] !== sources)) {
    throw new ShapeError(`expecting key_padding_mask shape of (${batch}, ${sources}), but got ${size(padding)}`);
  }
  if ((biasK === null) !== (biasV === null)) throw new ShapeError('bias_k and bias_v must be given together');
  if (biasK !== null && biasV !== null) {
    k = cat([k, biasK.expand([1, batch, embed])], 0);
    v = cat([v, biasV.expand([1, batch, embed])], 0);
    [mask, padding] = [extend(mask), extend(padding)];
  }
  const heads = (t: Tensor): Tensor => t.reshape([t.shape[0]!, rows, headSize]).transpose(0, 1);
  q = heads(q);
  k = options.staticK ?? heads(k);
  v = options.staticV ?? heads(v);
  if (addZeroAttn) {
    const zero = zeros([rows, 1, headSize], { dtype: q.dtype });
    k = cat([k, zero], 1);
    v = cat([v, zero], 1);
    [mask, padding] = [extend(mask), extend(padding)];
  }
  sources = k.shape[1]!;
  const scores = maskedScores(combine(mask, padding, batch, numHeads, sources), q.div(Math.sqrt(headSize)), k);
  let weights = softmax(scores, -1);
  if (training && dropoutP > 0) weights = dropout(weights, dropoutP, true);
  const joined = weights
    .bmm(v)
    .transpose(0, 1)
    .reshape([targets * batch, embed]);
  const projected = linear(joined, outProjWeight, outProjBias);
  const output = projected.reshape([targets, batch, projected.shape[1]!]);
  const lower = (t: Tensor, dim: number): Tensor => (batched ? t : t.squeeze(dim));
  if (!needWeights) return [lower(output, 1), null];
  const all = weights.reshape([batch, numHeads, targets, sources]);
  return [lower(output, 1), lower(averageAttnWeights ? all.mean(1) : all, 0)];
}

/** true for a batch. */
function checkShapes(query: Tensor, key: Tensor, value: Tensor, embed: number, separate: boolean): boolean {
  const batched = query.ndim === 3;
  if (query.ndim !== 3 && query.ndim !== 2)
    throw new ShapeError(`query should be unbatched 2D or batched 3D tensor but received ${query.ndim}-D query tensor`);
  if (key.ndim !== query.ndim || value.ndim !== query.ndim) {
    throw new ShapeError(
      `For ${batched ? 'batched (3-D)' : 'unbatched (2-D)'} \`query\`, expected \`key\` and \`value\` to be ${query.ndim}-D but found ${key.ndim}-D and ${value.ndim}-D tensors respectively`,
    );
  }
  if (query.shape.at(-1) !== embed)
    throw new ShapeError(`was expecting embedding dimension of ${embed}, but got ${query.shape.at(-1)}`);
  if (separate) {
    if (String(key.shape.slice(0, -1)) !== String(value.shape.slice(0, -1))) {
      throw new ShapeError(
        `key's sequence and batch dims [${key.shape.slice(0, -1)}] do not match value's [${value.shape.slice(0, -1)}]`,
      );
    }
  } else if (!key.isSameSize(value)) {
    throw new ShapeError(`key shape ${size(key)} does not match value shape ${size(value)}`);
  }
  return batched;
}

function project(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  o: MultiHeadAttentionOptions,
): [Tensor, Tensor, Tensor] {
  const biases = bias === null ? [null, null, null] : bias.chunk(3, 0);
  if (weight !== null && !(o.useSeparateProjWeight ?? false)) {
    if (query === key && key === value) return linear(query, weight, bias).chunk(3, -1) as [Tensor, Tensor, Tensor];
    const [wq, wk, wv] = weight.chunk(3, 0) as [Tensor, Tensor, Tensor];
    return [linear(query, wq, biases[0]!), linear(key, wk, biases[1]!), linear(value, wv, biases[2]!)];
  }
  const need = (t: Tensor | null | undefined, name: string): Tensor => {
    if (t == null) throw new ShapeError(`useSeparateProjWeight is true but ${name} is missing`);
    return t;
  };
  return [
    linear(query, need(o.qProjWeight, 'qProjWeight'), biases[0]!),
    linear(key, need(o.kProjWeight, 'kProjWeight'), biases[1]!),
    linear(value, need(o.vProjWeight, 'vProjWeight'), biases[2]!),
  ];
}

/** attnMask as [1 or rows, L, S], checked. */
function attentionMask(
  o: MultiHeadAttentionOptions,
  batched: boolean,
  numHeads: number,
  targets: number,
  sources: number,
  rows: number,
): Mask {
  const mask = checkedMask('attn_mask', o.attnMask ?? null);
  if (mask === null) {
    if (!(o.isCausal ?? false)) return null;
    throw new ShapeError('Need attn_mask if specifying the is_causal hint.');
  }
  const wanted = mask.ndim === 2 ? [targets, sources] : [batched ? rows : numHeads, targets, sources];
  if (mask.ndim !== 2 && mask.ndim !== 3) throw new ShapeError(`attn_mask's dimension ${mask.ndim} is not supported`);
  if (String(mask.shape) !== String(wanted)) {
    throw new ShapeError(
      `The shape of the ${mask.ndim}D attn_mask is ${size(mask)}, but should be (${wanted.join(', ')}).`,
    );
  }
  return mask.ndim === 2 ? mask.unsqueeze(0) : mask;
}

/** Both masks as one that broadcasts to [rows, L, S]: bool when both are, else numbers to add. */
function combine(mask: Mask, padding: Mask, batch: number, numHeads: number, sources: number): Mask {
  if (padding === null) return mask;
  const rows = padding
    .reshape([batch, 1, 1, sources])
    .expand([batch, numHeads, 1, sources])
    .reshape([batch * numHeads, 1, sources]);
  if (mask === null) return rows;
  if (mask.dtype === 'bool' && rows.dtype === 'bool') return mask.logicalOr(rows);
  if (rows.dtype === 'bool') return mask.maskedFill(rows, -Infinity);
  return mask.dtype === 'bool' ? rows.maskedFill(mask, -Infinity) : mask.add(rows);
}
