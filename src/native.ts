// Loads the addon and says, in types, what it offers. Everything else in src goes through `native`; users never see it.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NativeOps, NumberArg } from '../generated/ts/native-ops.js';
import { packageRoot } from './package_root.js';
import type { Handle } from './tensor/handle.js';
import { collectYoung } from './young_garbage.js';

/** A random generator, an autograd node, a loaded graph program: opaque, like tensor handles. */
export type GeneratorHandle = object;
export type NodeHandle = object;
export type GraphHandle = object;
export type FlowHandle = object;
type H = Handle;

/** What buildAsync gives when the process has ended. */
export interface BuildResult {
  /** Exit code; 128 + n after signal n. */
  readonly code: number;
  /** What the process printed, both streams. */
  readonly stderr: string;
  readonly seconds: number;
}

/** Counters of the native allocator, and of what JavaScript holds. */
export interface NativeMemoryStats {
  readonly allocatedBytes: number;
  readonly allocatedPeak: number;
  readonly reservedBytes: number;
  readonly allocations: number;
  readonly frees: number;
  readonly cacheHits: number;
  readonly liveHandles: number;
  /** Bytes that V8's garbage collector knows of in this thread. */
  readonly externalBytes: number;
}

export interface NativeInfo {
  /** Kernels in use: 'baseline', 'avx2' or 'avx512'. */
  readonly isa: string;
  /** Version of oneDNN, or null when GEMM and convolution run on generated kernels. */
  readonly oneDNN: string | null;
  readonly threads: number;
}

/** An operand or attribute of an op called by name. */
export type BoxedInput =
  | H
  | number
  | boolean
  | bigint
  | null
  | readonly H[]
  | { readonly value: number; readonly slot?: number; readonly float?: boolean };
export type BoxedAttr =
  | number
  | boolean
  | bigint
  | string
  | null
  | readonly number[]
  | { readonly value: number; readonly slot?: number; readonly float?: boolean };

/**
 * The addon's functions. Tensors are handles; dtypes are the integers of the native enum. Failures are Errors with a `code`
 * (ERR_FLAMBEAU_*); a wrong argument names the function, the parameter and its position.
 */
export interface Native {
  /** Every declared op, in-place variants included. In-place ones return nothing. */
  readonly ops: NativeOps;
  /** Any op by name, operands in schema order, attributes by name. */
  boxed(op: string, inputs: readonly BoxedInput[], attrs: Readonly<Record<string, BoxedAttr>>): H[];

  // ---- numbers in and out ----
  /**
   * A tensor of `shape` with the array's numbers converted to `dtype`; with `share` on the array's own memory (the element types must
   * agree). An ArrayBuffer is taken as raw bytes of `dtype`, a Uint16Array as the bits of float16 or bfloat16.
   */
  fromTypedArray(data: ArrayBufferView | ArrayBufferLike, shape: readonly number[], dtype: number, share: boolean): H;
  /** The memory of the tensor's whole storage, shared; the same object while it is alive. */
  buffer(h: H): ArrayBuffer;
  /** A row-major copy. int64: BigInt64Array; bool and uint8: Uint8Array; float16 and bfloat16: Float32Array. */
  toTypedArray(h: H): Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Uint8Array;
  /** The bytes of the elements, row-major. */
  rawBytes(h: H): Uint8Array;
  /** The one element: bigint for int64 beyond 2^53, boolean for bool. Throws while tracing. */
  item(h: H): number | bigint | boolean;

  // ---- about a tensor ----
  shape(h: H): number[];
  strides(h: H): number[];
  dtype(h: H): number;
  numel(h: H): number;
  /** First element, counted from the start of the storage. */
  offset(h: H): number;
  device(h: H): string;
  isContiguous(h: H): boolean;
  /** Counts in-place writes to the storage. */
  version(h: H): number;
  /** Equal for tensors that share a storage, while it lives. */
  storageId(h: H): number;
  storageBytes(h: H): number;
  sharesStorage(a: H, b: H): boolean;
  /** By the codes of dtypes. */
  promoteTypes(type1: number, type2: number): number;
  resultType(a: H | NumberArg, b: H | NumberArg): number;
  canCast(from: number, to: number): boolean;
  /** Moves a result into a tensor of the caller; true when it had elements of another shape. */
  writeOut(op: string, out: H, result: H, exact: boolean): boolean;
  /** Two handles of the same tensor. */
  isSame(a: H, b: H): boolean;
  isTensorHandle(value: unknown): boolean;
  /** Lets go of the tensor now; any further use of the handle is an error. */
  dispose(h: H): void;
  isDisposed(h: H): boolean;
  /** A token that one importHandle call, on any thread, turns into a handle of the same tensor without copying. */
  exportHandle(h: H): bigint;
  importHandle(token: bigint): H;
  /** Handles alive in the process. */
  liveHandles(): number;

