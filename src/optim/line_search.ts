// The line search of L-BFGS: a step length that satisfies the strong Wolfe conditions, by bracketing and cubic interpolation.
// Source: Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6; the constants are those of torch.optim.LBFGS.
import type { Tensor } from '../tensor/handle.js';

/** The objective at one step length: value, gradient, and the gradient's component along the direction. */
export interface Point {
  readonly t: number;
  readonly f: number;
  readonly g: Tensor;
  readonly slope: number;
}

const C1 = 1e-4;
const C2 = 0.9;
const MAX_STEPS = 25;

/** Minimiser of the cubic through two points with their slopes, kept within bounds. */
function cubic(a: Point, b: Point, bounds?: readonly [number, number]): number {
  const [lo, hi] = bounds ?? (a.t <= b.t ? [a.t, b.t] : [b.t, a.t]);
  const d1 = a.slope + b.slope - (3 * (a.f - b.f)) / (a.t - b.t);
  const square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (lo + hi) / 2;
  const d2 = Math.sqrt(square);
  const [left, right] = a.t <= b.t ? [a, b] : [b, a];
  const at = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  return Math.min(Math.max(at, lo), hi);
}

/**
 * Searches from `start` (length 0). `evaluate(t)` gives the point at length t; `size` is the largest component of the direction.
 * The best point and the number of evaluations.
 */
export function strongWolfe(
  evaluate: (t: number) => Point,
  start: Point,
  first: number,
  size: number,
  tolerance: number,
): { point: Point; evaluations: number } {
  const tooHigh = (p: Point): boolean => p.f > start.f + C1 * p.t * start.slope;
  const flat = (p: Point): boolean => Math.abs(p.slope) <= -C2 * start.slope;
  let previous = start;
  let now = evaluate(first);
  let evaluations = 1;
  let steps = 0;
  let bracket: [Point, Point] | null = null;
  for (; steps < MAX_STEPS; steps++) {
    if (tooHigh(now) || (steps > 1 && now.f >= previous.f)) bracket = [previous, now];
    else if (flat(now)) return { point: now, evaluations };
    else if (now.slope >= 0) bracket = [previous, now];
    if (bracket !== null) break;
    const t = cubic(previous, now, [now.t + 0.01 * (now.t - previous.t), now.t * 10]);
    previous = now;
    now = evaluate(t);
    evaluations++;
  }
  bracket ??= [start, now];
  let [low, high] = bracket[0].f <= bracket[1].f ? [0, 1] : [1, 0];
  let stalled = false;
  for (let done = false; !done && steps < MAX_STEPS; steps++) {
    const [least, most] = [Math.min(bracket[0].t, bracket[1].t), Math.max(bracket[0].t, bracket[1].t)];
    if ((most - least) * size < tolerance) break;
    let t = cubic(bracket[0], bracket[1]);
    // A step close to an end of the bracket twice in a row makes no progress: then move away from that end.
    const margin = 0.1 * (most - least);
    if (Math.min(most - t, t - least) < margin) {
      if (stalled || t >= most || t <= least) {
        t = Math.abs(t - most) < Math.abs(t - least) ? most - margin : least + margin;
        stalled = false;
      } else stalled = true;
    } else stalled = false;
    const next = evaluate(t);
    evaluations++;
    if (tooHigh(next) || next.f >= bracket[low]!.f) {
      bracket[high] = next;
      [low, high] = bracket[0].f <= bracket[1].f ? [0, 1] : [1, 0];
    } else {
      if (flat(next)) done = true;
      else if (next.slope * (bracket[high]!.t - bracket[low]!.t) >= 0) bracket[high] = bracket[low]!;
      bracket[low] = next;
    }
  }
  return { point: bracket[low]!, evaluations };
}
