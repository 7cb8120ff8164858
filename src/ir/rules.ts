// Shape and dtype rules: the result types of a node from its operands and attributes, symbolic dimensions included. One
// implementation per named rule; ops of the table's generic kinds (pointwise, reduction) need no entry of their own.
// The verifier, the builder, unification and the passes all ask `infer`.
import { sameDim } from './dim.js';
import { isFloatType, resultType } from './dtype.js';
import { parseFold } from './fold.js';
import type { Attr, DType, Dim, Input, TensorType } from './graph.js';
import type { OpInfo, PointwiseInfo, ReductionInfo, ScanInfo } from './opinfo.js';
import { RuleArgs, RuleError, broadcast, normalizeDims } from './rule_args.js';
import { EXTERN_RULES } from './rules_extern.js';
import { VIEW_RULES } from './rules_view.js';
import { isOperand, opInfo } from './table.js';

export { RuleError } from './rule_args.js';

/** Result types of one op; a rule throws RuleError for operands that the op rejects. */
export type Rule = (a: RuleArgs) => readonly TensorType[];

export interface InferOptions {
  /** The dtype of floating numbers met by integer tensors (setDefaultDtype). */
  readonly defaultDtype?: DType;
}

const sameAsSelf: Rule = (a) => [a.tensor('self')];
/** Functional forms of writes: the target's type, whatever the source is. */
const RECORDED_RULES: Readonly<Record<string, Rule>> = {
  copy: sameAsSelf,
  fill: sameAsSelf,
  zero: sameAsSelf,
  asStridedScatter: sameAsSelf,
  fold: userReduction,
  toDtype: (a) => [{ dtype: a.dtype('dtype')!, shape: a.tensor('self').shape }],
  clone: sameAsSelf,
  contiguous: sameAsSelf,
};

/**
 * The result types of an op, or null when it has no rule (its result depends on data, or the op is not known here).
 * @throws RuleError when the operands do not fit the op.
 */
export function infer(
  op: string,
  inputs: readonly Input[],
  attrs: Readonly<Record<string, Attr>>,
  options: InferOptions = {},
): readonly TensorType[] | null {
  const info = opInfo(op);
  if (info === undefined) return null;
  const args = new RuleArgs(op, info, inputs, attrs);
  const own = RECORDED_RULES[op] ?? VIEW_RULES[op] ?? EXTERN_RULES[op];
  if (own !== undefined) return own(args);
  if (info.kind === 'pointwise') return pointwise(args, info, options.defaultDtype ?? 'float32');
  if (info.kind === 'reduction') return reduction(args, info);
  if (info.kind === 'scan') return scan(args, info);
  if (mutatesSelf(info)) return info.mutates!.map((name) => args.tensor(name));
  return null;
}

const mutatesSelf = (info: OpInfo): info is OpInfo & { readonly mutates: readonly string[] } =>
  info.kind === 'extern' && info.mutates !== undefined && info.returns === 'self';

function pointwise(a: RuleArgs, info: PointwiseInfo, defaultDtype: DType): TensorType[] {
  if (info.mutates !== undefined) return info.mutates.map((name) => a.tensor(name));
  const params = info.params.filter(isOperand);
  const operands = params.map((p) => a.operand(p.name));
  const shape = broadcast(
    a.op,
    operands.flatMap((i) => (i.kind === 'value' ? [i.value.type.shape] : [])),
  );
  const values = operands.filter((_, k) => !info.conditions.includes(params[k]!.name));
  const common = resultType(values, defaultDtype);
  const dtype = ((): DType => {
    switch (info.rule) {
      case 'same':
        return common;
      case 'bool':
        return 'bool';
      case 'int-to-float':
        return isFloatType(common) ? common : defaultDtype;
      case 'float-only':
        if (!isFloatType(common)) throw new RuleError(a.op, `needs floating-point operands, got ${common}`);
        return common;
      case 'numeric-only':
        if (common === 'bool') throw new RuleError(a.op, 'does not take bool operands');
        return common;
      case 'integral-only':
        if (isFloatType(common)) throw new RuleError(a.op, `needs integral or bool operands, got ${common}`);
        return common;
    }
  })();
  return info.forward.map(() => ({ dtype, shape }));
}

function reduction(a: RuleArgs, info: ReductionInfo): TensorType[] {
  const self = a.tensor('self');
  const shape = reducedShape(a, self.shape);
  const requested = info.params.some((p) => p.name === 'dtype') ? a.dtype('dtype') : null;
  const input = requested ?? self.dtype;
  const dtype = accumulated(a, info.rule, input, requested);
  return info.results.map((name) => ({ dtype: name === 'indices' ? 'int64' : dtype, shape }));
}

function userReduction(a: RuleArgs): TensorType[] {
  const [first, ...others] = a.tensors('inputs');
  const f = parseFold(a.attr('definition'));
  if (first === undefined || others.length + 1 !== f.inputs) a.fail(`takes ${f.inputs} operands`);
  for (const t of others)
    if (t.shape.length !== first.shape.length || !t.shape.every((d, i) => sameDim(d, first.shape[i]!)))
      a.fail('its operands must have one shape');
  const shape = reducedShape(a, first.shape);
  return f.results.map((dtype) => ({ dtype, shape }));
}

function accumulated(a: RuleArgs, rule: ReductionInfo['rule'], input: DType, requested: DType | null): DType {
  switch (rule) {
    case 'same':
      return input;
    case 'int-to-int64':
      return requested ?? (isFloatType(input) ? input : 'int64');
    case 'float-only':
      if (!isFloatType(input)) throw new RuleError(a.op, `needs a floating-point tensor, got ${input}`);
      return input;
    case 'bool':
      return 'bool';
    case 'index':
      return 'int64';
  }
}

function scan(a: RuleArgs, info: ScanInfo): TensorType[] {
  const { dtype: from, shape } = a.tensor('self');
  const requested = info.params.some((p) => p.name === 'dtype') ? a.dtype('dtype') : null;
  const dtype = accumulated(a, info.rule, requested ?? from, requested);
  return info.results.map((name) => ({ dtype: name === 'indices' ? 'int64' : dtype, shape }));
}

function reducedShape(a: RuleArgs, shape: readonly Dim[]): Dim[] {
  const dim = a.attr('dim');
  const keepdim = a.attr('keepdim') === true;
  const list =
    dim === null || dim === undefined || (Array.isArray(dim) && dim.length === 0)
      ? null
      : Array.isArray(dim)
        ? (dim as number[])
        : [dim as number];
  const dims = list === null ? new Set(shape.map((_, i) => i)) : normalizeDims(a.op, list, shape.length);
  if (keepdim) return shape.map((d, i) => (dims.has(i) ? 1 : d));
  return shape.filter((_, i) => !dims.has(i));
}

/** True when a declared type is what the rules say (dtype and every dimension). */
export const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((d, i) => sameDim(d, b.shape[i]!));
