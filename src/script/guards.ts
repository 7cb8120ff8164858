// What a graph took for granted: the fields that were read while it was made, the settings and tensors of the layers in it. Checked before each run; where something changed, the graph is made anew.
import { Module } from '../nn/module.js';
import { isTensor } from '../tensor/handle.js';

type Fields = Readonly<Record<string, unknown>>;

export class Guards {
  private readonly reads = new Map<object, Map<string, unknown>>();
  private readonly outside = new WeakSet<object>();

  /** A field was read. Arrays count with their elements, tensors with their memory. */
  read(o: object, name: string, value: unknown): void {
    let fields = this.reads.get(o);
    if (fields === undefined) this.reads.set(o, (fields = new Map<string, unknown>()));
    if (fields.has(name)) return;
    fields.set(name, value);
    if (typeof value === 'object' && value !== null) this.outside.add(value);
    // A tensor's handle is another one once its data were replaced (`.data = `, `module.double()`).
    if (isTensor(value)) this.read(value, '_h', value._h);
    if (!Array.isArray(value)) return;
    this.read(value, 'length', value.length);
    value.forEach((x: unknown, i) => this.read(value, String(i), x));
  }

  /** An object or array that was there before the script. */
  isOutside(o: object): boolean {
    return this.outside.has(o);
  }

  /** A layer of the library was recorded: with its settings, its tensors and the layers in it. */
  layer(layer: Module): void {
    for (const m of layer.modules()) {
      this.read(m, 'training', m.training);
      for (const [name, value] of Object.entries(m) as [string, unknown][]) {
        const setting = typeof value !== 'object' && typeof value !== 'function';
        if (setting || isTensor(value) || value instanceof Module || Array.isArray(value)) this.read(m, name, value);
      }
    }
  }

  /** False once something is no longer as it was. */
  hold(): boolean {
    for (const [o, fields] of this.reads)
      for (const [name, value] of fields) if (!Object.is((o as Fields)[name], value)) return false;
    return true;
  }
}
