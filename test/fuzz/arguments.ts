// Random arguments for any declared op, from its signature: tensors of all dtypes, shapes, strides and values, numbers good and bad.
import fc from 'fast-check';
import * as fb from '../../src/index.js';
import { DTYPES } from '../../src/tensor/dtype.js';
import type { Tensor } from '../../src/index.js';
import type { OpInfo, Param } from '../../src/ir/opinfo.js';

/** How a tensor is made; plain data, so that fast-check can print and shrink it. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: number;
  readonly layout: 'plain' | 'transposed' | 'stepped' | 'expanded' | 'offset' | 'empty-tail';
  readonly values: 'small' | 'indices' | 'special' | 'zeros';
  readonly requiresGrad: boolean;
  readonly seed: number;
}
export type ArgSpec =
  | { readonly tensor: TensorSpec }
  | { readonly tensors: readonly (TensorSpec | null)[] }
  | { readonly value: unknown }
  | { readonly generator: true };

const FLOATING = [0, 1, 2, 3];
const dim = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 4 }) },
  { weight: 1, arbitrary: fc.constant(17) },
);
const shapes = fc.array(dim, { maxLength: 4 });
const layouts = fc.constantFrom(
  'plain' as const,
  'plain' as const,
  'transposed' as const,
  'stepped' as const,
  'expanded' as const,
  'offset' as const,
  'empty-tail' as const,
);
const dtypes = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.constant(DTYPES.indexOf('int64')) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: DTYPES.length - 1 }) },
);
const values = fc.constantFrom(
  'small' as const,
  'small' as const,
  'indices' as const,
  'special' as const,
  'zeros' as const,
);

/** Mostly small numbers; sometimes those that break size arithmetic. */
const ints = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -4, max: 6 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(300, -300, 2 ** 40, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 62, 1.5, NaN),
  },
);
const floats = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -4, max: 4, noNaN: true }) },
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 5 }) },
  { weight: 2, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity, 0, -0, 1e300, 1e-300) },
);
const numbers = fc.oneof(
  { weight: 6, arbitrary: floats },
  { weight: 1, arbitrary: fc.boolean() },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
);
/** What ops read from strings, and what none reads. */
const strings = fc.constantFrom(
  'none', 'mean', 'sum', 'tanh', 'trunc', 'floor', 'amax', 'amin', 'prod', 'constant', 'reflect', 'replicate', 'circular', 'nearest',
  'bilinear', 'bicubic', 'linear', 'zeros', 'border', 'reduction', 'ij', 'ij,jk->ik', 'ii->i', 'fro', 'nuc', 'left', '', 'π',
); // prettier-ignore

/** Tensors of one call mostly have the call's shape, so that many calls get past the checks. */
function tensors(base: readonly number[]): fc.Arbitrary<TensorSpec> {
  const shape = fc.oneof(
    { weight: 6, arbitrary: fc.constant(base) },
    { weight: 2, arbitrary: fc.constant(base.map((s, i) => (i % 2 === 0 ? 1 : s))) },
    { weight: 1, arbitrary: fc.constant(base.slice(1)) },
    { weight: 1, arbitrary: fc.constant([...base.slice(0, -2), ...base.slice(-2).reverse()]) },
    { weight: 3, arbitrary: shapes },
  );
  return fc.record({ shape, dtype: dtypes, layout: layouts, values, requiresGrad: fc.boolean(), seed: fc.nat(1000) });
}

