// AutoAugment, RandAugment, TrivialAugmentWide, AugMix: random sequences of simple operations.
// Tables and order of draws as in torchvision 0.14; AugMix' mixing weights come from our own Dirichlet draws.
import { ValueError } from '../../tensor/errors.js';
import { tensor } from '../../tensor/create.js';
import { merge, type Rest } from '../../nn/args.js';
import { Image, type Picture } from '../image.js';
import * as F from '../functional/index.js';
import { pyRound, rand, randint } from '../random.js';
import { PictureTransform } from './geometry.js';
import type { Fill, InterpolationMode } from './types.js';

interface How {
  readonly interpolation: InterpolationMode;
  readonly fill: Fill;
}
const shear = (x: number, y: number, img: Picture, how: How): Picture =>
  F.affine(img, 0, [0, 0], 1, [(Math.atan(x) * 180) / Math.PI, (Math.atan(y) * 180) / Math.PI], {
    ...how,
    center: [0, 0],
  });
const OPERATIONS = {
  Identity: (img: Picture) => img,
  ShearX: (img: Picture, m: number, how: How) => shear(m, 0, img, how),
  ShearY: (img: Picture, m: number, how: How) => shear(0, m, img, how),
  TranslateX: (img: Picture, m: number, how: How) => F.affine(img, 0, [Math.trunc(m), 0], 1, [0, 0], how),
  TranslateY: (img: Picture, m: number, how: How) => F.affine(img, 0, [0, Math.trunc(m)], 1, [0, 0], how),
  Rotate: (img: Picture, m: number, how: How) => F.rotate(img, m, how),
  Brightness: (img: Picture, m: number) => F.adjustBrightness(img, 1 + m),
  Color: (img: Picture, m: number) => F.adjustSaturation(img, 1 + m),
  Contrast: (img: Picture, m: number) => F.adjustContrast(img, 1 + m),
  Sharpness: (img: Picture, m: number) => F.adjustSharpness(img, 1 + m),
  Posterize: (img: Picture, m: number) => F.posterize(img, Math.trunc(m)),
  Solarize: (img: Picture, m: number) => F.solarize(img, m),
  AutoContrast: (img: Picture) => F.autocontrast(img),
  Equalize: (img: Picture) => F.equalize(img),
  Invert: (img: Picture) => F.invert(img),
} as const;
type Operation = keyof typeof OPERATIONS;

/** Strengths by bin (null: the operation has none), and whether the sign is drawn. */
interface Strength {
  readonly at: ((bin: number) => number) | null;
  readonly signed: boolean;
}
const none: Strength = { at: null, signed: false };
const linear = (from: number, to: number, bins: number, signed: boolean): Strength => ({
  at: (i) => Math.fround(from + ((to - from) * i) / Math.max(1, bins - 1)),
  signed,
});
const bits = (from: number, drop: number, bins: number): Strength => ({
  at: (i) => from - pyRound(i / ((bins - 1) / drop)),
  signed: false,
});
type Space = readonly (readonly [Operation, Strength])[];

/** The space that AutoAugment and RandAugment draw from. */
function standardSpace(bins: number, [, h, w]: readonly [number, number, number], extra: readonly Operation[]): Space {
  const space: Readonly<Record<Operation, Strength>> = {
    Identity: none,
    ShearX: linear(0, 0.3, bins, true),
    ShearY: linear(0, 0.3, bins, true),
    TranslateX: linear(0, (150 / 331) * w, bins, true),
    TranslateY: linear(0, (150 / 331) * h, bins, true),
    Rotate: linear(0, 30, bins, true),
    Brightness: linear(0, 0.9, bins, true),
    Color: linear(0, 0.9, bins, true),
    Contrast: linear(0, 0.9, bins, true),
    Sharpness: linear(0, 0.9, bins, true),
    Posterize: bits(8, 4, bins),
    Solarize: linear(255, 0, bins, false),
    AutoContrast: none,
    Equalize: none,
    Invert: none,
  };
  return (Object.entries(space) as [Operation, Strength][]).filter(
    ([name]) => !['Identity', 'Invert'].includes(name) || extra.includes(name),
  );
}

export interface AugmentOptions {
  interpolation?: InterpolationMode;
  /** Value of pixels from outside the picture. */
  fill?: Fill;
}
/** What the four share: running one operation on a picture whose values go up to 255. */
abstract class Augment extends PictureTransform {
  readonly interpolation: InterpolationMode;
  readonly fill: Fill;
  constructor(o: Required<AugmentOptions>) {
    super();
    this.interpolation = o.interpolation;
    this.fill = o.fill;
  }
  protected run(img: Picture, operation: Operation, magnitude: number): Picture {
    return OPERATIONS[operation](img, magnitude, { interpolation: this.interpolation, fill: this.fill });
  }
}

