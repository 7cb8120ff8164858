// Random draws with PyTorch 1.13's CPU algorithms over its mt19937, so that one seed gives PyTorch's numbers.
// Source: aten/src/ATen/native/cpu/DistributionTemplates.h, core/TransformationHelper.h,
// native/cpu/MultinomialKernel.cpp and native/TensorFactories.cpp (randperm) of PyTorch.
#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "cpu/extern_common.h"
#include "extern_kernels.h"
#include "flambeau/generator.h"

namespace flambeau::cpu {
namespace {

constexpr double kPi = 3.14159265358979323846;

Generator& pick(Generator* g) { return g ? *g : defaultGenerator(); }

template <class T>
constexpr int kMantissa = std::numeric_limits<T>::digits;
template <>
constexpr int kMantissa<Half> = 11;
template <>
constexpr int kMantissa<BFloat16> = 8;

// One uniform number in [0, 1) with as many random bits as T has digits; float arithmetic for all but double.
template <class T>
Compute<T> unit(Generator& g) {
  if constexpr (std::is_same_v<T, double>) {
    return g.uniform53();
  } else {
    constexpr uint32_t mask = (1u << kMantissa<T>)-1;
    return static_cast<float>(g.random() & mask) * (1.0f / static_cast<float>(1u << kMantissa<T>));
  }
}

// Calls f(T&) for each element in the order in which PyTorch draws: along the dimension of the smallest stride first.
template <class T, class F>
void eachElement(const Tensor& t, F&& f) {
  T* p = t.ptr<T>();
  if (t.isContiguous()) {
    for (int64_t i = 0; i < t.numel(); ++i) f(p[i]);
    return;
  }
  std::vector<size_t> order(t.sizes().size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return t.strides()[a] > t.strides()[b]; });
  Dims sizes, strides;
  for (const size_t d : order) {
    sizes.push_back(t.sizes()[d]);
    strides.push_back(t.strides()[d]);
  }
  forEachLine<1>(sizes, -1, {strides}, [&](const std::array<int64_t, 1>& at) { f(p[at[0]]); });
}

// 16 uniform numbers become 16 normal ones: element j and j + 8 are one Box-Muller pair. PyTorch holds radius and angle
// in T; of BFloat16 every step of the arithmetic is one of BFloat16.
template <class T>
void boxMuller16(T* data, Compute<T> mean, Compute<T> std) {
  using C = Compute<T>;
  const auto held = [](C x) { return static_cast<C>(static_cast<T>(x)); };
  const auto step = [&](C x) { return std::is_same_v<T, BFloat16> ? held(x) : x; };
  // 2 pi is a double there, which only shows in a product that is rounded to 16 bits.
  using Angle = std::conditional_t<sizeof(T) == 2, double, C>;
  const Angle twoPi = static_cast<Angle>(2.0 * kPi);
  mean = held(mean), std = held(std);
  for (int j = 0; j < 8; ++j) {
    const C u1 = held(static_cast<C>(1) - static_cast<C>(data[j])), u2 = static_cast<C>(data[j + 8]);
    const C radius = held(std::sqrt(static_cast<C>(-2) * step(std::log(u1))));
    const C theta = held(static_cast<C>(twoPi * u2));
    const auto placed = [&](C side) { return static_cast<T>(step(step(radius * step(side)) * std) + mean); };
    data[j] = placed(std::cos(theta));
    data[j + 8] = placed(std::sin(theta));
  }
}

}  // namespace