  // ---- autograd ----
  requiresGrad(h: H): boolean;
  setRequiresGrad(h: H, on: boolean): void;
  isLeaf(h: H): boolean;
  grad(h: H): H | null;
  setGrad(h: H, grad: H | null): void;
  gradFn(h: H): NodeHandle | null;
  /** 'MulBackward0'. */
  nodeName(node: NodeHandle): string;
  /** Where gradients flow on, per input; null where none does. */
  nodeNext(node: NodeHandle): ([NodeHandle, number] | null)[];
  retainGrad(h: H): void;
  retainsGrad(h: H): boolean;
  /** The node and its input that the gradient of a tensor flows to: its gradFn, or what accumulates into a leaf's .grad. */
  gradientEdge(h: H): [NodeHandle, number];
  /**
   * `hook(gradInputs, gradOutputs)` after the node has run, or `hook(gradOutputs)` before it; an array that it returns replaces its
   * first argument. The result removes the hook.
   */
  nodeHook(
    node: NodeHandle,
    hook: (first: (H | null)[], second: (H | null)[]) => readonly (H | null)[] | undefined,
    before: boolean,
  ): () => void;
  /** `hook(grad)` may return a replacement. The result removes the hook. */
  registerHook(h: H, hook: (grad: H) => H | null | undefined | void): () => void;
  /**
   * Runs the graph backwards. With `accumulate` (the default when `inputs` is null) gradients add to the leaves' .grad (only those of
   * `inputs` when given) and the result is empty; otherwise the gradients of `inputs` are returned.
   */
  backward(
    roots: readonly H[],
    grads: readonly (H | null)[],
    inputs: readonly H[] | null,
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
    accumulate?: boolean,
  ): (H | null)[];
  /**
   * Makes `outputs` (null: not differentiable) the results of a function of `inputs` (null: not a tensor) whose derivative is
   * `backward`: it gets a gradient or null per output and the unpacked `saved`, and returns one gradient or null per input. An output
   * that is an input was written in place. False: nothing requires grad, nothing was done.
   */
  customFunction(
    inputs: readonly (H | null)[],
    outputs: readonly (H | null)[],
    backward: (grads: readonly (H | null)[], saved: readonly (H | null)[]) => readonly (H | null | undefined)[],
    name: string,
    saved?: readonly (H | null)[],
  ): boolean;
  /** Throws what an in-place op on this tensor would throw. */
  checkInplace(h: H, op: string): void;

  // ---- modes of the calling thread ----
  gradEnabled(): boolean;
  setGradEnabled(on: boolean): void;
  inferenceEnabled(): boolean;
  setInferenceEnabled(on: boolean): void;
  anomalyEnabled(): boolean;
  setAnomalyEnabled(on: boolean): void;
  defaultDtype(): number;
  setDefaultDtype(dtype: number): void;
  numThreads(): number;
  setNumThreads(n: number): void;

  // ---- random numbers ----
  generator(seed?: number | bigint): GeneratorHandle;
  defaultGenerator(): GeneratorHandle;
  manualSeed(seed: number | bigint, generator?: GeneratorHandle | null): void;
  /** Reseeds from the operating system and returns the seed. */
  seed(generator?: GeneratorHandle | null): number | bigint;
  initialSeed(generator?: GeneratorHandle | null): number | bigint;
  rngState(generator?: GeneratorHandle | null): Uint8Array;
  setRngState(state: Uint8Array, generator?: GeneratorHandle | null): void;

  // ---- memory, facts ----
  memoryStats(): NativeMemoryStats;
  /** Gives cached memory back to the operating system. */
  emptyCache(): void;
  /** `collect()` is called when much memory has been allocated since the last time, before an op gives its result. */
  setCollector(collect: () => void): void;
  info(): NativeInfo;

