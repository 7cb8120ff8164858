// Functions of Math and Number, of numbers that are known or that the graph computes.
import * as create from '../tensor/create.js';
import type { Tensor } from '../tensor/handle.js';
import { binary } from './arithmetic.js';
import { cast } from './library.js';
import { isWhole, RegionError, ScriptScalar, type Region } from './region.js';

const UNARY: ReadonlySet<string> = new Set(['abs', 'exp', 'log', 'log2', 'log10', 'log1p', 'expm1', 'sqrt', 'sin', 'cos', 'tan', 'tanh', 'sinh', 'cosh', 'asin', 'acos', 'atan', 'floor', 'ceil', 'trunc', 'sign']); // prettier-ignore
const WHOLE: ReadonlySet<string> = new Set(['abs', 'floor', 'ceil', 'trunc', 'sign']);

/** Their results may be positions and counts. */
const ROUNDING: ReadonlySet<string> = new Set(['floor', 'ceil', 'trunc']);

/** A function of Math, of known or computed numbers. */
export function mathOf(name: string, args: readonly unknown[], region: Region): unknown {
  if (!args.some((a) => a instanceof ScriptScalar)) {
    const f = (Math as unknown as Record<string, unknown>)[name];
    if (typeof f !== 'function' || name === 'random') throw new RegionError(`Math.${name} is not part of script`);
    return (f as (...a: unknown[]) => unknown)(...args);
  }
  const float = (x: unknown): Tensor =>
    cast(x instanceof ScriptScalar ? x : constant(x as number, region), 'float64', region);
  if (UNARY.has(name) && args.length === 1) {
    const x = args[0] as ScriptScalar;
    const t = WHOLE.has(name) && x.kind === 'int' ? x.tensor : float(x);
    const y = new ScriptScalar(region.emit(() => (t as unknown as Record<string, () => Tensor>)[name]!(), [t]));
    return ROUNDING.has(name) ? new ScriptScalar(cast(y, 'int64', region)) : y;
  }
  if ((name === 'min' || name === 'max') && args.length > 0) {
    const whole = args.every((a) => (a instanceof ScriptScalar ? a.kind === 'int' : isWhole(a)));
    const [first, ...rest] = args.map((x) =>
      whole ? cast(x instanceof ScriptScalar ? x : constant(x as number, region), 'int64', region) : float(x),
    );
    const either = (a: Tensor, b: Tensor): Tensor => (name === 'min' ? a.minimum(b) : a.maximum(b));
    return new ScriptScalar(rest.reduce((a, b) => region.emit(() => either(a, b), [a, b]), first!));
  }
  const of = (make: (...t: Tensor[]) => Tensor): ScriptScalar => {
    const given = args.map(float);
    return new ScriptScalar(region.emit(() => make(...given), given));
  };
  switch (name) {
    case 'pow':
      return of((a, b) => a!.pow(b!));
    case 'atan2':
      return of((a, b) => a!.atan2(b!));
    case 'hypot':
      return of((...all) => all.map((t) => t.mul(t)).reduce((a, b) => a.add(b)).sqrt()); // prettier-ignore
    case 'cbrt':
      return of((a) => a!.sign().mul(a!.abs().pow(1 / 3)));
    case 'round':
      return mathOf('floor', [binary('+', args[0] as ScriptScalar, 0.5, region)], region);
  }
  throw new RegionError(`Math.${name} of numbers that the graph computes is not part of script`);
}
function constant(x: number, region: Region): ScriptScalar {
  return new ScriptScalar(region.emit(() => create.full([], x, { dtype: isWhole(x) ? 'int64' : 'float64' }), []));
}

/** Number.isNaN and the like. */
export function numberTest(name: string, x: ScriptScalar, region: Region): ScriptScalar | boolean {
  const of = (make: (t: Tensor) => Tensor): ScriptScalar =>
    new ScriptScalar(region.emit(() => make(x.tensor), [x.tensor]));
  if (x.kind !== 'bool') {
    const whole = x.kind === 'int';
    if (name === 'isNaN') return whole ? false : of((t) => t.isnan());
    if (name === 'isFinite') return whole ? true : of((t) => t.isfinite());
    if (name === 'isInteger') return whole ? true : of((t) => t.isfinite().logicalAnd(t.trunc().eq(t)));
  }
  throw new RegionError(`Number.${name} of a number that the graph computes is not part of script`);
}
