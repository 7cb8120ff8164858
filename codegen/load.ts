// Reads codegen/ops/*.ts into the model that the emitters work from: schemas parsed, bodies lowered, derivatives derived.
import { readdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';
import { gradientOf, simplify } from '../src/ir/derive.js';
import { lowerScalarFunction, type HelperSource } from '../src/frontend/script/scalar.js';
import { freeArgs, parseExpr, printExpr, type Expr } from '../src/ir/scalar.js';
import type { OpInfo, Param, PointwiseInfo, ReductionInfo, ScanInfo } from '../src/ir/opinfo.js';
import type { OpRecord, Page, PointwiseRecord, ReductionRecord, ScanRecord } from './model.js';
import { isOperandLike, isTensorType, pascal } from './emitters/cpp_types.js';
import { parseSchema, selfIndex, type Signature } from './schema.js';
import { readSource, type BodySource } from './source.js';

/** How the gradient of one parameter of a pointwise op is computed. */
export interface PointwiseGradient {
  readonly param: string;
  readonly expr: Expr;
  /** Derived op that computes it in one kernel; absent when a single declared op (or nothing) does. */
  readonly kernel?: string;
  /** Names the formula reads, `grad` and `out` included. */
  readonly uses: readonly string[];
}

export interface Op {
  readonly name: string;
  readonly family: string;
  readonly sig: Signature;
  readonly info: OpInfo;
  readonly record: OpRecord;
  /** Source text of the record's bodies. */
  readonly body: BodySource;
  /** Scalar results of a pointwise op. */
  readonly forward?: readonly Expr[];
  readonly gradients?: readonly PointwiseGradient[];
  /** Accumulator expressions of a reduction or scan. */
  readonly reduce?: { combine: readonly Expr[]; join: readonly Expr[]; finish: readonly Expr[] };
  /** Whether NAME_ exists. */
  readonly inplace: boolean;
  /** Derived ops have no public function, method or documentation page. */
  readonly derived: boolean;
}

const OPS_DIR = path.join(path.dirname(fileURLToPath(import.meta.url)), 'ops');

export async function loadOps(): Promise<Op[]> {
  const ops: Op[] = [];
  for (const file of readdirSync(OPS_DIR)
    .filter((f) => f.endsWith('.ts'))
    .sort()) {
    const family = file.replace('.ts', '');
    const module = (await import(pathToFileURL(path.join(OPS_DIR, file)).href)) as Record<string, OpRecord>;
    const source = readSource(path.join(OPS_DIR, file));
    const order = Object.keys(module)
      .filter((key) => key !== 'page')
      .sort();
    for (const key of order) {
      const record = module[key]!;
      try {
        ops.push(...build(record, family, source.bodies(key), source.helper));
      } catch (e) {
        throw new Error(`codegen/ops/${file}, ${key}: ${(e as Error).message}`, { cause: e });
      }
    }
  }
  const seen = new Set<string>();
  for (const op of ops) {
    if (seen.has(op.name)) throw new Error(`op '${op.name}' is declared twice`);
    seen.add(op.name);
  }
  return ops;
}

/** The heads of the documentation pages, by family. @throws Error for a family without one */
export async function loadPages(families: readonly string[]): Promise<Map<string, Page>> {
  const pages = new Map<string, Page>();
  for (const family of families) {
    const module = (await import(pathToFileURL(path.join(OPS_DIR, `${family}.ts`)).href)) as { page?: Page };
    if (!module.page) throw new Error(`codegen/ops/${family}.ts has no \`export const page: Page\``);
    pages.set(family, module.page);
  }
  return pages;
}

function build(record: OpRecord, family: string, body: BodySource, helper: HelperSource): Op[] {
  const sig = parseSchema(record.schema);
  const base = { name: sig.name, params: sig.params, results: sig.results, returns: sig.returns, onnx: record.onnx };
  const takesSelf = selfIndex(sig) >= 0;
  const common = { name: sig.name, family, sig, record, body, derived: false };
  switch (record.kind) {
    case 'pointwise':
      return buildPointwise(record, sig, family, body, helper);
    case 'reduction':
      return [buildReduction(record, sig, family, body, helper)];
    case 'scan':
      return [buildScan(record, sig, family, body, helper)];
    case 'view':
      return [{ ...common, info: { ...base, kind: 'view' }, inplace: false }];
    case 'composite':
      return [{ ...common, info: { ...base, kind: 'composite' }, inplace: takesSelf && record.inplace === true }];
    case 'extern':
      return [
        {
          ...common,
          info: {
            ...base,
            kind: 'extern',
            ...(record.random ? { random: true } : {}),
            ...(record.dataDependent ? { dataDependent: true } : {}),
            ...(record.mutates ? { mutates: record.mutates } : {}),
          },
          inplace: takesSelf && record.inplace === true,
        },
      ];
  }
}

function buildPointwise(
  record: OpRecord & PointwiseRecord,
  sig: Signature,
  family: string,
  body: BodySource,
  helper: HelperSource,
): Op[] {
  const fn = lowerScalarFunction(body(['forward'])!, helper);
  const names = new Set(sig.params.map((p) => p.name));
  for (const p of fn.params) {
    if (!names.has(p)) throw new Error(`body parameter '${p}' is not in the schema`);
    // The text of an expression would be read back as the constant.
    if (parseExpr(p).kind !== 'arg') throw new Error(`body parameter '${p}' is the name of a constant`);
  }
  const conditions = record.conditions ?? [];
  const info: PointwiseInfo = {
    kind: 'pointwise',
    name: sig.name,
    params: sig.params,
    results: sig.results,
    returns: sig.returns,
    rule: record.dtype,
    forward: fn.results.map(printExpr),
    conditions,
    onnx: record.onnx,
    ...(record.mutates ? { mutates: record.mutates } : {}),
    ...(record.divisor ? { divisor: record.divisor } : {}),
  };
  const takesSelf = sig.params[0]?.type === 'Tensor' && !record.mutates;
  const op: Op = {
    name: sig.name,
    family,
    sig,
    info,
    record,
    body,
    forward: fn.results,
    derived: false,
    inplace: takesSelf && (record.inplace ?? record.dtype !== 'bool'),
    gradients: record.nondifferentiable || record.mutates ? [] : gradients(record, sig, fn.results[0]!, body, helper),
  };
  return [op, ...op.gradients!.filter((g) => g.kernel).map((g) => derivedOp(op, g))];
}

function gradients(
  record: PointwiseRecord,
  sig: Signature,
  value: Expr,
  body: BodySource,
  helper: HelperSource,
): PointwiseGradient[] {
  const wanted = sig.params.filter((p) => isTensorType(p.type) && !(record.conditions ?? []).includes(p.name));
  const out: PointwiseGradient[] = [];
  for (const p of wanted) {
    const given = body(['backward', p.name]);
    if (given === 'null') continue;
    const expr = given ? simplify(lowerScalarFunction(given, helper).results[0]!) : gradientOf(value, p.name);
    const uses = [...freeArgs(expr)].sort();
    const known = new Set(['grad', 'out', ...sig.params.map((q) => q.name)]);
    for (const u of uses) if (!known.has(u)) throw new Error(`backward of '${p.name}' reads unknown '${u}'`);
    out.push({
      param: p.name,
      expr,
      uses,
      ...(isSingleOp(expr) ? {} : { kernel: `${sig.name}Backward${wanted.length > 1 ? pascal(p.name) : ''}` }),
    });
  }
  return out;
}

/** grad itself, or one declared op of atoms: no kernel of its own. */
function isSingleOp(e: Expr): boolean {
  if (e.kind === 'arg' || e.kind === 'const') return true;
  const atom = (x: Expr): boolean => x.kind === 'arg';
  if (e.kind === 'unary') return e.op === 'neg' && atom(e.a);
  return (
    e.kind === 'binary' && (e.op === 'mul' || e.op === 'div') && e.a.kind === 'arg' && e.a.name === 'grad' && atom(e.b)
  );
}

/** The op behind a derivative: a pointwise kernel over grad and what the formula reads. */
function derivedOp(op: Op, g: PointwiseGradient): Op {
  const info = op.info as PointwiseInfo;
  const params: Param[] = [{ name: 'grad', type: 'Tensor' }];
  for (const p of op.sig.params) if (g.uses.includes(p.name)) params.push({ name: p.name, type: p.type });
  if (g.uses.includes('out')) params.push({ name: 'out', type: 'Tensor' });
  const sig: Signature = { name: g.kernel!, params, results: ['out'], returns: 'tensor' };
  const onnx = { none: 'derivative kernel' } as const;
  const derivedInfo: PointwiseInfo = {
    kind: 'pointwise',
    name: g.kernel!,
    params,
    results: ['out'],
    returns: 'tensor',
    rule: 'same',
    forward: [printExpr(g.expr)],
    conditions: info.conditions.filter((c) => g.uses.includes(c)),
    onnx,
    derivedFrom: op.name,
  };
  return {
    name: g.kernel!,
    family: op.family,
    sig,
    info: derivedInfo,
    record: op.record,
    body: op.body,
    forward: [g.expr],
    gradients: [],
    inplace: false,
    derived: true,
  };
}

/** Start values and expressions of an accumulator, under the names that `combine` gives it. */
interface Accumulator {
  readonly names: readonly string[];
  readonly inits: readonly (number | boolean)[];
  readonly combine: readonly Expr[];
  readonly join: readonly Expr[];
  readonly finish: readonly Expr[];
  readonly state: ReductionInfo['state'];
}

function accumulator(record: ReductionRecord | ScanRecord, body: BodySource, helper: HelperSource): Accumulator {
  const combine = lowerScalarFunction(body(['combine'])!, helper);
  const names = combine.params.slice(0, combine.results.length);
  // Without a join of its own, combine(acc, acc) joins.
  const join = lowerScalarFunction(body(['join']) ?? body(['combine'])!, helper);
  const joinNames = [...names, ...names.map((n) => `${n}_b`)];
  const finish = record.finish ? lowerScalarFunction(body(['finish'])!, helper) : undefined;
  const inits = Array.isArray(record.init) ? (record.init as number[]) : [record.init as number | boolean];
  if (inits.length !== names.length) throw new Error(`${names.length} accumulators but ${inits.length} start values`);
  const positional = new Set(['x', 'index']);
  for (const p of combine.params.slice(names.length))
    if (!positional.has(p)) throw new Error(`combine reads unknown '${p}' (x, index)`);
  const rename = (e: readonly Expr[], from: readonly string[], to: readonly string[]): Expr[] =>
    e.map((x) => renameArgs(x, new Map(from.map((f, i) => [f, to[i] ?? f]))));
  const reads = new Set(combine.results.flatMap((r) => [...freeArgs(r)]));
  return {
    names,
    inits,
    combine: combine.results,
    join: rename(join.results, join.params.slice(0, joinNames.length), joinNames),
    finish: finish
      ? rename(finish.results, finish.params.slice(0, names.length), names)
      : names.map((n): Expr => ({ kind: 'arg', name: n })),
    state: names.map((name, i) => ({ name, init: inits[i]!, type: reads.has('index') && i > 0 ? 'i64' : 'T' })),
  };
}

function buildReduction(
  record: OpRecord & ReductionRecord,
  sig: Signature,
  family: string,
  body: BodySource,
  helper: HelperSource,
): Op {
  const acc = accumulator(record, body, helper);
  const info: ReductionInfo = {
    kind: 'reduction',
    name: sig.name,
    params: sig.params,
    results: sig.results,
    returns: sig.returns,
    rule: record.dtype,
    onnx: record.onnx,
    state: acc.state,
    combine: acc.combine.map(printExpr),
    join: acc.join.map(printExpr),
    finish: acc.finish.map(printExpr),
    identity: record.identity,
  };
  return { name: sig.name, family, sig, info, record, body, inplace: false, derived: false, reduce: acc };
}

function buildScan(
  record: OpRecord & ScanRecord,
  sig: Signature,
  family: string,
  body: BodySource,
  helper: HelperSource,
): Op {
  const acc = accumulator(record, body, helper);
  if (record.reverse && acc.state.some((s) => s.type === 'i64')) throw new Error('a reverse scan has no index');
  if (acc.finish.length !== sig.results.length) throw new Error(`finish gives ${acc.finish.length} results`);
  const info: ScanInfo = {
    kind: 'scan',
    name: sig.name,
    params: sig.params,
    results: sig.results,
    returns: sig.returns,
    rule: record.dtype,
    onnx: record.onnx,
    state: acc.state,
    combine: acc.combine.map(printExpr),
    finish: acc.finish.map(printExpr),
    ...(record.reverse ? { reverse: true as const } : {}),
  };
  return {
    name: sig.name,
    family,
    sig,
    info,
    record,
    body,
    inplace: record.inplace === true,
    derived: false,
    reduce: acc,
  };
}

function renameArgs(e: Expr, by: ReadonlyMap<string, string>): Expr {
  switch (e.kind) {
    case 'arg':
      return { ...e, name: by.get(e.name) ?? e.name };
    case 'const':
      return e;
    case 'unary':
      return { ...e, a: renameArgs(e.a, by) };
    case 'binary':
      return { ...e, a: renameArgs(e.a, by), b: renameArgs(e.b, by) };
    case 'select':
      return { ...e, cond: renameArgs(e.cond, by), a: renameArgs(e.a, by), b: renameArgs(e.b, by) };
  }
}

/** Parameters through which gradients flow, in edge order. */
export const edgeParams = (op: Op): Param[] => op.sig.params.filter((p) => isOperandLike(p.type));
