// One variant of a compiled function, or one set of shapes of a traced module, as explain() reports it. Graphs before and after passes are
// made when somebody reads them.
import { allNodes } from '../ir/control.js';
import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import type { ProgramInfo } from './backend.js';
import type { GraphReport, ProgramReport } from './explain.js';
import { programPeak } from './memory_report.js';
import { passReports, type PassReport } from './pass_report.js';
import type { Variant } from './variant.js';
import { native } from '../native.js';
import { dtypeName } from '../tensor/dtype.js';
import type { Handle } from '../tensor/handle.js';

/** `text` says which arguments it serves. */
export function graphReport(text: string, v: Variant): GraphReport {
  const { made } = v;
  return describeGraph(text, {
    state: stateOf(v, made || v.info.length > 0),
    ops: v.graph === null ? v.recording.trace.nodes.length : countOps(v.graph),
    guards: guardsOf(text, v),
    runs: v.runs,
    error: v.error,
    source: () => v.sourceGraph(),
    optimised: v.graph !== null,
    eagerBytes: v.eagerBytes,
    programs: v.programs,
    infos: v.info,
  });
}

/** Ops of a graph and of the bodies in it. */
export const countOps = (g: Graph): number => [...allNodes(g)].length;

/** What a report is made of. */
export interface Described {
  readonly state: GraphReport['state'];
  readonly ops: number;
  readonly guards: readonly string[];
  readonly runs: number;
  readonly error: Error | null;
  /** The graph before the passes. */
  readonly source: () => Graph;
  /** The passes have run. */
  readonly optimised: boolean;
  readonly eagerBytes: number | null;
  readonly programs: readonly { readonly name: string; readonly graph: Graph }[];
  /** One for each program. */
  readonly infos: readonly ProgramInfo[];
}

export function describeGraph(text: string, d: Described): GraphReport {
  const { infos } = d;
  let passes: readonly PassReport[] | null = null;
  return {
    signature: text,
    state: d.state,
    ops: d.ops,
    kernels: infos.reduce((n, p) => n + p.kernels, 0),
    libraryCalls: infos.reduce((n, p) => n + p.steps, 0),
    guards: d.guards,
    milliseconds: totalTimes(infos),
    memory:
      d.eagerBytes !== null && infos.length > 0 && infos.every((p) => p.bytes !== null)
        ? { compiled: programPeak(infos.map((p) => p.bytes!)), eager: d.eagerBytes }
        : null,
    cacheHit: infos.length > 0 && infos.every((p) => p.cached),
    runs: d.runs,
    schedule: infos.map((p) => p.schedule).join('\n'),
    get recorded() {
      return printGraph(d.source());
    },
    get passes() {
      return (passes ??= d.optimised ? passReports(d.source()) : []);
    },
    programs: infos.flatMap((info, k): ProgramReport[] => {
      // Branches and loops: a program for each stretch, called by the place where it stands.
      const parts = info.stretches ?? [{ ...d.programs[k]!, info }];
      return parts.flatMap(({ name, graph, info: { report, source, kernelTimes } }) =>
        report === null ? [] : [{ ...report, name, graph, source, kernelTimes }],
      );
    }),
    ...(d.error === null ? {} : { error: d.error.message }),
  };
}

function stateOf(v: Variant, started: boolean): GraphReport['state'] {
  if (v.error !== null) return 'failed';
  if (v.runs > 0) return 'compiled';
  if (v.runnable) return 'ready';
  return started ? 'building' : 'recorded';
}

/** What holds in every call that the program serves. */
function guardsOf(text: string, v: Variant): string[] {
  const { recording } = v;
  const modes = recording.modules.map((m) => m.training);
  const reads = recording.trace.gradReads?.length ?? 0;
  return [
    `arguments: ${text}`,
    `gradients ${recording.gradEnabled ? 'enabled' : 'disabled'}`,
    ...(v.sharingMatters ? ['arguments share memory exactly as recorded'] : []),
    ...(modes.length > 0
      ? [`${modes.length} modules in ${modes.every((m) => m) ? 'train' : modes.some((m) => m) ? 'mixed' : 'eval'} mode`]
      : []),
    ...(recording.captures.length > 0
      ? [`${recording.captures.length} captured tensors as they were: ${listed(v.captureNames(), recording.captures)}`]
      : []),
    ...(reads > 0 ? [`gradients of ${reads} tensors at the start`] : []),
  ];
}

const LISTED = 8;
function listed(names: readonly (string | undefined)[], captures: readonly Handle[]): string {
  const texts = captures
    .slice(0, LISTED)
    .map((h, i) => `${names[i] ?? 'constant'} ${dtypeName(native.dtype(h))}[${native.shape(h).join(', ')}]`);
  return texts.join(', ') + (captures.length > LISTED ? ', ...' : '');
}

/** Sums of the stages of a program's parts; what happens once for all of them counts once. */
function totalTimes(parts: readonly ProgramInfo[]): Record<string, number> {
  const out: Record<string, number> = {};
  const shared = new Set(['record', 'graph', 'passes']);
  parts.forEach((p, i) => {
    for (const [k, v] of Object.entries(p.times)) if (i === 0 || !shared.has(k)) out[k] = (out[k] ?? 0) + v;
  });
  return out;
}
