// `flambeau view MODEL`: an ONNX model or a saved graph as one HTML file that needs nothing from the network.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeModel } from '../onnx/import/model.js';
import { parseGraphFile } from '../runtime/fbg.js';
import { FileError } from '../tensor/errors.js';
import { graphHtml } from '../viz/graph_html.js';
import { drawingOfGraph } from '../viz/ir_drawing.js';
import { drawingOfModel } from '../viz/onnx_drawing.js';

export function view(args: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { out: { type: 'string' } },
    allowPositionals: true,
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new Error('view: expected one model (.onnx or .fbg)');
  const bytes = readModel(file);
  const title = basename(file);
  const drawing = file.endsWith('.fbg')
    ? drawingOfGraph(parseGraphFile(bytes, file).graph, title)
    : drawingOfModel(decodeModel(bytes, file), title);
  const out = values.out ?? `${title}.html`;
  writeFileSync(out, graphHtml(drawing));
  process.stdout.write(`${out}: ${drawing.nodes.length} nodes\n`);
}

/** @throws FileError */
export function readModel(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (e) {
    throw new FileError(`${file}: ${(e as Error).message}`);
  }
}
