// The specification of a well-formed graph. Run after every pass in tests, and on every graph that comes from a file.
import { dimSymbols, printDim } from './dim.js';
import { inputValues } from './build.js';
import type { DType, Graph, Node, TensorType, Value } from './graph.js';
import { checkControl, isControl } from './control.js';
import { printNode, printType } from './print.js';
import { infer, RuleError, sameType } from './rules.js';
import { attrParams, operandParams, opInfo, resultCount } from './table.js';
import type { OpInfo } from './opinfo.js';

/** A graph that breaks a rule: which node, what it has, what it should have. */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly code = 'ERR_FLAMBEAU_GRAPH';
}

export interface VerifyOptions {
  /** Check result types against the shape and dtype rules (default true). */
  readonly types?: boolean;
  readonly defaultDtype?: DType;
  /** Symbols that are declared around the graph: it is a body. */
  readonly symbols?: readonly string[];
}

/** Gives the graph back when it is well formed. @throws VerifyError naming the first thing that is not. */
export function verify(g: Graph, options: VerifyOptions = {}): Graph {
  const known = new Map<number, Value>();
  const around = options.symbols ?? [];
  const symbols = new Set([...around, ...g.symbols.map((s) => s.name)]);
  const fail = (why: string, node?: Node): never => {
    throw new VerifyError(node === undefined ? why : `${why}\n  in ${printNode(node, g)}`);
  };
  const define = (v: Value, node?: Node): void => {
    if (known.has(v.id)) fail(`value %${v.id} is defined twice`, node);
    known.set(v.id, v);
    for (const d of v.type.shape) {
      if (typeof d === 'number' && (!Number.isSafeInteger(d) || d < 0))
        fail(`value %${v.id} has the extent ${d}`, node);
      for (const s of dimSymbols(d))
        if (!symbols.has(s))
          fail(`value %${v.id} has the extent ${printDim(d)}, but '${s}' is no symbol of the graph`, node);
    }
    if (v.strides !== undefined && v.strides.length !== v.type.shape.length)
      fail(`value %${v.id} has ${v.strides.length} strides for ${v.type.shape.length} dimensions`);
  };
  const use = (v: Value, what: string, node?: Node): void => {
    const have = known.get(v.id);
    if (have === undefined) fail(`${what} %${v.id} is not defined before its use`, node);
    if (have !== v) fail(`${what} %${v.id} is not the value that is defined with this id`, node);
  };
  const slot = (s: number, node: Node): void => {
    if (!Number.isInteger(s) || s < 0 || s >= g.liveScalars.length)
      fail(`live scalar $${s} does not exist (the graph has ${g.liveScalars.length})`, node);
  };

  if (symbols.size !== around.length + g.symbols.length) fail('a symbol is declared twice');
  // An argument given twice is one value that appears twice.
  new Set(g.inputs).forEach((v) => define(v));
  g.captures.forEach((v) => define(v));
  for (const n of g.nodes) {
    for (const i of n.inputs) {
      if (i.kind === 'live') slot(i.slot, n);
      for (const v of inputValues(i)) use(v, 'operand', n);
    }
    if (n.region !== undefined && g.regions[n.region] === undefined) fail(`region ^${n.region} does not exist`, n);
    if (isControl(n)) {
      verifyControl(n, { ...options, symbols: [...symbols] }, fail);
      n.outputs.forEach((v) => define(v, n));
      continue;
    }
    const info = opInfo(n.op) ?? fail(`unknown op '${n.op}'`, n);
    if (n.bodies !== undefined) fail(`'${n.op}' has no bodies`, n);
    checkSignature(n, info, fail, slot);
    n.outputs.forEach((v) => define(v, n));
    if (options.types ?? true) checkTypes(n, options.defaultDtype, fail);
  }
  g.regions.forEach((r, i) => {
    if (r.parent !== undefined && (r.parent === i || g.regions[r.parent] === undefined))
      fail(`region ^${i} has the parent ^${r.parent}, which does not exist`);
  });
  g.outputs.forEach((v) => use(v, 'output'));
  checkWrites(g, use, fail);
  return g;
}

type Fail = (why: string, node?: Node) => never;

