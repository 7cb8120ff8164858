// Statistics and norms: compositions of reductions, order statistics, histograms.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Statistics',
  intro: `Built from reductions. Over \`dim\`, or all elements when it is left out. Several results come as an array that also has their names.`,
  example: `const x = fb.tensor([[1, 2, 3], [4, 5, 9]]);
x.std(1); // => tensor([1.0000, 2.6458])
x.median(); // => tensor(3.)
x.median(1).indices; // => tensor([1, 1])
x.quantile(0.5, 1); // => tensor([2., 5.])
x.norm('fro'); // => tensor(11.6619)
fb.tensor([0, 0.2, 0.9]).histogram(2, { range: [0, 1] }).hist; // => tensor([2., 1.])`,
};

export const std = composite({
  doc: 'Standard deviation over `dim`: the square root of `var`. Where it is zero the gradient is zero.',
  schema: 'std(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, correction: int = 1): Tensor',
  // Between the variance and its root nothing is rounded to 16 bits: the variance overflows long before.
  body: (self: A, dim: A, keepdim: A, correction: A) =>
    h.asDtypeOf(t.sqrt(t.var(h.widened(self), dim, keepdim, { correction })), self),
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, correction: A, out: A) =>
      h.varBackward(t.maskedFill(t.div(grad, t.mul(out, 2)), t.eq(out, 0), 0), self, dim, keepdim, correction),
  },
  onnx: { symbolic: 'std' },
});
export const varMean = composite({
  doc: 'Variance and mean over `dim` (all when null).',
  schema:
    'varMean(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, correction: int = 1): (var: Tensor, mean: Tensor)',
  body: (self: A, dim: A, keepdim: A, correction: A) => [
    t.var(self, dim, keepdim, { correction }),
    t.mean(self, dim, keepdim),
  ],
  method: false,
  onnx: { symbolic: 'region' },
});
export const stdMean = composite({
  doc: 'Standard deviation and mean over `dim` (all when null).',
  schema:
    'stdMean(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, correction: int = 1): (std: Tensor, mean: Tensor)',
  body: (self: A, dim: A, keepdim: A, correction: A) => [
    t.std(self, dim, keepdim, { correction }),
    t.mean(self, dim, keepdim),
  ],
  method: false,
  onnx: { symbolic: 'region' },
});
export const logsumexp = composite({
  doc: 'log(sum(exp(x))) over `dim`, without overflow.',
  schema: 'logsumexp(self: Tensor, dim: int[], keepdim: bool = false): Tensor',
  body: (self: A, dim: A, keepdim: A) => h.logsumexp(self, dim, keepdim),
  // Of the result, not of a shifted sum: beside an infinite element the others have gradients of zero.
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, out: A) =>
      t.mul(
        h.expandReduced(grad, self.shape, dim, keepdim),
        t.exp(t.sub(self, h.expandReduced(out, self.shape, dim, keepdim))),
      ),
  },
  exports: ['logsumexp', 'special.logsumexp'],
  onnx: { symbolic: 'logsumexp' },
});
export const norm = composite({
  doc: 'p-norm over `dim` (all when null); p: 2 by default, Infinity, -Infinity, 0, 1, any number. Where the norm is zero the gradient is zero.',
  schema:
    'norm(self: Tensor, p: float = 2, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  body: (self: A, p: A, dim: A, keepdim: A, dtype: A) => h.norm(self, p, dim, keepdim, dtype),
  backward: {
    self: (grad: A, self: A, p: A, dim: A, keepdim: A, out: A) => h.normBackward(grad, self, p, dim, keepdim, out),
  },
  onnx: { symbolic: 'region' },
});
export const normNamed = composite({
  doc: "Frobenius ('fro') or nuclear ('nuc', of a matrix or of the two dimensions `dim`) norm: `norm(x, 'fro', dim)`.",
  schema:
    'normNamed(self: Tensor, p: string, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  body: (self: A, p: A, dim: A, keepdim: A, dtype: A) => {
    if (p === 'fro') return t.norm(self, 2, dim, keepdim, { dtype });
    if (p !== 'nuc') throw new Error(`norm(): expected p to be a number, 'fro' or 'nuc', but got '${p}'`);
    if (dim !== null) return t.linalgMatrixNormNamed(self, p, dim, keepdim, { dtype });
    if (self.ndim !== 2)
      throw new Error(`Expected a tensor with 2 dimensions, but got a tensor with ${self.ndim} dimensions instead.`);
    return t.linalgMatrixNormNamed(self, p, [0, 1], keepdim, { dtype });
  },
  method: false,
  function: false,
  overloadOf: 'norm',
  onnx: { symbolic: 'region' },
});
export const dist = composite({
  doc: 'p-norm of the difference of two tensors.',
  schema: 'dist(self: Tensor, other: Tensor, p: float = 2): Tensor',
  body: (self: A, other: A, p: A) => t.norm(t.sub(self, other), p),
  onnx: { symbolic: 'region' },
});
export const renorm = composite({
  doc: 'Sub-tensors along `dim` whose p-norm exceeds `maxnorm`, scaled down to it. At least 2 dimensions.',
  schema: 'renorm(self: Tensor, p: float, dim: int, maxnorm: float): Tensor',
  body: (self: A, p: A, dim: A, maxnorm: A) => {
    if (p <= 0) throw new Error('renorm: non-positive-norm not supported');
    if (maxnorm < 0) throw new Error(`renorm: expected maxnorm to be >= 0 but got ${maxnorm}`);
    if (self.ndim < 2) throw new Error(`renorm: input needs at least 2 dimensions, got ${self.ndim} dimensions`);
    const norms = t.norm(h.widened(self), p, h.allButDims(self.ndim, dim), true);
    const factor = t.where(t.gt(norms, maxnorm), t.mul(t.reciprocal(t.add(norms, 1e-7)), maxnorm), 1.0);
    return h.asDtypeOf(t.mul(h.widened(self), factor), self);
  },
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const trace = composite({
  doc: 'Sum of the diagonal of a matrix. Integers give int64.',
  schema: 'trace(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim !== 2) throw new Error(`trace: expected a matrix, but got tensor with dim ${self.ndim}`);
    return t.sum(t.diagonal(self));
  },
  onnx: { symbolic: 'region' },
});
export const countNonzero = composite({
  doc: 'Number of elements that are not zero over `dim` (all when null). Gives int64.',
  schema: 'countNonzero(self: Tensor, dim: int[]? = null): Tensor',
  body: (self: A, dim: A) => t.sum(t.ne(self, 0), dim),
  onnx: { symbolic: 'region' },
});
export const nanmean = composite({
  doc: 'Mean of the elements that are not NaN, over `dim` (all when null). Floating dtypes only.',
  schema: 'nanmean(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A) => {
    const x = h.asFloat(self, dtype, 'nanmean');
    return t.div(t.nansum(x, dim, keepdim), t.sum(t.logicalNot(t.isnan(x)), dim, keepdim));
  },
  onnx: { symbolic: 'region' },
});
export const aminmax = composite({
  doc: 'Smallest and largest element, of all or along `dim`; NaN wins.',
  schema: 'aminmax(self: Tensor, *, dim: int? = null, keepdim: bool = false): (min: Tensor, max: Tensor)',
  out: true,
  body: (self: A, dim: A, keepdim: A) => {
    const dims = h.optionalDims(self, dim, 'aminmax');
    // A 0-d tensor with its dimension kept has one, as in PyTorch 1.13.
    if (self.ndim === 0 && dim !== null && keepdim) return [t.reshape(self, [1]), t.reshape(self, [1])];
    return [t.amin(self, dims, keepdim), t.amax(self, dims, keepdim)];
  },
  onnx: { symbolic: 'region' },
});

