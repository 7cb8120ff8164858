// `flambeau build`: a graph file becomes a folder with C++ sources, a CMake project, and what that builds: a C library and a Node
// addon that need neither this package nor a compiler at run time.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { emitProgram, faceMeta } from '../emit/program.js';
import { bindSymbols, specialize, SpecializeError } from '../frontend/trace/specialize.js';
import { isControl } from '../ir/control.js';
import type { Graph } from '../ir/graph.js';
import { printType } from '../ir/print.js';
import { packageRoot } from '../package_root.js';
import { optimize } from '../passes/manager.js';
import { evaluateNative } from '../runtime/execute.js';
import { parseGraphFile, type GraphFile } from '../runtime/fbg.js';
import { planFlow } from '../runtime/flow.js';
import { serializeSafetensors } from '../serialization/safetensors.js';
import { FileError, ValueError } from '../tensor/errors.js';
import { addonSource } from './addon.js';
import { copyLibraries } from './libraries.js';
import { identifier } from './names.js';
import { cmake, glue, header, programSource, type Deployment } from './sources.js';

export interface BuildOptions {
  /** Folder that is written; made when it does not exist. */
  readonly out: string;
  /** Prefix of the calls and name of the files. Default: the module's name. */
  readonly name?: string;
  /** Processors that the programs run on: g++'s -march. Default 'x86-64-v3' (AVX2; Intel since 2013, AMD since 2015). */
  readonly march?: string;
  /** Put the weights into the library instead of a file beside it. */
  readonly embed?: boolean;
  /** false: write the project, build nothing. */
  readonly build?: boolean;
}

export interface BuildResult {
  readonly out: string;
  readonly id: string;
  /** Files in `dist`, without the libraries they need; empty when nothing was built. */
  readonly built: readonly string[];
}

/**
 * Writes and builds the deployment project of a graph file (docs/deploy.md).
 * @throws FileError for a damaged file or one that cannot be written, ValueError for a graph that writes to its inputs, Error when CMake or
 * the compiler fails
 */
export function buildDeployment(file: string, options: BuildOptions): BuildResult {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (e) {
    throw new FileError(`cannot read the graph file '${file}': ${(e as Error).message}`);
  }
  const f = parseGraphFile(bytes, file);
  const d = deploymentOf(f, options);
  const { out } = options;
  const dist = join(out, 'dist');
  for (const dir of ['include/flambeau', 'src', 'dist']) mkdirSync(join(out, dir), { recursive: true });
  const write = (name: string, text: string | Uint8Array): void => writeFileSync(join(out, name), text);
  write(`include/${d.id}.h`, header(d));
  for (const h of ['model.h', 'runtime.h'])
    copyFileSync(join(packageRoot(), 'native', 'include', 'flambeau', h), join(out, 'include', 'flambeau', h));
  write(`src/${d.id}.cc`, glue(d));
  write('src/addon.cc', addonSource(d));
  d.programs.forEach((_, k) => write(`src/program_${k}.cc`, programSource(d, k)));
  const used = new Map(d.captures.map((name) => [name, f.weights.get(name)!]));
  write(join(d.embed ? 'src' : 'dist', `${d.id}.safetensors`), serializeSafetensors(used));
  write('CMakeLists.txt', cmake(d));
  const steps = d.programs.flatMap((p) => p.steps);
  copyLibraries(join(packageRoot(), 'build', 'native', 'libflambeau.so'), dist, steps);
  if (options.build === false) return { out, id: d.id, built: [] };
  runCMake(out);
  return {
    out,
    id: d.id,
    built: [`lib${d.id}.so`, `lib${d.id}_static.a`, `${d.id}.node`].filter((n) => existsSync(join(dist, n))),
  };
}

