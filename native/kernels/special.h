// clang-format off
// Special functions, one element at a time in double precision, and their vector forms: the part of the prelude that few programs use.
// Like the vector prelude it includes nothing and is cut into sections. Methods are chosen for plain code that is right to the last few bits
// of float64: power series where they do not cancel, asymptotic series where they end below the rounding, and in between the trapezoidal
// rule on integral representations, whose error falls off exponentially. Sources: NIST Digital Library of Mathematical Functions, chapters 5 to 10 and 25.
#ifndef FLAMBEAU_SPECIAL_H
#define FLAMBEAU_SPECIAL_H
//@section special needs base
#define FB_SPECIAL static __attribute__((unused)) double
#define FB_SPECIAL1(NAME)                                                      \
  FB_FN float NAME##_scalarf(float x) { return (float)NAME##_scalar(x); }      \
  FB_LANES1(NAME, NAME##_scalarf, NAME##_scalar)
#define FB_SPECIAL2(NAME)                                                                   \
  FB_FN float NAME##_scalarf(float a, float b) { return (float)NAME##_scalar(a, b); }       \
  FB_LANES2(NAME, NAME##_scalarf, NAME##_scalar)
#define FB_PI 3.14159265358979323846
#define FB_EULER 0.57721566490153286061
#define FB_TINY 1e-17

// ---- error functions ----

// x with erfc(x) = z, 0 < z <= 1: a start within some thousandths (Winitzki), then Halley's steps.
FB_SPECIAL fb_erfc_inverse(double z) {
  double l = __builtin_log(z * (2 - z)), h = 2 / (FB_PI * 0.147) + l / 2;
  double x = __builtin_sqrt(__builtin_sqrt(h * h - l / 0.147) - h);
  for (int i = 0; i < 12; i++) {
    double u = (__builtin_erfc(x) - z) * -(0.88622692545275801365 * __builtin_exp(x * x));
    double d = u / (1 + x * u);
    x -= d;
    if (!(__builtin_fabs(d) > 1e-16 * x)) break;
  }
  return x;
}
FB_SPECIAL fb_erfinv_scalar(double y) {
  double a = __builtin_fabs(y);
  if (!(a <= 1)) return __builtin_nan("");
  if (a == 1) return __builtin_copysign(__builtin_inf(), y);
  if (a > 0.5) return __builtin_copysign(fb_erfc_inverse(1 - a), y);
  if (a < 1e-9) return y * 0.88622692545275801365;
  double l = __builtin_log1p(-y * y), h = 2 / (FB_PI * 0.147) + l / 2;
  double x = __builtin_sqrt(__builtin_sqrt(h * h - l / 0.147) - h);
  for (int i = 0; i < 3; i++) {
    double u = (__builtin_erf(x) - a) * (0.88622692545275801365 * __builtin_exp(x * x));
    x -= u / (1 + x * u);
  }
  return __builtin_copysign(x, y);
}
FB_SPECIAL fb_ndtri_scalar(double p) {
  if (!(p >= 0 && p <= 1)) return __builtin_nan("");
  if (p == 0) return -__builtin_inf();
  if (p == 1) return __builtin_inf();
  return p <= 0.25 ? -1.41421356237309504880 * fb_erfc_inverse(2 * p) : 1.41421356237309504880 * fb_erfinv_scalar(2 * p - 1);
}
// e^(x^2) erfc(x).
FB_SPECIAL fb_erfcx_scalar(double x) {
  if (x < 0) {
    double s = x * x;
    return x < -26.7 ? __builtin_inf() : 2 * __builtin_exp(s) * (1 + __builtin_fma(x, x, -s)) - fb_erfcx_scalar(-x);
  }
  if (x < 10) {
    double s = x * x;
    return __builtin_exp(s) * (1 + __builtin_fma(x, x, -s)) * __builtin_erfc(x);
  }
  double z = -0.5 / x / x, term = 1, sum = 1;
  for (int n = 1; n < 20 && __builtin_fabs(term) > FB_TINY; n++) sum += term *= (2 * n - 1) * z;
  return sum / (x * 1.77245385090551602730);
}
FB_SPECIAL fb_logNdtr_scalar(double x) {
  double t = x * 0.70710678118654752440;
  return x < -1 ? __builtin_log(0.5 * fb_erfcx_scalar(-t)) - t * t : __builtin_log1p(-0.5 * __builtin_erfc(t));
}
FB_SPECIAL1(fb_erfinv) FB_SPECIAL1(fb_ndtri) FB_SPECIAL1(fb_erfcx) FB_SPECIAL1(fb_logNdtr)

// ---- parts of a number ----
FB_SPECIAL fb_exponent_scalar(double x) {
  int e = 0;
  if (x - x == 0) (void)__builtin_frexp(x, &e);
  return e;
}
FB_SPECIAL fb_mantissa_scalar(double x) {
  int e = 0;
  return x - x == 0 ? __builtin_frexp(x, &e) : x;
}
FB_SPECIAL1(fb_exponent) FB_SPECIAL1(fb_mantissa)

//@section gcd needs base mod
FB_FN fb_i64 fb_gcd_scalar(fb_i64 a, fb_i64 b) {
  while (b) {
    fb_i64 r = fb_remainder(a, b);
    a = b, b = r;
  }
  return a < 0 ? (fb_i64)(0 - (unsigned long long)a) : a;
}
FB_LANES2_INT(fb_gcd, fb_gcd_scalar)

//@section bessel needs special
// ---- modified Bessel functions ----

// e^-x I_n(x), x >= 0, n 0 or 1.
FB_SPECIAL fb_bessel_ie(int n, double x) {
  if (x <= 20) {
    double z = x * x / 4, term = n ? x / 2 : 1, sum = term;
    for (int k = 1; term > FB_TINY * sum; k++) sum += term *= z / k / (k + n);
    return __builtin_exp(-x) * sum;
  }
  if (x == __builtin_inf()) return 0;
  double mu = 4 * n, term = 1, sum = 1;
  for (int k = 1; k < 40 && __builtin_fabs(term) > FB_TINY; k++) sum += term *= -(mu - (2 * k - 1.0) * (2 * k - 1.0)) / (8 * k * x);
  return sum / __builtin_sqrt(2 * FB_PI * x);
}
// Half the exponent at a time: the product may be finite where e^x is not. At infinity 0 * inf, NaN as in PyTorch.
FB_SPECIAL fb_unscale(double v, double x) {
  double h = __builtin_exp(x / 2);
  return v * h * h;
}
FB_SPECIAL fb_i0e_scalar(double x) { return x != x ? x : fb_bessel_ie(0, __builtin_fabs(x)); }
FB_SPECIAL fb_i1e_scalar(double x) { return x != x ? x : __builtin_copysign(fb_bessel_ie(1, __builtin_fabs(x)), x); }
FB_SPECIAL fb_i0_scalar(double x) { return x != x ? x : fb_unscale(fb_bessel_ie(0, __builtin_fabs(x)), __builtin_fabs(x)); }
FB_SPECIAL fb_i1_scalar(double x) {
  return x != x ? x : __builtin_copysign(fb_unscale(fb_bessel_ie(1, __builtin_fabs(x)), __builtin_fabs(x)), x);
}
// e^x K_nu(x) as the integral of e^(-x (cosh t - 1)) cosh(nu t); the step follows the width of the integrand.
FB_SPECIAL fb_bessel_ke(double nu, double x) {
  if (x == __builtin_inf()) return 0;
  double h = 0.6 / __builtin_sqrt(x);
  if (h > 0.22) h = 0.22;
  double sum = 0.5;
  for (int k = 1; k < 4096; k++) {
    double s = __builtin_sinh(h * k / 2), term = __builtin_exp(-2 * x * s * s) * __builtin_cosh(nu * h * k);
    sum += term;
    if (term < FB_TINY * sum) break;
  }
  return sum * h;
}
// K_n(x) for 0 < x <= 1, n 0 or 1: the ascending series with the logarithm.
FB_SPECIAL fb_bessel_k_small(int n, double x) {
  double z = x * x / 4, l = __builtin_log(x / 2), term = n ? x / 2 : 1, psi = n ? 1 - 2 * FB_EULER : -2 * FB_EULER, sum = 0;
  for (int k = 0;; k++) {
    double add = term * (psi / 2 - l);
    sum += add;
    if (!(term > FB_TINY * 1e-3)) break;
    psi += 1.0 / (k + 1) + 1.0 / (k + 1 + n);
    term *= z / (k + 1) / (k + 1 + n);
  }
  return n ? 1 / x - sum : sum;
}
FB_SPECIAL fb_bessel_k(int n, double x, bool scaled) {
  if (!(x >= 0)) return __builtin_nan("");
  if (x == 0) return __builtin_inf();
  if (x <= 1) return fb_bessel_k_small(n, x) * (scaled ? __builtin_exp(x) : 1);
  return fb_bessel_ke(n, x) * (scaled ? 1 : __builtin_exp(-x));
}
FB_SPECIAL fb_besselK0_scalar(double x) { return fb_bessel_k(0, x, false); }
FB_SPECIAL fb_besselK1_scalar(double x) { return fb_bessel_k(1, x, false); }
FB_SPECIAL fb_besselK0e_scalar(double x) { return fb_bessel_k(0, x, true); }
FB_SPECIAL fb_besselK1e_scalar(double x) { return fb_bessel_k(1, x, true); }
FB_SPECIAL1(fb_i0) FB_SPECIAL1(fb_i0e) FB_SPECIAL1(fb_i1) FB_SPECIAL1(fb_i1e)
FB_SPECIAL1(fb_besselK0) FB_SPECIAL1(fb_besselK1) FB_SPECIAL1(fb_besselK0e) FB_SPECIAL1(fb_besselK1e)

// ---- Bessel functions ----

// Hankel's asymptotic series for x >= 25: J_n + i Y_n = (P + i Q) e^(i (x - n pi/2 - pi/4)) sqrt(2 / (pi x)).
static __attribute__((unused)) void fb_hankel(int n, double x, double* j, double* y) {
  double mu = 4 * n, term = 1, p = 1, q = 0;
  for (int k = 1; k < 60 && __builtin_fabs(term) > FB_TINY; k++) {
    term *= (mu - (2 * k - 1.0) * (2 * k - 1.0)) / (8 * k * x);
    if (k & 1) q += k & 2 ? -term : term;
    else p += k & 2 ? -term : term;
  }
  double s = __builtin_sin(x), c = __builtin_cos(x), r = 1 / __builtin_sqrt(FB_PI * x);
  double cs = n ? s - c : c + s, sn = n ? -(s + c) : s - c;  // sqrt(2) cos and sin of the phase
  *j = r * (p * cs - q * sn);
  *y = r * (p * sn + q * cs);
}
// J_0 and J_1 (absolute x) with Neumann's series for Y_0 and Y_1, all from one downward recurrence; 0 < x < 25.
static __attribute__((unused)) void fb_neumann(double x, double* j0, double* j1, double* y0, double* y1) {
  double next = 0, now = 1e-300, norm = 0, s0 = 0, s1 = 0, a = 0, b = 0;
  for (int k = 2 * ((int)x / 2) + 40; k >= 0; k--) {  // now = J_k, up to a common factor
    if (k == 0) a = now;
    else if (k == 1) b = now;
    else if (k % 2 == 0) {
      norm += 2 * now;
      s0 += (k % 4 ? now : -now) / (k / 2);
    } else {
      int i = k / 2;
      s1 += (i % 2 ? -now : now) * (2 * i + 1.0) / (i * (i + 1.0));
    }
    double down = 2 * k / x * now - next;
    next = now, now = down;
    if (__builtin_fabs(now) > 1e200) now *= 1e-250, next *= 1e-250, norm *= 1e-250, s0 *= 1e-250, s1 *= 1e-250, a *= 1e-250, b *= 1e-250;
  }
  norm += a;
  a /= norm, b /= norm;
  double l = __builtin_log(x / 2) + FB_EULER;
  *j0 = a, *j1 = b;
  *y0 = 2 / FB_PI * (l * a + 2 * s0 / norm);
  *y1 = 2 / FB_PI * ((l - 1) * b - a / x - s1 / norm);
}
FB_SPECIAL fb_bessel_jy(int n, bool second, double x) {
  double j0, j1, y0, y1;
  if (x >= 25) {
    fb_hankel(n, x, &j0, &y0);
    return second ? y0 : j0;
  }
  if (x < 1e-8) return second ? (n ? -2 / (FB_PI * x) : 2 / FB_PI * (__builtin_log(x / 2) + FB_EULER)) : n ? x / 2 : 1;
  fb_neumann(x, &j0, &j1, &y0, &y1);
  return second ? (n ? y1 : y0) : n ? j1 : j0;
}
// NaN at infinity, as in PyTorch.
FB_SPECIAL fb_besselJ0_scalar(double x) { return x - x != 0 ? __builtin_nan("") : fb_bessel_jy(0, false, __builtin_fabs(x)); }
FB_SPECIAL fb_besselJ1_scalar(double x) {
  double r = x - x != 0 ? __builtin_nan("") : fb_bessel_jy(1, false, __builtin_fabs(x));
  return x < 0 ? -r : r;
}
FB_SPECIAL fb_bessel_y(int n, double x) {
  if (!(x >= 0 && x - x == 0)) return __builtin_nan("");
  return x == 0 ? -__builtin_inf() : fb_bessel_jy(n, true, x);
}
FB_SPECIAL fb_besselY0_scalar(double x) { return fb_bessel_y(0, x); }
FB_SPECIAL fb_besselY1_scalar(double x) { return fb_bessel_y(1, x); }
// Ai: above 1 by K_(1/3); below -9 asymptotic; between, y'' = x y from 0 in steps of at most 1.
FB_SPECIAL fb_airyAi_scalar(double x) {
  if (x - x != 0) return __builtin_nan("");
  double z = 2.0 / 3 * __builtin_fabs(x) * __builtin_sqrt(__builtin_fabs(x));
  if (x > 1) return x > 110 ? 0 : __builtin_sqrt(x / 3) / FB_PI * fb_bessel_ke(1.0 / 3, z) * __builtin_exp(-z);
  if (x < -9) {
    double term = 1, p = 1, q = 0;
    for (int k = 1; k < 60 && __builtin_fabs(term) > FB_TINY; k++) {
      term *= (6 * k - 5.0) * (6 * k - 3.0) * (6 * k - 1.0) / (216 * k * (2 * k - 1.0) * z);
      if (k & 1) q += k & 2 ? -term : term;
      else p += k & 2 ? -term : term;
    }
    double s = __builtin_sin(z), c = __builtin_cos(z);
    return ((s + c) * p - (c - s) * q) / (1.41421356237309504880 * 1.77245385090551602730 * __builtin_sqrt(__builtin_sqrt(-x)));
  }
  double at = 0, y = 0.35502805388781723926, d = -0.25881940379280679841;
  while (at != x) {
    double h = x - at;
    h = h < -1 ? -1 : h;
    double before = 0, c0 = y, c1 = d, value = y + d * h, slope = d, power = h;
    for (int n = 0; n < 40; n++) {  // c[n + 2] = (at c[n] + c[n - 1]) / ((n + 1) (n + 2))
      double c2 = (at * c0 + before) / ((n + 1.0) * (n + 2.0));
      slope += (n + 2) * c2 * power;
      power *= h;
      value += c2 * power;
      before = c0, c0 = c1, c1 = c2;
    }
    y = value, d = slope, at += h;
  }
  return y;
}
FB_SPECIAL1(fb_besselJ0) FB_SPECIAL1(fb_besselJ1) FB_SPECIAL1(fb_besselY0) FB_SPECIAL1(fb_besselY1) FB_SPECIAL1(fb_airyAi)

//@section gamma needs special rare
// Hurwitz zeta by Euler and Maclaurin's sum.
FB_SPECIAL fb_zeta_scalar(double s, double q) {
  if (s == 1) return __builtin_inf();
  if (!(s > 1) || !(q < __builtin_inf())) return __builtin_nan("");
  if (q <= 0) {
    if (q == __builtin_floor(q)) return __builtin_inf();
    if (s != __builtin_floor(s)) return __builtin_nan("");
  }
  if (q > 1e8) return (1 / (s - 1) + 1 / (2 * q)) * __builtin_pow(q, 1 - s);
  double sum = 0;
  for (int k = 0; k < 10 || q < 10; k++, q += 1) {
    double term = __builtin_pow(q, -s);
    sum += term;
    if (q > 1 && term < FB_TINY * sum) return sum;
  }
  const double bernoulli[] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000.0, 1.0 / 74724249600,
                              -3617.0 / 10670622842880000.0, 43867.0 / 5109094217170944000.0, -174611.0 / 802857662698291200000.0};
  double p = __builtin_pow(q, -s);
  sum += p * q / (s - 1) + p / 2;
  double term = p * s / q;
  for (int j = 0; j < 10; j++) {
    sum += bernoulli[j] * term;
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) / (q * q);
  }
  return sum;
}
// psi^(1) with the reflection formula in the element's own precision, as PyTorch evaluates it: at a pole the sine's rounding decides.
FB_SPECIAL fb_trigamma(double x, double reflected) { return x > 1e300 ? 0 : x < 0.5 ? reflected - fb_zeta_scalar(2, 1 - x) : fb_zeta_scalar(2, x); }
FB_SPECIAL fb_polygamma_general(double n, double x) {
  double sign = __builtin_fmod(n, 2.0) == 1 ? 1 : -1;
  return sign * __builtin_tgamma(n + 1) * fb_zeta_scalar(n + 1, x);
}
FB_SPECIAL fb_polygamma_scalar(double n, double x) {
  if (n == 0) return fb_digamma_scalar(x);
  if (n != 1) return fb_polygamma_general(n, x);
  double s = __builtin_sin(FB_PI * x);
  return fb_trigamma(x, FB_PI * FB_PI / (s * s));
}
FB_FN float fb_polygamma_scalarf(float n, float x) {
  if (n != 1) return (float)fb_polygamma_scalar(n, x);
  const float pi = 3.14159274f;
  float s = __builtin_sinf(pi * x);
  return (float)fb_trigamma(x, (double)(pi * pi / (s * s)));
}
FB_SPECIAL2(fb_zeta)
FB_LANES2(fb_polygamma, fb_polygamma_scalarf, fb_polygamma_scalar)