// ---- order statistics ----

export const kthvalue = extern({
  doc: 'The k-th smallest element along `dim` (k from 1; NaN is largest) and where it is: of equal elements, in order of position.',
  schema: 'kthvalue(self: Tensor, k: int, dim: int = -1, keepdim: bool = false): (values: Tensor, indices: Tensor)',
  out: 'apart',
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, indices: A) =>
      h.selectBackward(grad, self.shape, dim, keepdim, indices),
  },
  onnx: { symbolic: 'kthvalue' },
});
export const medianDim = extern({
  doc: 'The lower median along `dim` and where it is; NaN (the first) where the line has one.',
  schema: 'medianDim(self: Tensor, dim: int, keepdim: bool = false): (values: Tensor, indices: Tensor)',
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, indices: A) =>
      h.selectBackward(grad, self.shape, dim, keepdim, indices),
  },
  method: false,
  function: false,
  overloadOf: 'median',
  onnx: { symbolic: 'medianDim' },
});
export const median = composite({
  doc: 'The lower median of all elements; NaN where there is one. With `dim`: along it, and where. Equal elements share the gradient.',
  schema: 'median(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.numel === 0) return t.full([], NaN, { dtype: self.dtype });
    return t.medianDim(t.reshape(self, [-1]), 0)[0];
  },
  backward: { self: (grad: A, self: A, out: A) => h.evenlyShared(grad, self, out) },
  onnx: { symbolic: 'region' },
});
export const nanmedianDim = extern({
  doc: 'The lower median along `dim` of the elements that are not NaN, and where it is.',
  schema: 'nanmedianDim(self: Tensor, dim: int, keepdim: bool = false): (values: Tensor, indices: Tensor)',
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, indices: A) =>
      h.selectBackward(grad, self.shape, dim, keepdim, indices),
  },
  method: false,
  function: false,
  overloadOf: 'nanmedian',
  onnx: { none: 'no operator' },
});
export const nanmedian = composite({
  doc: 'The lower median of all elements that are not NaN. With `dim`: along it, and where.',
  schema: 'nanmedian(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.numel === 0) return t.full([], NaN, { dtype: self.dtype });
    return t.nanmedianDim(t.reshape(self, [-1]), 0)[0];
  },
  backward: { self: (grad: A, self: A, out: A) => h.evenlyShared(grad, self, out) },
  onnx: { symbolic: 'region' },
});
export const mode = extern({
  doc: 'The most frequent element along `dim` (the smallest of equally frequent ones) and one of its positions.',
  schema: 'mode(self: Tensor, dim: int = -1, keepdim: bool = false): (values: Tensor, indices: Tensor)',
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, indices: A) =>
      h.selectBackward(grad, self.shape, dim, keepdim, indices),
  },
  onnx: { none: 'no operator' },
});
export const quantile = composite({
  doc: "The q-th quantiles (q: a number or 1-d tensor in [0, 1]) over all elements or along `dim`; NaN where there is one.\ninterpolation: 'linear', 'lower', 'higher', 'midpoint' or 'nearest'. Source: https://pytorch.org/docs/stable/generated/torch.quantile.html",
  schema:
    "quantile(self: Tensor, q: Operand, dim: int? = null, keepdim: bool = false, *, interpolation: string = 'linear'): Tensor",
  out: true,
  body: (self: A, q: A, dim: A, keepdim: A, interpolation: A) =>
    h.quantile(self, q, dim, keepdim, interpolation, false),
  onnx: { symbolic: 'region' },
});
export const nanquantile = composite({
  doc: 'As `quantile`, of the elements that are not NaN.',
  schema:
    "nanquantile(self: Tensor, q: Operand, dim: int? = null, keepdim: bool = false, *, interpolation: string = 'linear'): Tensor",
  out: true,
  body: (self: A, q: A, dim: A, keepdim: A, interpolation: A) => h.quantile(self, q, dim, keepdim, interpolation, true),
  onnx: { symbolic: 'region' },
});

