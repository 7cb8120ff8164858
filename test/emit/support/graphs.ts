// Graphs that several tests use.
import { GraphBuilder } from '../../../src/ir/build.js';
import { type Dim, type Graph, type Value } from '../../../src/ir/graph.js';

/** Deterministic numbers in [-3, 3]. */
export const wave = (n: number, phase = 0): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * 0.37 + phase) * 3));

export function softmaxOf(b: GraphBuilder, x: Value, dim: number): Value {
  const m = b.op('amax', [x], { dim: [dim], keepdim: true });
  const e = b.op('exp', [b.op('sub', [x, m])]);
  return b.op('trueDivide', [e, b.op('sum', [e], { dim: [dim], keepdim: true })]);
}
export function logSoftmaxOf(b: GraphBuilder, x: Value, dim: number): Value {
  const s = b.op('sub', [x, b.op('amax', [x], { dim: [dim], keepdim: true })]);
  return b.op('sub', [s, b.op('log', [b.op('sum', [b.op('exp', [s])], { dim: [dim], keepdim: true })])]);
}
export function layerNormOf(b: GraphBuilder, x: Value, w: Value | null, bias: Value | null): Value {
  const m = b.op('mean', [x], { dim: [-1], keepdim: true });
  const v = b.op('var', [x], { dim: [-1], keepdim: true, correction: 0 });
  let y = b.op('mul', [b.op('sub', [x, m]), b.op('rsqrt', [b.op('add', [v, 1e-5])])]);
  if (w) y = b.op('mul', [y, w]);
  return bias ? b.op('add', [y, bias]) : y;
}

/** Mean negative log-likelihood of the targets, and its gradient with respect to the logits. */
export function crossEntropy(rows: Dim, classes: number): Graph {
  const b = new GraphBuilder();
  if (typeof rows !== 'number') b.symbol('s0', 8);
  const x = b.input('float32', [rows, classes], 'logits');
  const t = b.input('int64', [rows], 'target');
  const lp = logSoftmaxOf(b, x, 1);
  const at = b.op('unsqueeze', [t], { dim: 1 });
  const picked = b.op('squeeze', [b.op('gather', [lp, at], { dim: 1 })], { dim: [1] });
  const loss = b.op('neg', [b.op('mean', [picked])]);
  // backward: (softmax - onehot) / rows, through the log-softmax's own formula
  const n = typeof rows === 'number' ? rows : 1;
  const zero = b.op(
    'full',
    [],
    { size: [rows, classes], fillValue: 0, dtype: 'float32' },
    { dtype: 'float32', shape: [rows, classes] },
  );
  const g = b.op(
    'scatterAdd',
    [
      zero,
      at,
      b.op(
        'expand',
        [b.op('full', [], { size: [1, 1], fillValue: -1 / n, dtype: 'float32' }, { dtype: 'float32', shape: [1, 1] })],
        { size: [rows, 1] },
        { dtype: 'float32', shape: [rows, 1] },
      ),
    ],
    { dim: 1 },
  );
  const sum = b.op('sum', [g], { dim: [1], keepdim: true });
  const dx = b.op('sub', [g, b.op('mul', [b.op('exp', [lp]), sum])]);
  b.output(loss, dx);
  return b.graph;
}

/** Linear-ReLU-Linear, mean squared error, backward and SGD: the whole training step. */
export function mlpStep(batch: number, hidden: number): Graph {
  const b = new GraphBuilder();
  const x = b.input('float32', [batch, 1], 'x');
  const y = b.input('float32', [batch, 1], 'y');
  const w1 = b.capture('float32', [hidden, 1], 'hidden.weight');
  const b1 = b.capture('float32', [hidden], 'hidden.bias');
  const w2 = b.capture('float32', [1, hidden], 'predict.weight');
  const b2 = b.capture('float32', [1], 'predict.bias');
  const lr = b.live(0.01);
  const h0 = b.op('linear', [x, w1, b1]);
  const h = b.op('relu', [h0]);
  const p = b.op('linear', [h, w2, b2]);
  const d = b.op('sub', [p, y]);
  const loss = b.op('mean', [b.op('mul', [d, d])]);
  const gp = b.op('mul', [d, 2 / batch]);
  const gw2 = b.op('mm', [b.op('t', [gp]), h]);
  const gb2 = b.op('sum', [gp], { dim: [0] });
  const gh = b.op('mm', [gp, w2]);
  const gh0 = b.op('mul', [gh, b.op('toDtype', [b.op('gt', [h, 0])], { dtype: 'float32' })]);
  const gw1 = b.op('mm', [b.op('t', [gh0]), x]);
  const gb1 = b.op('sum', [gh0], { dim: [0] });
  for (const [w, g] of [
    [w1, gw1],
    [b1, gb1],
    [w2, gw2],
    [b2, gb2],
  ] as const)
    b.write(w, b.op('sub', [w, b.op('mul', [g, lr])]));
  b.output(loss);
  return b.graph;
}
