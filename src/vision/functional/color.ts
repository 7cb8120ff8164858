// Colours: brightness, contrast, saturation, hue, and the tables of AutoAugment. Tensors as in torchvision's
// functional_tensor.py; images (8 bits) as Pillow, where the two differ.
import { isFloatingDtype } from '../../tensor/dtype.js';
import { DTypeError, ValueError } from '../../tensor/errors.js';
import { wrap, type Tensor } from '../../tensor/handle.js';
import { native } from '../../native.js';
import { dtypeCode } from '../../tensor/dtype.js';
import { full, tensor } from '../../tensor/create.js';
import { cat, stack, where } from '../../../generated/ts/functions.js';
import { conv2d } from '../../nn/functional.js';
import { Image, type Picture } from '../image.js';
import { blend, bound, checkChannels, checkPicture, inFloat, onTensor } from './common.js';
import { convertImageDtype } from './convert.js';

const channels = (t: Tensor): number => (t.ndim < 3 ? 1 : t.shape.at(-3)!);
function nonNegative(what: string, v: number): void {
  if (!(v >= 0)) throw new ValueError(`${what} (${v}) is not non-negative.`);
}

function greyTensor(t: Tensor, outputs: number): Tensor {
  if (t.ndim < 3) throw new DTypeError(`Input image tensor should have at least 3 dimensions, but found ${t.ndim}`);
  checkChannels(t, [1, 3]);
  let grey = t;
  if (channels(t) === 3) {
    const [r, g, b] = t.unbind(-3) as unknown as [Tensor, Tensor, Tensor];
    grey = r.mul(0.2989).add(g.mul(0.587)).add(b.mul(0.114)).to(t.dtype).unsqueeze(-3);
  }
  return outputs === 3 ? grey.expand([...t.shape.slice(0, -3), 3, ...t.shape.slice(-2)]) : grey;
}
/** Grey values in one or three equal channels. */
export function rgbToGrayscale<P extends Picture>(img: P, numOutputChannels = 1): P {
  if (numOutputChannels !== 1 && numOutputChannels !== 3)
    throw new ValueError('num_output_channels should be either 1 or 3');
  checkPicture(img);
  if (img instanceof Image) {
    const grey = img.convert('L');
    return (numOutputChannels === 3 ? grey.convert('RGB') : grey) as P;
  }
  return greyTensor(img as Tensor, numOutputChannels) as P;
}
/** rgbToGrayscale; torchvision's name for PIL images. */
export const toGrayscale = rgbToGrayscale;

/** 0 gives black, 1 the picture itself, 2 twice the light. */
export function adjustBrightness<P extends Picture>(img: P, brightnessFactor: number): P {
  nonNegative('brightness_factor', brightnessFactor);
  return onTensor(img, (t) => blend(t, 0, brightnessFactor));
}
/** 0 gives a grey plane, 1 the picture itself. */
export function adjustContrast<P extends Picture>(img: P, contrastFactor: number): P {
  nonNegative('contrast_factor', contrastFactor);
  if (img instanceof Image) {
    const grey = img.convert('L').data;
    const mean = Math.floor(grey.reduce((a, b) => a + b, 0) / grey.length + 0.5);
    return onTensor(img, (t) => blend(t, mean, contrastFactor));
  }
  return onTensor(img, (t) => {
    checkChannels(t, [1, 3]);
    const grey = channels(t) === 3 ? greyTensor(t, 1) : t;
    const float = isFloatingDtype(t.dtype) ? grey : grey.to('float32');
    const dims = t.ndim < 3 ? [-2, -1] : [-3, -2, -1];
    return blend(t, float.mean(dims, true), contrastFactor);
  });
}
/** 0 gives a grey picture, 1 the picture itself. */
export function adjustSaturation<P extends Picture>(img: P, saturationFactor: number): P {
  nonNegative('saturation_factor', saturationFactor);
  if (img instanceof Image) {
    if (img.channels < 3) return img;
    const grey = img.convert('L').convert('RGB').toTensor();
    return onTensor(img, (t) =>
      t.shape[0] === 4
        ? cat([blend(t.narrow(0, 0, 3), grey, saturationFactor), t.narrow(0, 3, 1)], 0)
        : blend(t, grey, saturationFactor),
    );
  }
  return onTensor(img, (t) => {
    checkChannels(t, [1, 3]);
    return channels(t) === 1 ? t : blend(t, greyTensor(t, 3), saturationFactor);
  });
}

// ---- hue ----

