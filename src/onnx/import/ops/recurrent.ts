// RNN, GRU and LSTM, both directions, with the activations that a model names.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, type NodeContext, type OperatorTable } from '../node.js';

type Activation = (x: Tensor) => Tensor;

/** The activations of one direction, `count` of them, by name; alphas and betas are taken in order by those that have any. */
function activationsOf(n: NodeContext, direction: number, count: number, defaults: readonly string[]): Activation[] {
  const names = n.strings('activations') ?? [];
  const list = names.length > 0 ? names.slice(direction * count, (direction + 1) * count) : defaults;
  const alphas = n.floats('activation_alpha') ?? [];
  const betas = n.floats('activation_beta') ?? [];
  const own = (values: readonly number[], i: number, missing: number): number =>
    values[direction * count + i] ?? missing;
  return list.map((name, i) => {
    const [alpha, beta] = [(missing: number) => own(alphas, i, missing), (missing: number) => own(betas, i, missing)];
    switch (name.toLowerCase()) {
      case 'relu':
        return (x) => x.relu();
      case 'tanh':
        return (x) => x.tanh();
      case 'sigmoid':
        return (x) => x.sigmoid();
      case 'affine':
        return (x) => x.mul(alpha(1)).add(beta(0));
      case 'leakyrelu':
        return (x) => F.leakyRelu(x, alpha(0.01));
      case 'thresholdedrelu':
        return (x) => t.where(x.gt(alpha(1)), x, 0);
      case 'scaledtanh':
        return (x) => x.mul(beta(1)).tanh().mul(alpha(1));
      case 'hardsigmoid':
        return (x) => x.mul(alpha(0.2)).add(beta(0.5)).clamp(0, 1);
      case 'elu':
        return (x) => F.elu(x, alpha(1));
      case 'softsign':
        return (x) => x.div(x.abs().add(1));
      case 'softplus':
        return (x) => F.softplus(x);
      default:
        return n.fail(`activation ${name} is not known`);
    }
  });
}

interface Cell {
  readonly gates: number;
  readonly defaults: readonly string[];
  /** One step: the next hidden (and cell) state. */
  step(s: {
    readonly x: Tensor;
    readonly h: Tensor;
    readonly c: Tensor | null;
    readonly R: Tensor;
    readonly bR: Tensor;
    readonly p: Tensor | null;
    readonly act: readonly Activation[];
    readonly clip: Activation;
  }): { h: Tensor; c: Tensor | null };
}

function recurrent(n: NodeContext, cell: Cell): Tensor[] {
  const batchFirst = n.attributeInt('layout', 0) === 1;
  const X = batchFirst ? n.tensor(0).transpose(0, 1) : n.tensor(0);
  const [W, R, B] = [n.tensor(1), n.tensor(2), n.optional(3)];
  if (X.dim() !== 3 || W.dim() !== 3 || R.dim() !== 3) n.fail(`shapes [${X.shape}], [${W.shape}], [${R.shape}]`);
  const [length, batch] = X.shape as [number, number];
  const directions = W.shape[0]!;
  const H = R.shape[2]!;
  if (W.shape[1] !== cell.gates * H || R.shape[1] !== cell.gates * H || W.shape[2] !== X.shape[2])
    n.fail(`weights of shapes [${W.shape}] and [${R.shape}] for an input of shape [${X.shape}]`);
  const mode = n.oneOf('direction', ['forward', 'reverse', 'bidirectional'], 'forward');
  if (directions !== (mode === 'bidirectional' ? 2 : 1))
    n.fail(`direction ${mode} with ${directions} directions of weights`);
  const lengths = n.has(4) ? n.ints(4) : null;
  const full = lengths === null || lengths.every((l) => l === length);
  const lens = full ? null : n.tensor(4).to('int64').unsqueeze(1);
  const stateOf = (i: number): Tensor => {
    const given = n.optional(i);
    if (!given) return t.zeros([directions, batch, H], { dtype: X.dtype });
    return batchFirst ? given.transpose(0, 1) : given;
  };
  const [h0, c0] = [stateOf(5), cell.gates === 4 ? stateOf(6) : null];
  const P = cell.gates === 4 ? n.optional(7) : undefined;
  const limit = n.hasAttribute('clip') ? n.float('clip') : null;
  const clip: Activation = limit === null ? (x) => x : (x) => x.clamp(-limit, limit);
  const ys: Tensor[] = [];
  const hs: Tensor[] = [];
  const cs: Tensor[] = [];
  for (let d = 0; d < directions; d++) {
    const back = mode === 'reverse' || d === 1;
    const [w, r] = [W.select(0, d), R.select(0, d)];
    const bias = B ? B.select(0, d) : t.zeros([2 * cell.gates * H], { dtype: X.dtype });
    const [bW, bR] = [bias.narrow(0, 0, cell.gates * H), bias.narrow(0, cell.gates * H, cell.gates * H)];
    const act = activationsOf(n, d, cell.defaults.length, cell.defaults);
    const p = P ? P.select(0, d) : null;
    const projected = F.linear(X, w, bW);
    let h = h0.select(0, d);
    let c = c0 ? c0.select(0, d) : null;
    const out = Array<Tensor>(length);
    for (let i = 0; i < length; i++) {
      const at = back ? length - 1 - i : i;
      const next = cell.step({ x: projected.select(0, at), h, c, R: r, bR, p, act, clip });
      if (lens === null) {
        ({ h, c } = next);
        out[at] = h;
      } else {
        const inside = lens.gt(at);
        h = t.where(inside, next.h, h);
        if (c) c = t.where(inside, next.c!, c);
        out[at] = t.where(inside, next.h, 0).to(X.dtype);
      }
    }
    ys.push(length > 0 ? t.stack(out) : t.zeros([0, batch, H], { dtype: X.dtype }));
    hs.push(h);
    if (c) cs.push(c);
  }
  const Y = t.stack(ys, 1);
  const lastH = t.stack(hs);
  const lastC = cs.length > 0 ? [t.stack(cs)] : [];
  if (!batchFirst) return [Y, lastH, ...lastC];
  return [Y.permute([2, 0, 1, 3]), lastH.transpose(0, 1), ...lastC.map((v) => v.transpose(0, 1))];
}

