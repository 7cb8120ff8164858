// Transforms that change pixel values. Random ones draw as torchvision 0.14 draws.
import { ValueError } from '../../tensor/errors.js';
import { tensor } from '../../tensor/create.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
import { zeros } from '../../tensor/create.js';
import { cat } from '../../../generated/ts/functions.js';
import { merge, type Rest } from '../../nn/args.js';
import type { Picture } from '../image.js';
import * as F from '../functional/index.js';
import { happens, logUniform, permutation, pyRound, randint, uniform } from '../random.js';
import { Transform } from './base.js';
import { PictureTransform, Sometimes, type P } from './geometry.js';
import type { Fill, InterpolationMode } from './types.js';

type Range = number | readonly [number, number];
export interface ColorJitterOptions {
  /** A factor in [1 - b, 1 + b], or in the given range. */
  brightness?: Range;
  contrast?: Range;
  saturation?: Range;
  /** A shift in [-h, h], or in the given range. */
  hue?: Range;
}
function jitterRange(
  name: string,
  value: Range,
  center: number,
  limits: readonly [number, number],
): [number, number] | null {
  let range: [number, number];
  if (typeof value === 'number') {
    if (value < 0) throw new ValueError(`If ${name} is a single number, it must be non negative.`);
    range = [center - value, center + value];
    if (name !== 'hue') range[0] = Math.max(range[0], 0);
  } else {
    if (!(limits[0] <= value[0] && value[0] <= value[1] && value[1] <= limits[1]))
      throw new ValueError(`${name} values should be between (${limits.join(', ')})`);
    range = [value[0], value[1]];
  }
  if (name === 'hue' && !(range[0] >= -0.5 && range[1] <= 0.5))
    throw new ValueError('hue values should be between (-0.5, 0.5)');
  return range[0] === center && range[1] === center ? null : range;
}
/** Random brightness, contrast, saturation and hue, in a random order. */
export class ColorJitter extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly options: Required<ColorJitterOptions>;
  readonly #ranges: readonly ([number, number] | null)[];
  constructor(...rest: Rest<[brightness: Range, contrast: Range, saturation: Range, hue: Range], ColorJitterOptions>) {
    super();
    // A range given by position looks like any array to `merge`.
    this.options = merge<ColorJitterOptions>('ColorJitter', rest, ['brightness', 'contrast', 'saturation', 'hue'], {
      brightness: 0,
      contrast: 0,
      saturation: 0,
      hue: 0,
    });
    const { brightness, contrast, saturation, hue } = this.options;
    this.#ranges = [
      jitterRange('brightness', brightness, 1, [0, Infinity]),
      jitterRange('contrast', contrast, 1, [0, Infinity]),
      jitterRange('saturation', saturation, 1, [0, Infinity]),
      jitterRange('hue', hue, 0, [-0.5, 0.5]),
    ];
  }
  forward(image: Picture): Picture {
    const order = permutation(4);
    const factors = this.#ranges.map((r) => (r === null ? null : uniform(r[0], r[1])));
    const steps = [F.adjustBrightness, F.adjustContrast, F.adjustSaturation, F.adjustHue] as const;
    return order.reduce((img, k) => (factors[k] == null ? img : steps[k]!(img, factors[k])), image);
  }
  protected override settings(): readonly unknown[] {
    return [this.options];
  }
}

