#pragma once
#include "element_wise.h"

namespace medalign {

/// What matrix products, convolutions and attention are computed in: 0 float32, 1 TF32 on GPUs that have it, 2 bfloat16.
inline thread_local int precision = 0;

static Tensor lowered(const Tensor& x) { return precision == 2 && x.scalar_type() == at::kFloat ? x.to(at::kBFloat16) : x; }
static Tensor raised(const Tensor& x) { return x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x; }

static Tensor product(const Tensor& a, const Tensor& b) { return raised(at::matmul(lowered(a), lowered(b))); }

static Tensor activated(const Tensor& x, int64_t activation, const Tensor& weights, double slope) {
  switch (activation) {
    case 0:
      return x;
    case 1:
      return at::relu(x);
    case 2:
      return at::clamp(x, 0, 6);
    case 3:
      return at::where(at::ge(x, 0), x, at::mul(x, weights));
    case 4:
      return at::elu(x);
    case 5:
      return at::sigmoid(x);
    case 6:
      return at::leaky_relu(x, slope);
    default:
      throw std::runtime_error("an activation that this engine does not know");
  }
}

/// rows · weight + bias
OP(Linear) {
  const Tensor x = c.tensor(), weight = c.tensor(), bias = c.optional();
  if (!bias.defined()) return c.put(product(x, weight));
  c.put(precision == 2 ? at::add(product(x, weight), bias) : at::addmm(bias, x, weight));
}
OP(LinearGrad) {
  const Tensor dy = c.tensor(), x = c.tensor(), weight = c.tensor();
  c.put(product(dy, weight.t()));
  c.put(product(x.t(), dy));
  if (c.flag()) c.put(at::sum(dy, 0));
}

OP(MatMul) {
  const Tensor a = c.tensor(), b = c.tensor();
  const bool flipA = c.flag(), flipB = c.flag();
  const Tensor bias = c.optional(), weights = c.optional();
  const int64_t activation = c.integer();
  const double slope = c.number();
  const Tensor left = flipA ? a.transpose(-1, -2) : a, right = flipB ? b.transpose(-1, -2) : b;
  // whole numbers through double, which holds every sum of their products up to 2^53
  Tensor y = whole(a) && whole(b) ? at::matmul(left.to(at::kDouble), right.to(at::kDouble)) : product(floats(left), floats(right));
  if (bias.defined()) y = at::add(y, bias);
  y = activated(y, activation, weights, slope);
  c.put(whole(a) && whole(b) ? y.to(at::kInt) : y);
}

OP(Einsum) {
  const std::string equation = c.text();
  auto tensors = c.tensors();
  const bool allWhole = std::all_of(tensors.begin(), tensors.end(), whole);
  for (auto& tensor : tensors) tensor = allWhole ? tensor.to(at::kDouble) : floats(tensor);
  const Tensor y = at::einsum(equation, tensors);
  c.put(allWhole ? y.to(at::kInt) : y);
}

}  // namespace medalign
