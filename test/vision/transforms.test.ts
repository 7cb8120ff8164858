// Transforms: exact values where they follow from the definition, agreement of images with tensors, and random parameters
// that are PyTorch's draws.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { vision, type Tensor } from '../../src/index.js';
const T = vision.transforms;
const F = T.functional;
const { Image } = vision;

/** uint8 [C, H, W] with values that differ everywhere. */
const picture = (c = 3, h = 6, w = 8): Tensor =>
  fb
    .arange(c * h * w)
    .mul(37)
    .remainder(256)
    .to('uint8')
    .reshape([c, h, w]);
const row = (...values: number[]): Tensor => fb.tensor([[values]], { dtype: 'uint8' });
const close = (a: Tensor, b: Tensor, tolerance = 1e-5): void =>
  expect(a.double().sub(b.double()).abs().max().item()).toBeLessThanOrEqual(tolerance);

describe('resize', () => {
  test('images are averaged over all old pixels, in Pillow’s integers', () => {
    const img = Image.fromTensor(row(0, 10, 20, 30));
    expect([...F.resize(img, [1, 2]).data]).toEqual([7, 23]); // triangles of width 4: (0 * 3 + 10 * 3 + 20) / 7
    expect([...F.resize(img, [1, 2], 'box').data]).toEqual([5, 25]);
    expect([...F.resize(img, [1, 2], 'nearest').data]).toEqual([10, 30]);
    const flat = Image.fromTensor(fb.full([3, 9, 7], 201, { dtype: 'uint8' }));
    for (const mode of ['bilinear', 'bicubic', 'lanczos', 'hamming', 'box'] as const)
      expect(new Set(F.resize(flat, [4, 13], mode).data)).toEqual(new Set([201]));
  });
  test('transparent pixels do not lend their colour', () => {
    const img = new Image(2, 1, 4, Uint8Array.from([200, 100, 50, 255, 9, 9, 9, 0]));
    expect([...F.resize(img, [1, 1]).data]).toEqual([199, 99, 49, 128]);
  });
  test('tensors are interpolated between neighbours, or antialiased on request', () => {
    const t = fb.tensor([[[0, 10, 20, 30]]]);
    expect(F.resize(t, [1, 2]).tolist()).toEqual([[[5, 25]]]);
    close(F.resize(t, [1, 2], { antialias: true }), fb.tensor([[[50 / 7, 160 / 7]]]));
    expect(F.resize(t, [1, 8], 'nearest').tolist()).toEqual([[[0, 0, 10, 10, 20, 20, 30, 30]]]);
    // Cubic with a = -0.75 at 1/4 and 3/4: PyTorch's upsample_bicubic2d.
    close(F.resize(t, [1, 8], 'bicubic').narrow(-1, 3, 2), fb.tensor([[[12.96875, 17.03125]]]));
    const step = F.resize(row(0, 255), [1, 8], 'bicubic'); // overshoots are cut, not wrapped
    expect([step.min().item(), step.max().item()]).toEqual([0, 255]);
    expect(step.int().add(F.hflip(step).int()).eq(255).all().item()).toBeTruthy();
  });
  test('one number is the shorter side', () => {
    expect(F.resize(picture(3, 30, 40), 15).shape).toEqual([3, 15, 20]);
    expect(F.resize(picture(3, 40, 30), 15, { maxSize: 18 }).shape).toEqual([3, 18, 13]);
    expect(() => F.resize(picture(), 15, { maxSize: 15 })).toThrow(/must be strictly greater than the requested size/);
    expect(() => F.resize(picture(), 0)).toThrow(/positive whole numbers/);
  });
  test('gradients pass', () => {
    const t = fb.rand(1, 4, 4, { requiresGrad: true });
    F.resize(t, [2, 2]).sum().backward();
    close(t.grad!.sum(), fb.tensor(4));
  });
});

