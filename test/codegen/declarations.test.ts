// The declarations are the only op truth: each is complete, its body runs as ordinary JavaScript and is the float64 reference
// of its kernels, and its derivative formulas agree with difference quotients of that body.
import { describe, expect, test } from 'vitest';
import { readdirSync } from 'node:fs';
import { loadOps, type Op } from '../../codegen/load.js';
import type { OpRecord, PointwiseRecord } from '../../codegen/model.js';
import { OPS } from '../../generated/ts/ops.js';
import { evalScalar } from '../emit/support/reference.js';
import { native } from '../../src/native.js';
import { DTYPES, type DType } from '../../src/tensor/dtype.js';
import type { Param } from '../../src/ir/opinfo.js';
import { printExpr } from '../../src/ir/scalar.js';

const ops = await loadOps();
const declared = ops.filter((o) => !o.derived);

test('every op has a doc, a derivative or a reason for none, an ONNX mapping or a reason for none', () => {
  for (const o of declared) {
    expect(o.record.doc.length, o.name).toBeGreaterThan(10);
    const hasBackward =
      o.record.kind === 'pointwise' ? true : 'backward' in o.record && Object.keys(o.record.backward ?? {}).length > 0;
    const composed = o.record.kind === 'composite';
    expect(
      hasBackward || composed || o.record.nondifferentiable !== undefined,
      `${o.name}: no derivative and no reason`,
    ).toBe(true);
    const onnx = o.record.onnx;
    expect('op' in onnx || 'symbolic' in onnx || onnx.none.length > 3, o.name).toBe(true);
  }
});

test('the table lists every op once, under the name that traces use', () => {
  expect(Object.values(OPS).length).toBe(ops.length);
  for (const [name, info] of Object.entries(OPS)) expect(info.name).toBe(name);
});

test('all six kinds are in use, one file per family', () => {
  const kinds = new Set(declared.map((o) => o.record.kind));
  expect([...kinds].sort()).toEqual(['composite', 'extern', 'pointwise', 'reduction', 'scan', 'view']);
  const families = readdirSync(new URL('../../codegen/ops', import.meta.url)).map((f) => f.replace('.ts', ''));
  expect([...new Set(declared.map((o) => o.family))].sort()).toEqual(families.sort());
});

type Pointwise = Op & { record: OpRecord & PointwiseRecord & { kind: 'pointwise' } };
const pointwise = declared.filter((o): o is Pointwise => o.record.kind === 'pointwise' && !o.record.mutates);

const isAttribute = (p: Param): boolean => !['Tensor', 'Tensor?', 'Operand'].includes(p.type);

/** Inputs for each parameter: numbers of the sample range (booleans for conditions), the same for every dtype. */
function inputs(o: Pointwise, n: number): Map<string, number[]> {
  const range = 'range' in o.record.samples ? o.record.samples.range : ([-1, 1] as const);
  const whole = o.record.dtype === 'integral-only';
  const out = new Map<string, number[]>();
  o.sig.params.forEach((p, k) => {
    const values = Array.from({ length: n }, (_, i) => {
      const u = ((i * 7 + k * 3 + 1) % n) / (n - 1);
      const x = range[0] + u * (range[1] - range[0]);
      if (o.record.conditions?.includes(p.name)) return (i + k) % 2;
      return whole ? Math.round(x) : Math.fround(x);
    });
    const one = typeof p.default === 'number' ? p.default : p.type === 'int' ? Math.round(values[3]!) : values[3]!;
    out.set(p.name, isAttribute(p) ? values.map(() => one) : values);
  });
  return out;
}

/** The declared arrow function itself, called in JavaScript: bodies name the schema's parameters in order. */
function bodyAt(o: Pointwise, at: ReadonlyMap<string, number>): number {
  const args = o.sig.params.map((p) =>
    o.record.conditions?.includes(p.name) ? at.get(p.name) !== 0 : at.get(p.name)!,
  );
  return Number(o.record.forward(...args));
}

