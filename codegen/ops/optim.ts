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
