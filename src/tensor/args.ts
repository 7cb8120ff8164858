// Arguments of the generated functions: from what users write to what the addon takes.
import type { NumberArg } from '../../generated/ts/native-ops.js';
import { native } from '../native.js';
import { isFloatingDtype, optionalDtypeCode, type DType } from './dtype.js';
import { DTypeError, ShapeError, ValueError } from './errors.js';
import { TensorBase, wrap, type Handle, type Tensor } from './handle.js';

/** What a `generator` option takes: a Generator (src/random.ts), which is only known by its native handle here. */
export interface GeneratorArg {
  readonly _g: Handle;
}

const describe = (x: unknown): string =>
  x === null ? 'null' : typeof x === 'object' ? (x.constructor?.name ?? 'object') : typeof x;

/** The handle of a required tensor. Throws DTypeError for anything else. */
export function handleOf(t: TensorBase): Handle {
  if (!(t instanceof TensorBase)) throw new DTypeError(`expected a Tensor, got ${describe(t)}`);
  return t._h;
}
/** Throws DTypeError unless `t` is a tensor; `op` is named in the message. */
export function checkTensor(op: string, t: unknown): asserts t is TensorBase {
  if (!(t instanceof TensorBase)) throw new DTypeError(`${op}(): expected a Tensor, got ${describe(t)}`);
}
export function optHandleOf(t: TensorBase | null | undefined): Handle | null {
  return t === null || t === undefined ? null : handleOf(t);
}
export function handlesOf(ts: readonly TensorBase[]): Handle[] {
  if (!Array.isArray(ts)) throw new DTypeError(`expected an array of tensors, got ${describe(ts)}`);
  return ts.map(handleOf);
}
export function optHandlesOf(ts: readonly (TensorBase | null)[]): (Handle | null)[] {
  if (!Array.isArray(ts)) throw new DTypeError(`expected an array of tensors, got ${describe(ts)}`);
  return ts.map(optHandleOf);
}
/** A tensor's handle or a number. */
export function operandOf(x: TensorBase | NumberArg): Handle | NumberArg {
  if (x instanceof TensorBase) return x._h;
  if (typeof x === 'number' || typeof x === 'boolean' || typeof x === 'bigint') return x;
  if (typeof x === 'object' && x !== null && 'value' in x) return x;
  throw new DTypeError(`expected a Tensor or a number, got ${describe(x)}`);
}
/** Functions that take two numbers, as PyTorch's argument parser has it: `torch.add(2, 3)`. */
const OF_NUMBERS: ReadonlySet<string> = new Set(['add', 'sub', 'mul', 'div', 'trueDivide', 'floorDivide']);

/**
 * The first operand of a binary function, which PyTorch lets be a number: `xlogy(2, t)`. It becomes a 0-d tensor of the dtype that
 * the number has in promotion against `other`.
 */
export function firstOperandOf(op: string, x: TensorBase | NumberArg, other: TensorBase | NumberArg): Handle {
  if (x instanceof TensorBase) return x._h;
  const tensor = other instanceof TensorBase;
  if (!tensor && !OF_NUMBERS.has(op))
    throw new DTypeError(
      `${op}() received an invalid combination of arguments - got (${describe(x)}, ${describe(other)}), but one of them must be a Tensor`,
    );
  const number = operandOf(x) as NumberArg;
  const value = typeof number === 'object' ? number.value : number;
  const kind = typeof value === 'number' && !Number.isInteger(value) ? 'float' : typeof value;
  const against = tensor ? (other as Tensor).dtype : kind === 'boolean' ? 'bool' : 'int64';
  const keeps = kind === 'boolean' || isFloatingDtype(against) || (kind !== 'float' && against !== 'bool');
  const dtype = keeps ? against : kind === 'float' ? null : 'int64';
  return native.ops.full(
    [],
    typeof value === 'boolean' ? Number(value) : number,
    optionalDtypeCode(dtype) ?? native.defaultDtype(),
  );
}
export function optOperandOf(x: TensorBase | NumberArg | null | undefined): Handle | NumberArg | null {
  return x === null || x === undefined ? null : operandOf(x);
}
export function intsOf(x: number | readonly number[]): readonly number[] {
  return typeof x === 'number' ? [x] : x;
}
export function optIntsOf(x: number | readonly number[] | null | undefined): readonly number[] | null {
  return x === null || x === undefined ? null : intsOf(x);
}
/** `(2, 3)` or `([2, 3])`. */
export function sizesOf(args: readonly (number | readonly number[])[]): readonly number[] {
  if (args.length === 1 && typeof args[0] === 'object') return args[0];
  for (const s of args)
    if (typeof s !== 'number')
      throw new ShapeError(`sizes must be numbers or one array of numbers, got ${describe(s)}`);
  return args as readonly number[];
}
/** A list of tensors as one array or as separate arguments, options last: `f(a, b, { … })` or `f([a, b], { … })`. */
export type TensorListArgs<O> =
  | readonly [...tensors: TensorBase[]]
  | readonly [...tensors: TensorBase[], options: O]
  | readonly [tensors: readonly TensorBase[], options?: O];