function rgbToHsv(t: Tensor): [Tensor, Tensor, Tensor] {
  const [r, g, b] = t.unbind(-3) as unknown as [Tensor, Tensor, Tensor];
  const max = t.amax(-3);
  const min = t.amin(-3);
  const grey = max.eq(min);
  const range = max.sub(min);
  const s = range.div(where(grey, 1, max));
  const divisor = where(grey, 1, range);
  const [rc, gc, bc] = [r, g, b].map((c) => max.sub(c).div(divisor)) as [Tensor, Tensor, Tensor];
  const isR = max.eq(r);
  const isG = max.eq(g).logicalAnd(isR.logicalNot());
  const h = where(isR, bc.sub(gc), where(isG, rc.sub(bc).add(2), gc.sub(rc).add(4)));
  return [h.div(6).add(1).fmod(1), s, max];
}
function hsvToRgb(h: Tensor, s: Tensor, v: Tensor): Tensor {
  const sector = h.mul(6).floor();
  const f = h.mul(6).sub(sector);
  const down = (x: Tensor): Tensor => v.mul(x.neg().add(1)).clamp(0, 1);
  const [p, q, t] = [down(s), down(s.mul(f)), down(s.mul(f.neg().add(1)))];
  const i = sector.remainder(6);
  const pick = (list: readonly Tensor[]): Tensor => list.reduceRight((rest, x, k) => where(i.eq(k), x, rest));
  return stack([pick([v, q, p, p, t, v]), pick([t, v, v, q, p, p]), pick([p, p, t, v, v, q])], -3);
}
/** Hue of Pillow's 8-bit HSV images, shifted: both conversions round to bytes. */
function shiftHueOfImage(img: Image, factor: number): Image {
  const out = new Image(img.width, img.height, img.channels, img.data.slice());
  const shift = Math.trunc(factor * 255) & 255;
  const clip = (x: number): number => Math.min(255, Math.max(0, x));
  // C's round: halves away from zero.
  const round = (x: number): number => clip(Math.floor(x + 0.5));
  for (let p = 0; p < img.data.length; p += img.channels) {
    const [r, g, b] = [img.data[p]!, img.data[p + 1]!, img.data[p + 2]!];
    const v = Math.max(r, g, b);
    const min = Math.min(r, g, b);
    if (v === min) continue; // grey stays: saturation 0
    const range = v - min;
    const [rc, gc, bc] = [(v - r) / range, (v - g) / range, (v - b) / range];
    const raw = r === v ? bc - gc : g === v ? 2 + rc - bc : 4 + gc - rc;
    const hue = (clip(Math.trunc(((raw / 6 + 1) % 1) * 255)) + shift) & 255;
    const s = clip(Math.trunc((range / v) * 255));
    if (s === 0) {
      out.data.fill(v, p, p + 3);
      continue;
    }
    const [fh, fs] = [(hue * 6) / 255, s / 255];
    const i = Math.floor(fh);
    const f = fh - i;
    const [x, y, z] = [round(v * (1 - fs)), round(v * (1 - fs * f)), round(v * (1 - fs * (1 - f)))];
    const rgb = [
      [v, z, x],
      [y, v, x],
      [x, v, z],
      [x, y, v],
      [z, x, v],
      [v, x, y],
    ][i % 6]!;
    out.data.set(rgb, p);
  }
  return out;
}
/** Turns the circle of colours by `hueFactor` (-0.5 to 0.5) of a full turn. */
export function adjustHue<P extends Picture>(img: P, hueFactor: number): P {
  if (!(hueFactor >= -0.5 && hueFactor <= 0.5))
    throw new ValueError(`hue_factor (${hueFactor}) is not in [-0.5, 0.5].`);
  if (img instanceof Image) return (img.channels < 3 ? img : shiftHueOfImage(img, hueFactor)) as P;
  return onTensor(img, (t) => {
    checkChannels(t, [1, 3]);
    if (channels(t) === 1) return t;
    const float = t.dtype === 'uint8' ? convertImageDtype(t, 'float32') : t;
    const [h, s, v] = rgbToHsv(float);
    return convertImageDtype(hsvToRgb(h.add(hueFactor).remainder(1), s, v), t.dtype);
  });
}

// ---- gamma, sharpness ----

