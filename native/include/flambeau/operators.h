// Operators of tensors, the modes of autograd and the seed: what libtorch has beside methods and functions.
#pragma once
#include <initializer_list>
#include <ostream>
#include <vector>

#include "flambeau/autograd.h"
#include "flambeau/functions.h"

namespace flambeau {

inline Tensor operator+(const Tensor& a, const Operand& b) { return ops::add(a, b); }
inline Tensor operator-(const Tensor& a, const Operand& b) { return ops::sub(a, b); }
inline Tensor operator*(const Tensor& a, const Operand& b) { return ops::mul(a, b); }
inline Tensor operator/(const Tensor& a, const Operand& b) { return ops::div(a, b); }
inline Tensor operator+(Scalar a, const Tensor& b) { return ops::add(b, Operand(a)); }
inline Tensor operator-(Scalar a, const Tensor& b) { return ops::rsub(b, Operand(a)); }
inline Tensor operator*(Scalar a, const Tensor& b) { return ops::mul(b, Operand(a)); }
inline Tensor operator/(Scalar a, const Tensor& b) { return ops::mul(ops::reciprocal(b), Operand(a)); }
inline Tensor operator-(const Tensor& a) { return ops::neg(a); }
inline Tensor operator==(const Tensor& a, const Operand& b) { return ops::eq(a, b); }
inline Tensor operator!=(const Tensor& a, const Operand& b) { return ops::ne(a, b); }
inline Tensor operator<(const Tensor& a, const Operand& b) { return ops::lt(a, b); }
inline Tensor operator<=(const Tensor& a, const Operand& b) { return ops::le(a, b); }
inline Tensor operator>(const Tensor& a, const Operand& b) { return ops::gt(a, b); }
inline Tensor operator>=(const Tensor& a, const Operand& b) { return ops::ge(a, b); }
std::ostream& operator<<(std::ostream& out, const Tensor& t);

// ---- making tensors (the ops of ops.h with PyTorch's arguments) ----
using OptionalDType = std::optional<DType>;
inline Tensor empty(IntList size, OptionalDType dtype = {}) { return ops::empty(size, dtype); }
inline Tensor zeros(IntList size, OptionalDType dtype = {}) { return ops::zeros(size, dtype); }
inline Tensor ones(IntList size, OptionalDType dtype = {}) { return ops::ones(size, dtype); }
inline Tensor full(IntList size, Scalar value, OptionalDType dtype = {}) { return ops::full(size, value, dtype); }
inline Tensor eye(int64_t n, OptionalDType dtype = {}) { return ops::eye(n, std::nullopt, dtype); }
inline Tensor arange(Scalar end) { return ops::arange(0, end, 1); }
inline Tensor arange(Scalar start, Scalar end, Scalar step = 1) { return ops::arange(start, end, step); }
inline Tensor linspace(Scalar start, Scalar end, int64_t steps) { return ops::linspace(start, end, steps); }
/// Uniform in [0, 1).
inline Tensor rand(IntList size, OptionalDType dtype = {}) { return ops::uniform_(ops::empty(size, dtype)); }
/// Standard normal.
inline Tensor randn(IntList size, OptionalDType dtype = {}) { return ops::normal_(ops::empty(size, dtype)); }
/// Integers in [low, high), int64.
inline Tensor randint(int64_t low, int64_t high, IntList size) {
  return ops::randint_(ops::empty(size, DType::Int64), low, high);
}
/// 0 to n - 1 in random order, int64.
inline Tensor randperm(int64_t n) { return ops::randperm(n); }

/// A tensor of the given numbers: tensor({1., 2.}), tensor(std::vector<int64_t>{3, 4}). Doubles give float32, as
/// literals of PyTorch do.
Tensor tensor(std::initializer_list<double> values);
Tensor tensor(const std::vector<float>& values);
Tensor tensor(const std::vector<double>& values);
Tensor tensor(const std::vector<int64_t>& values);
/// A copy of memory: `sizes` elements of `dtype`, row-major.
Tensor from_blob(const void* data, IntList sizes, DType dtype = DType::Float32);

/// The seed of the default generator: the same numbers as fb.manualSeed and torch.manual_seed give.
void manual_seed(uint64_t seed);
void set_num_threads(int threads);

/// Gradients are not recorded while it lives.
class NoGradGuard {
 public:
  NoGradGuard() : guard_(false) {}
  NoGradGuard(const NoGradGuard&) = delete;
  NoGradGuard& operator=(const NoGradGuard&) = delete;

 private:
  autograd::GradGuard guard_;
};

namespace autograd {
/// Gradients of `outputs` with respect to `inputs`; nothing is accumulated. Throws Error(Autograd) for an input that
/// was not used unless `allow_unused`.
TensorList grad(const TensorList& outputs, const TensorList& inputs, const TensorList& grad_outputs = {},
                bool retain_graph = false, bool create_graph = false, bool allow_unused = false);
}  // namespace autograd

}  // namespace flambeau