/** Grey values. */
export class Grayscale extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly numOutputChannels: number;
  constructor(...rest: Rest<[numOutputChannels: number], { numOutputChannels?: number }>) {
    super();
    this.numOutputChannels = merge('Grayscale', rest, ['numOutputChannels'], {
      numOutputChannels: 1,
    }).numOutputChannels;
  }
  forward(image: Picture): Picture {
    return F.rgbToGrayscale(image, this.numOutputChannels);
  }
  protected override settings(): readonly unknown[] {
    return [{ numOutputChannels: this.numOutputChannels }];
  }
}
/** Grey values with probability p; the number of channels stays. */
export class RandomGrayscale extends Sometimes {
  static override readonly source: string = import.meta.url;
  constructor(...rest: P) {
    super(rest, 0.1);
  }
  protected change(image: Picture): Picture {
    return F.rgbToGrayscale(image, F.getImageNumChannels(image));
  }
}
/** The negative with probability p. */
export class RandomInvert extends Sometimes {
  static override readonly source: string = import.meta.url;
  constructor(...rest: P) {
    super(rest, 0.5);
  }
  protected change(image: Picture): Picture {
    return F.invert(image);
  }
}
/** Stretched channels with probability p. */
export class RandomAutocontrast extends Sometimes {
  static override readonly source: string = import.meta.url;
  constructor(...rest: P) {
    super(rest, 0.5);
  }
  protected change(image: Picture): Picture {
    return F.autocontrast(image);
  }
}
/** A flat histogram with probability p. */
export class RandomEqualize extends Sometimes {
  static override readonly source: string = import.meta.url;
  constructor(...rest: P) {
    super(rest, 0.5);
  }
  protected change(image: Picture): Picture {
    return F.equalize(image);
  }
}
/** Fewer bits with probability p. */
export class RandomPosterize extends Sometimes {
  static override readonly source: string = import.meta.url;
  readonly bits: number;
  constructor(bits: number, ...rest: P) {
    super(rest, 0.5);
    this.bits = bits;
  }
  protected change(image: Picture): Picture {
    return F.posterize(image, this.bits);
  }
  protected override settings(): readonly unknown[] {
    return [this.bits, { p: this.p }];
  }
}
/** Inverts values from the threshold on, with probability p. */
export class RandomSolarize extends Sometimes {
  static override readonly source: string = import.meta.url;
  readonly threshold: number;
  constructor(threshold: number, ...rest: P) {
    super(rest, 0.5);
    this.threshold = threshold;
  }
  protected change(image: Picture): Picture {
    return F.solarize(image, this.threshold);
  }
  protected override settings(): readonly unknown[] {
    return [this.threshold, { p: this.p }];
  }
}
/** Another sharpness with probability p. */
export class RandomAdjustSharpness extends Sometimes {
  static override readonly source: string = import.meta.url;
  readonly sharpnessFactor: number;
  constructor(sharpnessFactor: number, ...rest: P) {
    super(rest, 0.5);
    this.sharpnessFactor = sharpnessFactor;
  }
  protected change(image: Picture): Picture {
    return F.adjustSharpness(image, this.sharpnessFactor);
  }
  protected override settings(): readonly unknown[] {
    return [this.sharpnessFactor, { p: this.p }];
  }
}

/** Gaussian blur with a random sigma. */
export class GaussianBlur extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly kernelSize: number | readonly number[];
  readonly sigma: readonly [number, number];
  constructor(
    kernelSize: number | readonly number[],
    ...rest: Rest<[sigma: number | readonly [number, number]], { sigma?: number | readonly [number, number] }>
  ) {
    super();
    const { sigma } = merge<{ sigma?: number | readonly [number, number] }>('GaussianBlur', rest, ['sigma'], {
      sigma: [0.1, 2],
    });
    if (typeof sigma === 'number' && !(sigma > 0))
      throw new ValueError('If sigma is a single number, it must be positive.');
    this.kernelSize = kernelSize;
    this.sigma = typeof sigma === 'number' ? [sigma, sigma] : sigma;
    if (!(0 < this.sigma[0] && this.sigma[0] <= this.sigma[1]))
      throw new ValueError('sigma values should be positive and of the form (min, max).');
  }
  forward(image: Picture): Picture {
    const sigma = uniform(this.sigma[0], this.sigma[1]);
    return F.gaussianBlur(image, this.kernelSize, [sigma, sigma]);
  }
  protected override settings(): readonly unknown[] {
    return [this.kernelSize, { sigma: this.sigma }];
  }
}