// ---- covariance ----

export const cov = composite({
  doc: 'Covariance matrix of variables (rows) over observations (columns). fweights: int counts of observations, aweights: float weights.\nSource: https://pytorch.org/docs/stable/generated/torch.cov.html',
  schema: 'cov(self: Tensor, *, correction: int = 1, fweights: Tensor? = null, aweights: Tensor? = null): Tensor',
  body: (self: A, correction: A, fweights: A, aweights: A) => h.cov(self, correction, fweights, aweights),
  onnx: { symbolic: 'region' },
});
export const corrcoef = composite({
  doc: 'Correlation coefficients of variables (rows): the covariance matrix over the products of standard deviations, within [-1, 1].',
  schema: 'corrcoef(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim > 2)
      throw new Error(
        `corrcoef(): expected input to have two or fewer dimensions but got an input with ${self.ndim} dimensions`,
      );
    const c = t.cov(self);
    if (c.ndim === 0) return t.div(c, c);
    const deviation = t.sqrt(t.diagonal(c));
    const scaled = t.div(t.div(c, t.unsqueeze(deviation, 1)), t.unsqueeze(deviation, 0));
    return t.clamp(scaled, -1, 1);
  },
  onnx: { symbolic: 'region' },
});

// ---- counting ----

export const bincount = extern({
  doc: 'How often each non-negative integer occurs in a 1-d tensor, or the sum of `weights` at it. At least `minlength` entries.',
  schema: 'bincount(self: Tensor, weights: Tensor? = null, minlength: int = 0): Tensor',
  dataDependent: true,
  nondifferentiable: 'counts',
  onnx: { none: 'data-dependent shape' },
});
export const histc = extern({
  doc: 'Counts of elements in `bins` equal bins from min to max (both zero: of the data); elements outside are left out.',
  schema: 'histc(self: Tensor, bins: int = 100, min: float = 0, max: float = 0): Tensor',
  nondifferentiable: 'counts',
  onnx: { none: 'no operator' },
});
export const histogram = composite({
  doc: "Counts (or sums of `weight`) in `bins` equal bins over `range` (the data's when empty), and the edges. With a tensor: its values are the edges.\ndensity: divided by the total and the bin widths.",
  schema:
    'histogram(self: Tensor, bins: int, *, range: float[] = [], weight: Tensor? = null, density: bool = false): (hist: Tensor, binEdges: Tensor)',
  body: (self: A, bins: A, range: A, weight: A, density: A) => {
    const edges = t.equalEdges(t.reshape(self, [-1]), bins, range);
    return [t.histogramCounts(t.reshape(self, [-1, 1]), [edges], { weight, density }), edges];
  },
  onnx: { none: 'no operator' },
});
export const histogramEdges = composite({
  doc: 'histogram with given edges.',
  schema:
    'histogramEdges(self: Tensor, bins: Tensor, *, weight: Tensor? = null, density: bool = false): (hist: Tensor, binEdges: Tensor)',
  body: (self: A, bins: A, weight: A, density: A) => [
    t.histogramCounts(t.reshape(self, [-1, 1]), [bins], { weight, density }),
    bins,
  ],
  method: false,
  function: false,
  overloadOf: 'histogram',
  onnx: { none: 'no operator' },
});
export const histogramCounts = composite({
  doc: 'Counts of points (rows of [n, d]) in the boxes between d lists of edges; the last edge belongs to the last bin. JavaScript: histogram, histogramdd.',
  schema: 'histogramCounts(self: Tensor, edges: Tensor[], *, weight: Tensor? = null, density: bool = false): Tensor',
  body: 'nn::histogramCounts',
  method: false,
  function: false,
  onnx: { none: 'no operator' },
});
export const equalEdges = composite({
  doc: 'The edges of `bins` equal bins over range [min, max]; empty: from the smallest to the largest element. JavaScript: histogram, histogramdd.',
  schema: 'equalEdges(self: Tensor, bins: int, range: float[] = []): Tensor',
  body: 'nn::equalEdges',
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});

