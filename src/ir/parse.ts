// Reads the textual form that print.ts writes. Also the format inside .fbg files, so it trusts nothing: every reference must
// name a value defined before it, and errors say line and column.
import { isSym, parseDim } from './dim.js';
import { emptyGraph } from './build.js';
import type { Attr, Dim, DType, Graph, Input, Node, Region, TensorType, Value } from './graph.js';

const DTYPES: ReadonlySet<string> = new Set<DType>([
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'bool',
]);
const MAX_ID = 2 ** 31;

/** A text that is no graph. The message starts with line:column. */
export class GraphSyntaxError extends SyntaxError {
  override readonly name = 'GraphSyntaxError';
  readonly code = 'ERR_FLAMBEAU_GRAPH';
}

// One token: string | number-ish / name | arrow | single character.
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|(->)|(-?inf\b|-?\d[\w.]*(?:(?<=e)[+-]\d+)?)|([A-Za-z_][\w.]*)|([^\s]))/gy;

interface Token {
  readonly kind: 'string' | 'arrow' | 'number' | 'name' | 'char' | 'end';
  readonly text: string;
  readonly at: number;
}

class Reader {
  private readonly tokens: Token[] = [];
  private pos = 0;
  private values = new Map<string, Value>();
  private ids = new Set<number>();

  constructor(private readonly text: string) {
    TOKEN.lastIndex = 0;
    for (let m = TOKEN.exec(text); m !== null; m = TOKEN.exec(text)) {
      const kind = m[1] !== undefined ? 'string' : m[2] ? 'arrow' : m[3] ? 'number' : m[4] ? 'name' : 'char';
      const body = m[1] ?? m[2] ?? m[3] ?? m[4] ?? m[5]!;
      this.tokens.push({ kind, text: body, at: m.index + m[0].length - body.length });
    }
    this.tokens.push({ kind: 'end', text: 'end of text', at: text.length });
  }