/** The policies that were found for ImageNet, CIFAR10 and SVHN. */
export const AutoAugmentPolicy = { IMAGENET: 'imagenet', CIFAR10: 'cifar10', SVHN: 'svhn' } as const;
export type AutoAugmentPolicy = (typeof AutoAugmentPolicy)[keyof typeof AutoAugmentPolicy];

// One policy a line: two operations, each with its probability and its bin of ten ('-': it has no strength).
const POLICIES: Readonly<Record<AutoAugmentPolicy, string>> = {
  imagenet: `Posterize .4 8 Rotate .6 9|Solarize .6 5 AutoContrast .6 -|Equalize .8 - Equalize .6 -|Posterize .6 7 Posterize .6 6
|Equalize .4 - Solarize .2 4|Equalize .4 - Rotate .8 8|Solarize .6 3 Equalize .6 -|Posterize .8 5 Equalize 1 -
|Rotate .2 3 Solarize .6 8|Equalize .6 - Posterize .4 6|Rotate .8 8 Color .4 0|Rotate .4 9 Equalize .6 -
|Equalize 0 - Equalize .8 -|Invert .6 - Equalize 1 -|Color .6 4 Contrast 1 8|Rotate .8 8 Color 1 2
|Color .8 8 Solarize .8 7|Sharpness .4 7 Invert .6 -|ShearX .6 5 Equalize 1 -|Color .4 0 Equalize .6 -
|Equalize .4 - Solarize .2 4|Solarize .6 5 AutoContrast .6 -|Invert .6 - Equalize 1 -|Color .6 4 Contrast 1 8|Equalize .8 - Equalize .6 -`,
  cifar10: `Invert .1 - Contrast .2 6|Rotate .7 2 TranslateX .3 9|Sharpness .8 1 Sharpness .9 3|ShearY .5 8 TranslateY .7 9
|AutoContrast .5 - Equalize .9 -|ShearY .2 7 Posterize .3 7|Color .4 3 Brightness .6 7|Sharpness .3 9 Brightness .7 9
|Equalize .6 - Equalize .5 -|Contrast .6 7 Sharpness .6 5|Color .7 7 TranslateX .5 8|Equalize .3 - AutoContrast .4 -
|TranslateY .4 3 Sharpness .2 6|Brightness .9 6 Color .2 8|Solarize .5 2 Invert 0 -|Equalize .2 - AutoContrast .6 -
|Equalize .2 - Equalize .6 -|Color .9 9 Equalize .6 -|AutoContrast .8 - Solarize .2 8|Brightness .1 3 Color .7 0
|Solarize .4 5 AutoContrast .9 -|TranslateY .9 9 TranslateY .7 9|AutoContrast .9 - Solarize .8 3|Equalize .8 - Invert .1 -|TranslateY .7 9 AutoContrast .9 -`,
  svhn: `ShearX .9 4 Invert .2 -|ShearY .9 8 Invert .7 -|Equalize .6 - Solarize .6 6|Invert .9 - Equalize .6 -
|Equalize .6 - Rotate .9 3|ShearX .9 4 AutoContrast .8 -|ShearY .9 8 Invert .4 -|ShearY .9 5 Solarize .2 6
|Invert .9 - AutoContrast .8 -|Equalize .6 - Rotate .9 3|ShearX .9 4 Solarize .3 3|ShearY .8 8 Invert .7 -
|Equalize .9 - TranslateY .6 6|Invert .9 - Equalize .6 -|Contrast .3 3 Rotate .8 4|Invert .8 - TranslateY 0 2
|ShearY .7 6 Solarize .4 8|Invert .6 - Rotate .8 4|ShearY .3 7 TranslateX .9 3|ShearX .1 6 Invert .6 -
|Solarize .7 2 TranslateY .6 7|ShearY .8 4 Invert .8 -|ShearX .7 9 TranslateY .8 3|ShearY .8 5 AutoContrast .7 -|ShearX .7 2 Invert .1 -`,
};
type Step = readonly [operation: Operation, p: number, bin: number | null];
const parse = (text: string): (readonly [Step, Step])[] =>
  text.split('|').map((line) => {
    const [a, p, m, b, q, n] = line.trim().split(/\s+/) as [string, string, string, string, string, string];
    const step = (name: string, prob: string, bin: string): Step => [
      name as Operation,
      Number(prob),
      bin === '-' ? null : Number(bin),
    ];
    return [step(a, p, m), step(b, q, n)];
  });

