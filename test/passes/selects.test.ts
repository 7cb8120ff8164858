// Choices between single numbers become `where`: results stay those of the branches; what costs, fails or is large stays a branch.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { allNodes } from '../../src/ir/control.js';
import type { Graph } from '../../src/ir/graph.js';
import { verify } from '../../src/ir/verify.js';
import { selectNumbers } from '../../src/passes/selects.js';
import { interpretNative } from '../../src/runtime/execute.js';
import { wrap } from '../../src/tensor/handle.js';

const ops = (g: Graph): string[] => [...allNodes(g)].map((n) => n.op);
function selected(f: (x: Tensor, n: number) => unknown): { before: Graph; after: Graph; captures: readonly Tensor[] } {
  const { graph, captures } = fb.jit.script(f as never as (x: Tensor, n: number) => Tensor).graphFor(fb.rand(3), 2);
  return { before: graph, after: verify(selectNumbers(graph)), captures };
}
function same(f: (x: Tensor, n: number) => unknown): string[] {
  const { before, after, captures } = selected(f);
  expect(ops(before)).toContain('if');
  for (const [x, n] of [
    [fb.rand(3), 0],
    [fb.rand(3), 5],
    [fb.rand(3).neg(), 3],
    [fb.zeros(3), 27],
  ] as const) {
    // prettier-ignore
    const inputs = [x._h, fb.tensor(n, { dtype: 'int64' })._h];
    const run = (g: Graph): unknown[] => interpretNative(g, inputs, captures.map((t) => t._h)).outputs.map((h) => wrap(h).tolist()); // prettier-ignore
    expect(run(after)).toEqual(run(before));
  }
  return ops(after);
}

test('numbers in a loop, nested choices, several results', () => {
  const made = same((x, n) => {
    let [k, s] = [0, 0.5];
    for (let i = 0; i < n; i++) {
      if (i % 2 === 0) k += 2;
      else if (s > 1.5) [k, s] = [k - 1, s / 2];
      else s = s * 1.5 + i;
    }
    return { k, s, x };
  });
  expect(made).not.toContain('if');
  expect(made).toContain('where');
  expect(made).toContain('loop');
});
test('what costs, fails or is large stays a branch', () => {
  expect(same((x, n) => (n > 2 ? x.mul(2) : x.neg()))).toContain('if'); // tensors
  expect(same((x, n) => ({ m: n > 2 ? x.sum().item() : 0, x }))).toContain('if'); // a sum over a tensor
  expect(same((x, n) => ({ m: n > 0 ? 7 % n : 0, x }))).toContain('if'); // a division that the other way avoids
});