/** gain * value ^ gamma, with values in [0, 1]. */
export function adjustGamma<P extends Picture>(img: P, gamma: number, gain = 1): P {
  nonNegative('gamma', gamma);
  if (img instanceof Image) {
    const table = Uint8Array.from({ length: 256 }, (_, i) =>
      Math.min(255, Math.max(0, Math.trunc((255 + 1 - 1e-3) * gain * (i / 255) ** gamma))),
    );
    return new Image(
      img.width,
      img.height,
      img.channels,
      img.data.map((v) => table[v]!),
    ) as P;
  }
  return onTensor(img, (t) => {
    const float = isFloatingDtype(t.dtype) ? t : convertImageDtype(t, 'float32');
    return convertImageDtype(float.pow(gamma).mul(gain).clamp(0, 1), t.dtype);
  });
}
/** A convolution of every channel with the same kernel [kH, kW]. */
export function filterChannels(t: Tensor, kernel: Tensor): Tensor {
  const [h, w] = t.shape.slice(-2) as [number, number];
  const planes = t.reshape([-1, 1, h, w]);
  const out = conv2d(planes, kernel.view([1, 1, ...kernel.shape]));
  return out.reshape([...t.shape.slice(0, -2), ...out.shape.slice(-2)]);
}
/** 0 gives a blurred picture, 1 the picture itself, 2 a sharper one. */
export function adjustSharpness<P extends Picture>(img: P, sharpnessFactor: number): P {
  nonNegative('sharpness_factor', sharpnessFactor);
  return onTensor(img, (t) => {
    const [h, w] = t.shape.slice(-2) as [number, number];
    if (h <= 2 || w <= 2) return t;
    const smooth = inFloat(t.detach(), (x) => {
      const kernel = full([3, 3], 1, { dtype: x.dtype });
      kernel.select(0, 1).select(0, 1).fill_(5);
      return filterChannels(x, kernel.div(13));
    });
    const blurred = t.clone();
    blurred
      .narrow(-2, 1, h - 2)
      .narrow(-1, 1, w - 2)
      .copy_(smooth);
    return blend(t, blurred, sharpnessFactor);
  });
}

// ---- by pixel value ----

/** The negative. */
export function invert<P extends Picture>(img: P): P {
  return onTensor(img, (t) => t.neg().add(bound(t)).to(t.dtype));
}
/** Keeps the upper `bits` bits of each byte. */
export function posterize<P extends Picture>(img: P, bits: number): P {
  if (!(bits >= 0 && bits <= 8)) throw new ValueError(`The number if bits should be between 0 and 8. Got ${bits}`);
  return onTensor(img, (t) => {
    if (t.dtype !== 'uint8') throw new DTypeError(`Only torch.uint8 image tensors are supported, but found ${t.dtype}`);
    return t.bitwiseAnd(256 - 2 ** (8 - bits));
  });
}
/** Inverts the values from `threshold` on. */
export function solarize<P extends Picture>(img: P, threshold: number): P {
  return onTensor(img, (t) => {
    if (threshold > bound(t)) throw new ValueError('Threshold should be less than bound of img.');
    return where(t.ge(threshold), invert(t), t);
  });
}
/** Stretches each channel so that its darkest pixel is 0 and its lightest the largest value. */
export function autocontrast<P extends Picture>(img: P): P {
  return onTensor(img, (t) => {
    const float = isFloatingDtype(t.dtype) ? t : t.to('float32');
    const [min, max] = [float.amin([-2, -1], true), float.amax([-2, -1], true)];
    const flat = max.eq(min);
    const scale = where(flat, 1, where(flat, 1, max.sub(min)).reciprocal().mul(bound(t)));
    return float
      .sub(where(flat, 0, min))
      .mul(scale)
      .clamp(0, bound(t))
      .to(t.dtype);
  });
}
/** Flattens the histogram of each channel. */
export function equalize<P extends Picture>(img: P): P {
  return onTensor(img, (t) => {
    if (t.dtype !== 'uint8') throw new DTypeError(`Only torch.uint8 image tensors are supported, but found ${t.dtype}`);
    const bytes = (t.contiguous().toTypedArray() as Uint8Array).slice();
    const [h, w] = t.shape.slice(-2) as [number, number];
    for (let at = 0; at < bytes.length; at += h * w) {
      const plane = bytes.subarray(at, at + h * w);
      const counts = new Uint32Array(256);
      for (const v of plane) counts[v]!++;
      const last = counts.findLast((c) => c > 0) ?? 0;
      const step = Math.floor((plane.length - last) / 255);
      if (step === 0) continue;
      let sum = Math.floor(step / 2);
      const table = Uint8Array.from(counts, (c) => {
        const value = Math.min(255, Math.floor(sum / step));
        sum += c;
        return value;
      });
      plane.forEach((v, i) => (plane[i] = table[v]!));
    }
    return wrap(native.fromTypedArray(bytes, [...t.shape], dtypeCode('uint8'), false));
  });
}

/** A tensor of one value per channel, for Normalize. */
export const perChannel = (values: readonly number[], like: Tensor): Tensor =>
  tensor([...values], { dtype: like.dtype }).view([-1, 1, 1]);
