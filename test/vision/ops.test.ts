// vision.ops, io and utils: values that follow from the definitions, and gradients where the ops are differentiable.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { vision, type Tensor } from '../../src/index.js';
const { ops, io, utils } = vision;

const close = (a: Tensor, b: Tensor, tolerance = 1e-5): void =>
  expect(a.double().sub(b.double()).abs().max().item()).toBeLessThanOrEqual(tolerance);

describe('boxes', () => {
  const boxes = fb.tensor([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 40]]); // prettier-ignore
  test('area, overlap, formats', () => {
    expect(ops.boxArea(boxes).tolist()).toEqual([100, 100, 200]);
    close(ops.boxIou(boxes, boxes).select(0, 0), fb.tensor([1, 50 / 150, 0]));
    close(ops.generalizedBoxIou(boxes, boxes).select(0, 0).narrow(0, 2, 1), fb.tensor([-(1200 - 300) / 1200]));
    for (const f of ['xywh', 'cxcywh'] as const)
      close(ops.boxConvert(ops.boxConvert(boxes, 'xyxy', f), f, 'xyxy'), boxes);
    expect(ops.boxConvert(boxes, 'xyxy', 'cxcywh').select(0, 2).tolist()).toEqual([25, 30, 10, 20]);
    expect(ops.clipBoxesToImage(boxes, [25, 12]).select(0, 2).tolist()).toEqual([12, 20, 12, 25]);
    expect(ops.removeSmallBoxes(boxes, 11).tolist()).toEqual([]);
    expect(() => ops.boxIou(fb.ones(3), boxes)).toThrow(/shape \[N, 4\]/);
  });
  test('nms keeps the best of what overlaps; classes are apart', () => {
    const scores = fb.tensor([0.5, 0.9, 0.1]);
    expect(ops.nms(boxes, scores, 0.3).tolist()).toEqual([1, 2]);
    expect(ops.nms(boxes, scores, 0.4).tolist()).toEqual([1, 0, 2]);
    expect(ops.batchedNms(boxes, scores, fb.tensor([0, 1, 0]), 0.3).tolist()).toEqual([1, 0, 2]);
    expect(ops.nms(fb.zeros(0, 4), fb.zeros(0), 0.5).shape).toEqual([0]);
  });
  test('masks', () => {
    const mask = fb.zeros(1, 4, 5);
    mask.select(0, 0).narrow(0, 1, 2).narrow(1, 2, 3).fill_(1);
    expect(ops.masksToBoxes(mask).tolist()).toEqual([[2, 1, 4, 2]]);
  });
});

describe('regions', () => {
  test('RoIAlign of a plane is the plane; gradients arrive', () => {
    const x = fb.full([2, 3, 8, 8], 2).requiresGrad_();
    const out = ops.roiAlign(x, [fb.tensor([[1, 1, 5, 6]]), fb.tensor([[0, 0, 7, 7], [2, 2, 3, 3]])], [2, 3]); // prettier-ignore
    expect(out.shape).toEqual([3, 3, 2, 3]);
    close(out, fb.full([3, 3, 2, 3], 2));
    out.sum().backward();
    close(x.grad!.sum(), fb.tensor(3 * 3 * 2 * 3), 1e-4);
  });
  test('RoIAlign samples between pixels; aligned shifts by half a pixel', () => {
    const x = fb.arange(16).float().view([1, 1, 4, 4]); // value = 4 y + x
    const roi = fb.tensor([[0, 0, 0, 2, 2]]);
    expect(ops.roiAlign(x, roi, 1, { samplingRatio: 1 }).item()).toBe(5);
    expect(ops.roiAlign(x, roi, 1, { samplingRatio: 1, aligned: true }).item()).toBe(2.5);
    expect(new ops.RoIAlign(1, 0.5, 1)(x, roi).item()).toBe(2.5);
  });
  test('RoIPool takes the largest of whole pixels', () => {
    const x = fb.arange(16).float().view([1, 1, 4, 4]);
    expect(ops.roiPool(x, fb.tensor([[0, 0, 0, 3, 3]]), 2).tolist()).toEqual([[[[5, 7], [13, 15]]]]); // prettier-ignore
  });
});

