// Boxes [x1, y1, x2, y2]: conversion, overlap, non-maximum suppression. Source: torchvision/ops/boxes.py, 0.14.
import { ShapeError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import { stack } from '../../../generated/ts/functions.js';
import { indexTensor } from '../../data/dataset.js';
import { tensor, zeros } from '../../tensor/create.js';

export type BoxFormat = 'xyxy' | 'xywh' | 'cxcywh';
function checkBoxes(what: string, boxes: Tensor): void {
  if (boxes.ndim !== 2 || boxes.shape[1] !== 4)
    throw new ShapeError(`${what}: boxes should be a 2D tensor of shape [N, 4], got [${boxes.shape.join(', ')}]`);
}
const columns = (boxes: Tensor): [Tensor, Tensor, Tensor, Tensor] =>
  boxes.unbind(-1) as unknown as [Tensor, Tensor, Tensor, Tensor];

/** Boxes [..., 4] in another format: corners, corner and size, or centre and size. */
export function boxConvert(boxes: Tensor, inFmt: BoxFormat, outFmt: BoxFormat): Tensor {
  for (const f of [inFmt, outFmt])
    if (!['xyxy', 'xywh', 'cxcywh'].includes(f))
      throw new ValueError('Unsupported Bounding Box Conversions for given in_fmt and out_fmt');
  if (inFmt === outFmt) return boxes.clone();
  const [a, b, c, d] = columns(boxes);
  let corners: [Tensor, Tensor, Tensor, Tensor] = [a, b, c, d];
  if (inFmt === 'xywh') corners = [a, b, a.add(c), b.add(d)];
  else if (inFmt === 'cxcywh') corners = [a.sub(c.mul(0.5)), b.sub(d.mul(0.5)), a.add(c.mul(0.5)), b.add(d.mul(0.5))];
  const [x1, y1, x2, y2] = corners;
  if (outFmt === 'xyxy') return stack(corners, -1);
  const [w, h] = [x2.sub(x1), y2.sub(y1)];
  return stack(outFmt === 'xywh' ? [x1, y1, w, h] : [x1.add(x2).div(2), y1.add(y2).div(2), w, h], -1);
}
/** Areas of boxes [N, 4]. */
export function boxArea(boxes: Tensor): Tensor {
  const [x1, y1, x2, y2] = columns(upcast(boxes));
  return x2.sub(x1).mul(y2.sub(y1));
}
/** Products must not overflow. */
const upcast = (t: Tensor): Tensor =>
  t.isFloatingPoint()
    ? t.dtype === 'float32' || t.dtype === 'float64' ? t : t.float()
    : t.dtype === 'int32' || t.dtype === 'int64' ? t : t.int(); // prettier-ignore

function interAndUnion(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const corner = (t: Tensor, at: number): Tensor => t.narrow(1, at, 2);
  const low = corner(a, 0).unsqueeze(1).maximum(corner(b, 0));
  const high = corner(a, 2).unsqueeze(1).minimum(corner(b, 2));
  const size = upcast(high.sub(low)).clamp(0);
  const inter = size.select(2, 0).mul(size.select(2, 1));
  return [inter, boxArea(a).unsqueeze(1).add(boxArea(b)).sub(inter)];
}
/** Intersection over union of all pairs: [N, M]. */
export function boxIou(boxes1: Tensor, boxes2: Tensor): Tensor {
  checkBoxes('boxIou', boxes1);
  checkBoxes('boxIou', boxes2);
  const [inter, union] = interAndUnion(boxes1, boxes2);
  return inter.div(union);
}
/** boxIou less the empty part of the smallest box around both. */
export function generalizedBoxIou(boxes1: Tensor, boxes2: Tensor): Tensor {
  checkBoxes('generalizedBoxIou', boxes1);
  checkBoxes('generalizedBoxIou', boxes2);
  const [inter, union] = interAndUnion(boxes1, boxes2);
  const low = boxes1
    .narrow(1, 0, 2)
    .unsqueeze(1)
    .minimum(boxes2.narrow(1, 0, 2));
  const high = boxes1
    .narrow(1, 2, 2)
    .unsqueeze(1)
    .maximum(boxes2.narrow(1, 2, 2));
  const size = upcast(high.sub(low)).clamp(0);
  const hull = size.select(2, 0).mul(size.select(2, 1));
  return inter.div(union).sub(hull.sub(union).div(hull));
}
/** Boxes cut at the borders of an image of size [height, width]. */
export function clipBoxesToImage(boxes: Tensor, [height, width]: readonly [number, number]): Tensor {
  const [x1, y1, x2, y2] = columns(boxes);
  return stack([x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)], -1);
}
/** Indices of the boxes whose sides are at least `minSize`. */
export function removeSmallBoxes(boxes: Tensor, minSize: number): Tensor {
  const [x1, y1, x2, y2] = columns(boxes);
  return x2.sub(x1).ge(minSize).logicalAnd(y2.sub(y1).ge(minSize)).nonzero().select(1, 0);
}
/** The smallest boxes around masks [N, H, W]. */
export function masksToBoxes(masks: Tensor): Tensor {
  if (masks.numel() === 0) return zeros([0, 4]);
  const rows = Array.from({ length: masks.shape[0]! }, (_, i) => {
    const at = masks.select(0, i).nonzero();
    if (at.shape[0] === 0) throw new ValueError(`masksToBoxes: mask ${i} is empty`);
    const ends = [at.amin(0), at.amax(0)].map((p) => p.tolist() as [number, number]);
    return tensor(ends.flatMap(([y, x]) => [x, y]));
  });
  return stack(rows, 0);
}