const Tensor& uniform_(const Tensor& self, double from, double to, Generator* generator) {
  dispatchFloat(self.dtype(), "check_uniform_bounds", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    FB_CHECK(from <= to, Value, "uniform_ expects to return a [from, to) range, but found from=%g > to=%g", from, to);
    FB_CHECK(to - from <= static_cast<double>(std::numeric_limits<C>::max()), Value,
             "uniform_ expects to-from <= std::numeric_limits<%s>::max(), but found to=%g and from=%g which result in "
             "to-from to exceed the limit",
             scalarTypeName(self.dtype()), to, from);
    Generator& g = pick(generator);
    std::lock_guard<std::mutex> lock(g.mutex);
    const C a = static_cast<C>(from), span = static_cast<C>(to) - a;
    eachElement<T>(self, [&](T& x) { x = static_cast<T>(std::fma(unit<T>(g), span, a)); });
  });
  self.bumpVersion();
  return self;
}

const Tensor& normal_(const Tensor& self, double mean, double std, Generator* generator) {
  FB_CHECK(std >= 0, Value, "normal expects std >= 0.0, but found std %g", std);
  dispatchFloat(self.dtype(), "normal_kernel_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    Generator& g = pick(generator);
    std::lock_guard<std::mutex> lock(g.mutex);
    const int64_t n = self.numel();
    if (n >= 16 && self.isContiguous()) {
      T* p = self.ptr<T>();
      const C m = static_cast<C>(mean), s = static_cast<C>(std);
      for (int64_t i = 0; i < n; ++i) p[i] = static_cast<T>(unit<T>(g));
      for (int64_t i = 0; i + 16 <= n; i += 16) boxMuller16(p + i, m, s);
      if (n % 16 != 0) {
        // The last 16 are drawn afresh, overlapping the block before.
        T* tail = p + n - 16;
        for (int i = 0; i < 16; ++i) tail[i] = static_cast<T>(unit<T>(g));
        boxMuller16(tail, m, s);
      }
    } else {
      eachElement<T>(self, [&](T& x) { x = static_cast<T>(static_cast<C>(g.normalDouble() * std + mean)); });
    }
  });
  self.bumpVersion();
  return self;
}

const Tensor& bernoulli_(const Tensor& self, double p, Generator* generator) {
  FB_CHECK(0 <= p && p <= 1, Value, "bernoulli_ expects p to be in [0, 1], but got p=%g", p);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchAll(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T zero = fromScalar<T>(Scalar(0)), one = fromScalar<T>(Scalar(1));
    eachElement<T>(self, [&](T& x) { x = g.uniform53() < p ? one : zero; });
  });
  self.bumpVersion();
  return self;
}

/// One draw per probability in `self`; the result has its shape and dtype.
Tensor bernoulliOf(const Tensor& self, Generator* generator) {
  Tensor out = emptyTensor(self.sizes(), self.dtype(), self.device());
  const Tensor p = contiguousOf(self);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(self.dtype(), "bernoulli_tensor_cpu_self_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using U = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const T* in = p.ptr<T>();
    T* o = out.ptr<T>();
    for (int64_t i = 0; i < p.numel(); ++i) {
      const U pi = static_cast<U>(in[i]);
      FB_CHECK(pi >= 0 && pi <= 1, Value, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
      o[i] = static_cast<T>(static_cast<Compute<T>>(unit<U>(g) < pi ? 1 : 0));
    }
  });
  return out;
}

Tensor rreluNoise(const Tensor& self, double lower, double upper, Generator* generator) {
  FB_CHECK(lower <= upper, Value, "Lower bound should be less than or equal to the upper bound");
  Tensor out = emptyTensor(self.sizes(), self.dtype(), self.device());
  const Tensor x = contiguousOf(self);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(self.dtype(), "rrelu_with_noise_out_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* in = x.ptr<T>();
    T* o = out.ptr<T>();
    for (int64_t i = 0; i < x.numel(); ++i)
      o[i] = static_cast<T>(
          static_cast<Compute<T>>(static_cast<double>(in[i]) <= 0 ? lower + (upper - lower) * g.uniform53() : 1.0));
  });
  return out;
}

