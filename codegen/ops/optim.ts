// Optimizer steps: pointwise updates of several tensors in place, and the same over whole parameter lists in one call.
// Scalars are live: the learning rate of a compiled step is an input of the graph.
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';

const step = 'an update rule: runs under noGrad';

export const page: Page = {
  title: 'Optimizer steps',
  intro: `One kernel a parameter (and one for all parameters in compiled code). They write parameters and state in place; \`optim\` calls them.`,
  example: `const w = new nn.Parameter(fb.tensor([1, 2]));
w.grad = fb.tensor([1, -1]);
new fb.optim.SGD([w], { lr: 0.5 }).step();
w.detach(); // => tensor([0.5000, 2.5000])`,
};
export const sgdUpdate = pointwise({
  doc: 'param - lr * (grad + weightDecay * param); sign: -1 maximises.',
  schema: 'sgdUpdate(param: Tensor, grad: Tensor, lr: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param'],
  forward: (param, grad, lr, weightDecay, sign) => param - lr * (sign * grad + weightDecay * param),
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(-1, 1),
});
export const sgdMomentumUpdate = pointwise({
  doc: 'SGD with momentum: buf = momentum * buf + (1 - dampening) * g; nesterov 1 looks ahead.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.SGD.html',
  schema:
    'sgdMomentumUpdate(param: Tensor, grad: Tensor, buf: Tensor, lr: Scalar, momentum: Scalar, dampening: Scalar, weightDecay: Scalar, nesterov: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'buf'],
  forward: (param, grad, buf, lr, momentum, dampening, weightDecay, nesterov, sign) => {
    const g = sign * grad + weightDecay * param;
    const b = momentum * buf + (1 - dampening) * g;
    return [param - lr * (nesterov > 0 ? g + momentum * b : b), b];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(-1, 1),
});
export const adamUpdate = pointwise({
  doc: 'Adam (decoupled 0) and AdamW (decoupled 1): correction1 = 1 - beta1^t, correction2 = 1 - beta2^t, 0-d or numbers.\nSource: https://arxiv.org/abs/1412.6980, https://arxiv.org/abs/1711.05101',
  schema:
    'adamUpdate(param: Tensor, grad: Tensor, expAvg: Tensor, expAvgSq: Tensor, correction1: Operand, correction2: Operand, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weightDecay: Scalar, decoupled: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'expAvg', 'expAvgSq'],
  forward: (
    param,
    grad,
    expAvg,
    expAvgSq,
    correction1,
    correction2,
    lr,
    beta1,
    beta2,
    eps,
    weightDecay,
    decoupled,
    sign,
  ) => {
    const p = param * (1 - lr * weightDecay * decoupled);
    const g = sign * grad + weightDecay * (1 - decoupled) * param;
    const m = beta1 * expAvg + (1 - beta1) * g;
    const v = beta2 * expAvgSq + (1 - beta2) * g * g;
    return [p - ((lr / correction1) * m) / (s.sqrt(v) / s.sqrt(correction2) + eps), m, v];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const rmspropUpdate = pointwise({
  doc: 'RMSprop without momentum: avg of squares, centered 1 subtracts the squared mean.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html',
  schema:
    'rmspropUpdate(param: Tensor, grad: Tensor, squareAvg: Tensor, lr: Scalar, alpha: Scalar, eps: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'squareAvg'],
  forward: (param, grad, squareAvg, lr, alpha, eps, weightDecay, sign) => {
    const g = sign * grad + weightDecay * param;
    const v = alpha * squareAvg + (1 - alpha) * g * g;
    return [param - (lr * g) / (s.sqrt(v) + eps), v];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const adamAmsgradUpdate = pointwise({
  doc: 'Adam and AdamW with the largest running mean of squares seen so far (amsgrad).\nSource: https://openreview.net/forum?id=ryQu7f-RZ',
  schema:
    'adamAmsgradUpdate(param: Tensor, grad: Tensor, expAvg: Tensor, expAvgSq: Tensor, maxExpAvgSq: Tensor, correction1: Operand, correction2: Operand, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weightDecay: Scalar, decoupled: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'expAvg', 'expAvgSq', 'maxExpAvgSq'],
  forward: (
    param,
    grad,
    expAvg,
    expAvgSq,
    maxExpAvgSq,
    correction1,
    correction2,
    lr,
    beta1,
    beta2,
    eps,
    weightDecay,
    decoupled,
    sign,
  ) => {
    const p = param * (1 - lr * weightDecay * decoupled);
    const g = sign * grad + weightDecay * (1 - decoupled) * param;
    const m = beta1 * expAvg + (1 - beta1) * g;
    const v = beta2 * expAvgSq + (1 - beta2) * g * g;
    const most = s.max(maxExpAvgSq, v);
    return [p - ((lr / correction1) * m) / (s.sqrt(most) / s.sqrt(correction2) + eps), m, v, most];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const adamaxUpdate = pointwise({
  doc: 'Adamax: Adam with the infinity norm; correction = 1 - beta1^t.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.Adamax.html',
  schema:
    'adamaxUpdate(param: Tensor, grad: Tensor, expAvg: Tensor, expInf: Tensor, correction: Operand, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'expAvg', 'expInf'],
  forward: (param, grad, expAvg, expInf, correction, lr, beta1, beta2, eps, weightDecay, sign) => {
    const g = sign * grad + weightDecay * param;
    const m = beta1 * expAvg + (1 - beta1) * g;
    const u = s.max(beta2 * expInf, s.abs(g) + eps);
    return [param - ((lr / correction) * m) / u, m, u];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const nadamUpdate = pointwise({
  doc: 'NAdam: Adam with Nesterov momentum. gradScale and avgScale weigh the gradient and its mean; correction2 = 1 - beta2^t.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html',
  schema:
    'nadamUpdate(param: Tensor, grad: Tensor, expAvg: Tensor, expAvgSq: Tensor, gradScale: Operand, avgScale: Operand, correction2: Operand, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weightDecay: Scalar, decoupled: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'expAvg', 'expAvgSq'],
  forward: (
    param,
    grad,
    expAvg,
    expAvgSq,
    gradScale,
    avgScale,
    correction2,
    lr,
    beta1,
    beta2,
    eps,
    weightDecay,
    decoupled,
    sign,
  ) => {
    const p = param * (1 - lr * weightDecay * decoupled);
    const g = sign * grad + weightDecay * (1 - decoupled) * param;
    const m = beta1 * expAvg + (1 - beta1) * g;
    const v = beta2 * expAvgSq + (1 - beta2) * g * g;
    const d = s.sqrt(v / correction2) + eps;
    return [p - lr * ((gradScale * g) / d + (avgScale * m) / d), m, v];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const radamUpdate = pointwise({
  doc: 'RAdam: rect is the rectification term, 0 while the variance is not tractable.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.RAdam.html',
  schema:
    'radamUpdate(param: Tensor, grad: Tensor, expAvg: Tensor, expAvgSq: Tensor, correction1: Operand, correction2: Operand, rect: Operand, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weightDecay: Scalar, decoupled: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'expAvg', 'expAvgSq'],
  forward: (
    param,
    grad,
    expAvg,
    expAvgSq,
    correction1,
    correction2,
    rect,
    lr,
    beta1,
    beta2,
    eps,
    weightDecay,
    decoupled,
    sign,
  ) => {
    const p = param * (1 - lr * weightDecay * decoupled);
    const g = sign * grad + weightDecay * (1 - decoupled) * param;
    const m = beta1 * expAvg + (1 - beta1) * g;
    const v = beta2 * expAvgSq + (1 - beta2) * g * g;
    const adaptive = (s.sqrt(correction2) / (s.sqrt(v) + eps)) * rect;
    return [p - lr * (m / correction1) * (rect > 0 ? adaptive : 1), m, v];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const adagradUpdate = pointwise({
  doc: 'Adagrad: sum of squares; lr is already decayed.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html',
  schema:
    'adagradUpdate(param: Tensor, grad: Tensor, sum: Tensor, lr: Operand, eps: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'sum'],
  forward: (param, grad, sum, lr, eps, weightDecay, sign) => {
    const g = sign * grad + weightDecay * param;
    const v = sum + g * g;
    return [param - (lr * g) / (s.sqrt(v) + eps), v];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const adadeltaUpdate = pointwise({
  doc: 'Adadelta: running means of squared gradients and of squared updates.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.Adadelta.html',
  schema:
    'adadeltaUpdate(param: Tensor, grad: Tensor, squareAvg: Tensor, accDelta: Tensor, lr: Scalar, rho: Scalar, eps: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'squareAvg', 'accDelta'],
  forward: (param, grad, squareAvg, accDelta, lr, rho, eps, weightDecay, sign) => {
    const g = sign * grad + weightDecay * param;
    const v = rho * squareAvg + (1 - rho) * g * g;
    const delta = (s.sqrt(accDelta + eps) / s.sqrt(v + eps)) * g;
    return [param - lr * delta, v, rho * accDelta + (1 - rho) * delta * delta];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const rmspropMomentumUpdate = pointwise({
  doc: 'RMSprop with momentum.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html',
  schema:
    'rmspropMomentumUpdate(param: Tensor, grad: Tensor, squareAvg: Tensor, buf: Tensor, lr: Scalar, alpha: Scalar, eps: Scalar, weightDecay: Scalar, momentum: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'squareAvg', 'buf'],
  forward: (param, grad, squareAvg, buf, lr, alpha, eps, weightDecay, momentum, sign) => {
    const g = sign * grad + weightDecay * param;
    const v = alpha * squareAvg + (1 - alpha) * g * g;
    const b = momentum * buf + g / (s.sqrt(v) + eps);
    return [param - lr * b, v, b];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const rmspropCenteredUpdate = pointwise({
  doc: 'RMSprop with the squared mean of the gradient subtracted.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html',
  schema:
    'rmspropCenteredUpdate(param: Tensor, grad: Tensor, squareAvg: Tensor, gradAvg: Tensor, lr: Scalar, alpha: Scalar, eps: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'squareAvg', 'gradAvg'],
  forward: (param, grad, squareAvg, gradAvg, lr, alpha, eps, weightDecay, sign) => {
    const g = sign * grad + weightDecay * param;
    const v = alpha * squareAvg + (1 - alpha) * g * g;
    const m = alpha * gradAvg + (1 - alpha) * g;
    return [param - (lr * g) / (s.sqrt(v - m * m) + eps), v, m];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const rmspropCenteredMomentumUpdate = pointwise({
  doc: 'RMSprop with the squared mean of the gradient subtracted, with momentum.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html',
  schema:
    'rmspropCenteredMomentumUpdate(param: Tensor, grad: Tensor, squareAvg: Tensor, gradAvg: Tensor, buf: Tensor, lr: Scalar, alpha: Scalar, eps: Scalar, weightDecay: Scalar, momentum: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'squareAvg', 'gradAvg', 'buf'],
  forward: (param, grad, squareAvg, gradAvg, buf, lr, alpha, eps, weightDecay, momentum, sign) => {
    const g = sign * grad + weightDecay * param;
    const v = alpha * squareAvg + (1 - alpha) * g * g;
    const m = alpha * gradAvg + (1 - alpha) * g;
    const b = momentum * buf + g / (s.sqrt(v - m * m) + eps);
    return [param - lr * b, v, m, b];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const rpropUpdate = pointwise({
  doc: 'Rprop: step sizes grow while the sign of the gradient stays, and shrink when it changes.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.Rprop.html',
  schema:
    'rpropUpdate(param: Tensor, grad: Tensor, prev: Tensor, stepSize: Tensor, etaMinus: Scalar, etaPlus: Scalar, stepMin: Scalar, stepMax: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'prev', 'stepSize'],
  forward: (param, grad, prev, stepSize, etaMinus, etaPlus, stepMin, stepMax, sign) => {
    const g = sign * grad;
    const agree = g * prev;
    const factor = agree > 0 ? etaPlus : agree < 0 ? etaMinus : 1;
    const size = s.min(s.max(stepSize * factor, stepMin), stepMax);
    const used = agree < 0 ? 0 : g;
    return [param - s.sign(used) * size, used, size];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const asgdUpdate = pointwise({
  doc: 'Averaged SGD: eta is the decayed rate, mu the weight of the average ax (1: ax is the parameter).\nSource: https://pytorch.org/docs/stable/generated/torch.optim.ASGD.html',
  schema:
    'asgdUpdate(param: Tensor, grad: Tensor, ax: Tensor, eta: Operand, mu: Operand, lambd: Scalar, weightDecay: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'ax'],
  forward: (param, grad, ax, eta, mu, lambd, weightDecay, sign) => {
    const g = sign * grad + weightDecay * param;
    const p = param * (1 - lambd * eta) - eta * g;
    return [p, mu === 1 ? p : ax + (p - ax) * mu];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const sparseAdamUpdate = pointwise({
  doc: 'Adam where the gradient is not 0; elsewhere parameter and means stay as they are.\nSource: https://pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html',
  schema:
    'sparseAdamUpdate(param: Tensor, grad: Tensor, expAvg: Tensor, expAvgSq: Tensor, correction1: Operand, correction2: Operand, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, sign: Scalar): self',
  dtype: 'float-only',
  mutates: ['param', 'expAvg', 'expAvgSq'],
  forward: (param, grad, expAvg, expAvgSq, correction1, correction2, lr, beta1, beta2, eps, sign) => {
    const g = sign * grad;
    const m = g === 0 ? expAvg : beta1 * expAvg + (1 - beta1) * g;
    const v = g === 0 ? expAvgSq : beta2 * expAvgSq + (1 - beta2) * g * g;
    const update = (((lr * s.sqrt(correction2)) / correction1) * m) / (s.sqrt(v) + eps);
    return [g === 0 ? param : param - update, m, v];
  },
  nondifferentiable: step,
  method: false,
  function: false,
  onnx: { none: 'training only' },
  samples: range(0.1, 1),
});
export const sgdStep_ = composite({
  doc: 'sgdUpdate (bufs empty) or sgdMomentumUpdate for every parameter. Momentum buffers start as zeros when dampening is 0.',
  schema:
    'sgdStep_(params: Tensor[], grads: Tensor[], bufs: Tensor[], lr: Scalar, momentum: Scalar, dampening: Scalar, weightDecay: Scalar, nesterov: bool, maximize: bool): self',
  body: 'optim::sgdStep',
  nondifferentiable: step,
  method: false,
  onnx: { none: 'training only' },
});
export const adamStep_ = composite({
  doc: 'adamUpdate for every parameter. steps: 0-d float32 step counts, increased by one here (a tensor given several times once).',
  schema:
    'adamStep_(params: Tensor[], grads: Tensor[], expAvgs: Tensor[], expAvgSqs: Tensor[], steps: Tensor[], lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weightDecay: Scalar, decoupled: bool, maximize: bool): self',
  body: 'optim::adamStep',
  nondifferentiable: step,
  method: false,
  onnx: { none: 'training only' },
});
export const rmspropStep_ = composite({
  doc: 'rmspropUpdate for every parameter.',
  schema:
    'rmspropStep_(params: Tensor[], grads: Tensor[], squareAvgs: Tensor[], lr: Scalar, alpha: Scalar, eps: Scalar, weightDecay: Scalar, maximize: bool): self',
  body: 'optim::rmspropStep',
  nondifferentiable: step,
  method: false,
  onnx: { none: 'training only' },
});
