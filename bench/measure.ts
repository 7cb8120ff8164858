// Timing by PyTorch's side's own rule: a batch of calls long enough to time, repeated; the median of the means counts.

export interface Timing {
  /** Median over the repeats of the mean time of one call, in microseconds. */
  readonly us: number;
  /** All repeats, in microseconds. */
  readonly repeats: readonly number[];
}

export function measure(run: () => unknown, minTime = 0.2, repeats = 5): Timing {
  for (let i = 0; i < 3; i++) run();
  const time = (k: number): number => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < k; i++) run();
    return Number(process.hrtime.bigint() - start) / 1e9;
  };
  let k = 1;
  let t = time(k);
  while (t < minTime) {
    k = Math.max(2 * k, Math.floor((k * minTime) / Math.max(t, 1e-9)));
    t = time(k);
  }
  const list = [t / k];
  while (list.length < repeats) list.push(time(k) / k);
  const us = list.map((s) => Math.round(s * 1e9) / 1e3);
  return { us: median(us), repeats: us };
}

export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
