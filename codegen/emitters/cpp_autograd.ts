// Emits one autograd node class per differentiable op: members for exactly what its formulas touch, and `apply`.
import { simplify } from '../../src/ir/derive.js';
import { constant, substitute, type Expr } from '../../src/ir/scalar.js';
import type { Op, PointwiseGradient } from '../load.js';
import { edgeParams } from '../load.js';
import type { Signature } from '../schema.js';
import { TensorLowering } from '../lower/tensor.js';
import { isListType, isOperandLike, isTensorType, MEMBER_TYPE, paramList, pascal } from './cpp_types.js';
import type { Param, ParamType } from '../../src/ir/opinfo.js';

type Formulas = Readonly<Record<string, (...args: never[]) => unknown>>;

const formulas = (op: Op): Formulas | undefined =>
  op.record.kind === 'pointwise' ? undefined : (op.record.backward as Formulas | undefined);
export const needsNode = (op: Op): boolean =>
  op.record.nondifferentiable === undefined &&
  ((op.gradients?.length ?? 0) > 0 || Object.keys(formulas(op) ?? {}).length > 0);
/** The class, one per op; several ops may show the same name. */
const nodeClass = (op: Op): string => `${pascal(op.name.replace(/_$/, ''))}Backward0`;
const nodeName = (op: Op): string => op.record.node ?? nodeClass(op);

/** How a name that formulas read is kept in the node. */
interface Kept {
  readonly name: string;
  readonly how: 'tensor' | 'operand' | 'meta' | 'list' | 'list-meta' | 'plain' | 'output';
  readonly type?: ParamType;
  readonly output?: number;
  /** Parameters whose gradient needs it. */
  readonly neededBy: Set<string>;
}

interface Plan {
  readonly kept: Map<string, Kept>;
  /** C++ that computes the gradient of each parameter into `g`. */
  readonly bodies: { param: Param; lines: string[] }[];
  /** C++ that computes the gradients of several parameters at once into the list `g`. */
  readonly joint: { params: Param[]; lines: string[] }[];
  /** A formula names the gradients of several results and sees null where there is none. */
  readonly namesGrads: boolean;
}

/** In formulas of ops with several results, `grad` is the first result's gradient and `gradNAME` that of result NAME. */
const gradOf = (op: Op, name: string): number =>
  op.sig.returns === 'tuple' ? op.sig.results.findIndex((r) => name === `grad${pascal(r)}`) : -1;

const plans = new Map<Op, Plan>();

function plan(op: Op, ops: ReadonlyMap<string, Signature>): Plan {
  const found = plans.get(op);
  if (found) return found;
  const kept = new Map<string, Kept>();
  const keep = (key: string, k: Omit<Kept, 'neededBy'>, param: string): void => {
    const old = kept.get(key) ?? { ...k, neededBy: new Set<string>() };
    old.neededBy.add(param);
    kept.set(key, old);
  };
  const bodies: Plan['bodies'] = [];
  const joint: Plan['joint'] = [];
  let namesGrads = false;
  if (op.record.kind === 'pointwise') {
    for (const g of op.gradients!) {
      const param = op.sig.params.find((p) => p.name === g.param)!;
      for (const u of g.uses) keepName(op, u, 'value', g.param, keep);
      const order = ['grad', ...op.sig.params.map((q) => q.name), 'out'];
      bodies.push({
        param,
        lines: pointwiseGradient(
          op,
          g,
          order.filter((n) => n === 'grad' || g.uses.includes(n)),
        ),
      });
    }
  } else {
    for (const key of Object.keys(formulas(op)!)) {
      const of = key.split(', ').map((name) => {
        const param = op.sig.params.find((p) => p.name === name);
        return param ?? fail(`${op.name}: backward of unknown parameter '${name}'`);
      });
      const { lines, params } = tensorGradient(op, of, op.body(['backward', key])!, ops, keep);
      namesGrads ||= params.some((n) => gradOf(op, n) >= 0);
      if (of.length === 1) bodies.push({ param: of[0]!, lines });
      else joint.push({ params: of, lines });
    }
  }
  const p = { kept, bodies, joint, namesGrads };
  plans.set(op, p);
  return p;
}