  fail(why: string, at = this.peek().at): never {
    const before = this.text.slice(0, at).split('\n');
    throw new GraphSyntaxError(`${before.length}:${before.at(-1)!.length + 1}: ${why}`);
  }
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.pos + ahead, this.tokens.length - 1)]!;
  }
  next(): Token {
    const t = this.peek();
    if (t.kind !== 'end') this.pos++;
    return t;
  }
  /** Takes the token when it is `text`. */
  accept(text: string): boolean {
    if (this.peek().text !== text || this.peek().kind === 'string') return false;
    this.pos++;
    return true;
  }
  expect(text: string): void {
    if (!this.accept(text)) this.fail(`expected '${text}', got '${this.peek().text}'`);
  }
  name(what: string): string {
    const t = this.next();
    return t.kind === 'name' ? t.text : this.fail(`expected ${what}, got '${t.text}'`, t.at);
  }
  string(): string {
    const t = this.next();
    try {
      return JSON.parse(t.text) as string;
    } catch {
      return this.fail(`bad string ${t.text}`, t.at);
    }
  }
  /** Items between the current position and `close`, separated by commas. */
  list<T>(close: string, item: () => T): T[] {
    const out: T[] = [];
    if (this.accept(close)) return out;
    do out.push(item());
    while (this.accept(','));
    this.expect(close);
    return out;
  }

  integer(what: string): number {
    const t = this.next();
    if (t.kind !== 'number' || !/^\d+$/.test(t.text) || Number(t.text) > MAX_ID)
      this.fail(`expected ${what}, got '${t.text}'`, t.at);
    return Number(t.text);
  }
  number(): number {
    const t = this.next();
    const v = toNumber(t.text);
    return v ?? this.fail(`expected a number, got '${t.text}'`, t.at);
  }
  /** A dimension: everything up to ',' or ']'. */
  dim(): Dim {
    const at = this.peek().at;
    let text = '';
    while (![',', ']', '}', ')'].includes(this.peek().text) && this.peek().kind !== 'end') text += this.next().text;
    if (text === 'nan' || /^-?inf$/.test(text) || /^-?[\d.]+(e[+-]?\d+)?$/.test(text))
      return toNumber(text) ?? this.fail('bad number', at);
    try {
      return parseDim(text);
    } catch (e) {
      return this.fail((e as Error).message, at);
    }
  }
  type(): TensorType {
    const at = this.peek().at;
    const dtype = this.name('a dtype');
    if (!DTYPES.has(dtype)) this.fail(`unknown dtype '${dtype}'`, at);
    this.expect('[');
    const shape = this.list(']', () => {
      const here = this.peek().at;
      const d = this.dim();
      return typeof d === 'number' && (!Number.isSafeInteger(d) || d < 0) ? this.fail(`bad extent ${d}`, here) : d;
    });
    return { dtype: dtype as DType, shape };
  }

  /** Reads a graph that names values of its own. */
  inside<T>(read: () => T): T {
    const around = [this.values, this.ids] as const;
    [this.values, this.ids] = [new Map(), new Set()];
    try {
      return read();
    } finally {
      [this.values, this.ids] = around;
    }
  }
  /** A definition; `later`: the caller binds it. */
  define(later = false): Value {
    const at = this.peek().at;
    this.expect('%');
    let name: string | undefined;
    let id: number;
    if (this.peek().kind === 'name') {
      name = this.name('a name');
      this.expect('#');
      id = this.integer('an id');
    } else {
      id = this.integer('an id');
      if (this.peek().kind === 'string') name = this.string();
    }
    this.expect(':');
    const type = this.type();
    const strides =
      this.peek().text === 'strides' ? (this.next(), this.expect('['), this.list(']', () => this.dim())) : undefined;
    if (this.ids.has(id)) this.fail(`value %${id} is defined twice`, at);
    const v: Value = {
      id,
      type,
      ...(name === undefined ? {} : { name }),
      ...(strides === undefined ? {} : { strides }),
    };
    this.ids.add(id);
    if (!later) this.bind(v);
    return v;
  }
  /** Makes a value known to what follows. */
  bind(v: Value): void {
    this.values.set(String(v.id), v);
    if (v.name !== undefined && !this.values.has(v.name)) this.values.set(v.name, v);
  }
  ref(): Value {
    const at = this.peek().at;
    this.expect('%');
    const key = this.next().text;
    return this.values.get(key) ?? this.fail(`%${key} is not defined here`, at);
  }

  input(): Input {
    const t = this.peek();
    if (t.text === '%') return { kind: 'value', value: this.ref() };
    if (this.accept('$')) return { kind: 'live', slot: this.integer('a slot') };
    if (this.accept('[')) return { kind: 'list', values: this.list(']', () => this.ref()) };
    if (this.accept('none')) return { kind: 'none' };
    if (t.text === 'true' || t.text === 'false')
      return { kind: 'const', value: this.next().text === 'true', float: false };
    const value = this.number();
    return { kind: 'const', value, float: /[.en]/.test(t.text) };
  }
  attr(): Attr {
    const t = this.peek();
    if (t.kind === 'string') return this.string();
    if (this.accept('$')) return { live: this.integer('a slot') };
    if (this.accept('[')) {
      const dims = this.list(']', () => this.dim());
      return dims;
    }
    if (this.accept('none')) return null;
    if (t.text === 'true' || t.text === 'false') return this.next().text === 'true';
    const d = this.dim();
    return isSym(d) ? (d as unknown as Attr) : d;
  }
  call(): Pick<Node, 'op' | 'inputs' | 'attrs'> {
    const op = this.name('an op');
    this.expect('(');
    const inputs = this.list(')', () => this.input());
    this.expect('{');
    const attrs: Record<string, Attr> = {};
    this.list('}', () => {
      const at = this.peek().at;
      const key = this.name('an attribute');
      if (Object.hasOwn(attrs, key) || key === '__proto__') this.fail(`attribute '${key}' is given twice`, at);
      this.expect('=');
      attrs[key] = this.attr();
    });
    return { op, inputs, attrs };
  }
  scope(): string | undefined {
    if (!this.accept('@')) return undefined;
    return this.peek().kind === 'string' ? this.string() : this.name('a scope');
  }
}

