// Shapes of the view ops (and of the functional ops with a view's shape). C++ twin: native/core/views.cc.
import { addDims, divDims, printDim, productOf, sameDim, subDims } from './dim.js';
import type { Dim, TensorType } from './graph.js';
import { normalizeDims, RuleError, wrapDim, type RuleArgs } from './rule_args.js';

type Rule = (a: RuleArgs) => readonly TensorType[];

const shapes = (shape: readonly Dim[]): string => `[${shape.map(printDim).join(', ')}]`;

/** A requested size with its -1 worked out. */
function resolveSize(a: RuleArgs, from: readonly Dim[], size: readonly Dim[]): Dim[] {
  const total = productOf(from);
  const hole = size.indexOf(-1);
  const bad = (): never => a.fail(`shape '${shapes(size)}' is invalid for input of size ${printDim(total)}`);
  if (hole < 0) return sameDim(productOf(size), total) ? [...size] : bad();
  const known = productOf(size.filter((_, i) => i !== hole));
  return size.map((d, i) => (i === hole ? (divDims(total, known) ?? bad()) : d));
}

const sized =
  (size: string): Rule =>
  (a) => {
    const self = a.tensor('self');
    return [{ dtype: self.dtype, shape: resolveSize(a, self.shape, a.dims(size)) }];
  };

const reshaped = (a: RuleArgs, f: (shape: readonly Dim[]) => readonly Dim[]): TensorType[] => {
  const self = a.tensor('self');
  return [{ dtype: self.dtype, shape: f(self.shape) }];
};

function sliceLength(a: RuleArgs, extent: Dim): Dim {
  const [start, end, step] = [a.attr('start') ?? 0, a.attr('end') ?? extent, a.int('step')];
  if (step <= 0) a.fail(`slice step must be positive, got ${step}`);
  if (typeof extent === 'number' && typeof start === 'number' && typeof end === 'number') {
    const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + extent : v, 0), extent);
    return Math.max(0, Math.ceil((clamp(end) - clamp(start)) / step));
  }
  // Symbolic: bounds from the front or the back of an extent that is large enough, as it was when it was traced.
  const place = (v: Dim): Dim =>
    typeof v === 'number' && v < 0 ? addDims(extent, v) : typeof v === 'number' && v > 2 ** 53 ? extent : v;
  const length = subDims(place(end as Dim), place(start as Dim));
  return (
    divDims(length, step) ?? a.fail(`the length of a slice of ${printDim(extent)} with step ${step} is no polynomial`)
  );
}