/** Splits such arguments into the list and the options. */
export function tensorListArgs<O extends object>(args: readonly unknown[]): [readonly TensorBase[], O | undefined] {
  const last = args.at(-1);
  const hasOptions = typeof last === 'object' && last !== null && !Array.isArray(last) && !(last instanceof TensorBase);
  const rest = hasOptions || last === undefined ? args.slice(0, -1) : args;
  const list = rest.length === 1 && Array.isArray(rest[0]) ? (rest[0] as readonly unknown[]) : rest;
  return [list as readonly TensorBase[], hasOptions ? (last as O) : undefined];
}
export const optDtypeCode = (t: DType | null | undefined): number | null => optionalDtypeCode(t);
export function generatorOf(g: GeneratorArg | null | undefined): Handle | null {
  return g === null || g === undefined ? null : g._g;
}

/** The options object among trailing arguments: the first plain object that is neither tensor, array nor live scalar. */
export function optionsAmong(...args: readonly unknown[]): object | undefined {
  for (const a of args) {
    if (typeof a === 'object' && a !== null && !Array.isArray(a) && !(a instanceof TensorBase) && !('slot' in a))
      return a;
  }
  return undefined;
}

export function wrapAll(hs: readonly Handle[]): Tensor[] {
  return hs.map(wrap);
}
/** Several results as an array that also has their names: `const [values, indices] = x.sort()` or `x.sort().values`. */
export function namedResults<N extends string>(
  names: readonly N[],
  hs: readonly Handle[],
): [Tensor, Tensor] & Readonly<Record<N, Tensor>> {
  const out = hs.map(wrap);
  names.forEach((name, i) => Object.defineProperty(out, name, { value: out[i], enumerable: false }));
  return out as unknown as [Tensor, Tensor] & Readonly<Record<N, Tensor>>;
}
/** `out`: moves a result into the tensor that the caller gave. `exact`: of the very dtype. */
function intoOut(op: string, out: TensorBase, result: Handle, exact: boolean): Tensor {
  const target = handleOf(out);
  const before = native.shape(target).join(', ');
  if (native.writeOut(op, target, result, exact)) {
    process.emitWarning(
      `An output with one or more elements was resized since it had shape [${before}], which does not match the required output shape [${native.shape(target).join(', ')}].`,
      { code: 'FLAMBEAU_OUT_RESIZED' },
    );
  }
  return out as Tensor;
}
/** @throws ValueError when an element of `out` lies in the memory of an operand, which PyTorch refuses for some functions */
export function checkApart(out: TensorBase | readonly TensorBase[] | undefined, operands: readonly TensorBase[]): void {
  if (out === undefined) return;
  for (const o of [out].flat() as readonly TensorBase[]) {
    if (operands.some((x) => shareMemory(handleOf(o), handleOf(x))))
      throw new ValueError(
        'unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.',
      );
  }
}
/** Whether the ranges of memory from first to last element meet. */
function shareMemory(a: Handle, b: Handle): boolean {
  if (!native.sharesStorage(a, b) || native.numel(a) === 0 || native.numel(b) === 0) return false;
  const end = (h: Handle): number => {
    const [shape, strides] = [native.shape(h), native.strides(h)];
    return strides.reduce((at, stride, d) => at + (shape[d]! - 1) * stride, native.offset(h));
  };
  return native.offset(a) <= end(b) && native.offset(b) <= end(a);
}
/** A result, in the caller's tensor where one was given. */
export const deliver = (op: string, out: TensorBase | undefined, result: Handle, exact: boolean): Tensor =>
  out ? intoOut(op, out, result, exact) : wrap(result);
/** Several results in tensors of the caller. */
export function intoOuts(
  op: string,
  outs: readonly TensorBase[],
  results: readonly Handle[],
  exact: boolean,
): Handle[] {
  if (!Array.isArray(outs) || outs.length !== results.length)
    throw new DTypeError(`${op}(): expected out to be an array of ${results.length} tensors`);
  results.forEach((r, i) => intoOut(op, (outs as readonly TensorBase[])[i]!, r, exact));
  return (outs as readonly TensorBase[]).map(handleOf);
}
