// Models of one operator with random attributes, shapes and opsets: our importer beside onnxruntime. What onnxruntime takes, ours must take
// and give the same.
//   npm run -s fuzz:onnx -- [--only REGEX] [--runs 40] [--seed 1]
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { schema } from '../../src/onnx/schema/load.js';
import { ELEMENTS } from './onnx_elements.js';
import { LAYERS } from './onnx_layers.js';
import { Random, type Attribute, type Case, type Input } from './onnx_random.js';
import { SHAPES } from './onnx_shapes.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
  },
});

const ELEMENT: Readonly<Record<Input['dtype'], number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

function attributeProto(name: string, v: Attribute): object {
  if (typeof v === 'string') return { name, type: 3, s: new TextEncoder().encode(v) };
  if (typeof v === 'number') return { name, type: 2, i: BigInt(v) };
  if ('float' in v) return { name, type: 1, f: v.float };
  return 'floats' in v ? { name, type: 6, floats: [...v.floats] } : { name, type: 7, ints: v.map(BigInt) };
}

/** A model of one node; inputs of a case that are constants are initializers. */
function modelOf(c: Case): Uint8Array {
  const { create, pb, toBinary } = schema();
  const name = (i: number): string => (c.inputs[i] === null ? '' : `x${i}`);
  const info = (i: number, x: Input): object => ({
    name: name(i),
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: ELEMENT[x.dtype],
          shape: { dim: x.shape.map((d) => ({ value: { case: 'dimValue', value: BigInt(d) } })) },
        },
      },
    },
  });
  const outputs = Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`);
  const graph = {
    name: 'g',
    node: [
      {
        opType: c.op,
        input: c.inputs.map((_, i) => name(i)),
        output: outputs,
        attribute: Object.entries(c.attributes ?? {}).flatMap(([k, v]) =>
          v === undefined ? [] : [attributeProto(k, v)],
        ),
      },
    ],
    input: c.inputs.flatMap((x, i) => (x === null || x.constant === true ? [] : [info(i, x)])),
    initializer: c.inputs.flatMap((x, i) =>
      x === null || x.constant !== true
        ? []
        : [{ name: name(i), dataType: ELEMENT[x.dtype], dims: x.shape.map(BigInt), rawData: bytesOf(x) }],
    ),
    output: outputs.map((o) => ({
      name: o,
      type: { value: { case: 'tensorType', value: { elemType: c.result ?? 1 } } },
    })),
  };
  const version = BigInt(c.opset);
  return toBinary(
    pb.ModelProtoSchema,
    create(pb.ModelProtoSchema, { irVersion: 8n, opsetImport: [{ domain: '', version }], graph } as never),
  );
}
const tensorOf = (x: Input): Tensor => fb.tensor([...x.values], { dtype: x.dtype }).reshape([...x.shape]);
const bytesOf = (x: Input): Uint8Array => {
  const typed = tensorOf(x).toTypedArray() as Float32Array;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
};

interface Result {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}
const numbers = (list: ArrayLike<number | bigint>): number[] => Array.from(list, Number);

async function theirs(model: Uint8Array, c: Case): Promise<Result[]> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, graphOptimizationLevel: 'disabled' });
  const feeds: Record<string, OrtTensor> = {};
  c.inputs.forEach((x, i) => {
    if (x === null || x.constant === true) return;
    feeds[`x${i}`] = new OrtTensor(x.dtype as 'float32', tensorOf(x).toTypedArray() as Float32Array, [...x.shape]);
  });
  const got = await session.run(feeds);
  return session.outputNames.map((n) => ({ shape: got[n]!.dims, values: numbers(got[n]!.data as Float32Array) }));
}
function ours(model: Uint8Array, c: Case): Result[] {
  const m = fb.onnx.load(model, { name: c.op });
  const out = fb.noGrad(() =>
    m.forward(...c.inputs.flatMap((x) => (x === null || x.constant === true ? [] : [tensorOf(x)]))),
  );
  return [out as Tensor | Tensor[]].flat().map((t) => ({
    shape: t.shape,
    values: t.numel() === 0 ? [] : numbers(t.double().flatten().tolist() as number[]),
  }));
}

function difference(got: readonly Result[], want: readonly Result[], tolerance: number): string | null {
  if (got.length !== want.length) return `${got.length} outputs, expected ${want.length}`;
  for (const [k, w] of want.entries()) {
    const g = got[k]!;
    if (String(g.shape) !== String(w.shape))
      return `output ${k}: shape [${g.shape.join()}], expected [${w.shape.join()}]`;
    const at = w.values.findIndex((e, i) => {
      const v = g.values[i]!;
      return !(
        Object.is(v, e) ||
        v === e ||
        (Number.isNaN(v) && Number.isNaN(e)) ||
        Math.abs(v - e) <= tolerance * (1 + Math.abs(e))
      );
    });
    if (at >= 0) return `output ${k}: element ${at} is ${g.values[at]}, expected ${w.values[at]}`;
  }
  return null;
}

let [passed, failed, refused] = [0, 0, 0];
const only = new RegExp(values.only);
for (const [name, make] of Object.entries({ ...LAYERS, ...SHAPES, ...ELEMENTS })) {
  if (!only.test(name)) continue;
  const seen = new Set<string>();
  for (let i = 0; i < Number(values.runs); i++) {
    const r = new Random(Number(values.seed) * 100_003 + i);
    const c = make(r);
    const model = modelOf(c);
    let want: Result[];
    try {
      want = await theirs(model, c);
    } catch {
      refused++;
      continue;
    }
    let problem: string | null;
    try {
      problem = difference(ours(model, c), want, c.tolerance ?? 1e-4);
    } catch (e) {
      problem = (e as Error).message.split('\n')[0]!;
    }
    if (problem === null) {
      passed++;
      continue;
    }
    failed++;
    const kind = problem.replace(/-?\d[\d.e+-]*/g, 'N');
    if (seen.has(kind)) continue;
    seen.add(kind);
    const inputs = c.inputs.map((x) =>
      x === null ? 'none' : `${x.dtype}[${x.shape.join()}]${x.constant === true ? ` = ${x.values.join()}` : ''}`,
    );
    console.log(`${c.op} opset ${c.opset} ${JSON.stringify(c.attributes ?? {})} (${inputs.join(', ')}): ${problem}`);
  }
}
console.log(`${refused} refused by onnxruntime; ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
