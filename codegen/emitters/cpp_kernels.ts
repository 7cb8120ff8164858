// Emits generated/native/kernels/*.cc (bodies, compiled once per instruction set) and kernels.{h,cc} (the specs the drivers take).
import { cppLeaves, printScalarCpp, type ComputeType } from '../../src/emit/cpp/scalar.js';
import type { PointwiseInfo, ReductionInfo, ScanInfo } from '../../src/ir/opinfo.js';
import { usesSpecial } from '../../src/emit/cpp/prelude.js';
import { render, writeGenerated } from '../render.js';
import type { Op } from '../load.js';
import type { ReductionRecord } from '../model.js';
import { scanKernels } from './cpp_scan.js';
import { isOperandLike, pascal } from './cpp_types.js';

/** Storage traits in the order of enum DType (native/kernels/traits.h). */
export const TRAITS = ['f32', 'f64', 'f16', 'bf16', 'i8', 'i16', 'i32', 'i64', 'u8', 'b8'] as const;
export type Trait = (typeof TRAITS)[number];
export const COMPUTE: Readonly<Record<Trait, ComputeType>> = {
  f32: 'f32',
  f64: 'f64',
  f16: 'f32',
  bf16: 'f32',
  i8: 'i32',
  i16: 'i32',
  i32: 'i32',
  i64: 'i64',
  u8: 'i32',
  b8: 'b',
};
export const VEC: Readonly<Record<ComputeType, string>> = {
  f32: 'f32v',
  f64: 'f64v',
  i32: 'i32v',
  i64: 'i64v',
  b: 'maskv',
};
export const WIDE: Readonly<Record<ComputeType, ComputeType>> = {
  f32: 'f64',
  f64: 'f64',
  i32: 'i64',
  i64: 'i64',
  b: 'b',
};
const CELL: Readonly<Record<ComputeType, string>> = {
  f32: 'float',
  f64: 'double',
  i32: 'int',
  i64: 'int64_t',
  b: 'unsigned char',
};
const FLOATS: readonly Trait[] = ['f32', 'f64', 'f16', 'bf16'];
const INTS: readonly Trait[] = ['i8', 'i16', 'i32', 'i64', 'u8'];
const RULE_TRAITS: Readonly<Record<string, readonly Trait[]>> = {
  same: TRAITS,
  'int-to-float': FLOATS,
  bool: TRAITS,
  'float-only': FLOATS,
  'numeric-only': [...FLOATS, ...INTS],
  'integral-only': [...INTS, 'b8'],
};
const CPP_RULE: Readonly<Record<string, string>> = {
  same: 'Same',
  'int-to-float': 'IntToFloat',
  bool: 'Bool',
  'float-only': 'FloatOnly',
  'numeric-only': 'NumericOnly',
  'integral-only': 'IntegralOnly',
  'int-to-int64': 'IntToInt64',
  index: 'Index',
};
/** Ops per generated file, on average: small translation units build in parallel. */
const CHUNK = 6;

/**
 * The file of a family that holds an op's kernels. By a hash of the op's name over a power of two of files, so that a new op
 * changes one file and the others need no compilation.
 */
function shardOf(name: string, opsInFamily: number): number {
  const shards = 2 ** Math.max(0, Math.round(Math.log2(opsInFamily / CHUNK)));
  let hash = 2166136261; // FNV-1a
  for (const c of name) hash = Math.imul(hash ^ c.charCodeAt(0), 16777619) >>> 0;
  return (hash ^ (hash >>> 15)) & (shards - 1);
}

export const cast = (t: { text: string; type: ComputeType }, to: ComputeType): string =>
  t.type === to ? t.text : `fb_cvt_${t.type}_${to}(${t.text})`;

export function emitKernels(ops: readonly Op[]): void {
  const pointwise = ops.filter((o) => o.info.kind === 'pointwise');
  const reductions = ops.filter((o) => o.info.kind === 'reduction');
  for (const family of new Set(pointwise.map((o) => o.family))) {
    const mine = pointwise.filter((o) => o.family === family);
    const shards = new Map<number, Op[]>();
    for (const op of mine) {
      const shard = shardOf(op.name, mine.length);
      shards.set(shard, [...(shards.get(shard) ?? []), op]);
    }
    for (const [shard, members] of shards)
      writeKernels(`${family}_${shard}`, family, members.map(pointwiseKernels), 'kernels/pointwise_loop.h');
  }
  for (const op of reductions)
    writeKernels(`reduce_${op.name}`, op.family, [reductionKernels(op)], 'kernels/reduce_loop.h');
  const scans = ops.filter((o) => o.info.kind === 'scan');
  for (const op of scans) writeKernels(`scan_${op.name}`, op.family, [scanKernels(op)], 'kernels/scan_loop.h');
  emitSpecs(pointwise, reductions, scans);
}

