// Axes: round tick values and their labels, linear or logarithmic.

export interface Axis {
  readonly lo: number;
  readonly hi: number;
  readonly ticks: readonly number[];
  /** Position in [0, 1]. */
  at(v: number): number;
  label(v: number): string;
}

/** Ticks at 1, 2 or 5 times a power of ten, about `count` of them; the axis ends are widened to ticks. */
export function linearAxis(min: number, max: number, count: number): Axis {
  let [lo, hi] = [min, max];
  if (!(hi > lo)) {
    const pad = Math.abs(lo) > 0 ? Math.abs(lo) * 0.1 : 1;
    [lo, hi] = [lo - pad, hi + pad];
  }
  const raw = (hi - lo) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw * 0.999)!;
  const first = Math.floor(lo / step + 1e-9);
  const last = Math.ceil(hi / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const [a, b] = [ticks[0]!, ticks.at(-1)!];
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const label = (v: number): string =>
    step >= 1e6 || step < 1e-5 ? v.toExponential(1) : v.toFixed(Math.min(digits, 8));
  return { lo: a, hi: b, ticks, at: (v) => (v - a) / (b - a), label };
}

/** Ticks at powers of ten. Values must be positive. */
export function logAxis(min: number, max: number): Axis {
  const first = Math.floor(Math.log10(min) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(max) - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
  const label = (v: number): string => (v >= 1e-3 && v < 1e5 ? String(Number(v.toPrecision(3))) : v.toExponential(0));
  return { lo: ticks[0]!, hi: ticks.at(-1)!, ticks, at: (v) => (Math.log10(v) - first) / (last - first), label };
}
