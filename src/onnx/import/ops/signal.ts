// Fourier transforms as products with their matrix, windows, mel filters; n-grams; boxes; deformable convolution.
import * as t from './t.js';
import { tensor } from '../../../tensor/create.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, unrecorded, type NodeContext, type OperatorTable } from '../node.js';
import { elementType } from '../tensors.js';
import { spatialOf, windowOf } from './conv_pool.js';
import { checkedShape } from './shape.js';

const f64 = { dtype: 'float64' } as const;

/** cos and sin of 2 pi i k / N, [N, K]. */
function twiddles(N: number, K: number): [Tensor, Tensor] {
  const [c, s] = [new Float64Array(N * K), new Float64Array(N * K)];
  for (let i = 0; i < N; i++)
    for (let k = 0; k < K; k++) {
      const angle = (2 * Math.PI * ((i * k) % N)) / N;
      c[i * K + k] = Math.cos(angle);
      s[i * K + k] = Math.sin(angle);
    }
  return [tensor(c, f64).reshape([N, K]), tensor(s, f64).reshape([N, K])];
}
const fit = (x: Tensor, length: number): Tensor =>
  x.shape.at(-1)! >= length
    ? x.narrow(-1, 0, length)
    : t.cat([x, t.zeros([...x.shape.slice(0, -1), length - x.shape.at(-1)!], f64)], -1);

/** The transform along the last dimension of re + i im. */
function transform(re: Tensor, im: Tensor | null, N: number, K: number, inverse: boolean): [Tensor, Tensor] {
  const [c, s] = unrecorded(() => twiddles(N, K));
  const sign = inverse ? 1 : -1;
  let [a, b] = [re.matmul(c), re.matmul(s).mul(sign)];
  if (im) [a, b] = [a.sub(im.matmul(s).mul(sign)), b.add(im.matmul(c))];
  return inverse ? [a.div(N), b.div(N)] : [a, b];
}

function dft(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const given = n.opset < 20 ? n.attributeInt('axis', 1) : n.has(2) ? n.int(2) : -2;
  const axis = n.axis(given, x.dim());
  const parts = x.shape.at(-1)!;
  if (axis === x.dim() - 1 || (parts !== 1 && parts !== 2)) n.fail(`axis ${given} of shape [${x.shape}]`);
  const [inverse, onesided] = [n.flag('inverse'), n.flag('onesided')];
  const along = (part: number): Tensor => x.select(-1, part).double().movedim(axis, -1);
  let [re, im] = [along(0), parts === 2 ? along(1) : null];
  const size = x.shape[axis]!;
  const back = inverse && onesided;
  const N = n.has(1) ? n.int(1) : back ? 2 * (size - 1) : size;
  checkedShape(n, [N, N]);
  if (back) {
    // The other half is the conjugate, mirrored.
    const half = Math.floor(N / 2) + 1;
    re = fit(re, half);
    im = im ? fit(im, half) : t.zerosLike(re);
    const mirrored = N - half;
    const tail = (v: Tensor): Tensor => v.narrow(-1, 1, mirrored).flip([-1]);
    [re, im] = [t.cat([re, tail(re)], -1), t.cat([im, tail(im).neg()], -1)];
    return transform(re, im, N, N, true)[0].movedim(-1, axis).unsqueeze(-1).to(x.dtype);
  }
  const K = onesided ? Math.floor(N / 2) + 1 : N;
  const [a, b] = transform(fit(re, N), im ? fit(im, N) : null, N, K, inverse);
  return t.stack([a.movedim(-1, axis), b.movedim(-1, axis)], -1).to(x.dtype);
}

function stft(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const step = n.int(1);
  const window = n.optional(2);
  const length = n.has(3) ? n.int(3) : (window?.shape[0] ?? x.shape[1]!);
  if (step < 1 || length < 1 || length > x.shape[1]!) n.fail(`frames of ${length} every ${step} of ${x.shape[1]}`);
  const frames = (part: number): Tensor => {
    const f = x.select(-1, part).double().unfold(1, length, step);
    return window ? f.mul(window.double()) : f;
  };
  const K = n.flag('onesided', true) ? Math.floor(length / 2) + 1 : length;
  const [a, b] = transform(frames(0), x.shape[2] === 2 ? frames(1) : null, length, K, false);
  return t.stack([a, b], -1).to(x.dtype);
}

/** a0 - a1 cos(2 pi i / N) + a2 cos(4 pi i / N). */
const windowOp = (a0: number, a1: number, a2: number): OperatorTable[string] =>
  op(
    (n) => {
      const size = checkedShape(n, [n.int(0)])[0]!;
      const N = n.flag('periodic', true) ? size : size - 1;
      const values = Float64Array.from({ length: size }, (_, i) =>
        size === 1 ? 1 : a0 - a1 * Math.cos((2 * Math.PI * i) / N) + a2 * Math.cos((4 * Math.PI * i) / N),
      );
      return tensor(values, f64).to(elementType(n.attributeInt('output_datatype', 1), n.fail).dtype);
    },
    1,
    { wideAs: null, since: 17 },
  );

