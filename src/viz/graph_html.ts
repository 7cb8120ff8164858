// A graph as one self-contained HTML page, or as a part of a page: drawn by layered.ts as SVG, with a few lines of script for
// moving, zooming, searching and reading attributes. Nothing is fetched; text from outside is only ever text.
import { layered, type Point } from './layered.js';

export type NodeKind = 'op' | 'input' | 'weight' | 'output' | 'library';
export interface DrawnNode {
  /** Unique in the drawing. */
  readonly id: string;
  readonly label: string;
  /** A second, smaller line: a shape, a name. */
  readonly detail?: string;
  readonly kind: NodeKind;
  /** Index into `groups`: nodes of one group have one colour. */
  readonly group?: number;
  /** Shown when the node is clicked, in order. */
  readonly attributes?: readonly (readonly [name: string, text: string])[];
}
export interface DrawnEdge {
  readonly from: string;
  readonly to: string;
  /** Shown when one points at the edge. */
  readonly label?: string;
}
export interface Drawing {
  readonly title: string;
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
  /** Names of the groups, e.g. the kernels that ops were fused into. */
  readonly groups?: readonly string[];
  /** Facts about the whole, shown while no node is selected. */
  readonly attributes?: readonly (readonly [name: string, text: string])[];
}

/** Text for HTML, in elements and in quoted attributes. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
/** JSON for a script element: no text can end the element. */
const jsonForScript = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

const CHAR = { label: 7.4, detail: 6 } as const;
const LONGEST = 48;
const cut = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);
/** Hues a golden angle apart stay distinct however many there are. */
const colour = (group: number): string => `hsl(${Math.round((group * 137.5) % 360)} 65% 82%)`;
const num = (v: number): string => String(Math.round(v * 10) / 10);

/**
 * The drawing as one element, to stand in any page once with `graphStyle` and once, after all drawings, with `graphScript`.
 * A click on a node sends the event `graph-select` with `detail: { id }` from the element.
 * @throws RangeError when an edge names a node that is not there, or two nodes have one id
 */
export function graphElement(drawing: Drawing): string {
  const index = new Map(drawing.nodes.map((n, i) => [n.id, i]));
  if (index.size !== drawing.nodes.length) throw new RangeError(`drawing '${drawing.title}': two nodes have one id`);
  const find = (id: string): number => {
    const i = index.get(id);
    if (i === undefined) throw new RangeError(`drawing '${drawing.title}': an edge names the node '${id}', which is not there`); // prettier-ignore
    return i;
  };
  const texts = drawing.nodes.map((n) => ({ label: cut(n.label), detail: cut(n.detail ?? '') }));
  const boxes = texts.map((t) => ({
    width: Math.max(36, 16 + Math.max(t.label.length * CHAR.label, t.detail.length * CHAR.detail)),
    height: t.detail === '' ? 24 : 38,
  }));
  const layout = layered(
    boxes,
    drawing.edges.map((e) => [find(e.from), find(e.to)]),
  );
  const edges = drawing.edges.map((e, i) => {
    const title = e.label === undefined ? '' : `<title>${escapeHtml(e.label)}</title>`;
    return `<path d="${curve(layout.routes[i]!)}" data-from="${find(e.from)}" data-to="${find(e.to)}">${title}</path>`;
  });
  const nodes = drawing.nodes.map((n, i) => {
    const { width, height } = boxes[i]!;
    const { x, y } = layout.boxes[i]!;
    const { label, detail } = texts[i]!;
    const fill = n.group === undefined ? '' : ` style="fill:${colour(n.group)}"`;
    const lower = detail === '' ? '' : `<text class="detail" y="12">${escapeHtml(detail)}</text>`;
    return (
      `<g class="node ${n.kind}" data-node="${i}" transform="translate(${num(x)} ${num(y)})">` +
      `<rect x="${num(-width / 2)}" y="${num(-height / 2)}" width="${num(width)}" height="${num(height)}" rx="5"${fill}/>` +
      `<text y="${detail === '' ? 4 : -3}">${escapeHtml(label)}</text>${lower}</g>`
    );
  });
  const groups = (drawing.groups ?? []).map(
    (name, i) => `<li><span style="background:${colour(i)}"></span>${escapeHtml(name)}</li>`,
  );
  const facts = {
    title: drawing.title,
    attributes: drawing.attributes ?? [],
    nodes: drawing.nodes.map((n) => ({
      id: n.id,
      label: n.label,
      kind: n.kind,
      attributes: [
        ...(n.detail === undefined ? [] : [['', n.detail]]),
        ...(n.group === undefined ? [] : [['group', drawing.groups?.[n.group] ?? String(n.group)]]),
        ...(n.attributes ?? []),
      ],
    })),
  };
  return `<div class="fb-graph">
<svg role="img" aria-label="${escapeHtml(drawing.title)}" data-width="${num(layout.width)}" data-height="${num(layout.height)}">
<g class="view"><g class="edges">${edges.join('\n')}</g>
${nodes.join('\n')}</g></svg>
<aside><input type="search" placeholder="search" aria-label="search nodes"><button type="button">whole graph</button>
<h2></h2><dl></dl><ul>${groups.join('')}</ul></aside>
<script type="application/json">${jsonForScript(facts)}</script>
</div>`;
}