function fail(why: string): never {
  throw new Error(why);
}

type Keep = (key: string, k: Omit<Kept, 'neededBy'>, param: string) => void;

/** Registers a use and returns the C++ expression inside apply(). */
function keepName(
  op: Op,
  name: string,
  what: 'value' | 'sizes' | 'dtype' | 'list-sizes',
  forParam: string,
  keep: Keep,
): { code: string; type: ParamType } | undefined {
  if (name === 'grad') return { code: 'grads[0]', type: 'Tensor' };
  const named = gradOf(op, name);
  if (named >= 0) return { code: `grads[${named}]`, type: 'Tensor' };
  const result = op.sig.results.indexOf(name);
  if (result >= 0 && !op.sig.params.some((p) => p.name === name)) {
    keep(name, { name, how: 'output', output: result }, forParam);
    return { code: name, type: 'Tensor' };
  }
  const p = op.sig.params.find((q) => q.name === name);
  if (!p) return undefined;
  if (isListType(p.type)) {
    if (what === 'list-sizes') keep(`${name}.meta`, { name, how: 'list-meta', type: p.type }, forParam);
    else keep(name, { name, how: 'list', type: p.type }, forParam);
    return { code: what === 'list-sizes' ? `${name}Shapes_` : name, type: p.type };
  }
  if (isTensorType(p.type)) {
    if (what === 'value') {
      keep(name, { name, how: p.type === 'Operand' ? 'operand' : 'tensor', type: p.type }, forParam);
      return { code: name, type: p.type };
    }
    keep(`${name}.meta`, { name, how: 'meta', type: p.type }, forParam);
    return { code: what === 'dtype' ? `${name}Meta_.dtype` : `${name}Meta_.sizes()`, type: p.type };
  }
  keep(name, { name, how: 'plain', type: p.type }, forParam);
  return { code: `${name}_`, type: p.type };
}

function tensorGradient(
  op: Op,
  of: readonly Param[],
  source: string,
  ops: ReadonlyMap<string, Signature>,
  keep: Keep,
): { lines: string[]; params: string[] } {
  const keepFor = (n: string, what: Parameters<typeof keepName>[2]): ReturnType<typeof keepName> =>
    of.map((p) => keepName(op, n, what, p.name, keep))[0];
  const lowering = new TensorLowering(
    ops,
    {
      value: (n) => keepFor(n, 'value'),
      meta: (n, what) => {
        const p = op.sig.params.find((q) => q.name === n);
        if (!p || !isOperandLike(p.type)) return undefined;
        return keepFor(n, what)?.code;
      },
    },
    `${op.name}: backward of '${of.map((p) => p.name).join(', ')}'`,
  );
  const { code, params } = lowering.lower(source, '      ');
  const list = of.length > 1 || isListType(of[0]!.type);
  const type = list ? 'TensorList' : 'Tensor';
  return {
    lines: [`    auto formula = [&]() -> ${type} {`, code, '    };', `    ${type} g = formula();`],
    params,
  };
}