function writeKernels(name: string, family: string, bodies: readonly string[], loop: string): void {
  writeGenerated(
    `native/kernels/${name}.cc`,
    render('native/source.cc', {
      origin: `codegen/ops/${family}.ts`,
      includes: [
        '"cpu/kernel_abi.h"',
        `"${loop}"`,
        ...(bodies.some((b) => usesSpecial(b)) ? ['"kernels/special.h"'] : []),
      ],
      body: ['namespace flambeau::kernels::FB_ISA {', '', ...bodies, '}  // namespace flambeau::kernels::FB_ISA'].join(
        '\n',
      ),
    }),
  );
}

// ---- pointwise ----

/** bool takes part in arithmetic as 0/1, in logic as a mask. */
const inTrait = (t: Trait, rule: string): string => (t === 'b8' && rule !== 'integral-only' ? 'b8i' : t);
const computeOf = (t: Trait, rule: string): ComputeType =>
  t === 'b8' && rule !== 'integral-only' ? 'i32' : COMPUTE[t];

function pointwiseKernels(op: Op): string {
  const info = op.info as PointwiseInfo;
  const traits = op.derived ? FLOATS : RULE_TRAITS[info.rule]!;
  const operands = info.params.filter((p) => isOperandLike(p.type)).map((p) => p.name);
  const attrs = info.params.filter((p) => !isOperandLike(p.type)).map((p) => p.name);
  const lines: string[] = [`// ${op.name} = ${info.forward.join(', ')}`];
  const bodies = new Map<ComputeType, string>();
  for (const t of traits) {
    const c = computeOf(t, info.rule);
    if (bodies.has(c)) continue;
    const name = `${pascal(op.name)}_${c}`;
    bodies.set(c, name);
    const types = new Map<string, ComputeType>([
      ...operands.map((o): [string, ComputeType] => [o, info.conditions.includes(o) ? 'b' : c]),
      ...attrs.map((a): [string, ComputeType] => [a, c === 'b' ? 'i32' : c]),
    ]);
    const names = new Map(attrs.map((a, i) => [a, `attr[${i}]`]));
    const outType: ComputeType = info.rule === 'bool' ? 'b' : c;
    const results = op.forward!.map((e) => cast(printScalarCpp(e, types, c, names), outType));
    const outs = results.map((_, i) => `${VEC[outType]}& out${i}`);
    const ins = operands.map((o) => `[[maybe_unused]] ${VEC[types.get(o)!]} ${o}`);
    lines.push(
      `struct ${name} {`,
      `  static inline __attribute__((always_inline)) void apply(${[...outs, ...ins, `[[maybe_unused]] const ${VEC[c === 'b' ? 'i32' : c]}* attr`].join(', ')}) {`,
      ...results.map((r, i) => `    ${VEC[outType]} r${i} = ${r};`),
      ...results.map((_, i) => `    out${i} = r${i};`),
      '  }',
      '};',
    );
  }
  lines.push(`extern const cpu::PointwiseKernel ${op.name}[kNumDTypes] = {`);
  for (const t of TRAITS) {
    if (!traits.includes(t)) {
      lines.push('    nullptr,');
      continue;
    }
    const c = computeOf(t, info.rule);
    const ins = operands.map((o) => (info.conditions.includes(o) ? 'b8' : inTrait(t, info.rule)));
    const out = info.rule === 'bool' ? 'b8' : inTrait(t, info.rule);
    lines.push(
      `    Pointwise<${bodies.get(c)}, ${VEC[c === 'b' ? 'i32' : c]}, ${attrs.length}, List<${op.forward!.map(() => out).join(', ')}>, List<${ins.join(', ')}>>::kernel,`,
    );
  }
  lines.push('};\n');
  return lines.join('\n');
}

// ---- reductions ----

const REDUCE_TRAITS: Readonly<Record<string, readonly Trait[]>> = {
  same: TRAITS,
  'int-to-int64': [...FLOATS, 'i64'],
  'float-only': FLOATS,
  bool: TRAITS,
  index: TRAITS,
};