// ---- integrals ----

export const trapezoid = composite({
  doc: 'Integral of y along `dim` by the trapezoidal rule, at points `x` or `dx` apart.',
  schema: 'trapezoid(y: Tensor, x: Tensor? = null, *, dx: float = 1, dim: int = -1): Tensor',
  body: (y: A, x: A, dx: A, dim: A) => {
    const sums = h.neighbourSum(y, dim);
    if (x !== null) return t.div(t.sum(t.mul(h.sampleSteps(x, y, dim, 'trapezoid'), sums), [dim]), 2.0);
    return t.mul(t.sum(sums, [dim]), dx / 2);
  },
  aliases: ['trapz'],
  method: false,
  onnx: { symbolic: 'region' },
});
export const cumulativeTrapezoid = composite({
  doc: 'Running integral of y along `dim` by the trapezoidal rule, at points `x` or `dx` apart: one element less.',
  schema: 'cumulativeTrapezoid(y: Tensor, x: Tensor? = null, *, dx: float = 1, dim: int = -1): Tensor',
  body: (y: A, x: A, dx: A, dim: A) => {
    const sums = h.neighbourSum(y, dim);
    if (x !== null) return t.div(t.cumsum(t.mul(h.sampleSteps(x, y, dim, 'cumulative_trapezoid'), sums), dim), 2.0);
    return t.mul(t.cumsum(sums, dim), dx / 2);
  },
  method: false,
  onnx: { symbolic: 'region' },
});
