// Op graph IR: SSA over declared ops. Types only; building, printing, parsing and verifying live beside this file.

export type DType =
  'float32' | 'float64' | 'float16' | 'bfloat16' | 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'bool';

/** A symbolic extent: sum of terms coef * product(symbols). Plain numbers stay numbers. */
export interface SymDim {
  readonly terms: readonly { readonly coef: number; readonly symbols: readonly string[] }[];
}
export type Dim = number | SymDim;

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** One SSA value. `name` is for people ('conv1.weight', 'x'); `id` is unique in the graph. */
export interface Value {
  readonly id: number;
  type: TensorType;
  name?: string;
  /** Of inputs and captures, where they matter: element strides. Absent: contiguous. */
  strides?: readonly Dim[];
}

/** An operand: a value, a number baked into the graph, a live scalar (slot), or an absent optional. */
export type Input =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'list'; readonly values: readonly Value[] }
  | { readonly kind: 'const'; readonly value: number | boolean; readonly float: boolean }
  | { readonly kind: 'live'; readonly slot: number }
  | { readonly kind: 'none' };

export type Attr = null | number | boolean | string | readonly number[] | readonly Dim[] | { readonly live: number };

export interface Node {
  /** Name of a declared op (generated op table), e.g. 'add', 'softmax', 'convolution', or 'region.begin' / 'region.end', or 'if' / 'loop' (control.ts). */
  op: string;
  inputs: Input[];
  attrs: Record<string, Attr>;
  outputs: Value[];
  /** Of 'if' (then, else) and 'loop' (body): closed graphs, see control.ts. Other ops have none. */
  bodies?: readonly Graph[];
  /** JavaScript call site 'file.ts:12:3' and module path 'features.0', when known. */
  site?: string;
  scope?: string;
  /** Index of the composite region (Graph.regions) that the node belongs to, innermost. */
  region?: number;
}

/** A composite that was called: the nodes between its marks compute it. ONNX export prefers it whole. */
export interface Region {
  readonly op: string;
  readonly inputs: Input[];
  readonly attrs: Record<string, Attr>;
  readonly outputs: Value[];
  readonly parent?: number;
  readonly scope?: string;
  /** Numbers among its operands follow a size of a symbolic graph, which only its nodes know of. */
  readonly varies?: true;
}

export interface Graph {
  /** Arguments of the traced function, in order. */
  inputs: Value[];
  /** Tensors met but not created inside: parameters, buffers, optimizer state, constants. */
  captures: Value[];
  nodes: Node[];
  regions: Region[];
  outputs: Value[];
  /** Write-backs: when the graph ends, the input or capture takes this value (functionalised mutation). */
  writes: { target: Value; value: Value }[];
  /** `.grad` of a captured leaf becomes this value (null: becomes undefined). */
  gradWrites: { leaf: Value; value: Value | null }[];
  /** Guards: the leaf's `.grad` at the start must be this capture (null: undefined). Absent: none. */
  gradReads?: { leaf: Value; is: Value | null }[];
  /** Live scalar slots: the values seen while recording. */
  liveScalars: number[];
  symbols: { name: string; hint: number }[];
}
