// The graph of a traced module at other sizes than the example's: from one recording with symbols in it, or recorded again.
import { noGrad } from '../autograd/modes.js';
import { log } from '../debug/log.js';
import { bindSymbols, specialize, SpecializeError } from '../frontend/trace/specialize.js';
import { unify, UnifyError } from '../frontend/trace/unify.js';
import type { DType, Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { dtypeCode } from '../tensor/dtype.js';
import { ShapeError } from '../tensor/errors.js';
import { wrap, type Tensor } from '../tensor/handle.js';
import type { Specialised, State } from './traced.js';

const MAX_SHAPES = 32;

/** The graph at these input shapes. @throws ShapeError when the module was loaded without a graph for other sizes. */
export function specialised(s: State, shapes: readonly (readonly number[])[]): Specialised {
  const key = shapes.map((x) => x.join()).join('|');
  const have = s.shapes.get(key);
  if (have !== undefined) return have;
  const spec: Specialised = {
    graph: graphFor(s, shapes),
    prepared: null,
    optimised: null,
    passMilliseconds: 0,
    runs: { compiled: 0, eager: 0 },
  };
  if (s.shapes.size >= MAX_SHAPES) s.shapes.delete(s.shapes.keys().next().value!);
  s.shapes.set(key, spec);
  return spec;
}

function graphFor(s: State, shapes: readonly (readonly number[])[]): Graph {
  const traced = s.graph.inputs.map((v) => v.type.shape as readonly number[]);
  if (traced.every((t, i) => String(t) === String(shapes[i]))) return s.graph;
  const dynamic = dynamicGraph(s);
  const text = (list: readonly (readonly number[])[]): string => list.map((x) => `[${x.join(', ')}]`).join(', ');
  let why = s.dynamicReason;
  if (dynamic !== null) {
    try {
      return specialize(dynamic, bindSymbols(dynamic, shapes));
    } catch (e) {
      if (!(e instanceof SpecializeError)) throw e;
      why = e.message;
    }
  }
  if (s.retrace !== null) {
    try {
      return s.retrace(shapes);
    } catch (e) {
      why = (e as Error).message;
    }
  }
  throw new ShapeError(
    `${s.name} was traced for inputs of shape ${text(traced)}, got ${text(shapes)}${why === '' ? '' : ` (${why})`}`,
  );
}

/** The graph with the first dimension of every input symbolic, from two more recordings; null when there is no such graph. */
export function dynamicGraph(s: State): Graph | null {
  if (s.dynamic !== undefined) return s.dynamic;
  s.dynamic = null;
  if (s.retrace === null || s.graph.writes.length > 0) return null;
  try {
    // Two sizes per distinct first extent, none of them 0 or 1: those broadcast.
    const extents = [...new Set(s.graph.inputs.flatMap((v) => v.type.shape.slice(0, 1) as number[]))];
    const at = (round: number): Graph => {
      if (s.axes !== null) {
        const examples = s.graph.inputs.map((v) => zerosOf(v.type.shape as number[], v.type.dtype));
        return s.retrace!(s.axes.elsewhere(examples, round).map((t) => t.shape));
      }
      return s.retrace!(
        s.graph.inputs.map((v) => {
          const [first, ...rest] = v.type.shape as number[];
          if (first === undefined) return [];
          const k = extents.indexOf(first);
          return [Math.max(2, first) + k + round * (k + 1 + round), ...rest];
        }),
      );
    };
    s.dynamic = unify([at(0), at(1), at(2)]);
  } catch (e) {
    s.dynamicReason = (e as Error).message;
    log('graph', () => `${s.name}: no graph for other sizes: ${s.dynamicReason}`);
    if (!(e instanceof UnifyError)) log('graph', () => String((e as Error).stack));
  }
  return s.dynamic;
}

export const zerosOf = (shape: readonly number[], dtype: DType): Tensor =>
  wrap(native.ops.full([...shape], 0, dtypeCode(dtype)));

/** The tensor repeated and cut to a shape, so that its numbers are those of an example. */
export function resized(t: Tensor, shape: readonly number[]): Tensor {
  if (t.dim() !== shape.length) return zerosOf(shape, t.dtype);
  return noGrad(() =>
    shape.reduce((x, size, axis) => {
      const have = x.shape[axis]!;
      if (have === size) return x;
      if (have === 0) return zerosOf([...x.shape.slice(0, axis), size, ...x.shape.slice(axis + 1)], x.dtype);
      const repeats = x.shape.map((_, d) => (d === axis ? Math.ceil(size / have) : 1));
      return wrap(native.ops.narrow(native.ops.repeat(x._h, repeats), axis, 0, size));
    }, t),
  );
}
