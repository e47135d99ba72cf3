#pragma once
#include "call.h"

namespace medalign {

// libtorch takes an empty list of axes for "all"; tfjs for "none".
#define REDUCTION(name, expression)                               \
  OP(name) {                                                      \
    const Tensor x = c.tensor();                                  \
    const Ints axes = c.ints();                                   \
    const bool keep = c.flag();                                   \
    c.put(expression);                                            \
  }

REDUCTION(Sum, axes.empty() ? counted(x).clone() : at::sum(x, axes, keep, whole(x) ? at::kInt : at::kFloat))
REDUCTION(Mean, axes.empty() ? floats(x).clone() : at::mean(floats(x), axes, keep))
REDUCTION(Max, axes.empty() ? x.clone() : at::amax(x, axes, keep))
REDUCTION(Min, axes.empty() ? x.clone() : at::amin(x, axes, keep))

/// One axis after the other, the last first, so that the rest keep their numbers.
template <typename F>
static Tensor oneByOne(Tensor x, Ints axes, bool keep, F f) {
  std::sort(axes.rbegin(), axes.rend());
  for (const auto axis : axes) x = f(x, axis, keep);
  return x;
}
REDUCTION(Prod, axes.empty() ? counted(x).clone() : oneByOne(counted(x), axes, keep, [](const Tensor& t, int64_t axis, bool k) {
  return at::prod(t, axis, k, t.scalar_type());
}))
REDUCTION(All, axes.empty() ? x.to(at::kBool) : oneByOne(x.to(at::kBool), axes, keep, [](const Tensor& t, int64_t axis, bool k) {
  return at::all(t, axis, k);
}))
REDUCTION(Any, axes.empty() ? x.to(at::kBool) : oneByOne(x.to(at::kBool), axes, keep, [](const Tensor& t, int64_t axis, bool k) {
  return at::any(t, axis, k);
}))

// libtorch finds a NaN first; tfjs passes over it.
static Tensor without(const Tensor& x, double nan) {
  return whole(x) ? counted(x) : at::where(at::isnan(x), at::full({}, nan, x.options()), x);
}
OP(ArgMax) {
  const Tensor x = c.tensor();
  c.put(at::argmax(without(x, -std::numeric_limits<double>::infinity()), c.integer()));
}
OP(ArgMin) {
  const Tensor x = c.tensor();
  c.put(at::argmin(without(x, std::numeric_limits<double>::infinity()), c.integer()));
}

/// One later along the axis; the first is `first`.
static Tensor shifted(const Tensor& x, int64_t axis, double first) {
  Ints one = x.sizes().vec();
  one[axis] = 1;
  return at::cat({at::full(one, first, x.options()), x.narrow(axis, 0, x.size(axis) - 1)}, axis);
}
OP(Cumsum) {
  Tensor x = counted(c.tensor());
  const int64_t axis = c.integer();
  const bool exclusive = c.flag(), reverse = c.flag();
  if (reverse) x = at::flip(x, {axis});
  if (exclusive) x = shifted(x, axis, 0);
  const Tensor sums = at::cumsum(x, axis, x.scalar_type());
  c.put(reverse ? at::flip(sums, {axis}) : sums);
}
OP(Cumprod) {
  Tensor x = counted(c.tensor());
  const int64_t axis = c.integer();
  const bool exclusive = c.flag(), reverse = c.flag();
  if (reverse) x = at::flip(x, {axis});
  if (exclusive) x = shifted(x, axis, 1);
  const Tensor products = at::cumprod(x, axis, x.scalar_type());
  c.put(reverse ? at::flip(products, {axis}) : products);
}

/// Equal values in the order of their indices, as tfjs promises.
OP(TopK) {
  const Tensor x = c.tensor();
  const int64_t k = c.integer();
  const auto [values, indices] = at::sort(x, /*stable=*/true, /*dim=*/-1, /*descending=*/true);
  c.put(values.narrow(-1, 0, k).contiguous());
  c.put(indices.narrow(-1, 0, k).contiguous());
}

OP(Softmax) {
  const Tensor x = c.tensor();
  c.put(at::softmax(floats(x), c.integer()));
}

}  // namespace medalign