  // ---- recording (docs/trace-format.md) ----
  /** Tolerant: an op that cannot be recorded ends the recording (traceGaveUp tells why) instead of throwing. */
  traceBegin(inputs: readonly H[], tolerant?: boolean): void;
  traceGaveUp(): string | null;
  traceEnd(outputs: readonly H[]): { readonly json: string; readonly captures: H[] };
  traceAbort(): void;
  traceActive(): boolean;
  /** Stops recording; pass the result to traceResume. */
  traceSuspend(): boolean;
  traceResume(was: boolean): void;
  /** The recording waits until traceBringBack(), and another may run meanwhile. */
  traceSetAside(): void;
  traceBringBack(): void;
  /** A graph that was run unrecorded becomes one node of the recording; `graph` is its number. */
  recordGraph(inputs: readonly H[], graph: number, outputs: readonly H[]): void;
  /** Adds the reduction `definition` (src/ir/fold.ts) to the recording that runs, if one does; its results were computed unrecorded. */
  recordFold(
    inputs: readonly H[],
    definition: string,
    dim: readonly number[] | null,
    keepdim: boolean,
    outputs: readonly H[],
  ): void;
  /** The slot of a number that is an input of the graph; pass it to ops as `{ value, slot }`. */
  liveScalar(value: number): number;
  pushScope(name: string): void;
  popScope(): void;
  /** `provider()` says where the running call was made ('file.ts:12:3'); asked per op while tracing and in anomaly mode. */
  setSiteProvider(provider: (() => string | undefined) | null): void;

  // ---- compiled graphs (docs/program-format.md) ----
  loadGraph(path: string | null, meta: string, captures: readonly H[]): GraphHandle;
  /** The results, or the description of the guard that failed (nothing was run then). */
  runGraph(graph: GraphHandle, inputs: readonly H[], scalars: readonly number[]): H[] | string;
  /** A program with control flow (docs/program-format.md) over loaded graphs. */
  loadFlow(plan: string, graphs: readonly GraphHandle[], constants: readonly H[]): FlowHandle;
  runFlow(flow: FlowHandle, inputs: readonly H[]): H[];
  /** A promise of what `runGraph` gives, from a worker thread. Rejects for graphs that write to tensors from outside. */
  runGraphAsync(graph: GraphHandle, inputs: readonly H[], scalars: readonly number[]): Promise<H[] | string>;
  profileStart(): void;
  profileStop(): void;
  /** Native events since the start: [name, kind (0 backward, 1 program, 2 kernel, 3 library step), start, end (µs of hrtime), thread]. */
  profileTake(): [name: string, kind: number, start: number, end: number, thread: number][];
  /** Runs a process off the event loop; does not keep Node alive unless keepBuildsAlive is on, and ends with it. */
  buildAsync(argv: readonly string[], cwd?: string | null): Promise<BuildResult>;
  keepBuildsAlive(on: boolean): void;
}

/** Where the addon may lie, best first: FLAMBEAU_ADDON, then what `npm run build:native` leaves, then a prebuilt one. */
function candidates(): string[] {
  const chosen = process.env['FLAMBEAU_ADDON'];
  if (chosen) return [chosen];
  const root = packageRoot();
  return [
    ...['', 'Release', 'Debug'].map((kind) => join(root, 'build', 'native', kind, 'flambeau.node')),
    join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'flambeau.node'),
  ];
}

function load(): Native {
  // Threads wait without spinning, or two of them lose badly beside another busy process. libgomp reads these when it is loaded.
  process.env['OMP_WAIT_POLICY'] ??= 'passive';
  process.env['GOMP_SPINCOUNT'] ??= '0';
  const paths = candidates();
  const path = paths.find((p) => existsSync(p));
  const fail = (message: string, cause?: unknown): never => {
    throw Object.assign(new Error(message, { cause }), { code: 'ERR_FLAMBEAU_NATIVE' });
  };
  if (path === undefined) {
    return fail(
      `flambeau: the native addon is not built. Run "npm run build:native" in the package's folder.\nLooked for:\n  ${paths.join('\n  ')}`,
    );
  }
  try {
    const addon = createRequire(import.meta.url)(path) as Native;
    addon.setCollector(collectYoung);
    return addon;
  } catch (e) {
    return fail(
      `flambeau: cannot load the native addon ${path}: ${(e as Error).message}\nRun "npm run build:native" to build it again.`,
      e,
    );
  }
}

export const native: Native = load();
