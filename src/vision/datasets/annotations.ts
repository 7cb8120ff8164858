// Pictures with annotations in files beside them: COCO (JSON), Pascal VOC (XML).
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError, ValueError } from '../../tensor/errors.js';
import { open } from '../codec.js';
import { checkedIndex, rootAndOptions, VisionDataset, type RootOptions, type VisionOptions } from './base.js';
import { defaultLoader } from './folder.js';

export interface CocoImage {
  readonly id: number;
  readonly file_name: string;
  readonly width?: number;
  readonly height?: number;
}
/** One object: PyTorch users know these fields from the annotation files. */
export interface CocoAnnotation {
  readonly id: number;
  readonly image_id: number;
  readonly category_id?: number;
  readonly bbox?: readonly [number, number, number, number];
  readonly caption?: string;
  readonly [field: string]: unknown;
}
interface CocoFile {
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories?: readonly { readonly id: number; readonly name: string }[];
}
export interface CocoOptions extends VisionOptions {
  annFile?: string;
}
function readCoco(path: string): CocoFile {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (e) {
    throw new FileError(`${path}: cannot be read as COCO annotations: ${(e as Error).message}`);
  }
  const { images, annotations } = (content ?? {}) as Partial<CocoFile>;
  if (!Array.isArray(images) || !Array.isArray(annotations))
    throw new FileError(`${path}: COCO annotations have the lists 'images' and 'annotations'`);
  return content as CocoFile;
}
/** Sample i is [picture, annotations of the picture], pictures in the order of their ids. */
export class CocoDetection<I = unknown> extends VisionDataset<[I, unknown]> {
  readonly ids: readonly number[];
  readonly categories: readonly { readonly id: number; readonly name: string }[];
  readonly #images: ReadonlyMap<number, CocoImage>;
  readonly #annotations: ReadonlyMap<number, readonly CocoAnnotation[]>;
  constructor(root: string | (CocoOptions & RootOptions), annFile?: string | CocoOptions, options?: CocoOptions) {
    const o = rootAndOptions<CocoOptions>(
      'CocoDetection',
      root,
      typeof annFile === 'string' ? { ...options, annFile } : annFile,
    );
    super(o.root, o);
    if (o.annFile === undefined) throw new ValueError('CocoDetection(): the annotation file (annFile) must be given');
    const content = readCoco(o.annFile);
    this.categories = content.categories ?? [];
    this.#images = new Map(content.images.map((i) => [i.id, i]));
    const byImage = new Map<number, CocoAnnotation[]>(content.images.map((i) => [i.id, []]));
    for (const a of content.annotations) byImage.get(a.image_id)?.push(a);
    this.#annotations = byImage;
    this.ids = [...this.#images.keys()].sort((a, b) => a - b);
  }
  get length(): number {
    return this.ids.length;
  }
  protected target(annotations: readonly CocoAnnotation[]): unknown {
    return annotations;
  }
  get(index: number): Promise<[I, unknown]> {
    const id = this.ids[checkedIndex(index, this.length)]!;
    const image = defaultLoader(join(this.root, this.#images.get(id)!.file_name));
    return this.transformed(image, this.target(this.#annotations.get(id)!)) as Promise<[I, unknown]>;
  }
}
/** Sample i is [picture, its captions]. */
export class CocoCaptions<I = unknown> extends CocoDetection<I> {
  protected override target(annotations: readonly CocoAnnotation[]): unknown {
    return annotations.map((a) => a.caption);
  }
}

export interface VOCOptions extends VisionOptions {
  year?: string;
  imageSet?: string;
}
abstract class VOC<I> extends VisionDataset<[I, unknown]> {
  readonly images: readonly string[];
  readonly targets: readonly string[];
  constructor(
    what: string,
    root: string | (VOCOptions & RootOptions),
    options: VOCOptions | undefined,
    kind: { sets: string; folder: string; extension: string },
  ) {
    const o = rootAndOptions<VOCOptions>(what, root, options);
    super(o.root, o);
    const { year = '2012', imageSet = 'train' } = o;
    const base = join(o.root, 'VOCdevkit', `VOC${year}`);
    const list = join(base, 'ImageSets', kind.sets, `${imageSet}.txt`);
    if (!existsSync(list)) {
      throw new FileError(
        `${list}: no such file. Get the archive from http://host.robots.ox.ac.uk/pascal/VOC/voc${year}/ and unpack it in ${o.root}`,
      );
    }
    const names = readFileSync(list, 'utf8')
      .split('\n')
      .map((l) => l.trim().split(/\s+/)[0]!)
      .filter((n) => n !== '');
    this.images = names.map((n) => join(base, 'JPEGImages', `${n}.jpg`));
    this.targets = names.map((n) => join(base, kind.folder, n + kind.extension));
  }
  get length(): number {
    return this.images.length;
  }
  protected abstract target(path: string): Promise<unknown>;
  get(index: number): Promise<[I, unknown]> {
    const at = checkedIndex(index, this.length);
    return this.transformed(defaultLoader(this.images[at]!), this.target(this.targets[at]!)) as Promise<[I, unknown]>;
  }
}
/** Sample i is [picture, the annotation's XML as nested records]; `annotation.object` is always a list. */
export class VOCDetection<I = unknown> extends VOC<I> {
  constructor(root: string | (VOCOptions & RootOptions), options?: VOCOptions) {
    super('VOCDetection', root, options, { sets: 'Main', folder: 'Annotations', extension: '.xml' });
  }
  get annotations(): readonly string[] {
    return this.targets;
  }
  protected async target(path: string): Promise<unknown> {
    const { XMLParser } = await import('fast-xml-parser');
    const parser = new XMLParser({
      parseTagValue: false,
      isArray: (name) => name === 'object',
      processEntities: false,
    });
    try {
      return parser.parse(await readFile(path, 'utf8'), true);
    } catch (e) {
      throw new FileError(`${path}: cannot be read as an annotation: ${(e as Error).message}`);
    }
  }
}
/** Sample i is [picture, picture of the classes]. */
export class VOCSegmentation<I = unknown> extends VOC<I> {
  constructor(root: string | (VOCOptions & RootOptions), options?: VOCOptions) {
    super('VOCSegmentation', root, options, { sets: 'Segmentation', folder: 'SegmentationClass', extension: '.png' });
  }
  get masks(): readonly string[] {
    return this.targets;
  }
  protected target(path: string): Promise<unknown> {
    return open(path);
  }
}