function reductionKernels(op: Op): string {
  const info = op.info as ReductionInfo;
  const lines = [`// ${op.name}: combine ${info.combine.join(', ')}; finish ${info.finish.join(', ')}`];
  const table: string[] = [];
  for (const t of TRAITS) {
    if (!REDUCE_TRAITS[info.rule]!.includes(t)) table.push('    {},');
    else {
      const name = `${pascal(op.name)}_${t}`;
      lines.push(reductionStruct(op, info, t, name));
      const r = `Reduce<${name}>`;
      table.push(
        `    {${r}::inner, ${r}::outer, ${r}::init, ${r}::combineStates, ${r}::finish, sizeof(${name}::State)},`,
      );
    }
  }
  lines.push(`extern const cpu::ReductionKernels ${op.name}[kNumDTypes] = {`, ...table, '};\n');
  return lines.join('\n');
}

function reductionStruct(op: Op, info: ReductionInfo, t: Trait, name: string): string {
  const c: ComputeType = t === 'b8' ? 'i32' : COMPUTE[t];
  const element = info.rule === 'bool' ? 'b' : (op.record as ReductionRecord).wide ? WIDE[c] : c;
  const narrow = (s: { type: 'T' | 'i64' }): ComputeType => (s.type === 'i64' ? 'i64' : element);
  const state = info.state.map((s) => ({ ...s, n: narrow(s), w: WIDE[narrow(s)] }));
  const attrs = info.params.filter((p) => !['self', 'dim', 'keepdim', 'dtype'].includes(p.name)).map((p) => p.name);
  const fields = (pick: (s: (typeof state)[number]) => string): string =>
    state.map((s) => `${pick(s)} ${s.name};`).join(' ');
  const types = (wide: boolean): Map<string, ComputeType> => {
    const m = new Map<string, ComputeType>([
      ['x', c],
      ['index', 'i64'],
      ['n', 'f64'],
    ]);
    for (const s of state) m.set(s.name, wide ? s.w : s.n).set(`${s.name}_b`, wide ? s.w : s.n);
    for (const a of attrs) m.set(a, 'f64');
    return m;
  };
  const accNames = new Map(
    state.flatMap((s): [string, string][] => [
      [s.name, `a.${s.name}`],
      [`${s.name}_b`, `b.${s.name}`],
    ]),
  );
  const assign = (exprs: NonNullable<Op['reduce']>['combine'], wide: boolean, base: ComputeType): string[] => [
    ...exprs.map(
      (e, i) =>
        `    auto r${i} = ${cast(printScalarCpp(e, types(wide), base, accNames), wide ? state[i]!.w : state[i]!.n)};`,
    ),
    ...exprs.map((_, i) => `    a.${state[i]!.name} = r${i};`),
  ];
  const initExpr = (s: (typeof state)[number], type: ComputeType): string =>
    cppLeaves.constant(type === 'b' ? Boolean(s.init) : s.init, type);
  const cell = (x: ComputeType): string => (x === 'b' ? 'b8' : x);
  const wideBase: ComputeType = WIDE[c];
  const finishNames = new Map([
    ...state.map((s): [string, string] => [s.name, `w.${s.name}`]),
    ...attrs.map((a, i): [string, string] => [a, `fb_splat_f64(attr[${i}])`]),
    ['n', 'fb_splat_f64((double)n)'] as [string, string],
  ]);
  const finish = op.reduce!.finish.map((e, i) => {
    const result = info.results[i]!;
    const asIndex =
      info.rule === 'index' ||
      (state.find((s) => s.type === 'i64') !== undefined && result !== 'values' && info.results.length > 1);
    const trait = asIndex ? 'i64' : info.rule === 'bool' ? 'b8' : t === 'b8' ? 'b8i' : t;
    const to: ComputeType = asIndex ? 'i64' : info.rule === 'bool' ? 'b' : c;
    const text = cast(printScalarCpp(e, types(true), wideBase, finishNames), to);
    return `    ${trait}::stores(out[${i}] + at * step[${i}], step[${i}], ${text}, m);`;
  });
  return [
    `struct ${name} {`,
    `  using In = ${t === 'b8' ? 'b8i' : t};`,
    `  static constexpr int unroll = ${state.length === 1 ? 4 : 1};`,
    `  struct Acc { ${fields((s) => VEC[s.n])} };`,
    `  struct Wide { ${fields((s) => VEC[s.w])} };`,
    `  struct State { ${fields((s) => CELL[s.w])} };`,
    '  static inline void init(Acc& a) {',
    ...state.map((s) => `    a.${s.name} = ${initExpr(s, s.n)};`),
    '  }',
    '  static inline void initWide(Wide& a) {',
    ...state.map((s) => `    a.${s.name} = ${initExpr(s, s.w)};`),
    '  }',
    `  static inline void combine(Acc& a, ${VEC[c]} x, [[maybe_unused]] i64v index) {`,
    ...assign(op.reduce!.combine, false, c),
    '  }',
    '  static inline void select(maskv m, Acc& a, const Acc& b) {',
    ...state.map((s) => `    a.${s.name} = fb_select(m, b.${s.name}, a.${s.name});`),
    '  }',
    '  static inline void join(Acc& a, const Acc& b) {',
    ...assign(op.reduce!.join, false, c),
    '  }',
    '  static inline void joinWide(Wide& a, const Wide& b) {',
    ...assign(op.reduce!.join, true, wideBase),
    '  }',
    `  static inline Wide widen(const Acc& a) { return {${state.map((s) => cast({ text: `a.${s.name}`, type: s.n }, s.w)).join(', ')}}; }`,
    `  static inline Acc shift(const Acc& a, int lanes) { return {${state.map((s) => `shiftLanes<${cell(s.n)}>(a.${s.name}, lanes)`).join(', ')}}; }`,
    `  static inline Wide load(const State* s, int64_t m) { return {${state.map((s) => `gatherField<${cell(s.w)}>(s, &State::${s.name}, m)`).join(', ')}}; }`,
    '  static inline void store(State* s, const Wide& w, int64_t m) {',
    ...state.map((s) => `    scatterField<${cell(s.w)}>(s, &State::${s.name}, m, w.${s.name});`),
    '  }',
    '  static inline void finish(const Wide& w, char* const* out, const int64_t* step, int64_t at, int64_t m, [[maybe_unused]] int64_t n, [[maybe_unused]] const double* attr) {',
    ...finish,
    '  }',
    '};',
  ].join('\n');
}