const Tensor& exponential_(const Tensor& self, double lambd, Generator* generator) {
  FB_CHECK(lambd >= 0, Value, "exponential_ expects lambda >= 0.0, but found lambda=%g", lambd);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(self.dtype(), "exponential_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    eachElement<T>(
        self, [&](T& x) { x = static_cast<T>(static_cast<Compute<T>>(-1.0 / lambd * std::log(1.0 - g.uniform53()))); });
  });
  self.bumpVersion();
  return self;
}

const Tensor& geometric_(const Tensor& self, double p, Generator* generator) {
  FB_CHECK(0 < p && p < 1, Value, "geometric_ expects p to be in (0, 1), but got p=%g", p);
  FB_CHECK(self.dtype() != DType::Bool, Type, "\"geometric_cpu\" not implemented for 'Bool'");
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  const double logMiss = std::log(1.0 - p);
  dispatchAll(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    eachElement<T>(self, [&](T& x) { x = fromScalar<T>(Scalar(std::ceil(std::log(g.uniform53()) / logMiss))); });
  });
  self.bumpVersion();
  return self;
}

const Tensor& cauchy_(const Tensor& self, double median, double sigma, Generator* generator) {
  FB_CHECK(sigma > 0, Value, "cauchy_ expects sigma > 0.0, but found sigma=%g", sigma);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(self.dtype(), "cauchy_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    eachElement<T>(self, [&](T& x) {
      x = static_cast<T>(static_cast<Compute<T>>(median + sigma * std::tan(kPi * (g.uniform53() - 0.5))));
    });
  });
  self.bumpVersion();
  return self;
}

const Tensor& logNormal_(const Tensor& self, double mean, double std, Generator* generator) {
  FB_CHECK(std > 0, Value, "log_normal_ expects std > 0.0, but found std=%g", std);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(self.dtype(), "log_normal_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    eachElement<T>(self,
                   [&](T& x) { x = static_cast<T>(static_cast<Compute<T>>(std::exp(g.normalDouble() * std + mean))); });
  });
  self.bumpVersion();
  return self;
}

namespace {

// W. Hoermann, "The transformed rejection method for generating Poisson random variables" (1993), from a rate of 10 on;
// below it the uniform numbers are multiplied until the product falls under exp(-rate).
double drawPoisson(double rate, Generator& g) {
  FB_CHECK(rate >= 0, Value, "invalid Poisson rate, expected rate to be non-negative");
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = std::exp(-rate);
    double product = g.uniform53(), k = 0;
    for (; product > limit; ++k) product *= g.uniform53();
    return k;
  }
  FB_CHECK(std::isfinite(rate), Value, "invalid Poisson rate, expected rate to be finite");
  const double logRate = std::log(rate), b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverseAlpha = 1.1239 + 1.1328 / (b - 3.4), tight = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = g.uniform53() - 0.5, v = g.uniform53(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= tight) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double height = std::log(v) + std::log(inverseAlpha) - std::log(a / (us * us) + b);
    if (height <= -rate + k * logRate - std::lgamma(k + 1)) return k;
  }
}

// log(k!) less Stirling's formula without its tail.
double stirlingTail(double k) {
  if (k <= 9) return std::lgamma(k + 1) - (0.5 * std::log(2 * kPi) + (k + 0.5) * std::log(k + 1) - (k + 1));
  const double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// W. Hoermann, "The generation of binomial random variates" (1993): transformed rejection for many expected successes,
// counting the geometric gaps between successes for few.
double drawBinomial(double count, double p, Generator& g) {
  if (std::isnan(count) || std::isnan(p)) return std::nan("");
  FB_CHECK(std::isfinite(count), Value, "binomial expects finite counts, but got %g", count);
  if (count <= 0 || p <= 0) return 0;
  if (p >= 1) return count;
  if (p > 0.5) return count - drawBinomial(count, 1 - p, g);
  if (count * p < 10) {
    const double logMiss = std::log1p(-p);
    double successes = 0;
    for (double at = std::ceil(std::log(g.uniform53()) / logMiss); at <= count; ++successes)
      at += std::ceil(std::log(g.uniform53()) / logMiss);
    return successes;
  }
  const double deviation = std::sqrt(count * p * (1 - p));
  const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p, c = count * p + 0.5;
  const double tight = 0.92 - 4.2 / b, odds = p / (1 - p), alpha = (2.83 + 5.1 / b) * deviation;
  const double mode = std::floor((count + 1) * p);
  for (;;) {
    const double u = g.uniform53() - 0.5, v = g.uniform53(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= tight) return k;
    if (k < 0 || k > count) continue;
    const double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (count - mode + 1))) +
                         (count + 1) * std::log((count - mode + 1) / (count - k + 1)) +
                         (k + 0.5) * std::log(odds * (count - k + 1) / (k + 1)) + stirlingTail(mode) +
                         stirlingTail(count - mode) - stirlingTail(k) - stirlingTail(count - k);
    if (std::log(v * alpha / (a / (us * us) + b)) <= bound) return k;
  }
}

}  // namespace