function pointwiseGradient(op: Op, g: PointwiseGradient, kernelArgs: readonly string[]): string[] {
  const atoms = (e: Expr): string => (e.kind === 'arg' ? atom(e.name) : composite(e));
  // Piecewise constant: zeros, so that what comes before gets a gradient as in PyTorch.
  if (g.expr.kind === 'const') return ['    Tensor g = ops::zerosLike(grads[0]);'];
  if (g.expr.kind === 'arg') return [`    Tensor g = ${atom(g.expr.name)};`];
  if (!g.kernel) {
    const e = g.expr;
    if (e.kind === 'unary') return [`    Tensor g = ops::neg(${atoms(e.a)});`];
    if (e.kind === 'binary') return [`    Tensor g = ops::${e.op}(${atoms(e.a)}, ${atoms(e.b)});`];
  }
  const args = kernelArgs.map(atom);
  return [
    '    Tensor g;',
    ...atDefaults(op, g),
    `    if (autograd::gradEnabled()) g = support::asTensor(${composite(g.expr)});`,
    `    else g = below::${g.kernel}(${args.join(', ')});`,
  ];
}
/** `alpha * grad` with alpha left at 1 is grad itself: no kernel for the common case. */
function atDefaults(op: Op, g: PointwiseGradient): string[] {
  const defaults = op.sig.params.filter(
    (p) => p.type === 'Scalar' && typeof p.default === 'number' && g.uses.includes(p.name),
  );
  if (defaults.length !== 1 || g.uses.length !== 2) return [];
  const [p] = defaults as [Param];
  const e = simplify(substitute(g.expr, new Map([[p.name, constant(p.default as number)]])));
  const text =
    e.kind === 'arg'
      ? 'grads[0]'
      : e.kind === 'unary' && e.op === 'neg' && e.a.kind === 'arg'
        ? 'ops::neg(grads[0])'
        : undefined;
  return text
    ? [`    if (${p.name}.live < 0 && ${p.name}.toDouble() == ${String(p.default)}) g = ${text};`, '    else']
    : [];
}
const atom = (name: string): string => (name === 'grad' ? 'grads[0]' : name);

/** The formula over differentiable ops, for gradients of gradients. */
function composite(e: Expr): string {
  switch (e.kind) {
    case 'arg':
      return `Operand(${atom(e.name)})`;
    case 'const':
      return typeof e.value === 'boolean' ? `Operand(Scalar(${e.value}))` : `Operand(Scalar(${cppNumber(e.value)}))`;
    case 'unary':
      return `term::${term(e.op)}(${composite(e.a)})`;
    case 'binary':
      return `term::${term(e.op)}(${composite(e.a)}, ${composite(e.b)})`;
    case 'select':
      return `term::select(${composite(e.cond)}, ${composite(e.a)}, ${composite(e.b)})`;
  }
}
const cppNumber = (v: number): string =>
  Number.isNaN(v)
    ? 'std::numeric_limits<double>::quiet_NaN()'
    : !Number.isFinite(v)
      ? `${v < 0 ? '-' : ''}std::numeric_limits<double>::infinity()`
      : Number.isInteger(v)
        ? `int64_t(${v})`
        : `${v}`;
/** `and`, `or`, `not`, `xor` are words of C++. */
export const term = (op: string): string =>
  ['and', 'or', 'not', 'xor', 'bitand', 'bitor'].includes(op) ? `${op}_` : op;

// ---- text ----

export function emitNode(op: Op, ops: ReadonlyMap<string, Signature>): string {
  const p = plan(op, ops);
  const kept = [...p.kept.values()];
  const name = nodeClass(op);
  const outputs = kept.filter((k) => k.how === 'output');
  const lines = [`struct ${name} final : autograd::Node {`];
  lines.push(
    `  ${name}() : Node(${Math.max(1, op.sig.results.length)}) {}`,
    `  std::string name() const override { return "${nodeName(op)}"; }`,
  );
  lines.push(
    '  TensorList apply(TensorList grads) override {',
    '    TensorList result(edges.size());',
    `    if (!support::anyDefined(grads)) return result;`,
  );
  if (op.sig.returns !== 'list' && !p.namesGrads) lines.push('    support::fillMissing(*this, grads);');
  if (op.record.kind === 'composite' && op.record.kernel) lines.push(...kernelCall(op, ops));
  lines.push(...edgeLoop(op, p), '    return result;', '  }');
  lines.push(
    '  void releaseSaved() override {',
    ...kept
      .filter((k) => ['tensor', 'operand', 'output', 'list'].includes(k.how))
      .map((k) => (k.how === 'list' ? `    for (auto& one : ${k.name}_) one.reset();` : `    ${k.name}_.reset();`)),
    '  }',
  );
  if (op.sig.returns === 'tuple') {
    lines.push(
      `  void saveOutputs([[maybe_unused]] const std::tuple<${op.sig.results.map(() => 'Tensor').join(', ')}>& out) {`,
      ...outputs.map((k) => `    ${k.name}_ = autograd::SavedTensor(std::get<${k.output}>(out), true);`),
      '  }',
    );
  } else if (op.sig.returns !== 'list') {
    lines.push(
      '  void saveOutputs([[maybe_unused]] const Tensor& out) {',
      ...outputs.map((k) => `    ${k.name}_ = autograd::SavedTensor(out, true);`),
      '  }',
    );
  }
  for (const k of kept) lines.push(`  ${member(k)}`);
  for (const q of edgeParams(op)) if (!isListType(q.type)) lines.push(`  TensorNote ${q.name}Meta_;`);
  for (const q of edgeParams(op)) if (isListType(q.type)) lines.push(`  std::vector<Dims> ${q.name}Shapes_;`);
  lines.push('};');
  return lines.join('\n');
}

