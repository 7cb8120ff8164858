// clang-format off
// The functions of src/ir/scalar.ts on W-lane vectors, and random numbers: the third part of the prelude.
#ifndef FLAMBEAU_FUNCTIONS_H
#define FLAMBEAU_FUNCTIONS_H
//@section exp needs base
/// p * 2^n for whole n, through overflow and gradual underflow.
FB_FN f32v fb_scale2(f32v p, f32v n) {
#if defined(FB_AVX512)
  return __builtin_ia32_scalefps512_mask(p, n, f32v{}, (unsigned short)-1, 4);
#else
  i32v i = fb_cvt_f32_i32(n), h = i >> 1;
  return p * (f32v)((h + 127) << 23) * (f32v)((i - h + 127) << 23);
#endif
}
// e^f for |f| <= ln2 / 2.
FB_FN f32v fb_exp_poly(f32v f) {
  f32v r = fb_fma(fb_const(1.37805939e-3f), f, fb_const(8.37312452e-3f));
  r = fb_fma(r, f, fb_const(4.16695364e-2f));
  r = fb_fma(r, f, fb_const(1.66664720e-1f));
  r = fb_fma(r, f, fb_const(4.99999851e-1f));
  r = fb_fma(r, f, fb_const(1.0f));
  return fb_fma(r, f, fb_const(1.0f));
}
FB_FN f32v fb_exp(f32v x) {
  x = fb_minq(fb_const(89.0f), fb_maxq(fb_const(-104.0f), x));  // NaN passes: it is the second operand
  f32v n = fb_round(x * 1.44269504f);
  f32v f = fb_fma(n, fb_const(-6.93145752e-1f), x);
  f = fb_fma(n, fb_const(-1.42860677e-6f), f);
  return fb_scale2(fb_exp_poly(f), n);
}
FB_FN f32v fb_exp2(f32v x) {
  x = fb_minq(fb_const(129.0f), fb_maxq(fb_const(-151.0f), x));
  f32v n = fb_round(x);
  return fb_scale2(fb_exp_poly((x - n) * 0.69314718f), n);
}
// (e^f - 1) for |f| <= ln2 / 2 and a little more.
FB_FN f32v fb_expm1_poly(f32v f) {
  f32v r = fb_fma(fb_const(1.97350979e-4f), f, fb_const(1.39309070e-3f));
  r = fb_fma(r, f, fb_const(8.33343994e-3f));
  r = fb_fma(r, f, fb_const(4.16668020e-2f));
  r = fb_fma(r, f, fb_const(1.66666716e-1f));
  r = fb_fma(r, f, fb_const(4.99999970e-1f));
  return fb_fma(r, f * f, f);
}
FB_FN f32v fb_expm1(f32v a) {
  f32v x = fb_minq(fb_const(89.0f), fb_maxq(fb_const(-18.0f), a));
  f32v n = fb_round(x * 1.44269504f);
  f32v f = fb_fma(n, fb_const(-6.93145752e-1f), x);
  f = fb_fma(n, fb_const(-1.42860677e-6f), f);
  f32v p = fb_expm1_poly(f);
  // 2^n (p + 1) - 1, halved on the way so that n = 128 does not overflow early
  f32v t = (f32v)((fb_cvt_f32_i32(n) + 126) << 23);
  f32v r = fb_fma(t, p, t - 0.5f);
  r = r + r;
  return n == 0.0f ? (a == 0.0f ? a : p) : r;
}
FB_LANES1_F64(fb_exp, __builtin_exp) FB_LANES1_F64(fb_exp2, __builtin_exp2) FB_LANES1_F64(fb_expm1, __builtin_expm1)

//@section pieces needs base
#if defined(FB_AVX512)
// Odd functions that end at 1, in 32 pieces by the exponent and the first two bits of |x|: degree-5 polynomials about each piece's
// centre (rows: coefficients from the constant up, then the centre; Chebyshev fits), looked up in registers. Twice as fast as the
// formulas with an exponential and a division below, which serve narrower vectors.
FB_FN f32v fb_piece(const float (*table)[32], int row, i32v piece) {
  return __builtin_shuffle(fb_load_f32(table[row]), fb_load_f32(table[row] + 16), piece);
}
/// The five upper terms at t = |x| - centre, and t. `top` lies in the last piece, where the value is 1.
FB_FN f32v fb_pieces(const float (*table)[32], f32v a, float top, i32v& piece, f32v& t) {
  f32v u = fb_minq(fb_const(top), a);  // NaN passes: it is the second operand
  piece = (i32v)fb_maxq(fb_const(0.0625f * 0.875f), u) >> 21;
  t = u - fb_piece(table, 6, piece);
  f32v r = fb_fma(fb_piece(table, 5, piece), t, fb_piece(table, 4, piece));
  r = fb_fma(r, t, fb_piece(table, 3, piece));
  r = fb_fma(r, t, fb_piece(table, 2, piece));
  return fb_fma(r, t, fb_piece(table, 1, piece));
}
#endif