/** A smooth line through the points, leaving and arriving vertically, so that the arrow's head always points down. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  let d = `M${num(first!.x)} ${num(first!.y)}`;
  let last = first!;
  for (const p of rest) {
    const bend = (p.y - last.y) / 2;
    d += `C${num(last.x)} ${num(last.y + bend)} ${num(p.x)} ${num(p.y - bend)} ${num(p.x)} ${num(p.y)}`;
    last = p;
  }
  return `${d}m-3 -5l3 5l3 -5`;
}

/** Style of graphElement, without its element. */
export const graphStyle = `
.fb-graph { display: flex; height: 100%; min-height: 20rem; font: 13px system-ui, sans-serif; color: #1a1a1a; background: #fff; }
.fb-graph svg { flex: 1; min-width: 0; cursor: grab; background: #fafafa; touch-action: none; }
.fb-graph .edges path { fill: none; stroke: #999; }
.fb-graph .edges path.near { stroke: #c2410c; stroke-width: 2; }
.fb-graph .node { cursor: pointer; }
.fb-graph rect { fill: #e5e7eb; stroke: #6b7280; }
.fb-graph .input rect, .fb-graph .output rect { fill: #bfdbfe; stroke: #1d4ed8; }
.fb-graph .weight rect { fill: #fef9c3; stroke: #a16207; }
.fb-graph .library rect { stroke: #111; stroke-width: 2; }
.fb-graph .selected rect { stroke: #c2410c; stroke-width: 3; }
.fb-graph .found rect { stroke: #16a34a; stroke-width: 3; }
.fb-graph text { text-anchor: middle; font-size: 12px; pointer-events: none; }
.fb-graph text.detail { font-size: 10px; fill: #4b5563; }
.fb-graph aside { width: 22rem; padding: .7rem; overflow: auto; border-left: 1px solid #d1d5db; box-sizing: border-box; }
.fb-graph h2 { font-size: 1rem; overflow-wrap: anywhere; }
.fb-graph dt { color: #6b7280; margin-top: .4rem; }
.fb-graph dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: 12px; }
.fb-graph ul { list-style: none; padding: 0; }
.fb-graph li span { display: inline-block; width: 1em; height: 1em; margin-right: .5em; border: 1px solid #6b7280; }
`;

