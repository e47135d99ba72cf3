// Batch normalisation of rows: [n, d] and one mean and variance for every column.
#pragma once
#include <ATen/Parallel.h>

#include "linear.h"
#include "simd.h"

namespace medalign {

VECTORIZED static void addRows(const float* x, int64_t rows, int64_t columns, float* sums) {
  for (int64_t i = 0; i < rows; ++i)
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) sums[j] += x[i * columns + j];
}
VECTORIZED static void addSquares(const float* x, int64_t rows, int64_t columns, const float* mean, float* sums) {
  for (int64_t i = 0; i < rows; ++i)
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) {
      const float centred = x[i * columns + j] - mean[j];
      sums[j] += centred * centred;
    }
}
/// Means of what `add(first row, rows, sums)` adds up: blocks of rows in float32, the blocks in double.
template <typename F>
static Tensor columnMeans(int64_t rows, int64_t columns, const F& add) {
  constexpr int64_t size = 512;
  const int64_t blocks = (rows + size - 1) / size;
  std::vector<float> sums(static_cast<size_t>(blocks * columns), 0);
  at::parallel_for(0, blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) add(k * size, std::min(size, rows - k * size), sums.data() + k * columns);
  });
  Tensor means = at::empty({columns}, at::kFloat);
  for (int64_t j = 0; j < columns; ++j) {
    double sum = 0;
    for (int64_t k = 0; k < blocks; ++k) sum += sums[static_cast<size_t>(k * columns + j)];
    means.data_ptr<float>()[j] = static_cast<float>(sum / static_cast<double>(rows));
  }
  return means;
}
/// Population variance and mean of every column.
static std::pair<Tensor, Tensor> moments(const Tensor& x) {
  if (!ownLoops()) {
    const auto [variance, mean] = at::var_mean(x, Ints{0}, /*unbiased=*/false);
    return {variance, mean};
  }
  const int64_t columns = x.size(1);
  const float* values = x.data_ptr<float>();
  const Tensor mean = columnMeans(x.size(0), columns, [=](int64_t row, int64_t rows, float* sums) {
    addRows(values + row * columns, rows, columns, sums);
  });
  const float* means = mean.data_ptr<float>();
  const Tensor variance = columnMeans(x.size(0), columns, [=](int64_t row, int64_t rows, float* sums) {
    addSquares(values + row * columns, rows, columns, means, sums);
  });
  return {variance, mean};
}
/// Rows as the pixels of an image, channels last: what libtorch's own loops are made for.
static Tensor asImage(const Tensor& x) { return x.contiguous().view({1, x.size(0), 1, x.size(1)}).permute({0, 3, 1, 2}); }
static Tensor asRows(const Tensor& x) { return x.permute({0, 2, 3, 1}).reshape({x.size(2), x.size(1)}); }

OP(BatchNorm) {
  const Tensor x = c.tensor().contiguous(), scale = c.tensor(), offset = c.tensor();
  const double epsilon = c.number();
  const auto [variance, mean] = moments(x);
  c.put(asRows(std::get<0>(at::native_batch_norm(asImage(x), scale, offset, mean, variance, /*training=*/false, 0, epsilon))));
  c.put(mean);
  c.put(variance);
}
OP(BatchNormGrad) {
  const Tensor dy = c.tensor(), x = c.tensor(), scale = c.tensor(), mean = c.tensor(), variance = c.tensor();
  const double epsilon = c.number();
  const Tensor reciprocal = at::rsqrt(at::add(variance, epsilon));
  const auto [dx, dScale, dOffset] = at::native_batch_norm_backward(asImage(dy), asImage(x), scale, {}, {}, mean, reciprocal,
                                                                    /*train=*/true, epsilon, {true, true, true});
  c.put(asRows(dx));
  c.put(dScale);
  c.put(dOffset);
}

OP(FusedBatchNorm) {
  const Tensor x = c.tensor(), mean = c.tensor(), variance = c.tensor(), offset = c.optional(), scale = c.optional();
  Tensor factor = at::rsqrt(at::add(variance, c.number()));
  if (scale.defined()) factor = at::mul(factor, scale);
  const Tensor y = at::mul(at::sub(x, mean), factor);
  c.put(offset.defined() ? at::add(y, offset) : y);
}

}  // namespace medalign
