// Plots are well-formed SVG with what was asked for; progress shows counts.
import { PassThrough } from 'node:stream';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
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
