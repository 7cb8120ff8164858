// summary(model, inputShape): a table of the layers with their outputs' shapes, parameters and multiply-adds, as torchinfo prints.
import { inspect } from 'node:util';
import { noGrad } from '../autograd/modes.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { randn } from '../tensor/create.js';
import type { Module } from '../nn/module.js';

export interface SummaryRow {
  /** Dotted path; '' for the model. */
  readonly path: string;
  readonly type: string;
  readonly depth: number;
  /** Shape of the output, or null where it is no tensor or the layer did not run. */
  readonly outputShape: readonly number[] | null;
  /** Parameters of the layer itself, without those below it. */
  readonly parameters: number;
  readonly trainable: number;
  readonly multAdds: number;
}
export interface SummaryOptions {
  /** Levels of layers that print (default 3). */
  depth?: number;
  /** Arguments of the call, in place of random input. */
  inputData?: readonly unknown[] | null;
}
const thousands = (n: number): string => n.toLocaleString('en-US');
const shapeOf = (x: unknown): readonly number[] | null => {
  if (isTensor(x)) return [...x.shape];
  if (Array.isArray(x)) return shapeOf(x[0]);
  return null;
};

/** What summary found; it prints as a table. */
export class ModelSummary {
  readonly rows: readonly SummaryRow[];
  readonly totalParameters: number;
  readonly trainableParameters: number;
  readonly totalMultAdds: number;
  readonly depth: number;
  constructor(rows: readonly SummaryRow[], totals: readonly [number, number], depth: number) {
    this.rows = rows;
    [this.totalParameters, this.trainableParameters] = totals;
    this.totalMultAdds = rows.reduce((n, r) => n + r.multAdds, 0);
    this.depth = depth;
  }
  toString(): string {
    const counts = new Map<number, number>();
    const shown = this.rows.filter((r) => r.depth <= this.depth);
    const cells = shown.map((r) => {
      const index = (counts.get(r.depth) ?? 0) + 1;
      counts.set(r.depth, index);
      const indent = r.depth === 0 ? '' : `${'│    '.repeat(r.depth - 1)}├─`;
      const name = r.depth === 0 ? r.type : `${indent}${r.type}: ${r.depth}-${index}`;
      // What is below the last level that prints counts here.
      const below = r.depth < this.depth ? [r] : this.rows.filter((s) => s === r || s.path.startsWith(`${r.path}.`));
      const sum = (of: (s: SummaryRow) => number): string => {
        const n = below.reduce((a, s) => a + of(s), 0);
        return n === 0 ? '--' : thousands(n);
      };
      const shape = r.outputShape === null ? '--' : `[${r.outputShape.join(', ')}]`;
      return [name, shape, sum((s) => s.parameters), sum((s) => s.multAdds)] as const;
    });
    const head = ['Layer (type:depth-idx)', 'Output Shape', 'Param #', 'Mult-Adds'] as const;
    const widths = head.map((h, i) => Math.max(h.length, ...cells.map((c) => c[i]!.length)) + 2);
    const line = (c: readonly string[]): string => c.map((s, i) => s.padEnd(widths[i]!)).join('').trimEnd(); // prettier-ignore
    const rule = '='.repeat(widths.reduce((a, b) => a + b, 0));
    const fixed = this.totalParameters - this.trainableParameters;
    return [
      rule,
      line(head),
      rule,
      ...cells.map(line),
      rule,
      `Total params: ${thousands(this.totalParameters)}`,
      `Trainable params: ${thousands(this.trainableParameters)}`,
      `Non-trainable params: ${thousands(fixed)}`,
      `Total mult-adds: ${thousands(this.totalMultAdds)}`,
      rule,
    ].join('\n');
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

/**
 * Runs the model once on random input of this shape (or on `inputData`) and tells what each layer did. Mode, gradients and
 * buffers' training state of the model stay as they are: it runs in evaluation mode, without gradients.
 * @example console.log(fb.summary(net, [1, 1, 28, 28]))
 */
export function summary(
  model: Module,
  inputShape: readonly number[] | readonly (readonly number[])[] | null = null,
  options: SummaryOptions = {},
): ModelSummary {
  const { depth = 3, inputData = null } = options;
  if (inputShape === null && inputData === null)
    throw new ValueError('summary(): an input shape or inputData is needed');
  const inputs =
    inputData ??
    (typeof inputShape![0] === 'number' || inputShape!.length === 0 ? [inputShape as readonly number[]] : (inputShape as readonly (readonly number[])[])).map((s) => randn(s)); // prettier-ignore
  const outputs = new Map<Module, { shape: readonly number[] | null; multAdds: number }>();
  const modules = model.namedModules();
  const own = (m: Module): { parameters: number; trainable: number } => {
    const list = m.parameters(false);
    const count = (of: typeof list): number => of.reduce((n, p) => n + p.numel(), 0);
    return { parameters: count(list), trainable: count(list.filter((p) => p.requiresGrad)) };
  };
  const hooks = modules.map(([, m]) =>
    m.registerForwardHook((_m, _inputs, output) => {
      const shape = shapeOf(output);
      const { parameters } = own(m);
      const before = outputs.get(m)?.multAdds ?? 0;
      outputs.set(m, { shape, multAdds: before + multAdds(m, shape, parameters) });
    }),
  );
  const modes = modules.map(([, m]) => m.training);
  try {
    model.eval();
    noGrad(() => (model as unknown as (...xs: unknown[]) => Tensor)(...inputs));
  } finally {
    for (const h of hooks) h.remove();
    modules.forEach(([, m], i) => (m.training = modes[i]!));
  }
  const rows = modules.map(([path, m]): SummaryRow => {
    const seen = outputs.get(m);
    return {
      path,
      type: m.constructor.name,
      depth: path === '' ? 0 : path.split('.').length,
      outputShape: seen?.shape ?? null,
      ...own(m),
      multAdds: seen?.multAdds ?? 0,
    };
  });
  const all = model.parameters();
  const total = all.reduce((n, p) => n + p.numel(), 0);
  const trainable = all.filter((p) => p.requiresGrad).reduce((n, p) => n + p.numel(), 0);
  return new ModelSummary(rows, [total, trainable], depth);
}
/** As torchinfo counts: parameters times the places where they are used. */
function multAdds(m: Module, output: readonly number[] | null, parameters: number): number {
  if (output === null || parameters === 0) return 0;
  const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
  const conv = /Conv/.test(m.constructor.name);
  return parameters * (conv ? product([output[0] ?? 1, ...output.slice(2)]) : (output[0] ?? 1));
}
