// The trace buffer as JSON (docs/trace-format.md), and its check on arrival.

import type { Graph } from '../../ir/graph.js';

export type TraceNumber = number | 'nan' | 'inf' | '-inf';
export type TraceOperand = number | null | readonly (number | null)[] | TraceConst;
export interface TraceConst {
  readonly c: TraceNumber | boolean;
  /** 1: a floating-point number. */
  readonly f?: 1 | 0 | boolean;
  readonly live?: number;
}
export type TraceAttr =
  | null
  | number
  | boolean
  | string
  | readonly TraceNumber[]
  | { readonly live: number; readonly c?: TraceNumber }
  | { readonly c: TraceNumber };

export interface TraceCall {
  readonly op: string;
  readonly in: readonly TraceOperand[];
  readonly attrs: Readonly<Record<string, TraceAttr>>;
  readonly out: readonly number[];
  readonly scope?: string;
}
export interface TraceNode extends TraceCall {
  readonly site?: string;
  readonly region?: number | null;
}
export interface TraceRegion extends TraceCall {
  readonly parent?: number | null;
}
export interface TraceValue {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
}

export interface TraceJson {
  readonly version: 1;
  readonly values: readonly TraceValue[];
  readonly inputs: readonly number[];
  readonly captures: readonly number[];
  readonly nodes: readonly TraceNode[];
  readonly regions?: readonly TraceRegion[];
  readonly outputs: readonly number[];
  readonly writes?: readonly { readonly target: number; readonly value: number }[];
  readonly gradWrites?: readonly { readonly leaf: number; readonly value: number | null }[];
  readonly gradReads?: readonly { readonly leaf: number; readonly capture: number | null }[];
  readonly live?: readonly TraceNumber[];
  /** Graphs that nodes 'graph' stand for, by number: functions that brought their own (jit.script). Not part of the text. */
  readonly graphs?: readonly Graph[];
}

/** A trace that does not follow the format. */
export class TraceFormatError extends Error {
  override readonly name = 'TraceFormatError';
  readonly code = 'ERR_FLAMBEAU_TRACE';
}

/** The trace in a JSON text. @throws TraceFormatError for another version or a missing part. */
export function parseTrace(json: string): TraceJson {
  const t = JSON.parse(json) as Partial<TraceJson>;
  if (t.version !== 1) throw new TraceFormatError(`trace version ${String(t.version)} is not supported (expected 1)`);
  for (const part of ['values', 'inputs', 'captures', 'nodes', 'outputs'] as const) {
    if (!Array.isArray(t[part])) throw new TraceFormatError(`the trace has no '${part}'`);
  }
  return t as TraceJson;
}

export const traceNumber = (v: TraceNumber): number =>
  typeof v === 'number' ? v : v === 'nan' ? NaN : v === 'inf' ? Infinity : -Infinity;
