// One variant of a compiled function as explain() reports it. Graphs before and after passes are made when somebody reads them.
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
  const infos = v.info;
  let passes: readonly PassReport[] | null = null;
  return {
    signature: text,
    state: stateOf(v, made || infos.length > 0),
    ops: v.graph?.nodes.length ?? v.recording.trace.nodes.length,
    kernels: infos.reduce((n, p) => n + p.kernels, 0),
    libraryCalls: infos.reduce((n, p) => n + p.steps, 0),
    guards: guardsOf(text, v),
    milliseconds: totalTimes(infos),
    memory:
      v.eagerBytes !== null && infos.length > 0 && infos.every((p) => p.bytes !== null)
        ? { compiled: programPeak(infos.map((p) => p.bytes!)), eager: v.eagerBytes }
        : null,
    cacheHit: infos.length > 0 && infos.every((p) => p.cached),
    runs: v.runs,
    schedule: infos.map((p) => p.schedule).join('\n'),
    get recorded() {
      return printGraph(v.sourceGraph());
    },
    get passes() {
      return (passes ??= v.graph === null ? [] : passReports(v.sourceGraph()));
    },
    programs: infos.flatMap((info, k): ProgramReport[] => {
      const { name, graph } = v.programs[k]!;
      const { report, source, kernelTimes } = info;
      return report === null ? [] : [{ ...report, name, graph, source, kernelTimes }];
    }),
    ...(v.error === null ? {} : { error: v.error.message }),
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