describe('cutting, padding, flipping', () => {
  test('crop pads with 0 outside', () => {
    const t = picture(1, 2, 2);
    expect(F.crop(t, -1, 1, 2, 2).tolist()).toEqual([[[0, 0], [37, 0]]]); // prettier-ignore
    expect(F.centerCrop(t, 4).shape).toEqual([1, 4, 4]);
    expect(F.centerCrop(picture(1, 5, 5), 3).equal(picture(1, 5, 5).narrow(1, 1, 3).narrow(2, 1, 3))).toBe(true);
  });
  test('the four kinds of padding', () => {
    const pad = (paddingMode: 'constant' | 'edge' | 'reflect' | 'symmetric'): unknown =>
      (F.pad(row(1, 2, 3), [2, 0], { fill: 9, paddingMode }).tolist() as number[][][])[0]![0];
    expect(pad('constant')).toEqual([9, 9, 1, 2, 3, 9, 9]);
    expect(pad('edge')).toEqual([1, 1, 1, 2, 3, 3, 3]);
    expect(pad('reflect')).toEqual([3, 2, 1, 2, 3, 2, 1]);
    expect(pad('symmetric')).toEqual([2, 1, 1, 2, 3, 3, 2]);
    expect(
      F.pad(picture(3, 2, 2), 1, [1, 2, 3])
        .select(1, 0)
        .select(1, 0)
        .tolist(),
    ).toEqual([1, 2, 3]);
    expect(() => F.pad(row(1, 2), [2, 0], { paddingMode: 'reflect' })).toThrow(/Padding size should be less/);
  });
  test('flips undo themselves; images and tensors agree', () => {
    const t = picture();
    expect(F.hflip(F.hflip(t)).equal(t)).toBe(true);
    expect(F.vflip(Image.fromTensor(t)).toTensor().equal(F.vflip(t))).toBe(true);
  });
  test('five and ten crops', () => {
    const crops = F.tenCrop(picture(1, 5, 5), 2);
    expect(crops.map((c) => c.select(1, 0).select(1, 0).item())).toEqual(
      [0, 3, 15, 18, 12, 4, 1, 19, 16, 12].map((k) => (k * 37) % 256),
    );
  });
});

describe('warping', () => {
  test('quarter turns move every pixel to its place', () => {
    const t = picture(2, 4, 4);
    expect(F.rotate(t, 90).equal(F.vflip(t.transpose(-1, -2)))).toBe(true);
    expect(F.rotate(picture(2, 4, 6), 90, { expand: true }).shape).toEqual([2, 6, 4]);
    close(F.rotate(t.float(), 180, 'bilinear'), F.vflip(F.hflip(t)).float(), 1e-3);
  });
  test('shifts bring in the fill value', () => {
    const t = row(1, 2, 3);
    expect(F.affine(t, 0, [1, 0], 1, 0).tolist()).toEqual([[[0, 1, 2]]]);
    expect(F.affine(t, 0, [1, 0], 1, 0, { fill: 7 }).tolist()).toEqual([[[7, 1, 2]]]);
    expect(F.affine(fb.rand(3, 5, 5), 13, [0, 0], 1.2, [4, 5], { interpolation: 'bicubic' }).shape).toEqual([3, 5, 5]);
  });
  test('perspective with equal points is the identity', () => {
    const corners = [[0, 0], [7, 0], [7, 5], [0, 5]] as [number, number][]; // prettier-ignore
    close(F.perspective(picture(), corners, corners), picture(), 0);
    const shifted = corners.map(([x, y]): [number, number] => [x + 1, y]);
    close(F.perspective(picture(), corners, shifted).narrow(-1, 1, 7), picture().narrow(-1, 0, 7), 0);
  });
  test('elastic transform without displacement is the identity', () => {
    close(F.elasticTransform(picture(), fb.zeros(1, 6, 8, 2)), picture(), 0);
  });
});

