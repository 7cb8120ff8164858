// Tensors as pixels: layouts, values from 0 to 1 or bytes, grids of several images, boxes.
import { DTypeError, ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import type { Pixels } from './png.js';

/** How dimensions are ordered, such as 'CHW', 'HWC', 'HW', 'NCHW'. */
export type DataFormats = string;

/** Reorders to `wanted`; letters that `formats` lacks become dimensions of size 1. */
function arranged(t: Tensor, formats: string, wanted: string): Tensor {
  const letters = formats.toUpperCase();
  if (letters.length !== t.ndim || new Set(letters).size !== letters.length)
    throw new ShapeError(
      `size of input tensor and input format are different: shape [${t.shape.join(', ')}], format '${formats}'`,
    );
  const unknown = [...letters].find((c) => !wanted.includes(c));
  if (unknown !== undefined) throw new ValueError(`unknown dimension '${unknown}' in the format '${formats}'`);
  const present = [...wanted].filter((c) => letters.includes(c));
  let out = t.permute(...present.map((c) => letters.indexOf(c)));
  [...wanted].forEach((c, i) => {
    if (!letters.includes(c)) out = out.unsqueeze(i);
  });
  return out;
}

/** Bytes of any numeric tensor: uint8 as it is, others times 255. */
function bytesOf(t: Tensor): Uint8Array {
  const plain = t.detach().contiguous();
  if (plain.dtype === 'uint8') return plain.toTypedArray() as Uint8Array;
  const values = plain.float().toTypedArray() as Float32Array;
  return Uint8Array.from(values, (v) => Math.max(0, Math.min(255, Math.trunc(v * 255))));
}

function checkImage(t: unknown): Tensor {
  if (!isTensor(t)) throw new DTypeError('expected an image as a tensor');
  return t;
}

/** One image. */
export function pixelsOf(image: Tensor, formats: DataFormats): Pixels {
  const t = arranged(checkImage(image), formats, 'HWC');
  const [height, width, channels] = t.shape as [number, number, number];
  return { width, height, channels, data: bytesOf(t) };
}

/** Images side by side, in as many columns as rows. */
export function gridOf(images: Tensor, formats: DataFormats): Pixels {
  const t = arranged(checkImage(images), formats, 'NHWC');
  const [n, height, width, channels] = t.shape as [number, number, number, number];
  if (n === 0) throw new ShapeError('expected at least one image');
  const columns = Math.min(n, Math.ceil(Math.sqrt(n)));
  const rows = Math.ceil(n / columns);
  const bytes = bytesOf(t);
  const data = new Uint8Array(rows * height * columns * width * channels);
  const line = width * channels;
  for (let i = 0; i < n; i++) {
    const [top, left] = [Math.floor(i / columns) * height, (i % columns) * line];
    for (let y = 0; y < height; y++)
      data.set(bytes.subarray((i * height + y) * line, (i * height + y + 1) * line), (top + y) * columns * line + left);
  }
  return { width: columns * width, height: rows * height, channels, data };
}

/** Frames of videos ([batch, time, channels, height, width]): the videos of a batch side by side. */
export function framesOf(video: Tensor): Pixels[] {
  if (video.ndim !== 5) throw new ShapeError(`a video has 5 dimensions (NTCHW), got shape [${video.shape.join(', ')}]`);
  return Array.from({ length: video.shape[1]! }, (_, t) => gridOf(video.select(1, t), 'NCHW'));
}

/** Draws the outlines of boxes [x1, y1, x2, y2] in red. */
export function withBoxes(image: Pixels, boxes: Tensor): Pixels {
  const rgb = new Uint8Array(image.width * image.height * 3);
  for (let i = 0; i < image.width * image.height; i++)
    for (let c = 0; c < 3; c++) rgb[i * 3 + c] = image.data[i * image.channels + (image.channels < 3 ? 0 : c)]!;
  const dot = (x: number, y: number): void => {
    if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
    rgb.set([255, 0, 0], (y * image.width + x) * 3);
  };
  const list = boxes.reshape([-1, 4]).double().tolist() as number[][];
  for (const [x1, y1, x2, y2] of list.map((b) => b.map(Math.round)) as [number, number, number, number][]) {
    for (let x = x1; x <= x2; x++) for (const y of [y1, y2]) dot(x, y);
    for (let y = y1; y <= y2; y++) for (const x of [x1, x2]) dot(x, y);
  }
  return { width: image.width, height: image.height, channels: 3, data: rgb };
}
