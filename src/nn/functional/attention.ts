// Multi-head attention as a function of its weights.
import type { Tensor } from '../../tensor/tensor.js';
import { zeros } from '../../tensor/create.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { scaledDotProductAttention } from '../../../generated/ts/nn_functional.js';

export interface MultiHeadAttentionOptions {
  training?: boolean;
  /** [N, S] or [S]: true (or minus infinity, added) where a key is not to be seen. */
  keyPaddingMask?: Tensor | null;
  needWeights?: boolean;
  /** [L, S] or [N * heads, L, S]: true (or numbers, added) where a key is not to be seen. */
  attnMask?: Tensor | null;
  /** Weights of their own for query, key and value instead of inProjWeight. */
  useSeparateProjWeight?: boolean;
  qProjWeight?: Tensor | null;
  kProjWeight?: Tensor | null;
  vProjWeight?: Tensor | null;
  /** Keys and values [N * heads, S, E / heads] instead of projected ones. */
  staticK?: Tensor | null;
  staticV?: Tensor | null;
  averageAttnWeights?: boolean;
  /** attnMask is the causal one. */
  isCausal?: boolean;
}

/** Numbers to add for a mask: minus infinity where a bool mask is true. */
function additive(mask: Tensor, like: Tensor, name: string): Tensor {
  if (mask.dtype !== 'bool') {
    if (!mask.dtype.includes('float'))
      throw new ValueError(`only bool and floating types of ${name} are supported, got ${mask.dtype}`);
    return mask;
  }
  return zeros(mask.shape, { dtype: like.dtype }).maskedFill(mask, -Infinity);
}

/** Query, key and value projected: one product where all three are the same tensor. */
function projected(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  weights: readonly [Tensor, Tensor, Tensor] | Tensor,
  bias: Tensor | null,
): [Tensor, Tensor, Tensor] {
  const biases = bias === null ? [null, null, null] : bias.chunk(3);
  if (Array.isArray(weights)) {
    const [wq, wk, wv] = weights as readonly [Tensor, Tensor, Tensor];
    return [ops.linear(q, wq, biases[0]), ops.linear(k, wk, biases[1]), ops.linear(v, wv, biases[2])];
  }
  const packed = weights as Tensor;
  if (q === k && k === v) return ops.linear(q, packed, bias).chunk(3, -1) as [Tensor, Tensor, Tensor];
  const [wq, wk, wv] = packed.chunk(3) as [Tensor, Tensor, Tensor];
  return [ops.linear(q, wq, biases[0]), ops.linear(k, wk, biases[1]), ops.linear(v, wv, biases[2])];
}

