// Steps over all parameters of a model in one call.
#pragma once
#include <ATen/Parallel.h>

#include <unordered_set>

#include "linear.h"
#include "simd.h"

namespace medalign {

/// Parts of many tensors, each small enough to stay in a core's cache and large enough to be worth a thread's while.
struct Part {
  size_t tensor;
  int64_t begin, end;
};
static std::vector<Part> partsOf(const std::vector<Tensor>& tensors) {
  constexpr int64_t size = 1 << 15;
  std::vector<Part> parts;
  for (size_t i = 0; i < tensors.size(); ++i)
    for (int64_t at = 0; at < tensors[i].numel(); at += size) parts.push_back({i, at, std::min(at + size, tensors[i].numel())});
  return parts;
}
template <typename F>
static void overParts(const std::vector<Part>& parts, const F& f) {
  at::parallel_for(0, static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(static_cast<size_t>(i), parts[static_cast<size_t>(i)]);
  });
}

struct AdamNumbers {
  double stepSize, beta1, beta2, epsilon, penalty, shrink;
  Tensor gradientScale;
  explicit AdamNumbers(Call& c)
      : stepSize(c.number()), beta1(c.number()), beta2(c.number()), epsilon(c.number()), penalty(c.number()), shrink(c.number()),
        gradientScale(c.optional()) {}
};

VECTORIZED static void adam(float* w, const float* g, float* m, float* v, int64_t count, const AdamNumbers& numbers,
                            const float scale) {
  const float b1 = numbers.beta1, a1 = 1 - numbers.beta1, b2 = numbers.beta2, a2 = 1 - numbers.beta2;
  const float step = numbers.stepSize, epsilon = numbers.epsilon, penalty = numbers.penalty, shrink = numbers.shrink;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float slope = scale * g[i] + penalty * w[i];
    m[i] = b1 * m[i] + a1 * slope;
    v[i] = b2 * v[i] + a2 * slope * slope;
    w[i] = shrink * w[i] - step * m[i] / (std::sqrt(v[i]) + epsilon);
  }
}

/// Gives out memory to write to, no piece of it twice.
class Writable {
 public:
  /// The tensor itself where JavaScript knows of `users` of its memory and there are no others; else a copy.
  Tensor operator()(const Tensor& x, int64_t users) {
    const bool alone = users > 0 && static_cast<int64_t>(x.storage().use_count()) == users && x.is_contiguous();
    if (alone && given_.insert(x.storage().unsafeGetStorageImpl()).second) return x;
    return x.clone(at::MemoryFormat::Contiguous);
  }

 private:
  std::unordered_set<const void*> given_;
};

/// Numbers, scale of the gradients or nothing; then for each parameter weight, gradient, mean, square, each but the gradient followed by its users.
OP(Adam) {
  const AdamNumbers n(c);
  const auto count = static_cast<size_t>(c.integer());
  std::vector<Tensor> w(count), g(count), m(count), v(count);
  Writable writable;
  for (size_t i = 0; i < count; ++i) {
    const auto own = [&](Tensor& x) {
      x = c.tensor();
      x = writable(x, c.integer());
    };
    own(w[i]);
    g[i] = c.tensor().contiguous();
    own(m[i]);
    own(v[i]);
  }
  if (ownLoops()) {
    const float scale = n.gradientScale.defined() ? n.gradientScale.item<float>() : 1;
    overParts(partsOf(w), [&](size_t, const Part& part) {
      const auto [i, begin, end] = part;
      adam(w[i].data_ptr<float>() + begin, g[i].data_ptr<float>() + begin, m[i].data_ptr<float>() + begin,
           v[i].data_ptr<float>() + begin, end - begin, n, scale);
    });
  } else if (count > 0) {
    if (n.gradientScale.defined())
      for (auto& gradient : g) gradient = at::mul(gradient, n.gradientScale);
    if (n.penalty != 0) g = at::_foreach_add(g, w, n.penalty);
    at::_foreach_mul_(m, n.beta1);
    at::_foreach_add_(m, g, 1 - n.beta1);
    at::_foreach_mul_(v, n.beta2);
    at::_foreach_addcmul_(v, g, g, 1 - n.beta2);
    auto roots = at::_foreach_sqrt(v);
    at::_foreach_add_(roots, n.epsilon);
    if (n.shrink != 1) at::_foreach_mul_(w, n.shrink);
    at::_foreach_addcdiv_(w, m, roots, -n.stepSize);
  }
  for (size_t i = 0; i < count; ++i) {
    c.put(w[i]);
    c.put(m[i]);
    c.put(v[i]);
  }
}

VECTORIZED static double sumOfSquares(const float* x, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}
VECTORIZED static void scale(const float* from, float* to, int64_t count, float factor) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = from[i] * factor;
}

/// maxNorm, tensors → their common L2 norm, the tensors times min(1, maxNorm / (norm + 1e-6))
OP(ClipByGlobalNorm) {
  const double most = c.number();
  auto tensors = c.tensors();
  if (!ownLoops()) {
    const Tensor norm = at::norm(at::stack(at::_foreach_norm(tensors, 2)));
    const Tensor factor = at::clamp(at::reciprocal(at::add(norm, 1e-6)).mul(most), {}, 1);
    c.put(norm);
    for (const auto& tensor : tensors) c.put(std::isinf(most) ? tensor : at::mul(tensor, factor));
    return;
  }
  for (auto& tensor : tensors) tensor = tensor.contiguous();
  const auto parts = partsOf(tensors);
  std::vector<double> sums(parts.size());
  overParts(parts, [&](size_t k, const Part& part) {
    sums[k] = sumOfSquares(tensors[part.tensor].data_ptr<float>() + part.begin, part.end - part.begin);
  });
  double sum = 0;
  for (const double value : sums) sum += value;
  const double norm = std::sqrt(sum);
  // NaN fails the comparison, and is handed on
  const double factor = most / (norm + 1e-6) >= 1 ? 1 : most / (norm + 1e-6);
  c.put(at::full({}, norm, at::kFloat));
  if (factor == 1) {
    for (const auto& tensor : tensors) c.put(tensor);
    return;
  }
  std::vector<Tensor> scaled;
  for (const auto& tensor : tensors) scaled.push_back(at::empty_like(tensor));
  overParts(parts, [&](size_t, const Part& part) {
    const auto [i, begin, end] = part;
    scale(tensors[i].data_ptr<float>() + begin, scaled[i].data_ptr<float>() + begin, end - begin, static_cast<float>(factor));
  });
  for (const auto& tensor : scaled) c.put(tensor);
}

}  // namespace medalign