// ---- specs ----

function emitSpecs(pointwise: readonly Op[], reductions: readonly Op[], scans: readonly Op[]): void {
  const decl = (isa: string): string[] => [
    `namespace ${isa} {`,
    ...pointwise.map((o) => `extern const cpu::PointwiseKernel ${o.name}[kNumDTypes];`),
    ...reductions.map((o) => `extern const cpu::ReductionKernels ${o.name}[kNumDTypes];`),
    ...scans.map((o) => `extern const cpu::ScanKernel ${o.name}[kNumDTypes];`),
    `}  // namespace ${isa}`,
  ];
  writeGenerated(
    'native/kernels.h',
    render('native/header.h', {
      origin: 'codegen/ops',
      includes: ['"cpu/kernel_abi.h"'],
      body: [
        'namespace flambeau::kernels {',
        ...['baseline', 'avx2', 'avx512'].flatMap(decl),
        ...pointwise.map((o) => `extern const cpu::PointwiseSpec ${o.name};`),
        ...reductions.map((o) => `extern const cpu::ReductionSpec ${o.name};`),
        ...scans.map((o) => `extern const cpu::ScanSpec ${o.name};`),
        '}  // namespace flambeau::kernels',
      ].join('\n'),
    }),
  );
  const pick = (n: string): string => `FB_PICK(${n})`;
  const specs = pointwise.map((o) => {
    const info = o.info as PointwiseInfo;
    const operands = info.params.filter((p) => isOperandLike(p.type));
    const conds = operands.reduce((m, p, i) => (info.conditions.includes(p.name) ? m | (1 << i) : m), 0);
    return `const cpu::PointwiseSpec ${o.name} = pointwise("${o.name}", cpu::DTypeRule::${CPP_RULE[info.rule]}, ${operands.length}, ${info.forward.length}, ${info.params.length - operands.length}, ${conds}, ${pick(o.name)});`;
  });
  const reduceSpecs = reductions.map((o) => {
    const info = o.info as ReductionInfo;
    const index = info.results.map((r) => info.rule === 'index' || r === 'indices');
    return `const cpu::ReductionSpec ${o.name} = reduction("${o.name.replace(/Dim$/, '')}", cpu::ReduceRule::${CPP_RULE[info.rule]}, ${info.results.length}, ${index[0] ?? false}, ${index[1] ?? false}, ${info.identity}, ${pick(o.name)});`;
  });
  const scanSpecs = scans.map((o) => {
    const info = o.info as ScanInfo;
    return `const cpu::ScanSpec ${o.name} = scan("${o.name}", cpu::ReduceRule::${CPP_RULE[info.rule]}, ${info.results.length}, ${info.results[1] === 'indices'}, ${info.reverse === true}, ${pick(o.name)});`;
  });
  writeGenerated(
    'native/kernels.cc',
    render('native/kernels.cc', { specs: [...specs, ...reduceSpecs, ...scanSpecs].join('\n') }),
  );
}
