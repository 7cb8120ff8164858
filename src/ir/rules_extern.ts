// Result types of the ops with hand-written kernels: products, convolution, pooling, indexing, creation.
import { addDims, divDims, mulDims, printDim, sameDim, subDims } from './dim.js';
import type { DType, Dim, TensorType } from './graph.js';
import { broadcast, wrapDim, type RuleArgs } from './rule_args.js';
import { promoteTypes } from './dtype.js';

type Rule = (a: RuleArgs) => readonly TensorType[];

const text = (t: TensorType): string => `${t.dtype}[${t.shape.map(printDim).join(', ')}]`;
const one = (dtype: DType, shape: readonly Dim[]): TensorType[] => [{ dtype, shape }];
const self: Rule = (a) => [a.tensor('self')];

function rank(a: RuleArgs, name: string, n: number): TensorType {
  const t = a.tensor(name);
  return t.shape.length === n ? t : a.fail(`'${name}' must be a ${n}-D tensor, got ${text(t)}`);
}
function inner(a: RuleArgs, x: Dim, y: Dim, left: TensorType, right: TensorType): void {
  if (!sameDim(x, y)) a.fail(`mat1 and mat2 shapes cannot be multiplied (${text(left)} and ${text(right)})`);
}

const mm = (a: RuleArgs, left: string, right: string): TensorType[] => {
  const [x, y] = [rank(a, left, 2), rank(a, right, 2)];
  inner(a, x.shape[1]!, y.shape[0]!, x, y);
  return one(promoteTypes(x.dtype, y.dtype), [x.shape[0]!, y.shape[1]!]);
};

const matmul: Rule = (a) => {
  const [x, y] = [a.tensor('self'), a.tensor('other')];
  const [n, m] = [x.shape.length, y.shape.length];
  if (n === 0 || m === 0) a.fail(`both arguments need to be at least 1D, but they are ${n}D and ${m}D`);
  const contracted = m === 1 ? y.shape[0]! : y.shape[m - 2]!;
  inner(a, x.shape[n - 1]!, contracted, x, y);
  const batch = broadcast(a.op, [x.shape.slice(0, -2), y.shape.slice(0, -2)]);
  return one(promoteTypes(x.dtype, y.dtype), [
    ...batch,
    ...(n > 1 ? [x.shape[n - 2]!] : []),
    ...(m > 1 ? [y.shape[m - 1]!] : []),
  ]);
};

