// legacy.nn: containers, and layers that join tables.
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/handle.js';
import { cat } from '../../generated/ts/functions.js';
import { addTables, Container, Layer, single, table, type Module, type Table } from './module.js';

/** One module after another. */
export class Sequential extends Container {
  override updateOutput(input: Table): Table {
    this.output = this.modules.reduce((x, m) => m.updateOutput(x), input);
    return this.output;
  }
  /** Input of module i: the output of the one before. */
  #input(i: number, input: Table): Table {
    return i === 0 ? input : this.modules[i - 1]!.output!;
  }
  #back(input: Table, gradOutput: Table, step: (m: Module, x: Table, g: Table) => void): Table {
    let g = gradOutput;
    for (let i = this.modules.length - 1; i >= 0; i--) {
      step(this.modules[i]!, this.#input(i, input), g);
      g = this.modules[i]!.gradInput!;
    }
    return g;
  }
  override updateGradInput(input: Table, gradOutput: Table): Table {
    this.gradInput = this.#back(input, gradOutput, (m, x, g) => m.updateGradInput(x, g));
    return this.gradInput;
  }
  override accGradParameters(input: Table, gradOutput: Table, scale = 1): void {
    this.#back(input, gradOutput, (m, x, g) => m.accGradParameters(x, g, scale));
  }
  override backward(input: Table, gradOutput: Table, scale = 1): Table {
    this.gradInput = this.#back(input, gradOutput, (m, x, g) => m.backward(x, g, scale));
    return this.gradInput;
  }
}

/** The same input for all modules; outputs in a table. */
export class ConcatTable extends Container {
  override updateOutput(input: Table): Table {
    this.output = this.modules.map((m) => m.updateOutput(input));
    return this.output;
  }
  override updateGradInput(input: Table, gradOutput: Table): Table {
    const grads = this.modules.map((m, i) => m.updateGradInput(input, table(gradOutput)[i]!));
    if (grads.length === 0) throw new ValueError('ConcatTable: there are no modules');
    this.gradInput = grads.reduce(addTables);
    return this.gradInput;
  }
  override accGradParameters(input: Table, gradOutput: Table, scale = 1): void {
    this.modules.forEach((m, i) => m.accGradParameters(input, table(gradOutput)[i]!, scale));
  }
}
/** The same input for all modules; outputs joined along a dimension. */
export class Concat extends Container {
  readonly dimension: number;
  constructor(dimension: number, ...modules: Module[]) {
    super(...modules);
    this.dimension = dimension;
  }
  override updateOutput(input: Table): Table {
    this.output = cat(
      this.modules.map((m) => single(m.updateOutput(input))),
      this.dimension,
    );
    return this.output;
  }
  /** The part of the gradient that belongs to each module. */
  #parts(gradOutput: Table): Tensor[] {
    let at = 0;
    return this.modules.map((m) => {
      const n = single(m.output!).size(this.dimension);
      const part = single(gradOutput).narrow(this.dimension, at, n);
      at += n;
      return part;
    });
  }
  override updateGradInput(input: Table, gradOutput: Table): Table {
    const parts = this.#parts(gradOutput);
    if (parts.length === 0) throw new ValueError('Concat: there are no modules');
    this.gradInput = this.modules.map((m, i) => m.updateGradInput(input, parts[i]!)).reduce(addTables);
    return this.gradInput;
  }
  override accGradParameters(input: Table, gradOutput: Table, scale = 1): void {
    const parts = this.#parts(gradOutput);
    this.modules.forEach((m, i) => m.accGradParameters(input, parts[i]!, scale));
  }
}
/** The i-th input for the i-th module. */
export class ParallelTable extends Container {
  override updateOutput(input: Table): Table {
    this.output = this.modules.map((m, i) => m.updateOutput(table(input)[i]!));
    return this.output;
  }
  override updateGradInput(input: Table, gradOutput: Table): Table {
    this.gradInput = this.modules.map((m, i) => m.updateGradInput(table(input)[i]!, table(gradOutput)[i]!));
    return this.gradInput;
  }
  override accGradParameters(input: Table, gradOutput: Table, scale = 1): void {
    this.modules.forEach((m, i) => m.accGradParameters(table(input)[i]!, table(gradOutput)[i]!, scale));
  }
}

/** Joins a table along a dimension. */
export class JoinTable extends Layer {
  readonly dimension: number;
  constructor(dimension: number) {
    super();
    this.dimension = dimension;
  }
  protected compute(input: Table): Table {
    return cat(table(input).map(single), this.dimension);
  }
}
/** Sum of a table. */
export class CAddTable extends Layer {
  protected compute(input: Table): Table {
    return table(input)
      .map(single)
      .reduce((a, b) => a.add(b));
  }
}
/** Product of a table. */
export class CMulTable extends Layer {
  protected compute(input: Table): Table {
    return table(input)
      .map(single)
      .reduce((a, b) => a.mul(b));
  }
}
