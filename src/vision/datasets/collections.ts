// Collections of image files with lists or folders of their own: CelebA, Omniglot, Caltech, EuroSAT, and others that are a
// folder for each class. Their archives are fetched and unpacked by the user.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, ValueError } from '../../tensor/errors.js';
import { tensor } from '../../tensor/create.js';
import type { Tensor } from '../../tensor/handle.js';
import { oneOf } from './arrays.js';
import { checkedIndex, rootAndOptions, VisionDataset, type RootOptions, type VisionOptions } from './base.js';
import { defaultLoader, ImageFolder, walk, type ImageFolderOptions } from './folder.js';
import { open } from '../codec.js';

function lines(path: string, set: string): string[] {
  if (!existsSync(path)) throw new FileError(`${set}: ${path} not found; unpack the set's archive so that it is there`);
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '');
}
const folders = (path: string, set: string): string[] => {
  if (!existsSync(path)) throw new FileError(`${set}: ${path} not found; unpack the set's archive so that it is there`);
  return readdirSync(path, { withFileTypes: true })
    .filter((e) => e.isDirectory())
    .map((e) => e.name)
    .sort();
};

const CELEBA_TARGETS = ['attr', 'identity', 'bbox', 'landmarks'] as const;
export type CelebATarget = (typeof CELEBA_TARGETS)[number];
export interface CelebAOptions extends VisionOptions {
  split?: 'train' | 'valid' | 'test' | 'all';
  targetType?: CelebATarget | readonly CelebATarget[];
}
/** Faces with 40 attributes, from root/celeba: sample i is [picture, target or list of targets] (int64 tensors). */
export class CelebA<I = unknown> extends VisionDataset<[I, unknown]> {
  readonly split: string;
  readonly targetType: readonly CelebATarget[];
  readonly filename: readonly string[];
  readonly attrNames: readonly string[];
  readonly #targets: Readonly<Record<CelebATarget, ReadonlyMap<string, readonly number[]>>>;
  readonly #single: boolean;
  constructor(root: string | (CelebAOptions & RootOptions), options?: CelebAOptions) {
    const o = rootAndOptions<CelebAOptions>('CelebA', root, options);
    super(o.root, o);
    this.split = oneOf('split', o.split ?? 'train', ['train', 'valid', 'test', 'all']);
    const types = o.targetType ?? 'attr';
    this.#single = typeof types === 'string';
    this.targetType = (typeof types === 'string' ? [types] : [...types]).map((t) =>
      oneOf('target_type', t, CELEBA_TARGETS),
    );
    const file = (name: string, header: number): string[] =>
      lines(join(o.root, 'celeba', name), 'CelebA').slice(header);
    const table = (name: string, header: number): Map<string, number[]> =>
      new Map(
        file(name, header).map((l) => {
          const [key, ...values] = l.split(/\s+/);
          return [key!, values.map(Number)];
        }),
      );
    const part = { train: 0, valid: 1, test: 2, all: null }[this.split as 'train'] as number | null;
    this.filename = [...table('list_eval_partition.txt', 0)]
      .filter(([, [p]]) => part === null || p === part)
      .map(([f]) => f);
    const wants = (t: CelebATarget): boolean => this.targetType.includes(t);
    const none = new Map<string, number[]>();
    this.attrNames = wants('attr')
      ? lines(join(o.root, 'celeba', 'list_attr_celeba.txt'), 'CelebA')[1]!.split(/\s+/)
      : [];
    this.#targets = {
      // -1 and 1 become 0 and 1.
      attr: wants('attr')
        ? new Map([...table('list_attr_celeba.txt', 2)].map(([k, v]) => [k, v.map((x) => (x + 1) / 2)]))
        : none,
      identity: wants('identity') ? table('identity_CelebA.txt', 0) : none,
      bbox: wants('bbox') ? table('list_bbox_celeba.txt', 2) : none,
      landmarks: wants('landmarks') ? table('list_landmarks_align_celeba.txt', 2) : none,
    };
  }
  get length(): number {
    return this.filename.length;
  }
  get(index: number): Promise<[I, unknown]> {
    const name = this.filename[checkedIndex(index, this.length)]!;
    const targets = this.targetType.map((t) => {
      const values = this.#targets[t].get(name);
      if (values === undefined) throw new FileError(`CelebA: ${name} has no ${t}`);
      return t === 'identity' ? values[0] : tensor([...values], { dtype: 'int64' });
    });
    const target = this.#single ? targets[0] : targets.length === 0 ? null : targets;
    return this.transformed(defaultLoader(join(this.root, 'celeba', 'img_align_celeba', name)), target) as Promise<
      [I, unknown]
    >;
  }
}

/** Files with a number each: what the collections below have in common. */
abstract class ListedImages<I> extends VisionDataset<[I, number]> {
  protected abstract readonly files: readonly (readonly [path: string, target: number])[];
  protected load(path: string): Promise<unknown> {
    return defaultLoader(path);
  }
  get length(): number {
    return this.files.length;
  }
  get(index: number): Promise<[I, number]> {
    const [path, target] = this.files[checkedIndex(index, this.length)]!;
    return this.transformed(this.load(path), target) as Promise<[I, number]>;
  }
}

