// Several traces of one function at different sizes → one graph with symbolic dimensions. Input extents that differ become
// symbols; every other integer that differs must be the same polynomial of the symbols in all traces.
import { mulDims, addDims, symbol, printDim } from '../../ir/dim.js';
import type { Attr, Dim, Graph, Input, Node, Region, Value } from '../../ir/graph.js';
import { nextId } from '../../ir/build.js';
import { verify, VerifyError } from '../../ir/verify.js';
import { SizeNumbers } from './size_numbers.js';

/** Traces that are not one graph at different sizes; the message names the node. */
export class UnifyError extends Error {
  override readonly name = 'UnifyError';
  readonly code = 'ERR_FLAMBEAU_DYNAMIC';
}

/** Two traces that leave open what a number is; a third decides. */
export class Undecided extends UnifyError {}

interface Symbol {
  readonly name: string;
  /** Its value in each trace. */
  readonly values: readonly number[];
}

/**
 * One graph for all sizes, branches and bodies of loops included. Values keep the ids and names of the first trace, whose sizes are the symbols' hints.
 * @throws UnifyError when the sequence of ops differs, or a number changes that no polynomial of the sizes gives;
 * with `careful`, Undecided when only a third trace can tell (an attribute that is no multiple of a size: n - 1, or half of n rounded down?).
 */