function deploymentOf(f: GraphFile, options: BuildOptions): Deployment {
  if (f.graph.writes.some((w) => f.graph.inputs.includes(w.target)))
    throw new ValueError(`${f.name}: the graph writes to its inputs, which a deployed model does not`);
  if (f.graph.writes.length + f.graph.gradWrites.length > 0)
    throw new ValueError(`${f.name}: the graph changes its weights (traced in training mode?); trace it after eval()`);
  if (f.graph.liveScalars.length > 0)
    throw new ValueError(`${f.name}: the graph takes numbers that vary between calls`);
  const march = options.march ?? 'x86-64-v3';
  if (!/^[a-z0-9][a-z0-9.+-]*$/.test(march)) throw new ValueError(`build: '${march}' is no architecture for -march`);
  const list = (values: Graph['inputs']): string => values.map((v) => printType(v.type)).join(', ');
  return {
    id: identifier(options.name ?? f.name),
    title: f.name,
    ...programsOf(f),
    captures: f.captures,
    embed: options.embed ?? false,
    march,
    signature: `${f.name.replace(/[^\x20-\x7e]|\*\//g, '?')}: ${list(f.graph.inputs)} -> ${list(f.graph.outputs)}`,
    inputs: f.graph.inputs.length,
    outputs: f.graph.outputs.length,
  };
}

/** The generated programs: one for each graph or, with branches and loops, one for each of its stretches and a plan over them. */
function programsOf(f: GraphFile): Pick<Deployment, 'programs' | 'flows'> {
  const graphs = graphsOf(f).map((g) => optimize(g, { evaluate: evaluateNative }));
  const program = (g: Graph): Deployment['programs'][number] => {
    const { source, meta } = emitProgram(g, { target: 'cpp', name: f.name });
    return { source, meta: JSON.stringify(meta), steps: meta.steps.map((s) => s.op) };
  };
  if (!graphs.some((g) => g.nodes.some(isControl))) return { programs: graphs.map(program), flows: [] };
  const programs: Deployment['programs'][number][] = [];
  const flows = graphs.map((g) => {
    const flow = planFlow(g);
    const first = programs.length;
    programs.push(...flow.programs.map(program));
    const meta = JSON.stringify(faceMeta(g, f.name));
    return { meta, plan: JSON.stringify(flow.plan), first, count: flow.programs.length };
  });
  return { programs, flows };
}

/** The graph as traced, at sizes of one, and for all other sizes. Symbols stand for two and more: one broadcasts. */
function graphsOf(f: GraphFile): Graph[] {
  const out = [f.graph];
  if (f.dynamic === null) return out;
  const dynamic = f.dynamic;
  const shape = (g: Graph): string => g.inputs.map((v) => String(v.type.shape)).join('|');
  try {
    const one = new Map(dynamic.symbols.map((s) => [s.name, 1]));
    const single = specialize(dynamic, one);
    bindSymbols(
      dynamic,
      single.inputs.map((v) => v.type.shape as readonly number[]),
    );
    if (shape(single) !== shape(f.graph)) out.push(single);
  } catch (e) {
    if (!(e instanceof SpecializeError)) throw e;
  }
  out.push(dynamic);
  return out;
}

function runCMake(out: string): void {
  const headers = nodeHeaders();
  const steps = [
    [
      '-S',
      out,
      '-B',
      join(out, 'build'),
      '-DCMAKE_BUILD_TYPE=Release',
      ...(headers === null ? [] : [`-DNODE_API_INCLUDE=${headers}`]),
    ],
    ['--build', join(out, 'build'), '--parallel'],
  ];
  for (const args of steps) {
    const done = spawnSync('cmake', args, { encoding: 'utf8' });
    if (done.error) throw new Error(`build: cmake does not run (${done.error.message}); the project lies in '${out}'`);
    if (done.status !== 0)
      throw new Error(
        `build: cmake ${args[0] === '-S' ? 'does not configure' : 'does not build'} '${out}':\n${(done.stderr || done.stdout).trim().slice(-4000)}`,
      );
  }
}

/** The folder of node_api.h: of the headers' package, or beside this Node; null when there is none. */
function nodeHeaders(): string | null {
  const candidates = [join(dirname(process.execPath), '..', 'include', 'node')];
  try {
    candidates.unshift(
      join(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')), 'include'),
    );
  } catch {
    // Not installed: what belongs to this Node does as well.
  }
  return candidates.find((dir) => existsSync(join(dir, 'node_api.h'))) ?? null;
}
