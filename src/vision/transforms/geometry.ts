// Transforms that move pixels. Random ones draw as torchvision 0.14 draws, so that a seed gives its crops and angles.
import { ValueError } from '../../tensor/errors.js';
import { merge, type Rest } from '../../nn/args.js';
import type { Picture } from '../image.js';
import * as F from '../functional/index.js';
import type { Fill, InterpolationMode, Padding, PaddingMode, PadOptions, Point, ResizeOptions, Size } from './types.js';
import { happens, logUniform, pyRound, randint, uniform } from '../random.js';
import { Transform } from './base.js';

/** A transform that takes images and tensors and gives back what it got. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the interface gives instances their call signature
export abstract class PictureTransform extends Transform<Picture, Picture> {}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface PictureTransform {
  <P extends Picture>(image: P): P;
}

const list2 = (size: number | readonly number[]): [number, number] => {
  const s = typeof size === 'number' ? [size] : [...size];
  if (s.length < 1 || s.length > 2) throw new ValueError('Please provide only two dimensions (h, w) for size.');
  return [s[0]!, s[1] ?? s[0]!];
};

/** See functional.resize. */
export class Resize extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly size: Size;
  readonly options: Required<ResizeOptions>;
  constructor(
    size: Size,
    ...rest: Rest<[interpolation: InterpolationMode, maxSize: number | null, antialias: boolean | null], ResizeOptions>
  ) {
    super();
    this.size = size;
    this.options = merge<ResizeOptions>('Resize', rest, ['interpolation', 'maxSize', 'antialias'], {
      interpolation: 'bilinear',
      maxSize: null,
      antialias: null,
    });
  }
  forward(image: Picture): Picture {
    return F.resize(image, this.size, this.options);
  }
  protected override settings(): readonly unknown[] {
    return [this.size, this.options];
  }
}
/** The middle of a picture. */
export class CenterCrop extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly size: [number, number];
  constructor(size: number | readonly number[]) {
    super();
    this.size = list2(size);
  }
  forward(image: Picture): Picture {
    return F.centerCrop(image, this.size);
  }
  protected override settings(): readonly unknown[] {
    return [this.size];
  }
}
/** New pixels around the picture. */
export class Pad extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly padding: Padding;
  readonly options: Required<PadOptions>;
  constructor(
    padding: Padding,
    ...rest: Rest<[fill: number | readonly number[], paddingMode: PaddingMode], PadOptions>
  ) {
    super();
    this.padding = padding;
    this.options = merge<PadOptions>('Pad', rest, ['fill', 'paddingMode'], { fill: 0, paddingMode: 'constant' });
    if (typeof padding !== 'number' && ![1, 2, 4].includes(padding.length))
      throw new ValueError(
        `Padding must be an int or a 1, 2, or 4 element tuple, not a ${padding.length} element tuple`,
      );
  }
  forward(image: Picture): Picture {
    return F.pad(image, this.padding, this.options);
  }
  protected override settings(): readonly unknown[] {
    return [this.padding, this.options];
  }
}

export interface RandomCropOptions {
  padding?: Padding | null;
  /** Pad pictures that are smaller than the crop. */
  padIfNeeded?: boolean;
  fill?: number | readonly number[];
  paddingMode?: PaddingMode;
}
/** A part of the given size at a random place. */
export class RandomCrop extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly size: [number, number];
  readonly options: Required<RandomCropOptions>;
  constructor(
    size: number | readonly number[],
    ...rest: Rest<
      [padding: Padding | null, padIfNeeded: boolean, fill: number | readonly number[], paddingMode: PaddingMode],
      RandomCropOptions
    >
  ) {
    super();
    this.size = list2(size);
    this.options = merge<RandomCropOptions>('RandomCrop', rest, ['padding', 'padIfNeeded', 'fill', 'paddingMode'], {
      padding: null,
      padIfNeeded: false,
      fill: 0,
      paddingMode: 'constant',
    });
  }
  /** [top, left, height, width] of a crop. */
  static getParams(image: Picture, [th, tw]: readonly [number, number]): [number, number, number, number] {
    const [, h, w] = F.getDimensions(image);
    if (h < th || w < tw)
      throw new ValueError(`Required crop size (${th}, ${tw}) is larger than input image size (${h}, ${w})`);
    if (w === tw && h === th) return [0, 0, h, w];
    const top = randint(0, h - th + 1);
    return [top, randint(0, w - tw + 1), th, tw];
  }
  forward(image: Picture): Picture {
    const { padding, padIfNeeded, fill, paddingMode } = this.options;
    let img = padding === null ? image : F.pad(image, padding, fill, paddingMode);
    const [, h, w] = F.getDimensions(img);
    if (padIfNeeded && w < this.size[1]) img = F.pad(img, [this.size[1] - w, 0], fill, paddingMode);
    if (padIfNeeded && h < this.size[0]) img = F.pad(img, [0, this.size[0] - h], fill, paddingMode);
    return F.crop(img, ...RandomCrop.getParams(img, this.size));
  }
  protected override settings(): readonly unknown[] {
    return [this.size, this.options];
  }
}

