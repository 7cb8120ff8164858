// A function's source, evaluated once on example arguments, as a graph with its control flow.
import type * as TsMorph from 'ts-morph';
import { noGrad } from '../autograd/modes.js';
import { fail, parseFunction, ScriptError, type FunctionNode } from '../frontend/script/syntax.js';
import type { Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { Module } from '../nn/module.js';
import * as nn from '../nn/index.js';
import { getRngState, setRngState } from '../random.js';
import { full } from '../tensor/create.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { TracedModule } from '../runtime/jit.js';
import { bind, block } from './statements.js';
import { written } from './assigned.js';
import { at, type Evaluator, type Globals } from './evaluator.js';
import { assign, callFunction, evaluate, isScripted, replace, SCRIPTED } from './expressions.js';
import { Guards } from './guards.js';
import { leaves, shapeOf, type Shape } from './join.js';
import { NeedsNumber } from './library.js';
import { ifNode } from './nodes.js';
import { example, isWhole, Outside, Region, ScriptScalar } from './region.js';
import { Inlined, Scope } from './scope.js';

export type ScriptFn = (...args: never[]) => unknown;

/** What a script is made of. */
export interface Source {
  readonly fn: ScriptFn;
  readonly self: unknown;
  readonly globals: Globals;
}
export interface ScriptGraph {
  readonly graph: Graph;
  readonly captures: readonly Tensor[];
  readonly result: Shape;
  /** Numbers among the arguments are part of the graph's form. */
  readonly fixed: boolean;
}

export { isScripted, isWhole };
export type { Globals };
/** What a function or module that jit.script made was made of. */
export const sourceBehind = (f: unknown): Source => (f as Record<symbol, Source>)[SCRIPTED]!;

const parsed = new WeakMap<object, FunctionNode>();
let files = 0;

/** The syntax tree of a function. @throws ScriptError when its source cannot be had */
export function sourceOf(fn: ScriptFn): FunctionNode {
  let node = parsed.get(fn);
  if (node === undefined) {
    const text = Function.prototype.toString.call(fn);
    if (/\{\s*\[native code\]\s*\}$/.test(text) || /^class\b/.test(text))
      throw new ScriptError(`jit.script: '${fn.name}' has no source that could be read (a bound or built-in function)`);
    node = parseFunction(text, `script${files++}`);
    if (node.isAsync() || /^(async\s+)?(function\s*)?\*/.test(text))
      fail(node, 'async functions and generators are not part of script');
    parsed.set(fn, node);
  }
  return node;
}

/** An argument that stands in the graph as an input. */
export const isInput = (x: unknown, fixed: boolean): boolean => isTensor(x) || (!fixed && typeof x === 'number');

/** `guards` takes down what the graph depends on beside the arguments. @throws ScriptError with the code that cannot become part of a graph */
export function scriptGraph(source: Source, args: readonly unknown[], guards = new Guards()): ScriptGraph {
  try {
    return make(source, args, false, guards);
  } catch (e) {
    // A number that decides a size or a dimension is part of the graph's form: a graph for each.
    if (!(e instanceof ScriptError && e.cause instanceof NeedsNumber)) throw e;
    return make(source, args, true, guards);
  }
}

function make(source: Source, args: readonly unknown[], fixed: boolean, guards: Guards): ScriptGraph {
  const outside = new Outside();
  const top = new Region(outside, null);
  const names = sourceOf(source.fn)
    .getParameters()
    .map((p) => p.getName());
  const given = args.map((a, i) => {
    if (!isInput(a, fixed)) return a;
    const t = isTensor(a)
      ? example(a)
      : noGrad(() => full([], a as number, { dtype: isWhole(a) ? 'int64' : 'float64' }));
    top.input(t, /^[A-Za-z_]\w*$/.test(names[i] ?? '') ? names[i] : undefined);
    return isTensor(a) ? t : new ScriptScalar(t);
  });
  const random = getRngState();
  const state = source.self instanceof Module ? [...source.self.buffers()].map((b) => [b, example(b)] as const) : [];
  let result: unknown;
  try {
    result = noGrad(() =>
      new Evaluation(top, source.globals, guards).callUser(source.fn, given, source.self, sourceOf(source.fn)),
    );
  } finally {
    setRngState(random);
    noGrad(() => state.forEach(([b, kept]) => void native.ops.copy_(native.ops.detach(b._h), kept._h)));
  }
  top.graph.outputs = leaves(result).map((t) => top.valueOf(t));
  top.graph.captures = outside.captures.map((c) => c.value);
  nameCaptures(source.self, outside.captures);
  return { graph: top.graph, captures: outside.captures.map((c) => c.tensor), result: shapeOf(result), fixed };
}

function nameCaptures(self: unknown, captures: Outside['captures']): void {
  const known = self instanceof Module ? [...self.namedParameters(), ...self.namedBuffers()] : [];
  let constants = 0;
  for (const { tensor, value } of captures)
    value.name = known.find(([, t]) => native.isSame(t._h, tensor._h))?.[0] ?? `constant.${constants++}`;
}

const LIBRARY = new Set<unknown>(Object.values(nn));

class Evaluation implements Evaluator {
  scope = new Scope(null);
  self: unknown = undefined;
  private depth = 0;

  constructor(
    public region: Region,
    public globals: Globals,
    readonly guards: Guards,
  ) {}

  callInlined(f: Inlined, args: readonly unknown[], where: TsMorph.Node): unknown {
    if (this.depth === 64)
      return fail(
        where,
        'functions call each other more than 64 levels deep: recursion is not part of script',
        'a loop',
      );
    const [scope, self, globals] = [this.scope, this.self, this.globals];
    [this.scope, this.self, this.globals] = [new Scope(f.scope), f.self, f.globals];
    this.depth++;
    try {
      f.node.getParameters().forEach((p, i) => {
        if (p.isRestParameter()) return bind(this, p.getNameNode(), args.slice(i), false);
        const init = p.getInitializer();
        bind(this, p.getNameNode(), args[i] === undefined && init ? evaluate(this, init) : args[i], false);
      });
      const body = f.node.getBody()!;
      if (!('getStatements' in body)) return evaluate(this, body);
      // Each way through the function ends with its result and with what it wrote around it.
      const around = written([body], f.scope);
      const end = (v: unknown): unknown[] => [v, ...around.map((w) => w.cell.value)];
      const ended = block(this, (body as TsMorph.Block).getStatements(), { next: () => end(undefined), leave: end });
      const [result, ...values] = ended as unknown[];
      around.forEach((w, i) => (w.cell.value = values[i]));
      return result;
    } finally {
      [this.scope, this.self, this.globals] = [scope, self, globals];
      this.depth--;
    }
  }

  callUser(f: unknown, args: readonly unknown[], self: unknown, where: TsMorph.Node, globals = this.globals): unknown {
    if (f instanceof TracedModule) return this.callTraced(f, args, where);
    if (f instanceof Module) return this.callModule(f, args, where);
    if (isScripted(f)) {
      const inner = (f as unknown as Record<symbol, Source>)[SCRIPTED]!;
      return this.callUser(inner.fn, args, inner.self, where, inner.globals);
    }
    if (typeof f !== 'function') return fail(where, 'this is no function');
    return this.callInlined(new Inlined(sourceOf(f as ScriptFn), new Scope(null), self, globals), args, where);
  }

  /** The library's layers are recorded, a user's are read. */
  private callModule(m: Module, args: readonly unknown[], where: TsMorph.Node): unknown {
    if (isScripted(m)) {
      const inner = (m as unknown as Record<symbol, Source>)[SCRIPTED]!;
      return this.callUser(inner.fn, args, m, where, inner.globals);
    }
    this.guards.read(m, 'training', m.training);
    const own = (c: Module): boolean => !LIBRARY.has(c.constructor);
    if (m instanceof nn.Sequential && [...m.modules()].some(own))
      return [...m.children()].reduce((x, layer) => this.callModule(layer, [x], where), args[0]);
    if (own(m)) return this.callUser((m as unknown as { forward: ScriptFn }).forward, args, m, where);
    this.guards.layer(m);
    const tensors = args.flatMap(leaves);
    const given = args.map((a) => (a instanceof ScriptScalar ? a.tensor : a));
    return at(where, () => this.region.emit(() => (m as unknown as (...a: unknown[]) => unknown)(...given), tensors));
  }

  private callTraced(m: TracedModule, args: readonly unknown[], where: TsMorph.Node): unknown {
    return at(where, () => {
      const { graph, captures, examples, fill } = m.inlined(args as Tensor[]);
      const operands = [...(args as Tensor[]), ...captures].map((t) => this.region.valueOf(t));
      const of = this.region.inline(graph, operands);
      const results = examples.map(example);
      graph.outputs.forEach((v, i) => this.region.set(results[i]!, of(v)));
      return fill(results);
    });
  }

  evaluate(node: TsMorph.Node): unknown {
    return evaluate(this, node);
  }
  assign(target: TsMorph.Node, value: unknown): void {
    assign(this, target, value);
  }
  replace(place: TsMorph.Node, was: object, by: unknown): void {
    replace(this, place, was, by);
  }
  callFunction(f: unknown, args: readonly unknown[], node: TsMorph.CallExpression): unknown {
    return callFunction(this, f, args, node);
  }

  choose(condition: ScriptScalar, yes: () => unknown, no: () => unknown, where: TsMorph.Node): unknown {
    const cells = written([where], this.scope);
    const way = (f: () => unknown) => (): unknown[] => [f(), ...cells.map((w) => w.cell.value)];
    const what = `'${where.getText().slice(0, 40)}'`;
    const [result, ...values] = ifNode(this, condition, way(yes), way(no), where, what) as unknown[];
    cells.forEach((w, i) => (w.cell.value = values[i]));
    return result;
  }
}
