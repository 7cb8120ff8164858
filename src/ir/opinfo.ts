// What the compiler, the exporter and the tools know about a declared op. The table itself is generated/ts/ops.ts.

export type ParamType =
  | 'Tensor'
  | 'Tensor?'
  | 'Tensor[]'
  | 'Tensor?[]'
  | 'Operand'
  | 'Operand?'
  | 'Scalar'
  | 'Scalar?'
  | 'int'
  | 'int?'
  | 'float'
  | 'float?'
  | 'bool'
  | 'bool?'
  | 'string'
  | 'string?'
  | 'dtype'
  | 'dtype?'
  | 'int[]'
  | 'int[]?'
  | 'float[]'
  | 'float[]?'
  | 'Generator?';

export type DefaultValue = null | number | boolean | string | readonly number[];

export interface Param {
  readonly name: string;
  readonly type: ParamType;
  /** Absent: required. */
  readonly default?: DefaultValue;
  readonly keywordOnly?: true;
}

/** Pointwise result dtypes: see DTypeRule in codegen/model.ts. */
export type PointwiseRule = 'same' | 'int-to-float' | 'bool' | 'float-only' | 'numeric-only' | 'integral-only';
export type ReductionRule = 'same' | 'int-to-int64' | 'float-only' | 'bool' | 'index';

export type OnnxInfo =
  | { readonly op: string; readonly since: number; readonly attrs?: Readonly<Record<string, string | number>> }
  | { readonly symbolic: string }
  | { readonly none: string };

interface OpInfoBase {
  readonly name: string;
  readonly params: readonly Param[];
  /** Names of the results ('out' for a single one). */
  readonly results: readonly string[];
  /** One tensor, a fixed tuple, a list whose length depends on the arguments, or nothing of its own (in place). */
  readonly returns: 'tensor' | 'tuple' | 'list' | 'self';
  readonly onnx?: OnnxInfo;
  /** 'x.backward kernel of NAME': made from the derivative of another op, not declared by hand. */
  readonly derivedFrom?: string;
}

export interface PointwiseInfo extends OpInfoBase {
  readonly kind: 'pointwise';
  readonly rule: PointwiseRule;
  /** One S-expression per result over the parameter names (src/ir/scalar.ts). */
  readonly forward: readonly string[];
  /** Parameters that are conditions: bool, outside promotion. */
  readonly conditions: readonly string[];
  /** Parameters that take the results in place, in order (optimizer steps): result k is the new value of mutates[k], in its dtype. */
  readonly mutates?: readonly string[];
  /** The operand that integers are divided by: a zero in it is an error. */
  readonly divisor?: string;
}

export interface ReductionInfo extends OpInfoBase {
  readonly kind: 'reduction';
  readonly rule: ReductionRule;
  /** Accumulator names, their start values and their types ('T': the element's compute type, 'i64': an index). */
  readonly state: readonly { readonly name: string; readonly init: number | boolean; readonly type: 'T' | 'i64' }[];
  /** New state from state, `x` and `index` (position along the reduced, flattened dims). */
  readonly combine: readonly string[];
  /** New state from state and a second state, named NAME + '_b'. */
  readonly join: readonly string[];
  /** Results from the state, `n` (number of elements reduced) and the attributes. */
  readonly finish: readonly string[];
  readonly identity: boolean;
}

/** Running values along `dim`: finish(state) after each element, in the input's shape. */
export interface ScanInfo extends OpInfoBase {
  readonly kind: 'scan';
  readonly rule: 'same' | 'int-to-int64' | 'float-only';
  readonly state: ReductionInfo['state'];
  readonly combine: readonly string[];
  readonly finish: readonly string[];
  readonly reverse?: true;
}

export interface ViewInfo extends OpInfoBase {
  readonly kind: 'view';
}
export interface CompositeInfo extends OpInfoBase {
  readonly kind: 'composite';
}
export interface ExternInfo extends OpInfoBase {
  readonly kind: 'extern';
  readonly random?: true;
  /** The result's shape depends on the values of the operands. */
  readonly dataDependent?: true;
  readonly mutates?: readonly string[];
}

export type OpInfo = PointwiseInfo | ReductionInfo | ScanInfo | ViewInfo | CompositeInfo | ExternInfo;
export type OpKind = OpInfo['kind'];
