// Shapes at run time: symbolic dimensions become int64 values computed from the model's inputs.
import { addDims, mulDims, productOf, sameDim } from '../ir/dim.js';
import type { Dim, SymDim } from '../ir/graph.js';
import type { OnnxBuilder, Ref } from './builder.js';
import { OnnxExportError } from './types.js';

/** Where the extent of each symbol can be read: an input and one of its axes. */
export type SymbolSources = ReadonlyMap<string, { readonly input: Ref; readonly axis: number }>;

export class Shapes {
  private readonly extents = new Map<string, Ref>();
  constructor(
    private readonly b: OnnxBuilder,
    private readonly sources: SymbolSources,
  ) {}

  /** An int64 vector holding a shape. */
  vector(dims: readonly Dim[]): Ref {
    if (dims.every((d) => typeof d === 'number')) return this.b.int64s(dims as readonly number[]);
    const parts: Ref[] = [];
    let run: number[] = [];
    const flush = (): void => {
      if (run.length > 0) parts.push(this.b.int64s(run));
      run = [];
    };
    for (const d of dims) {
      if (typeof d === 'number') run.push(d);
      else {
        flush();
        parts.push(this.extent(d));
      }
    }
    flush();
    if (parts.length === 1) return parts[0]!;
    return this.b.op('Concat', parts, { dtype: 'int64', shape: [dims.length] }, { axis: 0 });
  }

  /**
   * Reshapes `x`. Sizes that `x` has at the same place are written as 0 (copied) and a remaining dynamic one as -1, so that
   * the model holds no traced batch size.
   */
  reshape(x: Ref, shape: readonly Dim[]): Ref {
    const type = { dtype: x.type.dtype, shape };
    const dynamic = shape.filter((d) => typeof d !== 'number').length;
    if (shape.includes(0) || x.type.shape.includes(0)) return this.emptyReshape(x, shape);
    if (dynamic === 0) return this.b.op('Reshape', [x, this.b.int64s(shape as readonly number[])], type);
    const target = shape.map((d, i) => {
      if (typeof d === 'number') return d;
      return i < x.type.shape.length && sameDim(d, x.type.shape[i]!) ? 0 : -1;
    });
    const simple = target.filter((t) => t === -1).length <= 1;
    return this.b.op('Reshape', [x, simple ? this.b.int64s(target) : this.vector(shape)], type);
  }

  /** A literal 0 would read "copy" without allowzero, which opset 14 has. */
  private emptyReshape(x: Ref, shape: readonly Dim[]): Ref {
    const type = { dtype: x.type.dtype, shape };
    if (this.b.opset >= 14) return this.b.op('Reshape', [x, this.vector(shape)], type, { allowzero: 1 });
    const copies = shape.every((d, i) => d !== 0 || x.type.shape[i] === 0);
    if (!copies) throw new OnnxExportError('reshaping an empty tensor needs opset 14');
    return this.b.op('Reshape', [x, this.vector(shape)], type);
  }

  /** All elements in one dimension. */
  flatten(x: Ref): Ref {
    return this.reshape(x, [productOf(x.type.shape)]);
  }

  /** A size as an int64 scalar. */
  scalar(d: Dim): Ref {
    if (typeof d === 'number') return this.b.scalar(d, 'int64');
    return this.b.op('Squeeze', [this.extent(d), this.b.int64s([0])], { dtype: 'int64', shape: [] });
  }

  readonly plus = (d: Dim, n: number): Dim => addDims(d, n);
  /** d * factor + offset. */
  readonly line = (d: Dim, factor: number, offset: number): Dim => addDims(mulDims(d, factor), offset);

  private extent(dim: SymDim): Ref {
    const scalar = { dtype: 'int64', shape: [1] } as const;
    const terms = dim.terms.map(({ coef, symbols }) => {
      let product: Ref | null = null;
      for (const s of symbols) product = product ? this.b.op('Mul', [product, this.symbol(s)], scalar) : this.symbol(s);
      if (!product) return this.b.int64s([coef]);
      return coef === 1 ? product : this.b.op('Mul', [product, this.b.int64s([coef])], scalar);
    });
    return terms.reduce((a, b) => this.b.op('Add', [a, b], scalar));
  }

  private symbol(name: string): Ref {
    const known = this.extents.get(name);
    if (known) return known;
    const source = this.sources.get(name);
    if (!source) throw new OnnxExportError(`the dynamic extent '${name}' is the size of no input`);
    const ref = this.b.outside(() => this.read(source.input, source.axis));
    this.extents.set(name, ref);
    return ref;
  }

  /** One size of an input, [1]. */
  private read(input: Ref, axis: number): Ref {
    const one = { dtype: 'int64', shape: [1] } as const;
    if (this.b.opset >= 15) return this.b.op('Shape', [input], one, { start: axis, end: axis + 1 });
    const all = this.b.op('Shape', [input], { dtype: 'int64', shape: [input.type.shape.length] });
    return this.b.op('Gather', [all, this.b.int64s([axis])], one, { axis: 0 });
  }
}
