// The verifier accepts what the builder makes and names what is wrong with everything else.
import { expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import type { Graph } from '../../src/ir/graph.js';
import { verify, VerifyError } from '../../src/ir/verify.js';
import { sampleGraph } from './sample.js';

test('a well-formed graph passes', () => {
  const g = sampleGraph();
  expect(verify(g)).toBe(g);
});

function small(): { g: Graph; b: GraphBuilder } {
  const b = new GraphBuilder();
  const x = b.input('float32', [2, 3], 'x');
  const y = b.op('relu', [x]);
  b.output(b.op('sum', [y], { dim: [1], keepdim: false, dtype: null }));
  return { g: b.graph, b };
}

test.each<[string, (g: Graph) => void, RegExp]>([
  ['use before definition', (g) => g.nodes.reverse(), /operand %1 is not defined before its use/],
  ['unknown op', (g) => (g.nodes[0]!.op = 'relux'), /unknown op 'relux'/],
  ['wrong arity', (g) => g.nodes[0]!.inputs.push({ kind: 'none' }), /'relu' takes 1 operands \(self\), got 2/],
  [
    'wrong operand kind',
    (g) => (g.nodes[0]!.inputs[0] = { kind: 'const', value: 1, float: false }),
    /operand 'self' of 'relu' is a Tensor, got a number/,
  ],
  ['unknown attribute', (g) => (g.nodes[1]!.attrs['dims'] = 3), /'sum' has no attribute 'dims'/],
  [
    'wrong dtype',
    (g) => (g.nodes[0]!.outputs[0]!.type = { dtype: 'float64', shape: [2, 3] }),
    /result 0 of 'relu' is float32\[2, 3\] by its rule, but the graph says float64\[2, 3\]/,
  ],
  [
    'wrong shape',
    (g) => (g.nodes[1]!.outputs[0]!.type = { dtype: 'float32', shape: [3] }),
    /result 0 of 'sum' is float32\[2\] by its rule/,
  ],
  [
    'bad dimension',
    (g) => (g.nodes[1]!.attrs['dim'] = [5]),
    /sum: Dimension out of range \(expected to be in range of \[-2, 1\], but got 5\)/,
  ],
  [
    'duplicate id',
    (g) => (g.nodes[1]!.outputs[0] = { ...g.nodes[1]!.outputs[0]!, id: 1 }),
    /value %1 is defined twice/,
  ],
  ['foreign value', (g) => (g.outputs[0] = { ...g.outputs[0]! }), /is not the value that is defined with this id/],
  ['live slot', (g) => (g.nodes[1]!.attrs['keepdim'] = { live: 2 }), /live scalar \$2 does not exist/],
  [
    'write target',
    (g) => g.writes.push({ target: g.nodes[0]!.outputs[0]!, value: g.outputs[0]! }),
    /neither an input nor a capture/,
  ],
  [
    'write type',
    (g) => g.writes.push({ target: g.inputs[0]!, value: g.outputs[0]! }),
    /write of float32\[2\] to %0, which is float32\[2, 3\]/,
  ],
  [
    'unknown symbol',
    (g) => (g.inputs[0]!.type = { dtype: 'float32', shape: [{ terms: [{ coef: 1, symbols: ['q'] }] }, 3] }),
    /'q' is no symbol of the graph/,
  ],
  ['region', (g) => (g.nodes[0]!.region = 4), /region \^4 does not exist/],
])('%s', (_, damage, message) => {
  const { g } = small();
  damage(g);
  expect(() => verify(g)).toThrow(VerifyError);
  expect(() => verify(g)).toThrow(message);
});
