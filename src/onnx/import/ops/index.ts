// All operators of the default domain.
import type { OperatorTable } from '../node.js';
import { ATTENTION } from './attention.js';
import { CONTROL } from './control.js';
import { CONV_POOL } from './conv_pool.js';
import { INDEX } from './index_ops.js';
import { NORM_LOSS } from './norm_loss.js';
import { POINTWISE } from './pointwise.js';
import { QUANTIZE } from './quantize.js';
import { RECURRENT } from './recurrent.js';
import { REDUCE } from './reduce.js';
import { REGIONS } from './regions.js';
import { RESIZE } from './resize.js';
import { SHAPE } from './shape.js';
import { SIGNAL } from './signal.js';

export const OPERATORS: OperatorTable = {
  ...POINTWISE,
  ...SHAPE,
  ...INDEX,
  ...REDUCE,
  ...CONV_POOL,
  ...NORM_LOSS,
  ...QUANTIZE,
  ...RECURRENT,
  ...CONTROL,
  ...ATTENTION,
  ...REGIONS,
  ...RESIZE,
  ...SIGNAL,
};