//@section tanh needs exp pieces
#if defined(FB_AVX512)
alignas(64) static const float fb_tanh_table[7][32] = {
    {0.978026092f, 0.991859734f, 0.996997654f, 0.998894453f, 0.999753177f, 0.999966621f, 0.99999547f, 0.999999404f,
     0.99999994f, 1, 1, 0, 0.0701968595f, 0.0857265666f, 0.101214729f, 0.116653986f, 0.1397053f, 0.170202315f,
     0.200376719f, 0.230175704f, 0.27406159f, 0.330821127f, 0.385283977f, 0.437188774f, 0.509829998f, 0.596373558f,
     0.670967102f, 0.734071493f, 0.809301078f, 0.879826725f, 0.925346255f, 0.954045236f},
    {0.0434649177f, 0.0162142888f, 0.00599571643f, 0.00220989296f, 0.000493528205f, 6.68060602e-05f, 9.04147782e-06f,
     1.22363576e-06f, 6.10140631e-08f, 0, 0, 1, 0.995072424f, 0.992650926f, 0.989755571f, 0.986391842f, 0.980482399f,
     0.971031189f, 0.959849179f, 0.94701916f, 0.92489022f, 0.890557408f, 0.851556242f, 0.808865964f, 0.740073383f,
     0.644338608f, 0.549803197f, 0.461138994f, 0.345031768f, 0.225904971f, 0.143734366f, 0.0897976384f},
    {-0.0425082371f, -0.0160811003f, -0.00597717939f, -0.00220723939f, -0.000492609397f, -6.66951382e-05f,
     -9.02671309e-06f, -1.22164215e-06f, -5.92183227e-08f, 0, 0, 0, -0.0698509589f, -0.0850965604f, -0.100177847f,
     -0.115066543f, -0.136978596f, -0.165271744f, -0.192331418f, -0.217980802f, -0.253476858f, -0.294615149f,
     -0.328090936f, -0.353627086f, -0.377311289f, -0.384266406f, -0.368899912f, -0.338509142f, -0.279237121f,
     -0.198758736f, -0.133004621f, -0.0856711045f},
    {0.0270877779f, 0.0105462614f, 0.00396098197f, 0.00146828825f, 0.000328422931f, 4.44845173e-05f, 6.02100818e-06f,
     8.14867349e-07f, 3.98688123e-08f, 0, 0, -0.333332866f, -0.326787472f, -0.32358861f, -0.319779038f,
     -0.315374315f, -0.307690829f, -0.295547426f, -0.281410992f, -0.265499145f, -0.238828465f, -0.199387535f,
     -0.157443911f, -0.115020193f, -0.0543267801f, 0.0143864937f, 0.0642516986f, 0.0947767347f, 0.110974804f,
     0.0995712727f, 0.0751639605f, 0.0518017337f},
    {-0.0123903379f, -0.00515112979f, -0.00197949982f, -0.000739873329f, -0.000172551925f, -2.3398612e-05f,
     -3.16750538e-06f, -4.28690782e-07f, -2.47230325e-08f, 0, 0, 0, 0.0462207198f, 0.056102775f, 0.0657556057f,
     0.0751413777f, 0.0886279121f, 0.105372861f, 0.120475732f, 0.133746982f, 0.149840876f, 0.164061487f,
     0.169927269f, 0.168078661f, 0.153249413f, 0.119440995f, 0.0798982158f, 0.0433629714f, 0.00370056508f,
     -0.0210951585f, -0.025121225f, -0.0208489057f},
    {0.00397682004f, 0.00191481609f, 0.000770491548f, 0.000292646582f, 6.83043691e-05f, 9.27980727e-06f,
     1.25654208e-06f, 1.700665e-07f, 9.57726431e-09f, 0, 0, 0.133017689f, 0.127787992f, 0.125103459f, 0.121922731f,
     0.118267953f, 0.111950845f, 0.102141634f, 0.0909768566f, 0.0787453055f, 0.0590557046f, 0.031954471f,
     0.00592828635f, -0.0171587635f, -0.0434775129f, -0.0615684427f, -0.0626686364f, -0.0530598164f, -0.0320384763f,
     -0.00951397512f, 0.00139498757f, 0.00460099103f},
    {2.25f, 2.75f, 3.25f, 3.75f, 4.5f, 5.5f, 6.5f, 7.5f, 9, 11, 13, 0, 0.0703125f, 0.0859375f, 0.1015625f,
     0.1171875f, 0.140625f, 0.171875f, 0.203125f, 0.234375f, 0.28125f, 0.34375f, 0.40625f, 0.46875f, 0.5625f,
     0.6875f, 0.8125f, 0.9375f, 1.125f, 1.375f, 1.625f, 1.875f},
};FB_FN f32v fb_tanh(f32v x) {
  i32v piece;
  f32v t, r = fb_pieces(fb_tanh_table, fb_abs(x), 12.0f, piece, t);
  return fb_copysign(fb_fma(r, t, fb_piece(fb_tanh_table, 0, piece)), x);
}
#else
FB_FN f32v fb_tanh(f32v x) {
  // 1 - 2 / (e^(2|x|) + 1); from |x| = 9.02 on the result is 1
  f32v a = fb_abs(x), y = fb_minq(fb_const(10.0f), a);
  f32v t = fb_fma(y, fb_const(2.88539008f), fb_const(12582912.0f));  // rounds: the low bits of t are n
  f32v g = fb_fma(t - 12582912.0f, fb_const(-0.34657359f), y);
  f32v r = fb_fma(fb_const(1.37805939e-3f * 64), g, fb_const(8.37312452e-3f * 32));
  r = fb_fma(r, g, fb_const(4.16695364e-2f * 16));
  r = fb_fma(r, g, fb_const(1.66664720e-1f * 8));
  r = fb_fma(r, g, fb_const(4.99999851e-1f * 4));
  r = fb_fma(r, g, fb_const(2.0f));
  r = fb_fma(r, g, fb_const(1.0f));
  f32v e = (f32v)((i32v)r + ((i32v)t << 23));
  f32v large = fb_copysign(1.0f - 2.0f / (e + 1.0f), x);
  // an odd polynomial near zero, where the difference would cancel; NaN goes this way
  f32v s = x * x;
  f32v q = fb_fma(fb_const(1.57394409e-2f), s, fb_const(-5.23025580e-2f));
  q = fb_fma(q, s, fb_const(1.33152470e-1f));
  q = fb_fma(q, s, fb_const(-3.33327681e-1f));
  return a >= 0.55f ? large : fb_fma(q * s, x, x);
}
#endif
FB_LANES1_F64(fb_tanh, __builtin_tanh)

