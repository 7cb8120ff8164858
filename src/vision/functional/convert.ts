// From pictures to tensors and back, dtypes, normalisation, erasing.
import { native } from '../../native.js';
import { dtypeCode, isFloatingDtype, type DType } from '../../tensor/dtype.js';
import { DTypeError, ShapeError, ValueError } from '../../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../../tensor/handle.js';
import { tensor } from '../../tensor/create.js';
import { fromNumpy, type NdArray } from '../../tensor/interop.js';
import { Image, type ImageData8, type ImageMode } from '../image.js';
import { maxValue } from './common.js';

/** What toTensor takes: images, objects with their fields, ndarrays and tensors [H, W] or [H, W, C]. */
export type ImageLike = Tensor | NdArray | ImageData8;

/** uint8 values over 255 as float32, other dtypes as they are. */
export function scaleBytes(t: Tensor): Tensor {
  if (t.dtype !== 'uint8') return t;
  return wrap(native.ops.div(native.ops.toDtype(t._h, dtypeCode('float32')), 255, null));
}
/** [H, W] or [H, W, C]. */
function rowsOf(pic: ImageLike): Tensor {
  if (isTensor(pic)) return pic;
  if (typeof pic !== 'object' || pic === null)
    throw new DTypeError(`pic should be an image, an ndarray or a tensor. Got ${typeof pic}`);
  if ('width' in pic && 'height' in pic) return Image.from(pic).toTensor().permute(1, 2, 0);
  if (ArrayBuffer.isView((pic as NdArray).data)) return fromNumpy(pic as NdArray);
  throw new DTypeError('pic should be an image, an ndarray or a tensor');
}
/** An image [H, W] or [H, W, C] as a tensor [C, H, W] of its own dtype; bytes become float32 in [0, 1]. */
export function toTensor(pic: ImageLike): Tensor {
  return scaleBytes(imageToTensor(pic));
}
/** An image as a tensor [C, H, W] of its own dtype, values as they are. */
export function imageToTensor(pic: ImageLike): Tensor {
  const t = rowsOf(pic);
  if (t.ndim !== 2 && t.ndim !== 3) throw new ShapeError(`pic should be 2/3 dimensional. Got ${t.ndim} dimensions.`);
  return t.ndim === 2 ? t.unsqueeze(0) : t.permute(2, 0, 1).contiguous();
}
/** imageToTensor under torchvision's name. */
export const pilToTensor = imageToTensor;

/**
 * A tensor [C, H, W] or [H, W] (or an ndarray [H, W, C]) as an image: floating values in [0, 1] are scaled to bytes.
 * Throws for other than 1 to 4 channels and for dtypes that are no pixels.
 */
export function toImage(pic: ImageLike, mode: ImageMode | null = null): Image {
  let image: Image;
  if (isTensor(pic)) {
    if (pic.ndim !== 2 && pic.ndim !== 3)
      throw new ShapeError(`pic should be 2/3 dimensional. Got ${pic.ndim} dimensions.`);
    const c = pic.ndim === 2 ? 1 : pic.shape[0]!;
    if (c > 4) throw new ShapeError(`pic should not have > 4 channels. Got ${c} channels.`);
    const bytes = isFloatingDtype(pic.dtype) ? pic.detach().mul(255).to('uint8') : pic;
    if (bytes.dtype !== 'uint8') throw new DTypeError(`Input type ${pic.dtype} is not supported`);
    image = Image.fromTensor(bytes);
  } else if (typeof pic === 'object' && pic !== null && 'width' in pic) image = Image.from(pic);
  else {
    const rows = rowsOf(pic);
    return toImage(rows.ndim === 3 ? rows.permute(2, 0, 1) : rows, mode);
  }
  return mode === null ? image : image.convert(mode);
}
/** toImage under torchvision's name. */
export const toPILImage = toImage;

/**
 * The same picture in another dtype, values rescaled between the ranges (floating: 0 to 1, integers: 0 to the largest).
 * Throws DTypeError where digits would be lost (float32 to int32 or int64).
 */
export function convertImageDtype(image: Tensor, dtype: DType = 'float32'): Tensor {
  const from = image.dtype;
  if (from === dtype) return image;
  const floatIn = isFloatingDtype(from);
  const floatOut = isFloatingDtype(dtype);
  if (floatIn && floatOut) return image.to(dtype);
  if (floatIn) {
    if ((from === 'float32' && (dtype === 'int32' || dtype === 'int64')) || (from === 'float64' && dtype === 'int64'))
      throw new DTypeError(`The cast from ${from} to ${dtype} cannot be performed safely.`);
    // Almost one more than the largest value, then truncated: all values get an equal share of [0, 1].
    return image.mul(maxValue(dtype) + 1 - 1e-3).to(dtype);
  }
  const [inMax, outMax] = [maxValue(from), maxValue(dtype)];
  if (floatOut) return image.to(dtype).div(inMax);
  if (inMax > outMax) return image.div((inMax + 1) / (outMax + 1), { roundingMode: 'floor' }).to(dtype);
  return image.to(dtype).mul((outMax + 1) / (inMax + 1));
}

/** (image - mean) / std per channel of a floating tensor [..., C, H, W]. */
export function normalize(
  image: Tensor,
  mean: readonly number[] | number,
  std: readonly number[] | number,
  inplace = false,
): Tensor {
  checkNormalizable(image);
  const [m, s] = [mean, std].map((v) =>
    tensor(typeof v === 'number' ? [v] : [...v], { dtype: image.dtype }).view([-1, 1, 1]),
  ) as [Tensor, Tensor];
  checkStd(typeof std === 'number' ? [std] : std, s);
  return inplace ? image.sub_(m).div_(s) : image.sub(m).div_(s);
}
export function checkStd(std: readonly number[], converted?: Tensor): void {
  if (std.includes(0) || (converted !== undefined && Number(converted.eq(0).any().item()) !== 0))
    throw new ValueError('std evaluated to zero, leading to division by zero.');
}
export function checkNormalizable(image: Tensor): void {
  if (!isTensor(image)) throw new DTypeError(`img should be Tensor Image. Got ${typeof image}`);
  if (!isFloatingDtype(image.dtype)) throw new DTypeError(`Input tensor should be a float tensor. Got ${image.dtype}.`);
  if (image.ndim < 3) {
    throw new ShapeError(
      `Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = [${image.shape.join(', ')}]`,
    );
  }
}

/** The picture with `v` written into the rectangle of h x w pixels at (i, j). */
export function erase(
  img: Tensor,
  i: number,
  j: number,
  h: number,
  w: number,
  v: Tensor | number,
  inplace = false,
): Tensor {
  if (!isTensor(img)) throw new DTypeError(`img should be Tensor Image. Got ${typeof img}`);
  const out = inplace ? img : img.clone();
  const target = out.narrow(-2, i, h).narrow(-1, j, w);
  if (typeof v === 'number') target.fill_(v);
  else target.copy_(v.to(img.dtype).expand([...target.shape]));
  return out;
}
