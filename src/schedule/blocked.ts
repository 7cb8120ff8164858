// Which images stay in blocks of 16 channels between convolutions. The library's convolutions read and write
// [N, C/16, H, W, 16] without converting; ops between them that work on any order of elements keep it. Nothing depends on the
// choice for its result: a blocked tensor is read through an index map like any view.
import { type Dim, type Graph, type Node, type Value } from '../ir/graph.js';
import { inputValues } from '../ir/build.js';
import { type OpInfo } from '../ir/opinfo.js';
import { sameShape } from '../ir/dim.js';
import { type View } from './defs.js';
import { type Index, ixAdd, ixConst, ixDiv, ixMod, ixMul } from './indexing.js';
import { Attrs, wrapAxis } from './views.js';
import { innerWindows } from './windows.js';

/** Lanes of a block: one AVX-512 register of float32. */
export const BLOCK = 16;
/** Multiply-adds from which the library's own kernels take a convolution (native/cpu/conv.cc). */
const SMALLEST = 1 << 17;

export const blockedShape = ([n, c, h, w]: readonly Dim[]): Dim[] => [n!, (c as number) / BLOCK, h!, w!, BLOCK];
/** Position in the image of a position in its blocks. */
export const imageIndex = ([n, block, h, w, lane]: readonly Index[]): Index[] => [
  n!,
  ixAdd(ixMul(block!, ixConst(BLOCK)), lane!),
  h!,
  w!,
];
const blockIndex = ([n, c, h, w]: readonly Index[]): Index[] => [
  n!,
  ixDiv(c!, ixConst(BLOCK)),
  h!,
  w!,
  ixMod(c!, ixConst(BLOCK)),
];
/** The image behind blocks. */
export const imageOf = (blocks: View, shape: readonly Dim[]): View => ({
  shape,
  dtype: blocks.dtype,
  at: (idx) => blocks.at(blockIndex(idx)),
});
/** An image read block by block. */
export const blocksOf = (image: View): View => ({
  shape: blockedShape(image.shape),
  dtype: image.dtype,
  at: (idx) => image.at(imageIndex(idx)),
});

type Sized = readonly [number, number, number, number];
/** Sizes of a float32 image, null for anything else and for sizes that vary. */
function sizes(v: Value): Sized | null {
  const { dtype, shape } = v.type;
  if (dtype !== 'float32' || shape.length !== 4 || !shape.every((d) => typeof d === 'number')) return null;
  return shape.some((d) => d === 0) ? null : (shape as unknown as Sized);
}
const fits = (v: Value): boolean => (sizes(v)?.[1] ?? 1) % BLOCK === 0;
const valueAt = (n: Node, k: number): Value | null => {
  const i = n.inputs[k];
  return i?.kind === 'value' ? i.value : null;
};

/** Whether a convolution can take and give blocks. */
function convolution(n: Node, info: OpInfo | undefined): { readonly reads: boolean; readonly writes: boolean } | null {
  if (n.op !== 'convolution') return null;
  const [x, w] = [valueAt(n, 0), valueAt(n, 1)];
  const y = n.outputs[0]!;
  const [from, kernel, to] = [x && sizes(x), w && sizes(w), sizes(y)];
  const a = new Attrs(n, info);
  if (!from || !kernel || !to || a.get('transposed') === true || to[1] < BLOCK) return null;
  const groups = a.int('groups');
  const depthwise = groups === from[1] && groups === to[1];
  if (groups !== 1 && !(depthwise && fits(x!))) return null;
  if (to.reduce((p, d) => p * d, 1) * kernel[1] * kernel[2] * kernel[3] < SMALLEST) return null;
  return { reads: fits(x!), writes: fits(y) };
}

/** Images that an op reads in the order in which it writes its result; empty where it needs another order. */
function carried(n: Node, info: OpInfo | undefined, used: (v: Value) => boolean): readonly Value[] {
  const y = n.outputs[0];
  if (y === undefined || !fits(y) || sizes(y) === null) return [];
  if (n.op === 'cat') {
    const parts = n.inputs.flatMap(inputValues);
    const whole = wrapAxis(new Attrs(n, info).int('dim'), 4) === 1 && parts.every((v) => sizes(v) !== null && fits(v));
    return whole ? parts : [];
  }
  if (n.op === 'maxPoolNd') {
    const image = valueAt(n, 0)!;
    return !used(n.outputs[1]!) && innerWindows(n, new Attrs(n, info), image.type.shape) ? [image] : [];
  }
  if (info?.kind !== 'pointwise' || n.outputs.length !== 1) return [];
  return n.inputs.flatMap(inputValues).filter((v) => sizes(v) !== null && sameShape(v.type.shape, y.type.shape));
}

/** The values to keep in blocks: made by a convolution, perhaps through ops that keep the order, and read by another one. */
export function blockedValues(
  g: Graph,
  lookup: (op: string) => OpInfo | undefined,
  used: (v: Value) => boolean,
): ReadonlySet<Value> {
  const blocked = new Set<Value>();
  // Gradients of weights read the image itself.
  if (g.nodes.some((n) => n.op.startsWith('convolutionBackward'))) return blocked;
  const wanted = new Set<Value>();
  for (const n of [...g.nodes].reverse()) {
    const info = lookup(n.op);
    if (convolution(n, info)?.reads) wanted.add(valueAt(n, 0)!);
    if (wanted.has(n.outputs[0]!)) for (const v of carried(n, info, used)) wanted.add(v);
  }
  for (const n of g.nodes) {
    const y = n.outputs[0];
    if (y === undefined || !wanted.has(y)) continue;
    const info = lookup(n.op);
    if (convolution(n, info)?.writes || carried(n, info, used).some((v) => blocked.has(v))) blocked.add(y);
  }
  return blocked;
}
