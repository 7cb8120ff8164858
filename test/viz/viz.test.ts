// Plots are well-formed SVG with what was asked for; progress shows counts.
import { PassThrough } from 'node:stream';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { viz } from '../../src/index.js';
import { progress } from '../../src/progress.js';
import { linearAxis, logAxis } from '../../src/viz/scale.js';
import { plot, scatter } from '../../src/viz/plot.js';

describe('plot', () => {
  test('lines, legend, escaped titles', () => {
    const { svg } = plot(
      [
        [1, 2, 3],
        [3, 2, NaN, 1],
      ],
      { labels: ['a<b', 'c'], x: 'step', y: 'loss', title: 'x & y' },
    );
    expect(svg.match(/<path /g)!.length).toBe(2);
    expect([svg.includes('a&lt;b'), svg.includes('x &amp; y'), svg.includes('NaN')]).toEqual([true, true, false]);
  });
  test('long series are thinned but keep their extremes', () => {
    const values = Array.from({ length: 100_000 }, (_, i) => Math.sin(i / 500));
    values[77_777] = 50;
    const { svg } = plot(values);
    expect(svg.length).toBeLessThan(60_000);
    expect(svg).toContain('>50<');
  });
  test('files, errors', () => {
    const dir = mkdtempSync(join(tmpdir(), 'fb-plot-'));
    scatter([1, 2], [3, 4]).save(join(dir, 'sub', 'p.svg'));
    expect(readFileSync(join(dir, 'sub', 'p.svg'), 'utf8')).toContain('<circle');
    rmSync(dir, { recursive: true });
    expect(() => plot([1]).save('p.png')).toThrow(/saved as .svg/);
    expect(() => plot([NaN])).toThrow(/no finite value/);
    expect(() => plot([[1], [2]], { labels: ['one'] })).toThrow('plot: 1 labels for 2 series');
  });
  test('axes have round ticks', () => {
    expect(linearAxis(0, 9.7, 5).ticks).toEqual([0, 2, 4, 6, 8, 10]);
    expect(logAxis(0.02, 3).ticks).toEqual([0.01, 0.1, 1, 10]);
    expect(linearAxis(3, 3, 5).ticks.length).toBeGreaterThan(1);
  });
});

describe('progress', () => {
  const sink = (): { stream: NodeJS.WriteStream; text: () => string } => {
    const s = new PassThrough();
    let text = '';
    s.on('data', (d: Buffer) => (text += d.toString()));
    return { stream: s as unknown as NodeJS.WriteStream, text: () => text };
  };
  test('passes items through and ends with a line', async () => {
    const { stream, text } = sink();
    expect([...progress([1, 2, 3], { desc: 'epoch 1', stream })]).toEqual([1, 2, 3]);
    const seen: number[] = [];
    async function* source(): AsyncGenerator<number> {
      yield* [4, 5];
    }
    for await (const v of progress(source(), { stream, postfix: () => 'loss 1' })) seen.push(v);
    expect(seen).toEqual([4, 5]);
    expect(text()).toMatch(/^epoch 1: 3\/3 \(100%\) .* it\/s\n2 .* it\/s loss 1\n$/);
  });
});

describe('pictures', () => {
  test('a histogram counts; ends belong to the outer bars', () => {
    const svg = viz.hist([0, 0.1, 0.9, 1, NaN], { bins: 2 }).svg;
    const heights = [...svg.matchAll(/height="([\d.]+)" fill="#0072b2"/g)].map((m) => Number(m[1]));
    expect(heights.length).toBe(2);
    expect(heights[0]).toBeCloseTo(heights[1]!);
    expect(() => viz.hist([NaN])).toThrow(/no finite value/);
  });
  test('a heat map has a cell for each value, dark to light', () => {
    const svg = viz.heatmap([[0, 1], [2, 3]], { xLabels: ['a', 'b'], annotate: true }).svg; // prettier-ignore
    expect([svg.match(/rgb\(68,1,84\)/g)!.length, svg.match(/rgb\(253,231,37\)/g)!.length]).toEqual([1, 1]);
    expect(svg).toContain('>a</text>');
    expect(() => viz.heatmap([[1], [1, 2]])).toThrow(/expected a matrix/);
  });
  test('images, and PNG of any plot', async () => {
    const svg = viz.imshow(fb.tensor([[0, 1, 1]]), { scale: 2 }).svg;
    expect(svg.match(/<rect/g)!.length).toBe(2); // equal neighbours are one
    const png = await viz.plot([1, 2, 3]).png(1);
    expect([...png.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
  });
});

describe('summary', () => {
  test('rows, shapes, parameters, multiply-adds; the model stays as it was', () => {
    const net = new fb.nn.Sequential(new fb.nn.Conv2d(1, 6, 5), new fb.nn.ReLU(), new fb.nn.Flatten(), new fb.nn.Linear(6 * 24 * 24, 10)); // prettier-ignore
    net.at(3).requiresGrad_(false);
    const s = fb.summary(net, [2, 1, 28, 28]);
    expect(s.rows.map((r) => [r.type, r.outputShape, r.parameters])).toEqual([
      ['Sequential', [2, 10], 0],
      ['Conv2d', [2, 6, 24, 24], 156],
      ['ReLU', [2, 6, 24, 24], 0],
      ['Flatten', [2, 3456], 0],
      ['Linear', [2, 10], 34570],
    ]);
    expect([s.totalParameters, s.trainableParameters, s.totalMultAdds]).toEqual([
      34726,
      156,
      2 * 576 * 156 + 2 * 34570,
    ]);
    expect(String(s)).toContain('├─Conv2d: 1-1');
    expect(String(s)).toContain('Total params: 34,726');
    expect(net.training).toBe(true);
    expect(() => fb.summary(net)).toThrow(/an input shape or inputData is needed/);
  });
});
