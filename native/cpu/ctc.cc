// Connectionist temporal classification: forward and backward variables in log space.
// Source: Graves et al., Connectionist Temporal Classification (2006).
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double logAdd(double a, double b) {
  const double m = std::max(a, b);
  return m == kNever ? m : m + std::log(std::exp(a - m) + std::exp(b - m));
}

/// One sequence: its labels with blanks in between, and its frames.
struct Sequence {
  std::vector<int64_t> labels;  // blank, l1, blank, l2, ..., blank
  int64_t frames;
  /// Whether state s may be entered from s - 2, past a blank.
  bool skips(size_t s) const { return s >= 2 && s % 2 == 1 && labels[s] != labels[s - 2]; }
};

std::vector<Sequence> sequences(const Tensor& logProbs, const Tensor& targets, IntSpan inputLengths,
                                IntSpan targetLengths, int64_t blank) {
  const int64_t frames = logProbs.size(0), batch = logProbs.size(1), classes = logProbs.size(2);
  FB_CHECK(!isFloating(targets.dtype()), Type, "targets must be integers, got %s", scalarTypeName(targets.dtype()));
  FB_CHECK(blank >= 0 && blank < classes, Value, "blank must be in label range");
  FB_CHECK(static_cast<int64_t>(inputLengths.size()) == batch, Value, "input_lengths must be of size batch_size");
  FB_CHECK(static_cast<int64_t>(targetLengths.size()) == batch, Value, "target_lengths must be of size batch_size");
  FB_CHECK(targets.dim() == 1 || (targets.dim() == 2 && targets.size(0) == batch), Shape,
           "Expected targets of size [%lld, S] or [sum of target_lengths], but got %s", static_cast<long long>(batch),
           shapeString(targets.sizes()).c_str());
  const Tensor all = contiguousOf(castOf(targets, DType::Int64));
  std::vector<Sequence> out;
  int64_t start = 0;
  for (int64_t n = 0; n < batch; ++n) {
    FB_CHECK(inputLengths[n] >= 0 && inputLengths[n] <= frames, Value,
             "Expected input_lengths to have value at most %lld, but got value %lld", static_cast<long long>(frames),
             static_cast<long long>(inputLengths[n]));
    const int64_t from = targets.dim() == 2 ? n * targets.size(1) : start;
    const int64_t room = targets.dim() == 2 ? targets.size(1) : targets.numel() - start;
    FB_CHECK(targetLengths[n] >= 0 && targetLengths[n] <= room, Value,
             "Expected tensor to have size at least %lld at dimension 1, but got size %s",
             static_cast<long long>(targetLengths[n]), shapeString(targets.sizes()).c_str());
    Sequence s{{blank}, inputLengths[n]};
    for (int64_t i = 0; i < targetLengths[n]; ++i) {
      const int64_t label = all.ptr<int64_t>()[from + i];
      FB_CHECK(label >= 0 && label < classes, Index, "target %lld is out of range", static_cast<long long>(label));
      s.labels.insert(s.labels.end(), {label, blank});
    }
    start += targetLengths[n];
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace

std::tuple<Tensor, Tensor> ctcLossForward(const Tensor& logProbs, const Tensor& targets, IntSpan inputLengths,
                                          IntSpan targetLengths, int64_t blank) {
  const std::vector<Sequence> all = sequences(logProbs, targets, inputLengths, targetLengths, blank);
  const Tensor lp = contiguousOf(logProbs);
  const int64_t frames = lp.size(0), batch = lp.size(1), classes = lp.size(2);
  size_t states = 1;
  for (const Sequence& s : all) states = std::max(states, s.labels.size());
  Tensor loss = emptyTensor(Dims{batch}, lp.dtype());
  // The forward variables stay in double: the gradient takes differences of them.
  Tensor alpha = emptyTensor(Dims{batch, frames, static_cast<int64_t>(states)}, DType::Float64);
  dispatchFloat(lp.dtype(), "ctc_loss", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(batch, 1, [&](int64_t from, int64_t to) {
      for (int64_t n = from; n < to; ++n) {
        const Sequence& s = all[static_cast<size_t>(n)];
        const size_t count = s.labels.size();
        double* a = alpha.ptr<double>() + n * frames * static_cast<int64_t>(states);
        std::fill(a, a + frames * static_cast<int64_t>(states), kNever);
        auto at = [&](int64_t t, size_t k) {
          return static_cast<double>(lp.ptr<T>()[(t * batch + n) * classes + s.labels[k]]);
        };
        for (int64_t t = 0; t < s.frames; ++t, a += states) {
          const double* before = a - states;
          for (size_t k = 0; k < count; ++k) {
            double sum = t == 0 ? (k < 2 ? 0 : kNever) : before[k];
            if (t > 0 && k >= 1) sum = logAdd(sum, before[k - 1]);
            if (t > 0 && s.skips(k)) sum = logAdd(sum, before[k - 2]);
            a[k] = sum + at(t, k);
          }
        }
        double total = count == 1 ? 0 : kNever;  // no frames: only the empty target fits
        if (s.frames > 0) {
          const double* last = a - states;
          total = count == 1 ? last[0] : logAdd(last[count - 1], last[count - 2]);
        }
        loss.ptr<T>()[n] = static_cast<T>(static_cast<Compute<T>>(-total));
      }
    });
  });
  return {loss, alpha};
}

Tensor ctcLossBackward(const Tensor& grad, const Tensor& logProbs, const Tensor& targets, IntSpan inputLengths,
                       IntSpan targetLengths, const Tensor& loss, const Tensor& alpha, int64_t blank) {
  const std::vector<Sequence> all = sequences(logProbs, targets, inputLengths, targetLengths, blank);
  const Tensor lp = contiguousOf(logProbs), g = contiguousOf(grad), nll = contiguousOf(loss),
               forward = contiguousOf(alpha);
  const int64_t frames = lp.size(0), batch = lp.size(1), classes = lp.size(2), states = forward.size(2);
  Tensor out = emptyTensor(lp.sizes(), lp.dtype());
  dispatchFloat(lp.dtype(), "ctc_loss_backward", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(batch, 1, [&](int64_t from, int64_t to) {
      std::vector<double> beta, next, byClass(static_cast<size_t>(classes));
      for (int64_t n = from; n < to; ++n) {
        const Sequence& s = all[static_cast<size_t>(n)];
        const size_t count = s.labels.size();
        const double factor = static_cast<double>(g.ptr<T>()[n]), log = static_cast<double>(nll.ptr<T>()[n]);
        beta.assign(count, kNever);
        for (int64_t t = frames - 1; t >= 0; --t) {
          const T* row = lp.ptr<T>() + (t * batch + n) * classes;
          T* grads = out.ptr<T>() + (t * batch + n) * classes;
          if (t >= s.frames || factor == 0) {
            std::fill(grads, grads + classes, T(0.0f));
            continue;
          }
          next = beta;
          for (size_t k = 0; k < count; ++k) {
            double sum = t == s.frames - 1 ? (k + 2 >= count ? 0 : kNever) : next[k];
            if (t < s.frames - 1 && k + 1 < count) sum = logAdd(sum, next[k + 1]);
            if (t < s.frames - 1 && k + 2 < count && s.skips(k + 2)) sum = logAdd(sum, next[k + 2]);
            beta[k] = sum + static_cast<double>(row[s.labels[k]]);
          }
          std::fill(byClass.begin(), byClass.end(), kNever);
          const double* a = forward.ptr<double>() + (n * frames + t) * states;
          for (size_t k = 0; k < count; ++k) {
            double& sum = byClass[static_cast<size_t>(s.labels[k])];
            sum = logAdd(sum, a[k] + beta[k]);
          }
          // PyTorch's gradient: that of log_softmax's input, which is the true one's projection.
          for (int64_t c = 0; c < classes; ++c) {
            const double p = static_cast<double>(row[c]);
            grads[c] = static_cast<T>(
                static_cast<Compute<T>>(factor * (std::exp(p) - std::exp(byClass[static_cast<size_t>(c)] + log - p))));
          }
        }
      }
    });
  });
  return out;
}

}  // namespace flambeau::cpu
