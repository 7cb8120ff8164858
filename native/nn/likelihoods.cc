// Bodies of losses that a declaration's language does not reach: shapes decided by values, classes picked by number.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/promotion.h"
#include "flambeau/trace.h"
#include "nn/bodies.h"

namespace flambeau::support {

Tensor reducePlain(const Tensor& loss, std::string_view reduction) {
  FB_CHECK(reduction == "none" || reduction == "mean" || reduction == "sum", Value, "%.*s is not valid",
           static_cast<int>(reduction.size()), reduction.data());
  return reduceLoss(loss, reduction);
}

Tensor reduceBatch(const Tensor& loss, std::string_view reduction) {
  if (reduction != "batchmean") return reduceLoss(loss, reduction);
  const Tensor sum = ops::sum(loss);
  return loss.dim() == 0 ? sum : ops::trueDivide(sum, Scalar(loss.size(0)));
}

Tensor gaussianNll(const Tensor& input, const Tensor& target, const Tensor& variance, bool full, double eps,
                   std::string_view reduction) {
  Tensor var = variance;
  const IntSpan in = input.sizes(), given = variance.sizes();
  if (!std::ranges::equal(in, given)) {
    const IntSpan leading = in.first(in.empty() ? 0 : in.size() - 1);
    if (!in.empty() && std::ranges::equal(leading, given))
      var = ops::unsqueeze(var, -1);
    else
      FB_CHECK(!in.empty() && given.size() == in.size() && given.back() == 1 &&
                   std::ranges::equal(leading, given.first(given.size() - 1)),
               Value, "var is of incorrect size");
  }
  if (!trace::active() && var.numel() > 0) {
    autograd::GradGuard off(false);
    FB_CHECK(!*ops::any(ops::lt(var, Scalar(0))).ptr<bool>(), Value, "var has negative entry/entries");
  }
  var = ops::limitedBelow(var, eps);
  const Tensor d = ops::sub(input, target);
  Tensor loss = ops::mul(ops::add(ops::log(var), ops::trueDivide(ops::mul(d, d), var)), Scalar(0.5));
  if (full) loss = ops::add(loss, Scalar(0.5 * std::log(2 * 3.14159265358979323846)));
  return reducePlain(loss, reduction);
}

namespace {

/// [C] as [1, C]; anything but one or two dimensions is an error in PyTorch's words.
Tensor asRows(const Tensor& t, const char* what) {
  if (t.dim() == 0) return ops::reshape(t, Dims{1, 1});
  FB_CHECK(t.dim() == 1 || (t.dim() == 2 && t.size(1) != 0) || (t.dim() == 2 && t.size(0) == 0), Shape,
           "Expected non-empty vector or matrix with optional 0-dim batch size, but got %s: %s", what,
           shapeString(t.sizes()).c_str());
  return t.dim() == 1 ? ops::unsqueeze(t, 0) : t;
}

void checkLabels(const Tensor& target, int64_t least, int64_t classes) {
  FB_CHECK(target.dtype() == DType::Int64, Type, "expected scalar type Long but found %s",
           scalarTypeName(target.dtype()));
  if (trace::active()) return;
  const Tensor flat = target.isContiguous() ? target : ops::contiguous(target);
  const int64_t* at = flat.ptr<int64_t>();
  for (int64_t i = 0; i < flat.numel(); ++i) FB_CHECK(at[i] >= least && at[i] < classes, Index, "target out of range");
}

}  // namespace

Tensor multiMargin(const Tensor& input, const Tensor& target, int64_t p, double margin, const Tensor& weight,
                   std::string_view reduction) {
  FB_CHECK(p == 1 || p == 2, Value, "only p == 1 and p == 2 supported");
  const Tensor rows = asRows(input, "input");
  const int64_t n = rows.size(0), classes = rows.size(1);
  FB_CHECK(target.dim() <= 1 && target.numel() == n, Shape, "inconsistent target size, expected %lld but got %s",
           static_cast<long long>(n), shapeString(target.sizes()).c_str());
  checkLabels(target, 0, classes);
  const Tensor index = ops::reshape(target, Dims{n, 1});
  Tensor z = ops::clampMin(ops::add(ops::sub(rows, ops::gather(rows, 1, index)), Scalar(margin)), Scalar(0));
  if (p == 2) z = ops::mul(z, z);
  if (weight.defined()) {
    FB_CHECK(weight.dim() == 1 && weight.numel() == classes, Shape,
             "inconsistent weight size, expected %lld but got %s", static_cast<long long>(classes),
             shapeString(weight.sizes()).c_str());
    z = ops::mul(z, ops::unsqueeze(ops::indexSelect(weight, 0, ops::reshape(target, Dims{n})), 1));
  }
  const Tensor numbers = ops::arange(Scalar(int64_t{0}), Scalar(classes), Scalar(int64_t{1}), DType::Int64);
  z = ops::where(ops::ne(numbers, index), z, Scalar(0));
  const Dims last{1};
  Tensor loss = ops::trueDivide(ops::sum(z, last.span()), Scalar(classes));
  if (input.dim() < 2 && reduction == "none") loss = ops::squeeze(loss, Dims{0});
  return reduceLoss(loss, reduction);
}

Tensor multilabelMargin(const Tensor& input, const Tensor& target, std::string_view reduction) {
  FB_CHECK(std::ranges::equal(input.sizes(), target.sizes()) || (input.numel() == 1 && target.numel() == 1), Shape,
           "inconsistent target size: %s for input of size: %s", shapeString(target.sizes()).c_str(),
           shapeString(input.sizes()).c_str());
  const Tensor rows = asRows(input, "input");
  const Tensor labels = ops::reshape(target, Dims(rows.sizes()));
  const int64_t classes = rows.size(1);
  checkLabels(labels, -1, classes);
  // The labels before the first negative one.
  const Tensor ended = ops::cumsum(ops::toDtype(ops::lt(labels, Scalar(0)), DType::Int64), 1);
  const Tensor valid = ops::eq(ended, Scalar(0));
  const Tensor index = ops::where(valid, labels, Scalar(int64_t{0}));
  const Tensor hits = ops::scatterAdd(ops::zerosLike(index), 1, index, ops::toDtype(valid, DType::Int64));
  const Tensor other = ops::unsqueeze(ops::eq(hits, Scalar(0)), 1);
  const Tensor picked = ops::unsqueeze(ops::gather(rows, 1, index), 2);
  Tensor z = ops::clampMin(ops::rsub(ops::sub(picked, ops::unsqueeze(rows, 1)), Scalar(1)), Scalar(0));
  z = ops::where(ops::logicalAnd(ops::unsqueeze(valid, 2), other), z, Scalar(0));
  const Dims pairs{1, 2};
  Tensor loss = ops::trueDivide(ops::sum(z, pairs.span()), Scalar(classes));
  if (input.dim() < 2 && reduction == "none") loss = ops::squeeze(loss, Dims{0});
  return reduceLoss(loss, reduction);
}

Tensor ctcLoss(const Tensor& logProbs, const Tensor& targets, IntSpan inputLengths, IntSpan targetLengths,
               int64_t blank, std::string_view reduction, bool zeroInfinity) {
  FB_CHECK(logProbs.dim() == 2 || logProbs.dim() == 3, Shape,
           "ctc_loss: log_probs must have 2 or 3 dimensions, but got size %s", shapeString(logProbs.sizes()).c_str());
  const bool batched = logProbs.dim() == 3;
  const Tensor lp = batched ? logProbs : ops::unsqueeze(logProbs, 1);
  const Tensor labels = batched || targets.dim() == 2 ? targets : ops::reshape(targets, Dims{-1});
  Tensor loss = std::get<0>(ops::ctcLossForward(lp, labels, inputLengths, targetLengths, blank));
  if (zeroInfinity) loss = ops::where(ops::eq(loss, Scalar(std::numeric_limits<double>::infinity())), Scalar(0), loss);
  if (reduction == "mean") {
    std::vector<Tensor> lengths;
    for (int64_t n : targetLengths)
      lengths.push_back(ops::full(IntSpan(), Scalar(static_cast<double>(std::max<int64_t>(n, 1))), loss.dtype()));
    return ops::mean(ops::trueDivide(loss, ops::stack(lengths, 0)));
  }
  if (!batched && reduction == "none") return ops::squeeze(loss, Dims{0});
  return reduceLoss(loss, reduction);
}

}  // namespace flambeau::support
