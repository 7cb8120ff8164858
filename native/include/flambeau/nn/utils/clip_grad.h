// Gradient clipping and flattening of parameters.
#pragma once
#include "flambeau/tensor.h"

namespace flambeau::nn::utils {

/// Scales all gradients in place so that their joint norm is at most `max_norm`; returns the norm before. Throws
/// Error(Value) when it is not finite and `error_if_nonfinite` is set.
double clip_grad_norm_(const TensorList& parameters, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);
/// Cuts every gradient element to [-clip_value, clip_value], in place.
void clip_grad_value_(const TensorList& parameters, double clip_value);
/// All parameters as one flat vector.
Tensor parameters_to_vector(const TensorList& parameters);
/// Copies a flat vector back into parameters. Throws Error(Shape) when it is too short.
void vector_to_parameters(const Tensor& vector, const TensorList& parameters);

}  // namespace flambeau::nn::utils
