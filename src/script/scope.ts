// Variables. Blocks of control flow are evaluated once for each way through them, so values can be put back as they were.
import type * as TsMorph from 'ts-morph';

export interface Cell {
  value: unknown;
  readonly constant: boolean;
}

/** A function of the script's own: one that is written in it, or one that was given. */
export class Inlined {
  constructor(
    readonly node: TsMorph.ArrowFunction | TsMorph.FunctionExpression | TsMorph.FunctionDeclaration,
    readonly scope: Scope,
    readonly self: unknown,
    readonly globals: Readonly<Record<string, unknown>>,
  ) {}
}

export class Scope {
  private readonly cells = new Map<string, Cell>();
  constructor(readonly parent: Scope | null) {}

  declare(name: string, value: unknown, constant = false): void {
    this.cells.set(name, { value, constant });
  }
  find(name: string): Cell | undefined {
    return this.cells.get(name) ?? this.parent?.find(name);
  }
  /** Everything that can be seen from here, and what functions seen from here can write, to be put back. */
  save(): () => void {
    const saved: [Cell, unknown][] = [];
    const scopes = new Set<Scope>([this]);
    // Sets are walked with what is added meanwhile.
    for (const s of scopes) {
      if (s.parent !== null) scopes.add(s.parent);
      for (const c of s.cells.values()) {
        saved.push([c, Array.isArray(c.value) ? [...(c.value as unknown[])] : c.value]);
        functionsIn(c.value).forEach((f) => scopes.add(f.scope));
      }
    }
    return () => saved.forEach(([c, v]) => (c.value = v));
  }
}

/** Objects that the script made: their fields may be written. */
const made = new WeakSet<object>();
export function make<T extends object>(o: T): T {
  made.add(o);
  return o;
}
export const isMade = (o: object): boolean => made.has(o);

const isPlain = (x: object): boolean => Array.isArray(x) || Object.getPrototypeOf(x) === Object.prototype;
/** The script's functions in a variable: itself, or in an array or object. */
export function functionsIn(x: unknown): Inlined[] {
  if (x instanceof Inlined) return [x];
  if (typeof x !== 'object' || x === null || !isPlain(x)) return [];
  return Object.values(x).filter((v): v is Inlined => v instanceof Inlined);
}
