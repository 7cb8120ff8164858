// fb.onnx: what users call.
export { exportModel as export } from './export.js';
export type { ExportOptions } from './options.js';
export { OnnxExportError } from './types.js';