export interface RandomResizedCropOptions {
  /** Range of the crop's area, as a part of the whole. */
  scale?: readonly [number, number];
  /** Range of width / height. */
  ratio?: readonly [number, number];
  interpolation?: InterpolationMode;
  antialias?: boolean | null;
}
/** A crop of random area and shape, resized: what networks for ImageNet are trained with. */
export class RandomResizedCrop extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly size: [number, number];
  readonly options: Required<RandomResizedCropOptions>;
  constructor(
    size: number | readonly number[],
    ...rest: Rest<
      [
        scale: readonly [number, number],
        ratio: readonly [number, number],
        interpolation: InterpolationMode,
        antialias: boolean | null,
      ],
      RandomResizedCropOptions
    >
  ) {
    super();
    this.size = list2(size);
    this.options = merge<RandomResizedCropOptions>(
      'RandomResizedCrop',
      rest,
      ['scale', 'ratio', 'interpolation', 'antialias'],
      { scale: [0.08, 1], ratio: [3 / 4, 4 / 3], interpolation: 'bilinear', antialias: null },
    );
    const { scale, ratio } = this.options;
    if (scale[0] > scale[1] || ratio[0] > ratio[1])
      throw new ValueError('Scale and ratio should be of kind (min, max)');
  }
  /** [top, left, height, width] of a crop: ten tries, then the largest crop in the middle whose shape is allowed. */
  static getParams(
    image: Picture,
    scale: readonly [number, number],
    ratio: readonly [number, number],
  ): [number, number, number, number] {
    const [, height, width] = F.getDimensions(image);
    for (let attempt = 0; attempt < 10; attempt++) {
      const area = height * width * uniform(scale[0], scale[1]);
      const aspect = logUniform(ratio);
      const w = pyRound(Math.sqrt(area * aspect));
      const h = pyRound(Math.sqrt(area / aspect));
      if (w > 0 && w <= width && h > 0 && h <= height) {
        const top = randint(0, height - h + 1);
        return [top, randint(0, width - w + 1), h, w];
      }
    }
    const whole = width / height;
    let [h, w] = [height, width];
    if (whole < ratio[0]) h = pyRound(width / ratio[0]);
    else if (whole > ratio[1]) w = pyRound(height * ratio[1]);
    return [Math.floor((height - h) / 2), Math.floor((width - w) / 2), h, w];
  }
  forward(image: Picture): Picture {
    const { scale, ratio, interpolation, antialias } = this.options;
    const [top, left, h, w] = RandomResizedCrop.getParams(image, scale, ratio);
    return F.resizedCrop(image, top, left, h, w, this.size, { interpolation, antialias });
  }
  protected override settings(): readonly unknown[] {
    return [this.size, this.options];
  }
}

/** A transform that happens with probability p. */
export abstract class Sometimes extends PictureTransform {
  readonly p: number;
  constructor(rest: readonly unknown[], otherwise: number) {
    super();
    this.p = merge<{ p?: number }>('p', rest, ['p'], { p: otherwise }).p;
  }
  protected abstract change(image: Picture): Picture;
  forward(image: Picture): Picture {
    return happens(this.p) ? this.change(image) : image;
  }
  protected override settings(): readonly unknown[] {
    return [{ p: this.p }];
  }
}
export type P = Rest<[p: number], { p?: number }>;
/** Mirrors left and right with probability p. */
export class RandomHorizontalFlip extends Sometimes {
  static override readonly source: string = import.meta.url;
  constructor(...rest: P) {
    super(rest, 0.5);
  }
  protected change(image: Picture): Picture {
    return F.hflip(image);
  }
}
/** Mirrors top and bottom with probability p. */
export class RandomVerticalFlip extends Sometimes {
  static override readonly source: string = import.meta.url;
  constructor(...rest: P) {
    super(rest, 0.5);
  }
  protected change(image: Picture): Picture {
    return F.vflip(image);
  }
}