describe('colours', () => {
  test('brightness, contrast, saturation: 1 changes nothing, 0 is black, the mean, grey', () => {
    const t = picture();
    for (const f of [F.adjustBrightness, F.adjustContrast, F.adjustSaturation]) {
      expect(f(t, 1).equal(t)).toBe(true);
      expect(f(Image.fromTensor(t), 1).toTensor().equal(t)).toBe(true);
    }
    expect(F.adjustBrightness(t, 0).sum().item()).toBe(0);
    expect(new Set(F.adjustContrast(t, 0).flatten().tolist() as number[]).size).toBe(1);
    expect(F.adjustSaturation(t, 0).equal(F.rgbToGrayscale(t, 3))).toBe(true);
    expect(() => F.adjustBrightness(t, -1)).toThrow(/is not non-negative/);
  });
  test('hue: a third of a turn takes red to green; images within a byte of tensors', () => {
    const red = fb.tensor([[[1]], [[0]], [[0]]]);
    close(F.adjustHue(red, 1 / 3), fb.tensor([[[0]], [[1]], [[0]]]));
    close(F.adjustHue(fb.rand(3, 4, 4), 0), fb.rand(3, 4, 4), 1);
    const t = picture();
    close(F.adjustHue(Image.fromTensor(t), 0.2).toTensor(), F.adjustHue(t, 0.2), 8);
    expect(() => F.adjustHue(t, 0.6)).toThrow(/is not in \[-0.5, 0.5\]/);
  });
  test('grey of images is Pillow’s L', () => {
    const img = new Image(1, 1, 3, Uint8Array.from([10, 200, 30]));
    expect([...F.rgbToGrayscale(img).data]).toEqual([(10 * 19595 + 200 * 38470 + 30 * 7471 + 32768) >> 16]);
  });
  test('tables of values', () => {
    expect(F.invert(row(0, 255, 3)).tolist()).toEqual([[[255, 0, 252]]]);
    expect(F.posterize(row(255, 127), 2).tolist()).toEqual([[[192, 64]]]);
    expect(F.solarize(row(100, 200), 128).tolist()).toEqual([[[100, 55]]]);
    expect(F.autocontrast(row(50, 100, 150)).tolist()).toEqual([[[0, 127, 255]]]);
    expect(F.autocontrast(row(7, 7)).tolist()).toEqual([[[7, 7]]]);
    const many = fb.arange(1024).div(8).floor().to('uint8').reshape([1, 32, 32]);
    expect(F.equalize(many).flatten().index(-1).item()).toBe(255);
    expect(F.adjustGamma(row(0, 255, 128), 1).tolist()).toEqual([[[0, 255, 128]]]);
    expect(F.adjustSharpness(picture(), 1).equal(picture())).toBe(true);
  });
  test('Gaussian blur keeps a plane and its sum of weights', () => {
    close(F.gaussianBlur(fb.full([1, 7, 7], 3), 5), fb.full([1, 7, 7], 3));
    const spike = fb.zeros(1, 9, 9);
    spike.index(0, 4).index(4).fill_(1);
    close(F.gaussianBlur(spike, 3, 1).sum(), fb.tensor(1));
    expect(() => F.gaussianBlur(spike, 4)).toThrow(/odd and positive/);
  });
});

describe('dtypes', () => {
  test('ranges map onto ranges', () => {
    expect(F.convertImageDtype(row(0, 255), 'float32').tolist()).toEqual([[[0, 1]]]);
    expect(F.convertImageDtype(fb.tensor([0, 0.5, 1]), 'uint8').tolist()).toEqual([0, 127, 255]);
    expect(F.convertImageDtype(row(255), 'int16').tolist()).toEqual([[[32640]]]);
    expect(F.convertImageDtype(fb.tensor([32767], { dtype: 'int16' }), 'uint8').tolist()).toEqual([255]);
    expect(() => F.convertImageDtype(fb.ones(1), 'int32')).toThrow(/cannot be performed safely/);
  });
  test('tensors to images and back', () => {
    const t = picture();
    expect(F.imageToTensor(F.toImage(t)).equal(t)).toBe(true);
    expect([...F.toImage(fb.tensor([[[0, 0.5, 1]]])).data]).toEqual([0, 127, 255]);
    expect(F.toImage(t, 'L').mode).toBe('L');
    expect(() => F.toImage(fb.ones(5, 2, 2))).toThrow(/should not have > 4 channels/);
  });
});

