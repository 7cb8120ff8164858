// Graph → program: schedule, kernels, source text and metadata. The entry of the loop-level compiler.
import { type Dim, type Graph, type Value } from '../ir/graph.js';
import { contiguousStrides, printDim } from '../ir/dim.js';
import { opInfo } from '../ir/table.js';
import { type Def, type Lowered, type Step, type StepTensor, stepTensors } from '../schedule/defs.js';
import { resetExpressions } from '../schedule/expr.js';
import { group } from '../schedule/group.js';
import { type OpLookup, lower } from '../schedule/lower.js';
import { CUTS } from '../schedule/parts.js';
import { isContiguous } from '../schedule/views.js';
import { TARGETS, buildKernel } from '../loop/build.js';
import { type Kernel } from '../loop/kernel.js';
import { joinParts } from './joins.js';
import { type Event, planMemory, touches } from './memory.js';
import {
  type InputMeta,
  type MetaDim,
  type ProgramMeta,
  type StepInputMeta,
  type StepMeta,
  type TensorMeta,
} from './meta.js';
import { type Schedule, type ScheduleReport, makeSchedule } from './schedule.js';
import { printCppProgram } from './cpp/program.js';
import { printCudaProgram } from './cuda/program.js';

export interface EmitOptions {
  readonly target: 'cpp' | 'cuda';
  /** 1: never hand work to other threads. Default: let the runtime decide. */
  readonly threads?: number;
  /** For the comment at the top. */
  readonly name?: string;
  /** Matrix products up to M*N*K become loops. Default 32768. */
  readonly smallMatmul?: number;
  /** Keep images in blocks of 16 channels between convolutions: for machines whose library computes in such blocks. */
  readonly blocks?: boolean;
  /** Where op declarations come from; the generated table by default. */
  readonly ops?: OpLookup;
}
export interface Program {
  readonly source: string;
  readonly meta: ProgramMeta;
  readonly schedule: Schedule;
  /** The schedule as plain data, with the source of each kernel. */
  readonly report: ScheduleReport;
  /** Milliseconds: until it was decided what the kernels are, and for printing them. */
  readonly times: { readonly schedule: number; readonly emit: number };
}

export function emitProgram(graph: Graph, options: EmitOptions): Program {
  const control = graph.nodes.find((n) => n.bodies !== undefined);
  if (control !== undefined)
    throw new Error(
      `'${control.op}': a graph with branches or loops is no single program (runtime/flow_program.ts makes several)`,
    );
  const start = performance.now();
  resetExpressions();
  const program = lower(graph, options.ops ?? opInfo, options.smallMatmul ?? 32768, CUTS[options.target], {
    blocks: options.blocks ?? false,
    tiles: options.target === 'cpp',
    pools: options.target === 'cpp',
    lines: options.target === 'cpp',
    checkDivisors: options.target === 'cpp',
  });
  const grouping = group(program);
  // What each kernel loads is known once it is built; large results that nobody loads bypass the cache in the second round.
  const loaded = new Set<Def>(program.steps.flatMap((s) => stepTensors(s).map((t) => t.def)));
  const build = (readLater: (d: Def) => boolean): Event[] => {
    let n = 0;
    return grouping.order.map((g): Event =>
      'items' in g
        ? {
            k: 'kernel',
            kernel: buildKernel(g, grouping, `kernel${n++}`, { readLater, ...TARGETS[options.target] }),
          }
        : { k: 'step', step: g },
    );
  };
  for (const e of build(() => true)) for (const d of touches(e).reads) loaded.add(d);
  // Kernels that store nothing: their results are not used, or have no elements.
  const stores = (k: Kernel): boolean =>
    k.stages.some((s) => s.stores.length > 0) && k.rows.every((a) => a.extent !== 0);
  const { events, inside } = joinParts(
    program,
    build((d) => loaded.has(d)).filter((e) => e.k === 'step' || stores(e.kernel)),
  );
  const plan = planMemory(program, grouping, events, inside);
  const schedule = makeSchedule(graph, grouping, events);
  const decided = performance.now();
  const meta = makeMeta(graph, program, plan.arena, events, options.name ?? 'graph');
  const print = options.target === 'cpp' ? printCppProgram : printCudaProgram;
  const { source, kernels } = print(program, plan, events, {
    name: options.name ?? 'graph',
    threads: options.threads ?? 2,
    symbols: graph.symbols.map((s) => s.name),
  });
  const report = schedule.report(kernels);
  return {
    source,
    meta,
    schedule,
    report,
    times: { schedule: decided - start, emit: performance.now() - decided },
  };
}

