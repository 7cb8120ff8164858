// The namespace `optim`.
export {
  Optimizer,
  type LoadableStateDict,
  type OptimizerStateDict,
  type ParamGroup,
  type Params,
  type ParamState,
} from './optimizer.js';
export { SGD, type SGDOptions } from './sgd.js';
export { Adam, AdamW, type AdamOptions } from './adam.js';
export {
  Adamax,
  NAdam,
  RAdam,
  SparseAdam,
  type AdamaxOptions,
  type NAdamOptions,
  type RAdamOptions,
  type SparseAdamOptions,
} from './adam_family.js';
export {
  Adadelta,
  Adagrad,
  ASGD,
  Rprop,
  type AdadeltaOptions,
  type AdagradOptions,
  type ASGDOptions,
  type RpropOptions,
} from './adaptive.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { Adafactor, type AdafactorOptions } from './adafactor.js';
export { LBFGS, type LBFGSOptions } from './lbfgs.js';
export * as lrScheduler from './lr_scheduler/index.js';
export * as swaUtils from './swa_utils.js';
