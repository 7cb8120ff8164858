// Summary messages: what one event says about one tag. Field numbers are those of tensorflow/core/framework/summary.proto and of
// the plugins' own .proto files, named beside them.
import { Message } from './protobuf.js';
import { png, wav, type Pixels } from './png.js';

/** Summary { value: [...] } */
const summary = (...values: Message[]): Message => values.reduce((s, v) => s.bytes(1, v), new Message());
const value = (tag: string): Message => new Message().bytes(1, tag);
/** SummaryMetadata of a plugin. */
const plugin = (name: string, content: Uint8Array | Message = new Uint8Array(0)): Message =>
  new Message().bytes(1, new Message().bytes(1, name).bytes(2, content));

const DT = { float: 1, double: 2, int32: 3, string: 7 } as const;
const shapeOf = (shape: readonly number[]): Message =>
  shape.reduce((s, n) => s.bytes(2, new Message().int(1, n)), new Message());
const tensor = (dtype: number, shape: readonly number[]): Message =>
  new Message().int(1, dtype).bytes(2, shapeOf(shape));

export const scalar = (tag: string, x: number): Message => summary(value(tag).float(2, x));
/** As a tensor of float64, for the scalars plugin. */
export const scalarTensor = (tag: string, x: number): Message =>
  summary(
    value(tag)
      .bytes(8, tensor(DT.double, []).packed(6, Float64Array.of(x)))
      .bytes(9, plugin('scalars')),
  );

/** The frames of one image or video. */
export function image(tag: string, frames: readonly Pixels[], fps?: number): Message {
  const { width, height, channels } = frames[0]!;
  const message = new Message().int(1, height).int(2, width).int(3, channels).bytes(4, png(frames, fps));
  return summary(value(tag).bytes(4, message));
}

export function audio(tag: string, samples: Float32Array, sampleRate: number): Message {
  const sound = new Message()
    .float(1, sampleRate)
    .int(2, 1)
    .int(3, samples.length)
    .bytes(4, wav(samples, sampleRate))
    .bytes(5, 'audio/wav');
  return summary(value(tag).bytes(6, sound));
}

export function text(tag: string, content: string): Message {
  const strings = tensor(DT.string, [1]).bytes(8, content);
  return summary(value(`${tag}/text_summary`).bytes(8, strings).bytes(9, plugin('text')));
}

export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly num: number;
  readonly sum: number;
  readonly sumSquares: number;
  /** Upper ends of the buckets, and their counts. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}
export function histogram(tag: string, h: Histogram): Message {
  const message = new Message()
    .double(1, h.min)
    .double(2, h.max)
    .double(3, h.num)
    .double(4, h.sum)
    .double(5, h.sumSquares)
    .packed(6, Float64Array.from(h.limits))
    .packed(7, Float64Array.from(h.counts));
  return summary(value(tag).bytes(5, message));
}

/** Rows of `data`: true and false positives, true and false negatives, precision, recall (pr_curve/plugin_data.proto). */
export function prCurve(tag: string, data: Float32Array, thresholds: number): Message {
  const content = new Message().int(1, 0).int(2, thresholds);
  const rows = tensor(DT.float, [6, thresholds]).packed(5, data);
  return summary(value(tag).bytes(8, rows).bytes(9, plugin('pr_curves', content)));
}

/** A part of a mesh (mesh/plugin_data.proto). */
export interface MeshPart {
  readonly name: 'VERTEX' | 'FACE' | 'COLOR';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}
const MESH = { VERTEX: 1, FACE: 2, COLOR: 3 } as const;
export function mesh(tag: string, parts: readonly MeshPart[], config: string): Message {
  const components = parts.reduce((bits, p) => bits | (1 << MESH[p.name]), 0);
  return summary(
    ...parts.map((p) => {
      const content = new Message()
        .int(1, 0)
        .bytes(2, tag)
        .int(3, MESH[p.name])
        .bytes(5, config)
        .packedInts(6, p.shape)
        .int(7, components);
      const data =
        p.data instanceof Float32Array
          ? tensor(DT.float, p.shape).packed(5, p.data)
          : tensor(DT.int32, p.shape).packedInts(7, [...p.data]);
      return value(`${tag}_${p.name}`).bytes(8, data).bytes(9, plugin('mesh', content));
    }),
  );
}

/** Charts by category and title: tags drawn together, or [value, lower, upper] of a margin (custom_scalar/layout.proto). */
export type Layout = Readonly<
  Record<string, Readonly<Record<string, readonly ['Multiline' | 'Margin', readonly string[]]>>>
>;
export function customScalars(layout: Layout): Message {
  const message = new Message().int(1, 0);
  for (const [category, charts] of Object.entries(layout)) {
    const c = new Message().bytes(1, category);
    for (const [title, [kind, tags]] of Object.entries(charts)) {
      const chart = new Message().bytes(1, title);
      if (kind === 'Margin') {
        const [middle, lower, upper] = tags as [string, string, string];
        const series = new Message().bytes(1, middle).bytes(2, lower).bytes(3, upper);
        chart.bytes(3, new Message().bytes(1, series));
      } else
        chart.bytes(
          2,
          tags.reduce((m, t) => m.bytes(1, t), new Message()),
        );
      c.bytes(2, chart);
    }
    message.bytes(2, c);
  }
  const strings = tensor(DT.string, []).bytes(8, message);
  return summary(value('custom_scalars__config__').bytes(8, strings).bytes(9, plugin('custom_scalars')));
}

/** The three messages of a session (hparams/plugin_data.proto, api.proto): its parameters and metrics, start, and end. */
export type HParam = number | string | boolean;
export function hparams(
  params: Readonly<Record<string, HParam>>,
  metrics: readonly string[],
  discrete: Readonly<Record<string, readonly HParam[]>>,
): Message[] {
  const protoValue = (x: HParam): Message =>
    typeof x === 'boolean'
      ? new Message().int(4, x)
      : typeof x === 'number'
        ? new Message().double(2, x)
        : new Message().bytes(3, x);
  const experiment = new Message();
  const start = new Message();
  for (const [name, x] of Object.entries(params)) {
    const info = new Message().bytes(1, name).int(4, typeof x === 'string' ? 1 : typeof x === 'boolean' ? 2 : 3);
    const domain = discrete[name];
    if (domain !== undefined)
      info.bytes(
        5,
        domain.reduce((m, v) => m.bytes(1, protoValue(v)), new Message()),
      );
    experiment.bytes(4, info);
    start.bytes(1, new Message().bytes(1, name).bytes(2, protoValue(x)));
  }
  for (const tag of metrics) experiment.bytes(5, new Message().bytes(1, new Message().bytes(2, tag)));
  const one = (tag: string, field: number, data: Message): Message =>
    summary(value(tag).bytes(9, plugin('hparams', new Message().int(1, 0).bytes(field, data))));
  return [
    one('_hparams_/experiment', 2, experiment),
    one('_hparams_/session_start_info', 3, start),
    one('_hparams_/session_end_info', 4, new Message().int(1, 1)),
  ];
}
