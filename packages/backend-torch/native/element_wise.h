#pragma once
#include <ATen/Parallel.h>

#include "call.h"
#include "simd.h"

namespace medalign {

#define UNARY(name, expression)                   \
  OP(name) {                                      \
    const Tensor x = c.scalarOrTensor();         \
    c.put(expression);                            \
  }
#define BINARY(name, expression)                  \
  OP(name) {                                      \
    const Tensor a = c.scalarOrTensor();         \
    const Tensor b = c.scalarOrTensor();         \
    c.put(expression);                            \
  }

/// Arithmetic on truth values counts, as in tfjs.
static Tensor counted(const Tensor& x) { return x.scalar_type() == at::kBool ? x.to(at::kInt) : x; }
static bool whole(const Tensor& x) { return x.scalar_type() != at::kFloat; }
static Tensor floats(const Tensor& x) { return whole(x) ? x.to(at::kFloat) : x; }

BINARY(Add, at::add(counted(a), counted(b)))
BINARY(Sub, at::sub(counted(a), counted(b)))
BINARY(Multiply, at::mul(counted(a), counted(b)))
BINARY(RealDiv, at::div(floats(a), floats(b)))
BINARY(Maximum, at::maximum(a, b))
BINARY(Minimum, at::minimum(a, b))
BINARY(SquaredDifference, at::square(at::sub(counted(a), counted(b))))
BINARY(Atan2, at::atan2(floats(a), floats(b)))
BINARY(Equal, at::eq(a, b))
BINARY(NotEqual, at::ne(a, b))
BINARY(Less, at::lt(a, b))
BINARY(LessEqual, at::le(a, b))
BINARY(Greater, at::gt(a, b))
BINARY(GreaterEqual, at::ge(a, b))
BINARY(LogicalAnd, at::logical_and(a, b))
BINARY(LogicalOr, at::logical_or(a, b))
BINARY(BitwiseAnd, at::bitwise_and(a, b))
BINARY(Prelu, at::where(at::ge(onDevice(a), 0), onDevice(a), at::mul(onDevice(a), b)))

// Whole numbers go through double, which holds every int32: libtorch refuses division by 0 and negative powers.
static Tensor throughDouble(const Tensor& a, const Tensor& b, Tensor (*f)(const Tensor&, const Tensor&)) {
  if (!whole(a) || !whole(b)) return f(floats(a), floats(b));
  const Tensor result = f(a.to(at::kDouble), b.to(at::kDouble));
  return at::where(at::isfinite(result), result, at::zeros({}, result.options())).to(at::kInt);
}
BINARY(FloorDiv, throughDouble(a, b, [](const Tensor& x, const Tensor& y) { return at::floor(at::div(x, y)); }))
BINARY(Mod, throughDouble(a, b, [](const Tensor& x, const Tensor& y) { return at::remainder(x, y); }))
BINARY(Pow, throughDouble(a, b, [](const Tensor& x, const Tensor& y) { return at::pow(x, y); }))

UNARY(Abs, at::abs(counted(x)))
UNARY(Acos, at::acos(x))
UNARY(Acosh, at::acosh(x))
UNARY(Asin, at::asin(x))
UNARY(Asinh, at::asinh(x))
UNARY(Atan, at::atan(x))
UNARY(Atanh, at::atanh(x))
UNARY(Ceil, at::ceil(x))
UNARY(Cos, at::cos(x))
UNARY(Cosh, at::cosh(x))
UNARY(Elu, at::elu(floats(x)))
UNARY(Erf, at::erf(x))
UNARY(Exp, at::exp(x))
UNARY(Expm1, at::expm1(x))
UNARY(Floor, at::floor(x))
UNARY(IsFinite, at::isfinite(x))
UNARY(IsInf, at::isinf(x))
UNARY(IsNan, at::isnan(x))
UNARY(Log, at::log(x))
UNARY(Log1p, at::log1p(x))
UNARY(LogicalNot, at::logical_not(x))
UNARY(Neg, at::neg(counted(x)))
UNARY(Reciprocal, at::reciprocal(x))
UNARY(Relu, at::relu(counted(x)))
UNARY(Relu6, at::clamp(counted(x), 0, 6))
UNARY(Round, whole(x) ? counted(x).clone() : at::round(x))
UNARY(Rsqrt, at::rsqrt(x))
UNARY(Selu, at::selu(floats(x)))
UNARY(Sigmoid, at::sigmoid(x))
UNARY(Sign, at::where(at::isnan(x), at::zeros({}, x.options()), at::sign(x)))
UNARY(Sin, at::sin(x))
UNARY(Sinh, at::sinh(x))
UNARY(Softplus, at::softplus(floats(x)))
UNARY(Sqrt, at::sqrt(x))
UNARY(Square, at::square(counted(x)))
UNARY(Tan, at::tan(x))
UNARY(Tanh, at::tanh(x))
UNARY(OnesLike, at::ones_like(x, x.options(), at::MemoryFormat::Contiguous))
UNARY(ZerosLike, at::zeros_like(x, x.options(), at::MemoryFormat::Contiguous))

OP(LeakyRelu) {
  const Tensor x = c.scalarOrTensor();
  c.put(at::leaky_relu(floats(x), c.number()));
}
VECTORIZED static void steps(const float* x, float* y, int64_t count, float otherwise) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] > 0 ? 1 : x[i] <= 0 ? otherwise : x[i];
}
OP(Step) {
  const Tensor x = c.scalarOrTensor();
  const double otherwise = c.number();
  // the gradient of relu: one pass, where operators would make five
  if (ownLoops() && x.scalar_type() == at::kFloat && x.is_contiguous()) {
    const Tensor y = at::empty_like(x);
    const float* from = x.data_ptr<float>();
    float* to = y.data_ptr<float>();
    at::parallel_for(0, x.numel(), 1 << 15, [=](int64_t begin, int64_t end) {
      steps(from + begin, to + begin, end - begin, static_cast<float>(otherwise));
    });
    return c.put(y);
  }
  const auto options = floats(x).options();
  const Tensor step = at::where(at::gt(x, 0), at::ones({}, options), at::full({}, otherwise, options));
  c.put(at::where(at::isnan(x), floats(x), step).to(x.scalar_type()));
}
OP(ClipByValue) {
  const Tensor x = c.scalarOrTensor();
  const double low = c.number(), high = c.number();
  // whole numbers through double: bounds may be fractions, or infinite
  c.put(whole(x) ? at::clamp(x.to(at::kDouble), low, high).to(at::kInt) : at::clamp(x, low, high));
}
OP(EluGrad) {
  const Tensor dy = c.tensor(), y = c.tensor();
  c.put(at::where(at::ge(y, 0), dy, at::mul(dy, at::add(y, 1))));
}

OP(Cast) {
  const Tensor x = c.scalarOrTensor();
  c.put(x.to(typeOf(c.integer())));
}
OP(Select) {
  Tensor condition = c.tensor();
  const Tensor a = c.scalarOrTensor();
  const Tensor b = c.scalarOrTensor();
  if (condition.dim() == 1 && a.dim() > 1) {
    Ints shape(a.dim(), 1);
    shape[0] = condition.size(0);
    condition = condition.view(shape);
  }
  c.put(at::where(condition.to(at::kBool), onDevice(a), onDevice(b)));
}

}  // namespace medalign
