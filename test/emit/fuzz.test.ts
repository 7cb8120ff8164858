// Random graphs: whatever the scheduler makes of them must compute what the float64 interpreter computes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { type Graph, type Value } from '../../src/ir/graph.js';
import { compileAndRun } from './support/harness.js';
import { difference, reference } from './support/reference.js';
import { softmaxOf, logSoftmaxOf, layerNormOf, wave } from './support/graphs.js';

const UNARY = ['tanh', 'relu', 'sigmoid', 'neg', 'abs', 'sin', 'softplus'];
const BINARY = ['add', 'sub', 'mul', 'maximum', 'minimum'];

/** Builds a graph from a list of numbers: each takes the next decision. */
function randomGraph(choices: readonly number[]): { graph: Graph; data: number[][] } {
  let at = 0;
  const pick = (n: number): number => choices[at++ % choices.length]! % n;
  const b = new GraphBuilder();
  const data: number[][] = [];
  const shapes = [[3, 5], [4, 20], [2, 3, 17], [8], [1, 6], [2, 1, 4]];
  const values: Value[] = [];
  const captures: Value[] = [];
  for (let k = 0; k < 2 + pick(2); k++) {
    const s = shapes[pick(shapes.length)]!;
    values.push(b.input('float32', s, `x${k}`));
    data.push(
      wave(
        s.reduce((p, q) => p * q, 1),
        k,
      ),
    );
  }
  const state = shapes[pick(shapes.length)]!;
  captures.push(b.capture('float32', state, 'state'));
  data.push(
    wave(
      state.reduce((p, q) => p * q, 1),
      9,
    ),
  );
  values.push(captures[0]!);
  const shape = (v: Value): number[] => v.type.shape.map(Number);
  const float = (): Value => {
    const list = values.filter((v) => v.type.dtype === 'float32');
    return list[list.length - 1 - pick(Math.min(list.length, 6))]!;
  };
  const steps = 4 + pick(9);
  for (let k = 0; k < steps; k++) {
    const x = float();
    const rank = x.type.shape.length;
    try {
      switch (pick(14)) {
        case 0:
        case 1:
          values.push(b.op(UNARY[pick(UNARY.length)]!, [x]));
          break;
        case 2:
        case 3:
        case 4:
          values.push(b.op(BINARY[pick(BINARY.length)]!, [x, float()]));
          break;
        case 5:
          values.push(
            b.op(['sum', 'mean', 'amax', 'amin', 'var'][pick(5)]!, [x], {
              dim: rank ? [pick(rank)] : [],
              keepdim: pick(2) === 1,
              ...(pick(9) === 0 ? {} : {}),
            }),
          );
          break;
        case 6:
          if (rank >= 2) values.push(b.op('transpose', [x], { dim0: 0, dim1: 1 + pick(rank - 1) }));
          break;
        case 7: {
          const n = shape(x).reduce((p, q) => p * q, 1);
          const size = n % 2 === 0 ? [n / 2, 2] : [n];
          values.push(b.op('reshape', [x], { size }, { dtype: 'float32', shape: size }));
          break;
        }
        case 8:
          if (rank && shape(x)[rank - 1]! > 2)
            values.push(b.op('slice', [x], { dim: rank - 1, start: 1, end: shape(x)[rank - 1]!, step: 1 + pick(2) }));
          break;
        case 9:
          if (rank) values.push([softmaxOf, logSoftmaxOf][pick(2)]!(b, x, pick(rank)));
          break;
        case 10:
          if (rank) values.push(b.op('cat', [[x, b.op('mul', [x, 0.5])]], { dim: pick(rank) }));
          break;
        case 11:
          values.push(b.op('where', [b.op('gt', [x, 0.25]), x, float()]));
          break;
        case 12:
          if (rank && shape(x)[rank - 1]! > 1) values.push(layerNormOf(b, x, null, null));
          break;
        case 13:
          if (rank === 2) {
            const o = 2 + pick(5);
            values.push(
              b.op('linear', [
                x,
                b.op('mul', [
                  b.op(
                    'full',
                    [],
                    { size: [o, shape(x)[1]!], fillValue: 0.25, dtype: 'float32' },
                    { dtype: 'float32', shape: [o, shape(x)[1]!] },
                  ),
                  1.5,
                ]),
                null,
              ]),
            );
          }
          break;
      }
    } catch (e) {
      // Shapes that do not broadcast: the decision is skipped.
      if (!/RuleError/.test((e as Error).name)) throw e;
    }
  }
  const outs = 1 + pick(3);
  for (let k = 0; k < outs; k++) b.output(values[values.length - 1 - pick(Math.min(4, values.length))]!);
  const same = values.filter(
    (v) => v.type.dtype === 'float32' && JSON.stringify(v.type.shape) === JSON.stringify(state) && v !== captures[0],
  );
  if (same.length > 0 && pick(2) === 0) b.write(captures[0]!, same[pick(same.length)]!);
  return { graph: b.graph, data };
}

const runs = Number(process.env['FLAMBEAU_FUZZ_RUNS'] ?? 25);
it(`random graphs (${runs} of them)`, () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { minLength: 20, maxLength: 60 }), (choices) => {
      const { graph, data } = randomGraph(choices);
      const want = reference(graph, data);
      const got = compileAndRun(graph, data);
      expect(got.code).toBe(0);
      const fresh = graph.outputs.map((_, k) => k).filter((k) => !('alias' in got.program.meta.outputs[k]!));
      fresh.forEach((k, i) =>
        expect(
          difference(got.outputs[i]!, want.outputs[k]!.data, 5),
          `output ${k}\n${String(got.program.schedule)}`,
        ).toBeLessThan(2e-3),
      );
      got.writes.forEach((o, k) =>
        expect(difference(o, want.writes[k]!.data, 5), `write ${k}\n${String(got.program.schedule)}`).toBeLessThan(
          2e-3,
        ),
      );
    }),
    {
      numRuns: runs,
      seed: Number(process.env['FLAMBEAU_FUZZ_SEED'] ?? 7),
      endOnFailure: Number(process.env['FLAMBEAU_FUZZ_RUNS'] ?? 0) > 0,
    },
  );
}, 600_000);
