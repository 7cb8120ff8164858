// Pooling of regions: RoiAlign, MaxRoiPool. Where the regions lie is read on the host.
import type { Tensor } from '../../../tensor/handle.js';
import { op, type NodeContext, type OperatorTable } from '../node.js';
import * as t from './t.js';

function roiAlign(n: NodeContext): Tensor {
  const [x, rois, batch] = [n.tensor(0), n.tensor(1), n.tensor(2).to('int64')];
  const [H, W] = x.shape.slice(2) as [number, number];
  const [oh, ow] = [n.attributeInt('output_height', 1), n.attributeInt('output_width', 1)];
  const ratio = n.attributeInt('sampling_ratio', 0);
  const scale = n.float('spatial_scale', 1);
  const half =
    n.opset >= 16 &&
    n.oneOf('coordinate_transformation_mode', ['half_pixel', 'output_half_pixel'], 'half_pixel') === 'half_pixel';
  const max = n.oneOf('mode', ['avg', 'max'], 'avg') === 'max';
  const boxes = rois.double().tolist() as number[][];
  const images = batch.tolist() as unknown as number[];
  const out: Tensor[] = [];
  const float64 = { dtype: 'float64' } as const;
  boxes.forEach((box, r) => {
    const [x1, y1, x2, y2] = box.map((v) => v * scale - (half ? 0.5 : 0)) as [number, number, number, number];
    let [w, h] = [x2 - x1, y2 - y1];
    if (!half) [w, h] = [Math.max(w, 1), Math.max(h, 1)];
    const [bh, bw] = [h / oh, w / ow];
    const gh = ratio > 0 ? ratio : Math.ceil(bh);
    const gw = ratio > 0 ? ratio : Math.ceil(bw);
    const points = (from: number, bin: number, count: number, grid: number): Tensor =>
      t
        .arange(0, count * grid, 1, float64)
        .add(0.5)
        .mul(bin / grid)
        .add(from);
    const image = x.select(0, Number(images[r]));
    const ys = points(y1, bh, oh, gh);
    const xs = points(x1, bw, ow, gw);
    const axis = (p: Tensor, size: number): { low: Tensor; high: Tensor; part: Tensor; inside: Tensor } => {
      const inside = p.ge(-1).logicalAnd(p.le(size));
      const c = p.clampMin(0);
      const low = c.floor().clampMax(size - 1);
      const high = low.add(1).clampMax(size - 1);
      return {
        low: low.to('int64'),
        high: high.to('int64'),
        part: t.where(low.ge(size - 1), 0, c.sub(low)).to(x.dtype),
        inside,
      };
    };
    const [a, b] = [axis(ys, H), axis(xs, W)];
    const rows = (i: Tensor): Tensor => image.indexSelect(1, i);
    const [fy, fx] = [a.part.unsqueeze(1), b.part];
    const corner = (yi: Tensor, xi: Tensor, weight: Tensor): Tensor => rows(yi).indexSelect(2, xi).mul(weight);
    const parts = [
      corner(a.low, b.low, fy.neg().add(1).mul(fx.neg().add(1))),
      corner(a.low, b.high, fy.neg().add(1).mul(fx)),
      corner(a.high, b.low, fy.mul(fx.neg().add(1))),
      corner(a.high, b.high, fy.mul(fx)),
    ];
    const ok = a.inside.unsqueeze(1).logicalAnd(b.inside);
    const C = x.shape[1]!;
    const grid = (v: Tensor): Tensor => t.where(ok, v, 0).reshape([C, oh, gh, ow, gw]);
    // The largest of the weighted corners, as the reference implementation takes it.
    out.push(
      max
        ? grid(parts.reduce((p, q) => t.maximum(p, q))).amax([2, 4])
        : grid(parts.reduce((p, q) => p.add(q))).mean([2, 4]),
    );
  });
  return out.length > 0 ? t.stack(out) : t.zeros([0, x.shape[1]!, oh, ow], { dtype: x.dtype });
}

/** Whole numbers, halves away from zero. */
const rounded = (v: number): number => Math.sign(v) * Math.round(Math.abs(v));

/** Source: Girshick, Fast R-CNN, 2015, https://arxiv.org/abs/1504.08083: bins of whole pixels that may overlap by one. */
function maxRoiPool(n: NodeContext): Tensor {
  const [x, rois] = [n.tensor(0), n.tensor(1)];
  const pooled = n.attributeInts('pooled_shape') ?? n.fail('attribute pooled_shape is missing');
  if (x.dim() !== 4 || rois.dim() !== 2 || rois.shape[1] !== 5 || pooled.length !== 2)
    n.fail(
      `expected images [N, C, H, W], regions [R, 5] and two sizes, got [${x.shape}], [${rois.shape}], [${pooled}]`,
    );
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const scale = n.float('spatial_scale', 1);
  /** [from, to) of each bin along an axis. */
  const bins = (low: number, high: number, count: number, size: number): [number, number][] => {
    const start = rounded(low * scale);
    const length = Math.max(rounded(high * scale) - start + 1, 1);
    const clamp = (v: number): number => Math.min(Math.max(v + start, 0), size);
    return Array.from({ length: count }, (_, i) => [
      clamp(Math.floor((i * length) / count)),
      clamp(Math.ceil(((i + 1) * length) / count)),
    ]);
  };
  const out = (rois.double().tolist() as number[][]).map(([image, x1, y1, x2, y2]) => {
    if (!(image! >= 0 && image! < N)) n.fail(`a region of image ${image}, there are ${N}`);
    const columns = bins(x1!, x2!, pooled[1]!, W);
    const cells = bins(y1!, y2!, pooled[0]!, H).flatMap(([top, bottom]) =>
      columns.map(([left, right]) =>
        bottom <= top || right <= left
          ? t.zeros([C], { dtype: x.dtype })
          : x
              .select(0, image!)
              .narrow(1, top, bottom - top)
              .narrow(2, left, right - left)
              .amax([1, 2]),
      ),
    );
    return t.stack(cells, 1).reshape([C, ...pooled]);
  });
  return out.length > 0 ? t.stack(out) : t.zeros([0, C, ...pooled], { dtype: x.dtype });
}

export const REGIONS: OperatorTable = {
  RoiAlign: op(roiAlign, 3),
  MaxRoiPool: op(maxRoiPool, 2),
};
