// Metadata of a graph program: what native/runtime reads beside the shared object. docs/program-format.md is its specification.
import { type DType } from '../ir/graph.js';

/** An extent: a number, or a sum of products of symbols ('2*s0+1'). */
export type MetaDim = number | string;

export interface TensorMeta {
  readonly dtype: DType;
  readonly shape: readonly MetaDim[];
  readonly strides?: readonly MetaDim[];
}
export interface InputMeta extends TensorMeta {
  readonly strides: readonly MetaDim[];
  readonly requiresGrad?: boolean;
}
/** A fresh tensor that the runtime allocates, or an input or captured tensor handed back. */
export type OutputMeta = TensorMeta | { readonly alias: { readonly input: number } | { readonly capture: number } };
export type TargetMeta = { readonly input: number } | { readonly capture: number };

export type StepInputMeta =
  TensorMeta | { readonly c: number | boolean } | { readonly live: number } | readonly TensorMeta[] | null;
export interface StepMeta {
  readonly op: string;
  readonly inputs: readonly StepInputMeta[];
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly outputs: readonly TensorMeta[];
  readonly epilogue?: readonly { readonly op: string }[];
}

export interface ProgramMeta {
  readonly version: 1;
  readonly inputs: readonly InputMeta[];
  readonly captures: readonly InputMeta[];
  readonly outputs: readonly OutputMeta[];
  readonly writes: readonly TargetMeta[];
  readonly gradWrites: readonly (({ readonly input: number } | { readonly capture: number }) & {
    readonly output: number | null;
  })[];
  readonly results: number;
  readonly arena: MetaDim;
  readonly live: number;
  readonly random: MetaDim;
  readonly symbols: readonly { readonly name: string; readonly input: number; readonly dim: number }[];
  readonly steps: readonly StepMeta[];
  /** What a profiler calls the program, and its kernels and library steps in order. */
  readonly name: string;
  readonly labels: readonly { readonly name: string; readonly step?: true }[];
  /** Messages of run-time checks: the program returns 1000 + index. */
  readonly errors?: readonly string[];
}
