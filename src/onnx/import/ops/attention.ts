// Attention and what stands around it: rotary positions, linear attention, causal convolution with state.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import type { Tensor } from '../../../tensor/handle.js';
import { elementType } from '../tensors.js';
import { op, type NodeContext, type OperatorTable } from '../node.js';

/** [B, S, heads * D] as [B, heads, S, D]. */
const byHeads = (n: NodeContext, x: Tensor, heads: number): Tensor => {
  if (x.dim() === 4) return x;
  if (x.dim() !== 3 || heads < 1 || x.shape[2]! % heads !== 0) n.fail(`shape [${x.shape}] in ${heads} heads`);
  return x.reshape([x.shape[0]!, x.shape[1]!, heads, -1]).transpose(1, 2);
};
const repeatHeads = (x: Tensor, times: number): Tensor => (times === 1 ? x : x.repeatInterleave(times, 1));

function attention(n: NodeContext): (Tensor | null)[] {
  const flat = n.tensor(0).dim() === 3;
  const qHeads = flat ? n.attributeInt('q_num_heads') : 0;
  const kvHeads = flat ? n.attributeInt('kv_num_heads') : 0;
  const q = byHeads(n, n.tensor(0), qHeads);
  let k = byHeads(n, n.tensor(1), kvHeads);
  let v = byHeads(n, n.tensor(2), kvHeads);
  const past = n.has(4) ? n.tensor(4).shape[2]! : 0;
  if (n.has(4)) k = t.cat([n.tensor(4), k], 2);
  if (n.has(5)) v = t.cat([n.tensor(5), v], 2);
  const present = [k, v] as const;
  const [B, H, S] = q.shape as [number, number, number];
  const L = k.shape[2]!;
  if (H % k.shape[1]! !== 0) n.fail(`${H} query heads for ${k.shape[1]} key heads`);
  const times = H / k.shape[1]!;
  const scale = n.hasAttribute('scale') ? n.float('scale') : 1 / Math.sqrt(q.shape[3]!);
  const root = Math.sqrt(scale);
  const mode = n.attributeInt('qk_matmul_output_mode', 0);
  const raw = q.mul(root).matmul(repeatHeads(k, times).mul(root).transpose(-1, -2));
  const cap = n.float('softcap', 0);
  const capped = cap > 0 ? raw.div(cap).tanh().mul(cap) : raw;
  let bias: Tensor | null = null;
  if (n.has(3)) {
    const mask = n.tensor(3);
    bias = mask.dtype === 'bool' ? t.where(mask, 0, -Infinity).to(q.dtype) : mask;
    if (bias.shape.at(-1)! < L) bias = F.pad(bias, [0, L - bias.shape.at(-1)!], 'constant', -Infinity);
  }
  const also = (hidden: Tensor): void => {
    const part = t.where(hidden, -Infinity, 0).to(q.dtype);
    bias = bias === null ? part : bias.add(part);
  };
  const columns = (): Tensor => t.arange(0, L, 1, { dtype: 'int64' });
  if (n.flag('is_causal')) also(t.arange(0, S, 1, { dtype: 'int64' }).unsqueeze(1).add(past).lt(columns()));
  if (n.has(6)) also(columns().ge(n.tensor(6).to('int64').reshape([B, 1, 1, 1])));
  const biased = bias === null ? capped : capped.add(bias);
  const precision = n.attributeInt('softmax_precision', 0);
  const soft = (precision === 0 ? biased : biased.to(elementType(precision, n.fail).dtype)).softmax(-1).to(q.dtype);
  const y = soft.matmul(repeatHeads(v, times));
  const out = flat ? y.transpose(1, 2).reshape([B, S, -1]) : y;
  const watched = [raw, capped, biased, soft][mode] ?? n.fail(`qk_matmul_output_mode is ${mode}`);
  return [out, ...present, watched];
}

