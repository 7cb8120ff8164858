// Views, joining and splitting, indexing, creation. Shapes stay symbolic: see ../shapes.ts.
import { sameDim } from '../../ir/dim.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';
import { operand } from './pointwise.js';

const END = Number.MAX_SAFE_INTEGER;
const same: Symbolic = (_, call) => [call.tensor('self')];

function transpose(b: OnnxBuilder, call: Call, perm: readonly number[]): readonly Ref[] {
  return [b.op('Transpose', [call.tensor('self')], call.type(), { perm })];
}
const swap: Symbolic = (b, call) => {
  const rank = call.type().shape.length;
  const perm = [...new Array<number>(rank).keys()];
  const [i, j] = [axisOf(call.number('dim0'), rank), axisOf(call.number('dim1'), rank)];
  if (i === j) return same(b, call);
  [perm[i], perm[j]] = [perm[j]!, perm[i]!];
  return transpose(b, call, perm);
};

function slice(
  b: OnnxBuilder,
  x: Ref,
  call: Call,
  axis: number,
  start: number,
  end: number,
  step: number,
): readonly Ref[] {
  const lists = [[start], [end], [axis], [step]].map((l) => b.int64s(l));
  return [b.op('Slice', [x, ...lists], call.type())];
}

const squeeze: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const rank = x.type.shape.length;
  const given = call.has('dim') ? call.attr('dim') : null;
  const wanted =
    given === null ? [...new Array<number>(rank).keys()] : typeof given === 'number' ? [given] : call.ints('dim');
  const axes = wanted.map((d) => axisOf(d, rank)).filter((d) => x.type.shape[d] === 1);
  return axes.length === 0 ? [x] : [b.op('Squeeze', [x, b.int64s(axes)], call.type())];
};

const splitInto = (b: OnnxBuilder, call: Call, axis: number): Ref[] => {
  const types = call.outputs.map((v) => v.type);
  const sizes = types.map((t) => {
    const size = t.shape[axis];
    return typeof size === 'number' ? size : call.fail('the split axis must have a fixed size');
  });
  return b.multi('Split', [call.tensor('self'), b.int64s(sizes)], types, { axis });
};

const split: Symbolic = (b, call) => splitInto(b, call, axisOf(call.number('dim'), call.type().shape.length));

const unbind: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const axis = axisOf(call.number('dim'), x.type.shape.length);
  return call.outputs.map((v, i) => {
    return b.op('Gather', [x, b.scalar(i, 'int64')], v.type, { axis });
  });
};

const cat: Symbolic = (b, call) => {
  const out = call.type();
  // PyTorch lets empty one-dimensional tensors into any concatenation.
  const parts = call
    .list('tensors')
    .filter((r) => !(r.type.shape.length === 1 && r.type.shape[0] === 0 && out.shape.length > 1));
  const axis = axisOf(call.number('dim'), out.shape.length);
  return [
    b.op(
      'Concat',
      parts.map((r) => b.cast(r, out.dtype)),
      out,
      { axis },
    ),
  ];
};

const index: Symbolic = (b, call) => {
  const refs = call.list('indices');
  const used = refs.map((r, axis) => ({ r, axis })).filter(({ r }) => r.name !== '');
  if (used.length !== 1) return call.fail('several index tensors at once have no ONNX form yet');
  const { r, axis } = used[0]!;
  if (r.type.dtype === 'bool' || r.type.dtype === 'uint8')
    return call.fail('the shape of a result of mask indexing depends on the data');
  return [b.op('Gather', [call.tensor('self'), r], call.type(), { axis })];
};

const scatter =
  (add: boolean): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const indices = call.tensor('index');
    let src = operand(b, call, 'src', x.type.dtype);
    if (src.type.shape.length === 0 && indices.type.shape.length > 0) {
      const shape = b.op('Shape', [indices], { dtype: 'int64', shape: [indices.type.shape.length] });
      src = b.op('Expand', [src, shape], { dtype: x.type.dtype, shape: indices.type.shape });
    }
    const axis = axisOf(call.number('dim'), x.type.shape.length);
    return [b.op('ScatterElements', [x, indices, src], call.type(), { axis, ...(add ? { reduction: 'add' } : {}) })];
  };

const trilu =
  (upper: number): Symbolic =>
  (b, call) => [
    b.op('Trilu', [call.tensor('self'), b.scalar(call.number('diagonal'), 'int64')], call.type(), { upper }),
  ];

