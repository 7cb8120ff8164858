// Windows of pooling that are written out tap by tap.
import { type Dim, type Node } from '../ir/graph.js';
import { type Index, ixAdd, ixConst, ixMul } from './indexing.js';
import { type Attrs } from './views.js';

/** Windows of up to this many elements are written out: a map over the results, whose last dimension stays the vector. */
const MAX_TAPS = 64;
/** Windows that are longer along the last dimension are folded in the order of memory. */
const MAX_STEP = 4;

/**
 * The elements of each window, as positions in the image of `shape`: from a result's position, one position for each tap. Null
 * when the geometry is another one: a border (a tap would lie outside), many taps, extents that are symbols.
 */
export function innerWindows(
  n: Node,
  a: Attrs,
  shape: readonly Dim[],
): ((idx: readonly Index[]) => readonly (readonly Index[])[]) | null {
  const kernel = a.ints('kernelSize')!;
  const lead = shape.length - kernel.length;
  const results = n.outputs[0]!.type.shape;
  const each = (name: string, fallback: readonly number[]): readonly number[] => {
    const list = a.ints(name) ?? [];
    const given = list.length === 0 ? fallback : list;
    return kernel.map((_, d) => given[given.length === 1 ? 0 : d]!);
  };
  const [stride, padding, dilation] = [each('stride', kernel), each('padding', [0]), each('dilation', [1])];
  const whole = kernel.every((k, d) => {
    const [size, count] = [shape[lead + d], results[lead + d]];
    return (
      padding[d] === 0 &&
      typeof size === 'number' &&
      typeof count === 'number' &&
      (count - 1) * stride[d]! + (k - 1) * dilation[d]! < size
    );
  });
  if (!whole || kernel.at(-1)! > MAX_STEP || kernel.reduce((p, k) => p * k, 1) > MAX_TAPS) return null;
  const taps = kernel.reduce<number[][]>(
    (list, k, d) => list.flatMap((t) => Array.from({ length: k }, (_, i) => [...t, i * dilation[d]!])),
    [[]],
  );
  return (idx) =>
    taps.map((tap) => [
      ...idx.slice(0, lead),
      ...tap.map((at, d) => ixAdd(ixMul(idx[lead + d]!, ixConst(stride[d]!)), ixConst(at))),
    ]);
}