//@section log needs base
// x = 2^e * m with sqrt(1/2) <= m < sqrt(2), for finite x > 0, subnormals included.
FB_FN f32v fb_split_exponent(f32v x, f32v& e) {
  maskv tiny = x < 0x1p-126f;
  f32v y = tiny ? x * 0x1p23f : x;
  i32v b = (i32v)((fb_u32v)y - 0x3f3504f3u);  // wraps for zero and negative numbers, whose results are replaced
  e = fb_cvt_i32_f32(b >> 23) - (tiny ? fb_const(23.0f) : f32v{});
  return (f32v)((b & 0x007fffff) + 0x3f3504f3);
}
// log(1 + r) - r, |r| <= sqrt(2) - 1.
FB_FN f32v fb_log_poly(f32v r) {
  f32v z = r * r;
  f32v y = fb_fma(fb_const(7.0376836292E-2f), r, fb_const(-1.1514610310E-1f));
  y = fb_fma(y, r, fb_const(1.1676998740E-1f));
  y = fb_fma(y, r, fb_const(-1.2420140846E-1f));
  y = fb_fma(y, r, fb_const(1.4249322787E-1f));
  y = fb_fma(y, r, fb_const(-1.6668057665E-1f));
  y = fb_fma(y, r, fb_const(2.0000714765E-1f));
  y = fb_fma(y, r, fb_const(-2.4999993993E-1f));
  y = fb_fma(y, r, fb_const(3.3333331174E-1f));
  return fb_fma(y * r, z, z * -0.5f);
}
// log(0) = -inf, log(negative) = NaN, log(inf) = inf, NaN stays.
FB_FN f32v fb_log_special(f32v x, f32v r) {
  r = x < __builtin_inff() ? r : x;
  r = x < 0.0f ? fb_const(__builtin_nanf("")) : r;
  return x == 0.0f ? fb_const(-__builtin_inff()) : r;
}
FB_FN f32v fb_log_finite(f32v x) {
  f32v e, r = fb_split_exponent(x, e) - 1.0f;
  f32v y = fb_fma(e, fb_const(-2.12194440e-4f), fb_log_poly(r));
  return fb_fma(e, fb_const(0.693359375f), r + y);
}
FB_FN f32v fb_log(f32v x) { return fb_log_special(x, fb_log_finite(x)); }
FB_FN f32v fb_log2(f32v x) {
  f32v e, r = fb_split_exponent(x, e) - 1.0f, y = fb_log_poly(r);
  f32v z = fb_fma(r, fb_const(0.44269504088896340736f), y * 0.44269504088896340736f);
  return fb_log_special(x, ((z + y) + r) + e);
}
FB_FN f32v fb_log10(f32v x) {
  f32v e, r = fb_split_exponent(x, e) - 1.0f, y = fb_log_poly(r);
  f32v z = (r + y) * 7.00731903251827651129E-4f;
  z = fb_fma(e, fb_const(2.48745663981195213739E-4f), z);
  z = fb_fma(y, fb_const(4.3359375E-1f), z);
  z = fb_fma(r, fb_const(4.3359375E-1f), z);
  return fb_log_special(x, fb_fma(e, fb_const(3.0078125E-1f), z));
}
FB_FN f32v fb_log1p(f32v x) {
  f32v u = x + 1.0f, c = (x - (u - 1.0f)) / u;       // c: what rounding u lost, relative to u
  c = fb_abs(x) < 0x1p100f ? c : f32v{};
  f32v r = fb_log_special(u, fb_log_finite(u) + c);
  return fb_abs(x) < 0x1p-24f ? x : r;
}
FB_LANES1_F64(fb_log, __builtin_log) FB_LANES1_F64(fb_log2, __builtin_log2) FB_LANES1_F64(fb_log10, __builtin_log10)
FB_LANES1_F64(fb_log1p, __builtin_log1p)