export interface OmniglotOptions extends VisionOptions {
  /** The 964 characters of the background set, or the 659 of the evaluation set. */
  background?: boolean;
}
/** Characters of 50 alphabets, 20 drawings each, from root/omniglot-py/images_background (or images_evaluation). */
export class Omniglot<I = unknown> extends ListedImages<I> {
  /** alphabet/character, in the order of their numbers. */
  readonly characters: readonly string[];
  protected readonly files: readonly (readonly [string, number])[];
  constructor(root: string | (OmniglotOptions & RootOptions), options?: OmniglotOptions) {
    const o = rootAndOptions<OmniglotOptions>('Omniglot', root, options);
    super(o.root, o);
    const folder = join(o.root, 'omniglot-py', (o.background ?? true) ? 'images_background' : 'images_evaluation');
    this.characters = folders(folder, 'Omniglot').flatMap((a) =>
      folders(join(folder, a), 'Omniglot').map((c) => join(a, c)),
    );
    this.files = this.characters.flatMap((c, k) =>
      readdirSync(join(folder, c))
        .filter((f) => f.endsWith('.png'))
        .sort()
        .map((f) => [join(folder, c, f), k] as const),
    );
  }
  protected override load(path: string): Promise<unknown> {
    return open(path, 'L');
  }
}

/** Pictures of 101 kinds of things, from root/caltech101/101_ObjectCategories. */
export class Caltech101<I = unknown> extends ListedImages<I> {
  readonly categories: readonly string[];
  protected readonly files: readonly (readonly [string, number])[];
  constructor(root: string | (VisionOptions & RootOptions), options?: VisionOptions) {
    const o = rootAndOptions<VisionOptions>('Caltech101', root, options);
    super(o.root, o);
    const folder = join(o.root, 'caltech101', '101_ObjectCategories');
    this.categories = folders(folder, 'Caltech101').filter((c) => c !== 'BACKGROUND_Google');
    this.files = this.categories.flatMap((c, k) =>
      walk(join(folder, c))
        .filter((f) => /\.jpe?g$/i.test(f))
        .map((f) => [f, k] as const),
    );
  }
}
/** Pictures of 256 kinds of things and a rest, from root/caltech256/256_ObjectCategories. */
export class Caltech256<I = unknown> extends ListedImages<I> {
  readonly categories: readonly string[];
  protected readonly files: readonly (readonly [string, number])[];
  constructor(root: string | (VisionOptions & RootOptions), options?: VisionOptions) {
    const o = rootAndOptions<VisionOptions>('Caltech256', root, options);
    super(o.root, o);
    const folder = join(o.root, 'caltech256', '256_ObjectCategories');
    this.categories = folders(folder, 'Caltech256');
    this.files = this.categories.flatMap((c, k) =>
      walk(join(folder, c))
        .filter((f) => f.endsWith('.jpg'))
        .map((f) => [f, k] as const),
    );
  }
}

