// A backend around another one: every run is compared with the graph's own meaning, op by op on the prebuilt kernels.
import type { Graph, Value } from '../../src/ir/graph.js';
import { native } from '../../src/native.js';
import type { Backend, Prepared } from '../../src/runtime/backend.js';
import { interpretNative } from '../../src/runtime/execute.js';
import { dtypeName } from '../../src/tensor/dtype.js';
import type { Handle } from '../../src/tensor/handle.js';

/** Largest difference allowed, relative to the largest element. */
export type Tolerances = Readonly<Record<string, number>>;
export const TOLERANCES: Tolerances = { float32: 2e-5, float64: 1e-11, float16: 4e-3, bfloat16: 3e-2 };

/** The largest difference of two tensors in units of the largest element; infinite when NaNs or infinities lie elsewhere. */
export function distance(got: ArrayLike<number | bigint>, want: ArrayLike<number | bigint>): number {
  let [scale, worst] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [Number(got[i]), Number(want[i])];
    if (Object.is(a, b) || a === b) continue;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
    worst = Math.max(worst, Math.abs(a - b));
  }
  for (let i = 0; i < want.length; i++)
    if (Number.isFinite(Number(want[i]))) scale = Math.max(scale, Math.abs(Number(want[i])));
  return worst === 0 ? 0 : worst / Math.max(scale, 1e-30);
}

/** Number of runs that were compared: a check that never ran proves nothing. */
export const checked = { runs: 0 };

export function checkedBackend(name: string, inner: Backend, tolerances: Tolerances = TOLERANCES): Backend {
  return {
    name,
    prepare(graph: Graph, context): Prepared {
      const made = inner.prepare(graph, context);
      const compare = (what: string, got: Handle, want: Handle): void => {
        const dtype = dtypeName(native.dtype(want));
        const d = distance(
          native.toTypedArray(native.ops.contiguous(native.ops.detach(got))),
          native.toTypedArray(native.ops.contiguous(want)),
        );
        if (!(d <= (tolerances[dtype] ?? 0)))
          throw new Error(`${what} (${dtype}) differs by ${d} of its largest element`);
      };
      return {
        poll: () => made.poll(),
        wait: () => made.wait(),
        get error() {
          return made.error;
        },
        get info() {
          return made.info;
        },
        runAsync: () => Promise.reject(new Error('checked programs run synchronously')),
        run(inputs, scalars) {
          const copy = (h: Handle): Handle => native.ops.clone(native.ops.contiguous(native.ops.detach(h)));
          const want = interpretNative(graph, inputs.map(copy), context.captures.map(copy), scalars);
          const got = made.run(inputs, scalars);
          if (typeof got === 'string') return got;
          const handleOf = (v: Value): Handle => {
            const at = graph.inputs.indexOf(v);
            return at >= 0 ? inputs[at]! : context.captures[graph.captures.indexOf(v)]!;
          };
          got.forEach((h, k) => compare(`output ${k}`, h, want.outputs[k]!));
          graph.writes.forEach((w, k) => compare(`write ${k}`, handleOf(w.target), want.writes[k]!));
          graph.gradWrites.forEach((w, k) => {
            const grad = want.gradWrites[k];
            if (grad) compare(`gradient ${k}`, native.grad(handleOf(w.leaf))!, grad);
          });
          checked.runs++;
          return got;
        },
      };
    },
  };
}