export function unify(graphs: readonly Graph[], careful = false): Graph {
  const first = graphs[0];
  if (first === undefined || graphs.length < 2) throw new UnifyError('unify needs at least two traces');
  const symbols = findSymbols(graphs);
  const solver = new Solver(symbols, careful && graphs.length < 3);
  const values = new Map<Value, Value>();
  const merge = (vs: readonly Value[], where: string): Value => {
    const v = vs[0]!;
    const known = values.get(v);
    if (known !== undefined) return known;
    if (vs.some((o) => o.type.dtype !== v.type.dtype || o.type.shape.length !== v.type.shape.length)) {
      throw new UnifyError(`${where}: dtype or rank differs between the traces`);
    }
    const shape = v.type.shape.map((_, d) =>
      solver.dim(
        vs.map((o) => o.type.shape[d]! as number),
        `${where}, dimension ${d}`,
      ),
    );
    const strides = vs.every((o) => o.strides !== undefined)
      ? v.strides!.map((_, d) =>
          solver.dim(
            vs.map((o) => o.strides![d]! as number),
            `${where}, stride ${d}`,
          ),
        )
      : undefined;
    if (strides === undefined && vs.some((o) => o.strides !== undefined))
      throw new UnifyError(`${where}: contiguous in only some of the traces`);
    const out: Value = {
      id: v.id,
      type: { dtype: v.type.dtype, shape },
      ...(v.name === undefined ? {} : { name: v.name }),
      ...(strides === undefined ? {} : { strides }),
    };
    values.set(v, out);
    return out;
  };
  const same = (numbers: readonly number[], what: string): void => {
    if (new Set(numbers).size > 1) throw new UnifyError(`the traces have ${numbers.join(' and ')} ${what}`);
  };
  same(
    graphs.map((g) => g.inputs.length),
    'inputs',
  );
  same(
    graphs.map((g) => g.captures.length),
    'captured tensors',
  );
  same(
    graphs.map((g) => g.outputs.length),
    'outputs',
  );

  const inputs = first.inputs.map((_, i) =>
    merge(
      graphs.map((g) => g.inputs[i]!),
      `input ${i}`,
    ),
  );
  const captures = first.captures.map((_, i) =>
    merge(
      graphs.map((g) => g.captures[i]!),
      `captured tensor ${i}`,
    ),
  );
  checkSequence(graphs);
  const toFirst = graphs.map((g) => correspondence(g, first));
  const at = (v: Value): Value => values.get(v)!;
  const numbers = careful
    ? new SizeNumbers((list) => solver.multiple(list), Math.max(...withBodies(first).map(nextId)))
    : null;
  const mergeNode = (all: readonly Node[], where: string): Node[] => {
    const n = all[0]!;
    const made: Node[] = [];
    const merged = n.inputs.map((_, i) => {
      const inputs = all.map((m) => m.inputs[i]!);
      const varied = variedNumber(inputs);
      const size = varied === null ? null : (numbers?.operand(varied, n) ?? null);
      if (size === null) return mergeInput(inputs, toFirst, at, `${where}, operand ${i}`);
      made.push(...size.nodes);
      return size.input;
    });
    const attrs = mergeAttrs(
      all.map((m) => m.attrs),
      solver,
      where,
    );
    const bodies = n.bodies?.map((_, b) =>
      mergeBody(
        all.map((m) => m.bodies![b]!),
        where,
      ),
    );
    const outputs = n.outputs.map((_, o) =>
      merge(
        all.map((m) => m.outputs[o]!),
        `${where}, result ${o}`,
      ),
    );
    return [...made, { ...n, inputs: merged, attrs, outputs, ...(bodies ? { bodies } : {}) }];
  };
  const mergeNodes = (parts: readonly Graph[], within: string): Node[] =>
    parts[0]!.nodes.flatMap((n, k) =>
      mergeNode(
        parts.map((g) => g.nodes[k]!),
        `${within}node ${k} '${n.op}'${n.site === undefined ? '' : ` (${n.site})`}`,
      ),
    );
  const mergeRegions = (parts: readonly Graph[]): Graph['regions'] =>
    parts[0]!.regions.map((r, k) => ({
      ...r,
      inputs: r.inputs.map((i) => mergeInput([i], toFirst, at, `region ${k}`)),
      attrs: mergeAttrs(
        parts.map((g) => g.regions[k]?.attrs ?? {}),
        solver,
        `region ${k} '${r.op}'`,
      ),
      outputs: r.outputs.map(at),
      ...(numbersVary(parts.map((g) => g.regions[k])) ? { varies: true } : {}),
    }));
  /** A branch, or one round of a loop: closed, so its values are its own. */
  const mergeBody = (parts: readonly Graph[], where: string): Graph => {
    const body = parts[0]!;
    const inputs = body.inputs.map((_, i) =>
      merge(
        parts.map((g) => g.inputs[i]!),
        `${where}, input ${i} of a body`,
      ),
    );
    const nodes = mergeNodes(parts, `${where}, `);
    return { ...body, inputs, nodes, regions: mergeRegions(parts), outputs: body.outputs.map(at) };
  };
  const nodes = mergeNodes(graphs, '');
  const unified: Graph = {
    inputs,
    captures,
    nodes,
    regions: mergeRegions(graphs),
    outputs: first.outputs.map(at),
    writes: first.writes.map((w) => ({ target: at(w.target), value: at(w.value) })),
    gradWrites: first.gradWrites.map((w) => ({ leaf: at(w.leaf), value: w.value === null ? null : at(w.value) })),
    ...(first.gradReads === undefined
      ? {}
      : { gradReads: first.gradReads.map((r) => ({ leaf: at(r.leaf), is: r.is === null ? null : at(r.is) })) }),
    liveScalars: [...first.liveScalars],
    symbols: symbols.map((s) => ({ name: s.name, hint: s.values[0]! })),
  };
  // A wrong guess of a polynomial contradicts the shape rules somewhere.
  try {
    return verify(unified);
  } catch (e) {
    if (e instanceof VerifyError) throw new UnifyError(`the traces fit no symbolic graph: ${e.message}`);
    throw e;
  }
}

/** Input extents that differ between traces. Extents that are equal in every trace are one symbol, as they were one size. */
function findSymbols(graphs: readonly Graph[]): Symbol[] {
  const found = new Map<string, Symbol>();
  const first = graphs[0]!;
  first.inputs.forEach((v, i) => {
    v.type.shape.forEach((_, d) => {
      const values = graphs.map((g) => g.inputs[i]?.type.shape[d]);
      if (values.some((x) => typeof x !== 'number') || new Set(values).size === 1) return;
      const sizes = values as number[];
      if (sizes.some((x) => x < 2)) {
        throw new UnifyError(
          `input ${i}, dimension ${d} is ${sizes.join(' and ')}: sizes 0 and 1 broadcast and are always specialised`,
        );
      }
      const key = sizes.join(',');
      if (!found.has(key)) found.set(key, { name: `s${found.size}`, values: sizes });
    });
  });
  if (found.size === 0) throw new UnifyError('the traces have inputs of the same sizes: nothing is symbolic');
  return [...found.values()];
}

