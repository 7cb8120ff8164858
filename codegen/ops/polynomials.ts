// Orthogonal polynomials: x and the degree, broadcast.
// Source of the definitions: https://pytorch.org/docs/stable/special.html
import { pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';

export const page: Page = {
  title: 'Orthogonal polynomials',
  intro: `The polynomial of degree n at x; both broadcast, n may be a number. A fraction of the degree is dropped, a negative one gives 0.`,
  example: `fb.special.chebyshevPolynomialT(fb.tensor([0.5, 2]), 3); // => tensor([-1., 26.])
fb.special.legendrePolynomialP(fb.tensor([0.5]), fb.tensor([2])); // => tensor([-0.1250])`,
};
export const specialChebyshevPolynomialT = pointwise({
  doc: 'The Chebyshev polynomial of the first kind of degree n at x; 0 for a negative degree.',
  schema: 'specialChebyshevPolynomialT(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevT(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.chebyshevPolynomialT'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialChebyshevPolynomialU = pointwise({
  doc: 'The Chebyshev polynomial of the second kind of degree n at x; 0 for a negative degree.',
  schema: 'specialChebyshevPolynomialU(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevU(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.chebyshevPolynomialU'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialChebyshevPolynomialV = pointwise({
  doc: 'The Chebyshev polynomial of the third kind of degree n at x; 0 for a negative degree.',
  schema: 'specialChebyshevPolynomialV(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevV(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.chebyshevPolynomialV'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialChebyshevPolynomialW = pointwise({
  doc: 'The Chebyshev polynomial of the fourth kind of degree n at x; 0 for a negative degree.',
  schema: 'specialChebyshevPolynomialW(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevW(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.chebyshevPolynomialW'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialHermitePolynomialH = pointwise({
  doc: "The physicists' Hermite polynomial of degree n at x; 0 for a negative degree.",
  schema: 'specialHermitePolynomialH(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.hermiteH(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.hermitePolynomialH'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialHermitePolynomialHe = pointwise({
  doc: "The probabilists' Hermite polynomial of degree n at x; 0 for a negative degree.",
  schema: 'specialHermitePolynomialHe(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.hermiteHe(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.hermitePolynomialHe'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialLaguerrePolynomialL = pointwise({
  doc: 'The Laguerre polynomial of degree n at x; 0 for a negative degree.',
  schema: 'specialLaguerrePolynomialL(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.laguerreL(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.laguerrePolynomialL'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialLegendrePolynomialP = pointwise({
  doc: 'The Legendre polynomial of degree n at x; 0 for a negative degree.',
  schema: 'specialLegendrePolynomialP(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.legendreP(self, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.legendrePolynomialP'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialShiftedChebyshevPolynomialT = pointwise({
  doc: 'The Chebyshev polynomial of the first kind of degree n at 2 x - 1; 0 for a negative degree.',
  schema: 'specialShiftedChebyshevPolynomialT(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevT(2 * self - 1, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.shiftedChebyshevPolynomialT'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialShiftedChebyshevPolynomialU = pointwise({
  doc: 'The Chebyshev polynomial of the second kind of degree n at 2 x - 1; 0 for a negative degree.',
  schema: 'specialShiftedChebyshevPolynomialU(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevU(2 * self - 1, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.shiftedChebyshevPolynomialU'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialShiftedChebyshevPolynomialV = pointwise({
  doc: 'The Chebyshev polynomial of the third kind of degree n at 2 x - 1; 0 for a negative degree.',
  schema: 'specialShiftedChebyshevPolynomialV(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevV(2 * self - 1, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.shiftedChebyshevPolynomialV'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});

export const specialShiftedChebyshevPolynomialW = pointwise({
  doc: 'The Chebyshev polynomial of the fourth kind of degree n at 2 x - 1; 0 for a negative degree.',
  schema: 'specialShiftedChebyshevPolynomialW(self: Tensor, n: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, n) => s.chebyshevW(2 * self - 1, n),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  inplace: false,
  exports: ['special.shiftedChebyshevPolynomialW'],
  onnx: { none: 'no operator' },
  samples: range(0.1, 4),
});