Tensor poisson(const Tensor& self, Generator* generator) {
  const Tensor rate = contiguousOf(self);
  Tensor out = emptyTensor(self.sizes(), self.dtype(), self.device());
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(self.dtype(), "poisson_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < rate.numel(); ++i)
      out.ptr<T>()[i] = fromScalar<T>(Scalar(drawPoisson(static_cast<double>(rate.ptr<T>()[i]), g)));
  });
  return out;
}

Tensor binomial(const Tensor& count, const Tensor& prob, Generator* generator) {
  FB_CHECK(count.dtype() == prob.dtype(), Type, "binomial(): count and prob must have the same dtype, got %s and %s",
           scalarTypeName(count.dtype()), scalarTypeName(prob.dtype()));
  const Dims shape = broadcastShapes(count.sizes(), prob.sizes());
  Tensor out = emptyTensor(shape, count.dtype(), count.device()), p = emptyTensor(shape, prob.dtype(), prob.device());
  copyInto(out, count);
  copyInto(p, prob);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(count.dtype(), "binomial_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* o = out.ptr<T>();
    for (int64_t i = 0; i < out.numel(); ++i)
      o[i] = fromScalar<T>(Scalar(drawBinomial(static_cast<double>(o[i]), static_cast<double>(p.ptr<T>()[i]), g)));
  });
  return out;
}

const Tensor& randint_(const Tensor& self, int64_t low, int64_t high, Generator* generator) {
  FB_CHECK(low < high, Value, "random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld",
           static_cast<long long>(low), static_cast<long long>(high));
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  dispatchAll(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) {
      FB_CHECK(low >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
                   low <= static_cast<int64_t>(std::numeric_limits<T>::max()),
               Value, "from is out of bounds for %s", scalarTypeName(self.dtype()));
      FB_CHECK(high - 1 >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
                   high - 1 <= static_cast<int64_t>(std::numeric_limits<T>::max()),
               Value, "to - 1 is out of bounds for %s", scalarTypeName(self.dtype()));
    }
    constexpr bool wide = std::is_same_v<T, int64_t> || std::is_same_v<T, double> || std::is_same_v<T, float> ||
                          std::is_same_v<T, BFloat16>;
    eachElement<T>(self, [&](T& x) {
      const uint64_t r = wide && range >= (uint64_t{1} << 32) ? g.random64() : g.random();
      const int64_t v = static_cast<int64_t>(r % range + static_cast<uint64_t>(low));
      x = fromScalar<T>(Scalar(v));
    });
  });
  self.bumpVersion();
  return self;
}

Tensor randperm(int64_t n, std::optional<DType> dtype, Generator* generator) {
  FB_CHECK(n >= 0, Shape, "Trying to create tensor with negative dimension %lld: [%lld]", static_cast<long long>(n),
           static_cast<long long>(n));
  Tensor out = emptyTensor(Dims{n}, DType::Int64);
  int64_t* r = out.ptr<int64_t>();
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  for (int64_t i = 0; i < n; ++i) r[i] = i;
  for (int64_t i = 0; i < n - 1; ++i) {
    const int64_t z = static_cast<int64_t>(g.random() % static_cast<uint64_t>(n - i));
    std::swap(r[i], r[z + i]);
  }
  return castOf(out, dtype.value_or(DType::Int64));
}

