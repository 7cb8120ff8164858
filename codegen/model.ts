// The declaration records: what codegen/ops/*.ts is written in. One record declares one op; everything else is generated.
// Schemas are PyTorch's signatures in TypeScript spelling:
//   'clamp(self: Tensor, min: Scalar? = null, max: Scalar? = null): Tensor'
//   'sum(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor'
//   'max(self: Tensor, dim: int, keepdim: bool = false): (values: Tensor, indices: Tensor)'
// Types: Tensor, Tensor?, Tensor[], Tensor?[], Operand (a tensor or a number), Operand? (composites only), Scalar, int, float, bool, string, dtype,
// int[], float[]; '?' = may be null. After '*': options object only; before it: positional or in the options object.

export type Samples = { readonly range: readonly [number, number] } | { readonly list: readonly (readonly number[])[] };
export const range = (lo: number, hi: number): Samples => ({ range: [lo, hi] });

/** ONNX mapping: a plain node of the same arity, a named custom symbolic in src/onnx, or a stated reason for none. */
export type Onnx =
  | { readonly op: string; readonly since: number; readonly attrs?: Record<string, string | number> }
  | { readonly symbolic: string }
  | { readonly none: string };

export type DTypeRule = 'same' | 'int-to-float' | 'bool' | 'float-only' | 'numeric-only' | 'integral-only';
export type ReduceRule = 'same' | 'int-to-int64' | 'float-only' | 'bool' | 'index';