/** Finds the polynomial that gives a number in every trace: constants, multiples of products, then offsets of them, sums of two sizes. */
class Solver {
  /** Two sizes side by side, as cat makes them. */
  private readonly sums: { readonly dim: Dim; readonly values: readonly number[] }[] = [];
  private readonly products: { readonly dim: Dim; readonly values: readonly number[] }[] = [];

  constructor(
    symbols: readonly Symbol[],
    private readonly careful: boolean,
  ) {
    const base = symbols.map((s) => ({ dim: symbol(s.name), values: s.values }));
    const times = (a: (typeof base)[number], b: (typeof base)[number]): (typeof base)[number] => ({
      dim: mulDims(a.dim, b.dim),
      values: a.values.map((x, i) => x * b.values[i]!),
    });
    const squares = base.flatMap((a, i) => base.slice(i).map((b) => times(a, b)));
    this.products.push(...base, ...squares);
    for (const [i, a] of base.entries())
      for (const b of base.slice(i + 1))
        this.sums.push({ dim: addDims(a.dim, b.dim), values: a.values.map((x, k) => x + b.values[k]!) });
  }

  /** A whole multiple of a product of sizes that has these values, or null. */
  multiple(values: readonly number[]): Dim | null {
    for (const p of this.products) {
      const c = values[0]! / p.values[0]!;
      if (Number.isInteger(c) && values.every((v, i) => v === c * p.values[i]!)) return mulDims(c, p.dim);
    }
    return null;
  }

  /** A number that shape rules check (`checked`) may be an offset of a multiple even where that is a guess. */
  dim(values: readonly number[], where: string, checked = true): Dim {
    if (values.every((v) => v === values[0])) return values[0]!;
    const multiple = this.multiple(values);
    if (multiple !== null) return multiple;
    if (this.careful && !checked) throw new Undecided(`${where} is ${values.join(' and ')}: no multiple of a size`);
    for (const p of this.products) {
      const c = (values[1]! - values[0]!) / (p.values[1]! - p.values[0]!);
      const k = values[0]! - c * p.values[0]!;
      if (Number.isInteger(c) && values.every((v, i) => v === c * p.values[i]! + k))
        return addDims(mulDims(c, p.dim), k);
    }
    for (const sum of this.sums) if (values.every((v, i) => v === sum.values[i]!)) return sum.dim;
    throw new UnifyError(
      `${where} is ${values.join(' and ')} for ${this.products[0] ? printDim(this.products[0].dim) : ''} = ${this.products[0]?.values.join(' and ')}: no polynomial of the sizes`,
    );
  }
}

function checkSequence(graphs: readonly Graph[]): void {
  const first = graphs[0]!;
  for (const g of graphs.slice(1)) {
    const at = first.nodes.findIndex(
      (n, i) =>
        g.nodes[i]?.op !== n.op ||
        g.nodes[i].inputs.length !== n.inputs.length ||
        g.nodes[i].outputs.length !== n.outputs.length,
    );
    const k = at >= 0 ? at : g.nodes.length > first.nodes.length ? first.nodes.length : -1;
    if (k < 0) {
      first.nodes.forEach((n, i) => n.bodies?.forEach((b, j) => checkSequence([b, g.nodes[i]!.bodies![j]!])));
      continue;
    }
    const name = (n: Node | undefined): string =>
      n === undefined ? 'nothing' : `'${n.op}'${n.site === undefined ? '' : ` (${n.site})`}`;
    throw new UnifyError(
      `the traces run different ops: node ${k} is ${name(first.nodes[k])} in one and ${name(g.nodes[k])} in the other`,
    );
  }
}

