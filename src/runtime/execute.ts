// Ops by name on native tensors: what the interpreter calls, and how constants are folded with the library's own arithmetic.
import { interpret, type ConcreteAttr, type Execute, type GraphResults, type OperandOf } from '../ir/interpret.js';
import type { DType, Graph, Node } from '../ir/graph.js';
import { isOperand, mutatedParams, opInfo } from '../ir/table.js';
import { native } from '../native.js';
import { foldNative } from './fold.js';
import type { EvaluateScalar } from '../passes/fold.js';
import { dtypeCode, dtypeName } from '../tensor/dtype.js';
import type { Handle } from '../tensor/handle.js';

type NativeOp = (...args: unknown[]) => Handle | readonly Handle[] | undefined;

/** Runs one op of a graph on the prebuilt kernels. Recorded in-place ops run on copies: graph values do not change. */
export const executeNative: Execute<Handle> = (op, inputs, attrs, node) => {
  const results = executeOp(op, inputs, attrs, node);
  if (node === undefined) return results;
  // An op that was recorded in place keeps the dtype of what it wrote, whatever its operands are promoted to.
  return results.map((h, k) => {
    const to = node.outputs[k]?.type.dtype;
    return to === undefined ? h : asDtype(h, to);
  });
};
const asDtype = (h: Handle, to: DType): Handle =>
  dtypeName(native.dtype(h)) === to ? h : native.ops.toDtype(h, dtypeCode(to));

const executeOp: Execute<Handle> = (op, inputs, attrs, node) => {
  const info = opInfo(op);
  if (info === undefined) throw new Error(`the graph uses the op '${op}', which this version does not have`);
  // Derivative kernels have no function of their own in the addon; some ops exist in place only.
  const table = native.ops as unknown as Record<string, NativeOp>;
  const inPlace = !Object.hasOwn(BY_HAND, op) && table[op] === undefined && table[`${op}_`] !== undefined;
  const mutated = mutatedParams(info) ?? (inPlace ? [info.params[0]!.name] : null);
  const targets: Handle[] = [];
  let operand = 0;
  const args = info.params.map((p): unknown => {
    if (isOperand(p)) {
      const x = asDeclared(inputs, operand++, node);
      if (mutated === null || !mutated.includes(p.name)) return x;
      const copy = clone(x as Handle);
      targets[mutated.indexOf(p.name)] = copy;
      return copy;
    }
    if (p.type === 'Generator?') return null;
    const value: ConcreteAttr | undefined = Object.hasOwn(attrs, p.name) ? attrs[p.name] : p.default;
    return p.type.startsWith('dtype') && typeof value === 'string' ? dtypeCode(value) : (value ?? null);
  });
  // A graph's values are row-major whatever layout the tensor at hand has: shapes change as by reshape, and strides count
  // elements of the row-major value.
  if (op === 'view') return [native.ops.reshape(inputs[0] as Handle, attrs['size'] as number[])];
  if (op === 'asStrided' || op === 'asStridedScatter') args[0] = rowMajor(inputs[0] as Handle);
  const direct = Object.hasOwn(BY_HAND, op) ? undefined : table[inPlace ? `${op}_` : op];
  if (direct === undefined) return boxed(op, inputs, attrs, targets);
  const result = direct(...args);
  if (mutated !== null) return targets;
  return result === undefined ? [] : Array.isArray(result) ? (result as readonly Handle[]) : [result as Handle];
};

/** The same contents, contiguous from the start of a storage. */
function rowMajor(h: Handle): Handle {
  return native.isContiguous(h) && native.offset(h) === 0 ? h : native.ops.clone(native.ops.contiguous(h));
}
const clone = (h: Handle): Handle => native.ops.clone(h);

/** Recorded names that stand for something else than the op of the addon's table. */
const BY_HAND = { copy: true, fill: true, zero: true, asStridedScatter: true, fold: true } as const;

/** An operand; a whole number that was recorded as a float among integer tensors becomes a tensor, since JavaScript cannot tell 2 from 2.0. */
function asDeclared(inputs: readonly OperandOf<Handle>[], at: number, node: Node | undefined): OperandOf<Handle> {
  const x = inputs[at] ?? null;
  const declared = node?.inputs[at];
  const float = declared?.kind === 'live' || (declared?.kind === 'const' && declared.float);
  if (typeof x !== 'number' || !float || !Number.isInteger(x)) return x;
  const whole = inputs.every((o) => typeof o !== 'object' || o === null || Array.isArray(o) || !isFloat(o as Handle));
  return whole ? scalarTensor(x, 'float32', 0) : x;
}
const isFloat = (h: Handle): boolean => dtypeName(native.dtype(h)).includes('float');

function boxed(
  op: string,
  inputs: readonly OperandOf<Handle>[],
  attrs: Readonly<Record<string, ConcreteAttr>>,
  targets: readonly Handle[],
): readonly Handle[] {
  switch (op) {
    case 'copy': {
      const out = clone(inputs[0] as Handle);
      if (typeof inputs[1] === 'number') native.ops.fill_(out, inputs[1]);
      else native.ops.copy_(out, inputs[1] as Handle);
      return [out];
    }
    case 'fold':
      return foldNative(
        inputs[0] as readonly Handle[],
        attrs['definition'] as string,
        (attrs['dim'] ?? null) as readonly number[] | null,
        attrs['keepdim'] === true,
      );
    case 'fill':
    case 'zero': {
      const out = clone(inputs[0] as Handle);
      native.ops.fill_(out, op === 'zero' ? 0 : (attrs['value'] as number));
      return [out];
    }
    default: {
      const operands = op === 'asStridedScatter' ? [rowMajor(inputs[0] as Handle), ...inputs.slice(1)] : inputs;
      const result = native.boxed(op, operands as never, attrs as never);
      return targets.length > 0 ? targets : result;
    }
  }
}

/** Runs a whole graph op by op. Gradients are off: the graph holds its own backward. */
export function interpretNative(
  g: Graph,
  inputs: readonly Handle[],
  captures: readonly Handle[],
  live?: readonly number[],
): GraphResults<Handle> {
  const before = native.gradEnabled();
  native.setGradEnabled(false);
  try {
    return interpret(
      g,
      { inputs, captures, ...(live === undefined ? {} : { live }) },
      executeNative,
      (h) => native.item(h) === true,
    );
  } finally {
    native.setGradEnabled(before);
  }
}

/** One pointwise op over single numbers; null when it cannot be run, or JavaScript's numbers do not hold the result. */
export const evaluateNative: EvaluateScalar = (op, operands, attrs, result) => {
  if ([...operands.map((o) => o?.dtype), result].some((t) => t === 'int64' || t === 'float16' || t === 'bfloat16'))
    return null;
  try {
    const handles = operands.map((o): OperandOf<Handle> =>
      o === null ? null : o.dtype === null ? o.value : scalarTensor(o.value, o.dtype, o.rank),
    );
    const [out] = executeNative(op, handles, attrs as Readonly<Record<string, ConcreteAttr>>, undefined as never);
    const value = out === undefined ? null : native.item(asDtype(out, result));
    return typeof value === 'number' || typeof value === 'boolean' ? value : null;
  } catch {
    return null;
  }
};

function scalarTensor(value: number | boolean, dtype: DType, rank: number): Handle {
  return native.ops.full(new Array<number>(rank).fill(1), value, dtypeCode(dtype));
}
