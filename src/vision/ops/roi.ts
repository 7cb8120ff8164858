// Features of regions: RoIAlign and RoIPool, as gathers with weights, so that gradients reach the features.
// Source of the arithmetic: torchvision/csrc/ops/cpu/roi_align_kernel.cpp and roi_pool_kernel.cpp, 0.14.
import { ShapeError } from '../../tensor/errors.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
import { tensor } from '../../tensor/create.js';
import { indexSelect, where } from '../../../generated/ts/functions.js';
import { indexTensor } from '../../data/dataset.js';
import { merge, type Rest } from '../../nn/args.js';
import * as nn from '../../nn/index.js';
import { pair } from '../functional/common.js';

/** [K, 5] with the index of the image first, or a list of [L, 4], one for each image. */
export type Rois = Tensor | readonly Tensor[];
function rows(boxes: Rois): number[][] {
  if (!isTensor(boxes)) return boxes.flatMap((b, i) => (b.tolist() as number[][]).map((r) => [i, ...r]));
  if (boxes.ndim !== 2 || boxes.shape[1] !== 5)
    throw new ShapeError('The boxes tensor shape is not correct as Tensor[K, 5]');
  return boxes.detach().tolist() as number[][];
}
export interface RoIAlignOptions {
  /** Size of the features over size of the image. */
  spatialScale?: number;
  /** Points per bin and side; -1: as many as the bin has pixels. */
  samplingRatio?: number;
  /** Shift by half a pixel, which is right; false is what older models were trained with. */
  aligned?: boolean;
}
/** Mean of bilinear samples in each bin of each region: [K, C, outputSize...]. */
export function roiAlign(
  input: Tensor,
  boxes: Rois,
  outputSize: number | readonly [number, number],
  ...rest: Rest<[spatialScale: number, samplingRatio: number, aligned: boolean], RoIAlignOptions>
): Tensor {
  const o = merge<RoIAlignOptions>('roiAlign', rest, ['spatialScale', 'samplingRatio', 'aligned'], {
    spatialScale: 1,
    samplingRatio: -1,
    aligned: false,
  });
  const [n, c, height, width] = input.shape as [number, number, number, number];
  const [ph, pw] = pair(outputSize);
  const regions = rows(boxes);
  const flat = input.permute(1, 0, 2, 3).reshape([c, n * height * width]);
  const offset = o.aligned ? 0.5 : 0;
  const index: number[] = [];
  const weight: number[] = [];
  // All bins get as many terms as the largest needs; the others have weight 0.
  const grids = regions.map(([, x1, y1, x2, y2]) => {
    const side = (a: number, b: number, bins: number): [number, number, number] => {
      const start = a * o.spatialScale - offset;
      const raw = b * o.spatialScale - offset - start;
      const size = o.aligned ? raw : Math.max(raw, 1);
      return [start, size / bins, o.samplingRatio > 0 ? o.samplingRatio : Math.max(0, Math.ceil(size / bins))];
    };
    return { x: side(x1!, x2!, pw), y: side(y1!, y2!, ph) };
  });
  const terms = 4 * Math.max(1, ...grids.map(({ x, y }) => x[2] * y[2]));
  regions.forEach(([image], k) => {
    const { x, y } = grids[k]!;
    const count = Math.max(x[2] * y[2], 1);
    for (let i = 0; i < ph; i++) {
      for (let j = 0; j < pw; j++) {
        const before = index.length;
        for (let a = 0; a < y[2]; a++) {
          for (let b = 0; b < x[2]; b++) {
            const py = y[0] + (i + (a + 0.5) / y[2]) * y[1];
            const px = x[0] + (j + (b + 0.5) / x[2]) * x[1];
            if (py < -1 || py > height || px < -1 || px > width) continue;
            const [y0, y1, fy] = neighbours(py, height);
            const [x0, x1, fx] = neighbours(px, width);
            const base = image! * height * width;
            index.push(base + y0 * width + x0, base + y0 * width + x1, base + y1 * width + x0, base + y1 * width + x1);
            weight.push(
              ((1 - fy) * (1 - fx)) / count,
              ((1 - fy) * fx) / count,
              (fy * (1 - fx)) / count,
              (fy * fx) / count,
            );
          }
        }
        while (index.length < before + terms) {
          index.push(0);
          weight.push(0);
        }
      }
    }
  });
  const values = indexSelect(flat, 1, indexTensor(index)).mul(tensor(weight, { dtype: input.dtype }));
  return values.view([c, regions.length, ph, pw, terms]).sum(-1).permute(1, 0, 2, 3);
}
/** The pixels below and above a position, and how far it is from the first. */
function neighbours(at: number, size: number): [number, number, number] {
  const p = Math.max(at, 0);
  const low = Math.floor(p);
  return low >= size - 1 ? [size - 1, size - 1, 0] : [low, low + 1, p - low];
}
/** Largest value in each bin of each region, bins of whole pixels: [K, C, outputSize...]. */
export function roiPool(
  input: Tensor,
  boxes: Rois,
  outputSize: number | readonly [number, number],
  spatialScale = 1,
): Tensor {
  const [, c, height, width] = input.shape as [number, number, number, number];
  const [ph, pw] = pair(outputSize);
  const regions = rows(boxes);
  const data = input.detach().double().contiguous().toTypedArray() as Float64Array;
  const index: number[] = [];
  const filled: boolean[] = [];
  // C's round: halves away from zero.
  const round = (v: number): number => Math.sign(v) * Math.floor(Math.abs(v) + 0.5);
  for (const [image, x1, y1, x2, y2] of regions as [number, number, number, number, number][]) {
    const [sx, sy] = [round(x1 * spatialScale), round(y1 * spatialScale)];
    const bw = Math.max(round(x2 * spatialScale) - sx + 1, 1) / pw;
    const bh = Math.max(round(y2 * spatialScale) - sy + 1, 1) / ph;
    const clip = (v: number, most: number): number => Math.min(Math.max(v, 0), most);
    for (let ch = 0; ch < c; ch++) {
      for (let i = 0; i < ph; i++) {
        for (let j = 0; j < pw; j++) {
          const base = (image * c + ch) * height * width;
          let best = -1;
          for (let y = clip(Math.floor(i * bh) + sy, height); y < clip(Math.ceil((i + 1) * bh) + sy, height); y++)
            for (let x = clip(Math.floor(j * bw) + sx, width); x < clip(Math.ceil((j + 1) * bw) + sx, width); x++) {
              const at = base + y * width + x;
              if (best < 0 || data[at]! > data[best]!) best = at;
            }
          index.push(Math.max(best, 0));
          filled.push(best >= 0);
        }
      }
    }
  }
  const picked = indexSelect(input.reshape([-1]), 0, indexTensor(index));
  return where(tensor(filled), picked, 0).view([regions.length, c, ph, pw]);
}

export class RoIAlign extends nn.Module {
  readonly outputSize: number | readonly [number, number];
  readonly options: Required<RoIAlignOptions>;
  constructor(
    outputSize: number | readonly [number, number],
    spatialScale: number,
    samplingRatio: number,
    aligned: boolean | { aligned?: boolean } = false,
  ) {
    super();
    this.outputSize = outputSize;
    const shifted = typeof aligned === 'boolean' ? aligned : (aligned.aligned ?? false);
    this.options = { spatialScale, samplingRatio, aligned: shifted };
  }
  override forward(input: Tensor, rois: Rois): Tensor {
    return roiAlign(input, rois, this.outputSize, this.options);
  }
}
export class RoIPool extends nn.Module {
  readonly outputSize: number | readonly [number, number];
  readonly spatialScale: number;
  constructor(outputSize: number | readonly [number, number], spatialScale: number) {
    super();
    this.outputSize = outputSize;
    this.spatialScale = spatialScale;
  }
  override forward(input: Tensor, rois: Rois): Tensor {
    return roiPool(input, rois, this.outputSize, this.spatialScale);
  }
}