const code = (d: DType): number => DTYPES.indexOf(d);
function run(o: Pointwise, values: Map<string, number[]>, dtype: DType): number[] {
  const args = o.sig.params.map((p) => {
    const v = values.get(p.name)!;
    if (isAttribute(p)) return v[0]!;
    const t = native.fromTypedArray(Float64Array.from(v), [v.length], code('float64'), false);
    return native.ops.toDtype(t, code(o.record.conditions?.includes(p.name) ? 'bool' : dtype));
  });
  const [out] = native.boxed(
    o.name,
    args.filter((_, i) => !isAttribute(o.sig.params[i]!)) as object[],
    Object.fromEntries(o.sig.params.flatMap((p, i) => (isAttribute(p) ? [[p.name, args[i] as number]] : []))),
  );
  return Array.from(native.toTypedArray(native.ops.toDtype(out!, code('float64'))) as Float64Array);
}

describe('kernels against their bodies', () => {
  test.each(pointwise.map((o) => [o.name, o] as const))('%s', (_, o) => {
    const values = inputs(o, 37);
    const names = o.sig.params.map((p) => p.name);
    const expected = Array.from({ length: 37 }, (_, i) =>
      bodyAt(o, new Map(names.map((n) => [n, values.get(n)![i]!]))),
    );
    const dtypes: DType[] = o.record.dtype === 'integral-only' ? ['int64', 'int32'] : ['float64', 'float32'];
    for (const dtype of dtypes) {
      const got = run(o, values, dtype);
      // float32: a few units in the last place of a body of several steps; float64: rounding of a few steps.
      const [rtol, atol] = dtype === 'float32' ? [3e-6, 2e-6] : [1e-12, 1e-13];
      got.forEach((g, i) => {
        const e = expected[i]!;
        const fits =
          Object.is(g, e) ||
          g === e ||
          (Number.isNaN(g) && Number.isNaN(e)) ||
          Math.abs(g - e) <= atol + rtol * Math.abs(e);
        if (!fits)
          throw new Error(
            `${o.name} ${dtype}[${i}] of ${JSON.stringify(names.map((n) => values.get(n)![i]))}: ${g}, the body gives ${e}`,
          );
      });
    }
  });
});

describe('derivatives against difference quotients of the body', () => {
  const smooth = pointwise.flatMap((o) => (o.gradients ?? []).map((g) => [`${o.name}, ${g.param}`, o, g] as const));
  test.each(smooth)('%s', (_, o, g) => {
    const values = inputs(o, 41);
    const names = o.sig.params.map((p) => p.name);
    let checked = 0;
    for (let i = 0; i < 41; i++) {
      const at = new Map<string, number>(names.map((n) => [n, values.get(n)![i]!]));
      const f = (x: number): number => bodyAt(o, new Map(at).set(g.param, x));
      const x = at.get(g.param)!;
      const h = 1e-5 * Math.max(1, Math.abs(x));
      const [left, right] = [(f(x) - f(x - h)) / h, (f(x + h) - f(x)) / h];
      // Kinks and jumps have no difference quotient.
      if (Math.abs(left) * h > 1e-3 * (1 + Math.abs(f(x)))) continue;
      if (!Number.isFinite(left) || !Number.isFinite(right) || Math.abs(left - right) > 1e-3 * (1 + Math.abs(left)))
        continue;
      const known = new Map(at).set('grad', 1.5).set('out', f(x));
      const formula = evalScalar(g.expr, (n) => known.get(n)!);
      const quotient = (1.5 * (f(x + h) - f(x - h))) / (2 * h);
      if (Math.abs(formula - quotient) > 1e-4 * (1 + Math.abs(quotient)))
        throw new Error(
          `${printExpr(g.expr)} at ${JSON.stringify([...at])}: ${formula}, the difference quotient is ${quotient}`,
        );
      checked++;
    }
    expect(checked).toBeGreaterThan(10);
  });
});
