// Whether a graph gives what its function gives. A function does not carry the names around it, so what a name stands for is known by
// convention only (`fb`, what bundlers call imports): the first call compares.
import { isTensor } from '../tensor/handle.js';

const RELATIVE = 1e-3;

/** Null when two results are equal up to rounding; else where they differ. */
export function difference(got: unknown, want: unknown, where = 'the result'): string | null {
  if (isTensor(want) && isTensor(got)) {
    if (got.dtype !== want.dtype || String(got.shape) !== String(want.shape))
      return `${where} is ${got.dtype}[${got.shape.join(', ')}] instead of ${want.dtype}[${want.shape.join(', ')}]`;
    const [a, b] = [got.double(), want.double()];
    const finite = b.abs().nanToNum({ nan: 0, posinf: 0, neginf: 0 });
    const scale = finite.numel() === 0 ? 0 : finite.max().item();
    const same = a.allclose(b, { rtol: RELATIVE, atol: RELATIVE * scale + 1e-8, equalNan: true });
    return same ? null : `${where} has other numbers`;
  }
  if (typeof want === 'number' && typeof got === 'number') {
    const near = Object.is(got, want) || Math.abs(got - want) <= RELATIVE * Math.abs(want) + 1e-8;
    return near ? null : `${where} is ${got} instead of ${want}`;
  }
  if (typeof want === 'object' && want !== null && typeof got === 'object' && got !== null) {
    const [w, g] = [want as Record<string, unknown>, got as Record<string, unknown>];
    for (const k of Object.keys(w)) {
      const d = difference(g[k], w[k], `${where}.${k}`);
      if (d !== null) return d;
    }
    return null;
  }
  return Object.is(got, want) ? null : `${where} is ${String(got)} instead of ${String(want)}`;
}