function melMatrix(n: NodeContext): Tensor {
  const [bins, length, rate] = [n.int(0), n.int(1), n.int(2)];
  const rows = Math.floor(length / 2) + 1;
  checkedShape(n, [rows, bins]);
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const [low, high] = [mel(n.number(3)), mel(n.number(4))];
  const step = (high - low) / (bins + 2);
  const edges = Array.from({ length: bins + 2 }, (_, i) =>
    Math.floor(((length + 1) * (700 * (10 ** ((i * step + low) / 2595) - 1))) / rate),
  );
  if (edges.some((e) => e < 0 || e > rows)) n.fail('the edges are outside of the spectrum');
  const m = new Float64Array(rows * bins);
  const set = (row: number, column: number, value: number): void => {
    if (row < rows) m[row * bins + column] = value;
  };
  for (let i = 0; i < bins; i++) {
    const [a, b, c] = [edges[i]!, edges[i + 1]!, edges[i + 2]!];
    if (b === a) set(b, i, 1);
    else for (let j = a; j <= b; j++) set(j, i, (j - a) / (b - a));
    for (let j = b; j < c; j++) set(j, i, (c - j) / (c - b));
  }
  return tensor(m, f64)
    .reshape([rows, bins])
    .to(elementType(n.attributeInt('output_datatype', 1), n.fail).dtype);
}

function tfIdf(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const pool = n.attributeInts('pool_int64s') ?? n.fail('pool_int64s is missing (strings are not supported)');
  const counts = n.attributeInts('ngram_counts') ?? n.fail('attribute ngram_counts is missing');
  const places = n.attributeInts('ngram_indexes') ?? n.fail('attribute ngram_indexes is missing');
  const [least, most, skips] = [
    n.attributeInt('min_gram_length'),
    n.attributeInt('max_gram_length'),
    n.attributeInt('max_skip_count'),
  ];
  const mode = n.oneOf('mode', ['TF', 'IDF', 'TFIDF'], 'TF');
  const weights = n.floats('weights');
  const grams = new Map<string, number>();
  let id = 0;
  counts.forEach((start, i) => {
    const end = counts[i + 1] ?? pool.length;
    for (let at = start; at + i + 1 <= end; at += i + 1) {
      if (i + 1 >= least && i + 1 <= most) grams.set(pool.slice(at, at + i + 1).join(), id);
      id++;
    }
  });
  if (places.some((p) => p < 0)) n.fail('a negative place in ngram_indexes');
  const width = places.reduce((a, b) => Math.max(a, b), -1) + 1;
  const rows = x.dim() === 1 ? [n.ints(0)] : (x.to('float64').tolist() as number[][]);
  checkedShape(n, [rows.length, width]);
  const out = rows.map((row) => {
    const found = Array<number>(width).fill(0);
    for (let length = least; length <= most; length++)
      for (let skip = 0; skip <= (length === 1 ? 0 : skips); skip++)
        for (let at = 0; at + (length - 1) * (skip + 1) < row.length; at++) {
          const key = Array.from({ length }, (_, k) => row[at + k * (skip + 1)]).join();
          const gram = grams.get(key);
          if (gram !== undefined && places[gram] !== undefined) found[places[gram]]!++;
        }
    const weightAt = (p: number): number => weights?.[places.indexOf(p)] ?? 1;
    return found.map((c, p) => (mode === 'TF' ? c : (mode === 'IDF' ? Math.sign(c) : c) * weightAt(p)));
  });
  const y = tensor(out, { dtype: 'float32' }).reshape([rows.length, width]);
  return x.dim() === 1 ? y.select(0, 0) : y;
}

function nonMaxSuppression(n: NodeContext): Tensor {
  const boxes = n.tensor(0).double().tolist() as number[][][];
  const scores = n.tensor(1).double().tolist() as number[][][];
  const most = n.has(2) ? n.numbers(2)[0]! : 0;
  const limit = n.has(3) ? n.numbers(3)[0]! : 0;
  const least = n.has(4) ? n.numbers(4)[0]! : -Infinity;
  const center = n.attributeInt('center_point_box', 0) === 1;
  const corners = (b: number[]): [number, number, number, number] => {
    const [p, q, r, s] = b as [number, number, number, number];
    return center
      ? [q - s / 2, p - r / 2, q + s / 2, p + r / 2]
      : [Math.min(p, r), Math.min(q, s), Math.max(p, r), Math.max(q, s)];
  };
  const area = ([a, b, c, d]: number[]): number => (c! - a!) * (d! - b!);
  const overlap = (a: number[], b: number[]): number => {
    const inner =
      Math.max(0, Math.min(a[2]!, b[2]!) - Math.max(a[0]!, b[0]!)) *
      Math.max(0, Math.min(a[3]!, b[3]!) - Math.max(a[1]!, b[1]!));
    return inner / (area(a) + area(b) - inner);
  };
  const chosen: number[][] = [];
  scores.forEach((classes, image) => {
    const list = (boxes[image] ?? n.fail('boxes and scores of different batches')).map(corners);
    classes.forEach((row, c) => {
      const order = row.flatMap((s, i) => (s > least ? [i] : [])).sort((a, b) => row[b]! - row[a]! || a - b);
      const kept: number[] = [];
      for (const i of order) {
        if (kept.length >= most) break;
        if (kept.every((k) => !(overlap(list[k]!, list[i]!) > limit))) kept.push(i);
      }
      for (const i of kept) chosen.push([image, c, i]);
    });
  });
  return chosen.length > 0 ? tensor(chosen, { dtype: 'int64' }) : t.zeros([0, 3], { dtype: 'int64' });
}

