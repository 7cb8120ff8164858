// Kernels of scans (native/kernels/scan_loop.h has the loops): one struct per dtype, generated from the declaration.
import { cppLeaves, printScalarCpp, type ComputeType } from '../../src/emit/cpp/scalar.js';
import type { ScanInfo } from '../../src/ir/opinfo.js';
import type { Op } from '../load.js';
import { cast, COMPUTE, TRAITS, VEC, WIDE, type Trait } from './cpp_kernels.js';
import { pascal } from './cpp_types.js';

const FLOATS: readonly Trait[] = ['f32', 'f64', 'f16', 'bf16'];

export function scanKernels(op: Op): string {
  const info = op.info as ScanInfo;
  const lines = [`// ${op.name}: combine ${info.combine.join(', ')}; finish ${info.finish.join(', ')}`];
  const table = TRAITS.map((t) => {
    if (info.rule === 'float-only' && !FLOATS.includes(t)) return '    nullptr,';
    const name = `${pascal(op.name)}_${t}`;
    lines.push(scanStruct(op, info, t, name));
    return `    Scan<${name}>::run,`;
  });
  lines.push(`extern const cpu::ScanKernel ${op.name}[kNumDTypes] = {`, ...table, '};\n');
  return lines.join('\n');
}

function scanStruct(op: Op, info: ScanInfo, t: Trait, name: string): string {
  const element: ComputeType = t === 'b8' ? 'i32' : COMPUTE[t];
  // Sums and products are kept wide: rounding errors would add up along a line.
  const c = info.rule === 'same' ? element : WIDE[element];
  const state = info.state.map((s) => ({ ...s, c: s.type === 'i64' ? ('i64' as const) : c }));
  const types = new Map<string, ComputeType>([
    ['x', c],
    ['index', 'i64'],
    ...state.flatMap((s): [string, ComputeType][] => [
      [s.name, s.c],
      [`${s.name}_b`, s.c],
    ]),
  ]);
  const names = new Map(
    state.flatMap((s): [string, string][] => [
      [s.name, `a.${s.name}`],
      [`${s.name}_b`, `b.${s.name}`],
    ]),
  );
  const print = (e: NonNullable<Op['reduce']>['combine'][number], to: ComputeType): string =>
    cast(printScalarCpp(e, types, c, names), to);
  const assign = (exprs: NonNullable<Op['reduce']>['combine']): string[] => [
    ...exprs.map((e, i) => `    auto r${i} = ${print(e, state[i]!.c)};`),
    ...exprs.map((_, i) => `    a.${state[i]!.name} = r${i};`),
  ];
  const finish = op.reduce!.finish.map((e, i) => {
    const isIndex = info.results[i] === 'indices';
    const out = isIndex ? 'i64' : t === 'b8' ? (info.rule === 'same' ? 'b8i' : 'b8') : t;
    const to: ComputeType = isIndex ? 'i64' : out === 'b8' ? 'b' : element;
    return `    put<${out}>(out[${i}], line[${i}], ${print(e, to)}, m);`;
  });
  return [
    `struct ${name} {`,
    `  using In = ${t === 'b8' ? 'b8i' : t};`,
    `  static constexpr int outputs = ${info.results.length};`,
    `  struct Acc { ${state.map((s) => `${VEC[s.c]} ${s.name};`).join(' ')} };`,
    '  static inline void init(Acc& a) {',
    ...state.map((s) => `    a.${s.name} = ${cppLeaves.constant(s.c === 'b' ? Boolean(s.init) : s.init, s.c)};`),
    '  }',
    `  static inline void combine(Acc& a, ${VEC[element]} v, [[maybe_unused]] i64v index) {`,
    `    const ${VEC[c]} x = ${cast({ text: 'v', type: element }, c)};`,
    ...assign(op.reduce!.combine),
    '  }',
    '  static inline void join(Acc& a, const Acc& b) {',
    ...assign(op.reduce!.join),
    '  }',
    `  static inline Acc shiftUp(const Acc& a, int lanes, const Acc& fill) { return {${state.map((s) => `shiftLanesUp<${s.c}>(a.${s.name}, lanes, fill.${s.name})`).join(', ')}}; }`,
    '  static inline void finish(const Acc& a, char* const* out, const int64_t* line, int64_t m) {',
    ...finish,
    '  }',
    '};',
  ].join('\n');
}
