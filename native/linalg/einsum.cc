// einsum: the equation is parsed here and lowered to permute, reshape, bmm and sum. Operands are contracted from left
// to right; a letter is summed as soon as no later operand and not the result has it, and every pairwise contraction is
// one batched matrix product.
#include <algorithm>
#include <array>
#include <string>

#include "linalg/bodies.h"

namespace flambeau::linalg {
namespace {

/// Letters are 0-51 (A-Z, a-z: the order of an implied result); the dimensions of '...' follow, the last one first.
constexpr int kLetters = 52;
using Labels = std::vector<int>;

bool isLetter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
int labelOf(char c) { return c <= 'Z' ? c - 'A' : c - 'a' + 26; }
std::string nameOf(int label) {
  if (label >= kLetters) return "...";
  return std::string(1, static_cast<char>(label < 26 ? 'A' + label : 'a' + label - 26));
}

/// One side's subscripts with -1 for '...'.
Labels parseSubscripts(std::string_view text, const std::string& where) {
  Labels out;
  bool ellipsis = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text[i] == '.') {
      FB_CHECK(!ellipsis && text.substr(i, 3) == "...", Value,
               "einsum(): found '.' for %s that is not part of any ellipsis", where.c_str());
      ellipsis = true;
      out.push_back(-1);
      i += 2;
      continue;
    }
    FB_CHECK(isLetter(text[i]), Value,
             "einsum(): invalid subscript given at index %zu in the equation string, subscripts must be in [a-zA-Z]",
             i);
    out.push_back(labelOf(text[i]));
  }
  return out;
}

struct Equation {
  std::vector<Labels> operands;
  Labels result;
};

/// Replaces '...' by the labels of its dimensions.
Labels expandEllipsis(const Labels& labels, int dims) {
  Labels out;
  for (int l : labels) {
    if (l >= 0)
      out.push_back(l);
    else
      for (int d = dims - 1; d >= 0; --d) out.push_back(kLetters + d);
  }
  return out;
}

Equation parse(std::string_view text, TensorSpan operands) {
  const size_t arrow = text.find("->");
  const std::string_view left = text.substr(0, arrow);
  Equation eq;
  size_t at = 0;
  int widest = 0;
  for (size_t k = 0;; ++k) {
    const size_t comma = left.find(',', at);
    FB_CHECK(k < operands.size(), Value, "einsum(): more subscripts in equation than operands provided");
    Labels labels = parseSubscripts(left.substr(at, comma == std::string_view::npos ? comma : comma - at),
                                    "operand " + std::to_string(k));
    const int64_t named = std::count_if(labels.begin(), labels.end(), [](int l) { return l >= 0; });
    const bool ellipsis = named != static_cast<int64_t>(labels.size());
    const int64_t rank = operands[k].dim();
    FB_CHECK(ellipsis ? named <= rank : named == rank, Shape,
             "einsum(): the number of subscripts in the equation (%lld) %s for operand %zu%s",
             static_cast<long long>(named),
             ("does not match the number of dimensions (" + std::to_string(rank) + ")").c_str(), k,
             ellipsis ? "" : " and no ellipsis was given");
    const int dims = static_cast<int>(rank - named);
    if (ellipsis) widest = std::max(widest, dims);
    eq.operands.push_back(expandEllipsis(labels, dims));
    if (comma == std::string_view::npos) {
      FB_CHECK(k + 1 == operands.size(), Value, "einsum(): fewer operands were given subscripts than provided");
      break;
    }
    at = comma + 1;
  }
  if (arrow != std::string_view::npos) {
    eq.result = expandEllipsis(parseSubscripts(text.substr(arrow + 2), "the output"), widest);
  } else {
    std::array<int, kLetters> count{};
    for (const Labels& o : eq.operands)
      for (int l : o)
        if (l < kLetters) ++count[static_cast<size_t>(l)];
    for (int d = widest - 1; d >= 0; --d) eq.result.push_back(kLetters + d);
    for (int l = 0; l < kLetters; ++l)
      if (count[static_cast<size_t>(l)] == 1) eq.result.push_back(l);
  }
  for (size_t i = 0; i < eq.result.size(); ++i) {
    const int l = eq.result[i];
    FB_CHECK(std::count(eq.result.begin(), eq.result.end(), l) == 1, Value,
             "einsum(): output subscript %s appears more than once in the output", nameOf(l).c_str());
    const bool known = std::any_of(eq.operands.begin(), eq.operands.end(),
                                   [&](const Labels& o) { return std::find(o.begin(), o.end(), l) != o.end(); });
    FB_CHECK(known || l >= kLetters, Value,
             "einsum(): output subscript %s does not appear in the equation for any input operand", nameOf(l).c_str());
  }
  return eq;
}