describe('random transforms', () => {
  test('draw PyTorch’s numbers', () => {
    fb.manualSeed(0); // torch.randint(0, 10, (1,)) twice: 4, 9
    expect(T.RandomCrop.getParams(picture(1, 20, 30), [11, 21])).toEqual([4, 9, 11, 21]);
    fb.manualSeed(0); // torch.rand: 0.4963, 0.7682
    expect(T.RandomRotation.getParams([-10, 10])).toBeCloseTo(20 * 0.49625658988952637 - 10, 5);
    const flips = Array.from({ length: 6 }, () => new T.RandomHorizontalFlip()(row(1, 2)).index(0, 0).index(0).item());
    expect(flips).toEqual([1, 2, 2, 2, 1, 2]); // 0.7682 0.0885 0.1320 0.3074 0.6341 0.4901
  });
  test('the same seed gives the same picture, for every class', () => {
    const all = [
      new T.RandomCrop(4, { padding: 2 }),
      new T.RandomResizedCrop(5),
      new T.RandomRotation(30),
      new T.RandomAffine(20, { translate: [0.2, 0.2], scale: [0.8, 1.2], shear: 10 }),
      new T.RandomPerspective({ p: 1 }),
      new T.ColorJitter(0.5, 0.5, 0.5, 0.2),
      new T.GaussianBlur(3),
      new T.ElasticTransform({ sigma: 0.25 }),
      new T.AutoAugment(),
      new T.AutoAugment('svhn'),
      new T.RandAugment(),
      new T.TrivialAugmentWide(),
      new T.AugMix(),
      new T.RandomEqualize(1),
      new T.RandomAutocontrast(1),
      new T.RandomInvert(1),
      new T.RandomGrayscale(1),
      new T.RandomPosterize(3, 1),
      new T.RandomSolarize(100, 1),
      new T.RandomAdjustSharpness(2, 1),
      new T.RandomVerticalFlip(1),
    ];
    for (const t of all) {
      const run = (img: never): never => {
        fb.manualSeed(7);
        return t(img) as never;
      };
      const a = run(picture() as never) as Tensor;
      expect(a.dtype, String(t)).toBe('uint8');
      expect(a.equal(run(picture() as never)), String(t)).toBe(true);
      const image = run(Image.fromTensor(picture()) as never) as InstanceType<typeof Image>;
      expect(image.toTensor().shape, String(t)).toEqual(a.shape);
    }
  });
  test('every AutoAugment policy names operations that exist', () => {
    for (let seed = 0; seed < 60; seed++) {
      fb.manualSeed(seed);
      for (const policy of ['imagenet', 'cifar10', 'svhn'] as const) new T.AutoAugment(policy)(picture());
    }
  });
  test('RandomErasing writes one rectangle', () => {
    fb.manualSeed(1);
    const out = new T.RandomErasing({ p: 1, value: 5 })(fb.zeros(3, 20, 20));
    const area = out.eq(5).sum().item() / 3;
    expect(area).toBeGreaterThan(400 * 0.01);
    expect(area).toBeLessThan(400 * 0.4);
  });
  test('apply, order, choice', () => {
    const plus = new T.Lambda((x: Tensor) => x.add(1));
    const twice = new T.Lambda((x: Tensor) => x.mul(2));
    const one = (t: (x: never) => unknown): number => (t(fb.tensor([1]) as never) as Tensor).item();
    expect(one(new T.RandomApply([plus, twice], { p: 1 }))).toBe(4);
    expect(one(new T.RandomApply([plus], { p: 0 }))).toBe(1);
    expect([3, 4]).toContain(one(new T.RandomOrder([plus, twice])));
    expect(one(new T.RandomChoice([plus, twice], [1, 0]))).toBe(2);
  });
  test('Compose takes asynchronous steps', async () => {
    const slow = new T.Lambda(async (x: Tensor) => Promise.resolve(x.add(1)));
    expect(
      ((await new T.Compose([slow, new T.Lambda((x: Tensor) => x.mul(2))])(fb.tensor([1]) as never)) as Tensor).item(),
    ).toBe(4);
  });
  test('they print as in Python', () => {
    expect(String(new T.RandomHorizontalFlip())).toBe('RandomHorizontalFlip(p=0.5)');
    expect(String(new T.CenterCrop(8))).toBe('CenterCrop([8, 8])');
    expect(String(new T.RandomApply([new T.ToTensor()]))).toBe('RandomApply(\n    p=0.5\n    ToTensor()\n)');
  });
});