const metaDim = (d: Dim): MetaDim => (typeof d === 'number' ? d : printDim(d));
const tensorMeta = (t: { dtype: TensorMeta['dtype']; shape: readonly Dim[] }): TensorMeta => ({
  dtype: t.dtype,
  shape: t.shape.map(metaDim),
});
const inputMeta = (v: Value): InputMeta => ({
  ...tensorMeta(v.type),
  strides: contiguousStrides(v.type.shape).map(metaDim),
});

function makeMeta(g: Graph, p: Lowered, arena: Dim, events: readonly Event[], name: string): ProgramMeta {
  const target = (slot: number): { input: number } | { capture: number } =>
    slot < g.inputs.length ? { input: slot } : { capture: slot - g.inputs.length };
  // Shapes are the graph's: a result may be stored by a def of another shape and the same order.
  const results = p.results.map((r, k) =>
    'output' in r ? tensorMeta(g.outputs[k]!.type) : { alias: target(r.input) },
  );
  const fresh = g.gradWrites.flatMap((w) => (w.value === null ? [] : [tensorMeta(w.value.type)]));
  return {
    version: 1,
    inputs: g.inputs.map(inputMeta),
    captures: g.captures.map(inputMeta),
    outputs: [...results, ...fresh],
    writes: p.writes.map((w) => target(w.slot)),
    gradWrites: g.gradWrites.map((w, k) => {
      const slot = [...g.inputs, ...g.captures].indexOf(w.leaf);
      return { ...target(slot), output: p.gradOutputs[k]! };
    }),
    results: p.results.length,
    arena: metaDim(arena),
    live: g.liveScalars.length,
    random: metaDim(p.random),
    symbols: g.symbols.map((s) => locate(g, s.name)),
    steps: p.steps.map(stepMeta),
    name,
    labels: events.map((e) =>
      e.k === 'kernel' ? { name: `${e.kernel.name}: ${e.kernel.title}` } : { name: e.step.op, step: true },
    ),
    ...(p.errors.length > 0 ? { errors: p.errors } : {}),
  };
}

/** What a graph takes and gives, as the meta of a program that computes nothing: for graphs that several programs compute. */
export function faceMeta(g: Graph, name: string): ProgramMeta {
  return {
    version: 1,
    inputs: g.inputs.map(inputMeta),
    captures: g.captures.map(inputMeta),
    outputs: g.outputs.map((v) => tensorMeta(v.type)),
    writes: [],
    gradWrites: [],
    results: g.outputs.length,
    arena: 0,
    live: 0,
    random: 0,
    symbols: g.symbols.map((s) => locate(g, s.name)),
    steps: [],
    name,
    labels: [],
  };
}

/** Where a symbol's value is read: the first input dimension that is exactly it. */
function locate(g: Graph, name: string): { name: string; input: number; dim: number } {
  const list = [...g.inputs, ...g.captures];
  for (let input = 0; input < list.length; input++) {
    const dim = list[input]!.type.shape.findIndex((d) => typeof d !== 'number' && printDim(d) === name);
    if (dim >= 0) return { name, input, dim };
  }
  throw new Error(`no input has the symbolic dimension '${name}' as an extent`);
}

function stepMeta(s: Step): StepMeta {
  // JSON has no infinities: words, as in the trace format.
  const number = (v: unknown): unknown =>
    typeof v !== 'number' || Number.isFinite(v) ? v : Number.isNaN(v) ? 'nan' : v > 0 ? 'inf' : '-inf';
  const tensor = (t: StepTensor): TensorMeta => ({
    ...tensorMeta(t),
    ...(isContiguous(t.shape, t.strides) ? {} : { strides: t.strides.map(metaDim) }),
  });
  const input = (i: Step['inputs'][number]): StepInputMeta => {
    if (i === null) return null;
    if (Array.isArray(i)) return (i as readonly StepTensor[]).map(tensor);
    if ('def' in i) return tensor(i);
    return ('c' in i ? { ...i, c: number(i.c) } : i) as StepInputMeta;
  };
  return {
    op: s.op,
    inputs: s.inputs.map(input),
    attrs: Object.fromEntries(
      Object.entries(s.attrs).map(([k, v]) => [
        k,
        Array.isArray(v) ? v.map((x) => (typeof x === 'object' ? metaDim(x as Dim) : (x as number))) : number(v),
      ]),
    ),
    outputs: s.outputs.map((d) => tensorMeta(d)),
    ...(s.epilogue.length > 0 ? { epilogue: s.epilogue } : {}),
  };
}
