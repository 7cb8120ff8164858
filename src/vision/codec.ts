// Image files: decoding and encoding through sharp, an optional package that is loaded when first needed.
import { readFile } from 'node:fs/promises';
import { FileError } from '../tensor/errors.js';
import { Image, type ImageMode } from './image.js';

/** The part of sharp that is used here. */
interface Pipeline {
  metadata(): Promise<{ space?: string; hasAlpha?: boolean; channels?: number }>;
  toColourspace(space: string): Pipeline;
  raw(): Pipeline;
  png(options: object): Pipeline;
  jpeg(options: object): Pipeline;
  toFormat(format: string): Pipeline;
  toBuffer(options: {
    resolveWithObject: true;
  }): Promise<{ data: Buffer; info: { width: number; height: number; channels: number } }>;
  toBuffer(): Promise<Buffer>;
}
type Sharp = (input: Uint8Array, options?: object) => Pipeline;

let loaded: Promise<Sharp> | undefined;
async function sharp(): Promise<Sharp> {
  // The name is a variable so that type checking does not ask for the package.
  const name = 'sharp';
  loaded ??= import(name).then(
    (m: { default: Sharp }) => m.default,
    (e: unknown) => {
      loaded = undefined;
      throw new FileError(
        `reading and writing image files needs the package sharp: npm install sharp (${(e as Error).message})`,
      );
    },
  );
  return loaded;
}

/** An image from the bytes of a PNG, JPEG, WebP, GIF, TIFF or AVIF file, in the given mode or its own. Throws FileError. */
export async function decode(bytes: Uint8Array, mode: ImageMode | null = null, name = 'image'): Promise<Image> {
  const make = await sharp();
  try {
    const pipeline = make(bytes);
    const grey = (await pipeline.metadata()).space === 'b-w';
    const { data, info } = await (grey ? pipeline.toColourspace('b-w') : pipeline)
      .raw()
      .toBuffer({ resolveWithObject: true });
    const image = new Image(info.width, info.height, info.channels, new Uint8Array(data));
    return mode === null ? image : image.convert(mode);
  } catch (e) {
    throw new FileError(`${name}: cannot be decoded: ${(e as Error).message}`);
  }
}

/** Reads an image file. Throws FileError when it is missing or no image. */
export async function open(path: string, mode: ImageMode | null = null): Promise<Image> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (e) {
    throw new FileError(`${path}: cannot be read: ${(e as Error).message}`);
  }
  return decode(bytes, mode, path);
}

export interface EncodeOptions {
  /** 1 to 100, for JPEG and WebP. */
  quality?: number;
  /** 0 to 9, for PNG. */
  compressionLevel?: number;
}
/** The bytes of a file of this format: 'png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'. */
export async function encode(image: Image, format: string, o: EncodeOptions = {}): Promise<Uint8Array> {
  const make = await sharp();
  const { width, height, channels } = image;
  let pipeline = make(image.data, { raw: { width, height, channels } });
  if (channels <= 2) pipeline = pipeline.toColourspace('b-w');
  const kind = format === 'jpg' ? 'jpeg' : format;
  try {
    if (kind === 'png') pipeline = pipeline.png({ compressionLevel: o.compressionLevel ?? 6 });
    else if (kind === 'jpeg') pipeline = pipeline.jpeg({ quality: o.quality ?? 75 });
    else pipeline = pipeline.toFormat(kind);
    return new Uint8Array(await pipeline.toBuffer());
  } catch (e) {
    throw new FileError(`cannot encode ${String(image)} as ${format}: ${(e as Error).message}`);
  }
}

/** The bytes of a PNG file of an SVG drawing, `scale` times its size. */
export async function rasterize(svg: string, scale = 1): Promise<Uint8Array> {
  const make = await sharp();
  return new Uint8Array(
    await make(new TextEncoder().encode(svg), { density: 72 * scale })
      .png({ compressionLevel: 6 })
      .toBuffer(),
  );
}
