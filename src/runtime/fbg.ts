// The .fbg file: graph and weights of a traced module (docs/fbg-format.md). Bytes in, bytes out; trusts nothing.
import type { Graph } from '../ir/graph.js';
import { parseGraph } from '../ir/parse.js';
import { printGraph } from '../ir/print.js';
import { verify } from '../ir/verify.js';
import { FileFormatError } from '../serialization/errors.js';
import { parseSafetensors, serializeSafetensors, type TensorBytes } from '../serialization/safetensors.js';
import type { Template } from './structure.js';

const MAGIC = 'FBGRAPH\0';
const VERSION = 1;
const HEADER = 16;
const MAX_DESCRIPTION = 64 * 2 ** 20;
const MAX_DEPTH = 64;

export interface GraphFile {
  readonly name: string;
  readonly graph: Graph;
  /** The graph for other sizes. */
  readonly dynamic: Graph | null;
  /** Name of the weight behind each capture. */
  readonly captures: readonly string[];
  readonly result: Template;
  readonly weights: ReadonlyMap<string, TensorBytes>;
}

export function serializeGraphFile(f: GraphFile): Uint8Array {
  const json = JSON.stringify({
    name: f.name,
    graph: printGraph(f.graph),
    dynamic: f.dynamic === null ? null : printGraph(f.dynamic),
    captures: f.captures,
    result: f.result,
  });
  let description = new TextEncoder().encode(json);
  const padded = Math.ceil((HEADER + description.byteLength) / 8) * 8 - HEADER;
  if (padded > MAX_DESCRIPTION)
    throw new TypeError(`the graph takes ${padded} bytes of text, a graph file holds ${MAX_DESCRIPTION}`);
  description = new Uint8Array(padded).fill(0x20).map((space, i) => description[i] ?? space);
  const weights = serializeSafetensors(f.weights);
  const out = new Uint8Array(HEADER + padded + weights.byteLength);
  out.set(new TextEncoder().encode(MAGIC), 0);
  const view = new DataView(out.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, padded, true);
  out.set(description, HEADER);
  out.set(weights, HEADER + padded);
  return out;
}

/** @throws FileFormatError (ERR_FLAMBEAU_FILE) naming the file and what is wrong. */
export function parseGraphFile(bytes: Uint8Array, file = 'graph file'): GraphFile {
  const fail = (why: string): never => {
    throw new FileFormatError(file, `not a valid graph file: ${why}`);
  };
  if (bytes.byteLength < HEADER) fail(`it has ${bytes.byteLength} bytes, the header alone takes ${HEADER}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (new TextDecoder('latin1').decode(bytes.subarray(0, 8)) !== MAGIC) fail('it does not start with FBGRAPH');
  const version = view.getUint32(8, true);
  if (version !== VERSION) fail(`its format version is ${version}, this library reads ${VERSION}`);
  const length = view.getUint32(12, true);
  if (length > MAX_DESCRIPTION || HEADER + length > bytes.byteLength)
    fail(`its description of ${length} bytes goes beyond the end (${bytes.byteLength} bytes in all)`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(HEADER, HEADER + length)));
  } catch (e) {
    return fail(`its description is no JSON (${(e as Error).message})`);
  }
  if (typeof json !== 'object' || json === null) return fail('its description is no object');
  const d = json as Record<string, unknown>;
  const read = (what: string, text: unknown): Graph => {
    if (typeof text !== 'string') return fail(`'${what}' is no text`);
    try {
      return verify(parseGraph(text));
    } catch (e) {
      return fail(`its ${what} is not well formed: ${(e as Error).message}`);
    }
  };
  const graph = read('graph', d['graph']);
  const dynamic = d['dynamic'] === null || d['dynamic'] === undefined ? null : read('dynamic', d['dynamic']);
  if (graph.symbols.length > 0) fail("'graph' has symbolic sizes; they belong in 'dynamic'");
  const names = d['captures'];
  if (!Array.isArray(names) || names.some((n) => typeof n !== 'string')) return fail("'captures' is no list of names");
  const captures = names as string[];
  const weights = parseSafetensors(bytes.subarray(HEADER + length), file).tensors;
  for (const [what, g] of [
    ['graph', graph],
    ['dynamic', dynamic],
  ] as const) {
    if (g === null) continue;
    if (
      g.captures.length !== captures.length ||
      g.inputs.length !== graph.inputs.length ||
      g.outputs.length !== graph.outputs.length
    ) {
      fail(
        `'${what}' has ${g.captures.length} captures, ${g.inputs.length} inputs and ${g.outputs.length} outputs, which do not fit the description`,
      );
    }
    g.captures.forEach((v, i) => {
      const w = weights.get(captures[i]!);
      if (w === undefined) return fail(`the weight '${captures[i]}' is missing`);
      if (
        w.dtype !== v.type.dtype ||
        w.shape.length !== v.type.shape.length ||
        w.shape.some((s, k) => s !== v.type.shape[k]) ||
        v.strides !== undefined
      ) {
        fail(`the weight '${captures[i]}' is ${w.dtype}[${w.shape.join(', ')}], the graph has another type or layout`);
      }
    });
  }
  const result = readTemplate(d['result'], graph.outputs.length, 0, fail);
  return { name: typeof d['name'] === 'string' ? d['name'] : 'module', graph, dynamic, captures, result, weights };
}

function readTemplate(x: unknown, outputs: number, depth: number, fail: (why: string) => never): Template {
  if (typeof x !== 'object' || x === null || depth > MAX_DEPTH) return fail("'result' is malformed");
  const t = x as Record<string, unknown>;
  const inner = (i: unknown): Template => readTemplate(i, outputs, depth + 1, fail);
  switch (t['kind']) {
    case 'tensor': {
      const index = t['index'];
      return typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < outputs
        ? { kind: 'tensor', index }
        : fail(`'result' names output ${String(index)} of ${outputs}`);
    }
    case 'value':
      return t['value'] === null || ['number', 'string', 'boolean', 'undefined'].includes(typeof t['value'])
        ? { kind: 'value', value: t['value'] }
        : fail("'result' holds a value that is no number or text");
    case 'array':
      return Array.isArray(t['items'])
        ? { kind: 'array', items: t['items'].map(inner) }
        : fail("'result' is malformed");
    case 'object':
      return Array.isArray(t['entries'])
        ? {
            kind: 'object',
            entries: t['entries'].map((e: unknown) =>
              Array.isArray(e) && typeof e[0] === 'string' && e[0] !== '__proto__'
                ? ([e[0], inner(e[1])] as const)
                : fail("'result' is malformed"),
            ),
          }
        : fail("'result' is malformed");
    default:
      return fail("'result' is malformed");
  }
}