/** Script for every graphElement of a page, without its element. */
export const graphScript = `
for (const root of document.querySelectorAll('.fb-graph')) {
  const facts = JSON.parse(root.querySelector('script').textContent);
  const svg = root.querySelector('svg'), view = root.querySelector('.view'), search = root.querySelector('input');
  const nodes = [...root.querySelectorAll('.node')], edges = [...root.querySelectorAll('.edges path')];
  let x = 0, y = 0, scale = 1, drag = null;
  const show = () => view.setAttribute('transform', 'translate(' + x + ' ' + y + ') scale(' + scale + ')');
  const fit = () => {
    const { clientWidth: w, clientHeight: h } = svg, gw = +svg.dataset.width, gh = +svg.dataset.height;
    scale = Math.min(1.5, Math.max(0.3, Math.min(w / gw, h / gh)));
    // A graph too large for one view is shown from its first node on.
    const first = gw * scale > w && nodes[0] ? nodes[0].transform.baseVal.getItem(0).matrix.e : gw / 2;
    x = w / 2 - first * scale; y = Math.max(0, (h - gh * scale) / 2);
    show();
  };
  const describe = (title, rows) => {
    root.querySelector('h2').textContent = title;
    root.querySelector('dl').replaceChildren(...rows.flatMap(([name, text]) => {
      const dt = document.createElement('dt'), dd = document.createElement('dd');
      dt.textContent = name; dd.textContent = text;
      return [dt, dd];
    }));
  };
  const select = (i) => {
    nodes.forEach((n, k) => n.classList.toggle('selected', k === i));
    edges.forEach((e) => e.classList.toggle('near', +e.dataset.from === i || +e.dataset.to === i));
    if (i < 0) return describe(facts.title, facts.attributes);
    describe(facts.nodes[i].label, facts.nodes[i].attributes);
    root.dispatchEvent(new CustomEvent('graph-select', { bubbles: true, detail: { id: facts.nodes[i].id } }));
  };
  svg.addEventListener('wheel', (e) => {
    e.preventDefault();
    const f = Math.exp(-e.deltaY / 400), next = Math.min(8, Math.max(0.02, scale * f)), box = svg.getBoundingClientRect();
    const px = e.clientX - box.left, py = e.clientY - box.top;
    x = px - (px - x) * next / scale; y = py - (py - y) * next / scale; scale = next;
    show();
  }, { passive: false });
  svg.addEventListener('pointerdown', (e) => { drag = { x: e.clientX - x, y: e.clientY - y, moved: false, fromX: e.clientX, fromY: e.clientY }; });
  svg.addEventListener('pointermove', (e) => {
    if (!drag) return;
    if (!drag.moved && Math.hypot(e.clientX - drag.fromX, e.clientY - drag.fromY) < 4) return;
    drag.moved = true; x = e.clientX - drag.x; y = e.clientY - drag.y;
    show();
  });
  addEventListener('pointerup', (e) => {
    if (drag && !drag.moved) {
      const node = e.target.closest && e.target.closest('.node');
      select(node ? +node.dataset.node : -1);
    }
    drag = null;
  });
  search.addEventListener('input', () => {
    const word = search.value.toLowerCase();
    const hits = facts.nodes.map((n) => word !== '' && (n.label + ' ' + n.attributes.map((a) => a[1]).join(' ')).toLowerCase().includes(word));
    nodes.forEach((n, k) => n.classList.toggle('found', hits[k]));
    const first = hits.indexOf(true);
    if (first < 0) return;
    const at = nodes[first].transform.baseVal.getItem(0).matrix;
    x = svg.clientWidth / 2 - at.e * scale; y = svg.clientHeight / 2 - at.f * scale;
    show();
  });
  root.querySelector('button').addEventListener('click', fit);
  select(-1);
  fit();
}
`;

/** A whole page for one drawing. Its content policy forbids every request. */
export function graphHtml(drawing: Drawing): string {
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(drawing.title)}</title>
<style>html, body { margin: 0; height: 100%; }${graphStyle}</style></head>
<body>${graphElement(drawing)}
<script>${graphScript}</script></body></html>
`;
}