describe('layers', () => {
  test('focal loss without focus is half of cross-entropy', () => {
    const [x, y] = [fb.tensor([0.3, -2]), fb.tensor([1, 0])];
    const ce = fb.nn.functional.binaryCrossEntropyWithLogits(x, y, { reduction: 'none' });
    close(ops.sigmoidFocalLoss(x, y, { alpha: 0.5, gamma: 0 }), ce.mul(0.5));
    close(ops.sigmoidFocalLoss(x, y, -1, 2, 'mean'), ce.mul(fb.tensor([1 - 1 / (1 + Math.exp(-0.3)), 1 / (1 + Math.exp(2))]).square()).mean()); // prettier-ignore
  });
  test('stochastic depth drops rows and keeps the mean; DropBlock drops squares', () => {
    fb.manualSeed(0);
    const rows = ops.stochasticDepth(fb.ones(1000, 4), 0.25, 'row').mean(1);
    expect(new Set((rows.tolist() as number[]).map((v) => v.toFixed(3)))).toEqual(new Set(['0.000', '1.333']));
    expect(rows.mean().item()).toBeCloseTo(1, 1);
    expect(ops.stochasticDepth(rows, 0.5, 'row', false) === rows).toBe(true);
    const dropped = ops.dropBlock2d(fb.ones(4, 4, 20, 20), 0.2, 3);
    const zero = dropped.eq(0).float().mean().item();
    expect(zero).toBeGreaterThan(0.1);
    expect(zero).toBeLessThan(0.3);
    expect(dropped.mean().item()).toBeCloseTo(1, 3);
  });
  test('frozen batch norm, feature pyramid', () => {
    const frozen = new ops.FrozenBatchNorm2d(2, 0);
    frozen.loadStateDict({ weight: fb.tensor([2, 1]), bias: fb.tensor([1, 0]), running_mean: fb.tensor([1, 0]), running_var: fb.tensor([4, 1]) }); // prettier-ignore
    expect(
      frozen(fb.full([1, 2, 1, 1], 3))
        .flatten()
        .tolist(),
    ).toEqual([3, 3]);
    const fpn = new ops.FeaturePyramidNetwork([4, 8], 5, { extraBlocks: new ops.LastLevelMaxPool() });
    const out = fpn({ a: fb.randn(1, 4, 8, 8), b: fb.randn(1, 8, 4, 4) });
    expect(Object.entries(out).map(([k, t]) => [k, t.shape])).toEqual([
      ['a', [1, 5, 8, 8]],
      ['b', [1, 5, 4, 4]],
      ['pool', [1, 5, 2, 2]],
    ]);
    expect(Object.keys(fpn.stateDict())[0]).toBe('inner_blocks.0.0.weight');
  });
});

describe('files and pictures', () => {
  test('PNG keeps every byte, JPEG nearly; modes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fb-io-'));
    const picture = fb
      .arange(3 * 8 * 8)
      .to('uint8')
      .view([3, 8, 8]);
    await io.writePng(picture, join(folder, 'a.png'));
    expect((await io.readImage(join(folder, 'a.png'))).equal(picture)).toBe(true);
    const grey = picture.narrow(0, 0, 1);
    expect((await io.decodeImage(await io.encodePng(grey))).equal(grey)).toBe(true);
    expect((await io.decodeImage(await io.encodePng(grey), 'RGB_ALPHA')).shape).toEqual([4, 8, 8]);
    const smooth = fb.full([3, 8, 8], 100, { dtype: 'uint8' });
    close(await io.decodeJpeg(await io.encodeJpeg(smooth)), smooth, 2);
    await expect(io.readImage(join(folder, 'none.png'))).rejects.toThrow(/cannot be read/);
    await expect(io.decodeImage(Uint8Array.of(1, 2, 3))).rejects.toThrow(/cannot be decoded/);
    await utils.saveImage(fb.rand(4, 3, 5, 5), join(folder, 'grid.png'), { nrow: 2 });
    expect((await io.readImage(join(folder, 'grid.png'))).shape).toEqual([3, 16, 16]);
    rmSync(folder, { recursive: true });
  });
  test('makeGrid', () => {
    const grid = utils.makeGrid(fb.ones(3, 1, 2, 2), { nrow: 2, padding: 1, padValue: 0.5 });
    expect([grid.shape, grid.index(0, 0).tolist(), grid.index(0, 1).tolist()]).toEqual([
      [3, 7, 7],
      [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
      [0.5, 1, 1, 0.5, 1, 1, 0.5],
    ]);
    expect(utils.makeGrid([fb.tensor([[1, 3]])], { normalize: true }).tolist()).toEqual([[[0, 1]], [[0, 1]], [[0, 1]]]);
  });
  test('drawing', () => {
    const black = fb.zeros([3, 6, 6], { dtype: 'uint8' });
    const boxed = utils.drawBoundingBoxes(black, fb.tensor([[1, 1, 4, 3]]), { colors: 'red' });
    expect(boxed.index(0).tolist()).toEqual([
      [0, 0, 0, 0, 0, 0],
      [0, 255, 255, 255, 255, 0],
      [0, 255, 0, 0, 255, 0],
      [0, 255, 255, 255, 255, 0],
      [0, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0],
    ]);
    const masks = fb.eye(6).gt(0);
    const masked = utils.drawSegmentationMasks(black, masks, { alpha: 0.5, colors: [[0, 200, 0]] });
    expect([masked.index(1, 2, 2).item(), masked.index(1, 2, 3).item()]).toEqual([100, 0]);
    const points = utils.drawKeypoints(black, fb.tensor([[[1, 1], [4, 1]]]), { radius: 0, width: 1, connectivity: [[0, 1]] }); // prettier-ignore
    expect(points.index(2, 1).tolist()).toEqual([0, 255, 255, 255, 255, 0]);
    expect(() => utils.drawBoundingBoxes(black.float(), fb.zeros(0, 4))).toThrow(/uint8 expected/);
  });
});