/** Four corners and the middle: an array of five pictures. */
export class FiveCrop extends Transform<Picture, Picture[]> {
  static override readonly source: string = import.meta.url;
  readonly size: [number, number];
  constructor(size: number | readonly number[]) {
    super();
    this.size = list2(size);
  }
  forward(image: Picture): Picture[] {
    return F.fiveCrop(image, this.size);
  }
  protected override settings(): readonly unknown[] {
    return [this.size];
  }
}
/** FiveCrop of the picture and of its mirror image. */
export class TenCrop extends Transform<Picture, Picture[]> {
  static override readonly source: string = import.meta.url;
  readonly size: [number, number];
  readonly verticalFlip: boolean;
  constructor(size: number | readonly number[], ...rest: Rest<[verticalFlip: boolean], { verticalFlip?: boolean }>) {
    super();
    this.size = list2(size);
    this.verticalFlip = merge('TenCrop', rest, ['verticalFlip'], { verticalFlip: false }).verticalFlip;
  }
  forward(image: Picture): Picture[] {
    return F.tenCrop(image, this.size, this.verticalFlip);
  }
  protected override settings(): readonly unknown[] {
    return [this.size, { verticalFlip: this.verticalFlip }];
  }
}

/** A range of angles: d stands for [-d, d]. */
function angles(what: string, x: number | readonly number[]): [number, number] {
  if (typeof x === 'number') {
    if (x < 0) throw new ValueError(`If ${what} is a single number, it must be positive.`);
    return [-x, x];
  }
  if (x.length !== 2) throw new ValueError(`${what} should be a sequence of length 2.`);
  return [x[0]!, x[1]!];
}
export interface RandomRotationOptions {
  interpolation?: InterpolationMode;
  expand?: boolean;
  center?: Point | null;
  fill?: Fill;
}
/** Rotation by a random angle in degrees. */
export class RandomRotation extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly degrees: [number, number];
  readonly options: Required<RandomRotationOptions>;
  constructor(
    degrees: number | readonly number[],
    ...rest: Rest<
      [interpolation: InterpolationMode, expand: boolean, center: Point | null, fill: Fill],
      RandomRotationOptions
    >
  ) {
    super();
    this.degrees = angles('degrees', degrees);
    this.options = merge<RandomRotationOptions>('RandomRotation', rest, ['interpolation', 'expand', 'center', 'fill'], {
      interpolation: 'nearest',
      expand: false,
      center: null,
      fill: 0,
    });
  }
  static getParams(degrees: readonly [number, number]): number {
    return uniform(degrees[0], degrees[1]);
  }
  forward(image: Picture): Picture {
    return F.rotate(image, RandomRotation.getParams(this.degrees), this.options);
  }
  protected override settings(): readonly unknown[] {
    return [this.degrees, this.options];
  }
}

