// Views, joining and splitting, indexing, creation. Shapes stay symbolic: see ../shapes.ts.
import { linspace } from '../../tensor/create.js';
import { sameDim } from '../../ir/dim.js';
import type { Dim } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';

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
  if (parts.length === 1) return [b.cast(parts[0]!, out.dtype)];
  return [
    b.op(
      'Concat',
      parts.map((r) => b.cast(r, out.dtype)),
      out,
      { axis },
    ),
  ];
};

const trilu =
  (upper: number): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const diagonal = call.number('diagonal');
    if (b.has('Trilu')) return [b.op('Trilu', [x, b.scalar(diagonal, 'int64')], call.type(), { upper })];
    const [n, m] = x.type.shape.slice(-2);
    if (typeof n !== 'number' || typeof m !== 'number')
      return call.fail('a triangle needs fixed sizes before opset 14');
    const inside = (i: number, j: number): boolean => (upper === 1 ? j - i >= diagonal : j - i <= diagonal);
    const mask = Array.from({ length: n * m }, (_, k) => inside(Math.floor(k / m), k % m));
    const kept = b.constant(mask, 'bool', [n, m]);
    if (x.type.dtype === 'bool') return [b.op('And', [x, kept], call.type())];
    return [b.op('Where', [kept, x, b.scalar(0, x.type.dtype)], call.type())];
  };

/** Row and column numbers of a triangle: constants, as its sizes are. */
const triangle =
  (inside: (i: number, j: number, offset: number) => boolean): Symbolic =>
  (b, call) => {
    const [rows, columns, offset] = ['row', 'col', 'offset'].map((n) => call.number(n)) as [number, number, number];
    const all = Array.from({ length: rows * columns }, (_, k) => [Math.floor(k / columns), k % columns] as const);
    const chosen = all.filter(([i, j]) => inside(i, j, offset));
    const values = [...chosen.map(([i]) => i), ...chosen.map(([, j]) => j)];
    return [b.constant(values, call.type().dtype, [2, chosen.length])];
  };

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
    (value: (call: Call) => Dim): Symbolic =>
    (b, call) => {
      const { dtype, shape } = call.type();
      const x = value(call);
      // A number that is a size: the count of a mean over a dynamic axis.
      const scalar = typeof x === 'number' ? b.scalar(x, dtype) : b.cast(shapes.scalar(x), dtype);
      return [shape.length === 0 ? scalar : b.op('Expand', [scalar, shapes.vector(shape)], call.type())];
    };
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
    permute: (b, call) => {
      // movedim names its dimensions otherwise; its parts are known.
      if (!call.takes('dims')) return null;
      const perm = call.ints('dims').map((d) => axisOf(d, call.type().shape.length));
      return perm.length === 0 ? same(b, call) : transpose(b, call, perm);
    },
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
    detach: same,
    alias: same,
    clone: same,
    contiguous: same,
    split,
    chunk: split,
    unbind,
    cat,
    tril: trilu(0),
    triu: trilu(1),
    // Memory without defined values: zeros are as good as any.
    empty: filled(() => 0),
    full: filled((call) => call.dim('fillValue')),
    fullLike: filled((call) => call.dim('fillValue')),
    zerosLike: filled(() => 0),
    onesLike: filled(() => 1),
    fill: filled((call) => call.dim('value')),
    zero: filled(() => 0),
    arange: (b, call) => {
      const out = call.type();
      const [start, step] = [call.number('start'), call.number('step')];
      const count = out.shape[0]!;
      if (Number.isInteger(start) && Number.isInteger(step)) {
        const end =
          typeof count === 'number'
            ? b.scalar(start + count * step, 'int64')
            : shapes.scalar(shapes.line(count, step, start));
        const type = { dtype: 'int64', shape: out.shape } as const;
        return [b.cast(b.op('Range', [b.scalar(start, 'int64'), end, b.scalar(step, 'int64')], type), out.dtype)];
      }
      if (typeof count !== 'number') return call.fail('a range of fractions must have a fixed length');
      return [
        b.constant(
          Array.from({ length: count }, (_, i) => start + i * step),
          out.dtype,
          [count],
        ),
      ];
    },
    trilIndices: triangle((i, j, offset) => j - i <= offset),
    triuIndices: triangle((i, j, offset) => j - i >= offset),
    eye: (b, call) => {
      const [n, m] = call
        .type()
        .shape.map((d) => (typeof d === 'number' ? d : call.fail('its sizes must be fixed'))) as [number, number];
      const values = new Array<number>(n * m).fill(0).map((_, i) => (Math.floor(i / m) === i % m ? 1 : 0));
      return [b.constant(values, call.type().dtype, [n, m])];
    },
    linspace: (b, call) => {
      // The op itself gives the numbers: they are PyTorch's to the last bit.
      const { dtype } = call.type();
      const steps = call.number('steps');
      const values = linspace(call.number('start'), call.number('end'), steps, { dtype }).double().toTypedArray();
      return [b.constant(Array.from(values as ArrayLike<number>), dtype, [steps])];
    },
  };
}
