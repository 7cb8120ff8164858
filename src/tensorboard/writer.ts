// SummaryWriter: what a training run logs, in files that TensorBoard shows. Source: torch.utils.tensorboard.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Module } from '../nn/module.js';
import { trace } from '../runtime/jit.js';
import { DTypeError, ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { writeEmbedding, type EmbeddingOptions } from './embedding.js';
import { EVENT, EventFile } from './event_file.js';
import { graphOfOnnx, graphOfTrace } from './graph.js';
import { histogramOf, type Bins } from './histogram.js';
import { framesOf, gridOf, pixelsOf, withBoxes } from './images.js';
import { Message } from './protobuf.js';
import * as summary from './summary.js';

/** A number, a tensor with one element. */
export type ScalarLike = number | bigint | boolean | Tensor;
/** Numbers as a tensor, a typed array or an array. */
export type ValuesLike = Tensor | ArrayLike<number>;

export interface SummaryWriterOptions {
  /** Added to the default folder's name. */
  comment?: string;
  /** Events of this step and later ones, from a run that broke, are hidden. */
  purgeStep?: number | null;
  /** Events that are kept back before they are written. */
  maxQueue?: number;
  flushSecs?: number;
  filenameSuffix?: string;
}
export interface StepOptions {
  globalStep?: number | null;
  /** Seconds since 1970; now when absent. */
  walltime?: number | null;
}
type Step = number | null | undefined;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
function defaultDir(comment: string): string {
  const now = new Date();
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('-');
  return join('runs', `${MONTHS[now.getMonth()]}${two(now.getDate())}_${time}_${hostname()}${comment}`);
}

function scalarOf(x: ScalarLike): number {
  if (!isTensor(x)) return Number(x);
  if (x.numel() !== 1) throw new ShapeError(`a scalar must have one element, got shape [${x.shape.join(', ')}]`);
  return Number(x.item());
}
const valuesOf = (x: ValuesLike): Float64Array =>
  isTensor(x) ? (x.detach().double().toTypedArray() as Float64Array) : Float64Array.from(x);

/**
 * Writes event files into a folder.
 * @example const w = new fb.utils.tensorboard.SummaryWriter('runs/a');  w.addScalar('loss', loss, step);  w.close()
 */
export class SummaryWriter {
  readonly logDir: string;
  readonly purgeStep: number | null;
  readonly #options: { maxQueue: number; flushSecs: number; suffix: string };
  #file: EventFile | null;
  /** Writers of single series, by folder. */
  readonly #others = new Map<string, EventFile>();

  constructor(logDir: string | null = null, options: SummaryWriterOptions = {}) {
    const { comment = '', purgeStep = null, maxQueue = 10, flushSecs = 120, filenameSuffix = '' } = options;
    this.logDir = logDir ?? defaultDir(comment);
    this.purgeStep = purgeStep;
    this.#options = { maxQueue, flushSecs, suffix: filenameSuffix };
    this.#file = new EventFile(this.logDir, this.#options);
    if (purgeStep !== null) this.#file.add(EVENT.sessionLog, new Message().int(1, 1), purgeStep);
  }

  getLogdir(): string {
    return this.logDir;
  }
  #open(): EventFile {
    return (this.#file ??= new EventFile(this.logDir, this.#options));
  }
  #add(message: Message, step: Step, walltime?: number | null): void {
    this.#open().add(EVENT.summary, message, step ?? null, walltime);
  }

  /** One number. `newStyle` keeps it as a float64 tensor. */
  addScalar(
    tag: string,
    scalarValue: ScalarLike,
    globalStep?: Step,
    walltime?: number | null,
    options: { newStyle?: boolean } = {},
  ): void {
    const make = options.newStyle ? summary.scalarTensor : summary.scalar;
    this.#add(make(tag, scalarOf(scalarValue)), globalStep, walltime);
  }
  /** Several numbers in one chart: each in a run of its own below the folder. */
  addScalars(
    mainTag: string,
    tagScalarDict: Readonly<Record<string, ScalarLike>>,
    globalStep?: Step,
    walltime?: number | null,
  ): void {
    for (const [tag, x] of Object.entries(tagScalarDict)) {
      const dir = join(this.logDir, `${mainTag.replaceAll('/', '_')}_${tag.replace(/[/\\]/g, '_')}`);
      const file = this.#others.get(dir) ?? new EventFile(dir, this.#options);
      this.#others.set(dir, file);
      file.add(EVENT.summary, summary.scalar(mainTag, scalarOf(x)), globalStep ?? null, walltime);
    }
  }
  addHistogram(
    tag: string,
    values: ValuesLike,
    globalStep?: Step,
    options: { bins?: Bins; walltime?: number | null; maxBins?: number | null } | Bins = {},
  ): void {
    const o =
      typeof options === 'object' && !Array.isArray(options) ? (options as { bins?: Bins }) : { bins: options as Bins };
    const {
      bins = 'tensorflow',
      maxBins = null,
      walltime,
    } = o as { bins?: Bins; maxBins?: number | null; walltime?: number };
    this.#add(summary.histogram(tag, histogramOf(valuesOf(values), bins, maxBins)), globalStep, walltime);
  }
  /** A histogram that is already counted. */
  addHistogramRaw(tag: string, histogram: summary.Histogram, globalStep?: Step, walltime?: number | null): void {
    if (histogram.limits.length !== histogram.counts.length)
      throw new ValueError('len(bucket_limits) != len(bucket_counts), see the document.');
    this.#add(summary.histogram(tag, histogram), globalStep, walltime);
  }
  /** An image: bytes (uint8) or numbers from 0 to 1. `dataformats`: 'CHW', 'HWC', 'HW'. */
  addImage(tag: string, img: Tensor, globalStep?: Step, options: StepOptions & { dataformats?: string } = {}): void {
    const { dataformats = 'CHW', walltime } = options;
    this.#add(summary.image(tag, [pixelsOf(img, dataformats)]), globalStep, walltime);
  }
  /** Several images as one, side by side. */
  addImages(tag: string, img: Tensor, globalStep?: Step, options: StepOptions & { dataformats?: string } = {}): void {
    const { dataformats = 'NCHW', walltime } = options;
    this.#add(summary.image(tag, [gridOf(img, dataformats)]), globalStep, walltime);
  }
  /** An image with boxes [x1, y1, x2, y2] drawn in red; without text. */
  addImageWithBoxes(
    tag: string,
    img: Tensor,
    boxes: Tensor,
    globalStep?: Step,
    options: StepOptions & { dataformats?: string } = {},
  ): void {
    const { dataformats = 'CHW', walltime } = options;
    this.#add(summary.image(tag, [withBoxes(pixelsOf(img, dataformats), boxes)]), globalStep, walltime);
  }
  /** A plot (`fb.viz.plot`), drawn by the optional package sharp. */
  async addFigure(
    tag: string,
    figure: { readonly svg: string },
    globalStep?: Step,
    options: StepOptions = {},
  ): Promise<void> {
    type Raw = { data: Buffer; info: { width: number; height: number; channels: number } };
    type Sharp = (svg: Buffer) => { raw(): { toBuffer(o: { resolveWithObject: true }): Promise<Raw> } };
    let sharp: Sharp;
    try {
      sharp = createRequire(import.meta.url)('sharp') as Sharp;
    } catch {
      throw new ValueError('addFigure(): drawing a plot needs the package sharp: npm install sharp');
    }
    const { data, info } = await sharp(Buffer.from(figure.svg)).raw().toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    this.#add(
      summary.image(tag, [{ width, height, channels, data: new Uint8Array(data) }]),
      globalStep,
      options.walltime,
    );
  }
  /** Frames [N, T, C, H, W], as an animated image. */
  addVideo(tag: string, vidTensor: Tensor, globalStep?: Step, options: StepOptions & { fps?: number } = {}): void {
    this.#add(summary.image(tag, framesOf(vidTensor), options.fps ?? 4), globalStep, options.walltime);
  }
  /** Samples in [-1, 1]. */
  addAudio(
    tag: string,
    sndTensor: Tensor,
    globalStep?: Step,
    options: StepOptions & { sampleRate?: number } = {},
  ): void {
    const samples = sndTensor.detach().float().reshape([-1]).toTypedArray() as Float32Array;
    this.#add(summary.audio(tag, samples, options.sampleRate ?? 44100), globalStep, options.walltime);
  }
  /** Text, as Markdown. */
  addText(tag: string, textString: string, globalStep?: Step, walltime?: number | null): void {
    this.#add(summary.text(tag, textString), globalStep, walltime);
  }
  /** The graph of a model, recorded with these inputs. */
  addGraph(model: Module, inputToModel: Tensor | readonly Tensor[]): void {
    const inputs = isTensor(inputToModel) ? [inputToModel] : inputToModel;
    this.#open().add(EVENT.graphDef, graphOfTrace(trace(model, inputs).graph.ir));
  }
  /** The graph of an ONNX file. */
  addOnnxGraph(prototxt: string): void {
    this.#open().add(EVENT.graphDef, graphOfOnnx(readFileSync(prototxt)));
  }
  /** Points for the projector, written beside the event file. */
  addEmbedding(mat: Tensor, options: EmbeddingOptions = {}): void {
    writeEmbedding(this.logDir, mat, options);
  }
  /** Precision and recall of predictions (probabilities) for labels 0 and 1. */
  addPrCurve(
    tag: string,
    labels: ValuesLike,
    predictions: ValuesLike,
    globalStep?: Step,
    options: { numThresholds?: number; weights?: ValuesLike | null; walltime?: number | null } = {},
  ): void {
    const { numThresholds = 127, weights = null, walltime } = options;
    const n = Math.min(numThresholds, 127);
    const [truth, scores] = [valuesOf(labels), valuesOf(predictions)];
    if (truth.length !== scores.length) throw new ShapeError(`${truth.length} labels and ${scores.length} predictions`);
    const weight = weights === null ? null : valuesOf(weights);
    const hits = [new Float64Array(n), new Float64Array(n)];
    truth.forEach((label, i) => {
      const bucket = Math.max(0, Math.min(n - 1, Math.floor(scores[i]! * (n - 1))));
      hits[label > 0 ? 1 : 0]![bucket]! += weight === null ? 1 : weight[i]!;
    });
    // Of each threshold: what lies at or above it.
    const above = (counts: Float64Array): Float64Array => {
      const out = Float64Array.from(counts);
      for (let i = n - 2; i >= 0; i--) out[i]! += out[i + 1]!;
      return out;
    };
    const [fp, tp] = [above(hits[0]!), above(hits[1]!)];
    const data = new Float32Array(6 * n);
    for (let i = 0; i < n; i++) {
      const [t, f] = [tp[i]!, fp[i]!];
      const rows = [t, f, fp[0]! - f, tp[0]! - t, t / Math.max(1e-7, t + f), t / Math.max(1e-7, tp[0]!)];
      rows.forEach((v, k) => (data[k * n + i] = v));
    }
    this.#add(summary.prCurve(tag, data, n), globalStep, walltime);
  }
  /** A triangle mesh: vertices [N, V, 3], colors [N, V, 3], faces [N, F, 3]. */
  addMesh(
    tag: string,
    vertices: Tensor,
    options: { colors?: Tensor | null; faces?: Tensor | null; configDict?: object | null } & StepOptions = {},
  ): void {
    const { colors = null, faces = null, configDict = null, globalStep, walltime } = options;
    const floats = (t: Tensor): Float32Array => t.detach().float().toTypedArray() as Float32Array;
    const parts: summary.MeshPart[] = [{ name: 'VERTEX', shape: vertices.shape, data: floats(vertices) }];
    if (faces !== null)
      parts.push({ name: 'FACE', shape: faces.shape, data: faces.detach().to('int32').toTypedArray() as Int32Array });
    if (colors !== null) parts.push({ name: 'COLOR', shape: colors.shape, data: floats(colors) });
    this.#add(summary.mesh(tag, parts, configDict === null ? '' : JSON.stringify(configDict)), globalStep, walltime);
  }
  /** Which tags share charts: `{ category: { title: ['Multiline', tags] } }`. Once per run. */
  addCustomScalars(layout: summary.Layout): void {
    this.#add(summary.customScalars(layout), null);
  }
  /** The parameters of a run and the metrics it reached, in a run of their own below the folder. */
  addHparams(
    hparamDict: Readonly<Record<string, summary.HParam>>,
    metricDict: Readonly<Record<string, ScalarLike>>,
    options: {
      hparamDomainDiscrete?: Readonly<Record<string, readonly summary.HParam[]>>;
      runName?: string | null;
      globalStep?: number | null;
    } = {},
  ): void {
    for (const [name, x] of Object.entries(hparamDict)) {
      if (!['number', 'string', 'boolean'].includes(typeof x))
        throw new DTypeError(`addHparams(): '${name}' must be a number, a string or a boolean`);
    }
    const { hparamDomainDiscrete = {}, runName = null, globalStep = null } = options;
    const dir = join(this.logDir, runName ?? String(Date.now() / 1000));
    const file = new EventFile(dir, this.#options);
    for (const message of summary.hparams(hparamDict, Object.keys(metricDict), hparamDomainDiscrete))
      file.add(EVENT.summary, message);
    for (const [tag, x] of Object.entries(metricDict))
      file.add(EVENT.summary, summary.scalar(tag, scalarOf(x)), globalStep);
    file.close();
  }

  /** Writes what is kept back. */
  flush(): void {
    this.#file?.flush();
    for (const f of this.#others.values()) f.flush();
  }
  /** Writes everything and closes the files; a later event begins a new file. */
  close(): void {
    this.#file?.close();
    for (const f of this.#others.values()) f.close();
    this.#file = null;
    this.#others.clear();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}
