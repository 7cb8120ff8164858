// Bessel and Airy functions.
// Source of the definitions: https://pytorch.org/docs/stable/special.html
import { pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';

export const page: Page = {
  title: 'Bessel and Airy functions',
  intro: `Element by element in float64 precision; integers give the default float dtype. PyTorch defines no derivatives for them.`,
  example: `fb.special.besselJ0(fb.tensor([0, 1])); // => tensor([1.0000, 0.7652])
fb.special.airyAi(fb.tensor([0])); // => tensor([0.3550])`,
};
export const specialBesselJ0 = pointwise({
  doc: 'Bessel function of the first kind, order 0.',
  schema: 'specialBesselJ0(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselJ0(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.besselJ0'],
  onnx: { none: 'no operator' },
  samples: range(-20, 40),
});

export const specialBesselJ1 = pointwise({
  doc: 'Bessel function of the first kind, order 1.',
  schema: 'specialBesselJ1(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselJ1(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.besselJ1'],
  onnx: { none: 'no operator' },
  samples: range(-20, 40),
});

export const specialBesselY0 = pointwise({
  doc: 'Bessel function of the second kind, order 0 (-infinity at zero, NaN below).',
  schema: 'specialBesselY0(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselY0(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.besselY0'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 40),
});

export const specialBesselY1 = pointwise({
  doc: 'Bessel function of the second kind, order 1 (-infinity at zero, NaN below).',
  schema: 'specialBesselY1(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselY1(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.besselY1'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 40),
});

export const specialModifiedBesselK0 = pointwise({
  doc: 'Modified Bessel function of the second kind, order 0 (infinite at zero, NaN below).',
  schema: 'specialModifiedBesselK0(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselK0(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.modifiedBesselK0'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 10),
});

export const specialModifiedBesselK1 = pointwise({
  doc: 'Modified Bessel function of the second kind, order 1 (infinite at zero, NaN below).',
  schema: 'specialModifiedBesselK1(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselK1(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.modifiedBesselK1'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 10),
});

export const specialScaledModifiedBesselK0 = pointwise({
  doc: 'modifiedBesselK0 scaled by e^x.',
  schema: 'specialScaledModifiedBesselK0(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselK0e(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.scaledModifiedBesselK0'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 10),
});

export const specialScaledModifiedBesselK1 = pointwise({
  doc: 'modifiedBesselK1 scaled by e^x.',
  schema: 'specialScaledModifiedBesselK1(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.besselK1e(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.scaledModifiedBesselK1'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 10),
});

export const specialSphericalBesselJ0 = pointwise({
  doc: 'Spherical Bessel function of the first kind, order 0: sin(x) / x, 1 at zero.',
  schema: 'specialSphericalBesselJ0(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => (self === 0 ? 1 : s.abs(self) === Infinity ? 0 : s.sin(self) / self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.sphericalBesselJ0'],
  onnx: { symbolic: 'scalar' },
  samples: range(-20, 21),
});

export const specialAiryAi = pointwise({
  doc: 'Airy function Ai.',
  schema: 'specialAiryAi(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.airyAi(self),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.airyAi'],
  onnx: { none: 'no operator' },
  samples: range(0.3, 5),
});