/** The backward kernel of a composite (see CompositeRecord.kernel): its declaration, and a call inside apply(). */
export function kernelBackward(op: Op, ops: ReadonlyMap<string, Signature>): { declaration: string; call: string } {
  const kept = [...plan(op, ops).kept.values()];
  const types = ['const Tensor& grad'];
  const args = ['grads[0]'];
  for (const p of [...op.sig.params, ...op.sig.results.map((name) => ({ name, type: 'Tensor' as const }))]) {
    const k = kept.find((q) => q.name === p.name && ['tensor', 'output', 'plain'].includes(q.how));
    if (!k) continue;
    types.push(paramList({ ...op.sig, params: [p] }));
    args.push(k.how === 'plain' ? `${p.name}_` : `${p.name}_.unpack(Ref<autograd::Node>(this), "${p.name}")`);
  }
  const edges = edgeParams(op).map((_, i) => `static_cast<bool>(edges[${i}].node)`);
  return {
    declaration: `${op.name}KernelBackward(${types.join(', ')}, const std::array<bool, ${edges.length}>& wanted)`,
    call: `cpu::${op.name}KernelBackward(${args.join(', ')}, {${edges.join(', ')}})`,
  };
}

function kernelCall(op: Op, ops: ReadonlyMap<string, Signature>): string[] {
  return [
    '    if (!trace::active() && !autograd::gradEnabled()) {',
    `      if (TensorList fast = ${kernelBackward(op, ops).call}; !fast.empty()) {`,
    ...edgeParams(op).map(
      (q, i) => `        if (edges[${i}].node) result[${i}] = support::finishGrad(fast[${i}], ${q.name}Meta_);`,
    ),
    '        return result;',
    '      }',
    '    }',
  ];
}

function member(k: Kept): string {
  switch (k.how) {
    case 'tensor':
    case 'output':
      return `autograd::SavedTensor ${k.name}_;`;
    case 'operand':
      return `support::SavedOperand ${k.name}_;`;
    case 'list':
      return `std::vector<autograd::SavedTensor> ${k.name}_;`;
    case 'plain':
      return `${MEMBER_TYPE[k.type!] ?? 'int64_t'} ${k.name}_;`;
    default:
      return '';
  }
}

function edgeLoop(op: Op, p: Plan): string[] {
  const lines: string[] = [];
  for (const { params, lines: body } of p.joint) {
    if (edgeParams(op).some((q) => isListType(q.type)))
      fail(`${op.name}: a formula of several parameters beside a list`);
    const at = params.map((q) => edgeParams(op).indexOf(q));
    lines.push(
      `    if (${at.map((k) => `edges[${k}].node`).join(' || ')}) {`,
      ...unpack(p, params[0]!.name),
      ...body,
      ...at.map(
        (k, i) => `      if (edges[${k}].node) result[${k}] = support::finishGrad(g[${i}], ${params[i]!.name}Meta_);`,
      ),
      '    }',
    );
  }
  let index = '0';
  for (const q of edgeParams(op)) {
    const body = p.bodies.find((b) => b.param.name === q.name);
    if (isListType(q.type)) {
      if (body)
        lines.push(
          '    {',
          ...unpack(p, q.name),
          ...body.lines,
          `    for (size_t i = 0; i < g.size(); ++i) if (edges[${index} + i].node) result[${index} + i] = g[i];`,
          '    }',
        );
      index = `${index} + ${q.name}Shapes_.size()`;
      continue;
    }
    if (body)
      lines.push(
        `    if (edges[${index}].node) {`,
        ...unpack(p, q.name),
        ...body.lines,
        `      result[${index}] = support::finishGrad(g, ${q.name}Meta_);`,
        '    }',
      );
    index = /^\d+$/.test(index) ? String(Number(index) + 1) : `${index} + 1`;
  }
  return lines;
}