export interface SplitOptions extends VisionOptions {
  split?: string;
}
/** Dishes of 101 kinds, from root/food-101: images/ and meta/train.txt, meta/test.txt. */
export class Food101<I = unknown> extends ListedImages<I> {
  readonly classes: readonly string[];
  readonly classToIdx: Readonly<Record<string, number>>;
  protected readonly files: readonly (readonly [string, number])[];
  constructor(root: string | (SplitOptions & RootOptions), options?: SplitOptions) {
    const o = rootAndOptions<SplitOptions>('Food101', root, options);
    super(o.root, o);
    const split = oneOf('split', o.split ?? 'train', ['train', 'test']);
    const base = join(o.root, 'food-101');
    const names = lines(join(base, 'meta', `${split}.txt`), 'Food101');
    this.classes = [...new Set(names.map((n) => n.split('/')[0]!))].sort();
    this.classToIdx = Object.fromEntries(this.classes.map((c, i) => [c, i]));
    this.files = names.map((n) => [join(base, 'images', `${n}.jpg`), this.classToIdx[n.split('/')[0]!]!] as const);
  }
}
/** Textures of 47 kinds, from root/dtd/dtd: images/ and labels/train1.txt ... test10.txt. */
export class DTD<I = unknown> extends ListedImages<I> {
  readonly classes: readonly string[];
  readonly classToIdx: Readonly<Record<string, number>>;
  protected readonly files: readonly (readonly [string, number])[];
  constructor(
    root: string | (SplitOptions & { partition?: number } & RootOptions),
    options?: SplitOptions & { partition?: number },
  ) {
    const o = rootAndOptions<SplitOptions & { partition?: number }>('DTD', root, options);
    super(o.root, o);
    const split = oneOf('split', o.split ?? 'train', ['train', 'val', 'test']);
    const partition = o.partition ?? 1;
    if (!Number.isInteger(partition) || partition < 1 || partition > 10)
      throw new ValueError(
        `Parameter 'partition' should be an integer with 1 <= partition <= 10, but got ${partition} instead`,
      );
    const base = join(o.root, 'dtd', 'dtd');
    const names = lines(join(base, 'labels', `${split}${partition}.txt`), 'DTD');
    this.classes = [...new Set(names.map((n) => n.split('/')[0]!))].sort();
    this.classToIdx = Object.fromEntries(this.classes.map((c, i) => [c, i]));
    this.files = names.map((n) => [join(base, 'images', n), this.classToIdx[n.split('/')[0]!]!] as const);
  }
}
/** Cats and dogs of 37 breeds, from root/oxford-iiit-pet: images/ and annotations/trainval.txt, test.txt. */
export class OxfordIIITPet<I = unknown> extends ListedImages<I> {
  readonly classes: readonly string[];
  protected readonly files: readonly (readonly [string, number])[];
  constructor(root: string | (SplitOptions & RootOptions), options?: SplitOptions) {
    const o = rootAndOptions<SplitOptions>('OxfordIIITPet', root, options);
    super(o.root, o);
    const split = oneOf('split', o.split ?? 'trainval', ['trainval', 'test']);
    const base = join(o.root, 'oxford-iiit-pet');
    const rows = lines(join(base, 'annotations', `${split}.txt`), 'OxfordIIITPet').map((l) => l.split(/\s+/));
    const names = new Map<number, string>();
    this.files = rows.map(([id, label]) => {
      const k = Number(label) - 1;
      const breed = id!.slice(0, id!.lastIndexOf('_'));
      names.set(k, breed.split('_').map((w) => w.charAt(0).toUpperCase() + w.slice(1).toLowerCase()).join(' ')); // prettier-ignore
      return [join(base, 'images', `${id}.jpg`), k] as const;
    });
    this.classes = [...names].sort(([a], [b]) => a - b).map(([, n]) => n);
  }
}
/** Aircraft, from root/fgvc-aircraft-2013b/data. */
export class FGVCAircraft<I = unknown> extends ListedImages<I> {
  readonly classes: readonly string[];
  readonly classToIdx: Readonly<Record<string, number>>;
  protected readonly files: readonly (readonly [string, number])[];
  constructor(
    root: string | (SplitOptions & { annotationLevel?: string } & RootOptions),
    options?: SplitOptions & { annotationLevel?: string },
  ) {
    const o = rootAndOptions<SplitOptions & { annotationLevel?: string }>('FGVCAircraft', root, options);
    super(o.root, o);
    const split = oneOf('split', o.split ?? 'trainval', ['train', 'val', 'trainval', 'test']);
    const level = oneOf('annotation_level', o.annotationLevel ?? 'variant', ['variant', 'family', 'manufacturer']);
    const base = join(o.root, 'fgvc-aircraft-2013b', 'data');
    const list = { variant: 'variants.txt', family: 'families.txt', manufacturer: 'manufacturers.txt' }[level];
    this.classes = lines(join(base, list), 'FGVCAircraft');
    this.classToIdx = Object.fromEntries(this.classes.map((c, i) => [c, i]));
    this.files = lines(join(base, `images_${level}_${split}.txt`), 'FGVCAircraft').map((l) => {
      const space = l.indexOf(' ');
      return [join(base, 'images', `${l.slice(0, space)}.jpg`), this.classToIdx[l.slice(space + 1)]!] as const;
    });
  }
}

/** Satellite pictures of ten kinds of land, from root/eurosat/2750. */
export class EuroSAT<I = Tensor> extends ImageFolder<I> {
  constructor(root: string | (ImageFolderOptions & RootOptions), options?: ImageFolderOptions) {
    const o = rootAndOptions<ImageFolderOptions>('EuroSAT', root, options);
    super({ ...o, root: join(o.root, 'eurosat', '2750') });
  }
}
export interface SplitFolderOptions extends ImageFolderOptions {
  split?: string;
}
/** Pictures from 211 countries, from root/country211/train (valid, test). */
export class Country211<I = Tensor> extends ImageFolder<I> {
  constructor(root: string | (SplitFolderOptions & RootOptions), options?: SplitFolderOptions) {
    const { split = 'train', ...o } = rootAndOptions<SplitFolderOptions>('Country211', root, options);
    super({ ...o, root: join(o.root, 'country211', oneOf('split', split, ['train', 'valid', 'test'])) });
  }
}
/** Sentences as pictures, from root/rendered-sst2/train (valid, test). */
export class RenderedSST2<I = Tensor> extends ImageFolder<I> {
  constructor(root: string | (SplitFolderOptions & RootOptions), options?: SplitFolderOptions) {
    const { split = 'train', ...o } = rootAndOptions<SplitFolderOptions>('RenderedSST2', root, options);
    const folder = { train: 'train', val: 'valid', test: 'test' }[oneOf('split', split, ['train', 'val', 'test'])];
    super({ ...o, root: join(o.root, 'rendered-sst2', folder) });
  }
}