function rotary(n: NodeContext): Tensor {
  const input = n.tensor(0);
  const flat = input.dim() === 3;
  const heads = flat ? n.attributeInt('num_heads') : 0;
  // [B, S, heads, D]
  const x = flat ? input.reshape([input.shape[0]!, input.shape[1]!, heads, -1]) : input.transpose(1, 2);
  const size = x.shape[3]!;
  const dim = n.attributeInt('rotary_embedding_dim', 0) || size;
  const [turned, rest] = [x.narrow(3, 0, dim), x.narrow(3, dim, size - dim)];
  const cache = (i: number): Tensor => {
    const c = n.tensor(i);
    const at = n.has(3) ? c.indexSelect(0, n.tensor(3).to('int64').flatten()).reshape([...n.tensor(3).shape, -1]) : c;
    return at.narrow(2, 0, dim / 2).unsqueeze(2);
  };
  const [cos, sin] = [cache(1), cache(2)];
  const interleaved = n.flag('interleaved');
  const half = dim / 2;
  const a = interleaved ? t.slice(turned, 3, 0, dim, 2) : turned.narrow(3, 0, half);
  const b = interleaved ? t.slice(turned, 3, 1, dim, 2) : turned.narrow(3, half, half);
  const real = cos.mul(a).sub(sin.mul(b));
  const imaginary = sin.mul(a).add(cos.mul(b));
  const y = interleaved ? t.stack([real, imaginary], -1).reshape(turned.shape) : t.cat([real, imaginary], 3);
  const whole = t.cat([y, rest], 3);
  return flat ? whole.reshape(input.shape) : whole.transpose(1, 2);
}

/** One state [B, heads, Dk, Dv] that every position reads and writes. */
function linearAttention(n: NodeContext): Tensor[] {
  const [qHeads, kvHeads] = [n.attributeInt('q_num_heads'), n.attributeInt('kv_num_heads')];
  const rule = n.oneOf('update_rule', ['linear', 'gated', 'delta', 'gated_delta'], 'gated_delta');
  const heads = (x: Tensor, count: number): Tensor => x.reshape([x.shape[0]!, x.shape[1]!, count, -1]).float();
  if (kvHeads < 1 || qHeads % kvHeads !== 0) n.fail(`${qHeads} query heads for ${kvHeads} key heads`);
  const q = heads(n.tensor(0), qHeads);
  const k = heads(n.tensor(1), kvHeads);
  const v = heads(n.tensor(2), kvHeads);
  const [B, T, , Dk] = k.shape as [number, number, number, number];
  const gated = rule === 'gated' || rule === 'gated_delta';
  const decay = gated ? heads(n.tensor(4), kvHeads).exp() : null;
  const beta = rule.endsWith('delta') ? n.tensor(5).float().reshape([B, T, -1, 1]) : null;
  const given = n.hasAttribute('scale') ? n.float('scale') : 0;
  const scale = given === 0 ? 1 / Math.sqrt(Dk) : given;
  let state = n.has(3) ? n.tensor(3).float() : t.zeros([B, kvHeads, Dk, v.shape[3]!], { dtype: 'float32' });
  const out: Tensor[] = [];
  for (let i = 0; i < T; i++) {
    const [qt, kt, vt] = [q.select(1, i), k.select(1, i), v.select(1, i)];
    if (decay) state = state.mul(decay.select(1, i).unsqueeze(-1));
    let write = vt;
    if (beta) write = beta.select(1, i).mul(vt.sub(state.transpose(-1, -2).matmul(kt.unsqueeze(-1)).squeeze(-1)));
    state = state.add(kt.unsqueeze(-1).mul(write.unsqueeze(-2)));
    const read = repeatHeads(state, qHeads / kvHeads);
    out.push(qt.unsqueeze(-2).matmul(read).squeeze(-2).mul(scale));
  }
  const y = t.stack(out, 1).reshape([B, T, -1]);
  return [y.to(n.tensor(0).dtype), state.to(n.tensor(0).dtype)];
}

function causalConv(n: NodeContext): Tensor[] {
  const [x, w] = [n.tensor(0), n.tensor(1)];
  if (x.dim() !== 3 || w.dim() !== 3 || w.shape[0] !== x.shape[1] || w.shape[1] !== 1)
    n.fail(`a weight of shape [${w.shape}] for an input of shape [${x.shape}]`);
  const before = w.shape[2]! - 1;
  const padded = n.has(3) ? t.cat([n.tensor(3), x], 2) : F.pad(x, [before, 0], 'constant', 0);
  const y = F.conv1d(padded, w, n.optional(2) ?? null, { groups: x.shape[1]! });
  const activation = n.oneOf('activation', ['none', 'silu', 'swish', ''], 'none');
  const done = activation === 'silu' || activation === 'swish' ? y.float().mul(y.float().sigmoid()).to(y.dtype) : y;
  return [done, padded.narrow(2, padded.shape[2]! - before, before)];
}

export const ATTENTION: OperatorTable = {
  Attention: op(attention, [3, 7], { outputs: [1, 4], since: 23 }),
  RotaryEmbedding: op(rotary, [3, 4], { since: 23 }),
  LinearAttention: op(linearAttention, [3, 6], { outputs: [1, 2], since: 27 }),
  CausalConvWithState: op(causalConv, [2, 4], { outputs: [1, 2], since: 27 }),
};
