// func: function transforms. Source: torch.func (https://pytorch.org/docs/stable/func.html).
export { grad, gradAndValue, hessian, jacfwd, jacrev, jvp, linearize, vjp, type ArgNums } from './transforms.js';
export { vmap, type VmapOptions } from './vmap.js';
export { functionalCall, stackModuleState } from './modules.js';
