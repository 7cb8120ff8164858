// The decisions behind a program, for people: kernels with their loops, library steps, and why neighbours were not fused.
import { type Step, stepTensors } from '../schedule/defs.js';
import { type Refusal } from '../schedule/group.js';
import { type Kernel, describeKernel } from '../loop/kernel.js';
import { printDim } from '../ir/dim.js';
import { type Event } from './memory.js';

export interface Schedule {
  readonly kernels: readonly Kernel[];
  readonly steps: readonly Step[];
  readonly refusals: readonly Refusal[];
  toString(): string;
}

export function makeSchedule(events: readonly Event[], refusals: readonly Refusal[]): Schedule {
  const kernels = events.flatMap((e) => (e.k === 'kernel' ? [e.kernel] : []));
  const steps = events.flatMap((e) => (e.k === 'step' ? [e.step] : []));
  const unique = [...new Map(refusals.map((r) => [`${r.what}|${r.into}|${r.reason}`, r])).values()];
  return {
    kernels,
    steps,
    refusals: unique,
    toString: () =>
      [
        ...events.map((e) => {
          if (e.k === 'kernel') return describeKernel(e.kernel);
          const s = e.step;
          const shapes = stepTensors(s).map((t) => `${t.def.name}[${t.shape.map(printDim).join(', ')}]`);
          const tail = s.epilogue.length > 0 ? ` + ${s.epilogue.map((x) => x.op).join(' + ')}` : '';
          return `step ${s.id}: ${s.op}(${shapes.join(', ')})${tail}  library call: ${s.reason}`;
        }),
        ...unique.map((r) => `not fused: ${r.what} into ${r.into}: ${r.reason}`),
      ].join('\n') + '\n',
  };
}