interface OpBase {
  /** First line: what it computes; then shapes, dtypes, errors, source. Markdown. */
  readonly doc: string;
  readonly schema: string;
  readonly onnx: Onnx;
  /** false: no Tensor method of this name / no free function. */
  readonly method?: boolean;
  readonly function?: boolean;
  /** Also offer `name_` (in place on self). Default: true for pointwise ops whose first operand is a Tensor and whose rule is not bool. */
  readonly inplace?: boolean;
  /** A reason why there is no derivative (instead of `backward`). */
  readonly nondifferentiable?: string;
  /** Name of the autograd node where PyTorch's differs from `NAMEBackward0`. */
  readonly node?: string;
  /** Other names of the op ('absolute' for 'abs'): methods and functions of the root. */
  readonly aliases?: readonly string[];
  /**
   * Where the free function is exported, dotted: ['linalg.solve'], ['sigmoid', 'special.expit']. Left out: the op's name and its
   * aliases on the root. Namespaces: see NAMESPACES in codegen/emitters/ts_ops.ts.
   */
  readonly exports?: readonly string[];
  /**
   * Whether the free functions take `{ out }`. Left out: those of kernels and of composites that have an in-place form, where they are
   * exported on the root, on special or on linalg. 'apart': they do, and refuse one that shares memory with an operand.
   */
  readonly out?: boolean | 'apart';
  /**
   * The op is one form of that function and method, in JavaScript and in C++: `maxDim` with overloadOf 'max' is what
   * `max(dim, keepdim)` calls, `scatterJoin` with a required `reduce` after '*' what `scatter(..., { reduce })` calls. Of the forms
   * that the arguments fit, the one with the most required parameters is taken, and one that wants a number before one that
   * wants a list; the op called 'max', if there is one, is the plain form. Forms with in-place variants make up `max_` as well.
   * The form has a method and a function of its own name, too, unless `method: false, function: false`.
   */
  readonly overloadOf?: string;
  /** The free function takes a number for its first tensor, where its second is one: xlogy(2, t). */
  readonly numberFirst?: boolean;
  /** The free function takes its list of tensors as one array or as separate arguments: meshgrid(a, b, { indexing: 'ij' }). */
  readonly variadic?: boolean;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies are ordinary arrow functions of any arity */
type ScalarBody = (...args: any[]) => number | boolean | readonly (number | boolean)[];
type TensorBody = (...args: any[]) => unknown;

export interface PointwiseRecord extends OpBase {
  readonly dtype: DTypeRule;
  readonly forward: ScalarBody;
  /** Per tensor parameter: gradient as a scalar function of (grad, ...the op's parameters, out). Left out: derived symbolically. */
  readonly backward?: Readonly<Record<string, ScalarBody | null>>;
  /** Parameters that are conditions (bool, outside promotion). */
  readonly conditions?: readonly string[];
  /** Parameters that receive the results in place, in order (optimizer steps). Implies no plain variant. */
  readonly mutates?: readonly string[];
  /** Parameter that integers are divided by: a zero in it throws "ZeroDivisionError", eager and compiled. Floats are not looked at. */
  readonly divisor?: string;
  readonly ulp?: Readonly<Record<string, number>>;
  readonly samples: Samples;
}

export interface ReductionRecord extends OpBase {
  readonly dtype: ReduceRule;
  /** Start value of the accumulator(s). Infinity stands for the dtype's largest value when integer. */
  readonly init: number | boolean | readonly number[];
  readonly combine: ScalarBody; // (acc, x[, index]) => acc
  /** Joins two accumulators; left out when combine(acc, acc) does. */
  readonly join?: ScalarBody;
  readonly finish?: ScalarBody; // (acc, n, ...attrs) => result(s)
  /** Empty input: false = error (amax), true = finish(init). */
  readonly identity: boolean;
  /** Eager kernels fold every element into accumulators of double (or int64), not only blocks: for updates that cancel. */
  readonly wide?: true;
  readonly backward?: Readonly<Record<string, TensorBody>>;
  readonly samples: Samples;
}

/** Running values along one dimension: the result has the input's shape. Parameters: self, dim and perhaps dtype. */
export interface ScanRecord extends OpBase {
  readonly dtype: 'same' | 'int-to-int64' | 'float-only';
  readonly init: number | boolean | readonly number[];
  readonly combine: ScalarBody; // (acc, x[, index]) => acc
  /** Joins the accumulators of two neighbouring stretches; left out when combine(acc, acc) does. */
  readonly join?: ScalarBody;
  readonly finish?: ScalarBody; // (acc) => result(s)
  /** From the last element to the first. */
  readonly reverse?: true;
  readonly backward?: Readonly<Record<string, TensorBody>>;
  readonly samples: Samples;
}

export interface ViewRecord extends OpBase {
  /** C++ geometry function in native/core/views.h that gives sizes, strides, offset: same parameters as the op. */
  readonly geometry: string;
  /** Also offer `NAME_`, which makes the view the tensor object itself (JavaScript only: native handles keep their geometry). */
  readonly inplace?: boolean;
  readonly backward: Readonly<Record<string, TensorBody>>;
}

export interface CompositeRecord extends OpBase {
  /**
   * Body over other ops. With `backward` the op has a node of its own; without, its parts are differentiated.
   * A string names a C++ function of the same signature instead (loops over tensor lists: native/optim, native/core/composites.h).
   */
  readonly body: TensorBody | string;
  readonly backward?: Readonly<Record<string, TensorBody>>;
  /**
   * Eager calls go to kernels written by hand: flambeau::cpu::NAMEKernel, with the op's parameters, and NAMEKernelBackward, with
   * the gradient, what the formulas read and which gradients are wanted. An undefined result or an empty list means that they
   * do not take the call. Recorded calls and gradients of gradients always take the body and the formulas.
   */
  readonly kernel?: true;
}

export interface ExternRecord extends OpBase {
  /**
   * Gradients as bodies over other ops; the kernel is flambeau::cpu::NAME, written by hand. A key of several parameters ('query, key'):
   * one body that gives a list, one gradient each.
   */
  readonly backward?: Readonly<Record<string, TensorBody>>;
  /** Writes its first parameter (`uniform_`, `indexPut_`). */
  readonly mutates?: readonly string[];
  /** The result's shape depends on the values of the operands (`nonzero`). */
  readonly dataDependent?: boolean;
  /** Draws random numbers: recorded with the generator, never folded or merged. */
  readonly random?: boolean;
}

/** `export const page` of a file of codegen/ops: the head of the family's page in generated/docs. */
export interface Page {
  readonly title: string;
  /** A few sentences: what the ops have in common, what holds for all of their shapes and dtypes. */
  readonly intro: string;
  /** Statements; `// => text` behind one says what it prints (white space aside). Run by test/codegen/docs.test.ts. */
  readonly example: string;
}

export type Kind = 'pointwise' | 'reduction' | 'scan' | 'view' | 'composite' | 'extern';
export type OpRecord =
  | (PointwiseRecord & { readonly kind: 'pointwise' })
  | (ReductionRecord & { readonly kind: 'reduction' })
  | (ScanRecord & { readonly kind: 'scan' })
  | (ViewRecord & { readonly kind: 'view' })
  | (CompositeRecord & { readonly kind: 'composite' })
  | (ExternRecord & { readonly kind: 'extern' });

export const pointwise = (r: PointwiseRecord): OpRecord => ({ kind: 'pointwise', ...r });
export const reduction = (r: ReductionRecord): OpRecord => ({ kind: 'reduction', ...r });
export const scan = (r: ScanRecord): OpRecord => ({ kind: 'scan', ...r });
export const view = (r: ViewRecord): OpRecord => ({ kind: 'view', ...r });
export const composite = (r: CompositeRecord): OpRecord => ({ kind: 'composite', ...r });
export const extern = (r: ExternRecord): OpRecord => ({ kind: 'extern', ...r });
