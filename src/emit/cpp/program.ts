// A graph program as one C++ source: prelude, kernels, and fb_graph_run, which calls them in order.
import { type Dim } from '../../ir/graph.js';
import { type Def, type Lowered, type StepTensor, stepTensors } from '../../schedule/defs.js';
import { byteSize } from '../../schedule/dtype.js';
import { ixDim, printIndex } from '../../schedule/indexing.js';
import { type Event, type MemoryPlan } from '../memory.js';
import { trafficOf } from '../traffic.js';
import { gradientOnly } from '../training.js';
import { type Lines, comment, renderLines } from '../writer.js';
import { type Target } from '../walker.js';
import { CppKernel } from './kernel.js';
import { preludeFor, runtimeDeclarations } from './prelude.js';
import { ERROR_BASE } from '../errors.js';

/** Kernels with less work than this (in vector additions per element) and less memory to move run on the calling thread: both take some
 * 70 microseconds, and what a second thread wins below that it loses by fetching the data from the first one's cache. */
const PARALLEL_WORK = 4_000_000;
const PARALLEL_BYTES = 2 << 20;
/** Work that one piece handed to a thread should have at least. */
const GRAIN_WORK = 100_000;

const SUPPORT = `
#define FB_MEM(TAG, T) typedef T fb_m_##TAG __attribute__((may_alias));
FB_MEM(f32, float) FB_MEM(f64, double) FB_MEM(f16, unsigned short) FB_MEM(bf16, unsigned short) FB_MEM(i8, signed char)
FB_MEM(i16, short) FB_MEM(i32, int) FB_MEM(i64, long long) FB_MEM(u8, unsigned char) FB_MEM(b8, unsigned char)
typedef struct fb_run { const fb_run_args* args; int error; } fb_run;
static inline fb_int fb_at(fb_int i, fb_int n, int code, fb_run* R) {
  if (__builtin_expect((unsigned long long)i < (unsigned long long)n, 1)) return i;
  R->error = code;
  return 0;
}`;

const RUN = 'extern "C" __attribute__((visibility("default"))) int fb_graph_run';

/** A program's text, and that of each kernel, in the order of the events. */
export interface PrintedProgram {
  readonly source: string;
  readonly kernels: readonly string[];
}

export interface CppProgramOptions {
  readonly name: string;
  readonly threads: number;
  readonly symbols: readonly string[];
}

function isSmall(e: Event, work: number | null): boolean {
  if (work === null || work >= PARALLEL_WORK) return false;
  const { bytesRead, bytesWritten } = trafficOf(e, Number);
  return bytesRead + bytesWritten < PARALLEL_BYTES;
}

export function printCppProgram(
  program: Lowered,
  plan: MemoryPlan,
  events: readonly Event[],
  o: CppProgramOptions,
): PrintedProgram {
  const symbol = (s: string): string => {
    const at = o.symbols.indexOf(s);
    if (at < 0) throw new Error(`symbol '${s}' is not declared by the graph`);
    return `dim${at}`;
  };
  const symbols = o.symbols.map((_, k) => `const fb_int dim${k} = A->dims[${k}]; (void)dim${k};`);
  const dim = (d: Dim): string =>
    typeof d === 'number' ? String(d) : printIndex(ixDim(d), { axis: (a) => a.name, symbol, dyn: () => '0' });
  const memory = (d: Def): string => {
    const p = plan.places.get(d);
    if (!p) throw new Error(`${d.name} has no memory`);
    if (p.k === 'input') return `A->inputs[${p.slot}]`;
    if (p.k === 'output') return `A->outputs[${p.index}]${p.offset ? ` + ${p.offset}` : ''}`;
    return `A->arena + ${dim(p.offset)}`;
  };
  const target: Target = {
    memory,
    symbol,
    symbols,
    errorCode: (what) => ERROR_BASE + Math.max(0, program.errors.indexOf(what)),
  };
  const kernels: string[] = [];
  const run: Lines = ['fb_run state = {A, 0};', 'fb_run* R = &state;', ...symbols];
  const training = gradientOnly(program, events);
  let flushes = false;
  for (const [k, e] of events.entries()) {
    if (training.has(e) !== flushes) run.push(`fb_flush_tiny(${(flushes = !flushes) ? 1 : 0});`);
    run.push(`if (A->runtime->mark) A->runtime->mark(A->graph, ${k});`);
    if (e.k === 'kernel') {
      const printer = new CppKernel(e.kernel, target);
      const text = printer.print();
      kernels.push(text);
      const units = printer.units();
      const work = e.kernel.work;
      const serial = `${e.kernel.name}(R, 0, ${units.count});`;
      if (o.threads <= 1 || units.count === '1' || isSmall(e, work)) run.push(serial);
      else if (work !== null) {
        const grain = Math.max(1, Math.ceil((GRAIN_WORK * Number(units.count)) / work));
        run.push(`A->runtime->parallel_for(${units.count}, ${grain}, ${e.kernel.name}, R);`);
      } else
        run.push(
          `if (${units.count} >= 64) A->runtime->parallel_for(${units.count}, 16, ${e.kernel.name}, R);`,
          `else ${serial}`,
        );
      if (/\bfb_at\(/.test(text)) run.push('if (R->error) return R->error;');
    } else {
      const s = e.step;
      const pointer = (t: StepTensor): string =>
        `(char*)(${memory(t.def)})${t.offset === 0 ? '' : ` + (${dim(t.offset)}) * ${byteSize(t.dtype)}`}`;
      const buffers = [...stepTensors(s).map(pointer), ...s.outputs.map((d) => `(char*)(${memory(d)})`)];
      run.push(
        `{  // ${comment(s.op)}`,
        [
          `void* const buffers[] = {${buffers.join(', ')}};`,
          `const int code = A->runtime->call(A->graph, ${s.id}, buffers, A->dims);`,
          'if (code) return code;',
        ],
        '}',
      );
    }
  }
  for (const c of plan.copies)
    run.push(`__builtin_memcpy(A->outputs[${c.output}], ${memory(c.from)}, ${dim(c.bytes)});`);
  run.push('return R->error;');
  const body = `${kernels.join('\n\n')}

extern "C" __attribute__((visibility("default"))) int fb_graph_abi(void) { return FB_RUNTIME_ABI; }
${training.size > 0 ? 'static int run_all' : RUN}(const fb_run_args* A) {
${renderLines(run, '  ')}
}
${training.size > 0 ? `${RUN}(const fb_run_args* A) {\n  const int code = run_all(A);\n  fb_flush_tiny(0);\n  return code;\n}\n` : ''}`;
  const source = `// ${comment(o.name)}: generated by Flambeau\n${runtimeDeclarations()}\n${preludeFor(body)}\n${SUPPORT}\n\n${body}`;
  return { source, kernels };
}
