// A graph that uses every part of the textual form.
import { GraphBuilder } from '../../src/ir/build.js';
import { symbol } from '../../src/ir/dim.js';
import type { Graph } from '../../src/ir/graph.js';

export function sampleGraph(): Graph {
  const b = new GraphBuilder().symbol('s0', 64);
  const x = b.input('float32', [symbol('s0'), 4], 'x');
  const w = b.capture('float32', [2, 4], 'fc.weight');
  const odd = b.capture('float32', [2], 'a name "with" quotes');
  const lr = b.live(0.001);
  const h = b.op('linear', [x, w, odd]);
  const y = b.op('add', [h, 0.5], { alpha: 1 });
  const r = b.op('relu', [y]);
  const [, indices] = b.nodes('maxDim', [r], { dim: 1, keepdim: false });
  const s = b.op('sum', [r], { dim: [0, 1], keepdim: false, dtype: null });
  const c = b.op('cat', [[r, y]], { dim: -1 });
  const step = b.op('mul', [w, lr]);
  const shifted = b.op('add', [step, { kind: 'const', value: 2, float: true }], { alpha: { live: 0 } });
  b.output(s, indices!, c).write(w, shifted);
  b.graph.gradWrites.push({ leaf: w, value: step }, { leaf: odd, value: null });
  b.graph.gradReads = [{ leaf: w, is: null }];
  b.graph.nodes[0]!.site = 'train.ts:12:3';
  b.graph.nodes[0]!.scope = 'fc';
  b.graph.nodes[1]!.scope = 'odd scope';
  b.graph.nodes[1]!.region = 1;
  b.graph.nodes[2]!.region = 1;
  b.graph.regions.push(
    { op: 'softmax', inputs: [{ kind: 'value', value: h }], attrs: { dim: 1, dtype: null }, outputs: [r], scope: 'fc' },
    {
      op: 'dropout',
      inputs: [{ kind: 'value', value: h }],
      attrs: { p: 0.5, training: true },
      outputs: [r],
      parent: 0,
    },
  );
  return b.graph;
}
