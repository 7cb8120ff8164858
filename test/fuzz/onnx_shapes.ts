// Random models of operators that move elements.
import { axesOf, constant, type Attribute, type Input, type Maker } from './onnx_random.js';

export const SHAPES: Readonly<Record<string, Maker>> = {
  Pad: (r) => {
    const rank = r.int(1, 4);
    const shape = r.shape(rank, 3, 5);
    const opset = r.of([7, 11, 13, 18, 19, 21]);
    const mode = r.of(opset >= 19 ? ['constant', 'reflect', 'edge', 'wrap'] : ['constant', 'reflect', 'edge']);
    const axes = opset >= 18 && r.bool(0.4) ? axesOf(r, rank) : null;
    const n = axes?.length ?? rank;
    const pads = r.list(2 * n, () => r.int(mode === 'constant' ? -1 : 0, 2));
    if (opset < 11)
      return { op: 'Pad', opset, inputs: [r.floats(shape)], attributes: { pads, mode, value: { float: 1.5 } } };
    const value = r.bool() ? constant([2.5], 'float32', []) : null;
    const inputs = [r.floats(shape), constant(pads), value, ...(axes === null ? [] : [constant(axes)])];
    return {
      op: 'Pad',
      opset,
      inputs: axes === null && value === null ? inputs.slice(0, 2) : inputs,
      attributes: { mode },
    };
  },
  Slice: (r) => {
    const rank = r.int(1, 4);
    const axes = axesOf(r, rank);
    const at = (): number => r.of([r.int(-8, 8), 2 ** 31 - 1, -(2 ** 31), r.int(0, 4)]);
    const n = axes.length;
    const stepping = r.list(n, () => r.of([1, 2, -1, -2, 3]));
    const starts = r.list(n, at);
    // onnxruntime takes the largest integer as an end for "all" even when it goes backwards.
    const ends = stepping.map((step) => (step < 0 ? Math.min(at(), 8) : at()));
    if (n === 0) return { op: 'Slice', opset: 13, inputs: [r.floats(r.shape(rank)), constant([0]), constant([2])] };
    if (r.bool(0.2))
      return {
        op: 'Slice',
        opset: 9,
        inputs: [r.floats(r.shape(rank))],
        attributes: { axes: axes.map((a) => (a < 0 ? a + rank : a)), starts, ends },
      };
    const steps = r.bool() ? [constant(stepping)] : [];
    return {
      op: 'Slice',
      opset: r.of([10, 11, 13]),
      inputs: [r.floats(r.shape(rank, 1, 6)), constant(starts), constant(ends), constant(axes), ...steps],
    };
  },
  Split: (r) => {
    const shape = r.shape(3, 3, 6);
    const axis = r.int(-3, 2);
    const size = shape.at(axis)!;
    const first = r.int(1, size - 1);
    const opset = r.of([11, 13, 18]);
    if (opset === 18 && r.bool())
      return { op: 'Split', opset, inputs: [r.floats(shape)], attributes: { axis, num_outputs: 2 }, outputs: 2 };
    const split = [first, size - first];
    return opset === 11
      ? { op: 'Split', opset, inputs: [r.floats(shape)], attributes: { axis, split }, outputs: 2 }
      : { op: 'Split', opset, inputs: [r.floats(shape), constant(split)], attributes: { axis }, outputs: 2 };
  },
  Squeeze: (r) => {
    const shape = r.list(4, () => (r.bool() ? 1 : r.int(2, 3)));
    const axes = shape.flatMap((s, i) => (s === 1 && r.bool() ? [r.bool() ? i : i - 4] : []));
    const opset = r.of([7, 11, 13, 21]);
    return opset >= 13
      ? { op: 'Squeeze', opset, inputs: [r.floats(shape), ...(axes.length > 0 ? [constant(axes)] : [])] }
      : {
          op: 'Squeeze',
          opset,
          inputs: [r.floats(shape)],
          attributes: axes.length > 0 ? { axes: axes.map((a) => (a < 0 && opset < 11 ? a + 4 : a)) } : {},
        };
  },
  Unsqueeze: (r) => ({
    op: 'Unsqueeze',
    opset: 13,
    inputs: [r.floats(r.shape(2)), constant(r.of([[0], [-1], [0, 3], [-1, 1], [2, 0, -1]]))],
  }),
  Reshape: (r) => ({
    op: 'Reshape',
    opset: r.of([7, 13, 14, 21]),
    inputs: [r.floats([2, 3, 4]), constant(r.of([[0, -1], [4, 6], [-1], [0, 0, 0], [1, 0, -1], [2, 0, 2, 2], [24]]))],
  }),
  Flatten: (r) => ({
    op: 'Flatten',
    opset: r.of([7, 11, 13]),
    inputs: [r.floats(r.shape(4))],
    attributes: r.some({ axis: r.int(0, 4) }),
  }),
  Expand: (r) => ({
    op: 'Expand',
    opset: r.of([8, 13]),
    inputs: [r.floats([3, 1]), constant(r.of([[1], [3, 4], [2, 1, 4], [2, 3, 1], [1, 1]]))],
  }),
  Tile: (r) => ({
    op: 'Tile',
    opset: r.of([7, 13]),
    inputs: [r.floats(r.shape(3)), constant(r.list(3, () => r.int(1, 3)))],
  }),
  Transpose: (r) => ({
    op: 'Transpose',
    opset: r.of([7, 13]),
    inputs: [r.floats(r.shape(3))],
    attributes: r.some({
      perm: r.of([
        [0, 2, 1],
        [2, 1, 0],
        [1, 2, 0],
      ]),
    }),
  }),
  Concat: (r) => {
    const axis = r.int(-3, 2);
    const shape = r.shape(3);
    return {
      op: 'Concat',
      opset: r.of([7, 11, 13]),
      inputs: r.list(r.int(1, 3), () => r.floats(shape.map((s, i) => (i === (axis + 3) % 3 ? r.int(1, 3) : s)))),
      attributes: { axis },
    };
  },
  Gather: (r) => {
    const shape = r.shape(3, 2, 4);
    const axis = r.int(-3, 2);
    return {
      op: 'Gather',
      opset: r.of([11, 13]),
      inputs: [r.floats(shape), r.ints(r.shape(r.int(0, 2), 1, 3), -shape.at(axis)!, shape.at(axis)! - 1)],
      attributes: r.bool() || (axis + 3) % 3 !== 0 ? { axis } : {},
    };
  },
  GatherElements: (r) => {
    const axis = r.int(-2, 1);
    return {
      op: 'GatherElements',
      opset: r.of([11, 13]),
      inputs: [r.floats([3, 4]), r.ints([2, 3], -3, 2)],
      attributes: { axis },
    };
  },
  GatherND: (r) => {
    const b = r.int(0, 1);
    return {
      op: 'GatherND',
      opset: r.of([12, 13]),
      inputs: [r.floats([2, 3, 4]), r.ints(b ? [2, 3, r.int(1, 2)] : [2, r.int(1, 2)], -2, 1)],
      attributes: b ? { batch_dims: 1 } : {},
    };
  },
  ScatterElements: (r) => {
    const opset = r.of([11, 16, 18]);
    const reduction =
      opset >= 18 ? r.of(['none', 'add', 'mul', 'max', 'min']) : opset === 16 ? r.of(['none', 'add', 'mul']) : null;
    const rows =
      reduction === null || reduction === 'none'
        ? { dtype: 'int64' as const, shape: [2, 3], values: [0, 1, -1, 2, -1, 0] }
        : r.ints([2, 3], -3, 2);
    return {
      op: 'ScatterElements',
      opset,
      inputs: [r.floats([3, 3]), rows, r.floats([2, 3])],
      attributes: { axis: r.of([0, -2]), ...(reduction === null ? {} : { reduction }) },
    };
  },
  ScatterND: (r) => {
    const opset = r.of([11, 16, 18]);
    const reduction =
      opset >= 18 ? r.of(['none', 'add', 'mul', 'max', 'min']) : opset === 16 ? r.of(['none', 'add', 'mul']) : null;
    return {
      op: 'ScatterND',
      opset,
      inputs: [
        r.floats([4, 3]),
        {
          dtype: 'int64',
          shape: [2, 1],
          values: r.of([
            [1, -1],
            [0, 2],
            [-3, 0],
          ]),
        },
        r.floats([2, 3]),
      ],
      attributes: reduction === null ? {} : { reduction },
    };
  },
  OneHot: (r) => ({
    op: 'OneHot',
    opset: r.of([9, 11]),
    inputs: [r.ints([2, 3], -5, 5), constant([4]), constant([-1, 2], 'float32')],
    attributes: r.some({ axis: r.int(-3, 2) }),
  }),
  CumSum: (r) => ({
    op: 'CumSum',
    opset: r.of([11, 14]),
    inputs: [r.floats(r.shape(3)), constant([r.int(-3, 2)], 'int64', [])],
    attributes: r.some({ exclusive: 1, reverse: 1 }),
  }),
  Resize: (r) => {
    const opset = r.of([11, 13, 18, 19]);
    const mode = r.of(['nearest', 'linear', 'cubic']);
    const shape = [1, 2, r.int(3, 6), r.int(3, 6)];
    const transform = r.of([
      'half_pixel',
      'align_corners',
      'asymmetric',
      'pytorch_half_pixel',
      ...(opset >= 19 ? ['half_pixel_symmetric'] : []),
    ]);
    const attributes: Record<string, Attribute> = { mode, coordinate_transformation_mode: transform };
    if (mode === 'nearest')
      attributes['nearest_mode'] = r.of(['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']);
    if (mode === 'cubic') Object.assign(attributes, r.some({ cubic_coeff_a: { float: -0.5 }, exclude_outside: 1 }));
    const none: Input = { dtype: 'float32', shape: [0], values: [], constant: true };
    const axes = opset >= 18 && r.bool(0.3);
    if (axes) attributes['axes'] = [2, 3];
    const spatial = r.list(2, () => r.int(2, 9));
    // Aligned corners at sizes that are rounded: onnxruntime reads the specification differently from its reference implementation.
    const scales = r.list(2, () => r.of(transform === 'align_corners' ? [2, 3] : [0.5, 1.5, 2, 0.75, 3]));
    const own = (list: number[], rest: number[]): number[] => (axes ? list : [...rest, ...list]);
    return r.bool()
      ? {
          op: 'Resize',
          opset,
          inputs: [r.floats(shape), none, none, constant(own(spatial, [1, 2]))],
          attributes,
          tolerance: 2e-3,
        }
      : {
          op: 'Resize',
          opset,
          inputs: [r.floats(shape), none, constant(own(scales, [1, 1]), 'float32')],
          attributes,
          tolerance: 2e-3,
        };
  },
  GridSample: (r) => {
    const opset = r.of([16, 20]);
    const mode = r.of(opset === 16 ? ['bilinear', 'nearest', 'bicubic'] : ['linear', 'nearest', 'cubic']);
    return {
      op: 'GridSample',
      opset,
      inputs: [r.floats([2, 2, 4, 5]), r.floats([2, 3, 4, 2], 1.4)],
      attributes: {
        mode,
        ...r.some({ padding_mode: r.of(['zeros', 'border', 'reflection']), align_corners: r.int(0, 1) }),
      },
      tolerance: 1e-3,
    };
  },
  DepthToSpace: (r) => ({
    op: 'DepthToSpace',
    opset: r.of([11, 13]),
    inputs: [r.floats([1, 8, 2, 3])],
    attributes: { blocksize: 2, ...r.some({ mode: r.of(['DCR', 'CRD']) }) },
  }),
  SpaceToDepth: (r) => ({
    op: 'SpaceToDepth',
    opset: r.of([7, 13]),
    inputs: [r.floats([1, 2, 4, 6])],
    attributes: { blocksize: 2 },
  }),
  Trilu: (r) => ({
    op: 'Trilu',
    opset: 14,
    inputs: [r.floats(r.shape(3)), ...(r.bool() ? [constant([r.int(-4, 4)], 'int64', [])] : [])],
    attributes: r.some({ upper: r.int(0, 1) }),
  }),
  EyeLike: (r) => ({
    op: 'EyeLike',
    opset: r.of([9, 22]),
    inputs: [r.floats(r.shape(2))],
    attributes: r.some({ k: r.int(-2, 2) }),
  }),
  Clip: (r) =>
    r.bool(0.3)
      ? {
          op: 'Clip',
          opset: 7,
          inputs: [r.floats(r.shape(2))],
          attributes: r.some({ min: { float: -0.5 }, max: { float: 0.7 } }),
        }
      : {
          op: 'Clip',
          opset: r.of([11, 13]),
          inputs: [
            r.floats(r.shape(2)),
            r.bool() ? constant([-0.5], 'float32', []) : null,
            ...(r.bool() ? [constant([r.next() - 0.8], 'float32', [])] : []),
          ],
        },
};
