// Points for TensorBoard's projector: text files with vectors and labels, a picture of all thumbnails, and the list of them.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/handle.js';
import { gridOf } from './images.js';
import { png } from './png.js';

export interface EmbeddingOptions {
  /** One label per row, or one list per row with a header. */
  metadata?: readonly (string | readonly string[])[] | null;
  metadataHeader?: readonly string[] | null;
  /** One image per row, [N, C, H, W]. */
  labelImg?: Tensor | null;
  globalStep?: number | null;
  tag?: string;
}

/** Writes the files of one embedding below `logDir`. */
export function writeEmbedding(logDir: string, mat: Tensor, options: EmbeddingOptions): void {
  const { metadata = null, metadataHeader = null, labelImg = null, globalStep = 0, tag = 'default' } = options;
  if (mat.ndim !== 2)
    throw new ShapeError(
      `mat should be 2D, where mat.size(0) is the number of data points, got [${mat.shape.join(', ')}]`,
    );
  const n = mat.shape[0]!;
  const step = String(globalStep ?? 0).padStart(5, '0');
  const safe = encodeURIComponent(tag).replaceAll('%', '%%');
  const folder = `${step}/${safe}`;
  const dir = join(logDir, step, safe);
  if (existsSync(join(dir, 'tensors.tsv')))
    throw new ValueError(`addEmbedding(): step ${step} of '${tag}' is already written`);
  mkdirSync(dir, { recursive: true });
  const rows = mat.detach().double().tolist() as number[][];
  writeFileSync(join(dir, 'tensors.tsv'), rows.map((r) => `${r.join('\t')}\n`).join(''));
  const config = [`tensor_name: "${tag.replace(/["\\\n]/g, '_')}:${step}"`, `tensor_path: "${folder}/tensors.tsv"`];
  if (metadata !== null) {
    if (metadata.length !== n) throw new ValueError('#labels should equal with #data points');
    const clean = (s: string): string => s.replace(/[\t\n\r]/g, ' ');
    const lines = metadata.map((m) => (typeof m === 'string' ? clean(m) : m.map(clean).join('\t')));
    if (metadataHeader !== null) lines.unshift(metadataHeader.map(clean).join('\t'));
    writeFileSync(join(dir, 'metadata.tsv'), `${lines.join('\n')}\n`);
    config.push(`metadata_path: "${folder}/metadata.tsv"`);
  }
  if (labelImg !== null) {
    if (labelImg.shape[0] !== n) throw new ValueError('#images should equal with #data points');
    writeFileSync(join(dir, 'sprite.png'), png([gridOf(labelImg, 'NCHW')]));
    const [height, width] = labelImg.shape.slice(2) as [number, number];
    config.push(
      `sprite {\n  image_path: "${folder}/sprite.png"\n  single_image_dim: ${width}\n  single_image_dim: ${height}\n}`,
    );
  }
  const list = join(logDir, 'projector_config.pbtxt');
  const entry = `embeddings {\n${config.join('\n')}\n}\n`;
  if (!existsSync(list) || !readFileSync(list, 'utf8').includes(entry)) appendFileSync(list, entry);
}