export interface RandomErasingOptions {
  p?: number;
  scale?: readonly [number, number];
  ratio?: readonly [number, number];
  /** What is written: a number, one per channel, or 'random'. */
  value?: number | readonly number[] | 'random';
  inplace?: boolean;
}
/** Overwrites a random rectangle of a tensor [C, H, W] with probability p. */
export class RandomErasing extends Transform<Tensor, Tensor> {
  static override readonly source: string = import.meta.url;
  readonly options: Required<RandomErasingOptions>;
  constructor(
    ...rest: Rest<
      [
        p: number,
        scale: readonly [number, number],
        ratio: readonly [number, number],
        value: number | readonly number[] | 'random',
        inplace: boolean,
      ],
      RandomErasingOptions
    >
  ) {
    super();
    this.options = merge<RandomErasingOptions>('RandomErasing', rest, ['p', 'scale', 'ratio', 'value', 'inplace'], {
      p: 0.5,
      scale: [0.02, 0.33],
      ratio: [0.3, 3.3],
      value: 0,
      inplace: false,
    });
    const { p, scale, value } = this.options;
    if (typeof value === 'string' && value !== 'random') throw new ValueError("If value is str, it should be 'random'");
    if (scale[0] < 0 || scale[1] > 1) throw new ValueError('Scale should be between 0 and 1');
    if (!(p >= 0 && p <= 1)) throw new ValueError('Random erasing probability should be between 0 and 1');
  }
  /** [top, left, height, width, values]; the whole picture and itself when ten tries found no rectangle. */
  static getParams(
    image: Tensor,
    scale: readonly [number, number],
    ratio: readonly [number, number],
    value: readonly number[] | null,
  ): [number, number, number, number, Tensor] {
    const [c, height, width] = F.getDimensions(image);
    for (let attempt = 0; attempt < 10; attempt++) {
      const area = height * width * uniform(scale[0], scale[1]);
      const aspect = logUniform(ratio);
      const h = pyRound(Math.sqrt(area * aspect));
      const w = pyRound(Math.sqrt(area / aspect));
      if (!(h < height && w < width)) continue;
      const v = value === null ? zeros([c, h, w]).normal_() : tensor([...value]).view([-1, 1, 1]);
      const top = randint(0, height - h + 1);
      return [top, randint(0, width - w + 1), h, w, v];
    }
    return [0, 0, height, width, image];
  }
  forward(image: Tensor): Tensor {
    const { p, scale, ratio, value, inplace } = this.options;
    if (!isTensor(image)) throw new ValueError('RandomErasing: the image must be a tensor (put it behind ToTensor)');
    if (!happens(p)) return image;
    const values = value === 'random' ? null : typeof value === 'number' ? [value] : value;
    const channels = F.getImageNumChannels(image);
    if (values !== null && values.length !== 1 && values.length !== channels)
      throw new ValueError(
        `If value is a sequence, it should have either a single value or ${channels} (number of input channels)`,
      );
    return F.erase(image, ...RandomErasing.getParams(image, scale, ratio, values), inplace);
  }
  protected override settings(): readonly unknown[] {
    return [this.options];
  }
}

export interface ElasticOptions {
  /** How far pixels move. */
  alpha?: number | readonly [number, number];
  /** How smooth the field is. */
  sigma?: number | readonly [number, number];
  interpolation?: InterpolationMode;
  fill?: Fill;
}
/** A random smooth deformation, as of things seen through water. */
export class ElasticTransform extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly options: Required<ElasticOptions>;
  constructor(
    ...rest: Rest<
      [
        alpha: number | readonly [number, number],
        sigma: number | readonly [number, number],
        interpolation: InterpolationMode,
        fill: Fill,
      ],
      ElasticOptions
    >
  ) {
    super();
    this.options = merge<ElasticOptions>('ElasticTransform', rest, ['alpha', 'sigma', 'interpolation', 'fill'], {
      alpha: 50,
      sigma: 5,
      interpolation: 'bilinear',
      fill: 0,
    });
  }
  /** A displacement field [1, H, W, 2]. */
  static getParams(
    alpha: readonly [number, number],
    sigma: readonly [number, number],
    [h, w]: readonly [number, number],
  ): Tensor {
    const component = (s: number, a: number, n: number): Tensor => {
      const noise = zeros([1, 1, h, w]).uniform_().mul(2).sub(1);
      const size = Math.trunc(8 * s + 1) | 1;
      return (s > 0 ? F.gaussianBlur(noise, [size, size], [s, s]) : noise).mul(a / n);
    };
    const dx = component(sigma[0], alpha[0], h);
    const dy = component(sigma[1], alpha[1], w);
    return cat([dx, dy], 1).permute(0, 2, 3, 1);
  }
  forward(image: Picture): Picture {
    const { alpha, sigma, interpolation, fill } = this.options;
    const two = (v: number | readonly [number, number]): readonly [number, number] =>
      typeof v === 'number' ? [v, v] : v;
    const [, h, w] = F.getDimensions(image);
    return F.elasticTransform(image, ElasticTransform.getParams(two(alpha), two(sigma), [h, w]), interpolation, fill);
  }
  protected override settings(): readonly unknown[] {
    return [this.options];
  }
}