function argument(p: Param, base: readonly number[]): fc.Arbitrary<ArgSpec> {
  const value = (a: fc.Arbitrary<unknown>): fc.Arbitrary<ArgSpec> => a.map((v) => ({ value: v }));
  const optional = (a: fc.Arbitrary<ArgSpec>): fc.Arbitrary<ArgSpec> =>
    fc.oneof({ weight: 2, arbitrary: a }, { weight: 1, arbitrary: fc.constant<ArgSpec>({ value: null }) });
  const tensor = tensors(base).map((t): ArgSpec => ({ tensor: t }));
  switch (p.type) {
    case 'Tensor':
      return tensor;
    case 'Tensor?':
      return optional(tensor);
    case 'Operand':
      return fc.oneof(tensor, value(numbers));
    case 'Tensor[]':
      return fc.array(tensors(base), { maxLength: 3 }).map((ts): ArgSpec => ({ tensors: ts }));
    case 'Tensor?[]':
      return fc.array(fc.option(tensors(base)), { maxLength: 3 }).map((ts): ArgSpec => ({ tensors: ts }));
    case 'int':
      return value(ints);
    case 'float':
      return value(floats);
    case 'Scalar':
      return value(numbers);
    case 'bool':
      return value(fc.boolean());
    case 'string':
      return value(strings);
    case 'dtype':
      return value(fc.integer({ min: -1, max: DTYPES.length }));
    case 'int[]':
      return value(fc.oneof(fc.array(ints, { maxLength: 4 }), fc.constant([...base])));
    case 'float[]':
      return value(fc.array(floats, { maxLength: 4 }));
    case 'Generator?':
      return fc.constantFrom<ArgSpec>({ value: null }, { generator: true });
    default:
      return optional(argument({ ...p, type: p.type.slice(0, -1) as Param['type'] }, base));
  }
}

/** Arguments of one call, in schema order. Defaults are often left to stand. */
export function argumentsOf(op: OpInfo): fc.Arbitrary<ArgSpec[]> {
  return shapes.chain((base) =>
    fc.tuple(
      ...op.params.map((p) =>
        p.default === undefined
          ? argument(p, base)
          : fc.oneof(
              { weight: 1, arbitrary: fc.constant<ArgSpec>({ value: p.default }) },
              { weight: 1, arbitrary: argument(p, base) },
            ),
      ),
    ),
  );
}

function contents(s: TensorSpec, shape: readonly number[]): Tensor {
  const dtype = DTYPES[s.dtype]!;
  const floating = FLOATING.includes(s.dtype);
  const generator = new fb.Generator().manualSeed(s.seed);
  if (s.values === 'zeros') return fb.zeros([...shape], { dtype });
  if (s.values === 'indices') return fb.randint(-1, 4, [...shape], { generator, dtype: 'int64' }).to(dtype);
  const base = fb.rand([...shape], { generator, dtype: 'float64' });
  if (s.values === 'small' || !floating)
    return (s.values === 'special' ? base.sub(0.5).mul(1e19) : base.sub(0.5).mul(6)).to(dtype);
  const special = fb.tensor([NaN, Infinity, -Infinity, -0, 0, 1e30, -1e-30], { dtype: 'float64' });
  return special.index(base.mul(7).floor().clamp(0, 6).to('int64')).to(dtype);
}

/** Makes the tensor that a spec describes. */
export function build(s: TensorSpec): Tensor {
  const { shape } = s;
  const n = shape.length;
  let t: Tensor;
  if (s.layout === 'transposed' && n >= 2) {
    t = contents(s, [...shape.slice(0, -2), shape[n - 1]!, shape[n - 2]!]).transpose(-1, -2);
  } else if (s.layout === 'stepped' && n >= 1) {
    t = contents(s, [...shape.slice(0, -1), shape[n - 1]! * 2]).index('...', fb.slice(null, null, 2));
  } else if (s.layout === 'expanded' && n >= 1) {
    t = contents(s, [1, ...shape.slice(1)]).expand([...shape]);
  } else if (s.layout === 'offset' && n >= 1) {
    t = contents(s, [shape[0]! + 3, ...shape.slice(1)]).narrow(0, 2, shape[0]!);
  } else if (s.layout === 'empty-tail') {
    t = contents(s, [...shape, 1]).select(-1, 0);
  } else t = contents(s, shape);
  return s.requiresGrad && FLOATING.includes(s.dtype) ? t.detach().requiresGrad_() : t;
}
