// Variables. Blocks of control flow are evaluated once for each way through them, so values can be put back as they were.
export interface Cell {
  value: unknown;
  readonly constant: boolean;
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
  /** Everything that can be seen from here, to be put back. */
  save(): () => void {
    const saved: [Cell, unknown][] = [];
    for (let s: Scope | null = this; s !== null; s = s.parent)
      for (const c of s.cells.values()) saved.push([c, Array.isArray(c.value) ? [...(c.value as unknown[])] : c.value]);
    return () => saved.forEach(([c, v]) => (c.value = v));
  }
}
