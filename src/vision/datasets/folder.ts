// Pictures in folders, one folder for each class.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { FileError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import { open } from '../codec.js';
import type { Image } from '../image.js';
import { checkedIndex, rootAndOptions, VisionDataset, type RootOptions, type VisionOptions } from './base.js';

/** What reads a file. */
export type Loader<S = unknown> = (path: string) => S | Promise<S>;
/** Reads an image file in colour, through sharp. */
export const defaultLoader = (path: string): Promise<Image> => open(path, 'RGB');
export const IMG_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp'] as const;

/** Names of the folders in `directory`, sorted: the classes and their numbers. */
export function findClasses(directory: string): [string[], Record<string, number>] {
  if (!existsSync(directory))
    throw new FileError(`${directory}: no such folder; it should hold one folder of files for each class`);
  const classes = readdirSync(directory, { withFileTypes: true })
    .filter((e) => e.isDirectory() || (e.isSymbolicLink() && statSync(join(directory, e.name)).isDirectory()))
    .map((e) => e.name)
    .sort();
  if (classes.length === 0) throw new FileError(`Couldn't find any class folder in ${directory}.`);
  return [classes, Object.fromEntries(classes.map((c, i) => [c, i]))];
}
/** All files below a folder, folder by folder in order. Links are followed; a folder is visited once. */
export function walk(directory: string): string[] {
  const folders: string[] = [];
  const seen = new Set<number>();
  const visit = (folder: string): void => {
    const { ino } = statSync(folder);
    if (seen.has(ino)) return;
    seen.add(ino);
    folders.push(folder);
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) visit(path);
    }
  };
  visit(directory);
  return folders.sort().flatMap((folder) =>
    readdirSync(folder)
      .sort()
      .map((name) => join(folder, name))
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true),
  );
}
const hasExtension = (path: string, extensions: readonly string[]): boolean =>
  extensions.includes(extname(path).toLowerCase());

export interface FolderOptions<S> extends VisionOptions {
  loader?: Loader<S>;
  extensions?: readonly string[] | null;
  /** Takes the place of `extensions`. */
  isValidFile?: ((path: string) => boolean) | null;
}
/** All files root/CLASS/**: sample i is [what the loader reads, number of the class]. */
export class DatasetFolder<S = unknown, I = S> extends VisionDataset<[I, number]> {
  readonly loader: Loader<S>;
  readonly classes: readonly string[];
  readonly classToIdx: Readonly<Record<string, number>>;
  /** [path, class number] of each file. */
  readonly samples: readonly (readonly [string, number])[];
  readonly targets: readonly number[];

  constructor(
    root: string | (FolderOptions<S> & RootOptions),
    loader?: Loader<S> | FolderOptions<S>,
    extensions?: readonly string[] | FolderOptions<S> | null,
    options?: FolderOptions<S>,
  ) {
    // Positional as in torchvision: root, loader, extensions, then the rest.
    const given: FolderOptions<S> = {
      ...(typeof loader === 'function' ? { loader } : loader),
      ...(Array.isArray(extensions)
        ? { extensions: extensions as readonly string[] }
        : (extensions as FolderOptions<S> | null)),
      ...options,
    };
    const o = rootAndOptions<FolderOptions<S>>('DatasetFolder', root, given);
    super(o.root, o);
    if (o.loader === undefined) throw new ValueError('DatasetFolder(): a loader must be given');
    const own = o.isValidFile ?? null;
    if ((own === null) === (o.extensions == null))
      throw new ValueError('Both extensions and is_valid_file cannot be None or not None at the same time');
    const valid = own ?? ((path: string): boolean => hasExtension(path, o.extensions!));
    this.loader = o.loader;
    [this.classes, this.classToIdx] = this.findClasses(o.root);
    const samples: [string, number][] = [];
    const empty: string[] = [];
    for (const [k, name] of this.classes.entries()) {
      const files = walk(join(o.root, name)).filter(valid);
      if (files.length === 0) empty.push(name);
      for (const f of files) samples.push([f, k]);
    }
    if (empty.length > 0) {
      const kinds = o.extensions == null ? '' : ` Supported extensions are: ${o.extensions.join(', ')}`;
      throw new FileError(`Found no valid file for the classes ${empty.join(', ')} in ${o.root}.${kinds}`);
    }
    this.samples = samples;
    this.targets = samples.map(([, k]) => k);
  }
  /** The classes and their numbers; subclasses may read them from elsewhere. */
  findClasses(directory: string): [readonly string[], Readonly<Record<string, number>>] {
    return findClasses(directory);
  }
  get length(): number {
    return this.samples.length;
  }
  get(index: number): [I, number] | Promise<[I, number]> {
    const [path, target] = this.samples[checkedIndex(index, this.length)]!;
    return this.transformed(this.loader(path), target);
  }
}

export type ImageFolderOptions = Omit<FolderOptions<unknown>, 'extensions'>;
/**
 * Image files root/CLASS/**: `new ImageFolder('root_path', { transform })`. Samples are promises of [picture, class number]
 * (decoding is asynchronous): iterate loaders with `for await`.
 */
export class ImageFolder<I = Tensor> extends DatasetFolder<unknown, I> {
  constructor(root: string | (ImageFolderOptions & RootOptions), options?: ImageFolderOptions) {
    const o = rootAndOptions<ImageFolderOptions>('ImageFolder', root, options);
    const { isValidFile = null } = o;
    super({ loader: defaultLoader, ...o, isValidFile, extensions: isValidFile === null ? IMG_EXTENSIONS : null });
  }
  /** As torchvision calls the samples here. */
  get imgs(): readonly (readonly [string, number])[] {
    return this.samples;
  }
}

export interface ImageNetOptions extends ImageFolderOptions {
  split?: 'train' | 'val';
}
/**
 * ImageNet as its archives unpack: root/train/n01440764/*.JPEG and root/val/n01440764/*.JPEG. Names of the classes come from
 * root/wnids.txt (lines `n01440764 tench, Tinca tinca`) when it is there, else they are the folders' own.
 */
export class ImageNet<I = Tensor> extends ImageFolder<I> {
  readonly split: 'train' | 'val';
  /** WordNet ids: the folders' names. */
  readonly wnids: readonly string[];
  readonly wnidToIdx: Readonly<Record<string, number>>;
  /** Words for each class. */
  readonly words: readonly (readonly string[])[];
  constructor(root: string | (ImageNetOptions & RootOptions), options?: ImageNetOptions) {
    const { split = 'train', ...o } = rootAndOptions<ImageNetOptions>('ImageNet', root, options);
    if (split !== 'train' && split !== 'val')
      throw new ValueError(`Unknown value '${String(split)}' for argument split. Valid values are train, val.`);
    const folder = join(o.root, split);
    if (!existsSync(folder)) {
      throw new FileError(
        `${folder}: no such folder. ImageNet's archives cannot be fetched by a program: get them from https://image-net.org and unpack them so that each class has a folder there`,
      );
    }
    super({ ...o, root: folder });
    this.split = split;
    this.wnids = this.classes;
    this.wnidToIdx = this.classToIdx;
    const list = join(o.root, 'wnids.txt');
    const names = new Map<string, string[]>();
    if (existsSync(list)) {
      for (const line of readFileSync(list, 'utf8').split('\n')) {
        const [id, ...rest] = line.trim().split(/\s+/);
        if (id !== undefined && id !== '') names.set(id, rest.join(' ').split(/,\s*/));
      }
    }
    this.words = this.wnids.map((id) => names.get(id) ?? [id]);
  }
}

/** The name of a file without folder and ending. */
export const stem = (path: string): string => basename(path, extname(path));