const RNN: Cell = {
  gates: 1,
  defaults: ['Tanh'],
  step: ({ x, h, R, bR, act, clip }) => ({ h: act[0]!(clip(x.add(F.linear(h, R, bR)))), c: null }),
};
const gru = (linearBeforeReset: boolean): Cell => ({
  gates: 3,
  defaults: ['Sigmoid', 'Tanh'],
  step: ({ x, h, R, bR, act, clip }) => {
    const H = h.shape[1]!;
    const part = (v: Tensor, i: number): Tensor => v.narrow(-1, i * H, H);
    const row = (v: Tensor, i: number): Tensor => v.narrow(0, i * H, H);
    const rec = (i: number, from: Tensor): Tensor => F.linear(from, row(R, i), row(bR, i));
    const z = act[0]!(clip(part(x, 0).add(rec(0, h))));
    const r = act[0]!(clip(part(x, 1).add(rec(1, h))));
    const inner = linearBeforeReset ? r.mul(rec(2, h)) : rec(2, r.mul(h));
    const candidate = act[1]!(clip(part(x, 2).add(inner)));
    return { h: z.neg().add(1).mul(candidate).add(z.mul(h)), c: null };
  },
});
const lstm = (couple: boolean): Cell => ({
  gates: 4,
  defaults: ['Sigmoid', 'Tanh', 'Tanh'],
  // Gates in the order input, output, forget, cell; peepholes input, output, forget.
  step: ({ x, h, c, R, bR, p, act, clip }) => {
    const H = h.shape[1]!;
    const g = x.add(F.linear(h, R, bR));
    const part = (i: number): Tensor => g.narrow(-1, i * H, H);
    const peep = (i: number, cell: Tensor): Tensor | number => (p ? p.narrow(0, i * H, H).mul(cell) : 0);
    const i = act[0]!(clip(part(0).add(peep(0, c!))));
    const f = couple ? i.neg().add(1) : act[0]!(clip(part(2).add(peep(2, c!))));
    const cell = f.mul(c!).add(i.mul(act[1]!(clip(part(3)))));
    const o = act[0]!(clip(part(1).add(peep(1, cell))));
    return { h: o.mul(act[2]!(cell)), c: cell };
  },
});

export const RECURRENT: OperatorTable = {
  RNN: op((n) => recurrent(n, RNN), [3, 6], { outputs: [0, 2] }),
  GRU: op((n) => recurrent(n, gru(n.attributeInt('linear_before_reset', 0) !== 0)), [3, 6], { outputs: [0, 2] }),
  LSTM: op((n) => recurrent(n, lstm(n.attributeInt('input_forget', 0) !== 0)), [3, 8], { outputs: [0, 3] }),
};
