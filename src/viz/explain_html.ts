// A report on compiled functions as one self-contained page: for each program its graph, coloured by kernel, beside the loop nest and the
// source of the kernel that one clicks; before it what was recorded, what the passes did, guards, times and memory. Nothing is fetched;
// names and sources from outside are only ever text.
import type { GraphReport, ProgramReport } from '../runtime/explain.js';
import type { Explanation } from '../runtime/explain.js';
import { escapeHtml, graphElement, graphScript, graphStyle } from './graph_html.js';
import { drawingOfGraph } from './ir_drawing.js';

/** How parts and figures are put into words; the command's text uses the same. */
export interface ExplainTexts {
  /** 'reads 10 kB, ...' of part `k`. */
  readonly cost: (p: ProgramReport, k: number) => string;
  readonly bytes: (n: number) => string;
  /** What the machine reaches; empty where it is not known. */
  readonly limits: string;
}

/** The page. */
export function explainHtml(title: string, functions: readonly Explanation[], texts: ExplainTexts): string {
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${graphStyle}${STYLE}</style></head>
<body><h1>${escapeHtml(title)}</h1>
${texts.limits === '' ? '' : `<p>This machine: ${escapeHtml(texts.limits)}.</p>`}
${functions.map((f) => functionSection(f, texts)).join('\n')}
<script>${graphScript}${SCRIPT}</script></body></html>
`;
}

function functionSection(f: Explanation, texts: ExplainTexts): string {
  const { compiled, eager } = f.calls;
  return `<section><h2>${escapeHtml(f.name)}</h2>
<p>${compiled} compiled and ${eager} eager calls, ${f.graphs.length} graph${f.graphs.length === 1 ? '' : 's'}</p>
${list('Stays eager', f.reasons)}${list('Recorded again', f.recompiles)}
${f.graphs.map((g) => graphSection(g, texts)).join('\n')}</section>`;
}

function graphSection(g: GraphReport, texts: ExplainTexts): string {
  const times = Object.entries(g.milliseconds).map(([k, v]) => [k, v.toFixed(1)] as const);
  const total = Object.values(g.milliseconds).reduce((a, b) => a + b, 0);
  return `<article><h3>${escapeHtml(`(${g.signature})`)} <small>${g.state}, ${g.ops} ops, ${g.kernels} kernels, ${g.libraryCalls} library calls, ${g.runs} runs</small></h3>
${g.error === undefined ? '' : `<p class="error">${escapeHtml(g.error)}</p>`}
<table><tr><th>stage</th>${times.map(([k]) => `<th>${escapeHtml(k)}</th>`).join('')}<th>sum</th></tr>
<tr><td>milliseconds</td>${times.map(([, v]) => `<td>${v}</td>`).join('')}<td>${total.toFixed(1)}</td></tr></table>
${g.memory === null ? '' : `<p>Memory at its fullest: ${texts.bytes(g.memory.compiled)}; eager code ${texts.bytes(g.memory.eager)}.</p>`}
${list('Guards', g.guards)}
${passesOf(g)}
${g.programs.map((p) => programSection(p, g.programs.length > 1, texts)).join('\n')}</article>`;
}

const list = (title: string, items: readonly string[]): string =>
  items.length === 0
    ? ''
    : `<details><summary>${title} (${items.length})</summary><ul>${items.map((x) => `<li>${escapeHtml(x)}</li>`).join('')}</ul></details>`;

/** The graph as it was recorded, and a difference for each pass. */
function passesOf(g: GraphReport): string {
  const passes = g.passes.map((p) => {
    const lines = [
      ...p.removed.map((l) => `<del>- ${escapeHtml(l)}</del>`),
      ...p.added.map((l) => `<ins>+ ${escapeHtml(l)}</ins>`),
    ];
    return `<details><summary>${escapeHtml(p.pass)}${p.place === '' ? '' : ` in ${escapeHtml(p.place)}`}: ${p.opsBefore} → ${p.opsAfter} ops</summary>
<pre>${lines.join('\n')}</pre><details><summary>the graph after it</summary><pre>${escapeHtml(p.graph)}</pre></details></details>`;
  });
  return `<details><summary>Passes (${g.passes.length})</summary>
<details><summary>the graph as recorded</summary><pre>${escapeHtml(g.recorded)}</pre></details>
${passes.join('\n')}</details>`;
}

/** Graph and kernels side by side. */
function programSection(p: ProgramReport, named: boolean, texts: ExplainTexts): string {
  const names = p.parts.map((part) => `${part.name}: ${part.title}`);
  const partsOf = new Map<number, number[]>();
  p.parts.forEach((part, k) => part.nodes.forEach((n) => partsOf.set(n, [...(partsOf.get(n) ?? []), k])));
  const index = new Map(p.graph.nodes.map((n, i) => [n, i]));
  const homes = (n: (typeof p.graph.nodes)[number]): readonly number[] => partsOf.get(index.get(n)!) ?? [];
  const drawing = drawingOfGraph(p.graph, p.name, {
    groups: names,
    group: (n) => homes(n)[0],
    library: (n) => homes(n).some((k) => p.parts[k]!.kind === 'library'),
    facts: (n) => {
      const parts = homes(n);
      const elsewhere = parts.length > 1 ? [['also computed in', parts.slice(1).map((k) => names[k]!).join('\n')] as const] : []; // prettier-ignore
      const apart = p.apart.filter((a) => parts.includes(a.to)).map((a) => apartOf(p, a));
      return [
        ...(parts.length === 0 ? [['kernel', 'none: index arithmetic of what reads it'] as const] : elsewhere),
        ...(apart.length === 0 ? [] : [['not fused', apart.join('\n')] as const]),
      ];
    },
  });
  const panels = p.parts.map((part, k) => {
    const apart = p.apart.filter((a) => a.from === k || a.to === k).map((a) => apartOf(p, a));
    const why = part.reason === null ? '' : `<p>library call: ${escapeHtml(part.reason)}</p>`;
    return `<div class="part" data-part="${k}" data-nodes="${part.nodes.map((n) => `n${n}`).join(' ')}" hidden>
<h4>${escapeHtml(names[k]!)}</h4><p>${escapeHtml(texts.cost(p, k))}</p>${why}
<pre>${escapeHtml(part.loops)}</pre>${part.source === '' ? '' : `<pre class="source">${escapeHtml(part.source)}</pre>`}
${list('Not fused', apart)}</div>`;
  });
  const rows = p.parts.map(
    (part, k) =>
      `<tr data-show="${k}"><td><button type="button">${escapeHtml(names[k]!)}</button></td><td>${escapeHtml(texts.cost(p, k))}</td><td>${part.nodes.length} ops</td></tr>`,
  );
  return `<div class="program">${named ? `<h4>${escapeHtml(p.name)}</h4>` : ''}
<table>${rows.join('')}</table>
<div class="side">${graphElement(drawing)}<div class="parts"><p class="hint">Choose a kernel, or an op of the graph.</p>${panels.join('\n')}</div></div>
<details><summary>the whole source</summary><pre class="source">${escapeHtml(p.source)}</pre></details></div>`;
}

const apartOf = (p: ProgramReport, a: ProgramReport['apart'][number]): string =>
  `${a.consumer} (${p.parts[a.to]!.name}) into ${a.producer} (${p.parts[a.from]!.name}): ${a.reason}`;

const STYLE = `
body { font: 14px system-ui, sans-serif; color: #1a1a1a; margin: 1rem; }
section { border-top: 2px solid #6b7280; }
article { border-top: 1px solid #d1d5db; padding-left: 1rem; }
table { border-collapse: collapse; }
td, th { border: 1px solid #d1d5db; padding: .15rem .5rem; text-align: left; }
pre { overflow: auto; background: #f6f8fa; padding: .5rem; font-size: 12px; }
pre.source { max-height: 30rem; }
del { color: #b91c1c; text-decoration: none; }
ins { color: #15803d; text-decoration: none; }
.error { color: #b91c1c; }
.side { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); height: 44rem; border: 1px solid #d1d5db; margin: .5rem 0; }
.side .parts { overflow: auto; padding: 0 .7rem; border-left: 1px solid #d1d5db; }
.side .fb-graph aside { width: 14rem; }
.fb-graph .part-of rect { stroke: #c2410c; stroke-width: 2; }
tr.chosen td { background: #ffedd5; }
`;

const SCRIPT = `
for (const root of document.querySelectorAll('.program')) {
  const panels = [...root.querySelectorAll('.part')], rows = [...root.querySelectorAll('tr[data-show]')];
  const graph = root.querySelector('.fb-graph'), nodes = [...graph.querySelectorAll('.node')];
  const facts = JSON.parse(graph.querySelector('script').textContent);
  const show = (k) => {
    root.querySelector('.hint').hidden = k >= 0;
    panels.forEach((p, i) => { p.hidden = i !== k; });
    rows.forEach((r, i) => r.classList.toggle('chosen', i === k));
    const of = k < 0 ? [] : panels[k].dataset.nodes.split(' ');
    nodes.forEach((n, i) => n.classList.toggle('part-of', of.includes(facts.nodes[i].id)));
  };
  rows.forEach((r, k) => r.addEventListener('click', () => show(k)));
  let last = -1;
  graph.addEventListener('graph-select', (e) => {
    const homes = panels.flatMap((p, k) => p.dataset.nodes.split(' ').includes(e.detail.id) ? [k] : []);
    // An op of several kernels: each click shows the next one.
    last = homes.length === 0 ? -1 : homes[(homes.indexOf(last) + 1) % homes.length];
    show(last);
  });
}
`;
