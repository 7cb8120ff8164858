// The op table as the compiler asks it: by the plain name under which traces record an op ('add', 'uniform', 'copy').
import { OPS } from '../../generated/ts/ops.js';
import type { OpInfo, Param, ParamType } from './opinfo.js';

/** What the trace recorder itself adds: the functional forms of writes, and reductions that users declare. */
const RECORDED: Readonly<Record<string, OpInfo>> = {
  copy: {
    name: 'copy',
    kind: 'extern',
    returns: 'tensor',
    results: ['out'],
    params: [
      { name: 'self', type: 'Tensor' },
      { name: 'src', type: 'Operand' },
    ],
  },
  fill: {
    name: 'fill',
    kind: 'extern',
    returns: 'tensor',
    results: ['out'],
    params: [
      { name: 'self', type: 'Tensor' },
      { name: 'value', type: 'Scalar' },
    ],
  },
  zero: {
    name: 'zero',
    kind: 'extern',
    returns: 'tensor',
    results: ['out'],
    params: [{ name: 'self', type: 'Tensor' }],
  },
  /** `definition`: src/ir/fold.ts. The operands have one shape. */
  fold: {
    name: 'fold',
    kind: 'extern',
    returns: 'list',
    results: ['out'],
    params: [
      { name: 'inputs', type: 'Tensor[]' },
      { name: 'definition', type: 'string' },
      { name: 'dim', type: 'int[]?', default: null },
      { name: 'keepdim', type: 'bool', default: false },
    ],
    onnx: { none: "a reduction of the user's own: no ONNX operator folds an arbitrary function" },
  },
  asStridedScatter: {
    name: 'asStridedScatter',
    kind: 'view',
    returns: 'tensor',
    results: ['out'],
    params: [
      { name: 'self', type: 'Tensor' },
      { name: 'src', type: 'Tensor' },
      { name: 'size', type: 'int[]' },
      { name: 'stride', type: 'int[]' },
      { name: 'storageOffset', type: 'int?', default: null },
    ],
  },
};

/**
 * The declaration behind a recorded op name: the op itself, or its in-place variant ('uniform' was 'uniform_').
 * Undefined when there is none.
 */
export function opInfo(op: string): OpInfo | undefined {
  if (Object.hasOwn(OPS, op)) return OPS[op];
  if (Object.hasOwn(OPS, `${op}_`)) return OPS[`${op}_`];
  return Object.hasOwn(RECORDED, op) ? RECORDED[op] : undefined;
}

const TENSORISH: ReadonlySet<ParamType> = new Set<ParamType>([
  'Tensor',
  'Tensor?',
  'Tensor[]',
  'Tensor?[]',
  'Operand',
  'Operand?',
]);
/** Parameters that are operands in the graph; all others are attributes. */
export const isOperand = (p: Param): boolean => TENSORISH.has(p.type);

export const operandParams = (info: OpInfo): readonly Param[] => info.params.filter(isOperand);
/** Parameters that are attributes. A generator is neither: random ops draw from the program's own state. */
export const attrParams = (info: OpInfo): readonly Param[] =>
  info.params.filter((p) => !isOperand(p) && p.type !== 'Generator?');

/** The parameters that an op writes, in the order of its recorded results; null for an op that writes none. */
export function mutatedParams(info: OpInfo): readonly string[] | null {
  const listed = info.kind === 'pointwise' || info.kind === 'extern' ? info.mutates : undefined;
  return listed !== undefined && listed.length > 0 ? listed : null;
}

/** Ops whose results differ from call to call: never merged, folded or dropped. */
export const isRandom = (op: string): boolean => {
  const info = opInfo(op);
  return info?.kind === 'extern' && info.random === true;
};

/** Number of results that a node of this op has; null when it depends on the arguments. */
export function resultCount(info: OpInfo): number | null {
  if (info.returns === 'list') return null;
  if (info.returns === 'self') return mutatedParams(info)?.length ?? 1;
  return info.results.length;
}
