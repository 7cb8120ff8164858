// The namespace `viz`.
export { Plot, plot, scatter, type PlotOptions } from './plot.js';