function unpack(p: Plan, param: string): string[] {
  const out: string[] = [];
  for (const k of p.kept.values()) {
    if (!k.neededBy.has(param)) continue;
    if (k.how === 'tensor' || k.how === 'output')
      out.push(`      const Tensor ${k.name} = ${k.name}_.unpack(Ref<autograd::Node>(this), "${k.name}");`);
    else if (k.how === 'operand') out.push(`      const Operand ${k.name} = ${k.name}_.unpack(*this, "${k.name}");`);
    else if (k.how === 'list') out.push(`      const TensorList ${k.name} = support::unpackAll(${k.name}_, *this);`);
  }
  for (const k of p.kept.values())
    if (k.neededBy.has(param) && k.how === 'plain')
      out.push(`      [[maybe_unused]] const auto& ${k.name} = ${k.name}_;`);
  return out;
}

/** Statements in the forward function that make the node, its edges and its saved inputs. */
export function nodeSetup(op: Op, inplace: boolean): string[] {
  const p = plans.get(op);
  if (!p) throw new Error(`${op.name}: node not emitted yet`);
  const lines = [`  auto node = makeRef<${nodeClass(op)}>();`];
  for (const q of edgeParams(op)) {
    if (isListType(q.type))
      lines.push(
        `  for (const Tensor& one : ${q.name}) node->edges.push_back(one.defined() ? autograd::edgeOf(one) : autograd::Edge{});`,
        `  node->${q.name}Shapes_ = support::shapesOf(${q.name});`,
      );
    else
      lines.push(
        `  node->edges.push_back(support::edgeOf(${q.name}));`,
        `  node->${q.name}Meta_ = support::noteOf(${q.name});`,
      );
  }
  const self = op.sig.params[0]?.name;
  for (const k of p.kept.values()) {
    const cond = [...k.neededBy]
      .map((n) =>
        isListType(op.sig.params.find((q) => q.name === n)!.type)
          ? `autograd::needsGrad(TensorSpan(${n}))`
          : `autograd::needsGrad(${n})`,
      )
      .join(' || ');
    if (k.how === 'tensor')
      lines.push(
        `  if (${cond}) node->${k.name}_ = autograd::SavedTensor(${inplace && k.name === self ? `support::cloneForBackward(${k.name})` : k.name}, false);`,
      );
    else if (k.how === 'operand')
      lines.push(
        `  if (${cond}) node->${k.name}_ = support::SavedOperand(${inplace && k.name === self ? `support::cloneForBackward(${k.name}.tensor)` : k.name});`,
      );
    else if (k.how === 'list')
      lines.push(`  if (${cond}) for (const Tensor& one : ${k.name}) node->${k.name}_.emplace_back(one, false);`);
    else if (k.how === 'plain') lines.push(plainSave(k));
  }
  return lines;
}

function plainSave(k: Kept): string {
  if (k.type === 'string') return `  node->${k.name}_ = std::string(${k.name});`;
  if (k.type === 'string?') return `  if (${k.name}) node->${k.name}_ = std::string(*${k.name});`;
  if (k.type === 'int[]') return `  node->${k.name}_ = Dims(${k.name});`;
  if (k.type === 'float[]') return `  node->${k.name}_.assign(${k.name}.begin(), ${k.name}.end());`;
  if (k.type === 'int[]?') return `  if (${k.name}) node->${k.name}_ = Dims(*${k.name});`;
  return `  node->${k.name}_ = ${k.name};`;
}