/** Groups of boxes never suppress each other when `groups` is given. */
function suppress(boxes: Tensor, scores: Tensor, threshold: number, groups: Tensor | null): Tensor {
  checkBoxes('nms', boxes);
  const n = boxes.shape[0]!;
  if (scores.ndim !== 1 || scores.shape[0] !== n)
    throw new ShapeError(
      `boxes and scores should have same number of elements in dimension 0, got ${n} and ${scores.shape[0]}`,
    );
  const b = boxes.detach().double().contiguous().toTypedArray() as Float64Array;
  const s = scores.detach().double().contiguous().toTypedArray() as Float64Array;
  const g = groups === null ? null : (groups.double().contiguous().toTypedArray() as Float64Array);
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => s[j]! - s[i]! || i - j);
  const area = (i: number): number => (b[4 * i + 2]! - b[4 * i]!) * (b[4 * i + 3]! - b[4 * i + 1]!);
  const gone = new Uint8Array(n);
  const kept: number[] = [];
  for (const [at, i] of order.entries()) {
    if (gone[i] === 1) continue;
    kept.push(i);
    for (let k = at + 1; k < n; k++) {
      const j = order[k]!;
      if (gone[j] === 1 || (g !== null && g[i] !== g[j])) continue;
      const w = Math.max(0, Math.min(b[4 * i + 2]!, b[4 * j + 2]!) - Math.max(b[4 * i]!, b[4 * j]!));
      const h = Math.max(0, Math.min(b[4 * i + 3]!, b[4 * j + 3]!) - Math.max(b[4 * i + 1]!, b[4 * j + 1]!));
      if ((w * h) / (area(i) + area(j) - w * h) > threshold) gone[j] = 1;
    }
  }
  return indexTensor(kept);
}
/** Indices of the boxes that stay, best score first, when boxes that overlap a better one by more than the threshold go. */
export function nms(boxes: Tensor, scores: Tensor, iouThreshold: number): Tensor {
  return suppress(boxes, scores, iouThreshold, null);
}
/** nms within each class `idxs`. */
export function batchedNms(boxes: Tensor, scores: Tensor, idxs: Tensor, iouThreshold: number): Tensor {
  return suppress(boxes, scores, iouThreshold, idxs);
}