/** One of 25 learned pairs of operations. */
export class AutoAugment extends Augment {
  static override readonly source: string = import.meta.url;
  readonly policy: AutoAugmentPolicy;
  readonly #policies: readonly (readonly [Step, Step])[];
  constructor(
    ...rest: Rest<
      [policy: AutoAugmentPolicy, interpolation: InterpolationMode, fill: Fill],
      AugmentOptions & { policy?: AutoAugmentPolicy }
    >
  ) {
    const o = merge<AugmentOptions & { policy?: AutoAugmentPolicy }>(
      'AutoAugment',
      rest,
      ['policy', 'interpolation', 'fill'],
      { policy: 'imagenet', interpolation: 'nearest', fill: null },
    );
    super(o);
    if (!Object.hasOwn(POLICIES, o.policy))
      throw new ValueError(`The provided policy ${String(o.policy)} is not recognized.`);
    this.policy = o.policy;
    this.#policies = parse(POLICIES[o.policy]);
  }
  /** [index of the pair, two probabilities, two signs]. */
  static getParams(count: number): [number, [number, number], [number, number]] {
    const at = randint(0, count);
    const first = rand();
    const probabilities: [number, number] = [first, rand()];
    const sign = randint(0, 2);
    return [at, probabilities, [sign, randint(0, 2)]];
  }
  forward(image: Picture): Picture {
    const space = new Map(standardSpace(10, F.getDimensions(image), ['Invert']));
    const [at, probabilities, signs] = AutoAugment.getParams(this.#policies.length);
    return this.#policies[at]!.reduce((img, [name, p, bin], i) => {
      if (!(probabilities[i]! <= Math.fround(p))) return img;
      const strength = space.get(name)!;
      const m = bin === null || strength.at === null ? 0 : strength.at(bin);
      return this.run(img, name, strength.signed && signs[i] === 0 ? -m : m);
    }, image);
  }
  protected override settings(): readonly unknown[] {
    return [{ policy: this.policy, interpolation: this.interpolation, fill: this.fill }];
  }
}

export interface RandAugmentOptions extends AugmentOptions {
  numOps?: number;
  magnitude?: number;
  numMagnitudeBins?: number;
}
/** `numOps` random operations of one strength. */
export class RandAugment extends Augment {
  static override readonly source: string = import.meta.url;
  readonly options: Required<RandAugmentOptions>;
  constructor(
    ...rest: Rest<
      [numOps: number, magnitude: number, numMagnitudeBins: number, interpolation: InterpolationMode, fill: Fill],
      RandAugmentOptions
    >
  ) {
    const o = merge<RandAugmentOptions>(
      'RandAugment',
      rest,
      ['numOps', 'magnitude', 'numMagnitudeBins', 'interpolation', 'fill'],
      { numOps: 2, magnitude: 9, numMagnitudeBins: 31, interpolation: 'nearest', fill: null },
    );
    super(o);
    this.options = o;
  }
  forward(image: Picture): Picture {
    const { numOps, magnitude, numMagnitudeBins } = this.options;
    const space = standardSpace(numMagnitudeBins, F.getDimensions(image), ['Identity']);
    let img = image;
    for (let k = 0; k < numOps; k++) {
      const [name, strength] = space[randint(0, space.length)]!;
      const m = strength.at === null ? 0 : strength.at(magnitude);
      img = this.run(img, name, strength.signed && randint(0, 2) === 1 ? -m : m);
    }
    return img;
  }
  protected override settings(): readonly unknown[] {
    return [this.options];
  }
}

export interface TrivialAugmentOptions extends AugmentOptions {
  numMagnitudeBins?: number;
}
/** One random operation of random strength. */
export class TrivialAugmentWide extends Augment {
  static override readonly source: string = import.meta.url;
  readonly numMagnitudeBins: number;
  constructor(
    ...rest: Rest<[numMagnitudeBins: number, interpolation: InterpolationMode, fill: Fill], TrivialAugmentOptions>
  ) {
    const o = merge<TrivialAugmentOptions>('TrivialAugmentWide', rest, ['numMagnitudeBins', 'interpolation', 'fill'], {
      numMagnitudeBins: 31,
      interpolation: 'nearest',
      fill: null,
    });
    super(o);
    this.numMagnitudeBins = o.numMagnitudeBins;
  }
  forward(image: Picture): Picture {
    const n = this.numMagnitudeBins;
    const wide = (to: number): Strength => linear(0, to, n, true);
    const space: Space = [
      ['Identity', none],
      ['ShearX', wide(0.99)],
      ['ShearY', wide(0.99)],
      ['TranslateX', wide(32)],
      ['TranslateY', wide(32)],
      ['Rotate', wide(135)],
      ['Brightness', wide(0.99)],
      ['Color', wide(0.99)],
      ['Contrast', wide(0.99)],
      ['Sharpness', wide(0.99)],
      ['Posterize', bits(8, 6, n)],
      ['Solarize', linear(255, 0, n, false)],
      ['AutoContrast', none],
      ['Equalize', none],
    ];
    const [name, strength] = space[randint(0, space.length)]!;
    const m = strength.at === null ? 0 : strength.at(randint(0, n));
    return this.run(image, name, strength.signed && randint(0, 2) === 1 ? -m : m);
  }
  protected override settings(): readonly unknown[] {
    return [{ numMagnitudeBins: this.numMagnitudeBins, interpolation: this.interpolation, fill: this.fill }];
  }
}

