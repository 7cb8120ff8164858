// What lowering makes of a graph: tensors ("defs") that are element-wise maps, reductions or library steps, each over its own index
// space. Views are not here: they are index arithmetic inside the maps.
import { type DType, type Dim, type Node } from '../ir/graph.js';
import { type ComputeType } from './typing.js';
import { type LExpr, type Source } from './expr.js';
import { type Index } from './indexing.js';

/** One tensor of the program. */
export interface Def extends Source {
  readonly how: How;
  /** Must exist in memory: a result, an operand of a library step, a part of a concatenation. */
  required: boolean;
  /** The graph node it comes from, for names and reasons. */
  readonly node?: Node;
}

/** A graph value as something that can be read at any position. */
export interface View {
  readonly shape: readonly Dim[];
  readonly dtype: DType;
  readonly at: (idx: readonly Index[]) => LExpr;
}

export type How =
  | { readonly k: 'input'; readonly slot: number }
  | { readonly k: 'map'; readonly body: (idx: readonly Index[]) => LExpr; readonly into?: Into }
  | { readonly k: 'result'; readonly reduce: Reduce; readonly index: number }
  | { readonly k: 'step'; readonly step: Step; readonly index: number }
  /** Filled by several maps that write into it, in order (cat, asStridedScatter). */
  | { readonly k: 'parts'; readonly parts: Def[] };

/** The map's elements are stored at `at(idx)` of another tensor. */
export interface Into {
  readonly target: Def;
  readonly at: (idx: readonly Index[]) => Index;
}

/** A reduction: states are folded over the elements of the reduced dimensions, results finish them. */
export interface Reduce {
  readonly id: number;
  readonly name: string;
  readonly inShape: readonly Dim[];
  /** Per dimension of inShape. */
  readonly reduced: readonly boolean[];
  readonly elem: (idx: readonly Index[]) => LExpr;
  /** Further values of each position, for states that fold several at once. */
  readonly more?: (idx: readonly Index[]) => readonly LExpr[];
  readonly states: readonly { readonly name: string; readonly init: number | boolean; readonly type: ComputeType }[];
  readonly combine: (state: readonly LExpr[], x: LExpr, index: LExpr, more: readonly LExpr[]) => readonly LExpr[];
  /** Never called of an ordered reduction. */
  readonly join: (a: readonly LExpr[], b: readonly LExpr[]) => readonly LExpr[];
  readonly finish: (state: readonly LExpr[]) => readonly LExpr[];
  /** 'sum' may use several accumulators in blocks and fused multiply-adds. */
  readonly sum: boolean;
  readonly usesIndex: boolean;
  /** Elements come one after the other: no lanes, threads or parts along the reduced dimensions. */
  readonly ordered?: true;
  /** The results are the states after each element, in the shape of the input (then it is ordered, too). */
  readonly running?: true;
  readonly results: Def[];
}

/** A tensor operand of a library step. */
export interface StepTensor {
  readonly def: Def;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly strides: readonly Dim[];
  readonly offset: Dim;
}
export type StepInput =
  StepTensor | { readonly c: number | boolean } | { readonly live: number } | readonly StepTensor[] | null;

/** A call of the runtime: a GEMM, a convolution, any op that has no loop form. */
export interface Step {
  readonly id: number;
  readonly op: string;
  readonly inputs: readonly StepInput[];
  readonly attrs: Node['attrs'];
  readonly outputs: Def[];
  readonly epilogue: readonly { readonly op: string }[];
  /** Why it is not a generated loop. */
  readonly reason: string;
  /** The graph nodes that it computes: its own, and those of its epilogue. */
  readonly nodes: readonly Node[];
}

export const stepTensors = (s: Step): StepTensor[] =>
  s.inputs.flatMap((i): readonly StepTensor[] =>
    i === null ? [] : Array.isArray(i) ? (i as StepTensor[]) : 'def' in i ? [i] : [],
  );

/** The program before grouping. */
export interface Lowered {
  /** Inputs, then captures. */
  readonly inputs: readonly Def[];
  /** All maps, reduction results and step results in program order. */
  readonly defs: readonly Def[];
  readonly steps: readonly Step[];
  /** Fresh outputs in order: results, then new gradients. */
  readonly outputs: readonly Def[];
  /** Per graph output: index into `outputs`, or the input or capture that it is. */
  readonly results: readonly ({ readonly output: number } | { readonly input: number })[];
  readonly gradOutputs: readonly (number | null)[];
  /** Writes: the def whose value goes into input slot `slot`. */
  readonly writes: readonly { readonly slot: number; readonly def: Def }[];
  /** Philox numbers drawn per run. */
  readonly random: Dim;
  /** Messages of run-time checks; the program returns 1000 + index when one fails. */
  readonly errors: readonly string[];
}
