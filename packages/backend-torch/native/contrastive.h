// InfoNCE over blocks of rows: no more than one block of the n × m logits exists at a time. float32 at every precision:
// a logit's error is the loss's.
#pragma once
#include <ATen/Parallel.h>

#include "linear.h"
#include "simd.h"

namespace medalign {

VECTORIZED static float largest(const float* z, int64_t count) {
  float peak = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : peak)
  for (int64_t j = 0; j < count; ++j) peak = z[j] > peak ? z[j] : peak;
  return peak;
}
VECTORIZED static float sumOfExponentials(const float* z, int64_t count, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) sum += exponential(z[j] - shift);
  return sum;
}
VECTORIZED static void raise(float* peak, const float* z, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) peak[j] = z[j] > peak[j] ? z[j] : peak[j];
}
VECTORIZED static void addExponentials(float* sum, const float* z, const float* shift, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) sum[j] += exponential(z[j] - shift[j]);
}
/// z ← f exp(z − row) + g exp(z − column)
VECTORIZED static void weigh(float* z, float f, float row, const float* g, const float* column, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) z[j] = f * exponential(z[j] - row) + g[j] * exponential(z[j] - column[j]);
}
VECTORIZED static void weighRow(float* z, float f, float row, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) z[j] = f * exponential(z[j] - row);
}

/// Rows of a block: as asked, else what keeps the block within 16 MB and the product efficient.
static int64_t blockRows(int64_t asked, int64_t n, int64_t m) {
  const int64_t fitting = std::max<int64_t>(128, (int64_t{4} << 20) / std::max<int64_t>(m, 1));
  return std::max<int64_t>(1, std::min({asked, n, fitting}));
}

/// log Σ exp of every column, gathered block by block.
class Columns {
 public:
  explicit Columns(int64_t m)
      : m_(m), peak_(m, -std::numeric_limits<float>::infinity()), before_(m), sum_(m, 0), here_(m) {}

  void add(const float* z, int64_t rows) {
    // threads share the columns; a block's sum is added up apart, so that no float32 sum is long
    at::parallel_for(0, m_, 256, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      float *peak = peak_.data() + begin, *before = before_.data() + begin, *here = here_.data() + begin;
      std::copy(peak, peak + count, before);
      for (int64_t i = 0; i < rows; ++i) raise(peak, z + i * m_ + begin, count);
      std::fill(here, here + count, 0.0f);
      for (int64_t i = 0; i < rows; ++i) addExponentials(here, z + i * m_ + begin, peak, count);
      for (int64_t j = 0; j < count; ++j) sum_[begin + j] = sum_[begin + j] * std::exp(before[j] - peak[j]) + here[j];
    });
  }

  Tensor logs() const {
    Tensor y = at::empty({1, m_}, at::kFloat);
    float* to = y.data_ptr<float>();
    for (int64_t j = 0; j < m_; ++j) to[j] = peak_[j] + std::log(sum_[j]);
    return y;
  }

 private:
  int64_t m_;
  std::vector<float> peak_, before_, sum_, here_;
};

/// a [n,d] (divided by the temperature), b [m,d], columns wanted, rows of a block → log Σ exp per row [n,1] and column [1,m],
/// and the diagonal [n,1]; n = m. Last, what the gradient wants back: the logits if one block holds them all, else nothing
OP(InfoNce) {
  const Tensor a = c.tensor(), b = c.tensor();
  const bool wanted = c.flag();
  const int64_t n = a.size(0), m = b.size(0), step = blockRows(c.integer(), n, m);
  if (ownLoops()) {
    Tensor state = at::empty({0}, a.options());
    const Tensor row = at::empty({n, 1}, a.options()), diagonal = at::empty({n, 1}, a.options());
    Columns columns(wanted ? m : 0);
    for (int64_t start = 0; start < n; start += step) {
      const int64_t rows = std::min(step, n - start);
      const Tensor z = at::mm(a.narrow(0, start, rows), b.t());
      const float* from = z.data_ptr<float>();
      float *to = row.data_ptr<float>() + start, *own = diagonal.data_ptr<float>() + start;
      at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const float peak = largest(from + i * m, m);
          to[i] = peak + std::log(sumOfExponentials(from + i * m, m, peak));
          own[i] = from[i * m + start + i];
        }
      });
      if (wanted) columns.add(from, rows);
      if (rows == n) state = z;
    }
    c.put(row);
    c.put(wanted ? columns.logs() : at::zeros({1, m}, a.options()));
    c.put(diagonal);
    return c.put(state);
  }
  std::vector<Tensor> rows, diagonals;
  Tensor column;
  for (int64_t start = 0; start < n; start += step) {
    const Tensor z = at::mm(a.narrow(0, start, std::min(step, n - start)), b.t());
    rows.push_back(at::logsumexp(z, {1}, /*keepdim=*/true));
    diagonals.push_back(at::diagonal(z, start).unsqueeze(1));
    if (!wanted) continue;
    const Tensor here = at::logsumexp(z, {0}, /*keepdim=*/true);
    column = column.defined() ? at::logaddexp(column, here) : here;
  }
  c.put(at::cat(rows, 0));
  c.put(wanted ? column : at::zeros({1, m}, a.options()));
  c.put(at::cat(diagonals, 0));
  c.put(at::empty({0}, a.options()));
}

/// a, b, row, column, f [n,1], g [1,m], state, columns wanted, rows of a block →
/// W b and Wᵀ a with W = f exp(a bᵀ − row) + g exp(a bᵀ − column)
OP(InfoNceGrad) {
  const Tensor a = c.tensor(), b = c.tensor(), row = c.tensor().contiguous(), column = c.tensor().contiguous();
  const Tensor f = c.tensor().contiguous(), g = c.tensor().contiguous();
  const Tensor state = c.tensor();
  const bool wanted = c.flag();
  const int64_t n = a.size(0), m = b.size(0), step = blockRows(c.integer(), n, m);
  Tensor da = at::empty(a.sizes(), a.options()), db = at::zeros(b.sizes(), b.options());
  for (int64_t start = 0; start < n; start += step) {
    const int64_t rows = std::min(step, n - start);
    const Tensor block = a.narrow(0, start, rows);
    Tensor z = state.numel() > 0 ? state.clone() : at::mm(block, b.t());
    if (ownLoops()) {
      float* to = z.data_ptr<float>();
      const float *weights = f.data_ptr<float>() + start, *logs = row.data_ptr<float>() + start;
      at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          if (wanted)
            weigh(to + i * m, weights[i], logs[i], g.data_ptr<float>(), column.data_ptr<float>(), m);
          else
            weighRow(to + i * m, weights[i], logs[i], m);
        }
      });
    } else {
      Tensor w = at::mul(at::exp(at::sub(z, row.narrow(0, start, rows))), f.narrow(0, start, rows));
      if (wanted) w.add_(at::exp(z.sub_(column)).mul_(g));
      z = w;
    }
    Tensor part = da.narrow(0, start, rows);
    at::mm_out(part, z, b);
    db.addmm_(z.t(), block);
  }
  c.put(da);
  c.put(db);
}

}  // namespace medalign
