// Seeing: plots, histograms, heat maps, images, a table of layers.   npx tsx examples/seeing.ts [folder]
import { join } from 'node:path';
import * as fb from 'flambeau';
import { viz, vision } from 'flambeau';

const out = process.argv[2] ?? 'out';
fb.manualSeed(1);
const x = fb.linspace(-1, 1, 1000).unsqueeze(1);
const y = x.pow(2).add(fb.normal(fb.zeros(x.shape)).mul(0.1));
viz.scatter(x, y, { title: 'the data of the introduction', x: 'x', y: 'y' }).save(join(out, 'scatter.svg'));
viz.hist(fb.randn(10000), { title: 'normal numbers', bins: 40 }).save(join(out, 'hist.svg'));
viz.heatmap(fb.rand(8, 8), { annotate: true }).save(join(out, 'heatmap.svg'));
await viz.plot([3, 2, 1.5, 1.2], { x: 'step', y: 'loss' }).savePng(join(out, 'loss.png'));
await vision.utils.saveImage(fb.rand(16, 3, 32, 32), join(out, 'grid.png'), { nrow: 4 });
console.log(fb.summary(vision.models.lenet(), [1, 1, 32, 32]));