/// A tensor with one label a dimension.
struct Term {
  Tensor tensor;
  Labels labels;
  int64_t find(int label) const {
    const auto it = std::find(labels.begin(), labels.end(), label);
    return it == labels.end() ? -1 : it - labels.begin();
  }
  int64_t size(int label) const {
    const int64_t d = find(label);
    return d < 0 ? 1 : tensor.size(d);
  }
};

/// Repeated letters of one operand are its diagonal.
Term withoutRepeats(Term t) {
  for (size_t i = 0; i < t.labels.size(); ++i)
    for (size_t j = i + 1; j < t.labels.size();) {
      if (t.labels[j] != t.labels[i]) {
        ++j;
        continue;
      }
      FB_CHECK(t.tensor.size(static_cast<int64_t>(i)) == t.tensor.size(static_cast<int64_t>(j)), Shape,
               "einsum(): subscript %s is repeated for operand but the sizes don't match, %lld != %lld",
               nameOf(t.labels[i]).c_str(), static_cast<long long>(t.tensor.size(static_cast<int64_t>(j))),
               static_cast<long long>(t.tensor.size(static_cast<int64_t>(i))));
      // The diagonal comes last; it goes where the first of the two was.
      t.tensor = ops::movedim(ops::diagonal(t.tensor, 0, static_cast<int64_t>(i), static_cast<int64_t>(j)), Dims{-1},
                              Dims{static_cast<int64_t>(i)});
      t.labels.erase(t.labels.begin() + static_cast<std::ptrdiff_t>(j));
    }
  return t;
}

Term summedOver(const Term& t, const Labels& gone) {
  Dims dims;
  Labels kept;
  for (size_t d = 0; d < t.labels.size(); ++d) {
    if (std::find(gone.begin(), gone.end(), t.labels[d]) != gone.end())
      dims.push_back(static_cast<int64_t>(d));
    else
      kept.push_back(t.labels[d]);
  }
  if (dims.empty()) return t;
  return {ops::sum(t.tensor, dims, false, t.tensor.dtype()), kept};
}

/// The dimensions `order` of the term, with 1 for those it lacks, as a tensor of `sizes`.
Tensor arranged(const Term& t, const Labels& order, const Dims& sizes) {
  Dims dims;
  for (int l : order) {
    const int64_t d = t.find(l);
    if (d >= 0) dims.push_back(d);
  }
  return ops::reshape(ops::permute(t.tensor, dims), sizes);
}