export const VIEW_RULES: Readonly<Record<string, Rule>> = {
  view: sized('size'),
  reshape: sized('shape'),
  permute: (a) =>
    reshaped(a, (s) => {
      const dims = a.ints('dims');
      if (dims.length !== s.length)
        a.fail(`number of dims does not match: the tensor has ${s.length}, got ${dims.length}`);
      return [...normalizeDims(a.op, dims, s.length)].map((d) => s[d]!);
    }),
  transpose: (a) =>
    reshaped(a, (s) => {
      const [i, j] = [wrapDim(a.op, a.int('dim0'), s.length), wrapDim(a.op, a.int('dim1'), s.length)];
      return s.map((d, k) => (k === i ? s[j]! : k === j ? s[i]! : d));
    }),
  t: (a) =>
    reshaped(a, (s) =>
      s.length > 2 ? a.fail(`expects a tensor with <= 2 dimensions, but self is ${s.length}D`) : [...s].reverse(),
    ),
  unsqueeze: (a) =>
    reshaped(a, (s) => {
      const d = wrapDim(a.op, a.int('dim'), s.length + 1);
      return [...s.slice(0, d), 1, ...s.slice(d)];
    }),
  squeeze: (a) =>
    reshaped(a, (s) => {
      const dim = a.attr('dim');
      const only = dim === null || dim === undefined ? null : normalizeDims(a.op, a.ints('dim'), s.length);
      return s.filter((d, i) => d !== 1 || (only !== null && !only.has(i)));
    }),
  expand: (a) =>
    reshaped(a, (s) => {
      const size = a.dims('size');
      const skip = size.length - s.length;
      if (skip < 0)
        a.fail(
          `the number of sizes provided (${size.length}) must be greater or equal to the number of dimensions (${s.length})`,
        );
      return size.map((want, i) => {
        const have = i < skip ? undefined : s[i - skip]!;
        if (want === -1) return have ?? a.fail(`-1 is not allowed in a leading, non-existing dimension ${i}`);
        if (have !== undefined && have !== 1 && !sameDim(have, want)) {
          a.fail(
            `The expanded size of the tensor (${printDim(want)}) must match the existing size (${printDim(have)}) at non-singleton dimension ${i}`,
          );
        }
        return want;
      });
    }),
  select: (a) =>
    reshaped(a, (s) => {
      if (s.length === 0) a.fail('cannot be applied to a 0-dim tensor.');
      const d = wrapDim(a.op, a.int('dim'), s.length);
      const [index, extent] = [a.int('index'), s[d]!];
      if (typeof extent === 'number' && (index >= extent || index < -extent)) {
        a.fail(`index ${index} out of range for tensor of size ${shapes(s)} at dimension ${d}`);
      }
      return s.filter((_, i) => i !== d);
    }),
  slice: (a) =>
    reshaped(a, (s) => {
      const d = wrapDim(a.op, a.int('dim'), s.length);
      return s.map((x, i) => (i === d ? sliceLength(a, x) : x));
    }),
  narrow: (a) =>
    reshaped(a, (s) => {
      const d = wrapDim(a.op, a.int('dim'), s.length);
      const length = a.dim('length');
      const end = addDims(a.dim('start'), length);
      const extent = s[d]!;
      if (typeof end === 'number' && typeof extent === 'number' && end > extent) {
        a.fail(`start (${a.int('start')}) + length (${printDim(length)}) exceeds dimension size (${extent}).`);
      }
      return s.map((x, i) => (i === d ? length : x));
    }),
  flatten: (a) =>
    reshaped(a, (s) => {
      if (s.length === 0) return [1];
      const [from, to] = [wrapDim(a.op, a.int('startDim'), s.length), wrapDim(a.op, a.int('endDim'), s.length)];
      if (from > to) a.fail('flatten() has invalid args: start_dim cannot come after end_dim');
      return [...s.slice(0, from), productOf(s.slice(from, to + 1)), ...s.slice(to + 1)];
    }),
  asStrided: (a) => reshaped(a, () => a.dims('size')),
  diagonal: (a) =>
    reshaped(a, (s) => {
      const [d1, d2, offset] = [
        wrapDim(a.op, a.int('dim1'), s.length),
        wrapDim(a.op, a.int('dim2'), s.length),
        a.int('offset'),
      ];
      if (d1 === d2) a.fail(`dimensions cannot be identical ${d1}, ${d2}`);
      const [n, m] = [s[d1]!, s[d2]!];
      if (typeof n !== 'number' || typeof m !== 'number')
        throw new RuleError(a.op, 'the diagonal of a symbolic extent is no polynomial');
      const length = Math.max(0, offset >= 0 ? Math.min(n, m - offset) : Math.min(n + offset, m));
      return [...s.filter((_, i) => i !== d1 && i !== d2), length];
    }),
  movedim: (a) =>
    reshaped(a, (s) => {
      const source = [...normalizeDims(a.op, a.ints('source'), s.length)];
      const destination = [...normalizeDims(a.op, a.ints('destination'), s.length)];
      const out = new Array<Dim | undefined>(s.length).fill(undefined);
      source.forEach((d, i) => (out[destination[i]!] = s[d]!));
      const rest = s.filter((_, i) => !source.includes(i));
      return out.map((d) => d ?? rest.shift()!);
    }),
  unfold: (a) =>
    reshaped(a, (s) => {
      const [d, size, step] = [wrapDim(a.op, a.int('dimension'), s.length), a.int('size'), a.int('step')];
      const n = s[d]!;
      if (typeof n !== 'number') throw new RuleError(a.op, 'windows over a symbolic extent are no polynomial');
      return [...s.map((x, i) => (i === d ? Math.floor((n - size) / step) + 1 : x)), size];
    }),
  detach: (a) => [a.tensor('self')],
  alias: (a) => [a.tensor('self')],
};