function deformConv(n: NodeContext): Tensor {
  const [x, weight, offset] = [n.tensor(0), n.tensor(1), n.tensor(2)];
  const spatial = spatialOf(n, x);
  if (spatial.length !== 2) n.fail('only images (2 dimensions) are supported');
  const [kh, kw] = weight.shape.slice(2) as [number, number];
  const w = windowOf(n, spatial, [kh, kw]);
  const [groups, offsetGroups] = [n.attributeInt('group', 1), n.attributeInt('offset_group', 1)];
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [oh, ow] = offset.shape.slice(2) as [number, number];
  const K = kh * kw;
  if (offset.shape[1] !== offsetGroups * K * 2 || C % offsetGroups !== 0 || C % groups !== 0)
    n.fail(`offsets of shape [${offset.shape}] for ${offsetGroups} groups of ${K} points`);
  const shifts = offset.reshape([N, offsetGroups, K, 2, oh, ow]);
  const grid = (i: 0 | 1): Tensor => {
    const count = i === 0 ? oh : ow;
    const base = t
      .arange(0, count, 1, f64)
      .mul(w.strides[i]!)
      .sub(w.before[i]!)
      .reshape(i === 0 ? [1, oh, 1] : [1, 1, ow]);
    const k = t.arange(0, K, 1, { dtype: 'int64' });
    const point = (i === 0 ? k.div(kw, { roundingMode: 'floor' }) : k.remainder(kw))
      .mul(w.dilations[i]!)
      .reshape([K, 1, 1]);
    return base.add(point).to(x.dtype).add(shifts.select(3, i));
  };
  const [py, px] = [grid(0), grid(1)];
  const flat = x.reshape([N, offsetGroups, C / offsetGroups, H * W]);
  const corner = (y: Tensor, z: Tensor, part: Tensor): Tensor => {
    const inside = y.ge(0).logicalAnd(y.lt(H)).logicalAnd(z.ge(0)).logicalAnd(z.lt(W));
    const at = y
      .clamp(0, H - 1)
      .mul(W)
      .add(z.clamp(0, W - 1))
      .to('int64')
      .reshape([N, offsetGroups, 1, -1]);
    const values = flat.gather(3, at.expand([N, offsetGroups, C / offsetGroups, K * oh * ow]));
    return values.mul(t.where(inside, part, 0).to(x.dtype).reshape([N, offsetGroups, 1, -1]));
  };
  const [y0, x0] = [py.floor(), px.floor()];
  const [fy, fx] = [py.sub(y0), px.sub(x0)];
  const rest = (v: Tensor): Tensor => v.neg().add(1);
  let columns = corner(y0, x0, rest(fy).mul(rest(fx)))
    .add(corner(y0, x0.add(1), rest(fy).mul(fx)))
    .add(corner(y0.add(1), x0, fy.mul(rest(fx))))
    .add(corner(y0.add(1), x0.add(1), fy.mul(fx)));
  if (n.has(4)) columns = columns.mul(n.tensor(4).reshape([N, offsetGroups, 1, -1]));
  const inputs = columns.reshape([N, groups, (C / groups) * K, oh * ow]);
  const kernels = weight.reshape([groups, weight.shape[0]! / groups, -1]);
  const y = kernels.matmul(inputs).reshape([N, weight.shape[0]!, oh, ow]);
  return n.has(3) ? y.add(n.tensor(3).reshape([-1, 1, 1])) : y;
}

export const SIGNAL: OperatorTable = {
  DFT: op(dft, [1, 3], { since: 17 }),
  STFT: op(stft, [2, 4], { since: 17, settings: [2] }),
  HannWindow: windowOp(0.5, 0.5, 0),
  HammingWindow: windowOp(25 / 46, 1 - 25 / 46, 0),
  BlackmanWindow: windowOp(0.42, 0.5, 0.08),
  MelWeightMatrix: op(melMatrix, 5, { since: 17, settings: [3, 4], wideAs: null }),
  TfIdfVectorizer: op(tfIdf, 1, { since: 9 }),
  NonMaxSuppression: op(nonMaxSuppression, [2, 5], { since: 10, settings: [3, 4], wideAs: null }),
  DeformConv: op(deformConv, [3, 5], { since: 19 }),
};