Labels concat(const Labels& a, const Labels& b) {
  Labels out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

/// Two terms into one; letters that `last` names are summed.
Term contract(Term a, Term b, const Labels& last) {
  // A letter that only one side has (or where the other has size 1) needs no product: that side is summed first.
  Labels goneA, goneB, sum, batch, onlyA, onlyB;
  const auto isLast = [&](int l) { return std::find(last.begin(), last.end(), l) != last.end(); };
  for (int l : a.labels) {
    const bool both = a.size(l) != 1 && b.size(l) != 1;
    if (isLast(l))
      (both ? sum : goneA).push_back(l);
    else
      (both ? batch : a.size(l) != 1 || b.find(l) < 0 ? onlyA : onlyB).push_back(l);
    if (isLast(l) && !both && b.find(l) >= 0) goneB.push_back(l);
  }
  for (int l : b.labels) {
    if (a.find(l) >= 0) continue;
    (isLast(l) ? goneB : onlyB).push_back(l);
  }
  a = summedOver(a, goneA);
  b = summedOver(b, goneB);
  Dims result;
  int64_t nBatch = 1, nA = 1, nB = 1, nSum = 1;
  for (int l : batch) result.push_back(a.size(l)), nBatch *= a.size(l);
  for (int l : onlyA) result.push_back(a.size(l)), nA *= a.size(l);
  for (int l : onlyB) result.push_back(b.size(l)), nB *= b.size(l);
  for (int l : sum) nSum *= a.size(l);
  Labels labels = concat(concat(batch, onlyA), onlyB);
  // Dimensions of size 1 that the other side has wide take no part in the side's own arrangement.
  const Tensor x = arranged(a, concat(concat(batch, onlyA), concat(sum, onlyB)), Dims{nBatch, nA, nSum});
  const Tensor y = arranged(b, concat(concat(batch, sum), concat(onlyB, onlyA)), Dims{nBatch, nSum, nB});
  const Tensor out = sum.empty() ? ops::mul(x, y) : ops::bmm(x, y);
  return {ops::reshape(out, result), labels};
}

void checkSizes(const std::vector<Term>& terms) {
  std::vector<int64_t> sizes(kLetters + 64, 1);
  for (size_t k = 0; k < terms.size(); ++k)
    for (size_t d = 0; d < terms[k].labels.size(); ++d) {
      const int l = terms[k].labels[d];
      const int64_t n = terms[k].tensor.size(static_cast<int64_t>(d));
      FB_CHECK(static_cast<size_t>(l) < sizes.size(), Shape, "einsum(): operand %zu has too many dimensions", k);
      int64_t& known = sizes[static_cast<size_t>(l)];
      FB_CHECK(known == 1 || n == 1 || known == n, Shape,
               "einsum(): operands do not broadcast with remapped shapes [original->remapped]: subscript %s has size "
               "%lld for operand %zu which does not broadcast with previously seen size %lld",
               nameOf(l).c_str(), static_cast<long long>(n), k, static_cast<long long>(known));
      if (n != 1) known = n;
    }
}

}  // namespace

Tensor einsum(std::string_view equation, TensorSpan operands) {
  FB_CHECK(!operands.empty(), Value, "einsum(): must provide at least one operand");
  const Equation eq = parse(equation, operands);
  std::vector<Term> terms;
  for (size_t k = 0; k < operands.size(); ++k) terms.push_back(withoutRepeats({operands[k], eq.operands[k]}));
  checkSizes(terms);
  const auto inResult = [&](int l) { return std::find(eq.result.begin(), eq.result.end(), l) != eq.result.end(); };
  // A label of one operand alone is summed, which makes integers int64; products keep their dtype.
  const auto holders = [&](int l) {
    return std::ranges::count_if(terms, [&](const Term& t) { return t.find(l) >= 0; });
  };
  const auto sumsAlone = [&](const Term& t) {
    return std::ranges::any_of(t.labels, [&](int l) { return !inResult(l) && holders(l) == 1; });
  };
  if (!isFloating(terms[0].tensor.dtype()) && std::ranges::any_of(terms, sumsAlone))
    for (Term& t : terms) t.tensor = ops::toDtype(t.tensor, DType::Int64);
  Term acc = terms[0];
  const auto lastAt = [&](size_t k, const Term& t) {
    Labels out;
    for (int l : t.labels) {
      bool later = inResult(l);
      for (size_t j = k + 1; j < terms.size() && !later; ++j) later = terms[j].find(l) >= 0;
      if (!later) out.push_back(l);
    }
    return out;
  };
  acc = summedOver(acc, lastAt(0, acc));
  for (size_t k = 1; k < terms.size(); ++k) {
    Labels last = lastAt(k, acc);
    for (int l : lastAt(k, terms[k]))
      if (std::find(last.begin(), last.end(), l) == last.end()) last.push_back(l);
    acc = contract(acc, terms[k], last);
  }
  Dims sizes;
  for (int l : eq.result) sizes.push_back(acc.size(l));
  return arranged(acc, eq.result, sizes);
}

}  // namespace flambeau::linalg
