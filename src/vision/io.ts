// vision.io: image files as uint8 tensors [C, H, W]. Decoding and encoding are asynchronous and need the package sharp.
import { readFile as read, writeFile as write } from 'node:fs/promises';
import { FileError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { decode, encode } from './codec.js';
import { bytesTensor } from './datasets/base.js';
import { Image, type ImageMode } from './image.js';

/** Channels of the result; UNCHANGED: those of the file. */
export const ImageReadMode = {
  UNCHANGED: 'UNCHANGED',
  GRAY: 'GRAY',
  GRAY_ALPHA: 'GRAY_ALPHA',
  RGB: 'RGB',
  RGB_ALPHA: 'RGB_ALPHA',
} as const;
export type ImageReadMode = keyof typeof ImageReadMode;
const MODES: Readonly<Record<ImageReadMode, ImageMode | null>> = {
  UNCHANGED: null,
  GRAY: 'L',
  GRAY_ALPHA: 'LA',
  RGB: 'RGB',
  RGB_ALPHA: 'RGBA',
};
const bytesOf = (input: Tensor | Uint8Array): Uint8Array =>
  isTensor(input) ? (input.contiguous().toTypedArray() as Uint8Array) : input;

/** The bytes of a file as a uint8 tensor. */
export async function readFile(path: string): Promise<Tensor> {
  try {
    const bytes = new Uint8Array(await read(path));
    return bytesTensor(bytes, [bytes.length]);
  } catch (e) {
    throw new FileError(`${path}: cannot be read: ${(e as Error).message}`);
  }
}
/** Writes the bytes of a uint8 tensor. */
export async function writeFile(filename: string, data: Tensor | Uint8Array): Promise<void> {
  await write(filename, bytesOf(data));
}
/** The picture in the bytes of a PNG, JPEG, WebP, GIF or TIFF file. Throws FileError. */
export async function decodeImage(input: Tensor | Uint8Array, mode: ImageReadMode = 'UNCHANGED'): Promise<Tensor> {
  return (await decode(bytesOf(input), MODES[mode])).toTensor();
}
export { decodeImage as decodePng, decodeImage as decodeJpeg };
/** The picture in a file. Throws FileError. */
export async function readImage(path: string, mode: ImageReadMode = 'UNCHANGED'): Promise<Tensor> {
  return (await decode(bytesOf(await readFile(path)), MODES[mode], path)).toTensor();
}
async function encoded(input: Tensor, format: string, options: object): Promise<Tensor> {
  const bytes = await encode(Image.fromTensor(input), format, options);
  return bytesTensor(bytes, [bytes.length]);
}
/** The bytes of a PNG file of a uint8 tensor [C, H, W]. */
export const encodePng = (input: Tensor, compressionLevel = 6): Promise<Tensor> =>
  encoded(input, 'png', { compressionLevel });
/** The bytes of a JPEG file of a uint8 tensor [C, H, W]. */
export const encodeJpeg = (input: Tensor, quality = 75): Promise<Tensor> => encoded(input, 'jpeg', { quality });
export async function writePng(input: Tensor, filename: string, compressionLevel = 6): Promise<void> {
  await writeFile(filename, await encodePng(input, compressionLevel));
}
export async function writeJpeg(input: Tensor, filename: string, quality = 75): Promise<void> {
  await writeFile(filename, await encodeJpeg(input, quality));
}