//@section erf needs exp pieces
#if defined(FB_AVX512)
alignas(64) static const float fb_erf_table[7][32] = {
    {0.998537242f, 0.999899387f, 0.999995708f, 0.999999881f, 1, 1, 1, 1, 1, 1, 1, 0, 0.079208605f, 0.0967318937f,
     0.114208192f, 0.131629109f, 0.15763852f, 0.192047238f, 0.22608839f, 0.259700149f, 0.309183717f, 0.373129189f,
     0.434386909f, 0.492613465f, 0.57367444f, 0.669084668f, 0.749464035f, 0.815102398f, 0.888388216f, 0.948170066f,
     0.978443742f, 0.99199003f},
    {0.00714229979f, 0.000586294278f, 2.91936467e-05f, 8.81886649e-07f, 0, 0, 0, 0, 0, 0, 0, 0.128379166f,
     1.12281442f, 1.12007654f, 1.11679983f, 1.11298919f, 1.10628426f, 1.09553325f, 1.08276987f, 1.06806707f,
     1.04256153f, 1.00262165f, 0.956708193f, 0.90579313f, 0.822321355f, 0.703368723f, 0.583113134f, 0.468544573f,
     0.318273962f, 0.170359775f, 0.0804722533f, 0.0335458256f},
    {-0.0160640497f, -0.0016086027f, -9.42678162e-05f, -3.26060422e-06f, 0, 0, 0, 0, 0, 0, 0, 0, -0.0789478868f,
     -0.0962565765f, -0.113424979f, -0.130428419f, -0.155571222f, -0.188294768f, -0.219937637f, -0.250328243f,
     -0.293220401f, -0.344651163f, -0.388662696f, -0.424590498f, -0.462555379f, -0.483565718f, -0.473779291f,
     -0.439260542f, -0.35806033f, -0.234247714f, -0.130769402f, -0.0628989935f},
    {0.0217269789f, 0.00275820703f, 0.000195219283f, 7.91172806e-06f, 0, 0, 0, 0, 0, 0, 0, -0.37612617f,
     -0.370570779f, -0.367844135f, -0.3645868f, -0.360806674f, -0.354176611f, -0.3436023f, -0.331140071f,
     -0.316908598f, -0.292541653f, -0.255224645f, -0.213639915f, -0.16924651f, -0.100648843f, -0.0128220487f,
     0.0622592233f, 0.118356086f, 0.162450284f, 0.157938004f, 0.114841931f, 0.0674421415f},
    {-0.0193488412f, -0.0034140714f, -0.000311834272f, -1.57253235e-05f, 0, 0, 0, 0, 0, 0, 0, 0, 0.0393426307f,
     0.0478898585f, 0.0563207753f, 0.0646151751f, 0.0767508671f, 0.0922822058f, 0.106931262f, 0.120566294f,
     0.138814673f, 0.158679277f, 0.172875166f, 0.18112272f, 0.182219729f, 0.165393531f, 0.132524371f, 0.0909259319f,
     0.0283348728f, -0.029983025f, -0.0493812673f, -0.0421630591f},
    {0.0105811423f, 0.00282583339f, 0.000332615979f, 2.02052615e-05f, 0, 0, 0, 0, 0, 0, 0, 0.112680636f,
     0.110060118f, 0.108699851f, 0.107081853f, 0.10520447f, 0.101925097f, 0.0967261195f, 0.0906440318f,
     0.0837604478f, 0.0721152872f, 0.0547250696f, 0.0359830782f, 0.0168042481f, -0.0107974391f, -0.0415782109f,
     -0.0616537482f, -0.0694918633f, -0.061061196f, -0.0306439158f, -0.00230325223f, 0.011328022f},
    {2.25f, 2.75f, 3.25f, 3.75f, 4.5f, 5.5f, 6.5f, 7.5f, 9, 11, 13, 0, 0.0703125f, 0.0859375f, 0.1015625f,
     0.1171875f, 0.140625f, 0.171875f, 0.203125f, 0.234375f, 0.28125f, 0.34375f, 0.40625f, 0.46875f, 0.5625f,
     0.6875f, 0.8125f, 0.9375f, 1.125f, 1.375f, 1.625f, 1.875f},
};
FB_FN f32v fb_erf(f32v x) {
  i32v piece;
  f32v a = fb_abs(x), t, r = fb_pieces(fb_erf_table, a, 4.4f, piece, t);
  // x + x (c - 1) near zero: the slope 2 / sqrt(pi) itself has a rounding error
  f32v first = a < 0.0625f ? a : fb_piece(fb_erf_table, 0, piece);
  return fb_copysign(fb_fma(r, t, first), x);
}
#else
FB_FN f32v fb_erf(f32v a) {
  f32v t = fb_minq(fb_const(4.0f), fb_abs(a)), s = t * t;
  f32v r = fb_fma(fb_const(-1.72853470e-5f), t, fb_const(3.83197126e-4f));
  f32v u = fb_fma(fb_const(-3.88396438e-3f), t, fb_const(2.42546219e-2f));
  r = fb_fma(r, s, u);
  r = fb_fma(r, t, fb_const(-1.06777877e-1f));
  r = fb_fma(r, t, fb_const(-6.34846687e-1f));
  r = fb_fma(r, t, fb_const(-1.28717512e-1f));
  r = fb_fma(r, t, -t);
  // 1 - e^r; -17 < r < 0 here, so no range checks
  f32v n = fb_round(r * 1.44269504f);
  f32v f = fb_fma(n, fb_const(-6.93145752e-1f), r);
  f = fb_fma(n, fb_const(-1.42860677e-6f), f);
  f32v e = fb_exp_poly(f) * (f32v)((fb_cvt_f32_i32(n) + 127) << 23);
  f32v large = fb_copysign(1.0f - e, a);
  f32v q = fb_fma(fb_const(-5.96761703e-4f), s, fb_const(4.99119423e-3f));
  q = fb_fma(q, s, fb_const(-2.67681349e-2f));
  q = fb_fma(q, s, fb_const(1.12819925e-1f));
  q = fb_fma(q, s, fb_const(-3.76125336e-1f));
  q = fb_fma(q, s, fb_const(1.28379166e-1f));
  return t > 0.927734375f ? large : fb_fma(q, a, a);
}
#endif
FB_LANES1_F64(fb_erf, __builtin_erf)
FB_FN float fb_erfc_scalarf(float x) { return (float)__builtin_erfc((double)x); }  // the float version is off by 2.5 ulp
FB_LANES1(fb_erfc, fb_erfc_scalarf, __builtin_erfc)