/** Symbolics that need run-time shapes. */
export function shapeSymbolics(shapes: Shapes): Readonly<Record<string, Symbolic>> {
  const reshape: Symbolic = (_, call) => [shapes.reshape(call.tensor('self'), call.type().shape)];
  const expandTo = (b: OnnxBuilder, x: Ref, call: Call): Ref => {
    const out = call.type();
    const extra = out.shape.length - x.type.shape.length;
    const target = out.shape.map((d, i) => (i >= extra && sameDim(d, x.type.shape[i - extra]!) ? 1 : d));
    return b.op('Expand', [x, shapes.vector(target)], out);
  };
  const filled =
    (value: (call: Call) => number): Symbolic =>
    (b, call) => [
      b.op('Expand', [b.scalar(value(call), call.type().dtype), shapes.vector(call.type().shape)], call.type()),
    ];
  return {
    view: reshape,
    reshape,
    flatten: (b, call) => {
      const x = call.tensor('self');
      const rank = x.type.shape.length;
      const whole =
        rank >= 2 && axisOf(call.number('startDim'), rank) === 1 && axisOf(call.number('endDim'), rank) === rank - 1;
      return whole && rank > 2 ? [b.op('Flatten', [x], call.type(), { axis: 1 })] : reshape(b, call);
    },
    permute: (b, call) =>
      transpose(
        b,
        call,
        call.ints('dims').map((d) => axisOf(d, call.type().shape.length)),
      ),
    transpose: swap,
    t: (b, call) => (call.type().shape.length < 2 ? same(b, call) : transpose(b, call, [1, 0])),
    unsqueeze: (b, call) => {
      const axis = axisOf(call.number('dim'), call.type().shape.length);
      return [b.op('Unsqueeze', [call.tensor('self'), b.int64s([axis])], call.type())];
    },
    squeeze,
    expand: (b, call) => [expandTo(b, call.tensor('self'), call)],
    // The recorder's form of `copy_`: the source takes the target's shape and dtype.
    copy: (b, call) => [expandTo(b, b.cast(call.tensor('src'), call.type().dtype), call)],
    select: (b, call) => {
      const x = call.tensor('self');
      const axis = axisOf(call.number('dim'), x.type.shape.length);
      return [b.op('Gather', [x, b.scalar(call.number('index'), 'int64')], call.type(), { axis })];
    },
    slice: (b, call) => {
      const x = call.tensor('self');
      const axis = axisOf(call.number('dim'), x.type.shape.length);
      const start = call.has('start') ? call.number('start') : 0;
      return slice(b, x, call, axis, start, call.has('end') ? call.number('end') : END, call.number('step'));
    },
    narrow: (b, call) => {
      const x = call.tensor('self');
      const axis = axisOf(call.number('dim'), x.type.shape.length);
      const start = call.number('start');
      const from = start < 0 ? start + (x.type.shape[axis] as number) : start;
      return slice(b, x, call, axis, from, from + call.number('length'), 1);
    },
    flip: (b, call) => {
      const x = call.tensor('self');
      const axes = call.ints('dims').map((d) => axisOf(d, x.type.shape.length));
      if (axes.length === 0) return [x];
      const lists = [axes.map(() => -1), axes.map(() => -END), axes, axes.map(() => -1)].map((l) => b.int64s(l));
      return [b.op('Slice', [x, ...lists], call.type())];
    },
    detach: same,
    alias: same,
    clone: same,
    contiguous: same,
    split,
    chunk: split,
    unbind,
    cat,
    index,
    indexSelect: (b, call) => {
      const x = call.tensor('self');
      const axis = axisOf(call.number('dim'), x.type.shape.length);
      return [b.op('Gather', [x, call.tensor('index')], call.type(), { axis })];
    },
    gather: (b, call) => {
      const x = call.tensor('self');
      const axis = axisOf(call.number('dim'), x.type.shape.length);
      return [b.op('GatherElements', [x, call.tensor('index')], call.type(), { axis })];
    },
    scatter: scatter(false),
    scatterAdd: scatter(true),
    nonzero: (b, call) => {
      // ONNX gives one column per element, PyTorch one row.
      const x = call.tensor('self');
      const columns = b.op('NonZero', [x], { dtype: 'int64', shape: [...call.type().shape].reverse() });
      return [b.op('Transpose', [columns], call.type(), { perm: [1, 0] })];
    },
    tril: trilu(0),
    triu: trilu(1),
    // Memory without defined values: zeros are as good as any.
    empty: filled(() => 0),
    full: filled((call) => call.number('fillValue')),
    fullLike: filled((call) => call.number('fillValue')),
    zerosLike: filled(() => 0),
    onesLike: filled(() => 1),
    fill: filled((call) => call.number('value')),
    zero: filled(() => 0),
    arange: (b, call) => {
      const dtype = call.type().dtype;
      const bounds = ['start', 'end', 'step'].map((n) => b.scalar(call.number(n), dtype));
      return [b.op('Range', bounds, call.type())];
    },
    eye: (b, call) => {
      const [n, m] = call
        .type()
        .shape.map((d) => (typeof d === 'number' ? d : call.fail('its sizes must be fixed'))) as [number, number];
      const values = new Array<number>(n * m).fill(0).map((_, i) => (Math.floor(i / m) === i % m ? 1 : 0));
      return [b.constant(values, call.type().dtype, [n, m])];
    },
    linspace: (b, call) => {
      const steps = call.number('steps');
      const [start, end] = [call.number('start'), call.number('end')];
      if (steps < 2) return [b.constant(steps === 1 ? [start] : [], call.type().dtype, [steps])];
      // From both ends towards the middle, as PyTorch computes it.
      const value = (i: number): number =>
        i < steps / 2
          ? start + (i * (end - start)) / (steps - 1)
          : end - ((steps - 1 - i) * (end - start)) / (steps - 1);
      return [b.constant([...new Array<number>(steps).keys()].map(value), call.type().dtype, [steps])];
    },
  };
}
