// What the printers of the loop IR share: scopes, placing a value in the outermost loop where it can be computed, and the walk over
// expressions. A target supplies the leaves: how a literal, a load, a call, a position is spelled.
import { type Def } from '../schedule/defs.js';
import { type Dim } from '../ir/graph.js';
import { TYPES } from '../schedule/dtype.js';
import { type LExpr, lConst, lVar, operandsOf } from '../schedule/expr.js';
import { type Axis, type Index, type IndexNames, ixDim, printIndex } from '../schedule/indexing.js';
import { type ComputeType } from '../schedule/typing.js';
import { type Fold, type Kernel } from '../loop/kernel.js';
import { type Lines, comment } from './writer.js';

export interface Target {
  /** Expression (a byte pointer) of a tensor's memory, over `A`. */
  memory(d: Def): string;
  /** Error code of a run-time check. */
  errorCode(what: string): number;
  /** Variable of a symbolic dimension. */
  symbol(name: string): string;
  /** Declarations of all of them. */
  readonly symbols: readonly string[];
}

/** A place where statements go: the function, a row loop, a column loop. Siblings (unrolled copies) share the lines. */
export interface Scope {
  readonly parent: Scope | null;
  readonly lines: Lines;
  readonly axes: ReadonlySet<Axis>;
  readonly memo: Map<LExpr, string>;
  readonly positions: Map<number, string>;
  /** Text of kernel variables, where they are set in this scope. */
  readonly vars: Map<string, string>;
  /** Added to the vector axis in this copy of the body, in vectors. */
  readonly shift: number;
  /** Active lanes: 'FB_W' or 'n'. */
  readonly lanes: string;
  /** The row axis stands for the row before. */
  readonly before: boolean;
}

export abstract class KernelWalker {
  protected readonly pointers = new Map<Def, string>();
  protected readonly head: Lines = [];
  protected readonly root: Scope;
  private count = 0;
  private readonly hasVarMemo = new Map<LExpr, boolean>();

  constructor(
    readonly k: Kernel,
    readonly target: Target,
  ) {
    this.root = {
      parent: null,
      lines: [],
      axes: new Set(),
      memo: new Map(),
      positions: new Map(),
      vars: new Map(),
      shift: 0,
      lanes: 'FB_W',
      before: false,
    };
  }

  // ---- leaves ----

  protected abstract typeName(t: ComputeType): string;
  protected abstract literal(value: number | boolean, t: ComputeType): string;
  protected abstract live(slot: number, t: ComputeType): string;
  protected abstract load(e: LExpr & { k: 'load' }, scope: Scope): string;
  protected abstract iota(i: Index, t: ComputeType, scope: Scope): string;
  protected abstract uniform(i: Index, scope: Scope): string;
  protected abstract kept(name: string, t: ComputeType, scope: Scope): string;
  protected abstract names(scope: Scope, lane?: string): IndexNames;

  // ---- scopes and values ----

  protected child(
    parent: Scope,
    axes: ReadonlySet<Axis>,
    lines: Lines,
    shift = parent.shift,
    lanes = parent.lanes,
  ): Scope {
    return {
      parent,
      lines,
      axes,
      memo: new Map(),
      positions: new Map(),
      vars: new Map(),
      shift,
      lanes,
      before: parent.before,
    };
  }
  protected id(prefix: string): string {
    return `${prefix}${this.count++}`;
  }
  /** Text of an extent. */
  dim(d: Dim): string {
    if (typeof d === 'number') return String(d);
    return `(${printIndex(ixDim(d), { axis: (a) => a.name, symbol: (s) => this.target.symbol(s), dyn: () => '0' })})`;
  }
  protected pointer(d: Def): string {
    let p = this.pointers.get(d);
    if (!p) {
      this.pointers.set(d, (p = `p${this.pointers.size}`));
      const t = `fb_m_${TYPES[d.dtype].tag}`;
      this.head.push(`${t}* const ${p} = (${t}*)(${this.target.memory(d)});  // ${comment(d.name)}`);
    }
    return p;
  }

  /** True when a value depends on a variable of the kernel, in a position that it reads too. */
  private hasVar(e: LExpr): boolean {
    let r = this.hasVarMemo.get(e);
    if (r === undefined) {
      r = e.k === 'var' || operandsOf(e).some((x) => this.hasVar(x));
      this.hasVarMemo.set(e, r);
    }
    return r;
  }
  /** The outermost scope in which a value can be computed. */
  protected home(e: LExpr, scope: Scope): Scope {
    const bound = this.hasVar(e);
    let at: Scope = scope;
    for (let s: Scope | null = scope; s !== null; s = s.parent) {
      at = s;
      if (s.vars.size > 0 && bound && s !== this.root) break;
      let mine = false;
      for (const a of e.axes) if (s.axes.has(a)) mine = true;
      if (mine) break;
    }
    return at;
  }