/** Values of one trace → the values at the same places in the first. */
function correspondence(g: Graph, first: Graph, to = new Map<Value, Value>()): Map<Value, Value> {
  g.inputs.forEach((v, i) => to.set(v, first.inputs[i]!));
  g.captures.forEach((v, i) => to.set(v, first.captures[i]!));
  g.nodes.forEach((n, k) => {
    n.outputs.forEach((v, o) => to.set(v, first.nodes[k]!.outputs[o]!));
    n.bodies?.forEach((b, j) => correspondence(b, first.nodes[k]!.bodies![j]!, to));
  });
  return to;
}

function numbersVary(all: readonly (Region | undefined)[]): boolean {
  const numbers = (r: Region | undefined): string =>
    JSON.stringify(r?.inputs.map((i) => (i.kind === 'const' ? String(i.value) : i.kind)));
  return all.some((r) => numbers(r) !== numbers(all[0]));
}

/** A graph and the bodies in it. */
const withBodies = (g: Graph): Graph[] => [g, ...g.nodes.flatMap((n) => (n.bodies ?? []).flatMap(withBodies))];

/** The values of a constant operand that differ between the traces. */
function variedNumber(inputs: readonly Input[]): number[] | null {
  const values = inputs.flatMap((i) => (i.kind === 'const' && typeof i.value === 'number' ? [i.value] : []));
  return values.length === inputs.length && values.some((v) => !Object.is(v, values[0])) ? values : null;
}

function mergeInput(
  all: readonly Input[],
  toFirst: readonly Map<Value, Value>[],
  at: (v: Value) => Value,
  where: string,
): Input {
  const i = all[0]!;
  const differ = (why: string): never => {
    throw new UnifyError(`${where}: ${why}`);
  };
  all.forEach((o, t) => {
    if (o.kind !== i.kind) differ(`is ${i.kind} in one trace and ${o.kind} in another`);
    const mapped = (v: Value): Value | undefined => toFirst[t]!.get(v);
    if (o.kind === 'value' && i.kind === 'value' && mapped(o.value) !== i.value) differ('is another value');
    if (
      o.kind === 'list' &&
      i.kind === 'list' &&
      (o.values.length !== i.values.length || o.values.some((v, k) => mapped(v) !== i.values[k]))
    )
      differ('is another list of values');
    if (o.kind === 'live' && i.kind === 'live' && o.slot !== i.slot) differ('is another live scalar');
    if (o.kind === 'const' && i.kind === 'const' && !Object.is(o.value, i.value)) {
      differ(
        `is the number ${String(i.value)} in one trace and ${String(o.value)} in another: a number computed from a size cannot be symbolic`,
      );
    }
  });
  if (i.kind === 'value') return { kind: 'value', value: at(i.value) };
  return i.kind === 'list' ? { kind: 'list', values: i.values.map(at) } : i;
}

function mergeAttrs(all: readonly Node['attrs'][], solver: Solver, where: string): Node['attrs'] {
  return Object.fromEntries(
    Object.keys(all[0]!).map((name) => [
      name,
      mergeAttr(
        all.map((a) => a[name] ?? null),
        solver,
        `${where}, attribute '${name}'`,
      ),
    ]),
  );
}

function mergeAttr(all: readonly Attr[], solver: Solver, where: string): Attr {
  const a = all[0]!;
  if (Array.isArray(a)) {
    if (all.some((o) => !Array.isArray(o) || o.length !== a.length))
      throw new UnifyError(`${where}: is a list of another length`);
    return a.map((_, k) =>
      solver.dim(
        all.map((o) => (o as readonly number[])[k]!),
        where,
        false,
      ),
    ) as readonly Dim[];
  }
  if (typeof a === 'number' && all.every((o) => typeof o === 'number')) {
    if (all.every((o) => Object.is(o, a))) return a;
    // One extent ('length' of narrow, 'splitSize'): symbolic like a list's, see isSym in the printer and the rules.
    return solver.dim(all as readonly number[], where, false) as Attr;
  }
  if (all.some((o) => JSON.stringify(o) !== JSON.stringify(a)))
    throw new UnifyError(`${where}: is ${all.map((o) => JSON.stringify(o)).join(' and ')}`);
  return a;
}