export interface RandomAffineOptions {
  /** Largest shift, as parts of width and height. */
  translate?: readonly [number, number] | null;
  scale?: readonly [number, number] | null;
  /** One number s: x by [-s, s]; two: x; four: x and y. */
  shear?: number | readonly number[] | null;
  interpolation?: InterpolationMode;
  fill?: Fill;
  center?: Point | null;
}
/** Random rotation, shift, scale and shear. */
export class RandomAffine extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly degrees: [number, number];
  readonly options: Required<RandomAffineOptions>;
  readonly #shear: readonly number[] | null;
  constructor(
    degrees: number | readonly number[],
    ...rest: Rest<
      [
        translate: readonly [number, number] | null,
        scale: readonly [number, number] | null,
        shear: number | readonly number[] | null,
        interpolation: InterpolationMode,
        fill: Fill,
        center: Point | null,
      ],
      RandomAffineOptions
    >
  ) {
    super();
    this.degrees = angles('degrees', degrees);
    this.options = merge<RandomAffineOptions>(
      'RandomAffine',
      rest,
      ['translate', 'scale', 'shear', 'interpolation', 'fill', 'center'],
      { translate: null, scale: null, shear: null, interpolation: 'nearest', fill: 0, center: null },
    );
    const { translate, scale, shear } = this.options;
    if (translate?.some((t) => t < 0 || t > 1) === true)
      throw new ValueError('translation values should be between 0 and 1');
    if (scale?.some((s) => s <= 0) === true) throw new ValueError('scale values should be positive');
    if (Array.isArray(shear) && shear.length !== 2 && shear.length !== 4)
      throw new ValueError('shear should be a sequence of length 2 or 4.');
    this.#shear = shear === null ? null : Array.isArray(shear) ? (shear as number[]) : angles('shear', shear as number);
  }
  /** [angle, translation in pixels, scale, shear]. */
  static getParams(
    degrees: readonly [number, number],
    translate: readonly [number, number] | null,
    scale: readonly [number, number] | null,
    shear: readonly number[] | null,
    [width, height]: readonly [number, number],
  ): [number, [number, number], number, [number, number]] {
    const angle = uniform(degrees[0], degrees[1]);
    const shift: [number, number] = [0, 0];
    if (translate !== null) {
      const [dx, dy] = [translate[0] * width, translate[1] * height];
      shift[0] = pyRound(uniform(-dx, dx));
      shift[1] = pyRound(uniform(-dy, dy));
    }
    const factor = scale === null ? 1 : uniform(scale[0], scale[1]);
    const slant: [number, number] = [0, 0];
    if (shear !== null) {
      slant[0] = uniform(shear[0]!, shear[1]!);
      if (shear.length === 4) slant[1] = uniform(shear[2]!, shear[3]!);
    }
    return [angle, shift, factor, slant];
  }
  forward(image: Picture): Picture {
    const { translate, scale, interpolation, fill, center } = this.options;
    const size = F.getImageSize(image);
    const [angle, shift, factor, slant] = RandomAffine.getParams(this.degrees, translate, scale, this.#shear, size);
    return F.affine(image, angle, shift, factor, slant, { interpolation, fill, center });
  }
  protected override settings(): readonly unknown[] {
    return [this.degrees, this.options];
  }
}

export interface RandomPerspectiveOptions {
  distortionScale?: number;
  p?: number;
  interpolation?: InterpolationMode;
  fill?: Fill;
}
/** A random perspective with probability p. */
export class RandomPerspective extends PictureTransform {
  static override readonly source: string = import.meta.url;
  readonly options: Required<RandomPerspectiveOptions>;
  constructor(
    ...rest: Rest<
      [distortionScale: number, p: number, interpolation: InterpolationMode, fill: Fill],
      RandomPerspectiveOptions
    >
  ) {
    super();
    this.options = merge<RandomPerspectiveOptions>(
      'RandomPerspective',
      rest,
      ['distortionScale', 'p', 'interpolation', 'fill'],
      { distortionScale: 0.5, p: 0.5, interpolation: 'bilinear', fill: 0 },
    );
  }
  /** [start points, end points]: the corners, and where they go. */
  static getParams(width: number, height: number, distortionScale: number): [Point[], Point[]] {
    const dx = Math.trunc(distortionScale * Math.floor(width / 2));
    const dy = Math.trunc(distortionScale * Math.floor(height / 2));
    const [left, right] = [() => randint(0, dx + 1), () => randint(width - dx - 1, width)];
    const [top, bottom] = [() => randint(0, dy + 1), () => randint(height - dy - 1, height)];
    const start: Point[] = [
      [0, 0],
      [width - 1, 0],
      [width - 1, height - 1],
      [0, height - 1],
    ];
    // Elements of an array literal are drawn from left to right.
    const end: Point[] = [
      [left(), top()],
      [right(), top()],
      [right(), bottom()],
      [left(), bottom()],
    ];
    return [start, end];
  }
  forward(image: Picture): Picture {
    const { p, distortionScale, interpolation, fill } = this.options;
    const [, h, w] = F.getDimensions(image);
    if (!happens(p)) return image;
    const [start, end] = RandomPerspective.getParams(w, h, distortionScale);
    return F.perspective(image, start, end, interpolation, fill);
  }
  protected override settings(): readonly unknown[] {
    return [this.options];
  }
}
