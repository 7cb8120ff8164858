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
