// Pictures in memory: what data sets of image files give and what transforms take beside tensors (the part that PIL's images
// play in torchvision). Eight bits a channel, rows from the top, channels of a pixel next to each other.
import { native } from '../native.js';
import { dtypeCode } from '../tensor/dtype.js';
import { DTypeError, ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../tensor/handle.js';

/** Grey, grey and alpha, colour, colour and alpha. */
export type ImageMode = 'L' | 'LA' | 'RGB' | 'RGBA';
const MODES = ['L', 'LA', 'RGB', 'RGBA'] as const satisfies readonly ImageMode[];

/** Anything with the fields of an image: height x width x channels, 8 bits. */
export interface ImageData8 {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** Default: what the size of `data` says. */
  readonly channels?: number;
}

/** What transforms work on. */
export type Picture = Tensor | Image;

/** An image of 1 to 4 channels. `data` has width * height * channels bytes. */
export class Image implements ImageData8 {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;

  constructor(width: number, height: number, channels: number, data?: Uint8Array | Uint8ClampedArray) {
    for (const [what, v] of Object.entries({ width, height, channels })) {
      if (!Number.isInteger(v) || v < 0)
        throw new ValueError(`Image(): ${what} must be a whole number, got ${String(v)}`);
    }
    if (channels < 1 || channels > 4) throw new ValueError(`Image(): 1 to 4 channels are possible, got ${channels}`);
    const bytes = data ?? new Uint8Array(width * height * channels);
    if (bytes.length !== width * height * channels)
      throw new ShapeError(`an image of ${width} x ${height} x ${channels} does not fit ${bytes.length} bytes`);
    this.width = width;
    this.height = height;
    this.channels = channels;
    this.data = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get mode(): ImageMode {
    return MODES[this.channels - 1]!;
  }
  /** [width, height], as PIL has it. */
  get size(): [number, number] {
    return [this.width, this.height];
  }
  /** An image from any object with its fields (canvas' ImageData, sharp's raw output). */
  static from(image: ImageData8): Image {
    if (image instanceof Image) return image;
    const { data, width, height } = image;
    const channels = image.channels ?? data.length / (width * height);
    if (!Number.isInteger(channels) || data.length !== width * height * channels)
      throw new ShapeError(`an image of ${width} x ${height} does not fit ${data.length} bytes`);
    return new Image(width, height, channels, data);
  }
  /** An image from a uint8 tensor [C, H, W] or [H, W]. */
  static fromTensor(t: Tensor): Image {
    if (t.dtype !== 'uint8') throw new DTypeError(`Image.fromTensor(): expected a uint8 tensor, got ${t.dtype}`);
    if (t.ndim !== 2 && t.ndim !== 3)
      throw new ShapeError(`Image.fromTensor(): expected [C, H, W] or [H, W], got [${t.shape.join(', ')}]`);
    const [c, h, w] = t.ndim === 2 ? [1, t.shape[0]!, t.shape[1]!] : (t.shape as [number, number, number]);
    const rows = t.ndim === 2 ? t : t.permute(1, 2, 0);
    return new Image(w, h, c, rows.contiguous().toTypedArray() as Uint8Array);
  }
  /** The pixels as a uint8 tensor [C, H, W]. */
  toTensor(): Tensor {
    const { width, height, channels, data } = this;
    const hwc = wrap(native.fromTypedArray(data, [height, width, channels], dtypeCode('uint8'), false));
    return channels === 1 ? hwc.view([1, height, width]) : hwc.permute(2, 0, 1).contiguous();
  }
  /** The same picture in another mode. Grey is (19595 R + 38470 G + 7471 B) / 65536, rounded, as in PIL. */
  convert(mode: ImageMode): Image {
    const channels = MODES.indexOf(mode) + 1;
    if (channels === 0) throw new ValueError(`unknown image mode '${String(mode)}' (known: ${MODES.join(', ')})`);
    if (channels === this.channels) return this;
    const out = new Image(this.width, this.height, channels);
    const colour = this.channels >= 3;
    const alpha = this.channels === 2 || this.channels === 4;
    for (let p = 0, q = 0; q < out.data.length; p += this.channels, q += channels) {
      const r = this.data[p]!;
      const g = colour ? this.data[p + 1]! : r;
      const b = colour ? this.data[p + 2]! : r;
      if (channels >= 3) {
        out.data[q] = r;
        out.data[q + 1] = g;
        out.data[q + 2] = b;
      } else out.data[q] = colour ? (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16 : r;
      if (channels === 2 || channels === 4)
        out.data[q + channels - 1] = alpha ? this.data[p + this.channels - 1]! : 255;
    }
    return out;
  }
  toString(): string {
    return `<Image mode=${this.mode} size=${this.width}x${this.height}>`;
  }
}

/** The image itself, or an image made from an object with its fields; tensors pass. */
export function asPicture(x: Picture | ImageData8): Picture {
  return isTensor(x) || x instanceof Image ? x : Image.from(x);
}