/**
 * Multi-head attention of query [L, N, E], key and value [S, N, E] (or without N): [output, weights], weights [N, L, S] averaged
 * over the heads (or [N, heads, L, S]) and null unless asked for. Source: torch.nn.functional.multi_head_attention_forward.
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
  const o = {
    training: true,
    keyPaddingMask: null,
    needWeights: true,
    attnMask: null,
    useSeparateProjWeight: false,
    staticK: null,
    staticV: null,
    averageAttnWeights: true,
    ...options,
  };
  for (const t of [query, key, value]) checkTensor('multiHeadAttentionForward', t);
  const batched = query.ndim === 3;
  if (!batched && query.ndim !== 2)
    throw new ShapeError(`query should be unbatched 2D or batched 3D tensor but received ${query.ndim}-D query tensor`);
  if (key.ndim !== query.ndim || value.ndim !== query.ndim)
    throw new ShapeError(
      `For ${batched ? 'batched (3-D)' : 'unbatched (2-D)'} \`query\`, expected \`key\` and \`value\` to be ${query.ndim}-D ` +
        `but found ${key.ndim}-D and ${value.ndim}-D tensors respectively`,
    );
  const same = key === query && value === query;
  const lift = (t: Tensor): Tensor => (batched ? t : t.unsqueeze(1));
  const q0 = lift(query);
  const k0 = same ? q0 : lift(key);
  const v0 = same ? q0 : value === key ? k0 : lift(value);
  const [targets, batch, embed] = q0.shape as [number, number, number];
  if (embed !== embedDimToCheck)
    throw new ShapeError(`was expecting embedding dimension of ${embedDimToCheck}, but got ${embed}`);
  const head = embed / numHeads;
  if (!Number.isInteger(head)) throw new ValueError(`embed_dim ${embed} not divisible by num_heads ${numHeads}`);
  if (o.useSeparateProjWeight) {
    if (k0.shape[0] !== v0.shape[0] || k0.shape[1] !== v0.shape[1])
      throw new ShapeError(
        `key's sequence and batch dims [${k0.shape.slice(0, 2).join(', ')}] do not match value's [${v0.shape.slice(0, 2).join(', ')}]`,
      );
  } else if (String(k0.shape) !== String(v0.shape))
    throw new ShapeError(`key shape [${k0.shape.join(', ')}] does not match value shape [${v0.shape.join(', ')}]`);

  let weights: readonly [Tensor, Tensor, Tensor] | Tensor;
  if (o.useSeparateProjWeight) {
    const { qProjWeight: wq, kProjWeight: wk, vProjWeight: wv } = o;
    if (!wq || !wk || !wv)
      throw new ValueError('use_separate_proj_weight needs q_proj_weight, k_proj_weight and v_proj_weight');
    weights = [wq, wk, wv];
  } else {
    if (!inProjWeight) throw new ValueError('use_separate_proj_weight is False but in_proj_weight is None');
    weights = inProjWeight;
  }
  let [q, k, v] = projected([q0, k0, v0], weights, inProjBias);

  // Both masks as numbers to add; columns that are appended to the keys are always seen.
  let mask = o.attnMask === null ? null : additive(o.attnMask, q, 'attn_mask');
  if (mask !== null) {
    const expected = [targets, k0.shape[0]!];
    const wanted = mask.ndim === 3 ? [batch * numHeads, ...expected] : expected;
    if (mask.ndim !== 2 && mask.ndim !== 3) throw new ShapeError(`attn_mask's dimension ${mask.ndim} is not supported`);
    if (String(mask.shape) !== String(wanted))
      throw new ShapeError(
        `The shape of the ${mask.ndim}D attn_mask is [${mask.shape.join(', ')}], but should be [${wanted.join(', ')}].`,
      );
  }
  let padding = o.keyPaddingMask;
  if (padding !== null && !batched && padding.ndim === 1) padding = padding.unsqueeze(0);
  if (padding !== null) padding = additive(padding, q, 'key_padding_mask');
  const appendKey = (): void => {
    const column = (t: Tensor | null): Tensor | null => t && ops.constantPadNd(t, [0, 1]);
    mask = column(mask);
    padding = column(padding ?? null);
  };

  if (biasK !== null && biasV !== null) {
    if (o.staticK || o.staticV) throw new ValueError('bias cannot be added to static key or value.');
    k = ops.cat([k, biasK.repeat(1, batch, 1)]);
    v = ops.cat([v, biasV.repeat(1, batch, 1)]);
    appendKey();
  }
  // [length, N, E] as [N * heads, length, E / heads].
  const heads = (t: Tensor): Tensor =>
    t
      .contiguous()
      .view(t.shape[0]!, batch * numHeads, head)
      .transpose(0, 1);
  q = heads(q);
  k = o.staticK ?? heads(k);
  v = o.staticV ?? heads(v);
  if (addZeroAttn) {
    k = ops.cat([k, zeros([batch * numHeads, 1, head], { dtype: k.dtype })], 1);
    v = ops.cat([v, zeros([batch * numHeads, 1, head], { dtype: v.dtype })], 1);
    appendKey();
  }
  const sources = k.shape[1]!;
  if (padding !== null && padding !== undefined) {
    if (padding.shape[0] !== batch || padding.shape[1] !== sources)
      throw new ShapeError(
        `expecting key_padding_mask shape of [${batch}, ${sources}], but got [${padding.shape.join(', ')}]`,
      );
    const perHead = padding
      .view(batch, 1, 1, sources)
      .expand(batch, numHeads, 1, sources)
      .reshape(batch * numHeads, 1, sources);
    mask = mask === null ? perHead : mask.add(perHead);
  }

  const p = o.training ? dropoutP : 0;
  const join = (t: Tensor): Tensor => {
    const rows = t
      .transpose(0, 1)
      .contiguous()
      .view(targets * batch, embed);
    const out = ops.linear(rows, outProjWeight, outProjBias);
    const shaped = out.view(targets, batch, out.shape[1]!);
    return batched ? shaped : shaped.squeeze(1);
  };
  if (!o.needWeights) return [join(scaledDotProductAttention(q, k, v, mask, p)), null];
  const scores = q.mul(1 / Math.sqrt(head)).matmul(k.transpose(-2, -1));
  let attention = (mask === null ? scores : scores.add(mask)).softmax(-1);
  if (p > 0) attention = ops.dropout(attention, p, true);
  const out = join(attention.matmul(v));
  const perHead = attention.view(batch, numHeads, targets, sources);
  const shown = o.averageAttnWeights ? perHead.mean(1) : perHead;
  return [out, batched ? shown : shown.squeeze(0)];
}
