// Normalisations and softmax: composites with derivatives of their own.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Normalisation and softmax',
  intro: `Compositions of reductions and arithmetic with one backward formula where it pays. 16-bit floats are normalised in float32.`,
  example: `const x = fb.tensor([[1, 2, 3]]);
x.softmax(1); // => tensor([[0.0900, 0.2447, 0.6652]])
F.layerNorm(x, [3]); // => tensor([[-1.2247,  0.0000,  1.2247]])`,
};
export const softmax = composite({
  doc: 'exp(x) / sum(exp(x)) along a dimension, without overflow.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html',
  schema: 'softmax(self: Tensor, dim: int, *, dtype: dtype? = null): Tensor',
  body: (self: A, dim: A, dtype: A) => {
    const given = h.asFloat(self, dtype, 'softmax');
    const x = h.widened(given);
    const e = t.exp(t.sub(x, h.rowMax(x, dim)));
    return h.asDtypeOf(t.trueDivide(e, t.sum(e, [dim], true)), given);
  },
  backward: {
    self: (grad: A, dim: A, out: A) => {
      const g = t.mul(grad, out);
      return t.sub(g, t.mul(out, t.sum(g, [dim], true)));
    },
  },
  kernel: true,
  onnx: { symbolic: 'softmax' },
  exports: ['softmax', 'special.softmax'],
});
export const logSoftmax = composite({
  doc: 'log(softmax(x)) along a dimension, without overflow.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html',
  schema: 'logSoftmax(self: Tensor, dim: int, *, dtype: dtype? = null): Tensor',
  body: (self: A, dim: A, dtype: A) => {
    const given = h.asFloat(self, dtype, 'log_softmax');
    const x = h.widened(given);
    const c = t.sub(x, h.rowMax(x, dim));
    return h.asDtypeOf(t.sub(c, t.log(t.sum(t.exp(c), [dim], true))), given);
  },
  backward: { self: (grad: A, dim: A, out: A) => t.sub(grad, t.mul(t.exp(out), t.sum(grad, [dim], true))) },
  kernel: true,
  onnx: { symbolic: 'logSoftmax' },
  exports: ['logSoftmax', 'special.logSoftmax'],
});
export const layerNorm = composite({
  doc: 'Normalises over the last dimensions (normalizedShape), then weight and bias of that shape.\nSource: https://arxiv.org/abs/1607.06450',
  schema:
    'layerNorm(input: Tensor, normalizedShape: int[], weight: Tensor? = null, bias: Tensor? = null, eps: float = 1e-5): Tensor',
  body: (input: A, normalizedShape: A, weight: A, bias: A, eps: A) => {
    const dims = h.normalizedDims(input, normalizedShape, weight, bias);
    const x = h.widened(input);
    const mean = t.mean(x, dims, true);
    const c = t.sub(x, mean);
    const rstd = t.rsqrt(t.add(t.mean(t.mul(c, c), dims, true), eps));
    return h.asDtypeOf(h.affine(t.mul(c, rstd), weight, bias), input);
  },
  backward: {
    // The moments are computed again: rows are in the cache by then, and nothing but the input is kept.
    input: (grad: A, input: A, normalizedShape: A, weight: A, eps: A) => {
      const dims = h.normalizedDims(input, normalizedShape, null, null);
      const x = h.widened(input);
      const c = t.sub(x, t.mean(x, dims, true));
      const rstd = t.rsqrt(t.add(t.mean(t.mul(c, c), dims, true), eps));
      const n = t.mul(c, rstd);
      const g = h.affine(h.widened(grad), weight, null);
      return t.mul(rstd, t.sub(t.sub(g, t.mean(g, dims, true)), t.mul(n, t.mean(t.mul(g, n), dims, true))));
    },
    weight: (grad: A, input: A, normalizedShape: A, eps: A) => {
      const dims = h.normalizedDims(input, normalizedShape, null, null);
      const x = h.widened(input);
      const c = t.sub(x, t.mean(x, dims, true));
      return t.mul(h.widened(grad), t.mul(c, t.rsqrt(t.add(t.mean(t.mul(c, c), dims, true), eps))));
    },
    bias: (grad: A) => grad,
  },
  kernel: true,
  node: 'NativeLayerNormBackward0',
  method: false,
  exports: ['layerNorm', 'nn.functional.layerNorm'],
  onnx: { symbolic: 'layerNorm' },
});
export const nativeLayerNorm = composite({
  doc: '`layerNorm` that returns the mean and the reciprocal standard deviation, too.\nSource: https://arxiv.org/abs/1607.06450',
  schema:
    'nativeLayerNorm(input: Tensor, normalizedShape: int[], weight: Tensor?, bias: Tensor?, eps: float): (out: Tensor, mean: Tensor, rstd: Tensor)',
  body: (input: A, normalizedShape: A, weight: A, bias: A, eps: A) => {
    const dims = h.normalizedDims(input, normalizedShape, weight, bias);
    const x = h.widened(input);
    const mean = t.mean(x, dims, true);
    const c = t.sub(x, mean);
    const rstd = t.rsqrt(t.add(t.mean(t.mul(c, c), dims, true), eps));
    return [
      h.asDtypeOf(h.affine(t.mul(c, rstd), weight, bias), input),
      h.asDtypeOf(mean, input),
      h.asDtypeOf(rstd, input),
    ];
  },
  method: false,
  onnx: { symbolic: 'region' },
});
export const rmsNorm = composite({
  doc: "Divides by the root mean square over the last dimensions (normalizedShape), then weight of that shape. eps: the dtype's epsilon where null.\nSource: https://arxiv.org/abs/1910.07467",
  schema: 'rmsNorm(input: Tensor, normalizedShape: int[], weight: Tensor? = null, eps: float? = null): Tensor',
  body: (input: A, normalizedShape: A, weight: A, eps: A) => {
    const dims = h.normalizedDims(input, normalizedShape, weight, null);
    const x = h.widened(input);
    const rrms = t.rsqrt(t.add(t.mean(t.mul(x, x), dims, true), h.epsilonValue(eps, x)));
    return h.asDtypeOf(h.affine(t.mul(x, rrms), weight, null), input);
  },
  method: false,
  exports: ['rmsNorm', 'nn.functional.rmsNorm'],
  onnx: { symbolic: 'region' },
});
export const groupNorm = composite({
  doc: 'Normalises groups of channels. input [n, c, ...], weight and bias [c].\nSource: https://arxiv.org/abs/1803.08494',
  schema:
    'groupNorm(input: Tensor, numGroups: int, weight: Tensor? = null, bias: Tensor? = null, eps: float = 1e-5): Tensor',
  body: (input: A, numGroups: A, weight: A, bias: A, eps: A) => {
    const x = t.reshape(h.widened(input), h.groupedShape(input, numGroups));
    const mean = t.mean(x, [-1], true);
    const c = t.sub(x, mean);
    const rstd = t.rsqrt(t.add(t.mean(t.mul(c, c), [-1], true), eps));
    return h.asDtypeOf(h.channelAffine(t.reshape(t.mul(c, rstd), input.shape), weight, bias), input);
  },
  method: false,
  exports: ['groupNorm', 'nn.functional.groupNorm'],
  onnx: { symbolic: 'region' },
});
export const batchNorm = composite({
  doc: "Normalises each channel over batch and space; in training by the batch's statistics, which also update runningMean and runningVar in place.\ninput [n, c, ...], the others [c]. Source: https://arxiv.org/abs/1502.03167",
  schema:
    'batchNorm(input: Tensor, weight: Tensor?, bias: Tensor?, runningMean: Tensor?, runningVar: Tensor?, training: bool, momentum: float, eps: float): Tensor',
  body: (input: A, weight: A, bias: A, runningMean: A, runningVar: A, training: A, momentum: A, eps: A) => {
    const shape = h.channelShape(input, 'batch_norm');
    h.checkRunning(input, runningMean, runningVar);
    const x = h.widened(input);
    if (!training) {
      if (runningMean === null || runningVar === null)
        throw new Error('expected running_mean and running_var to be defined when training=False');
      const rstd = t.rsqrt(t.add(t.reshape(h.widened(runningVar), shape), eps));
      return h.asDtypeOf(h.channelAffine(t.mul(t.sub(x, t.reshape(runningMean, shape)), rstd), weight, bias), input);
    }
    // Only an empty one gets here: it has no channels.
    if (input.ndim < 2) return t.clone(input);
    const dims = h.allButDims(input.ndim, 1);
    const mean = t.mean(x, dims, true);
    const c = t.sub(x, mean);
    const variance = t.mean(t.mul(c, c), dims, true);
    h.updateRunning(runningMean, mean, runningVar, variance, momentum, h.perChannelCount(input));
    return h.asDtypeOf(h.channelAffine(t.mul(c, t.rsqrt(t.add(variance, eps))), weight, bias), input);
  },
  method: false,
  onnx: { symbolic: 'batchNorm' },
});
export const nativeBatchNorm = composite({
  doc: "`batchNorm` that returns the batch's mean and reciprocal standard deviation, too (empty when not training).\nSource: https://arxiv.org/abs/1502.03167",
  schema:
    'nativeBatchNorm(input: Tensor, weight: Tensor?, bias: Tensor?, runningMean: Tensor?, runningVar: Tensor?, training: bool, momentum: float, eps: float): (out: Tensor, mean: Tensor, rstd: Tensor)',
  body: (input: A, weight: A, bias: A, runningMean: A, runningVar: A, training: A, momentum: A, eps: A) => {
    const shape = h.channelShape(input, 'native_batch_norm');
    if (!training) {
      const none = t.zeros([0], { dtype: input.dtype });
      return [t.batchNorm(input, weight, bias, runningMean, runningVar, false, momentum, eps), none, none];
    }
    h.checkRunning(input, runningMean, runningVar);
    const x = h.widened(input);
    const dims = h.allButDims(input.ndim, 1);
    const mean = t.mean(x, dims, true);
    const c = t.sub(x, mean);
    const variance = t.mean(t.mul(c, c), dims, true);
    const rstd = t.rsqrt(t.add(variance, eps));
    h.updateRunning(runningMean, mean, runningVar, variance, momentum, h.perChannelCount(input));
    return [
      h.asDtypeOf(h.channelAffine(t.mul(c, rstd), weight, bias), input),
      h.asDtypeOf(t.reshape(mean, [shape[1]]), input),
      h.asDtypeOf(t.reshape(rstd, [shape[1]]), input),
    ];
  },
  method: false,
  onnx: { symbolic: 'region' },
});
export const instanceNorm = composite({
  doc: 'Normalises each channel of each sample over space; by its own statistics (useInputStats, which also update runningMean and runningVar in place, averaged over the batch) or by the running ones.\ninput [n, c, ...], the others [c]. Source: https://arxiv.org/abs/1607.08022',
  schema:
    'instanceNorm(input: Tensor, weight: Tensor?, bias: Tensor?, runningMean: Tensor?, runningVar: Tensor?, useInputStats: bool, momentum: float, eps: float): Tensor',
  body: (input: A, weight: A, bias: A, runningMean: A, runningVar: A, useInputStats: A, momentum: A, eps: A) => {
    if (!useInputStats) {
      if (runningMean === null || runningVar === null)
        throw new Error('Expected running_mean and running_var to be defined when use_input_stats is false');
      return t.batchNorm(input, weight, bias, runningMean, runningVar, false, momentum, eps);
    }
    h.checkRunning(input, runningMean, runningVar);
    const dims = h.spatialDims(input, 'instance_norm');
    const x = h.widened(input);
    const mean = t.mean(x, dims, true);
    const c = t.sub(x, mean);
    const variance = t.mean(t.mul(c, c), dims, true);
    h.updateRunning(
      runningMean,
      t.mean(mean, [0]),
      runningVar,
      t.mean(variance, [0]),
      momentum,
      h.perInstanceCount(input),
    );
    return h.asDtypeOf(h.channelAffine(t.mul(c, t.rsqrt(t.add(variance, eps))), weight, bias), input);
  },
  method: false,
  onnx: { symbolic: 'region' },
});
export const localResponseNorm = composite({
  doc: 'Divides by (k + alpha * mean of the squares of `size` neighbouring channels)^beta. input [n, c, ...].\nSource: https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks',
  schema: 'localResponseNorm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1): Tensor',
  body: (input: A, size: A, alpha: A, beta: A, k: A) => {
    if (input.ndim < 3) throw new Error(`Expected 3D or higher dimensionality input (got ${input.ndim} dimensions)`);
    if (input.numel === 0) return input;
    const squares = h.neighbourMeans(t.mul(input, input), size);
    return t.div(input, t.pow(t.add(t.mul(squares, alpha), k), beta));
  },
  method: false,
  exports: ['nn.functional.localResponseNorm'],
  onnx: { symbolic: 'region' },
});
export const normalize = composite({
  doc: 'Vectors along dim divided by their p-norm, which counts as eps at least.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html',
  schema: 'normalize(input: Tensor, p: float = 2, dim: int[] = [1], eps: float = 1e-12): Tensor',
  body: (input: A, p: A, dim: A, eps: A) => t.div(input, t.clampMin(t.norm(input, p, dim, true), eps)),
  method: false,
  exports: ['nn.functional.normalize'],
  onnx: { symbolic: 'region' },
});
export const recurrentSequence = extern({
  doc: "One direction of an RNN, LSTM or GRU layer over a sequence, from the inputs' part of the gates: gates [T, B, G * H], hidden and cell [B, H], weight [G * H, H], bias [G * H]; mode 'lstm', 'gru', 'rnnTanh' or 'rnnRelu'; float32 and float64. output [T, B, H], the final states (cn: of LSTMs, else empty), and with `keep` what the gradient needs (else empty). Recordings hold layers as this op, whatever the length.",
  schema:
    'recurrentSequence(gates: Tensor, hidden: Tensor, cell: Tensor?, weight: Tensor, bias: Tensor?, mode: string, reverse: bool, keep: bool): (output: Tensor, hn: Tensor, cn: Tensor, reserve: Tensor)',
  nondifferentiable: 'src/nn/recurrent_sequence.ts makes it a node of the graph, with recurrentSequenceBackward',
  method: false,
  function: false,
  onnx: { none: 'layers are exported from the module (src/onnx/recurrent.ts)' },
});
export const recurrentSequenceBackward = extern({
  doc: 'Gradients of `recurrentSequence` by gates, hidden, cell (of LSTMs, else empty), weight and bias.',
  schema:
    'recurrentSequenceBackward(gradOutput: Tensor?, gradHidden: Tensor?, gradCell: Tensor?, gates: Tensor, hidden: Tensor, cell: Tensor?, weight: Tensor, output: Tensor, reserve: Tensor, mode: string, reverse: bool): (dgates: Tensor, dhidden: Tensor, dcell: Tensor, dweight: Tensor, dbias: Tensor)',
  nondifferentiable: 'differentiated again, the layer runs step by step',
  method: false,
  function: false,
  onnx: { none: 'a gradient' },
});
