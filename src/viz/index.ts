// The namespace `viz`.
export { Plot, plot, scatter, type PlotOptions } from './plot.js';
export { heatmap, hist, imshow, type HeatmapOptions, type HistOptions, type ImshowOptions } from './pictures.js';