function verifyControl(n: Node, options: VerifyOptions, fail: Fail): void {
  try {
    checkControl(n);
  } catch (e) {
    if (e instanceof RuleError) return fail(e.message, n);
    throw e;
  }
  for (const b of n.bodies!) verify(b, options);
}

function checkSignature(n: Node, info: OpInfo, fail: Fail, slot: (s: number, n: Node) => void): void {
  const operands = operandParams(info);
  if (n.inputs.length !== operands.length)
    fail(
      `'${n.op}' takes ${operands.length} operands (${operands.map((p) => p.name).join(', ')}), got ${n.inputs.length}`,
      n,
    );
  operands.forEach((p, k) => {
    const i = n.inputs[k]!;
    const ok =
      i.kind === 'value'
        ? !p.type.endsWith('[]')
        : i.kind === 'list'
          ? p.type.endsWith('[]')
          : i.kind === 'none'
            ? p.type.endsWith('?')
            : p.type === 'Operand' || p.type === 'Operand?';
    if (!ok)
      fail(
        `operand '${p.name}' of '${n.op}' is a ${p.type}, got ${i.kind === 'value' ? 'a tensor' : i.kind === 'list' ? 'a list' : i.kind === 'none' ? 'nothing' : 'a number'}`,
        n,
      );
  });
  const declared = new Map(attrParams(info).map((p) => [p.name, p]));
  for (const [name, value] of Object.entries(n.attrs)) {
    if (!declared.has(name))
      fail(`'${n.op}' has no attribute '${name}' (it has: ${[...declared.keys()].join(', ') || 'none'})`, n);
    if (typeof value === 'object' && value !== null && 'live' in value) slot(value.live, n);
  }
  for (const p of declared.values()) {
    if (p.default === undefined && !p.type.endsWith('?') && !Object.hasOwn(n.attrs, p.name))
      fail(`attribute '${p.name}' of '${n.op}' is missing`, n);
  }
  const results = resultCount(info);
  if (results !== null && n.outputs.length !== results)
    fail(`'${n.op}' has ${results} results, got ${n.outputs.length}`, n);
}

function checkTypes(n: Node, defaultDtype: DType | undefined, fail: Fail): void {
  let expected: readonly TensorType[] | null;
  try {
    expected = infer(n.op, n.inputs, n.attrs, defaultDtype === undefined ? {} : { defaultDtype });
  } catch (e) {
    if (e instanceof RuleError) return fail(e.message, n);
    throw e;
  }
  if (expected === null) return;
  if (expected.length !== n.outputs.length)
    fail(`'${n.op}' gives ${expected.length} results, the node has ${n.outputs.length}`, n);
  expected.forEach((t, k) => {
    const have = n.outputs[k]!.type;
    // An op that was recorded in place keeps the dtype of what it wrote.
    const target = k === 0 && n.inputs[0]?.kind === 'value' ? n.inputs[0].value.type : null;
    if (
      !sameType(have, t) &&
      !(target !== null && sameType(have, target) && sameType(have, { ...t, dtype: have.dtype }))
    )
      fail(`result ${k} of '${n.op}' is ${printType(t)} by its rule, but the graph says ${printType(have)}`, n);
  });
}

function checkWrites(g: Graph, use: (v: Value, what: string) => void, fail: Fail): void {
  const outside = new Set([...g.inputs, ...g.captures]);
  const written = new Set<Value>();
  for (const w of g.writes) {
    use(w.value, 'written value');
    if (!outside.has(w.target)) fail(`write to %${w.target.id}, which is neither an input nor a capture`);
    if (written.has(w.target)) fail(`%${w.target.id} is written twice`);
    if (!sameType(w.target.type, w.value.type))
      fail(`write of ${printType(w.value.type)} to %${w.target.id}, which is ${printType(w.target.type)}`);
    written.add(w.target);
  }
  for (const w of [...g.gradWrites, ...(g.gradReads ?? []).map((r) => ({ leaf: r.leaf, value: r.is }))]) {
    if (!outside.has(w.leaf)) fail(`gradient of %${w.leaf.id}, which is neither an input nor a capture`);
    if (w.value === null) continue;
    use(w.value, 'gradient');
    if (!sameType(w.leaf.type, w.value.type))
      fail(`gradient ${printType(w.value.type)} for %${w.leaf.id}, which is ${printType(w.leaf.type)}`);
  }
}
