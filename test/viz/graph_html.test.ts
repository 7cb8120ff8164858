// Drawings of graphs: the layout's properties on random graphs, pages that hold hostile text as text only, drawings of the IR.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { graphHtml, graphScript, type Drawing } from '../../src/viz/graph_html.js';
import { drawingOfGraph } from '../../src/viz/ir_drawing.js';
import { layered } from '../../src/viz/layered.js';

const box = { width: 60, height: 20 };

describe('layered', () => {
  const graphs = fc.integer({ min: 1, max: 30 }).chain((n) =>
    fc.record({
      boxes: fc.array(fc.record({ width: fc.integer({ min: 10, max: 200 }), height: fc.integer({ min: 10, max: 40 }) }), { minLength: n, maxLength: n }), // prettier-ignore
      edges: fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { maxLength: 3 * n }),
    }),
  );
  test('boxes never overlap and stay inside the picture, edges of a graph without cycles lead downwards', () => {
    fc.assert(
      fc.property(graphs, ({ boxes, edges }) => {
        const forward = edges.filter(([a, b]) => a < b);
        const { boxes: at, routes, width, height } = layered(boxes, forward);
        boxes.forEach((p, i) => {
          expect(at[i]!.x - p.width / 2).toBeGreaterThanOrEqual(-1e-6);
          expect(at[i]!.x + p.width / 2).toBeLessThanOrEqual(width + 1e-6);
          expect(at[i]!.y + p.height / 2).toBeLessThanOrEqual(height + 1e-6);
          for (let j = 0; j < i; j++) {
            const apartX = Math.abs(at[i]!.x - at[j]!.x) - (p.width + boxes[j]!.width) / 2;
            const apartY = Math.abs(at[i]!.y - at[j]!.y) - (p.height + boxes[j]!.height) / 2;
            expect(Math.max(apartX, apartY)).toBeGreaterThan(-1e-6);
          }
        });
        forward.forEach(([a, b], k) => {
          expect(routes[k]![0]).toEqual({ x: at[a]!.x, y: at[a]!.y + boxes[a]!.height / 2 });
          expect(routes[k]!.at(-1)).toEqual({ x: at[b]!.x, y: at[b]!.y - boxes[b]!.height / 2 });
          for (let i = 1; i < routes[k]!.length; i++) expect(routes[k]![i]!.y).toBeGreaterThan(routes[k]![i - 1]!.y);
        });
      }),
      { numRuns: 200, seed: 1 },
    );
  });
  test('graphs with cycles and loops are drawn too', () => {
    fc.assert(
      fc.property(graphs, ({ boxes, edges }) => {
        const { boxes: at, routes } = layered(boxes, edges);
        expect(at.every((p) => Number.isFinite(p.x) && Number.isFinite(p.y))).toBe(true);
        expect(routes.every((r) => r.length >= 2)).toBe(true);
      }),
      { numRuns: 200, seed: 2 },
    );
  });
  test('a chain is a straight line, a weight stands right above its use', () => {
    const { boxes: at } = layered([box, box, box, box], [[0, 1], [1, 2], [3, 2]]); // prettier-ignore
    expect(at[0]!.x).toBeCloseTo(at[1]!.x);
    expect(at[3]!.y).toBe(at[1]!.y);
  });
  test('nothing at all', () => {
    expect(layered([], []).boxes).toEqual([]);
  });
});

describe('graphHtml', () => {
  const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'\`&\u2028`;
  const drawing: Drawing = {
    title: evil,
    nodes: [
      { id: evil, label: evil, detail: evil, kind: 'op', group: 0, attributes: [[evil, evil]] },
      { id: 'b', label: 'b', kind: 'output' },
    ],
    edges: [{ from: evil, to: 'b', label: evil }],
    groups: [evil],
    attributes: [[evil, evil]],
  };
  test('text from outside is only text', () => {
    const html = graphHtml(drawing);
    expect(html.match(/<script/g)!.length).toBe(2);
    expect(html.match(/<\/script/g)!.length).toBe(2);
    expect(html).not.toContain('<img');
    const facts = JSON.parse(/<script type="application\/json">(.*?)<\/script>/s.exec(html)![1]!) as {
      nodes: { id: string; label: string; attributes: string[][] }[];
    };
    expect(facts.nodes[0]!.label).toBe(evil);
    expect(facts.nodes[0]!.attributes).toEqual([['', evil], ['group', evil], [evil, evil]]); // prettier-ignore
  });
  test('nothing is fetched', () => {
    const html = graphHtml(drawing);
    expect(html).not.toMatch(/https?:|@import|\burl\(|\bsrc="|<link/);
    expect(html).toContain(`default-src 'none'`);
  });
  test('the script is JavaScript', () => {
    expect(() => new Function(graphScript)).not.toThrow();
  });
  test('wrong drawings are refused', () => {
    expect(() => graphHtml({ ...drawing, edges: [{ from: 'a', to: 'b' }] })).toThrow(/names the node 'a'/);
    expect(() => graphHtml({ ...drawing, nodes: [drawing.nodes[1]!, drawing.nodes[1]!] })).toThrow(/one id/);
  });
});

describe('drawingOfGraph', () => {
  const net = new fb.nn.Sequential(new fb.nn.Linear(4, 3), new fb.nn.ReLU());
  const { ir } = fb.jit.trace(net.eval(), [fb.rand(2, 4)]).graph;
  test('inputs, weights, ops and outputs, one edge for each use', () => {
    const d = drawingOfGraph(ir, 'net', { group: () => 0, groups: ['kernel 0'], library: (n) => n.op === 'linear' });
    expect(d.nodes.map((n) => n.kind).sort()).toEqual(['input', 'library', 'op', 'output', 'weight', 'weight']);
    expect(d.nodes.filter((n) => n.kind === 'weight').map((n) => n.label)).toEqual(['0.weight', '0.bias']);
    expect(d.edges.length).toBe(5);
    const linear = d.nodes.find((n) => n.kind === 'library')!;
    expect(linear.detail).toBe('float32[2, 3]');
    expect(Object.fromEntries(linear.attributes!)['module']).toBe('0');
    expect(graphHtml(d)).toContain('data-node="5"');
  });
});