//@section trig needs base
// sin and cos of x in double precision; |x| < 2^20.
FB_FN void fb_sincos1(fb_f64h x, fb_f64h& s, fb_f64h& c) {
  fb_f64h n = fb_round1(x * 0.63661977236758134308);
  fb_f64h r = (x - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11;
  fb_f64h z = r * r, w = z * z, k = z * r;
  fb_f64h ps = (r + k * (-0x15555554cbac77.0p-55 + z * 0x111110896efbb2.0p-59)) +
               k * w * (-0x1a00f9e2cae774.0p-65 + z * 0x16cd878c3b46a7.0p-71);
  fb_f64h pc = ((1.0 + z * -0x1ffffffd0c5e81.0p-54) + w * 0x155553e1053a42.0p-57) +
               (w * z) * (-0x16c087e80f1e27.0p-62 + z * 0x199342e0ee5069.0p-68);
  fb_i64h q = __builtin_convertvector(n, fb_i64h);
  fb_i64h swap = -(q & 1);
  fb_f64h a = swap ? pc : ps, b = swap ? ps : pc;
  s = (fb_f64h)((fb_i64h)a ^ ((q & 2) << 62));
  c = (fb_f64h)((fb_i64h)b ^ (((q + 1) & 2) << 62));
}
FB_FN void fb_sincos(f32v x, f64v& s, f64v& c) {
  f64v d = fb_cvt_f32_f64(x);
  fb_sincos1(d.lo, s.lo, c.lo);
  fb_sincos1(d.hi, s.hi, c.hi);
}
// Arguments beyond the range of the quick reduction go to the C library, lane by lane.
#define FB_TRIG(NAME, F, RESULT)                                                     \
  FB_FN f32v NAME(f32v x) {                                                          \
    f64v s, c;                                                                       \
    fb_sincos(x, s, c);                                                              \
    f32v r = RESULT;                                                                 \
    maskv big = fb_abs(x) >= 0x1p20f;                                                \
    if (__builtin_expect(fb_hany(big), 0))                                           \
      for (int i = 0; i < FB_W; i++) r[i] = big[i] ? F(x[i]) : r[i];                 \
    return r;                                                                        \
  }
FB_TRIG(fb_sin, __builtin_sinf, (x == 0.0f ? x : fb_cvt_f64_f32(s)))
FB_TRIG(fb_cos, __builtin_cosf, fb_cvt_f64_f32(c))
FB_TRIG(fb_tan, __builtin_tanf, (x == 0.0f ? x : fb_cvt_f64_f32(f64v{s.lo / c.lo, s.hi / c.hi})))
FB_LANES1_F64(fb_sin, __builtin_sin) FB_LANES1_F64(fb_cos, __builtin_cos) FB_LANES1_F64(fb_tan, __builtin_tan)
FB_LANES1(fb_asin, __builtin_asinf, __builtin_asin) FB_LANES1(fb_acos, __builtin_acosf, __builtin_acos)
FB_LANES1(fb_atan, __builtin_atanf, __builtin_atan) FB_LANES2(fb_atan2, __builtin_atan2f, __builtin_atan2)

//@section rare needs base
static double fb_digamma_scalar(double x) {
  double r = 0;
  if (x == 0) return __builtin_copysign(__builtin_inf(), -x);
  if (x < 0) {  // reflection
    if (x == __builtin_floor(x)) return __builtin_nan("");
    double f = x - __builtin_trunc(x);
    return fb_digamma_scalar(1 - x) - 3.14159265358979323846 / __builtin_tan(3.14159265358979323846 * f);
  }
  for (; x < 10; x += 1) r -= 1 / x;
  double z = 1 / (x * x);
  double t = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return r + __builtin_log(x) - 0.5 / x - t;
}
FB_FN float fb_digamma_scalarf(float x) { return (float)fb_digamma_scalar(x); }
FB_LANES1(fb_digamma, fb_digamma_scalarf, fb_digamma_scalar)
FB_LANES1(fb_lgamma, __builtin_lgammaf, __builtin_lgamma)
FB_LANES1(fb_sinh, __builtin_sinhf, __builtin_sinh) FB_LANES1(fb_cosh, __builtin_coshf, __builtin_cosh)
FB_LANES1(fb_asinh, __builtin_asinhf, __builtin_asinh) FB_LANES1(fb_acosh, __builtin_acoshf, __builtin_acosh)
FB_LANES1(fb_atanh, __builtin_atanhf, __builtin_atanh)
FB_LANES2(fb_nextafter, __builtin_nextafterf, __builtin_nextafter)
FB_LANES2(fb_hypot, __builtin_hypotf, __builtin_hypot)

//@section mod needs base
FB_LANES2(fb_fmod, __builtin_fmodf, __builtin_fmod)
FB_FN f32v fb_mod(f32v a, f32v b) {
  f32v r = fb_fmod(a, b);
  return r != 0.0f ? ((b < 0.0f) != (r < 0.0f) ? r + b : r) : r;
}
FB_FN fb_f64h fb_mod1(fb_f64h r, fb_f64h b) { return r != 0.0 ? ((b < 0.0) != (r < 0.0) ? r + b : r) : r; }
FB_FN f64v fb_mod(f64v a, f64v b) {
  f64v r = fb_fmod(a, b);
  return f64v{fb_mod1(r.lo, b.lo), fb_mod1(r.hi, b.hi)};
}
FB_FN f32v fb_idiv(f32v a, f32v b) { return fb_trunc(a / b); }
FB_FN f64v fb_idiv(f64v a, f64v b) { return fb_trunc(fb_div(a, b)); }
// Whole-number division: a zero divisor gives 0 (lanes past the end hold zeros; the op checks its operand), -1 never traps.
FB_FN fb_i64 fb_quotient(fb_i64 a, fb_i64 b) { return b == 0 ? 0 : b == -1 ? (fb_i64)(0 - (unsigned long long)a) : a / b; }
FB_FN fb_i64 fb_remainder(fb_i64 a, fb_i64 b) { return b == 0 || b == -1 ? 0 : a % b; }
FB_FN fb_i64 fb_modulo(fb_i64 a, fb_i64 b) {
  fb_i64 r = fb_remainder(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
FB_FN fb_i64 fb_ipow(fb_i64 a, fb_i64 b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  unsigned long long r = 1, x = (unsigned long long)a;
  for (; b; b >>= 1, x *= x)
    if (b & 1) r *= x;
  return (fb_i64)r;
}
#define FB_LANES2_INT(NAME, F)                                                                                      \
  FB_FN i32v NAME(i32v a, i32v b) { for (int i = 0; i < FB_W; i++) a[i] = (int)F(a[i], b[i]); return a; }           \
  FB_FN i64v NAME(i64v a, i64v b) {                                                                                 \
    for (int i = 0; i < FB_H; i++) a.lo[i] = F(a.lo[i], b.lo[i]), a.hi[i] = F(a.hi[i], b.hi[i]);                    \
    return a;                                                                                                       \
  }
FB_LANES2_INT(fb_idiv, fb_quotient) FB_LANES2_INT(fb_fmod, fb_remainder) FB_LANES2_INT(fb_mod, fb_modulo)
FB_LANES2_INT(fb_pow, fb_ipow)
FB_FN fb_i64 fb_shift_left(fb_i64 a, fb_i64 b) { return b < 0 || b > 63 ? 0 : (fb_i64)((unsigned long long)a << b); }
FB_FN fb_i64 fb_shift_right(fb_i64 a, fb_i64 b) { return a >> (b < 0 || b > 63 ? 63 : b); }
FB_LANES2_INT(fb_shl, fb_shift_left) FB_LANES2_INT(fb_shr, fb_shift_right)

//@section pow needs base
// |a|^b in double precision: 2^(b log2 a), the log by an atanh series; one rounding to float at the end.
FB_FN fb_f64h fb_pow_core1(fb_f64h a, fb_f64h b) {
  const double inf = __builtin_inf();
  fb_i64h u = (fb_i64h)a - 0x3fe6a09e667f3bcdLL;
  fb_f64h e = __builtin_convertvector(u >> 52, fb_f64h);
  fb_f64h m = (fb_f64h)((u & 0x000fffffffffffffLL) + 0x3fe6a09e667f3bcdLL);
  fb_f64h s = (m - 1.0) / (m + 1.0), z = s * s;
  fb_f64h p = fb_fma1(fb_f64h{} + 1.0 / 15, z, fb_f64h{} + 1.0 / 13);
  p = fb_fma1(p, z, fb_f64h{} + 1.0 / 11);
  p = fb_fma1(p, z, fb_f64h{} + 1.0 / 9);
  p = fb_fma1(p, z, fb_f64h{} + 1.0 / 7);
  p = fb_fma1(p, z, fb_f64h{} + 1.0 / 5);
  p = fb_fma1(p, z, fb_f64h{} + 1.0 / 3);
  p = fb_fma1(p, z, fb_f64h{} + 1.0);
  fb_f64h l = e + s * p * 2.88539008177792681472;
  l = a == 0.0 ? fb_f64h{} - inf : l;
  l = a < inf ? l : a;                                  // inf and NaN
  fb_f64h t = l * b;
  t = t < 1000.0 ? t : (t != t ? t : fb_f64h{} + 1000.0);
  t = t > -1000.0 ? t : (t != t ? t : fb_f64h{} - 1000.0);
  fb_f64h n = fb_round1(t), f = (t - n) * 0.69314718055994530942;
  fb_f64h r = fb_f64h{} + 1.0 / 362880;
  r = fb_fma1(r, f, fb_f64h{} + 1.0 / 40320);
  r = fb_fma1(r, f, fb_f64h{} + 1.0 / 5040);
  r = fb_fma1(r, f, fb_f64h{} + 1.0 / 720);
  r = fb_fma1(r, f, fb_f64h{} + 1.0 / 120);
  r = fb_fma1(r, f, fb_f64h{} + 1.0 / 24);
  r = fb_fma1(r, f, fb_f64h{} + 1.0 / 6);
  r = fb_fma1(r, f, fb_f64h{} + 0.5);
  r = fb_fma1(r, f, fb_f64h{} + 1.0);
  r = fb_fma1(r, f, fb_f64h{} + 1.0);
  fb_i64h k = __builtin_convertvector(n == n ? n : fb_f64h{}, fb_i64h);
  return r * (fb_f64h)((k + 1023) << 52);
}
// The exponent that all lanes share, where it is one for which products do (as PyTorch's number exponents); else 0.
FB_FN int fb_shared_exponent(f32v b) {
  const float e = b[0];
  if (e != 2.0f && e != 3.0f && e != 1.0f && e != -1.0f) return 0;
  i32v off = (i32v)b ^ (i32v)fb_splat_f32(e);
  for (int k = FB_W / 2; k >= 1; k /= 2) off |= fb_swap(off, k);
  return off[0] == 0 ? (int)e : 0;
}
FB_FN int fb_shared_exponent(f64v b) {
  const double e = b.lo[0];
  if (e != 2.0 && e != 3.0 && e != 1.0 && e != -1.0) return 0;
  for (int i = 0; i < FB_H; i++)
    if (b.lo[i] != e || b.hi[i] != e) return 0;
  return (int)e;
}
FB_FN f64v fb_small_power(f64v a, int e) {
  if (e == 1) return a;
  if (e == -1) return fb_div(fb_splat_f64(1.0), a);
  const f64v square = fb_mul(a, a);
  return e == 2 ? square : fb_mul(square, a);
}
FB_FN f32v fb_small_power(f32v a, int e) {
  if (e == 1) return a;
  if (e == -1) return 1.0f / a;
  // The cube is rounded once.
  return e == 2 ? a * a : fb_cvt_f64_f32(fb_small_power(fb_cvt_f32_f64(a), 3));
}
FB_FN f32v fb_pow(f32v a, f32v b) {
  if (const int e = fb_shared_exponent(b)) return fb_small_power(a, e);
  f64v x = fb_cvt_f32_f64(fb_abs(a)), y = fb_cvt_f32_f64(b);
  f32v r = fb_cvt_f64_f32(f64v{fb_pow_core1(x.lo, y.lo), fb_pow_core1(x.hi, y.hi)});
  maskv whole = (fb_trunc(b) == b);
  maskv odd = whole & (fb_abs(b) < 0x1p24f) & ((fb_cvt_f32_i32(b) & 1) != 0);
  i32v sign = (i32v)a & (int)0x80000000;
  r = (f32v)((i32v)r | (odd & sign));                                     // (-2)^3, (-0)^-1
  maskv nan = (a < 0.0f) & ~whole & (fb_abs(a) < __builtin_inff());         // (-2)^0.5
  r = nan ? fb_const(__builtin_nanf("")) : r;
  maskv one = (b == 0.0f) | (a == 1.0f) | ((a == -1.0f) & (fb_abs(b) == __builtin_inff()));
  return one ? fb_const(1.0f) : r;
}
FB_FN f64v fb_pow(f64v a, f64v b) {
  if (const int e = fb_shared_exponent(b)) return fb_small_power(a, e);
  for (int i = 0; i < FB_H; i++) a.lo[i] = __builtin_pow(a.lo[i], b.lo[i]), a.hi[i] = __builtin_pow(a.hi[i], b.hi[i]);
  return a;
}

//@section random needs base
// Philox4x32-10 (Salmon et al., 2011): word 0 of the block whose counter is `index`, keyed by seed. Every lane is its own counter, so the
// numbers do not depend on how a loop is cut into vectors and threads.
FB_FN fb_u32v fb_mulhi_u32(fb_u32v a, fb_u32 m) {
  fb_u64h lo = __builtin_convertvector(__builtin_shufflevector(a, a, FB_LO), fb_u64h) * (unsigned long long)m;
  fb_u64h hi = __builtin_convertvector(__builtin_shufflevector(a, a, FB_HI), fb_u64h) * (unsigned long long)m;
  return (fb_u32v)fb_join(__builtin_convertvector((fb_i64h)(lo >> 32), fb_i32h), __builtin_convertvector((fb_i64h)(hi >> 32), fb_i32h));
}
FB_FN i32v fb_philox(i64v index, unsigned long long seed) {
  fb_u32v c0 = (fb_u32v)fb_cvt_i64_i32(index);
  fb_u32v c1 = (fb_u32v)fb_cvt_i64_i32(i64v{index.lo >> 32, index.hi >> 32});
  fb_u32v c2 = {}, c3 = {};
  fb_u32 k0 = (fb_u32)seed, k1 = (fb_u32)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    fb_u32v h0 = fb_mulhi_u32(c0, 0xD2511F53u), l0 = c0 * 0xD2511F53u;
    fb_u32v h1 = fb_mulhi_u32(c2, 0xCD9E8D57u), l1 = c2 * 0xCD9E8D57u;
    c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return (i32v)c0;
}
/// Uniform on [0, 1), 24 random bits.
FB_FN f32v fb_uniform(i64v index, unsigned long long seed) {
  return fb_cvt_i32_f32((i32v)((fb_u32v)fb_philox(index, seed) >> 8)) * 0x1p-24f;
}
//@section end
#endif
