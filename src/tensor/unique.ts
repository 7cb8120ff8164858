// Distinct elements: which results there are depends on the options, as in PyTorch.
import { native } from '../native.js';
import { checkTensor, handleOf } from './args.js';
import { wrap, type Handle, type Tensor } from './handle.js';

export interface UniqueOptions {
  /** Always sorted here, as on PyTorch's CPU: kept for its signature. */
  sorted?: boolean;
  /** Also the index, among the distinct ones, of every element. */
  returnInverse?: boolean;
  /** Also how often each occurs. */
  returnCounts?: boolean;
  /** Slices along a dimension instead of elements. */
  dim?: number | null;
}
type OnlyOutput = UniqueOptions & { returnInverse?: false; returnCounts?: false };

/** The results that were asked for: one tensor, or [output, inverse?, counts?]. */
function pick([output, inverse, counts]: readonly Handle[], o: UniqueOptions): Tensor | Tensor[] {
  const out = [output!, ...(o.returnInverse ? [inverse!] : []), ...(o.returnCounts ? [counts!] : [])].map(wrap);
  return out.length === 1 ? out[0]! : out;
}

/** Distinct elements in ascending order (with `dim`: distinct slices along it). NaN is distinct from itself. */
export function unique(self: Tensor, options?: OnlyOutput): Tensor;
export function unique(self: Tensor, options: UniqueOptions): Tensor | Tensor[];
export function unique(self: Tensor, options: UniqueOptions = {}): Tensor | Tensor[] {
  checkTensor('unique', self);
  const { dim = null } = options;
  const h = handleOf(self);
  return pick(dim === null ? native.ops.uniqueAll(h) : native.ops.uniqueDim(h, dim, false), options);
}

/** Elements without those equal to the one before (with `dim`: slices along it). */
export function uniqueConsecutive(self: Tensor, options?: OnlyOutput): Tensor;
export function uniqueConsecutive(self: Tensor, options: UniqueOptions): Tensor | Tensor[];
export function uniqueConsecutive(self: Tensor, options: UniqueOptions = {}): Tensor | Tensor[] {
  checkTensor('uniqueConsecutive', self);
  const { dim = null } = options;
  const h = handleOf(self);
  return pick(dim === null ? native.ops.uniqueRuns(h) : native.ops.uniqueDim(h, dim, true), options);
}