  value(e: LExpr, scope: Scope): string {
    if (e.k === 'const') return this.literal(e.value, e.type);
    if (e.k === 'var') return this.variable(e, scope);
    const home = this.home(e, scope);
    const old = home.memo.get(e);
    if (old !== undefined) return old;
    const text = this.compute(e, home);
    const name = this.id('t');
    home.lines.push(`const ${this.typeName(e.type)} ${name} = ${text};`);
    home.memo.set(e, name);
    return name;
  }
  private variable(e: LExpr & { k: 'var' }, scope: Scope): string {
    for (let s: Scope | null = scope; s !== null; s = s.parent) {
      const v = s.vars.get(e.name);
      if (v !== undefined) return v;
    }
    if (e.name.startsWith('keep')) return this.kept(e.name, e.type, scope);
    throw new Error(`kernel ${this.k.name}: variable ${e.name} is used before it is set`);
  }
  private compute(e: LExpr, scope: Scope): string {
    switch (e.k) {
      case 'const':
      case 'var':
        return this.value(e, scope);
      case 'live':
        return this.live(e.slot, e.type);
      case 'op':
        return this.operation(e, scope);
      case 'cvt':
        return `fb_cvt_${e.a.type}_${e.type}(${this.value(e.a, scope)})`;
      case 'wrap':
        return `fb_wrap_${TYPES[e.dtype].tag}(${this.value(e.a, scope)})`;
      case 'iota':
        return this.iota(e.index, e.type, scope);
      case 'uniform':
        return this.uniform(e.index, scope);
      case 'load':
        return this.load(e, scope);
      case 'read':
        throw new Error(`kernel ${this.k.name}: read of ${e.src.name} was not resolved`);
    }
  }
  /** An operation whose value goes into `scope`. */
  protected operation(e: LExpr & { k: 'op' }, scope: Scope): string {
    return this.call(
      e.op,
      e.args.map((a) => this.value(a, scope)),
    );
  }
  protected call(op: string, args: readonly string[]): string {
    return `fb_${op}(${args.join(', ')})`;
  }
  /** Text of an expression over variables and literals only. */
  protected inline(e: LExpr, names: ReadonlyMap<string, string>): string {
    switch (e.k) {
      case 'const':
        return this.literal(e.value, e.type);
      case 'var': {
        const n = names.get(e.name);
        if (n === undefined) throw new Error(`kernel ${this.k.name}: no value for ${e.name}`);
        return n;
      }
      case 'op':
        return this.call(
          e.op,
          e.args.map((a) => this.inline(a, names)),
        );
      case 'cvt':
        return `fb_cvt_${e.a.type}_${e.type}(${this.inline(e.a, names)})`;
      case 'wrap':
        return `fb_wrap_${TYPES[e.dtype].tag}(${this.inline(e.a, names)})`;
      default:
        throw new Error(`kernel ${this.k.name}: a reduction's step reads memory`);
    }
  }

  // ---- folds ----

  /** into = join(into, from), all states at once. */
  protected assignJoin(
    lines: Lines,
    f: Fold,
    into: ReadonlyMap<string, string>,
    from: ReadonlyMap<string, string>,
  ): void {
    const none = new Set<Axis>();
    const a = f.states.map((s) => lVar(`@${s.name}`, s.type, none));
    const b = f.states.map((s) => lVar(`@${s.name}.b`, s.type, none));
    const names = new Map<string, string>();
    f.states.forEach((s) => {
      names.set(`@${s.name}`, into.get(s.name)!);
      names.set(`@${s.name}.b`, from.get(s.name)!);
    });
    this.assign(
      lines,
      f,
      into,
      f.reduce.join(a, b).map((e) => this.inline(e, names)),
    );
  }
  protected assign(lines: Lines, f: Fold, into: ReadonlyMap<string, string>, values: readonly string[]): void {
    if (values.length === 1) lines.push(`${into.get(f.states[0]!.name)!} = ${values[0]!};`);
    else {
      const temps = values.map((v, i) => `const ${this.typeName(f.states[i]!.type)} s${i} = ${v};`);
      lines.push('{', [...temps, `${f.states.map((s, i) => `${into.get(s.name)!} = s${i}`).join(', ')};`], '}');
    }
  }
  /** New values of a fold's states after one more element. */
  protected combined(f: Fold, own: ReadonlyMap<string, string>, scope: Scope): string[] {
    const names = new Map(f.states.map((st) => [`@${st.name}`, own.get(st.name)!]));
    const states = f.states.map((st) => lVar(`@${st.name}`, st.type, new Set()));
    names.set('@x', this.value(f.elem, scope));
    f.more.forEach((e, k) => names.set(`@x${k}`, this.value(e, scope)));
    names.set('@index', f.index ? this.value(f.index, scope) : '');
    const out = f.reduce.combine(
      states,
      lVar('@x', f.elem.type, new Set()),
      f.index ? lVar('@index', 'i64', new Set()) : lConst(0, 'i64'),
      f.more.map((e, k) => lVar(`@x${k}`, e.type, new Set())),
    );
    return out.map((y) => this.inline(y, names));
  }
}