/** floor((extent + 2 pad - dilation (kernel - 1) - 1) / stride) + 1; symbolic only where it stays a polynomial. */
function window(
  a: RuleArgs,
  extent: Dim,
  kernel: number,
  stride: number,
  pad: number,
  dilation: number,
  ceil = false,
): Dim {
  const span = addDims(extent, 2 * pad - dilation * (kernel - 1) - 1);
  if (typeof span === 'number') {
    if (span < 0)
      a.fail(
        `the window (${dilation * (kernel - 1) + 1}) is larger than the padded input (${printDim(addDims(extent, 2 * pad))})`,
      );
    let n = (ceil ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1;
    // The last window must start inside the input or its left padding.
    if (ceil && (n - 1) * stride >= (extent as number) + pad) n--;
    return n;
  }
  const steps = divDims(span, stride);
  return steps === null
    ? a.fail(`the output extent of ${printDim(extent)} with stride ${stride} is no polynomial`)
    : addDims(steps, 1);
}

const convolution: Rule = (a) => {
  const [x, w] = [a.tensor('input'), a.tensor('weight')];
  const n = x.shape.length - 2;
  if (n < 1 || w.shape.length !== x.shape.length)
    a.fail(`needs input and weight of the same rank, got ${text(x)} and ${text(w)}`);
  const at = (name: string, i: number): number => a.ints(name)[i] ?? a.ints(name)[0]!;
  const groups = a.int('groups');
  const transposed = a.bool('transposed');
  const channels = transposed ? w.shape[0]! : mulDims(w.shape[1]!, groups);
  if (!sameDim(x.shape[1]!, channels)) {
    a.fail(
      `Given groups=${groups}, weight of size ${text(w)}, expected input${text(x)} to have ${printDim(channels)} channels, but got ${printDim(x.shape[1]!)} channels instead`,
    );
  }
  const spatial = x.shape.slice(2).map((d, i) => {
    const [k, stride, pad, dilation] = [w.shape[i + 2] as number, at('stride', i), at('padding', i), at('dilation', i)];
    if (!transposed) return window(a, d, k, stride, pad, dilation);
    return addDims(mulDims(subDims(d, 1), stride), -2 * pad + dilation * (k - 1) + at('outputPadding', i) + 1);
  });
  return one(x.dtype, [x.shape[0]!, transposed ? mulDims(w.shape[1]!, groups) : w.shape[0]!, ...spatial]);
};

/** One list entry per pooled dimension. */
const pool =
  (results: readonly ('self' | 'int64')[]): Rule =>
  (a) => {
    const x = a.tensor('self');
    const [kernel, stride, padding] = [a.ints('kernelSize'), a.ints('stride'), a.ints('padding')];
    const dilation = a.attr('dilation') === undefined ? kernel.map(() => 1) : a.ints('dilation');
    const n = kernel.length;
    if (x.shape.length <= n) a.fail(`Expected ${n + 1}D or ${n + 2}D (batch mode) tensor, got ${text(x)}`);
    const spatial = x.shape
      .slice(-n)
      .map((d, i) => window(a, d, kernel[i]!, stride[i]!, padding[i]!, dilation[i]!, a.bool('ceilMode')));
    const shape = [...x.shape.slice(0, -n), ...spatial];
    return results.map((r) => ({ dtype: r === 'self' ? x.dtype : 'int64', shape }));
  };
/** The last dimensions become outputSize. */
const resized =
  (like: string, withIndices = false): Rule =>
  (a) => {
    const x = a.tensor(like);
    const target = a.dims('outputSize');
    const shape = [...x.shape.slice(0, x.shape.length - target.length), ...target];
    return [{ dtype: x.dtype, shape }, ...(withIndices ? [{ dtype: 'int64' as const, shape }] : [])];
  };
const padded: Rule = (a) => {
  const x = a.tensor('self');
  const pad = a.ints('pad');
  const shape = x.shape.map((d, i) => {
    const k = 2 * (x.shape.length - 1 - i);
    return k < pad.length ? addDims(d, pad[k]! + pad[k + 1]!) : d;
  });
  return one(x.dtype, shape);
};
/** unfold of nn.functional: [n, c, h, w] to [n, c * kernel, windows]. */
const columns: Rule = (a) => {
  const x = a.tensor('input');
  const at = (name: string, i: number): number => a.ints(name)[i] ?? a.ints(name)[0]!;
  const windows = x.shape
    .slice(-2)
    .map((d, i) => window(a, d, at('kernelSize', i), at('stride', i), at('padding', i), at('dilation', i)));
  const taps = at('kernelSize', 0) * at('kernelSize', 1);
  return one(x.dtype, [
    ...x.shape.slice(0, -3),
    mulDims(x.shape.at(-3)!, taps),
    windows.reduce<Dim>((n, d) => mulDims(n, d), 1),
  ]);
};
const images: Rule = (a) => {
  const x = a.tensor('input');
  const at = (name: string, i: number): number => a.ints(name)[i] ?? a.ints(name)[0]!;
  const rows = x.shape.at(-2)!;
  const channels = divDims(rows, at('kernelSize', 0) * at('kernelSize', 1));
  if (channels === null) return a.fail(`${printDim(rows)} rows are no whole number of kernels`);
  return one(x.dtype, [...x.shape.slice(0, -2), channels, at('outputSize', 0), at('outputSize', 1)]);
};

const sized =
  (like: string, size: string): Rule =>
  (a) =>
    one(a.tensor(like).dtype, a.dims(size));

const cat: Rule = (a) => {
  const list = a
    .tensors('tensors')
    .filter((t, _, all) => t.shape.length !== 1 || t.shape[0] !== 0 || all.every((o) => o.shape.length === 1));
  if (list.length === 0) a.fail('expected a non-empty list of Tensors');
  const first = list[0]!;
  const d = wrapDim(a.op, a.int('dim'), first.shape.length);
  for (const t of list) {
    if (t.shape.length !== first.shape.length || t.shape.some((x, i) => i !== d && !sameDim(x, first.shape[i]!))) {
      a.fail(`Sizes of tensors must match except in dimension ${d}: ${list.map(text).join(', ')}`);
    }
  }
  const total = list.reduce<Dim>((sum, t) => addDims(sum, t.shape[d]!), 0);
  return one(
    list.map((t) => t.dtype).reduce(promoteTypes),
    first.shape.map((x, i) => (i === d ? total : x)),
  );
};

const creation =
  (dtype: DType): Rule =>
  (a) =>
    one(a.dtype('dtype') ?? dtype, a.dims('size'));

function indexed(a: RuleArgs): TensorType[] {
  const x = a.tensor('self');
  const list = a.operand('indices');
  if (list.kind !== 'list' || list.values.length > x.shape.length) return a.fail(`too many indices for ${text(x)}`);
  const types = list.values.map((v) => v?.type ?? null);
  if (types.some((t) => t === null || t.dtype === 'bool' || t.dtype === 'uint8'))
    return a.fail('a mask or absent index has no static rule');
  return one(x.dtype, [
    ...broadcast(
      a.op,
      types.map((t) => t.shape),
    ),
    ...x.shape.slice(types.length),
  ]);
}

export const EXTERN_RULES: Readonly<Record<string, Rule>> = {
  matmul,
  cdistForward: (a) => {
    const [x, y] = [a.tensor('x1'), a.tensor('x2')];
    return one(x.dtype, [...x.shape.slice(0, -1), y.shape.at(-2)!]);
  },
  cdistBackward: (a) => [a.tensor('x1')],
  ctcLossForward: (a) => {
    const lp = a.tensor('logProbs');
    const states = Math.max(0, ...a.ints('targetLengths')) * 2 + 1;
    return [
      { dtype: lp.dtype, shape: [lp.shape[1]!] },
      { dtype: 'float64', shape: [lp.shape[1]!, lp.shape[0]!, states] },
    ];
  },
  ctcLossBackward: (a) => [a.tensor('logProbs')],
  recurrentSequence: (a) => {
    const [x, h] = [rank(a, 'gates', 3), rank(a, 'hidden', 2)];
    const [steps, batch] = x.shape as [Dim, Dim];
    const lstm = a.optional('cell') !== null;
    const kept = !a.bool('keep') ? 0 : mulDims(h.shape[1]!, lstm ? 5 : a.attr('mode') === 'gru' ? 4 : 0);
    return [
      { dtype: x.dtype, shape: [steps, batch, h.shape[1]!] },
      h,
      lstm ? h : { dtype: x.dtype, shape: [0] },
      { dtype: x.dtype, shape: [steps, batch, kept] },
    ];
  },
  recurrentSequenceBackward: (a) => {
    const [x, h, w] = [a.tensor('gates'), a.tensor('hidden'), a.tensor('weight')];
    return [x, h, a.optional('cell') ?? { dtype: x.dtype, shape: [0] }, w, { dtype: x.dtype, shape: [w.shape[0]!] }];
  },
  attentionForward: (a) => {
    const [q, v] = [a.tensor('query'), a.tensor('value')];
    if (q.shape.length < 2) a.fail(`'query' must have at least 2 dimensions, got ${text(q)}`);
    const rows = q.shape.slice(0, -1);
    return [
      { dtype: q.dtype, shape: [...rows, v.shape.at(-1)!] },
      { dtype: q.dtype, shape: rows },
    ];
  },
  attentionBackward: (a) => [a.tensor('query'), a.tensor('key'), a.tensor('value')],
  isin: (a) => one('bool', a.tensor('elements').shape),
  mm: (a) => mm(a, 'self', 'mat2'),
  addmm: (a) => mm(a, 'mat1', 'mat2'),
  bmm: (a) => {
    const [x, y] = [rank(a, 'self', 3), rank(a, 'mat2', 3)];
    inner(a, x.shape[2]!, y.shape[1]!, x, y);
    if (!sameDim(x.shape[0]!, y.shape[0]!)) a.fail(`batch sizes differ: ${text(x)} and ${text(y)}`);
    return one(promoteTypes(x.dtype, y.dtype), [x.shape[0]!, x.shape[1]!, y.shape[2]!]);
  },
  dot: (a) => {
    const [x, y] = [rank(a, 'self', 1), rank(a, 'tensor', 1)];
    inner(a, x.shape[0]!, y.shape[0]!, x, y);
    return one(x.dtype, []);
  },
  linear: (a) => {
    const [x, w] = [a.tensor('input'), a.tensor('weight')];
    inner(a, x.shape.at(-1)!, w.shape.at(-1)!, x, w);
    return one(x.dtype, [...x.shape.slice(0, -1), ...(w.shape.length > 1 ? [w.shape[0]!] : [])]);
  },
  convolution,
  convolutionBackwardInput: sized('gradOutput', 'inputSize'),
  convolutionBackwardWeight: sized('gradOutput', 'weightSize'),
  maxPoolNd: pool(['self', 'int64']),
  maxPoolNdBackward: sized('gradOutput', 'inputSize'),
  avgPoolNd: pool(['self']),
  avgPoolNdBackward: sized('gradOutput', 'inputSize'),
  adaptiveAvgPoolNd: resized('self'),
  adaptiveAvgPoolNdBackward: sized('gradOutput', 'inputSize'),
  adaptiveMaxPoolNd: resized('self', true),
  fractionalMaxPoolNd: resized('self', true),
  resample: resized('input'),
  resampleBackward: sized('gradOutput', 'inputSize'),
  im2col: columns,
  col2im: images,
  constantPadNd: padded,
  cat,
  gather: (a) => one(a.tensor('self').dtype, a.tensor('index').shape),
  scatter: self,
  scatterAdd: self,
  scatterReduce: self,
  flip: self,
  indexPut: self,
  indexSelect: (a) => {
    const [x, index] = [a.tensor('self'), a.tensor('index')];
    const d = wrapDim(a.op, a.int('dim'), x.shape.length);
    return one(
      x.dtype,
      x.shape.map((e, i) => (i === d ? (index.shape[0] ?? 1) : e)),
    );
  },
  index: indexed,
  embedding: (a) => one(a.tensor('weight').dtype, [...a.tensor('indices').shape, a.tensor('weight').shape[1]!]),
  embeddingBackward: (a) =>
    one(a.tensor('gradOutput').dtype, [a.int('numWeights'), a.tensor('gradOutput').shape.at(-1)!]),
  segmentMax: (a) => {
    const shape = [a.dim('count'), a.tensor('self').shape[1]!];
    return [
      { dtype: a.tensor('self').dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  sort: (a) => [a.tensor('self'), { dtype: 'int64', shape: a.tensor('self').shape }],
  topk: (a) => {
    const x = a.tensor('self');
    const d = wrapDim(a.op, a.int('dim'), x.shape.length);
    const shape = x.shape.map((e, i) => (i === d ? a.int('k') : e));
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  tril: self,
  triu: self,
  uniform: self,
  normal: self,
  bernoulli: self,
  bernoulliOf: self,
  rreluNoise: self,
  randint: self,
  randperm: (a) => one('int64', [a.dim('n')]),
  multinomial: (a) => one('int64', [...a.tensor('self').shape.slice(0, -1), a.int('numSamples')]),
  empty: creation('float32'),
  full: creation('float32'),
  linspace: (a) => one(a.dtype('dtype') ?? 'float32', [a.dim('steps')]),
  eye: (a) =>
    one(a.dtype('dtype') ?? 'float32', [
      a.dim('n'),
      a.attr('m') === null || a.attr('m') === undefined ? a.dim('n') : a.dim('m'),
    ]),
};
