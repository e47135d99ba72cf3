// Unit vectors along the last axis, in a pass each way.
#pragma once
#include <ATen/Parallel.h>

#include "linear.h"
#include "simd.h"

namespace medalign {

VECTORIZED static float sumOfProducts(const float* a, const float* b, int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) sum += a[j] * b[j];
  return sum;
}
VECTORIZED static void divide(const float* x, float* y, int64_t count, float by) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) y[j] = x[j] / by;
}
/// y = (dy − unit · along) / norm
VECTORIZED static void across(const float* dy, const float* unit, float* y, int64_t count, float along, float norm) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) y[j] = (dy[j] - unit[j] * along) / norm;
}

/// Calls f(first row, end) for parts of so many rows of so many columns.
template <typename F>
static void overRows(int64_t rows, int64_t columns, const F& f) {
  at::parallel_for(0, rows, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(columns, 1)), f);
}
static Ints normShape(const Tensor& x) {
  Ints shape = x.sizes().vec();
  shape.back() = 1;
  return shape;
}

OP(L2Normalize) {
  const Tensor x = floats(c.tensor()).contiguous();
  const double epsilon = c.number();
  if (!ownLoops()) {
    // a maximum that hands NaN on
    const Tensor norm = at::clamp_min(at::sqrt(at::sum(at::square(x), {-1}, true)), epsilon);
    c.put(at::div(x, norm));
    return c.put(norm);
  }
  const int64_t d = x.size(-1), rows = d == 0 ? 0 : x.numel() / d;
  const Tensor unit = at::empty_like(x), norm = at::empty(normShape(x), x.options());
  const float* from = x.data_ptr<float>();
  float *to = unit.data_ptr<float>(), *norms = norm.data_ptr<float>();
  overRows(rows, d, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float length = std::sqrt(sumOfProducts(from + i * d, from + i * d, d));
      norms[i] = length < static_cast<float>(epsilon) ? static_cast<float>(epsilon) : length;
      divide(from + i * d, to + i * d, d, norms[i]);
    }
  });
  c.put(unit);
  c.put(norm);
}

/// dy, unit, norm, ε, whether the gradient is 0 where the norm does not exceed ε → dx
OP(L2NormalizeGrad) {
  const Tensor dy = c.tensor().contiguous(), unit = c.tensor().contiguous(), norm = c.tensor().contiguous();
  const auto epsilon = static_cast<float>(c.number());
  const bool flat = c.flag();
  if (!ownLoops()) {
    const Tensor isShort = at::le(norm, epsilon), zero = at::zeros({}, dy.options());
    const Tensor along = at::where(isShort, zero, at::sum(at::mul(dy, unit), {-1}, true));
    const Tensor dx = at::div(at::sub(dy, at::mul(unit, along)), norm);
    return c.put(flat ? at::where(isShort, zero, dx) : dx);
  }
  const int64_t d = dy.size(-1), rows = d == 0 ? 0 : dy.numel() / d;
  const Tensor dx = at::empty_like(dy);
  const float *given = dy.data_ptr<float>(), *units = unit.data_ptr<float>(), *norms = norm.data_ptr<float>();
  float* to = dx.data_ptr<float>();
  overRows(rows, d, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const bool isShort = norms[i] <= epsilon;
      if (isShort && flat) {
        std::fill(to + i * d, to + (i + 1) * d, 0.0f);
        continue;
      }
      const float along = isShort ? 0 : sumOfProducts(given + i * d, units + i * d, d);
      across(given + i * d, units + i * d, to + i * d, d, along, norms[i]);
    }
  });
  c.put(dx);
}

}  // namespace medalign