namespace {

// Without replacement (or a single draw): the k largest of p / Exp(1), PyTorch's exponential race.
Tensor raceDraw(const Tensor& p, int64_t count, Generator* generator) {
  Tensor q = emptyTensor(p.sizes(), p.dtype());
  exponential_(q, 1, generator);
  dispatchFloat(p.dtype(), "multinomial", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* a = p.ptr<T>();
    T* b = q.ptr<T>();
    for (int64_t i = 0; i < p.numel(); ++i)
      b[i] = static_cast<T>(static_cast<Compute<T>>(a[i]) / static_cast<Compute<T>>(b[i]));
  });
  return std::get<1>(topk(q, count, -1, true, true));
}

}  // namespace

Tensor multinomial(const Tensor& self, int64_t numSamples, bool replacement, Generator* generator) {
  FB_CHECK(self.dim() == 1 || self.dim() == 2, Shape, "prob_dist must be 1 or 2 dim");
  FB_CHECK(isFloating(self.dtype()), Type, "multinomial only supports floating-point dtypes for input, got: %s",
           scalarTypeName(self.dtype()));
  FB_CHECK(numSamples > 0, Value, "cannot sample n_sample <= 0 samples");
  const int64_t categories = self.size(-1), rows = self.dim() == 2 ? self.size(0) : 1;
  FB_CHECK(replacement || numSamples <= categories, Value,
           "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  FB_CHECK(categories <= (int64_t{1} << 24), Value, "number of categories cannot exceed 2^24");
  const Tensor p = contiguousOf(self);
  dispatchFloat(p.dtype(), "multinomial", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* a = p.ptr<T>();
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (int64_t i = 0; i < categories; ++i) {
        const double v = static_cast<double>(static_cast<Compute<T>>(a[r * categories + i]));
        const bool drawn = replacement && numSamples > 1;  // two kernels, two texts
        FB_CHECK(std::isfinite(v) && v >= 0, Value, "%s",
                 !drawn  ? "probability tensor contains either `inf`, `nan` or element < 0"
                 : v < 0 ? "invalid multinomial distribution (encountering probability entry < 0)"
                         : "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
        sum += v;
      }
      FB_CHECK(sum > 0, Value, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
  });
  if (!replacement || numSamples == 1) return raceDraw(p, numSamples, generator);
  Tensor out = emptyTensor(withSize(self.sizes(), self.dim() - 1, numSamples), DType::Int64);
  Generator& g = pick(generator);
  std::lock_guard<std::mutex> lock(g.mutex);
  dispatchFloat(p.dtype(), "multinomial", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    std::vector<T> cumulative(static_cast<size_t>(categories));
    for (int64_t r = 0; r < rows; ++r) {
      const T* a = p.ptr<T>() + r * categories;
      T sum = T(C(0));
      for (int64_t i = 0; i < categories; ++i) {
        sum = static_cast<T>(static_cast<C>(sum) + static_cast<C>(a[i]));
        cumulative[i] = sum;
      }
      for (T& c : cumulative) c = static_cast<T>(static_cast<C>(c) / static_cast<C>(sum));
      cumulative.back() = T(C(1));
      for (int64_t s = 0; s < numSamples; ++s) {
        const double u = g.uniform53();
        int64_t left = 0, right = categories;
        while (left < right) {
          const int64_t mid = left + (right - left) / 2;
          if (static_cast<double>(static_cast<C>(cumulative[mid])) < u)
            left = mid + 1;
          else
            right = mid;
        }
        out.ptr<int64_t>()[r * numSamples + s] = left;
      }
    }
  });
  return out;
}

}  // namespace flambeau::cpu