function toNumber(text: string): number | undefined {
  if (text === 'nan') return NaN;
  if (text === 'inf' || text === '-inf') return text === 'inf' ? Infinity : -Infinity;
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) return undefined;
  const v = Number(text);
  return v;
}

/** Bodies nest no deeper; the reader is recursive. */
const MAX_DEPTH = 64;

/** The graph that a text describes. @throws GraphSyntaxError with line and column. */
export function parseGraph(text: string): Graph {
  const r = new Reader(text);
  const g = readGraph(r, 0);
  if (r.peek().kind !== 'end') r.fail(`unexpected '${r.peek().text}' after the graph`);
  return g;
}

function readGraph(r: Reader, depth: number): Graph {
  if (depth > MAX_DEPTH) r.fail(`bodies nest deeper than ${MAX_DEPTH} levels`);
  const g = emptyGraph();
  r.expect('graph');
  r.expect('(');
  g.inputs = r.list(')', () =>
    ['#', ':'].includes(r.peek(2).text) || r.peek(2).kind === 'string' ? r.define() : r.ref(),
  );
  r.expect('{');
  for (;;) {
    const t = r.peek();
    if (r.accept('return')) {
      r.expect('(');
      g.outputs = r.list(')', () => r.ref());
      break;
    } else if (r.accept('symbol')) {
      const name = r.name('a symbol');
      r.expect('=');
      g.symbols.push({ name, hint: r.integer('a size') });
    } else if (r.accept('live')) {
      r.expect('$');
      if (r.integer('a slot') !== g.liveScalars.length) r.fail('live scalars must be numbered in order', t.at);
      r.expect('=');
      g.liveScalars.push(r.number());
    } else if (r.accept('capture')) {
      g.captures.push(r.define());
    } else if (r.accept('region')) {
      g.regions.push(readRegion(r, g.regions.length));
    } else if (r.accept('write')) {
      const target = r.ref();
      r.expect('=');
      g.writes.push({ target, value: r.ref() });
    } else if (r.accept('grad')) {
      const leaf = r.ref();
      r.expect('=');
      g.gradWrites.push({ leaf, value: r.accept('none') ? null : r.ref() });
    } else if (r.accept('expect')) {
      r.expect('grad');
      const leaf = r.ref();
      r.expect('=');
      (g.gradReads ??= []).push({ leaf, is: r.accept('none') ? null : r.ref() });
    } else {
      g.nodes.push(readNode(r, depth));
    }
  }
  r.expect('}');
  return g;
}

function readBodies(r: Reader, depth: number): Graph[] {
  const bodies: Graph[] = [];
  while (!r.accept('}')) bodies.push(r.inside(() => readGraph(r, depth + 1)));
  return bodies;
}

function readRegion(r: Reader, index: number): Region {
  r.expect('^');
  const at = r.peek().at;
  if (r.integer('a region') !== index) r.fail('regions must be numbered in order', at);
  const head = r.call();
  if (r.next().kind !== 'arrow') r.fail("expected '->'");
  r.expect('(');
  const outputs = r.list(')', () => r.ref());
  const scope = r.scope();
  const parent = r.accept('^') ? r.integer('a region') : undefined;
  return { ...head, outputs, ...(scope === undefined ? {} : { scope }), ...(parent === undefined ? {} : { parent }) };
}

function readNode(r: Reader, depth: number): Node {
  const outputs = r.accept('(') ? r.list(')', () => r.define(true)) : [r.define(true)];
  r.expect('=');
  const head = r.call();
  outputs.forEach((v) => r.bind(v)); // results come into scope after the operands
  const scope = r.scope();
  const site = r.peek().kind === 'string' ? r.string() : undefined;
  const region = r.accept('^') ? r.integer('a region') : undefined;
  const bodies = r.accept('{') ? readBodies(r, depth) : undefined;
  return {
    ...head,
    outputs,
    ...(bodies === undefined ? {} : { bodies }),
    ...(site === undefined ? {} : { site }),
    ...(scope === undefined ? {} : { scope }),
    ...(region === undefined ? {} : { region }),
  };
}
