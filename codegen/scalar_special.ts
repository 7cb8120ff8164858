// Special functions of the scalar vocabulary in JavaScript: slow, and by other means than the kernels (native/kernels/special.h), which tests
// compare with them. Definitions by integrals, series and recurrences as in the NIST Digital Library of Mathematical Functions.
import { erf, erfc } from './scalar_lib.js';

/** The integral of f over [a, b] by the tanh-sinh rule; f may be singular at the ends. */
function integrate(f: (x: number) => number, a: number, b: number): number {
  const h = 1 / 64;
  let sum = 0;
  for (let k = -260; k <= 260; k++) {
    const t = (Math.PI / 2) * Math.sinh(k * h);
    const x = (a + b) / 2 + ((b - a) / 2) * Math.tanh(t);
    const y = f(x);
    if (x > a && x < b && Number.isFinite(y)) sum += (y * Math.cosh(k * h)) / Math.cosh(t) ** 2;
  }
  return (sum * h * Math.PI * (b - a)) / 4;
}
/** The zero of an increasing function, by bisection. */
function solve(f: (x: number) => number, lo: number, hi: number): number {
  for (let i = 0; i < 200; i++) {
    const mid = (lo + hi) / 2;
    if (f(mid) < 0) lo = mid;
    else hi = mid;
  }
  return (lo + hi) / 2;
}

// ---- gamma ----

/** The logarithm of the gamma function for x > 0, by Stirling's series from 20 on. */
export function lgamma(x: number): number {
  let shift = 0;
  for (; x < 20; x++) shift += Math.log(x);
  const z = 1 / (x * x);
  const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188)))) / x;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - shift;
}
export function digamma(x: number): number {
  let shift = 0;
  for (; x < 20; x++) shift += 1 / x;
  const z = 1 / (x * x);
  return Math.log(x) - 1 / (2 * x) - z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z / 132)))) - shift;
}
export function zeta(s: number, q: number): number {
  let sum = 0;
  for (; q < 60; q++) sum += q ** -s;
  const p = q ** -s;
  const series =
    s / 12 - (s * (s + 1) * (s + 2)) / 720 / q ** 2 + (s * (s + 1) * (s + 2) * (s + 3) * (s + 4)) / 30240 / q ** 4;
  return sum + (p * q) / (s - 1) + p / 2 + (p / q) * series;
}
export const polygamma = (n: number, x: number): number =>
  n === 0 ? digamma(x) : (n % 2 === 1 ? 1 : -1) * Math.exp(lgamma(n + 1)) * zeta(n + 1, x);
/** By the series of x^n / gamma(a + n + 1), which has positive terms only. */
export function igamma(a: number, x: number): number {
  let sum = 0;
  for (let n = 0, term = 1; n < 300; n++) {
    sum += term;
    term *= x / (a + n + 1);
  }
  return sum * Math.exp(a * Math.log(x) - x - lgamma(a + 1));
}
export const igammac = (a: number, x: number): number => 1 - igamma(a, x);

// ---- error functions ----

export const erfinv = (y: number): number =>
  Math.abs(y) > 1 ? NaN : solve((x) => (y < 0 ? erf(x) - y : 1 - y - erfc(x)), -6, 6);
export const ndtri = (p: number): number => Math.SQRT2 * solve((x) => erfc(-x) / 2 - p, -20, 20);
export const erfcx = (x: number): number => Math.exp(x * x) * erfc(x);
export const logNdtr = (x: number): number => Math.log(erfc(-x * Math.SQRT1_2) / 2);

// ---- Bessel and Airy functions ----

const besselI = (n: number, x: number): number =>
  integrate((t) => Math.exp(x * Math.cos(t)) * Math.cos(n * t), 0, Math.PI) / Math.PI;
const besselJ = (n: number, x: number): number =>
  integrate((t) => Math.cos(n * t - x * Math.sin(t)), 0, Math.PI) / Math.PI;
/** For x > 0. */
const besselY = (n: number, x: number): number =>
  (integrate((t) => Math.sin(x * Math.sin(t) - n * t), 0, Math.PI) -
    integrate((t) => (Math.exp(n * t) + (-1) ** n * Math.exp(-n * t)) * Math.exp(-x * Math.sinh(t)), 0, 8)) /
  Math.PI;
/** For x > 0. */
const besselK = (n: number, x: number): number =>
  integrate((t) => Math.exp(-x * Math.cosh(t)) * Math.cosh(n * t), 0, 8);
export const i0 = (x: number): number => besselI(0, x);
export const i1 = (x: number): number => besselI(1, x);
export const i0e = (x: number): number => Math.exp(-Math.abs(x)) * besselI(0, x);
export const i1e = (x: number): number => Math.exp(-Math.abs(x)) * besselI(1, x);
export const besselJ0 = (x: number): number => besselJ(0, x);
export const besselJ1 = (x: number): number => besselJ(1, x);
export const besselY0 = (x: number): number => besselY(0, x);
export const besselY1 = (x: number): number => besselY(1, x);
export const besselK0 = (x: number): number => besselK(0, x);
export const besselK1 = (x: number): number => besselK(1, x);
export const besselK0e = (x: number): number => Math.exp(x) * besselK(0, x);
export const besselK1e = (x: number): number => Math.exp(x) * besselK(1, x);
/** For x > 0. */
export const airyAi = (x: number): number => (Math.sqrt(x / 3) / Math.PI) * besselK(1 / 3, (2 / 3) * x ** 1.5);

// ---- orthogonal polynomials ----

/** p[0] = 1, p[1] = first, p[k + 1] = step(p[k], p[k - 1], k). */
function polynomial(n: number, first: number, step: (q: number, p: number, k: number) => number): number {
  const degree = Math.trunc(n);
  if (degree < 0) return 0;
  let [p, q] = [1, first];
  for (let k = 1; k < degree; k++) [p, q] = [q, step(q, p, k)];
  return degree === 0 ? 1 : q;
}
const chebyshev = (n: number, x: number, first: number): number => polynomial(n, first, (q, p) => 2 * x * q - p);
export const chebyshevT = (x: number, n: number): number => chebyshev(n, x, x);
export const chebyshevU = (x: number, n: number): number => chebyshev(n, x, 2 * x);
export const chebyshevV = (x: number, n: number): number => chebyshev(n, x, 2 * x - 1);
export const chebyshevW = (x: number, n: number): number => chebyshev(n, x, 2 * x + 1);
export const hermiteH = (x: number, n: number): number => polynomial(n, 2 * x, (q, p, k) => 2 * x * q - 2 * k * p);
export const hermiteHe = (x: number, n: number): number => polynomial(n, x, (q, p, k) => x * q - k * p);
export const laguerreL = (x: number, n: number): number =>
  polynomial(n, 1 - x, (q, p, k) => ((2 * k + 1 - x) * q - k * p) / (k + 1));
export const legendreP = (x: number, n: number): number =>
  polynomial(n, x, (q, p, k) => ((2 * k + 1) * x * q - k * p) / (k + 1));