export interface AugMixOptions extends AugmentOptions {
  severity?: number;
  mixtureWidth?: number;
  /** Operations of each chain; -1: one to three, drawn. */
  chainDepth?: number;
  alpha?: number;
  allOps?: boolean;
}
/** Several chains of operations, mixed with each other and with the picture. */
export class AugMix extends Augment {
  static override readonly source: string = import.meta.url;
  readonly options: Required<AugMixOptions>;
  constructor(
    ...rest: Rest<
      [
        severity: number,
        mixtureWidth: number,
        chainDepth: number,
        alpha: number,
        allOps: boolean,
        interpolation: InterpolationMode,
        fill: Fill,
      ],
      AugMixOptions
    >
  ) {
    const o = merge<AugMixOptions>(
      'AugMix',
      rest,
      ['severity', 'mixtureWidth', 'chainDepth', 'alpha', 'allOps', 'interpolation', 'fill'],
      { severity: 3, mixtureWidth: 3, chainDepth: -1, alpha: 1, allOps: true, interpolation: 'bilinear', fill: null },
    );
    super(o);
    if (!(o.severity >= 1 && o.severity <= 10))
      throw new ValueError(`The severity must be between [1, 10]. Got ${o.severity} instead.`);
    this.options = o;
  }
  #space([, h, w]: readonly [number, number, number]): Space {
    const to = (x: number, signed = true): Strength => linear(0, x, 10, signed);
    const space: Space = [
      ['ShearX', to(0.3)],
      ['ShearY', to(0.3)],
      ['TranslateX', to(w / 3)],
      ['TranslateY', to(h / 3)],
      ['Rotate', to(30)],
      ['Posterize', bits(4, 4, 10)],
      ['Solarize', linear(255, 0, 10, false)],
      ['AutoContrast', none],
      ['Equalize', none],
    ];
    const colours: Operation[] = ['Brightness', 'Color', 'Contrast', 'Sharpness'];
    return this.options.allOps ? [...space, ...colours.map((c) => [c, to(0.9)] as const)] : space;
  }
  forward(image: Picture): Picture {
    const { severity, mixtureWidth, chainDepth, alpha } = this.options;
    const original = image instanceof Image ? image.toTensor() : image;
    const space = this.#space(F.getDimensions(image));
    const [keep, rest] = dirichlet([alpha, alpha]) as [number, number];
    const weights = dirichlet(new Array<number>(mixtureWidth).fill(alpha));
    let mix = original.to('float32').mul(keep);
    for (let k = 0; k < mixtureWidth; k++) {
      let img: Picture = original;
      const depth = chainDepth > 0 ? chainDepth : randint(1, 4);
      for (let d = 0; d < depth; d++) {
        const [name, strength] = space[randint(0, space.length)]!;
        const m = strength.at === null ? 0 : strength.at(randint(0, severity));
        img = this.run(img, name, strength.signed && randint(0, 2) === 1 ? -m : m);
      }
      mix = mix.add((img as typeof mix).to('float32').mul(weights[k]! * rest));
    }
    const out = mix.to(original.dtype);
    return image instanceof Image ? Image.fromTensor(out) : out;
  }
  protected override settings(): readonly unknown[] {
    return [this.options];
  }
}

/** A gamma variate of shape `a`: Marsaglia and Tsang's method (https://doi.org/10.1145/358407.358414). */
function gamma(a: number): number {
  if (a < 1) return gamma(a + 1) * rand() ** (1 / a);
  const d = a - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = tensor([0]).normal_().item();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - rand()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
function dirichlet(alpha: readonly number[]): number[] {
  const g = alpha.map(gamma);
  const sum = g.reduce((a, b) => a + b, 0);
  return g.map((x) => x / sum);
}