// x^a e^-x / gamma(a + 1); for large a around its maximum, where the powers would lose digits.
FB_SPECIAL fb_gamma_front(double a, double x) {
  if (a < 50) return __builtin_exp(a * __builtin_log(x) - x - __builtin_lgamma(a + 1));
  double d = (x - a) / a, r = 1 / (a * a);
  double stirling = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / a;
  double l = __builtin_fabs(d) < 0.5 ? __builtin_log1p(d) - d : __builtin_log(x / a) - d;
  return __builtin_exp(a * l - stirling) / __builtin_sqrt(2 * FB_PI * a);
}
// Q for large a: Temme's uniform expansion (SIAM J. Math. Anal. 10, 1979), two terms. Series and fraction would need sqrt(a) steps.
FB_SPECIAL fb_gamma_upper_large(double a, double x) {
  double d = (x - a) / a;
  double half = __builtin_fabs(d) < 1e-3 ? d * d * (0.5 - d * (1.0 / 3 - d / 4)) : d - __builtin_log1p(d);
  if (a * half > 700) return d > 0 ? 0 : 1;
  double eta = __builtin_copysign(__builtin_sqrt(2 * half), d);
  double rest = __builtin_exp(-a * half) / __builtin_sqrt(2 * FB_PI * a) * (-1.0 / 3 + eta * (1.0 / 12 - eta * (2.0 / 135)));
  return 0.5 * __builtin_erfc(eta * __builtin_sqrt(a / 2)) + rest;
}
// The lower (P) or upper (Q) regularised incomplete gamma function: a series below x = a + 1, a continued fraction above.
FB_SPECIAL fb_gamma_ratio(double a, double x, bool upper) {
  // Limits first, where the other argument may be NaN, as in PyTorch.
  if (x < 0 || a < 0 || (a == 0 && !(x > 0)) || (__builtin_isinf(a) && __builtin_isinf(x))) return __builtin_nan("");
  double lower = a == 0 ? 1 : x == 0 || __builtin_isinf(a) ? 0 : __builtin_isinf(x) ? 1 : -1;
  if (lower >= 0) return upper ? 1 - lower : lower;
  if (x != x || a != a) return __builtin_nan("");
  if (a > 1e8) {
    double q = fb_gamma_upper_large(a, x);
    return upper ? q : 1 - q;
  }
  double front = fb_gamma_front(a, x);
  if (x < a + 1) {
    double term = 1, sum = 1;
    for (double k = a + 1; term > FB_TINY * sum && k < a + 100000; k += 1) sum += term *= x / k;
    return upper ? 1 - front * sum : front * sum;
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, f = d;
  for (int k = 1; k < 100000; k++) {
    double n = -k * (k - a);
    b += 2;
    d = 1 / (n * d + b), c = b + n / c;
    f *= d * c;
    if (__builtin_fabs(d * c - 1) < 1e-16) break;
  }
  double q = front * a * f;
  return upper ? q : 1 - q;
}
FB_SPECIAL fb_igamma_scalar(double a, double x) { return fb_gamma_ratio(a, x, false); }
FB_SPECIAL fb_igammac_scalar(double a, double x) { return fb_gamma_ratio(a, x, true); }
FB_SPECIAL2(fb_igamma) FB_SPECIAL2(fb_igammac)

//@section polynomials needs special
// Orthogonal polynomials of degree n (truncated to a whole number; 0 for what is negative or no 64-bit integer) by their three-term recurrences; Chebyshev's of high
// degree inside (-1, 1) by their trigonometric form. A degree that would take seconds per element gives NaN.
FB_SPECIAL fb_degree(double n) { return !(__builtin_fabs(n) < 0x1p63) || n <= -1 ? -1 : __builtin_trunc(n); }
// p0 = 1, p1, p[k + 1] = 2 x p[k] - p[k - 1].
FB_SPECIAL fb_chebyshev(double x, double p1, double n) {
  double p = 1, q = p1;
  for (double k = 2; k <= n; k += 1) {
    double r = 2 * x * q - p;
    p = q, q = r;
  }
  return n == 0 ? 1 : q;
}
#define FB_DEGREE(n)                              \
  if ((n = fb_degree(n)) < 0) return 0;           \
  if (n > 1048576) return __builtin_nan("");
FB_SPECIAL fb_alternating(double n) { return __builtin_fmod(n, 2.0) == 0 ? 1 : -1; }
FB_SPECIAL fb_chebyshevT_scalar(double x, double n) {
  FB_DEGREE(n)
  if (__builtin_fabs(x) == 1) return x > 0 ? 1 : fb_alternating(n);
  return n > 6 && __builtin_fabs(x) < 1 ? __builtin_cos(n * __builtin_acos(x)) : fb_chebyshev(x, x, n);
}
FB_SPECIAL fb_chebyshevU_scalar(double x, double n) {
  FB_DEGREE(n)
  if (__builtin_fabs(x) == 1) return (n + 1) * (x > 0 ? 1 : fb_alternating(n));
  double t = __builtin_acos(x);
  return n > 8 && __builtin_fabs(x) < 1 ? __builtin_sin((n + 1) * t) / __builtin_sin(t) : fb_chebyshev(x, 2 * x, n);
}
FB_SPECIAL fb_chebyshevV_scalar(double x, double n) {
  FB_DEGREE(n)
  if (__builtin_fabs(x) == 1) return x > 0 ? 1 : (2 * n + 1) * fb_alternating(n);
  double t = __builtin_acos(x);
  return n > 8 && __builtin_fabs(x) < 1 ? __builtin_cos((n + 0.5) * t) / __builtin_cos(t / 2) : fb_chebyshev(x, 2 * x - 1, n);
}
FB_SPECIAL fb_chebyshevW_scalar(double x, double n) {
  FB_DEGREE(n)
  if (__builtin_fabs(x) == 1) return x > 0 ? 2 * n + 1 : fb_alternating(n);
  double t = __builtin_acos(x);
  return n > 8 && __builtin_fabs(x) < 1 ? __builtin_sin((n + 0.5) * t) / __builtin_sin(t / 2) : fb_chebyshev(x, 2 * x + 1, n);
}
// p0 = 1, p1, p[k + 1] = STEP of p = p[k - 1] and q = p[k].
#define FB_RECURRENCE(NAME, P1, STEP)                    \
  FB_SPECIAL NAME##_scalar(double x, double n) {         \
    FB_DEGREE(n)                                         \
    double p = 1, q = P1;                                \
    if (n == 0) return p;                                \
    for (double k = 1; k < n; k += 1) {                  \
      double r = STEP;                                   \
      p = q, q = r;                                      \
    }                                                    \
    return q;                                            \
  }
FB_RECURRENCE(fb_hermiteH, 2 * x, 2 * x * q - 2 * k * p)
FB_RECURRENCE(fb_hermiteHe, x, x * q - k * p)
FB_RECURRENCE(fb_laguerreL, 1 - x, ((2 * k + 1 - x) * q - k * p) / (k + 1))
FB_RECURRENCE(fb_legendreP, x, ((2 * k + 1) * x * q - k * p) / (k + 1))
FB_SPECIAL2(fb_chebyshevT) FB_SPECIAL2(fb_chebyshevU) FB_SPECIAL2(fb_chebyshevV) FB_SPECIAL2(fb_chebyshevW)
FB_SPECIAL2(fb_hermiteH) FB_SPECIAL2(fb_hermiteHe) FB_SPECIAL2(fb_laguerreL) FB_SPECIAL2(fb_legendreP)
//@section end
#endif
