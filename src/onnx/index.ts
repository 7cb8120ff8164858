// fb.onnx: what users call.
export { exportModel as export } from './export.js';
export { load, type LoadOptions } from './import/load.js';
export { OnnxImportError } from './import/errors.js';
export type { OnnxModule } from './import/module.js';
export type { AxesSpec, ExportOptions } from './options.js';
export { OnnxExportError } from './types.js';
export type { VerifyReport } from './verify.js';
